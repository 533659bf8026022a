from pathlib import Path

import pytest

from gesso.request import Reference, Request


def test_a_reference_is_also_its_path() -> None:
    assert Request.model_validate({"reference": "a.png"}).reference == Reference(image=Path("a.png"))


def test_it_must_not_stop_before_it_begins() -> None:
    with pytest.raises(ValueError, match="start must not lie after end"):
        Reference(image=Path("a.png"), start=0.6, end=0.5)
