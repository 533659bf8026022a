"""The linter: what in a prompt will not happen, and where it says so."""

import re
from bisect import bisect_right
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import accumulate

from gesso.conditioning.a1111 import OPENS, TOKEN
from gesso.conditioning.dialects import parse
from gesso.conditioning.prompt import Cycle, Extra, Places, Segment, Switch, Tree, timeline, walk
from gesso.conditioning.scheduled import constructs
from gesso.conditioning.tokenizer import Tokenizer
from gesso.conditioning.tokens import Windowing, ids, runs

__all__ = ["Circumstances", "Lint", "lint"]


@dataclass(frozen=True, slots=True)
class Lint:
    """Something in a prompt that will not do what it seems to say.

    Args:
        kind: one word for it.
        start: the place of its first character, from 0.
        end: the place after its last.
        message: what happens instead.
    """

    kind: str
    start: int
    end: int
    message: str


@dataclass(frozen=True)
class Circumstances:
    """Where a prompt is to be used.

    Args:
        steps: of the pass.
        negative: whether it is what to keep away from.
        windowing: how the text encoder takes words; CLIP's unless given.
        embeddings: names of the embeddings that are there.
        extras: names of the files that are there, by kind; None if that is not known.
    """

    steps: int = 20
    negative: bool = False
    windowing: Windowing = field(default_factory=lambda: Windowing(Tokenizer()))
    embeddings: Collection[str] = ()
    extras: Mapping[str, Collection[str]] | None = None


def lint(text: str, dialect: str = "a1111", where: Circumstances | None = None) -> tuple[Lint, ...]:
    """Everything in a prompt that will not happen, in the order of its places.

    Raises:
        UnknownName: there is no such dialect.
    """
    where = where or Circumstances()
    tree = parse(text, dialect, where.embeddings)
    found = [*_schedules(tree, where.steps), *_names(tree, where), *_windows(tree, where)]
    if dialect == "a1111":
        found += [*_brackets(text), *_colons(text), *_compositions(text, tree, where)]
    elif dialect in {"comfy", "compel"}:
        found += _round_brackets(text)
    found += _foreign(text, dialect)
    return tuple(sorted(found, key=lambda each: (each.start, each.end, each.kind)))


def _at(kind: str, places: Places, message: str) -> Lint:
    return Lint(kind, places[0], places[-1] + 1, message) if places else Lint(kind, 0, 0, message)


def _schedules(tree: Tree, steps: int) -> Iterator[Lint]:
    for node in walk(tree):
        if isinstance(node, Cycle) and len(node.choices) > steps:
            late = len(node.choices) - steps
            yield _at("never", node.places, f"the last {late} never get their turn in {steps} steps")
        if not isinstance(node, Switch):
            continue
        last = node.step(steps)
        if last < 1:
            yield _at(
                "never",
                node.places,
                f"{node.when} is before the first of {steps} steps: only what follows is told",
            )
        elif last >= steps:
            yield _at(
                "never", node.places, f"{node.when} is the last of {steps} steps: what follows is never told"
            )


def _names(tree: Tree, where: Circumstances) -> Iterator[Lint]:
    known = {name.casefold() for name in where.embeddings}
    for node in walk(tree):
        if isinstance(node, Segment) and node.embedding and node.text.casefold() not in known:
            yield _at("embedding", node.places, f"there is no embedding {node.text!r}: it says nothing")
    for extra in tree.extras:
        if where.negative:
            yield _at("extra", extra.places, f"<{extra.kind}:…> acts on the whole picture, not on a negative")
        elif where.extras is not None and not _there(extra, where.extras):
            yield _at("extra", extra.places, f"there is no {extra.kind} {extra.name!r}: nothing is painted")


def _there(extra: Extra, known: Mapping[str, Collection[str]]) -> bool:
    last = extra.name.rpartition("/")[2].casefold()
    kind = "hypernet" if extra.kind == "hypernet" else "lora"
    return last in {each.casefold() for each in known[kind]}


def _windows(tree: Tree, where: Circumstances) -> Iterator[Lint]:
    """Words that another window gets than the words before them, and windows that BREAK leaves empty."""
    room = where.windowing.positions - 2
    for told in timeline(tree, where.steps)[0].told:
        prompt = told.shares[0][0]
        for index, block in enumerate(prompt.blocks):
            sizes = [len(run) for run in runs(type(prompt)((block,)), where.windowing)]
            left = sizes[0]
            for number, size in enumerate(sizes[1:], 2):
                yield _pushed(block, left, number, where.windowing)
                left += size
            if index + 1 < len(prompt.blocks) and any(prompt.blocks[index + 1]) and sizes[-1] < room // 2:
                places = block[-1].places if block else ()
                yield _at("break", places[-1:], f"BREAK leaves {room - sizes[-1]} of {room} places empty")


