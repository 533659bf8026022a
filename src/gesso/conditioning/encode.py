"""Windows of tokens become context and pooled vector: which layer is read, and how words are emphasised."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol

import torch
from jaxtyping import Float, Int
from torch import Tensor

from gesso.conditioning.prompt import Prompt, Segment, Told
from gesso.conditioning.tokenizer import Tokenizer
from gesso.conditioning.tokens import Cut, Pad, Window, Windowing, windows
from gesso.errors import RequestError

__all__ = [
    "EMPHASES",
    "Emphasis",
    "Encoded",
    "Manner",
    "Reader",
    "TextEncoder",
    "TextStates",
    "Tower",
    "encode",
    "ignore",
    "interpolate",
    "keep_mean",
    "mixed",
    "scale_only",
    "without",
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
Silence = Callable[[], Float[Tensor, "n d"]]
"""What the encoder makes of a window without words; it is read only when it is called."""
Emphasis = Callable[[Float[Tensor, "n d"], Float[Tensor, " n"], Silence], Float[Tensor, "n d"]]


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


def keep_mean(
    states: Float[Tensor, "n d"], weights: Float[Tensor, " n"], silence: Silence
) -> Float[Tensor, "n d"]:
    """Scale every token's features by its weight, then bring the window's mean back.

    Source: the "original" emphasis of AUTOMATIC1111/stable-diffusion-webui: z' = z w · mean(z) / mean(z w).
    """
    scaled = scale_only(states, weights, silence)
    return scaled * (states.mean() / scaled.mean())


def scale_only(
    states: Float[Tensor, "n d"], weights: Float[Tensor, " n"], silence: Silence
) -> Float[Tensor, "n d"]:
    """Scale every token's features by its weight: z' = z w.

    Source: the "no norm" emphasis of AUTOMATIC1111/stable-diffusion-webui.
    """
    del silence
    return states * weights[:, None]


def interpolate(
    states: Float[Tensor, "n d"], weights: Float[Tensor, " n"], silence: Silence
) -> Float[Tensor, "n d"]:
    """Move every token away from what the empty prompt says in its place: z' = z0 + (z - z0) w.

    Source: comfyanonymous/ComfyUI, comfy/sd1_clip.py; the same in damian0815/compel.
    """
    empty = silence()
    return torch.where(weights[:, None] == 1, states, empty + (states - empty) * weights[:, None])


def ignore(
    states: Float[Tensor, "n d"], weights: Float[Tensor, " n"], silence: Silence
) -> Float[Tensor, "n d"]:
    """Weights do nothing: z' = z. The "ignore" emphasis of AUTOMATIC1111/stable-diffusion-webui."""
    del weights, silence
    return states


EMPHASES: dict[str, Emphasis] = {
    "original": keep_mean,
    "no_norm": scale_only,
    "interpolate": interpolate,
    "remove": interpolate,
    "ignore": ignore,
}
"""How weights act, by name. "remove" also mixes in the prompt without each phrase that is weighed below 1."""


@dataclass(frozen=True)
class Manner:
    """How prompts are read.

    Args:
        emphasis: how weights act.
        cut: where prompts that do not fit into a window are cut.
        clip_skip: 1 for the family's own layer.
        remove: whether a phrase weighed below 1 is mixed with its absence.
    """

    emphasis: Emphasis = keep_mean
    cut: Cut = "comma"
    clip_skip: int = 1
    remove: bool = False

    @staticmethod
    def named(emphasis: str, cut: Cut, clip_skip: int | None) -> "Manner":
        """The manner of a dialect with an emphasis of EMPHASES."""
        return Manner(EMPHASES[emphasis], cut, clip_skip or 1, remove=emphasis == "remove")


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
    return Reader(towers, Manner(emphasis, clip_skip=clip_skip or 1), device)(
        [_alone(each) for each in prompts]
    )


def _alone(prompt: Prompt) -> Told:
    return Told(((prompt, 1.0),))


class Reader:
    """Text encoders that read what is told together, and no window twice.

    Args:
        towers: joined along features.
        device: where they are; the CPU unless given.
        together: read many windows in one call, as training does; else each by itself, so that what a prompt
            becomes does not depend, to the last bit, on what is read beside it.
    """

    def __init__(
        self,
        towers: Sequence[Tower],
        manner: Manner = Manner(),
        device: torch.device | None = None,
        *,
        together: bool = False,
    ) -> None:
        self._manner = manner
        self._together = together
        self._readings = [
            _Reading(tower, replace(tower.windowing, cut=manner.cut), manner, device) for tower in towers
        ]

    def __call__(self, told: Sequence[Told]) -> tuple[Encoded, ...]:
        """Encode what is told together: all contexts get the same length, by empty windows.

        Raises:
            RequestError: no layer is that deep.
        """
        shares = [self._shares(each) for each in told]
        said = [[self._windows(prompt) for prompt, _ in each] for each in shares]
        count = max(len(run) for each in said for prompt in each for run in prompt)
        if self._together:
            for tower, reading in enumerate(self._readings):
                reading.ahead([window for each in said for prompt in each for window in prompt[tower]], count)
        read = [[self._read(prompt, count) for prompt in each] for each in said]
        return tuple(
            mixed([(encoded, weight) for encoded, (_, weight) in zip(row, each, strict=True)])
            for row, each in zip(read, shares, strict=True)
        )

    def _shares(self, told: Told) -> tuple[tuple[Prompt, float], ...]:
        if not self._manner.remove:
            return told.shares
        return tuple(
            (prompt, weight * part) for whole, weight in told.shares for prompt, part in without(whole)
        )

    def _windows(self, prompt: Prompt) -> list[tuple[Window, ...]]:
        return [windows(prompt, reading.windowing) for reading in self._readings]

    def _read(self, said: list[tuple[Window, ...]], count: int) -> Encoded:
        return _joined([reading(each, count) for reading, each in zip(self._readings, said, strict=True)])


