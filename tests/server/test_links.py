from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from gesso.server.links import Links, kept_secret
from gesso.server.refusals import Refused
from gesso.server.renditions import Rendition

SHOWN = Rendition((64, 32), "jpeg", 80)


def taken(link: str) -> tuple[str, int, str]:
    parts = urlsplit(link)
    query = parse_qs(parts.query)
    return parts.path.removeprefix("/pictures/"), int(query["until"][0]), query["sign"][0]


def test_a_link_opens_what_it_was_made_for_and_nothing_else() -> None:
    links = Links(b"s", 60)
    name, until, sign = taken(links.link("a", 0, SHOWN))
    links.check(name, SHOWN, until, sign)
    others = [
        ("a/1.jpeg", SHOWN, until, sign),
        (name, Rendition((64, 33), "jpeg", 80), until, sign),
        (name, SHOWN, until + 1, sign),
        (name, SHOWN, until, "ü"),
    ]
    for each in others:
        with pytest.raises(Refused):
            links.check(*each)
    with pytest.raises(Refused):
        Links(b"t", 60).check(name, SHOWN, until, sign)


def test_a_link_grows_old() -> None:
    links = Links(b"s", -1)
    name, until, sign = taken(links.link("a", 0, SHOWN))
    with pytest.raises(Refused, match="too old"):
        links.check(name, SHOWN, until, sign)


def test_the_secret_stays_and_is_nobody_elses(tmp_path: Path) -> None:
    secret = kept_secret(tmp_path)
    assert len(secret) == 32
    assert kept_secret(tmp_path) == secret
    assert (tmp_path / "secret").stat().st_mode & 0o077 == 0
