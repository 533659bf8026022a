"""Token merging: of tokens that say much the same, one looks at the picture for all of them.

Source: Bolya & Hoffman 2023, "Token Merging for Fast Stable Diffusion", arXiv:2303.17604, sections 3 and 4:
in each square of four tokens one, chosen at random, is kept; of the others those most like a kept one are
averaged with it, and are given its result.
"""

from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from gesso.denoiser import Call
from gesso.guidance.perturbed import token_grid
from gesso.networks.attention import Attention, Gather, around

__all__ = ["Merging", "TokenMerging", "matched"]


@dataclass(frozen=True)
class Merging:
    """Which tokens look for which others.

    Args:
        apart: tokens that look on their own, by row, [b m]: first the kept ones, then what is like none.
        joined: tokens that are looked for, [b r].
        keepers: for each of these the place in `apart` of the token that looks for it, [b r].
    """

    apart: Int[Tensor, "b m"]
    joined: Int[Tensor, "b r"]
    keepers: Int[Tensor, "b r"]

    def merged(self, x: Float[Tensor, "b n d"]) -> Float[Tensor, "b m d"]:
        """Tokens that look on their own, each averaged with those that it looks for."""
        own, others = _picked(x, self.apart), _picked(x, self.joined)
        return own.scatter_reduce(1, _wide(self.keepers, x), others, "mean", include_self=True)

    def spread(self, x: Float[Tensor, "b m d"]) -> Float[Tensor, "b n d"]:
        """What they found, for all tokens in their places."""
        out = x.new_empty(x.shape[0], self.apart.shape[1] + self.joined.shape[1], x.shape[2])
        out.scatter_(1, _wide(self.apart, x), x)
        return out.scatter_(1, _wide(self.joined, x), _picked(x, self.keepers))


def matched(
    x: Float[Tensor, "b n d"], size: tuple[int, int], share: float, generator: torch.Generator
) -> Merging:
    """Find the tokens that are most like a kept one.

    Args:
        size: height and width of the map that the tokens are of.
        share: of all tokens that are to be looked for, up to what is not kept.
        generator: of the CPU; says which token of each square is kept.
    """
    kept, others = (each.to(x.device) for each in _squares(size, generator))
    # compared by direction; the same tokens are kept in every row
    unit = functional.normalize(x, dim=-1)
    best, keepers = (unit[:, others] @ unit[:, kept].transpose(1, 2)).max(-1)
    order = best.argsort(stable=True, dim=-1, descending=True)
    joined, left = order.tensor_split([min(int(share * x.shape[1]), len(others))], dim=-1)
    rows = kept.expand(x.shape[0], -1)
    return Merging(torch.cat([rows, others[left]], 1), others[joined], keepers.gather(1, joined))


def _squares(
    size: tuple[int, int], generator: torch.Generator
) -> tuple[Int[Tensor, " k"], Int[Tensor, " o"]]:
    """One token of each square of four, and all others; at odd edges squares are halves."""
    height, width = size
    cells = (-(-height // 2), -(-width // 2))
    down, across = torch.randint(2, (2, *cells), generator=generator, device="cpu")
    rows = (2 * torch.arange(cells[0], device="cpu")[:, None] + down).clamp(max=height - 1)
    columns = (2 * torch.arange(cells[1], device="cpu") + across).clamp(max=width - 1)
    kept = (rows * width + columns).flatten()
    other = torch.ones(height * width, dtype=torch.bool, device="cpu")
    other[kept] = False
    return kept, other.nonzero()[:, 0]


def _wide(index: Int[Tensor, "b k"], like: Float[Tensor, "b n d"]) -> Int[Tensor, "b k d"]:
    return index[:, :, None].expand(-1, -1, like.shape[2])


def _picked(x: Float[Tensor, "b n d"], index: Int[Tensor, "b k"]) -> Float[Tensor, "b k d"]:
    return x.gather(1, _wide(index, x))


@dataclass(frozen=True)
class TokenMerging:
    """A control that merges tokens before they look at one another, and spreads what they found.

    Args:
        layers: self-attention layers.
        share: of their tokens that others look for.
    """

    layers: Sequence[Attention]
    share: float

    @contextmanager
    def during(self, call: Call) -> Generator[None]:
        """Merge while the network is called."""
        size = (call.inputs.shape[-2], call.inputs.shape[-1])
        # the same squares in every run of the same request, others at every noise level
        generator = torch.Generator().manual_seed(int(call.sigma * 2**16))

        def gather(_: Attention, before: Gather, x: Tensor, context: Tensor) -> Tensor:
            merging = matched(x, token_grid(x.shape[1], size), self.share, generator)
            fewer = merging.merged(x)
            return merging.spread(before(fewer, fewer if context is x else context))

        with ExitStack() as stack:
            for layer in self.layers:
                stack.enter_context(around(layer, gather))
            yield
