"""What lies behind the objects: sixteen named colours and seven sceneries."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32

Canvas = Float32[np.ndarray, "s s 3"]
Colour = tuple[int, int, int]

WHITE = 0
COLOURS: tuple[tuple[str, Colour], ...] = (
    ("white", (255, 255, 255)),
    ("black", (20, 20, 22)),
    ("gray", (140, 143, 148)),
    ("red", (214, 40, 45)),
    ("orange", (247, 140, 40)),
    ("yellow", (250, 215, 60)),
    ("green", (45, 145, 70)),
    ("light green", (165, 230, 150)),
    ("teal", (25, 150, 150)),
    ("blue", (50, 90, 215)),
    ("light blue", (150, 205, 250)),
    ("dark blue", (20, 30, 95)),
    ("purple", (125, 65, 180)),
    ("pink", (250, 165, 200)),
    ("brown", (120, 75, 45)),
    ("beige", (240, 225, 190)),
)
JITTER = 7  # how far a named colour strays, of 255


@dataclass(frozen=True)
class Background:
    """A named colour or scenery.

    Args:
        name: "light blue" or "beach".
        phrases: ways to say it in a caption.
        paint: fills a square canvas of the given side, 0 to 1.
    """

    name: str
    phrases: tuple[str, ...]
    paint: Callable[[int, np.random.Generator], Canvas]


def _plain(colour: Colour) -> Callable[[int, np.random.Generator], Canvas]:
    def paint(side: int, rng: np.random.Generator) -> Canvas:
        stray = rng.integers(-JITTER, JITTER + 1, 3) if colour != (255, 255, 255) else np.zeros(3)
        shade = np.clip(np.array(colour) + stray, 0, 255) / 255
        return np.broadcast_to(shade.astype(np.float32), (side, side, 3)).copy()

    return paint


def _blend(top: Colour, bottom: Colour, side: int) -> Canvas:
    """A vertical gradient."""
    ramp = np.linspace(0, 1, side, dtype=np.float32)[:, None, None]
    colours = np.array([top, bottom], dtype=np.float32) / 255
    return np.repeat(colours[0] * (1 - ramp) + colours[1] * ramp, side, axis=1)


def _ground(sky: Canvas, colours: tuple[Colour, Colour], rng: np.random.Generator) -> Canvas:
    """The sky above, a gradient ground below a horizon that is a little higher or lower each time."""
    side = len(sky)
    line = round(side * rng.uniform(0.52, 0.66))
    sky[line:] = _blend(*colours, side)[: side - line]
    return sky


def _grass(side: int, rng: np.random.Generator) -> Canvas:
    return _ground(_blend((110, 185, 250), (200, 230, 255), side), ((105, 195, 75), (50, 130, 45)), rng)


def _snow(side: int, rng: np.random.Generator) -> Canvas:
    return _ground(_blend((140, 165, 200), (200, 215, 235), side), ((252, 253, 255), (225, 232, 245)), rng)


def _beach(side: int, rng: np.random.Generator) -> Canvas:
    canvas = _ground(_blend((95, 190, 250), (190, 230, 255), side), ((240, 220, 165), (225, 195, 130)), rng)
    line = round(side * rng.uniform(0.4, 0.48))
    shore = round(side * 0.58)
    canvas[line:shore] = np.array((30, 130, 200), np.float32) / 255
    canvas[shore:] = _blend((240, 222, 170), (225, 195, 130), side)[: side - shore]
    return canvas


def _sunset(side: int, rng: np.random.Generator) -> Canvas:
    return _ground(_blend((85, 40, 120), (255, 150, 60), side), ((75, 40, 60), (45, 25, 45)), rng)


def _blots(side: int, centres: Float[np.ndarray, "n 3"]) -> Float32[np.ndarray, "s s 1"]:
    """Soft round spots; a centre is (row, column, radius) as shares of the side."""
    rows, columns = np.mgrid[0:side, 0:side].astype(np.float32) / side
    total = np.zeros((side, side), np.float32)
    for row, column, radius in centres:
        total += np.exp(-(((rows - row) / radius) ** 2 + ((columns - column) / radius / 2) ** 2))
    return np.minimum(total, 1)[:, :, None]


def _sky(side: int, rng: np.random.Generator) -> Canvas:
    canvas = _blend((75, 150, 240), (185, 220, 255), side)
    clouds = _blots(side, rng.uniform((0.05, 0, 0.05), (0.95, 1, 0.11), (4, 3)))
    return canvas * (1 - clouds) + clouds


def _night(side: int, rng: np.random.Generator) -> Canvas:
    canvas = _blend((8, 10, 35), (35, 40, 90), side)
    stars = rng.integers(0, side, (side // 3, 2))
    canvas[stars[:, 0], stars[:, 1]] = rng.uniform(0.5, 1, (side // 3, 1))
    return canvas


def _water(side: int, rng: np.random.Generator) -> Canvas:
    canvas = _blend((40, 165, 205), (10, 60, 130), side)
    bubbles = _blots(side, rng.uniform((0.05, 0, 0.015), (0.95, 1, 0.03), (6, 3)))
    return canvas * (1 - 0.5 * bubbles) + 0.5 * bubbles


SCENERIES = (
    Background("grass", ("on grass", "in the grass", "on a meadow"), _grass),
    Background("snow", ("in the snow", "on snow"), _snow),
    Background("beach", ("on a beach", "on the beach", "at the beach"), _beach),
    Background("sunset", ("at sunset", "in front of a sunset"), _sunset),
    Background("sky", ("in the sky", "in a blue sky with clouds"), _sky),
    Background("night", ("at night", "in the night", "under the stars"), _night),
    Background("water", ("under water", "in the water"), _water),
)


def _named(name: str, colour: Colour) -> Background:
    article = "an" if name[0] in "aeiou" else "a"
    phrases = (f"on {article} {name} background", f"with {article} {name} background", f"on {name}")
    return Background(name, phrases, _plain(colour))


BACKGROUNDS = (*(_named(name, colour) for name, colour in COLOURS), *SCENERIES)
