from pathlib import Path

import pytest

from gesso.errors import RequestError
from gesso.generation.shown import named_shown
from gesso.request import Reference, Request, Shown


def test_pictures_are_named_by_their_hashes_and_must_stay(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(b"a picture")
    asked = Request(depth=Shown(image=path), reference=Reference(image=path, weight=0.5))
    named = named_shown(asked)
    assert named.depth is not None
    assert isinstance(named.reference, Reference)
    assert named.depth.sha256 == named.reference.sha256 is not None
    assert named.reference.weight == 0.5
    assert named_shown(named) == named
    plain = Request()
    assert named_shown(plain) is plain
    path.write_bytes(b"another")
    with pytest.raises(RequestError, match="depth must be the file that the request was made for"):
        named_shown(named)
    path.unlink()
    with pytest.raises(RequestError, match="is not there"):
        named_shown(asked)