def _pushed(block: tuple[Segment, ...], before: int, number: int, windowing: Windowing) -> Lint:
    """The first word that has no room in a window, of a block with more ids than `before`."""
    tokenizer = windowing.tokenizer
    starts = list(accumulate((len(ids(each, tokenizer)) for each in block), initial=0))
    index = bisect_right(starts, before) - 1
    segment, before = block[index], before - starts[index]
    words = re.finditer(r".+" if segment.embedding else r"\S+", segment.text)
    word = next(
        each
        for each in words
        if len(ids(replace(segment, text=segment.text[: each.end()]), tokenizer)) > before
    )
    message = f"from {word[0]!r} on these words are in window {number}, read apart from those before"
    return _at("window", segment.places[word.start() : word.end()], message)


def _brackets(text: str) -> Iterator[Lint]:
    settled = constructs(text)
    done = {place: each for place, each in settled.items() if each.kind != "brackets"}
    skipped = {*done, *(each.end - 1 for each in done.values())}
    opened: dict[str, list[int]] = {"(": [], "[": []}
    for token in TOKEN.finditer(text):
        place, char = token.start(), token[0][-1]
        if token.lastgroup == "open" and place not in skipped:
            opened[char].append(place)
        elif token.lastgroup in {"close", "weight"} and token.end() - 1 not in skipped:
            if not opened[OPENS[char]]:
                yield Lint(
                    "bracket", token.end() - 1, token.end(), f"{char} closes nothing: it is a character"
                )
                continue
            begin = opened[OPENS[char]].pop()
            if char == "]" and re.search(r"[:|]", text[begin:place]) and begin not in settled:
                yield Lint(
                    "schedule", begin, token.end(), "this is no schedule: its words are weighed by 1/1.1"
                )
    for bracket, places in opened.items():
        for place in places:
            yield Lint("bracket", place, place + 1, f"{bracket} is never closed: it weighs all that follows")
    if not settled and "|" in text and constructs(text.replace("|", " ")):
        place = text.index("|")
        yield Lint("schedule", place, place + 1, "| outside of brackets: no schedule in this prompt works")


def _colons(text: str) -> Iterator[Lint]:
    for found in re.finditer(r"(?<!\\)\([^()\[\]]*:\s*([^()\[\]:]*)\)", text):
        if not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)\s*", found[1]):
            yield Lint("weight", *found.span(), f"{found[1]!r} is no weight: it is read as words, at 1.1")


def _compositions(text: str, tree: Tree, where: Circumstances) -> Iterator[Lint]:
    found = list(re.finditer(r"\bAND\b", text))
    if where.negative:
        for each in found:
            yield Lint("and", *each.span(), "AND composes nothing in a negative: all is said in one")
    for each in found:
        if text[: each.start()].count("[") > text[: each.start()].count("]"):
            yield Lint(
                "and", *each.span(), "AND divides the prompt also inside of brackets, which it leaves open"
            )
    last = re.search(r":\s*[-+]?(\d+\.?\d*|\.\d+)\s*\Z", text)
    if last and len(tree.parts) == 1:
        yield Lint("weight", *last.span(), "without AND this is no weight: it is read as words")


def _round_brackets(text: str) -> Iterator[Lint]:
    opened: list[int] = []
    for found in re.finditer(r"\\.|[()]", text):
        if found[0] == "(":
            opened.append(found.start())
        elif found[0] == ")":
            if opened:
                opened.pop()
            else:
                yield Lint("bracket", *found.span(), ") closes nothing: it is a character")
    for place in opened:
        yield Lint("bracket", place, place + 1, "( is never closed: it is a character")


_FOREIGN = {
    "a1111 schedule": (r"\[[^\[\]]*:\s*\d*\.?\d+\s*\]", {"a1111"}),
    "a1111 AND": (r"\bAND\b", {"a1111"}),
    "a1111 BREAK": (r"\bBREAK\b", {"a1111"}),
    "a1111 or comfy weight": (r"\([^()]*:\s*\d*\.?\d+\s*\)", {"a1111", "comfy"}),
    "compel weight": (r"\w(\+{1,9}|--+)(?=[\s,.]|\Z)|\)\d*\.\d+|\)[+-]", {"compel"}),
    "compel function": (r"\)\s*\.\s*(and|blend)\s*\(", {"compel"}),
    "comfy embedding": (r"(?<!\S)embedding:\S+", {"comfy"}),
}


def _foreign(text: str, dialect: str) -> Iterator[Lint]:
    """What another dialect would have understood."""
    for what, (pattern, dialects) in _FOREIGN.items():
        if dialect not in dialects:
            for found in re.finditer(pattern, text):
                yield Lint(
                    "dialect", *found.span(), f"{found[0]!r} looks like a {what}: to {dialect} it is words"
                )
