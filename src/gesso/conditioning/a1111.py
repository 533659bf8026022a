r"""The `a1111` dialect: AUTOMATIC1111's web UI, and what most prompts are written in.

`(a)` ×1.1 · `[a]` ÷1.1 · `(a:1.2)` ×1.2 · nested brackets multiply · `\( \) \[ \] \\` are the characters
themselves · a bracket left open reaches to the end · `BREAK` starts a new window · `[a:b:0.5]` a, then b ·
`[a|b]` in turns · `a AND b :0.7` two estimates added up · `<lora:name:0.8>`. Nothing is an error: what cannot
be read otherwise is read as words.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal

from gesso.conditioning.extras import Source, taken_out
from gesso.conditioning.prompt import (
    Break,
    Cycle,
    Extra,
    Node,
    Part,
    Segment,
    Share,
    Switch,
    Tree,
    merged,
    scaled,
)
from gesso.conditioning.scheduled import Construct, constructs

__all__ = ["FACTORS", "OPENS", "TOKEN", "marked", "parse", "render", "split"]

FACTORS = {"(": 1.1, "[": 1 / 1.1}
OPENS = {")": "(", "]": "["}
TOKEN = re.compile(
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
_AND = re.compile(r"\bAND\b")
_WEIGHT = re.compile(r"\s*:\s*([-+]?(?:\d{1,30}\.?\d*|\.\d+))\s*\Z")


def parse(text: str, embeddings: Collection[str] = ()) -> Tree:
    """Read a prompt as AUTOMATIC1111's web UI does.

    Two things differ: BREAK also breaks inside of brackets, and a weight at the prompt's end (`a street,
    16:9`) is read as one only beside AND.

    Args:
        embeddings: names that stand for learned vectors wherever they are said.

    Source: AUTOMATIC1111/stable-diffusion-webui wiki, "Features"; the grammar of modules/prompt_parser.py.
    """
    words, extras = taken_out(text)
    parts = split(words)
    alone = len(parts) == 1
    return Tree(tuple(_part(each, embeddings, alone=alone) for each in parts), extras)


def split(words: Source) -> tuple[Source, ...]:
    """The pieces between AND."""
    ends = [0, *(end for found in _AND.finditer(words.text) for end in found.span()), len(words.text)]
    return tuple(words.part(*pair) for pair in zip(ends[::2], ends[1::2], strict=True))


def _part(words: Source, embeddings: Collection[str], *, alone: bool) -> Part:
    if alone:
        return Part((Share(_marked(_nodes(words), embeddings)),))
    found = _WEIGHT.search(words.text)
    nodes = _nodes(words.part(0, found.start()) if found else words)
    return Part((Share(_marked(_stripped(nodes), embeddings)),), float(found[1]) if found else 1.0)


def _nodes(words: Source) -> tuple[Node, ...]:
    return _read(words, constructs(words.text), (0, len(words.text)))


def _read(words: Source, found: dict[int, Construct], stretch: tuple[int, int]) -> tuple[Node, ...]:
    """The nodes of a stretch of a prompt in which schedules have been found."""
    reader = _Reader(words)
    place, end = stretch
    while place < end:
        construct = found.get(place)
        if construct and construct.kind != "brackets":
            children = tuple(_read(words, found, child) for child in construct.children)
            places = words.places[place : construct.end]
            if construct.kind == "switch":
                reader.pieces.append(Switch(children[0], children[1], construct.when, places))
            else:
                reader.pieces.append(Cycle(children, places))
            place = construct.end
            continue
        token = TOKEN.match(words.text, place, end)
        assert token is not None
        reader.read(token)
        place = token.end()
    reader.finish()
    return merged(reader.pieces)


@dataclass
class _Reader:
    """The pieces so far, and where the brackets that are still open began."""

    source: Source
    pieces: list[Node] = field(default_factory=list[Node])
    opened: dict[str, list[int]] = field(default_factory=lambda: {bracket: [] for bracket in FACTORS})

    def read(self, token: re.Match[str]) -> None:
        match token.lastgroup:
            case "escaped":
                self.say(token.start("escaped"), token.end())
            case "open":
                self.opened[token[0]].append(len(self.pieces))
            case "weight" if self.opened["("]:
                self.multiply(self.opened["("].pop(), float(token["weight"]))
            case "close" if self.opened[OPENS[token[0]]]:
                bracket = OPENS[token[0]]
                self.multiply(self.opened[bracket].pop(), FACTORS[bracket])
            case _:
                self.words(token)

    def words(self, token: re.Match[str]) -> None:
        place = token.start()
        for found in _BREAK.finditer(token[0]):
            start, end = (token.start() + each for each in found.span())
            self.say(place, start)
            self.pieces.append(Break(self.source.places[start:end]))
            place = end
        self.say(place, token.end())

    def say(self, start: int, end: int) -> None:
        said = self.source.part(start, end)
        self.pieces.append(Segment(said.text, places=said.places))

    def finish(self) -> None:
        for bracket, factor in FACTORS.items():
            for start in self.opened[bracket]:
                self.multiply(start, factor)

    def multiply(self, start: int, factor: float) -> None:
        self.pieces[start:] = [scaled(piece, factor) for piece in self.pieces[start:]]


def _stripped(nodes: tuple[Node, ...]) -> tuple[Node, ...]:
    """Without blanks at the outer ends, as between AND."""
    left = list(nodes)
    while left and isinstance(first := left[0], Segment):
        text = first.text.lstrip()
        left[0] = replace(first, text=text, places=first.places[len(first.text) - len(text) :])
        if text:
            break
        left.pop(0)
    while left and isinstance(last := left[-1], Segment):
        text = last.text.rstrip()
        left[-1] = replace(last, text=text, places=last.places[: len(text)])
        if text:
            break
        left.pop()
    return tuple(left)


def _marked(nodes: tuple[Node, ...], embeddings: Collection[str]) -> tuple[Node, ...]:
    return marked(nodes, _names(embeddings)) if embeddings else nodes


def _names(embeddings: Collection[str]) -> re.Pattern[str]:
    longest = sorted(embeddings, key=len, reverse=True)
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest))})(?!\w)", re.IGNORECASE)


def marked(nodes: tuple[Node, ...], names: re.Pattern[str]) -> tuple[Node, ...]:
    """The nodes, with every name of an embedding a segment of its own."""
    return tuple(each for node in nodes for each in _marks(node, names))


def _marks(node: Node, names: re.Pattern[str]) -> Iterator[Node]:
    match node:
        case Segment(embedding=False):
            place = 0
            for found in names.finditer(node.text):
                yield from _cut(node, place, found.start())
                yield replace(next(_cut(node, *found.span())), embedding=True)
                place = found.end()
            yield from _cut(node, place, len(node.text))
        case Switch():
            yield replace(node, before=marked(node.before, names), after=marked(node.after, names))
        case Cycle():
            yield replace(node, choices=tuple(marked(choice, names) for choice in node.choices))
        case _:
            yield node


def _cut(segment: Segment, start: int, end: int) -> Iterator[Segment]:
    if start < end:
        yield replace(segment, text=segment.text[start:end], places=segment.places[start:end])


def render(tree: Tree) -> str:
    """The text that parses to this tree. Extras come last; mixtures it cannot say."""
    several = len(tree.parts) > 1
    texts = [_rendered(part, several=several) for part in tree.parts]
    return " AND ".join(texts) + "".join(map(_tag, tree.extras))


def _rendered(part: Part, *, several: bool) -> str:
    nodes = part.shares[0].nodes
    plan = any(isinstance(node, Switch | Cycle) for node in nodes)
    text = _written(nodes, r"()[]\:|" if plan else r"()[]\\")
    return f"{text} :{_decimal(part.weight)}" if several else text


def _written(nodes: tuple[Node, ...], special: str) -> str:
    return "".join(_one(nodes, index, special) for index in range(len(nodes)))


def _one(nodes: tuple[Node, ...], index: int, special: str) -> str:
    node = nodes[index]
    match node:
        case Break():
            return " BREAK "
        case Switch():
            before = _written(node.before, special)
            return f"[{before + ':' if before else ''}{_written(node.after, special)}:{node.when}]"
        case Cycle():
            return "[" + "|".join(_written(choice, special) for choice in node.choices) + "]"
        case _:
            sides = [nodes[each] if 0 <= each < len(nodes) else None for each in (index - 1, index + 1)]
            return _said(node, special, [isinstance(side, Break) for side in sides])


def _said(segment: Segment, special: str, breaks: list[bool]) -> str:
    """Words with their weight; brackets keep blanks that BREAK beside them would swallow."""
    text = "".join("\\" + char if char in special else char for char in segment.text)
    # A backslash before any other character vanishes: it keeps these words words.
    text = re.sub(r"\b(BREA|AN)([KD])\b", r"\1\\\2", text)
    text = re.sub(r"<(?=(lora|lyco|hypernet):)", r"<\\", text)
    swallowed = (breaks[0] and text[:1].isspace()) or (breaks[1] and text[-1:].isspace())
    return f"({text}:{_decimal(segment.weight)})" if swallowed or segment.weight != 1 else text


def _tag(extra: Extra) -> str:
    said = [extra.kind, extra.name, *extra.values, *(f"{key}={value}" for key, value in extra.named)]
    return f"<{':'.join(said)}>"


def _decimal(weight: float) -> str:
    return f"{Decimal(repr(weight)):f}"
