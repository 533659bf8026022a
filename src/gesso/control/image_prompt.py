"""Image prompts: cross-attention looks at what a picture shows, beside the words.

Source: Ye et al. 2023, arXiv:2308.06721, eq. 5: what is gathered from the words plus a weight times what is
gathered from the picture; region masks as in tencent-ailab/IP-Adapter and diffusers.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from gesso.control.image_adapter import KeysValues
from gesso.denoiser import Call
from gesso.errors import Unsupported
from gesso.networks.attention import Attention, Gather, around

__all__ = ["STYLES", "ImagePromptControl", "at_positions"]

STYLES: Mapping[str, tuple[Mapping[str, float], ...]] = {
    "style": (
        {"OUT01": 1.0},
        dict.fromkeys(("IN01", "IN02", "IN04", "IN05", *(f"OUT{i:02d}" for i in range(5, 12)), "M00"), 1.0),
    ),
    "composition": ({"IN08": 1.0}, {"IN07": 0.25, "IN08": 1.0}),
}
"""Which blocks look at the picture: of UNets with 3 resolutions (SDXL), and with 4 (SD 1.x, 2.x).

Source: Wang et al. 2024, arXiv:2404.02733, section 3.3 (SDXL); ComfyUI_IPAdapter_plus' "style transfer" and
"composition" (SD 1.x), whose numbers count transformers in the order in which they run.
"""


@dataclass(frozen=True)
class ImagePromptControl:
    """A picture's keys and values for every cross-attention layer, and how strongly each looks at them.

    Args:
        given: what the layers look at.
        weight: a layer's name → how strongly; 0 does not look at all.
        sigmas: it acts at the first of these noise levels and below, as long as above the second.
        mask: 0…1, where in the picture; None for everywhere.
    """

    given: Sequence[KeysValues]
    weight: Callable[[str], float]
    sigmas: tuple[float, float]
    mask: Float[Tensor, "1 1 H W"] | None = None

    @contextmanager
    def during(self, call: Call) -> Generator[None]:
        """Every layer looks at the picture while the block runs, each row at its role's."""
        highest, lowest = self.sigmas
        with ExitStack() as stack:
            if lowest < call.sigma <= highest:
                rows = torch.tensor([int(role == "prompt") for role in call.cond.roles])
                size = (call.inputs.shape[-2], call.inputs.shape[-1])
                for each in self.given:
                    self._enter(stack, call, each, (rows, size))
            yield None

    def _enter(
        self, stack: ExitStack, call: Call, each: KeysValues, told: tuple[Int[Tensor, " b"], tuple[int, int]]
    ) -> None:
        amount = self.weight(each.layer)
        layer = call.network.get_submodule(each.layer)
        if amount and isinstance(layer, Attention):
            rows, size = told
            looking = Looking(each.keys[rows], each.values[rows], amount, self.mask, size)
            stack.enter_context(around(layer, looking))


@dataclass(frozen=True)
class Looking:
    """What one cross-attention layer does in one call.

    Args:
        weight: how strongly.
        size: height and width of the latents.
    """

    keys: Float[Tensor, "b n c"]
    values: Float[Tensor, "b n c"]
    weight: float
    mask: Float[Tensor, "1 1 H W"] | None
    size: tuple[int, int]

    def __call__(self, layer: Attention, before: Gather, x: Tensor, context: Tensor) -> Tensor:
        """What the words give, and what the picture gives."""
        q, k, v = (layer.split(part.to(x)) for part in (layer.to_q(x), self.keys, self.values))
        seen = functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        if self.mask is not None:
            seen = seen * at_positions(self.mask, self.size, x.shape[1]).to(x)
        return before(x, context) + self.weight * seen


def at_positions(mask: Float[Tensor, "1 1 H W"], size: tuple[int, int], count: int) -> Float[Tensor, "1 n 1"]:
    """A mask at the positions that a layer has: its mean over each.

    Args:
        size: height and width of the latents, which each resolution halves, rounded up.
        count: how many positions there are.

    Raises:
        Unsupported: no resolution has that many.
    """
    height, width = size
    while height * width > count:
        height, width = (height + 1) // 2, (width + 1) // 2
    if height * width != count:
        raise Unsupported(
            f"region masks must meet the positions of a whole picture, however: a layer has {count} of them"
        )
    return functional.adaptive_avg_pool2d(mask, (height, width)).flatten(1)[..., None]
