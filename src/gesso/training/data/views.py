"""Views: the ways one picture is shown in training, each a cutting of its bucket's size, perhaps mirrored."""

import hashlib
import random
from dataclasses import dataclass

from jaxtyping import Float
from PIL import Image
from torch import Tensor
from torch.nn import functional

from gesso.conditioning.sizes import Sizes
from gesso.generation.latents import as_pixels
from gesso.training.data.buckets import Fit
from gesso.training.recipe import PictureSet

__all__ = ["View", "views"]


@dataclass(frozen=True)
class View:
    """One way to show a picture.

    Args:
        fit: how it is scaled, and how much is left.
        place: what is cut off at the left and at the top, pixels after scaling.
        mirrored: left and right change places.
    """

    fit: Fit
    place: tuple[int, int]
    mirrored: bool = False

    @property
    def key(self) -> tuple[object, ...]:
        """What of it decides the pixels."""
        return (self.fit.scaled, self.fit.bucket, self.place, self.mirrored)

    @property
    def sizes(self) -> Sizes:
        """What SDXL is told of it, rows before columns.

        Source: Podell et al. 2023, arXiv:2307.01952, section 2.2: the crop is where the cutting begins, also
        in a mirrored picture, whose right side then is its left.
        """
        (width, height), (across, down) = self.fit.original, self.fit.bucket
        left = self.fit.room[0] - self.place[0] if self.mirrored else self.place[0]
        return Sizes((height, width), (down, across), (self.place[1], left))

    def cut(self, image: Image.Image) -> Image.Image:
        """The picture so; one that needs neither scaling nor cutting keeps every bit."""
        if image.size != self.fit.scaled:
            image = image.resize(self.fit.scaled, Image.Resampling.LANCZOS)
        (left, top), (width, height) = self.place, self.fit.bucket
        if image.size != self.fit.bucket:
            image = image.crop((left, top, left + width, top + height))
        return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if self.mirrored else image

    def pixels(self, image: Image.Image) -> Float[Tensor, "1 3 h w"]:
        """The same as numbers in -1…1."""
        return as_pixels(self.cut(image).convert("RGB"))

    def learnt(self, mask: Image.Image, cells: tuple[int, int]) -> Float[Tensor, "1 1 h w"]:
        """How much of each latent cell is learnt, 0…1, from a mask of the picture."""
        shown = self.cut(mask.resize(self.fit.original) if mask.size != self.fit.original else mask)
        grey = (as_pixels(shown.convert("RGB"))[:, :1] + 1) / 2
        return functional.interpolate(grey, cells, mode="area")


def views(kind: PictureSet, fit: Fit, digest: str) -> tuple[View, ...]:
    """Every way a picture of a set is shown.

    Args:
        digest: of the picture; decides where cuttings by chance are.
    """
    room = fit.room
    places = [(room[0] // 2, room[1] // 2)]
    if kind.crops > 1:
        chance = random.Random(int(hashlib.sha256(digest.encode()).hexdigest()[:16], 16))
        places = [(chance.randint(0, room[0]), chance.randint(0, room[1])) for _ in range(kind.crops)]
    sides = (False, True) if kind.flip else (False,)
    return tuple(View(fit, place, side) for place in dict.fromkeys(places) for side in sides)
