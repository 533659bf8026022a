"""Merging: a 3 x 3 convolution of a map that is twice as large by repetition, as one of the map itself."""

from weakref import ref

import torch
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["Merging"]


class Merging:
    """The four 2 x 2 convolutions that the four pixels of each become, as one of four times the channels.

    It gives one more row and column: of the left upper pixels those from the first on, of the right lower
    ones from the second. Sums are rounded to the weight's type, and kept as long as the weight they are of.
    """

    def __init__(self) -> None:
        self._weight: ref[Tensor] | None = None
        self._made: nn.Conv2d | None = None

    def __call__(self, conv: nn.Conv2d) -> nn.Conv2d:
        """The same of a 3 x 3 convolution with a margin of 1."""
        if self._made is None or self._weight is None or self._weight() is not conv.weight:
            self._made = _merged(conv)
            self._weight = ref(conv.weight, self._gone)
        return self._made

    def _gone(self, weight: "ref[Tensor]") -> None:
        if weight is self._weight:
            self._weight = self._made = None


def _merged(conv: nn.Conv2d) -> nn.Conv2d:
    weight = conv.weight.detach().float()
    four = torch.cat([each for upper_or_lower in _two(weight, 2) for each in _two(upper_or_lower, 3)])
    with torch.device("meta"):
        wide = nn.Conv2d(conv.in_channels, 4 * conv.out_channels, 2, padding=1, bias=conv.bias is not None)
    four = four.to(conv.weight.dtype, memory_format=torch.channels_last)
    wide.weight = nn.Parameter(four, requires_grad=False)
    if conv.bias is not None:
        wide.bias = nn.Parameter(conv.bias.detach().repeat(4), requires_grad=False)
    return wide


def _two(weight: Float[Tensor, "o i ..."], side: int) -> tuple[Tensor, Tensor]:
    """Of two pixels that one becomes, the first sees a neighbour, then its own twice; the second reversed."""
    before, here, after = weight.unbind(side)
    return torch.stack((before, here + after), side), torch.stack((before + here, after), side)
