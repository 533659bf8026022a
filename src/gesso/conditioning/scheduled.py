"""Where in an `a1111` prompt the schedules are: `[a:b:0.5]`, `[a:0.5]`, `[a::0.5]` and `[a|b]`."""

import re
from bisect import bisect_left
from dataclasses import dataclass
from typing import Literal

__all__ = ["Construct", "constructs"]

_SPECIAL = re.compile(r"\\(?P<escaped>.)?|[()\[\]:|]")
_WHEN = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*\]")
_DEEPEST = 40


@dataclass(frozen=True, slots=True)
class Construct:
    """A pair of brackets in a prompt.

    Args:
        end: the place after its closing bracket.
        kind: brackets that weigh, a switch at a step, or a cycle of turns.
        children: from where to where the prompts inside of it reach.
        when: a switch's step, as it is written.
        depth: schedules inside of one another, this one included.
    """

    end: int
    kind: Literal["brackets", "switch", "cycle"]
    children: tuple[tuple[int, int], ...] = ()
    when: str = ""
    depth: int = 0


def constructs(text: str) -> dict[int, Construct]:
    """Every pair of brackets that goes together, by the place of its opening bracket.

    A `|` outside of brackets, or a backslash before nothing, and there is no schedule in the whole prompt.

    Source: the grammar of AUTOMATIC1111/stable-diffusion-webui, modules/prompt_parser.py. Brackets are
    settled from the last to the first, so that no text needs recursion or takes quadratic time.
    """
    special = list(_SPECIAL.finditer(text))
    if any(each[0].startswith("\\") and each["escaped"] is None for each in special):
        return {}
    scan = _Scan(text, tuple(each.start() for each in special if each["escaped"] is None), {})
    for place in reversed(scan.places):
        found = (
            scan.round(place) if text[place] == "(" else scan.square(place) if text[place] == "[" else None
        )
        if found and found.depth <= _DEEPEST:
            scan.found[place] = found
    return {} if scan.bare() else scan.found


@dataclass(frozen=True)
class _Scan:
    """A text, the places of its special characters, and the brackets settled so far."""

    text: str
    places: tuple[int, ...]
    found: dict[int, Construct]

    def stop(self, place: int) -> tuple[int, str, int]:
        """Where a prompt that begins here ends, the character that ends it, and its schedules' depth."""
        depth = 0
        while (index := bisect_left(self.places, place)) < len(self.places):
            at = self.places[index]
            inner = self.found.get(at)
            if inner is None:
                return at, self.text[at], depth
            place, depth = inner.end, max(depth, inner.depth)
        return len(self.text), "", depth

    def round(self, start: int) -> Construct | None:
        end, char, depth = self.stop(start + 1)
        if char == ":":
            end, char, more = self.stop(end + 1)
            depth = max(depth, more)
        return Construct(end + 1, "brackets", depth=depth) if char == ")" else None

    def square(self, start: int) -> Construct | None:
        end, char, depth = self.stop(start + 1)
        if char == "]":
            return Construct(end + 1, "brackets", depth=depth)
        if char == ":":
            return self.switch((start + 1, end), depth)
        return self.cycle((start + 1, end), depth) if char == "|" else None

    def switch(self, first: tuple[int, int], depth: int) -> Construct | None:
        nothing = (first[0], first[0])
        if when := _WHEN.match(self.text, first[1] + 1):
            return Construct(when.end(), "switch", (nothing, first), when[1], depth + 1)
        end, char, more = self.stop(first[1] + 1)
        when = _WHEN.match(self.text, end + 1) if char == ":" else None
        if when is None:
            return None
        both = (first, (first[1] + 1, end))
        return Construct(when.end(), "switch", both, when[1], max(depth, more) + 1)

    def cycle(self, first: tuple[int, int], depth: int) -> Construct | None:
        children, char = [first], "|"
        while char == "|":
            begin = children[-1][1] + 1
            end, char, more = self.stop(begin)
            children.append((begin, end))
            depth = max(depth, more)
        return (
            Construct(children[-1][1] + 1, "cycle", tuple(children), depth=depth + 1) if char == "]" else None
        )

    def bare(self) -> bool:
        """Whether a | stands outside of all brackets that go together."""
        place, char = 0, ":"
        while char not in {"|", ""}:
            at, char, _ = self.stop(place)
            place = at + 1
        return char == "|"
