"""Values: what a line such as `1-5, 10:20:5, 0-1[3]` counts up.

Source: the notations of the X/Y/Z plot in AUTOMATIC1111's web UI, `1-5`, `1-5 (+2)` and `1-10 [5]`; the
colons are Python's, with the end included.
"""

import csv
import re
from decimal import Decimal

from gesso.errors import RequestError

__all__ = ["MOST", "counted", "listed"]

MOST = 1000
"""So many values are the most that an axis may have."""

_NUMBER = r"(?:\d+\.?\d*|\.\d+)"
_RANGE = re.compile(
    rf"\s*(?P<first>-?{_NUMBER})\s*[-:]\s*(?P<last>-?{_NUMBER})\s*"
    rf"(?::\s*(?P<colon>-?{_NUMBER})|\(\s*(?P<step>[+-]?{_NUMBER})\s*\)|\[\s*(?P<count>\d+)\s*\])?\s*"
)


def listed(text: str) -> tuple[str, ...]:
    """Values between commas; one in double quotes may have commas in it.

    Raises:
        RequestError: there are none.
    """
    found = tuple(each.strip() for each in next(csv.reader([text], skipinitialspace=True), []))
    if not found:
        raise RequestError("an axis must have values, however: there are none", hint="such as steps=10,20,30")
    return found


def counted(text: str, *, whole: bool) -> tuple[str, ...]:
    """Values between commas, with ranges counted up.

    Args:
        whole: only whole numbers will do; evenly spread ones are cut to them.

    Raises:
        RequestError: there are none, or a range never ends.
    """
    found = [each for item in listed(text) for each in _expanded(item, whole)]
    if len(found) > MOST:
        raise RequestError(f"an axis must have at most {MOST} values, however: {len(found)}")
    return tuple(found)


def _expanded(item: str, whole: bool) -> tuple[str, ...]:
    found = _RANGE.fullmatch(item)
    if found is None:
        return (item,)
    first, last = Decimal(found["first"]), Decimal(found["last"])
    if found["count"] is not None:
        return tuple(_said(each, whole) for each in _spread(first, last, int(found["count"])))
    step = Decimal(found["step"] or found["colon"] or (1 if last >= first else -1))
    if step == 0 or (last - first) / step < 0:
        raise RequestError(f"a range's step must lead from its first to its last value, however: {item}")
    times = int((last - first) / step)
    if times >= MOST:
        raise RequestError(f"an axis must have at most {MOST} values, however: {times + 1} in {item}")
    return tuple(_said(first + step * time, whole=False) for time in range(times + 1))


def _spread(first: Decimal, last: Decimal, count: int) -> list[Decimal]:
    if not 1 <= count <= MOST:
        raise RequestError(f"an axis must have 1 to {MOST} values, however: {count}")
    gap = (last - first) / max(1, count - 1)
    return [round(first + gap * index, 6) for index in range(count)]


def _said(value: Decimal, whole: bool) -> str:
    return format((Decimal(int(value)) if whole else value).normalize(), "f")
