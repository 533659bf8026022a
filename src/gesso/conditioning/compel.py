r"""The `compel` dialect, as InvokeAI and the compel library write prompts.

`word+` ×1.1, `word--` ×0.9² · `(a phrase)1.25`, `(a phrase)+` · nested brackets multiply · brackets without
a weight only group · `\` before a character keeps it · `("a", "b").and()` a window each ·
`("a", "b").blend(0.7, 0.3)` mixes what the text encoder says · `<name>` an embedding.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from decimal import Decimal

from gesso.conditioning.extras import Source, taken_out
from gesso.conditioning.prompt import Break, Node, Part, Segment, Share, Tree, merged, scaled

__all__ = ["parse", "render"]

_TOKEN = re.compile(
    r"""
      \\(?P<escaped>.)
    | (?P<open>\()
    | \)(?P<close>\++|-+|\d{1,30}\.?\d*|\.\d+)?
    | <(?P<embedding>[^<>\s:]+)>
    | (?P<word>[^\s()\\<,+-]+(?:[+-]+[^\s()\\<,+-]+)*)(?P<signs>\++|-+)?(?=[\s,.()<]|\Z)
    | (?P<plain>\s+|[^\s()\\<]|.)
    """,
    re.VERBOSE | re.DOTALL,
)
_QUOTED = r'"((?:[^"\\]|\\.)*)"'
_CALL = re.compile(
    rf"\s*\(\s*(?P<said>{_QUOTED}(?:\s*,\s*{_QUOTED})*)\s*\)\s*\.\s*(?P<how>and|blend)\s*"
    r"\((?P<weights>[\d.,\s+-]*(?P<raw>no_normalize)?)\s*\)\s*",
    re.DOTALL,
)


def parse(text: str, embeddings: Collection[str] = ()) -> Tree:
    """Read a prompt as the compel library does, with two of its functions.

    Args:
        embeddings: names; `<name>` of any other is read as words.

    Source: damian0815/compel, doc/syntax.md.
    """
    words, extras = taken_out(text)
    call = _CALL.fullmatch(words.text)
    if call is None:
        return Tree((Part((Share(_nodes(words, embeddings)),)),), extras)
    start, end = call.span("said")
    said = [
        _nodes(words.part(start + each.start(1), start + each.end(1)), embeddings)
        for each in re.finditer(_QUOTED, words.text[start:end], re.DOTALL)
    ]
    weights = _weights(call["weights"], len(said))
    if call["how"] == "blend":
        shares = tuple(Share(nodes, weight) for nodes, weight in zip(said, weights, strict=True))
        return Tree((Part(shares, normed=call["raw"] is None),), extras)
    joined = [node for nodes in said for node in (Break(), *nodes)]
    return Tree((Part((Share(tuple(joined[1:])),)),), extras)


def _weights(said: str, count: int) -> list[float]:
    """As many numbers as prompts; those that are missing are 1."""
    numbers = [float(each) for each in re.findall(r"[+-]?(?:\d{1,30}\.?\d*|\.\d+)", said)]
    return (numbers + [1.0] * count)[:count]


def _nodes(words: Source, embeddings: Collection[str]) -> tuple[Node, ...]:
    reader = _Reader(words, embeddings)
    for token in _TOKEN.finditer(words.text):
        reader.read(token)
    reader.finish()
    return merged(reader.pieces)


@dataclass
class _Reader:
    """The pieces so far, and for every bracket still open where it began: among them, and in the text."""

    source: Source
    embeddings: Collection[str]
    pieces: list[Node] = field(default_factory=list[Node])
    opened: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])

    def read(self, token: re.Match[str]) -> None:
        if token["open"]:
            self.opened.append((len(self.pieces), token.start()))
            # its place is kept, for the case that it is never closed
            self.pieces.append(Segment(""))
        elif token[0][0] == ")":
            self.close(token)
        elif token["embedding"] in self.embeddings and token["embedding"]:
            self.say(token.start("embedding"), token.end("embedding"), embedding=True)
        elif token["word"] and token["signs"]:
            self.say(token.start("word"), token.end("word"), weight=_factor(token["signs"]))
        else:
            self.say(token.start("escaped") if token["escaped"] else token.start(), token.end())

    def close(self, token: re.Match[str]) -> None:
        if not self.opened:
            self.say(token.start(), token.end())
            return
        start, _ = self.opened.pop()
        factor = _factor(token["close"]) if token["close"] else 1.0
        self.pieces[start:] = [scaled(piece, factor) for piece in self.pieces[start:]]

    def finish(self) -> None:
        for index, place in self.opened:
            self.pieces[index] = Segment("(", places=self.source.places[place : place + 1])

    def say(self, start: int, end: int, *, weight: float = 1.0, embedding: bool = False) -> None:
        said = self.source.part(start, end)
        self.pieces.append(Segment(said.text, weight, embedding, said.places))


def _factor(said: str) -> float:
    """Source: damian0815/compel: each + is ×1.1, each - is ×0.9."""
    if said[0] in "+-":
        return (1.1 if said[0] == "+" else 0.9) ** len(said)
    return float(said)


def render(tree: Tree) -> str:
    """The text that parses to this tree, as far as this dialect can say it."""
    part = tree.parts[0]
    if len(part.shares) != 1 or part.shares[0].weight != 1:
        weights = [_decimal(share.weight) for share in part.shares]
        mode = [] if part.normed else ["no_normalize"]
        texts = [_quoted(share.nodes) for share in part.shares]
        return f"({', '.join(texts)}).blend({', '.join([*weights, *mode])})"
    blocks = _blocks(part.shares[0].nodes)
    return f"({', '.join(map(_quoted, blocks))}).and()" if len(blocks) > 1 else _text(blocks[0])


def _blocks(nodes: tuple[Node, ...]) -> list[tuple[Node, ...]]:
    blocks: list[list[Node]] = [[]]
    for node in nodes:
        if isinstance(node, Break):
            blocks.append([])
        else:
            blocks[-1].append(node)
    return [tuple(block) for block in blocks]


def _quoted(nodes: tuple[Node, ...]) -> str:
    return '"' + _text(nodes, '"') + '"'


def _text(nodes: tuple[Node, ...], special: str = "") -> str:
    said, after_bracket = "", False
    for node in nodes:
        assert isinstance(node, Segment)
        words = f"<{node.text}>" if node.embedding else _escaped(node, special)
        if node.weight != 1:
            said += f"({words}){_decimal(node.weight)}"
        else:
            # digits and signs after a bracket would be its weight
            said += "\\" + words if after_bracket and words[:1] in set("0123456789.+-") else words
        after_bracket = node.weight != 1
    return said


def _escaped(segment: Segment, special: str) -> str:
    text = "".join("\\" + char if char in "()\\<" + special else char for char in segment.text)
    return re.sub(r"(?<!\\)[+-](?=[+-]*(?:[\s,.()<]|\Z))", r"\\\g<0>", text)


def _decimal(weight: float) -> str:
    return f"{Decimal(repr(weight)):f}"
