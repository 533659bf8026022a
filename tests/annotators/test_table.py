"""Every annotator has a name, settings that are checked, and gives a picture of the same size."""

import pytest
from PIL import Image

from gesso.annotators.table import ANNOTATORS, annotated, annotator
from gesso.errors import RequestError, UnknownName
from tests.references.canny_cases import picture


@pytest.mark.parametrize("name", ANNOTATORS)
def test_each_gives_a_picture_of_the_same_size(name: str) -> None:
    found = annotated(Image.fromarray(picture()), name, {})
    assert (found.mode, found.size) == ("RGB", (130, 90))


def test_settings_matter() -> None:
    page = Image.fromarray(picture())
    assert annotated(page, "canny", {"low": 10, "high": 30}) != annotated(page, "canny", {})
    assert annotator("blur", {"sigma": 3}) == {"sigma": 3.0}


@pytest.mark.parametrize(("name", "option"), [("cany", "low"), ("canny", "lo")])
def test_a_wrong_name_is_told_the_right_ones(name: str, option: str) -> None:
    with pytest.raises(UnknownName) as caught:
        annotator(name, {option: 1})
    assert "canny" in caught.value.hint or "low" in caught.value.hint


@pytest.mark.parametrize("value", ["much", True, -1, 0.5])
def test_a_wrong_value_is_refused(value: object) -> None:
    with pytest.raises(RequestError, match="low of canny must be of type int"):
        annotator("canny", {"low": value})
