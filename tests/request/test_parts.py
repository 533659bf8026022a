from pathlib import Path

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from gesso.request.parts import Interval, Part, PortablePath, Seconds, Share, Size


class Some(Part):
    size: Size = (8, 8)
    share: Share = 0.0
    interval: Interval = (0.0, 1.0)
    path: PortablePath = Path("a/b")


@pytest.mark.parametrize("said", ["64x32", "64 X 32", "64×32", (64, 32), ["64x32"]])
def test_a_size_is_said_in_many_ways(said: object) -> None:
    assert Some.model_validate({"size": said}).size == (64, 32)


def test_one_number_is_a_square() -> None:
    assert Some.model_validate({"size": 64}).size == Some.model_validate({"size": "64"}).size == (64, 64)


@pytest.mark.parametrize("wrong", [{"size": 7}, {"share": 1.1}, {"interval": (0.5, 2.0)}, {"shares": 1}])
def test_what_is_out_of_range_or_misspelt_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Some.model_validate(wrong)


def test_paths_are_written_alike_everywhere() -> None:
    assert isinstance(Some(), BaseModel)
    assert Some(path=Path("a") / "b").model_dump(mode="json")["path"] == "a/b"


@pytest.mark.parametrize(("said", "seconds"), [("20s", 20.0), (" 2min", 120.0), ("1.5", 1.5), (3, 3.0)])
def test_a_time_is_said_in_many_ways(said: object, seconds: float) -> None:
    assert TypeAdapter(Seconds).validate_python(said) == seconds


@pytest.mark.parametrize("said", ["soon", "0s", -1.0, "inf"])
def test_other_times_are_refused(said: object) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Seconds).validate_python(said)