def without(prompt: Prompt) -> tuple[tuple[Prompt, float], ...]:
    """A prompt, and the same without each phrase weighed below 1, in proportions that sum to 1.

    Source: damian0815/compel, embeddings_provider.py: tan((1 - w) π/2) for w from 0 to 1, beside 1 for the
    whole prompt. It hides the phrase from attention; here its words are left out, its mode "remove".
    """
    shares = [(prompt, 1.0)]
    for place, block in enumerate(prompt.blocks):
        for index, segment in enumerate(block):
            if segment.weight < 1:
                rest = _left(prompt, place, (*block[:index], *block[index + 1 :]))
                shares.append((rest, math.tan((1.0 - max(segment.weight, 1e-5)) * math.pi / 2)))
    total = sum(weight for _, weight in shares)
    return tuple((each, weight / total) for each, weight in shares)


def _left(prompt: Prompt, place: int, block: tuple[Segment, ...]) -> Prompt:
    return Prompt((*prompt.blocks[:place], block, *prompt.blocks[place + 1 :]))


def mixed(shares: Sequence[tuple[Encoded, float]]) -> Encoded:
    """The weighted sum of what several prompts say; one alone with weight 1 is itself, to the bit."""
    if len(shares) == 1 and shares[0][1] == 1.0:
        return shares[0][0]
    contexts = [encoded.context * weight for encoded, weight in shares]
    pooled = [encoded.pooled * weight for encoded, weight in shares if encoded.pooled is not None]
    return Encoded(torch.stack(contexts).sum(0), torch.stack(pooled).sum(0) if pooled else None)


@dataclass(frozen=True)
class _Row:
    """The states of one window of many."""

    hidden: tuple[Float[Tensor, "1 n d"], ...]
    pooled: Float[Tensor, "1 p"]


@dataclass(frozen=True)
class _Reading:
    tower: Tower
    windowing: Windowing
    manner: Manner
    device: torch.device | None
    read: dict[Window, Encoded] = field(default_factory=dict[Window, Encoded])

    def __call__(self, said: tuple[Window, ...], count: int) -> Encoded:
        """Read these windows and as many empty ones as make up the count."""
        silent = [self.windowing.window()] * (count - len(said))
        read = [self.window(window) for window in (*said, *silent)]
        return Encoded(torch.cat([each.context for each in read], dim=1), read[0].pooled)

    def window(self, window: Window) -> Encoded:
        """Read one window by itself, once: what a prompt becomes never depends on what is read beside it."""
        if window not in self.read:
            self.read[window] = self.made(window, self.states((window,)))
        return self.read[window]

    def ahead(self, said: Sequence[Window], count: int) -> None:
        """Read windows in one call, and the empty one if any prompt has fewer than the count."""
        new = tuple(dict.fromkeys((*said, self.windowing.window()) if count > 1 else said))
        states = self.states(new)
        for i, window in enumerate(new):
            hidden = tuple(each[i : i + 1] for each in states.hidden)
            self.read[window] = self.made(window, _Row(hidden, states.pooled[i : i + 1]))

    def made(self, window: Window, states: TextStates) -> Encoded:
        """What becomes of the states of one window."""
        layer = self.tower.skipped(self.manner.clip_skip)
        depth = len(states.hidden) - 1
        if not -depth <= layer < 0:
            raise RequestError(
                f"clip skip must end at one of the text encoder's {depth} layers, however: layer {layer}"
            )
        context = states.hidden[layer]
        if self.tower.normed:
            context = self.tower.encoder.final_norm(context)
        if any(weight != 1 for weight in window.weights):
            weights = torch.tensor(window.weights, device=context.device)
            said = self.manner.emphasis(context[0].float(), weights, self.silence)
            context = said[None].to(context.dtype)
        return Encoded(context, states.pooled if self.tower.pooled else None)

    def states(self, said: tuple[Window, ...]) -> TextStates:
        return self.tower.encoder(torch.tensor([window.ids for window in said], device=self.device))

    def silence(self) -> Float[Tensor, "n d"]:
        return self.window(self.windowing.window()).context[0].float()


def _joined(towers: Sequence[Encoded]) -> Encoded:
    pooled = [each.pooled for each in towers if each.pooled is not None]
    context = torch.cat([each.context for each in towers], dim=2)
    return Encoded(context, torch.cat(pooled, dim=1) if pooled else None)
