"""The inpaint head of Fooocus: one convolution that tells a network's first block what is to be painted.

Source: lllyasviel/Fooocus, `fooocus_inpaint_head.pth`; the file's one tensor is `head`.
"""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from gesso.networks.structure import Shapes, parameter

__all__ = ["InpaintHead"]


class InpaintHead(nn.Module):
    """From a mask and the latents of what is kept to what is added to the first block's output.

    Args:
        shapes: `head`, [width 5 3 3].
    """

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        self.head = parameter(shapes, "head", 4)

    @property
    def width(self) -> int:
        """Channels that it adds to."""
        return self.head.shape[0]

    @property
    def channels(self) -> int:
        """Channels that it is shown: a mask, and latents."""
        return self.head.shape[1]

    def forward(self, shown: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h w"]:
        """What is added; at its edges a picture goes on as it ends."""
        return functional.conv2d(functional.pad(shown, (1, 1, 1, 1), mode="replicate"), self.head)
