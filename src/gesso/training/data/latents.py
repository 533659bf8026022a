"""Latents of pictures: what the autoencoder says of every view, worked out once and kept."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional

from gesso.errors import NotFinite
from gesso.generation.large import encode
from gesso.generation.latents import as_pixels
from gesso.model import Model
from gesso.networks.autoencoder import Moments
from gesso.training.data.pictures import Picture
from gesso.training.data.store import Store, fingerprint
from gesso.training.data.views import View

__all__ = ["Latents", "Seen", "look"]


@dataclass(frozen=True)
class Seen:
    """One view of a picture as the loss needs it.

    Args:
        moments: what the autoencoder says of it, not yet scaled.
        mask: how much of each cell is learnt, 0…1; None for all.
        hint: what a ControlNet is shown, 0…1.
        look: 64 signs, nearly alike for pictures that look alike.
    """

    moments: Moments
    look: UInt8[Tensor, " 64"]
    mask: Float[Tensor, "1 1 h w"] | None = None
    hint: Float[Tensor, "1 3 H W"] | None = None


class Latents:
    """A model's autoencoder with a store of what it said."""

    def __init__(self, model: Model, store: Store) -> None:
        self.model = model
        self.store = store
        self.maker = [fingerprint(model.vae), str(model.dtype)]

    def __call__(self, picture: Picture, view: View, digest: str) -> Seen:
        """What there is of one view.

        Args:
            digest: the picture's.

        Raises:
            NotFinite: the autoencoder overflows on it.
        """
        made_of = ["latents", *self.maker, digest, view.key]
        found = self.store.get(made_of, lambda: self._tensors(picture, view))
        moments = Moments(found["mean"], found["logvar"])
        if not (torch.isfinite(moments.mean).all() and torch.isfinite(moments.logvar).all()):
            raise NotFinite(f"latents must be finite, however: those of {picture.file} are not")
        return Seen(moments, found["look"], found.get("mask"), found.get("hint"))

    @torch.no_grad()
    def _tensors(self, picture: Picture, view: View) -> dict[str, Tensor]:
        pixels = view.pixels(picture.opened())
        moments = encode(self.model, pixels.to(self.model.device))
        found = {"mean": moments.mean.float(), "logvar": moments.logvar.float(), "look": look(pixels)}
        mask, hint = picture.masked(), picture.hinted()
        if mask is not None:
            found["mask"] = view.learnt(mask, (found["mean"].shape[2], found["mean"].shape[3]))
        if hint is not None:
            shown = hint.resize(view.fit.original) if hint.size != view.fit.original else hint
            found["hint"] = (as_pixels(view.cut(shown)) + 1) / 2
        return found


def look(pixels: Float[Tensor, "1 3 h w"]) -> UInt8[Tensor, " 64"]:
    """Whether each of 8 x 8 places is lighter than the place to its right.

    Source: N. Krawetz 2013, "Kind of Like That": the difference hash of a picture at 9 x 8.
    """
    small = functional.adaptive_avg_pool2d(pixels.mean(dim=1, keepdim=True), (8, 9))
    return (small[..., :-1] > small[..., 1:]).flatten().to(torch.uint8)
