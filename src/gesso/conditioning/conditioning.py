"""Conditioning: what the network is told besides the noisy latents and their noise."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["Conditioning", "Role", "Window", "cat"]

Role = Literal["prompt", "negative", "neutral", "perturbed", "blind"]
"""Whether a row is told what to paint, what to keep away from, nothing, the prompt while disturbed, or the
negative without the picture to change."""


Window = tuple[slice, slice]
"""Rows and columns."""


@dataclass(frozen=True)
class Conditioning:
    """What the network is told.

    Args:
        context: the words, read by cross-attention.
        vector: the pooled text, sizes and the like, added to the time embedding.
        concat: further channels beside the latents (inpainting, instructions, upscaling).
        roles: of each row; all of them prompts unless given.
        window: rows and columns of the latents that are seen, where it is not all of them.
    """

    context: Float[Tensor, "b n d"]
    vector: Float[Tensor, "b v"] | None = None
    concat: Float[Tensor, "b c h w"] | None = None
    roles: tuple[Role, ...] = field(default=())
    window: Window | None = None

    def __post_init__(self) -> None:
        """Rows without a role are prompts."""
        if not self.roles:
            object.__setattr__(self, "roles", ("prompt",) * len(self))

    def __len__(self) -> int:
        return self.context.shape[0]

    def first(self, rows: int) -> "Conditioning":
        """The first so many rows."""
        return self._each(lambda part: part[:rows], self.roles[:rows])

    def to(self, device: torch.device | None = None, dtype: torch.dtype | None = None) -> "Conditioning":
        """The same on another device or in another type."""
        return self._each(
            lambda part: part.to(device=device or part.device, dtype=dtype or part.dtype), self.roles
        )

    def repeated(self, count: int) -> "Conditioning":
        """Each row `count` times in a row: the same for that many pictures."""
        roles: tuple[Role, ...] = tuple(role for role in self.roles for _ in range(count))
        return self._each(lambda part: part.repeat_interleave(count, dim=0), roles)

    def _each(self, change: Callable[[Tensor], Tensor], roles: tuple[Role, ...]) -> "Conditioning":
        return Conditioning(
            change(self.context),
            None if self.vector is None else change(self.vector),
            None if self.concat is None else change(self.concat),
            roles,
            self.window,
        )


def cat(told: Sequence[Conditioning]) -> Conditioning:
    """One batch of several, in order: they have the same parts and window, and as many tokens."""
    return Conditioning(
        torch.cat([each.context for each in told]),
        _joined([each.vector for each in told]),
        _joined([each.concat for each in told]),
        tuple(role for each in told for role in each.roles),
        told[0].window,
    )


def _joined(parts: Sequence[Tensor | None]) -> Tensor | None:
    present = [part for part in parts if part is not None]
    assert len(present) in {0, len(parts)}, "conditions of one batch have the same parts"
    return torch.cat(present) if present else None
