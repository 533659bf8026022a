"""The Base: what a control model must fit, as far as names and sizes tell."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from gesso.checkpoint.shapes import Shapes
from gesso.families.identify import Identity
from gesso.model import Model, sizes
from gesso.networks.joints import check_descent

__all__ = ["Base"]

UNET = "model.diffusion_model."


@dataclass(frozen=True)
class Base:
    """A model's UNet, for control models to fit.

    Args:
        name: family and variant, such as "sd1-inpainting".
        unet: its tensors, named relative to it.
        heads: width to number of attention heads.
    """

    name: str
    unet: Shapes
    heads: Callable[[int], int]

    @staticmethod
    def of(model: Model) -> "Base":
        """A loaded model's."""
        network = model.networks["unet"]
        return Base(model.identity.name, sizes(network), model.identity.facts.heads)

    @staticmethod
    def of_file(identity: Identity) -> "Base":
        """The same from a checkpoint's header."""
        return Base(identity.name, identity.checkpoint.shapes.under(UNET), identity.facts.heads)

    @cached_property
    def widths(self) -> tuple[int, ...]:
        """What each input block leaves, and the middle."""
        skips, middle = check_descent(self.unet)
        return (*skips, middle)

    @property
    def context(self) -> int | None:
        """Width of the prompt's tokens."""
        return next(
            (shape[1] for name, shape in self.unet.items() if name.endswith("attn2.to_k.weight")), None
        )

    @property
    def vector(self) -> int | None:
        """Width of the vector condition."""
        return self.unet.get("label_emb.0.0.weight", (0, None))[1]

    @property
    def latents(self) -> int:
        """Channels of the latents."""
        return self.unet["out.2.weight"][0]
