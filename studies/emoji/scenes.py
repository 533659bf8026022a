"""Captioned pictures for training: what is in one, how it is said, how it is drawn."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import UInt8

from studies.emoji.backgrounds import BACKGROUNDS, WHITE
from studies.emoji.objects import Sprites, things
from studies.emoji.styles import PLAINLY, STYLES

NUMBERS = ("", "a", "two", "three")
SIZES = {"small": (0.34, 0.46), "": (0.64, 0.88), "big": (0.88, 0.98)}
SHARES = (0.55, 0.20, 0.16, 0.09)  # one object, two copies, three copies, two different objects
PLAIN = 0.3  # how often the background is white, which captions seldom mention
# Places of the objects' centres as shares of the side, for one, two and three of them.
PLACES = {1: ((0.5, 0.5),), 2: ((0.5, 0.26), (0.5, 0.74)), 3: ((0.27, 0.5), (0.73, 0.26), (0.73, 0.74))}


@dataclass(frozen=True)
class Scene:
    """What a picture shows.

    Args:
        things: object numbers, one for every copy.
        background: number in BACKGROUNDS.
        size: of a single object, as said in the caption; empty for the usual size.
        stacked: two objects lie one above the other instead of side by side.
        style: number in STYLES.
    """

    things: tuple[int, ...]
    background: int = WHITE
    size: Literal["small", "", "big"] = ""
    stacked: bool = False
    style: int = PLAINLY

    @property
    def alike(self) -> bool:
        """All objects are copies of one."""
        return len(set(self.things)) == 1

    @property
    def unseen(self) -> bool:
        """One of the combinations that training never shows, to tell a model from a lookup.

        About one in eleven pairs of object and background (white excepted), for two in nine objects
        either two or three copies, and for each object one in nine of all styles but the usual one.
        """
        grounds = self.background != WHITE and any(
            (5 * thing + 3 * self.background) % 11 == 0 for thing in self.things
        )
        copies = self.alike and len(self.things) > 1 and (self.things[0] + len(self.things)) % 9 == 0
        drawn = self.style != PLAINLY and any((thing + self.style) % 9 == 0 for thing in self.things)
        return grounds or copies or drawn


def draw(rng: np.random.Generator) -> Scene:
    """A scene as training shows them, never an unseen one."""
    while True:
        kind = rng.choice(4, p=SHARES)
        first, second = (int(i) for i in rng.choice(len(things()), 2, replace=False))
        members = (first, second) if kind == 3 else (first,) * (int(kind) + 1)
        background = WHITE if rng.random() < PLAIN else int(rng.integers(len(BACKGROUNDS)))
        size = SIZES_OF_ONE[rng.choice(3, p=(0.08, 0.84, 0.08))] if kind == 0 else ""
        scene = Scene(members, background, size)
        if not scene.unseen:
            return scene


SIZES_OF_ONE: tuple[Literal["small", "", "big"], ...] = ("small", "", "big")


def caption(scene: Scene, rng: np.random.Generator) -> str:
    """One of many ways to say what the scene shows; a background that is not white is always said."""
    words = STYLES[scene.style].said(_subject(scene, rng), rng)
    phrase = str(rng.choice(BACKGROUNDS[scene.background].phrases, p=_mostly_first(scene.background)))
    if scene.background == WHITE and rng.random() < 0.8:
        return words
    named = BACKGROUNDS[scene.background].name
    forms = (f"{words} {phrase}", f"{words}, {named}" + (" background" if " on " in f" {phrase} " else ""))
    return forms[int(rng.random() < 0.1)]


def _mostly_first(background: int) -> list[float]:
    count = len(BACKGROUNDS[background].phrases)
    return [0.6] + [0.4 / (count - 1)] * (count - 1)


def _subject(scene: Scene, rng: np.random.Generator) -> str:
    if not scene.alike:
        names = (f"{_article(name)} {name}" for name in (things()[i].name for i in scene.things))
        return _together(*names, stacked=scene.stacked, rng=rng)
    thing, several = things()[scene.things[0]], len(scene.things) > 1
    names = thing.words(several)
    name = names[int(len(names) > 1 and rng.random() < 0.25)]
    if several:
        return f"{NUMBERS[len(scene.things)]} {name}"
    name = f"{scene.size} {name}".strip()
    return name if rng.random() < 0.25 else f"{_article(name)} {name}"


def _together(first: str, second: str, *, stacked: bool, rng: np.random.Generator) -> str:
    """Two objects and where they are; side by side usually goes without saying."""
    over, under = f"{first} above {second}", f"{second} below {first}"
    left, right = f"{first} to the left of {second}", f"{second} to the right of {first}"
    ways, shares = (
        ((over, under), (0.6, 0.4)) if stacked else ((f"{first} and {second}", left, right), (0.6, 0.2, 0.2))
    )
    return str(rng.choice(ways, p=shares))


def _article(name: str) -> str:
    return "an" if name[0] in "aeiou" else "a"


def paint(
    scene: Scene, sprites: Sprites, side: int, rng: np.random.Generator
) -> UInt8[np.ndarray, "side side 3"]:
    """The scene as a square picture; sizes and places differ from draw to draw."""
    canvas = BACKGROUNDS[scene.background].paint(side, rng)
    count = len(scene.things)
    low, high = {1: SIZES[scene.size], 2: (0.40, 0.48), 3: (0.38, 0.45)}[count]
    longest = round(side * rng.uniform(low, high))
    for thing, middle in zip(scene.things, PLACES[count], strict=True):
        place = (middle[1], middle[0]) if scene.stacked else middle
        sprite = sprites.at(thing, longest - int(rng.integers(0, 1 + side // 32)))
        _lay(canvas, sprite, _corner(sprite.shape, place, side, rng))
    # the scaling filter overshoots at sharp edges
    return STYLES[scene.style].redraw((canvas.clip(0, 1) * 255 + 0.5).astype(np.uint8))


def _corner(
    shape: tuple[int, ...], place: tuple[float, float], side: int, rng: np.random.Generator
) -> tuple[int, int]:
    """Top and left of an object around its place, moved a little but kept inside."""
    stray = rng.uniform(-0.05, 0.05, 2) if place == (0.5, 0.5) else rng.uniform(-0.025, 0.025, 2)
    top, left = (
        int(np.clip(round((centre + off) * side - length / 2), 0, max(0, side - length)))
        for centre, off, length in zip(place, stray, shape[:2], strict=True)
    )
    return top, left


def _lay(canvas: np.ndarray, sprite: np.ndarray, corner: tuple[int, int]) -> None:
    """Over the canvas, in place.

    Source: Porter and Duff 1984, "Compositing Digital Images": premultiplied `over`.
    """
    top, left = corner
    height, width = sprite.shape[:2]
    under = canvas[top : top + height, left : left + width]
    under *= 1 - sprite[:, :, 3:]
    under += sprite[:, :, :3]
