"""A prompt becomes windows: as many ids as a text encoder takes at once, each with its weight."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from gesso.conditioning.prompt import Prompt, Segment
from gesso.conditioning.tokenizer import Tokenizer

__all__ = ["Pad", "Window", "Windowing", "windows"]

Pad = Literal["end"] | int
"""What follows the end mark: the end mark again (CLIP), or this id (OpenCLIP: 0)."""

Pieces = tuple[tuple[int, float], ...]
_BACKTRACK = 20


@dataclass(frozen=True, slots=True)
class Window:
    """One run of a text encoder: begin mark, words, end mark, padding."""

    ids: tuple[int, ...]
    weights: tuple[float, ...]


@dataclass(frozen=True)
class Windowing:
    """How one text encoder wants its words.

    Args:
        tokenizer: words to ids.
        positions: ids in a window, both marks included; 77 as published.
        pad: what follows the end mark.
    """

    tokenizer: Tokenizer
    positions: int = 77
    pad: Pad = "end"

    def window(self, pieces: Pieces = ()) -> Window:
        """A full window of these pieces; of none: the empty prompt."""
        end = self.tokenizer.end
        padding = self.positions - 2 - len(pieces)
        words, weights = [piece[0] for piece in pieces], [piece[1] for piece in pieces]
        return Window(
            (self.tokenizer.begin, *words, end, *[end if self.pad == "end" else self.pad] * padding),
            (1.0, *weights, 1.0, *[1.0] * padding),
        )


def windows(prompt: Prompt, windowing: Windowing) -> tuple[Window, ...]:
    """At least one window; each block starts its own.

    A list that does not fit is cut after its last comma when that is near, not within a phrase.

    Source: AUTOMATIC1111/stable-diffusion-webui, prompt chunks and "comma padding backtrack" of 20.
    """
    blocks = [_pieces(block, windowing) for block in prompt.blocks]
    # A BREAK at the end leaves a block that says nothing: it opens no window.
    if len(blocks) > 1 and not blocks[-1]:
        blocks.pop()
    return tuple(windowing.window(run) for pieces in blocks for run in _cut(pieces, windowing))


def _pieces(block: tuple[Segment, ...], windowing: Windowing) -> Pieces:
    return tuple((id_, segment.weight) for segment in block for id_ in windowing.tokenizer(segment.text))


def _cut(pieces: Pieces, windowing: Windowing) -> Iterator[Pieces]:
    room = windowing.positions - 2
    while len(pieces) > room:
        size = _cut_before(pieces, room, windowing.tokenizer.comma)
        size = _whole(pieces, size, windowing.tokenizer)
        yield pieces[:size]
        pieces = pieces[size:]
    yield pieces


def _whole(pieces: Pieces, size: int, tokenizer: Tokenizer) -> int:
    """Fewer pieces, where as many would cut a new word in two; a window takes any word whole."""
    inner = {id_ for ids in tokenizer.words.values() for id_ in ids[1:]}
    return next((cut for cut in range(size, 0, -1) if pieces[cut][0] not in inner), size)


def _cut_before(pieces: Pieces, room: int, comma: int) -> int:
    """How many pieces go into this window, the next piece being the first that has no room."""
    if pieces[room][0] == comma:
        return room
    near = range(room - 1, max(room - _BACKTRACK, 0) - 1, -1)
    return next((place + 1 for place in near if pieces[place][0] == comma), room)
