"""A prompt becomes windows: as many ids as a text encoder takes at once, each with its weight."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from gesso.conditioning.prompt import Prompt, Segment
from gesso.conditioning.tokenizer import Tokenizer

__all__ = ["Cut", "Pad", "Window", "Windowing", "ids", "runs", "windows"]

Pad = Literal["end"] | int
"""What follows the end mark: the end mark again (CLIP), or this id (OpenCLIP: 0)."""

Cut = Literal["comma", "group", "full"]
"""Where a prompt without room is cut: after a near comma, before a short group, or at the last place."""

Pieces = tuple[tuple[int, float], ...]
_BACKTRACK = 20
_SHORT = 8


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
        cut: where a prompt without room is cut.
    """

    tokenizer: Tokenizer
    positions: int = 77
    pad: Pad = "end"
    cut: Cut = "comma"

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
    """At least one window; each block starts its own."""
    return tuple(windowing.window(run) for run in runs(prompt, windowing))


def runs(prompt: Prompt, windowing: Windowing) -> tuple[Pieces, ...]:
    """The words of every window, without marks and padding.

    A list that does not fit is cut after its last comma when that is near, not within a phrase; or before a
    group of one weight when that is short, in the comfy dialect's manner.

    Source: AUTOMATIC1111/stable-diffusion-webui, prompt chunks and "comma padding backtrack" of 20;
    comfyanonymous/ComfyUI, comfy/sd1_clip.py, whose groups of fewer than 8 tokens move whole.
    """
    blocks = list(prompt.blocks)
    # A BREAK at the end leaves a block that says nothing: it opens no window.
    if len(blocks) > 1 and not any(_groups(blocks[-1], windowing)):
        blocks.pop()
    return tuple(run for block in blocks for run in _filled(_groups(block, windowing), windowing))


def _groups(block: tuple[Segment, ...], windowing: Windowing) -> list[Pieces]:
    return [tuple((id_, each.weight) for id_ in ids(each, windowing.tokenizer)) for each in block]


def ids(segment: Segment, tokenizer: Tokenizer) -> tuple[int, ...]:
    """The ids of a segment's words."""
    # The name of an embedding that is not there says nothing: its letters are not words.
    if segment.embedding:
        return tokenizer.words.get(segment.text.casefold(), ())
    return tokenizer(segment.text)


def _filled(groups: list[Pieces], windowing: Windowing) -> Iterator[Pieces]:
    room = windowing.positions - 2
    if windowing.cut == "group":
        yield from _by_groups(groups, room)
        return
    pieces = tuple(piece for group in groups for piece in group)
    while len(pieces) > room:
        size = room if windowing.cut == "full" else _cut_before(pieces, room, windowing.tokenizer.comma)
        size = _whole(pieces, size, windowing.tokenizer)
        yield pieces[:size]
        pieces = pieces[size:]
    yield pieces


def _by_groups(groups: list[Pieces], room: int) -> Iterator[Pieces]:
    run: Pieces = ()
    for group in groups:
        rest = group
        while len(run) + len(rest) > room:
            fits = room - len(run) if len(group) >= _SHORT else 0
            yield run + rest[:fits]
            run, rest = (), rest[fits:]
        run += rest
    yield run


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
