r"""The prompt language: which words, and how strongly.

`(a)` ×1.1 · `[a]` ÷1.1 · `(a:1.2)` ×1.2 · nested brackets multiply · `\( \) \[ \] \\` are the characters
themselves · a bracket left open reaches to the end · `BREAK` starts a new window. Nothing is an error: what
cannot be read as a weight is read as words.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import groupby

__all__ = ["Prompt", "Segment", "parse", "render"]

_FACTORS = {"(": 1.1, "[": 1 / 1.1}
_OPENS = {")": "(", "]": "["}
_TOKEN = re.compile(
    r"""
      \\(?P<escaped>[()\[\]\\]?)
    | (?P<open>[(\[])
    | :\s*(?P<weight>[+-]?(?:\d{1,30}(?:\.\d*)?|\.\d+))\s*\)
    | (?P<close>[)\]])
    | (?P<plain>[^\\()\[\]:]+|:)
    """,
    re.VERBOSE,
)
_BREAK = re.compile(r"\s*\bBREAK\b\s*")


@dataclass(frozen=True, slots=True)
class Segment:
    """Words said equally strongly; weight 1 is as they are, 0 not at all."""

    text: str
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Prompt:
    """What to paint, in blocks of segments; every BREAK starts a new block."""

    blocks: tuple[tuple[Segment, ...], ...]


def parse(text: str) -> Prompt:
    """Read a prompt as AUTOMATIC1111's web UI does, except that BREAK also breaks inside of brackets.

    Source: AUTOMATIC1111/stable-diffusion-webui wiki, "Features", attention/emphasis.
    """
    reader = _Reader()
    for token in _TOKEN.finditer(text):
        reader.read(token)
    reader.finish()
    return Prompt(tuple(_merged(block) for block in reader.blocks()))


def render(prompt: Prompt) -> str:
    """The text that parses to this prompt."""
    texts = ["".join(map(_rendered, block)) for block in prompt.blocks]
    return " BREAK ".join(map(_kept_blanks, texts)) if len(texts) > 1 else texts[0]


@dataclass
class _Reader:
    """The pieces so far, None for BREAK, and where the brackets that are still open began."""

    pieces: list[Segment | None] = field(default_factory=list[Segment | None])
    opened: dict[str, list[int]] = field(default_factory=lambda: {bracket: [] for bracket in _FACTORS})

    def read(self, token: re.Match[str]) -> None:
        match token.lastgroup:
            case "escaped":
                self.pieces.append(Segment(token["escaped"]))
            case "open":
                self.opened[token[0]].append(len(self.pieces))
            case "weight" if self.opened["("]:
                self.multiply(self.opened["("].pop(), float(token["weight"]))
            case "close" if self.opened[_OPENS[token[0]]]:
                bracket = _OPENS[token[0]]
                self.multiply(self.opened[bracket].pop(), _FACTORS[bracket])
            case _:
                self.words(token[0])

    def words(self, text: str) -> None:
        first, *rest = _BREAK.split(text)
        self.pieces.append(Segment(first))
        for each in rest:
            self.pieces += [None, Segment(each)]

    def finish(self) -> None:
        for bracket, factor in _FACTORS.items():
            for start in self.opened[bracket]:
                self.multiply(start, factor)

    def multiply(self, start: int, factor: float) -> None:
        for index, piece in enumerate(self.pieces[start:], start):
            if piece:
                self.pieces[index] = Segment(piece.text, piece.weight * factor)

    def blocks(self) -> Iterator[list[Segment]]:
        block: list[Segment] = []
        for piece in self.pieces:
            if piece is None:
                yield block
                block = []
            else:
                block.append(piece)
        yield block


def _merged(pieces: list[Segment]) -> tuple[Segment, ...]:
    said = [piece for piece in pieces if piece.text]
    return tuple(
        Segment("".join(piece.text for piece in group), weight)
        for weight, group in groupby(said, key=lambda piece: piece.weight)
    )


def _rendered(segment: Segment) -> str:
    # A backslash before any other character vanishes: it keeps the word BREAK a word.
    text = re.sub(r"([()\[\]\\])", r"\\\1", segment.text).replace("BREAK", "BREA\\K")
    return text if segment.weight == 1 else f"({text}:{Decimal(repr(segment.weight)):f})"


def _kept_blanks(block: str) -> str:
    """A block whose outer blanks BREAK does not swallow."""
    before = "\\" if block[:1].isspace() else ""
    after = "\\" if block[-1:].isspace() else ""
    return before + block + after
