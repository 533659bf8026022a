import pytest
from pydantic import ValidationError

from gesso.server.a1111_forms import Extras, Img2Img, Txt2Img, Unit


def test_null_and_unknown_fields_are_let_be() -> None:
    said = {
        "prompt": None,
        "steps": None,
        "styles": None,
        "enable_hr": None,
        "save_images": True,
        "colour": 1,
    }
    assert Txt2Img.model_validate(said) == Txt2Img()


@pytest.mark.parametrize(
    ("form", "fields"),
    [
        (Txt2Img, {"restore_faces": True}),
        (Txt2Img, {"steps": 0}),
        (Img2Img, {"denoising_strength": 2}),
        (Extras, {"gfpgan_visibility": 1.0}),
        (Extras, {"upscaling_resize": 1e9}),
    ],
)
def test_what_would_change_the_picture_otherwise_is_refused(
    form: type[Txt2Img], fields: dict[str, float]
) -> None:
    with pytest.raises(ValidationError):
        form.model_validate(fields)


@pytest.mark.parametrize(
    "said", [{"image": "a"}, {"image": {"image": "a", "mask": ""}}, {"input_image": "a"}]
)
def test_a_units_picture_comes_in_three_ways(said: dict[str, object]) -> None:
    assert Unit.model_validate(said).picture == "a"
    assert Unit.model_validate({"image": ""}).picture is None
