"""Pictures of another size are fitted as asked."""

import numpy as np
import pytest
import torch
from PIL import Image

from gesso.control.hint import Fit, as_hint, as_region, fitted


def half_and_half(size: tuple[int, int]) -> Image.Image:
    pixels = np.zeros((size[1], size[0], 3), np.uint8)
    pixels[:, size[0] // 2 :] = 255
    return Image.fromarray(pixels)


@pytest.mark.parametrize("fit", ["crop", "fill", "stretch"])
@pytest.mark.parametrize("size", [(64, 32), (32, 64), (40, 40)])
def test_the_size_is_the_one_asked_for_and_the_middle_stays(fit: Fit, size: tuple[int, int]) -> None:
    picture = half_and_half((48, 24))
    found = np.asarray(fitted(picture, size, fit).convert("L"))
    assert found.shape == (size[1], size[0])
    middle = found[size[1] // 2]
    assert middle[size[0] // 4] < 128 < middle[3 * size[0] // 4]


def test_the_same_size_is_the_same_picture() -> None:
    picture = half_and_half((16, 16))
    assert fitted(picture, (16, 16), "crop") is picture


def test_a_border_has_the_edges_median_colour() -> None:
    picture = Image.new("L", (20, 10), 77)
    picture.paste(200, (5, 3, 9, 6))
    assert set(np.asarray(fitted(picture, (20, 30), "fill"))[0].tolist()) == {77}


def test_numbers_run_from_0_to_1() -> None:
    hint = as_hint(half_and_half((4, 2)))
    assert hint.shape == (1, 3, 2, 4)
    assert torch.equal(hint[0, 0, 0], torch.tensor([0.0, 0.0, 1.0, 1.0]))
    assert as_region(Image.new("L", (3, 2), 255)).shape == (1, 1, 2, 3)
