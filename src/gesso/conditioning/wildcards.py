r"""Dynamic prompts: `{a|b}` chooses one, `{2$$a|b|c}` two, `{3::a|b}` prefers a, `__x__` takes a line.

Choices are made by the picture's seed alone. `\{` is a brace that chooses nothing, and so are braces without
`|` or `$$`. Lines of a file and alternatives may choose in turn.
"""

import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise, product
from pathlib import Path

from gesso.errors import RequestError

__all__ = ["combinatorial", "expand"]

_FILE = re.compile(r"__([\w\-./* ]+?)__")
_COUNT = re.compile(r"\s*(?:(\d{1,4})(?:-(\d{1,4}))?)?\$\$(?:([^|{}]*?)\$\$)?")
_SHARE = re.compile(r"\s*(\d{1,9}(?:\.\d{1,9})?|\.\d{1,9})::")
_DEEPEST = 30


@dataclass(frozen=True)
class Variant:
    """Alternatives in braces.

    Args:
        least: how few are chosen.
        most: how many are chosen.
        between: what is put between them.
        choices: each with its share.
    """

    least: int
    most: int
    between: str
    choices: tuple[tuple[str, float], ...]


Choose = Callable[[Variant], str]


def expand(text: str, seed: int, folder: Path | None = None) -> str:
    """The prompt with every choice made by a seed; without choices, the same prompt.

    Args:
        folder: where `__name__` finds name.txt; unless given, it stays as it is.

    Raises:
        RequestError: a wildcard has no file or the file has no line, or it leads back to itself.

    Source: the syntax of adieyal/dynamicprompts.
    """
    dice = random.Random(seed)

    def choose(variant: Variant) -> str:
        most = min(variant.most, len(variant.choices))
        count = dice.randint(min(variant.least, most), most)
        left, chosen = list(variant.choices), list[str]()
        for _ in range(count):
            shares = [share for _, share in left]
            (index,) = dice.choices(range(len(left)), shares if any(shares) else None)
            chosen.append(left.pop(index)[0])
        return variant.between.join(chosen)

    return _settled(text, choose, folder)


def combinatorial(text: str, folder: Path | None = None, limit: int = 1000) -> tuple[str, ...]:
    """Every prompt the choices can make, in order; at most `limit`.

    Raises:
        RequestError: as `expand`.
    """
    found: dict[str, None] = {}
    for each in _every(text, folder, 0):
        found[each] = None
        if len(found) == limit:
            break
    return tuple(found)


def _every(text: str, folder: Path | None, depth: int) -> Iterator[str]:
    found = _next(text, folder)
    if found is None:
        yield text
        return
    _must_end(text, depth)
    start, end, variant = found
    counts = range(variant.least, min(variant.most, len(variant.choices)) + 1)
    words = [words for words, _ in variant.choices]
    picks = (pick for count in counts for pick in combinations(words, count))
    # an alternative may itself hold choices, whose result must not be chosen from again
    for pick in picks:
        inner = product(*(tuple(_every(each, folder, depth + 1)) for each in pick))
        for chosen in inner:
            for rest in _every(text[end:], folder, depth):
                yield text[:start] + variant.between.join(chosen) + rest


def _settled(text: str, choose: Choose, folder: Path | None, depth: int = 0) -> str:
    settled = ""
    while found := _next(text, folder):
        _must_end(text, depth)
        start, end, variant = found
        settled += text[:start] + _settled(choose(variant), choose, folder, depth + 1)
        text = text[end:]
    return settled + text


def _must_end(text: str, depth: int) -> None:
    if depth > _DEEPEST:
        raise RequestError(f"wildcards must come to an end, however: {text[:60]!r} leads back to itself")


def _next(text: str, folder: Path | None) -> tuple[int, int, Variant] | None:
    """The first place where something is chosen."""
    place = 0
    while place < len(text):
        if text[place] == "\\":
            place += 2
            continue
        if text[place] == "{" and (found := _braces(text, place)):
            return place, found[0], found[1]
        if folder and (named := _FILE.match(text, place)):
            return place, named.end(), Variant(1, 1, "", _lines(named[1], folder))
        place += 1
    return None


def _braces(text: str, start: int) -> tuple[int, Variant] | None:
    """Where braces end, and what they offer; None where they offer no choice."""
    level, cuts = 0, [start]
    for place in range(start, len(text)):
        char = text[place]
        escaped = place > 0 and text[place - 1] == "\\"
        if char == "|" and level == 1:
            cuts.append(place)
        elif char in "{}" and not escaped:
            level += 1 if char == "{" else -1
            if level == 0:
                cuts.append(place)
                break
    if level or len(cuts) < 2:
        return None
    inside = text[start + 1 : cuts[-1]]
    count = _COUNT.match(inside)
    if len(cuts) == 2 and count is None:
        return None
    offered = [text[left + 1 : right] for left, right in pairwise(cuts)]
    if count is None:
        return cuts[-1] + 1, Variant(1, 1, "", _shares(offered))
    offered[0] = offered[0][count.end() :]
    least = int(count[1] or 1)
    return cuts[-1] + 1, Variant(least, int(count[2] or least), count[3] or ", ", _shares(offered))


def _shares(offered: Sequence[str]) -> tuple[tuple[str, float], ...]:
    found = [(each, _SHARE.match(each)) for each in offered]
    return tuple((each[share.end() :], float(share[1])) if share else (each, 1.0) for each, share in found)


def _lines(name: str, folder: Path) -> tuple[tuple[str, float], ...]:
    """The lines of a wildcard's file, or of all that a * matches; blank ones and comments apart."""
    inside = folder.resolve()
    files = [
        each
        for each in sorted(inside.glob(f"{name.strip().lstrip('/')}.txt"))
        if inside in each.resolve().parents
    ]
    lines = [line.strip() for each in files for line in _text(each).splitlines()]
    said = [line for line in lines if line and not line.startswith("#")]
    if not said:
        raise RequestError(f"__{name}__ must have a file with lines in {folder}, however: there is none")
    return _shares(said)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise RequestError(f"{path} must be readable text, however: {error}") from error
