r"""The `comfy` dialect: ComfyUI's text encoder node.

`(a)` ×1.1, nested brackets multiply · `(a:1.2)` is exactly 1.2, whatever is around it ·
`[ ]` are characters · `\( \)` are the brackets themselves · `embedding:name`. There is no
BREAK, AND or schedule: those are nodes there.
"""

import math
import re
from collections.abc import Collection, Iterator
from dataclasses import replace

from gesso.conditioning.a1111 import marked
from gesso.conditioning.extras import taken_out
from gesso.conditioning.prompt import Node, Part, Segment, Share, Tree

__all__ = ["parse", "render"]

_CHARACTERS = re.compile(r"\\[()]|.", re.DOTALL)
_EMBEDDING = re.compile(r"(?<!\S)embedding:([^\s,()]+)")
_WEIGHT = re.compile(r":\s*([+-]?(?:\d{1,30}\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?)\s*\Z")
_DEEPEST = 100

Characters = tuple[tuple[str, int], ...]
"""Each character, its backslash still before it, and where it stood."""


def parse(text: str, embeddings: Collection[str] = ()) -> Tree:
    """Read a prompt as ComfyUI does.

    Args:
        embeddings: not needed: this dialect names them explicitly.

    Source: comfyanonymous/ComfyUI, comfy/sd1_clip.py, the behaviour of its weight parser.
    """
    del embeddings
    words, extras = taken_out(text)
    characters = tuple((found[0], words.places[found.start()]) for found in _CHARACTERS.finditer(words.text))
    segments = tuple(_segments(characters, 1.0, 0))
    return Tree((Part((Share(_embedded(segments)),)),), extras)


def _segments(characters: Characters, weight: float, depth: int) -> Iterator[Segment]:
    for group in _groups(characters):
        if len(group) < 2 or group[0][0] != "(" or group[-1][0] != ")" or depth == _DEEPEST:
            yield _segment(group, weight)
            continue
        inner = group[1:-1]
        found = _WEIGHT.search("".join(char for char, _ in inner))
        # nothing before the colon: it is words
        if found and found.start() and math.isfinite(float(found[1])):
            colon = max(index for index, (char, _) in enumerate(inner) if char == ":")
            yield from _segments(inner[:colon], float(found[1]), depth + 1)
        else:
            yield from _segments(inner, weight * 1.1, depth + 1)


def _groups(characters: Characters) -> Iterator[Characters]:
    """Outermost brackets and what is between them; a bracket without its partner is a character."""
    level, begin = 0, 0
    for index, (char, _) in enumerate(characters):
        if char == "(":
            if level == 0 and begin < index:
                yield characters[begin:index]
                begin = index
            level += 1
        elif char == ")":
            level -= 1
            if level == 0:
                yield characters[begin : index + 1]
                begin = index + 1
    if begin < len(characters):
        yield characters[begin:]


def _segment(group: Characters, weight: float) -> Segment:
    return Segment("".join(char[-1] for char, _ in group), weight, places=tuple(place for _, place in group))


def _embedded(segments: tuple[Segment, ...]) -> tuple[Node, ...]:
    nodes = marked(tuple(each for each in segments if each.text), _EMBEDDING)
    return tuple(
        replace(node, text=node.text.removeprefix("embedding:"))
        if isinstance(node, Segment) and node.embedding
        else node
        for node in nodes
    )


def render(tree: Tree) -> str:
    """The text that parses to this tree, as far as this dialect can say it."""
    segments = [node for node in tree.parts[0].shares[0].nodes if isinstance(node, Segment)]
    said: list[str] = []
    bare_before = False
    for index, segment in enumerate(segments):
        around = [segments[each] if 0 <= each < len(segments) else None for each in (index - 1, index + 1)]
        # bare neighbours would become one word; a bare name begins after a blank, and ends at one
        bare = segment.weight == 1 and (_between(around) if segment.embedding else not bare_before)
        words = "".join("\\" + char if char in "()" else char for char in segment.text)
        words = f"embedding:{words}" if segment.embedding else words
        said.append(words if bare else f"({words}:{segment.weight!r})")
        bare_before = bare and not segment.embedding
    return "".join(said)


def _between(around: list[Segment | None]) -> bool:
    before, after = around
    return _blank(before, -1) and _blank(after, 0)


def _blank(neighbour: Segment | None, end: int) -> bool:
    if neighbour is None:
        return True
    return neighbour.weight == 1 and not neighbour.embedding and neighbour.text[end].isspace()
