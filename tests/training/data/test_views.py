"""Views cut pictures truly, and say truly what they cut."""

from dataclasses import replace

import numpy as np
import torch
from PIL import Image

from gesso.training.data.buckets import Fit
from gesso.training.data.views import View, views
from gesso.training.recipe import PictureSet


def image(width: int, height: int) -> Image.Image:
    numbers = np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(numbers)


WIDE = Fit((96, 64), (96, 64), (64, 64))


def test_a_picture_that_needs_nothing_keeps_every_bit() -> None:
    """C8.6: of a bucket's size, bit for bit."""
    whole = View(Fit((64, 32), (64, 32), (64, 32)), (0, 0))
    assert whole.cut(image(64, 32)).tobytes() == image(64, 32).tobytes()


def test_a_cutting_is_where_it_is_said_to_be() -> None:
    view = View(WIDE, (20, 0))
    pixels = np.asarray(image(96, 64))
    assert np.array_equal(np.asarray(view.cut(image(96, 64))), pixels[:, 20:84])
    assert view.sizes.original == (64, 96)
    assert view.sizes.target == (64, 64)
    assert view.sizes.crop == (0, 20)


def test_a_mirrored_picture_is_told_as_the_cutting_of_a_mirrored_file() -> None:
    view = View(WIDE, (20, 0), mirrored=True)
    mirrored = image(96, 64).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    plain = View(WIDE, (view.sizes.crop[1], 0))
    assert view.cut(image(96, 64)).tobytes() == plain.cut(mirrored).tobytes()


def test_scaling_comes_before_cutting() -> None:
    view = View(Fit((192, 128), (96, 64), (64, 64)), (16, 0))
    assert view.cut(image(192, 128)).size == (64, 64)
    assert view.pixels(image(192, 128)).shape == (1, 3, 64, 64)


def test_sets_say_how_many_views_there_are() -> None:
    kind = PictureSet.model_validate({"folder": "x"})
    assert [each.place for each in views(kind, WIDE, "a")] == [(16, 0)]
    more = views(kind.model_copy(update={"crops": 5, "flip": True}), WIDE, "a")
    assert len({(each.place, each.mirrored) for each in more}) == len(more) > 5
    assert more == views(kind.model_copy(update={"crops": 5, "flip": True}), WIDE, "a")
    assert more != views(kind.model_copy(update={"crops": 5, "flip": True}), WIDE, "b")
    assert all(0 <= each.place[0] <= 32 and each.place[1] == 0 for each in more)


def test_views_of_other_pixels_have_other_keys() -> None:
    view = View(WIDE, (20, 0))
    others = [
        View(WIDE, (21, 0)),
        View(WIDE, (20, 0), mirrored=True),
        View(replace(WIDE, bucket=(32, 64)), (20, 0)),
    ]
    assert len({view.key, *(each.key for each in others)}) == 4


def test_masks_are_cut_like_pictures() -> None:
    mask = Image.new("L", (96, 64), 0)
    mask.paste(255, (20, 0, 52, 64))
    learnt = View(WIDE, (20, 0)).learnt(mask, (8, 8))
    assert torch.equal(learnt[0, 0, 0], torch.tensor([1.0] * 4 + [0.0] * 4))
    small = View(WIDE, (20, 0)).learnt(mask.resize((48, 32)), (8, 8))
    assert small.shape == learnt.shape
