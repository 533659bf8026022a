"""Windows of tokens become context and pooled vector: which layer is read, and how words are emphasised."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import torch
from jaxtyping import Float, Int
from torch import Tensor

from gesso.conditioning.prompt import Prompt
from gesso.conditioning.tokenizer import Tokenizer
from gesso.conditioning.tokens import Pad, Window, Windowing, windows
from gesso.errors import RequestError

__all__ = [
    "EMPHASES",
    "Emphasis",
    "Encoded",
    "TextEncoder",
    "TextStates",
    "Tower",
    "encode",
    "keep_mean",
    "scale_only",
]


class TextStates(Protocol):
    """What a text encoder makes of windows of tokens."""

    @property
    def hidden(self) -> tuple[Float[Tensor, "b n d"], ...]:
        """The embeddings, then the output of every block, all without the final norm."""
        ...

    @property
    def pooled(self) -> Float[Tensor, "b p"]:
        """The whole text as one vector."""
        ...


class TextEncoder(Protocol):
    """A network that reads windows of tokens."""

    @property
    def positions(self) -> int:
        """Tokens in a window."""
        ...

    @property
    def vocabulary(self) -> int:
        """Rows of the token embedding."""
        ...

    def __call__(self, tokens: Int[Tensor, "b n"]) -> TextStates:
        """Read windows."""
        ...

    def final_norm(self, hidden: Float[Tensor, "b n d"]) -> Float[Tensor, "b n d"]:
        """The norm after the last block."""
        ...


ClipSkip = Literal["further", "absolute", "never"]
Emphasis = Callable[[Float[Tensor, "n d"], Float[Tensor, " n"]], Float[Tensor, "n d"]]


@dataclass(frozen=True)
class Tower:
    """One text encoder and how a family of models reads it.

    Args:
        layer: which hidden state becomes context; -1 the last, -2 the one before it.
        normed: whether the final norm is applied to it.
        pad: what follows the end mark: the end mark again, or this id.
        pooled: whether its pooled output joins the vector condition.
        clip_skip: what a request's clip skip n does, 1 always being the family's own layer. "further": n - 1
            layers before `layer` (v1, where that is the n-th last; v2). "absolute": the n-th last, but never
            one after `layer` (SDXL's first tower, so that its customary 2 changes nothing). "never": nothing
            (SDXL's second tower, the refiner).
        words: new words, and the ids beyond the vocabulary that they stand for.
    """

    encoder: TextEncoder
    layer: int = -1
    normed: bool = True
    pad: Pad = "end"
    pooled: bool = False
    clip_skip: ClipSkip = "further"
    words: Mapping[str, tuple[int, ...]] = field(default_factory=dict[str, tuple[int, ...]])

    @property
    def windowing(self) -> Windowing:
        """How this encoder wants its words."""
        return Windowing(Tokenizer(self.encoder.vocabulary, self.words), self.encoder.positions, self.pad)

    def skipped(self, clip_skip: int) -> int:
        """The layer that is read at this clip skip, counted from the end."""
        layers = {
            "further": self.layer - (clip_skip - 1),
            "absolute": min(self.layer, -clip_skip),
            "never": self.layer,
        }
        return layers[self.clip_skip]


@dataclass(frozen=True)
class Encoded:
    """What text encoders make of one prompt.

    Args:
        pooled: of the first window; None where no tower pools.
    """

    context: Float[Tensor, "1 n d"]
    pooled: Float[Tensor, "1 p"] | None = None

    def zeroed(self) -> "Encoded":
        """Nothing said at all: what SDXL was trained with in place of an empty prompt."""
        return Encoded(
            torch.zeros_like(self.context), None if self.pooled is None else torch.zeros_like(self.pooled)
        )


def keep_mean(states: Float[Tensor, "n d"], weights: Float[Tensor, " n"]) -> Float[Tensor, "n d"]:
    """Scale every token's features by its weight, then bring the window's mean back.

    Source: the "original" emphasis of AUTOMATIC1111/stable-diffusion-webui: z' = z w · mean(z) / mean(z w).
    """
    scaled = scale_only(states, weights)
    return scaled * (states.mean() / scaled.mean())


def scale_only(states: Float[Tensor, "n d"], weights: Float[Tensor, " n"]) -> Float[Tensor, "n d"]:
    """Scale every token's features by its weight: z' = z w.

    Source: the "no norm" emphasis of AUTOMATIC1111/stable-diffusion-webui.
    """
    return states * weights[:, None]


EMPHASES: dict[str, Emphasis] = {"original": keep_mean, "no_norm": scale_only}


def encode(
    prompts: Sequence[Prompt],
    towers: Sequence[Tower],
    *,
    device: torch.device | None = None,
    clip_skip: int | None = None,
    emphasis: Emphasis = keep_mean,
) -> tuple[Encoded, ...]:
    """Encode prompts that are used together: all contexts get the same length, by empty windows.

    Towers are joined along features, windows along tokens.

    Args:
        device: where the towers are; the CPU unless given.
        clip_skip: 1 or None for the family's own layer.

    Raises:
        RequestError: no layer is that deep.
    """
    readings = [
        _Reading(tower, tower.windowing, tower.skipped(clip_skip or 1), emphasis, device) for tower in towers
    ]
    split = [[windows(prompt, reading.windowing) for reading in readings] for prompt in prompts]
    count = max(len(each) for prompt in split for each in prompt)
    return tuple(
        _joined([reading(each, count) for reading, each in zip(readings, prompt, strict=True)])
        for prompt in split
    )


@dataclass(frozen=True)
class _Reading:
    tower: Tower
    windowing: Windowing
    layer: int
    emphasis: Emphasis
    device: torch.device | None

    def __call__(self, said: tuple[Window, ...], count: int) -> Encoded:
        """Read these windows and as many empty ones as make up the count."""
        silent = [self.windowing.window()] * (count - len(said))
        read = [self.window(window) for window in (*said, *silent)]
        return Encoded(torch.cat([each.context for each in read], dim=1), read[0].pooled)

    def window(self, window: Window) -> Encoded:
        """Read one window by itself: what a prompt becomes never depends on what is read beside it."""
        states = self.tower.encoder(torch.tensor([window.ids], device=self.device))
        depth = len(states.hidden) - 1
        if not -depth <= self.layer < 0:
            raise RequestError(
                f"clip skip must end at one of the text encoder's {depth} layers, however: layer {self.layer}"
            )
        context = states.hidden[self.layer]
        if self.tower.normed:
            context = self.tower.encoder.final_norm(context)
        if any(weight != 1 for weight in window.weights):
            weights = torch.tensor(window.weights, device=context.device)
            context = self.emphasis(context[0].float(), weights)[None].to(context.dtype)
        return Encoded(context, states.pooled if self.tower.pooled else None)


def _joined(towers: Sequence[Encoded]) -> Encoded:
    pooled = [each.pooled for each in towers if each.pooled is not None]
    context = torch.cat([each.context for each in towers], dim=2)
    return Encoded(context, torch.cat(pooled, dim=1) if pooled else None)
