from math import inf

import pytest
from pydantic import ValidationError

from gesso.request.guidance import GuidanceShape, Perturbation, Region


def test_nothing_is_on_unless_asked_for() -> None:
    shape = GuidanceShape()
    on = [name for name, value in shape if value and name != "interval"]
    assert on == []


@pytest.mark.parametrize("given", [{}, {"box": (0, 0, 1, 1), "mask": "m.png"}])
def test_a_region_has_one_shape(given: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="a box or a mask"):
        Region.model_validate({"prompt": "a cat", **given})


@pytest.mark.parametrize("box", [(0.5, 0, 0.5, 1), (0, 0.7, 1, 0.2)])
def test_a_box_has_an_inside(box: tuple[float, ...]) -> None:
    with pytest.raises(ValidationError, match="left, top, right, bottom"):
        Region.model_validate({"prompt": "a cat", "box": box})


def test_shapes_survive_writing() -> None:
    shape = GuidanceShape(perturbation=Perturbation(blur=2.0, layers=("M00", "IN04")), perpendicular=0.5)
    assert GuidanceShape.model_validate_json(shape.model_dump_json()) == shape
    assert Perturbation(blur=inf).blur == inf
