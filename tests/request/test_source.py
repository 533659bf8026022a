from pathlib import Path

import pytest
from pydantic import ValidationError

from gesso.request.source import Mask, Source


def test_a_file_alone_stands_for_a_mask() -> None:
    source = Source.model_validate({"image": "s.png", "mask": "m.png"})
    assert source.mask == Mask(image=Path("m.png"))


@pytest.mark.parametrize("said", ["16x8+4+2", {"box": "16x8+4+2"}, {"box": (4, 2, 16, 8)}])
def test_a_box_is_said_in_many_ways(said: object) -> None:
    assert Mask.model_validate(said) == Mask(box=(4, 2, 16, 8))


@pytest.mark.parametrize("wrong", ["0x8+4+2", {"box": "8x8"}, {"box": (0, 0, 0, 8)}, {"box": (-1, 0, 8, 8)}])
def test_a_box_has_an_inside_and_lies_on_the_picture(wrong: object) -> None:
    with pytest.raises(ValidationError):
        Mask.model_validate(wrong)


def test_a_mask_has_one_shape() -> None:
    with pytest.raises(ValidationError, match="a picture or a box, however: it is both"):
        Mask(image=Path("m.png"), box=(0, 0, 8, 8))


def test_an_upscaler_is_a_known_name_or_a_file() -> None:
    """As a path, so that a server lets nobody reach beyond its folders by it."""
    assert Source.model_validate({"upscaler": "latent"}).upscaler == "latent"
    file = Source.model_validate({"upscaler": "a/net.pth"})
    assert file.upscaler == Path("a/net.pth")
    assert Source.model_validate_json(file.model_dump_json()) == file
