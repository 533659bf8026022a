"""Scenes: what a picture shows is what its caption says, and the same seed gives the same pictures."""

import numpy as np
import pytest
from PIL import Image

from studies.emoji import richer
from studies.emoji.backgrounds import BACKGROUNDS, WHITE
from studies.emoji.objects import Sprites, things
from studies.emoji.scenes import NUMBERS, Scene, caption, draw, paint
from studies.emoji.styles import PLAINLY, STYLES


@pytest.fixture(scope="module")
def sprites(tmp_path_factory: pytest.TempPathFactory) -> Sprites:
    """A disc of its own colour for every object."""
    folder = tmp_path_factory.mktemp("artwork")
    rows, columns = np.mgrid[0:32, 0:32]
    disc = (rows - 16) ** 2 + (columns - 16) ** 2 < 15**2
    for i, thing in enumerate(things()):
        picture = np.zeros((32, 32, 4), np.uint8)
        picture[disc] = (3 * i, 255 - 3 * i, 60, 255)
        Image.fromarray(picture).save(folder / f"{thing.code}.webp", lossless=True)
    return Sprites(folder)


def test_the_same_seed_gives_the_same_scene_caption_and_picture(sprites: Sprites) -> None:
    def made(seed: int) -> list[tuple[Scene, str, bytes]]:
        rng = np.random.default_rng(seed)
        scenes = [draw(rng) for _ in range(40)]
        return [(scene, caption(scene, rng), paint(scene, sprites, 32, rng).tobytes()) for scene in scenes]

    assert made(3) == made(3)
    assert made(3) != made(4)


@pytest.mark.parametrize("side", [64, 128])
def test_every_object_lies_within_the_picture_at_any_size(sprites: Sprites, side: int) -> None:
    rng = np.random.default_rng(0)
    for copies in (1, 2, 3):
        picture = paint(Scene((5,) * copies), sprites, side, rng)
        assert picture.shape == (side, side, 3)
        inside = (picture < 200).any(axis=2)
        assert inside.any()
        assert not (inside[0].any() or inside[-1].any() or inside[:, 0].any() or inside[:, -1].any())


def test_more_copies_are_drawn_apart(sprites: Sprites) -> None:
    rng = np.random.default_rng(1)
    two = (paint(Scene((5, 5)), sprites, 64, rng) < 200).any(axis=2).any(axis=0)
    assert int((np.diff(two.astype(int)) == 1).sum()) == 2


def test_captions_say_number_object_and_background() -> None:
    rng = np.random.default_rng(2)
    for _ in range(2000):
        scene = draw(rng)
        said = caption(scene, rng)
        if scene.alike:
            assert any(name in said for name in things()[scene.things[0]].words(len(scene.things) > 1))
            assert (NUMBERS[len(scene.things)] in said) or len(scene.things) == 1
        else:
            assert any(between in said for between in (" and ", " left of ", " right of "))
        background = BACKGROUNDS[scene.background]
        if scene.background != WHITE:
            assert any(phrase in said for phrase in (*background.phrases, background.name))


def test_training_never_shows_the_combinations_kept_for_the_score() -> None:
    rng = np.random.default_rng(3)
    assert not any(draw(rng).unseen for _ in range(3000))


def test_every_object_keeps_most_of_its_combinations() -> None:
    for thing in range(len(things())):
        seen = [not Scene((thing,), ground).unseen for ground in range(len(BACKGROUNDS))]
        assert sum(seen) >= 0.85 * len(seen)
        assert not all(seen)
        assert not Scene((thing,)).unseen
        assert any(not Scene((thing,) * copies).unseen for copies in (2, 3))


@pytest.mark.parametrize("stacked", [False, True])
def test_of_two_objects_the_first_is_left_or_above(sprites: Sprites, stacked: bool) -> None:
    picture = paint(Scene((2, 70), stacked=stacked), sprites, 64, np.random.default_rng(4)).astype(int)
    red = (picture[..., 0] > 200) & (picture[..., 1] < 100)  # the discs' colours: 2 is green, 70 is red
    green = (picture[..., 1] > 200) & (picture[..., 0] < 100)
    axis = 0 if stacked else 1
    assert np.nonzero(green)[axis].max() < np.nonzero(red)[axis].min()


def test_captions_say_which_of_two_objects_is_above() -> None:
    rng = np.random.default_rng(5)
    first, second = things()[2].name, things()[70].name
    for _ in range(50):
        said = caption(Scene((2, 70), stacked=True), rng)
        above = " above " in said
        assert above or " below " in said
        assert (said.index(first) < said.index(second)) == above


@pytest.mark.parametrize("style", range(len(STYLES)))
def test_a_style_redraws_the_picture_and_is_said(style: int, sprites: Sprites) -> None:
    plain = paint(Scene((5,)), sprites, 64, np.random.default_rng(6))
    drawn = paint(Scene((5,), style=style), sprites, 64, np.random.default_rng(6))
    assert drawn.dtype == np.uint8
    assert drawn.shape == plain.shape
    assert np.array_equal(drawn, plain) == (style == PLAINLY)
    said = {caption(Scene((5,), style=style), np.random.default_rng(i)) for i in range(20)}
    assert all(STYLES[style].name in each for each in said) or style == PLAINLY


def test_the_second_training_shows_every_kind_and_no_combination_kept_for_the_score() -> None:
    rng = np.random.default_rng(7)
    drawn = [richer.draw(rng) for _ in range(1500)]
    assert not any(scene.unseen for scene in drawn)
    assert {scene.style for scene in drawn} == set(range(len(STYLES)))
    assert {scene.stacked for scene in drawn if not scene.alike} == {False, True}
    assert {len(scene.things) for scene in drawn} == {1, 2, 3}
