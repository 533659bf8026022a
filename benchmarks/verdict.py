"""How a comparison ends: every gap printed, and failure where one is too wide."""

import sys
from collections.abc import Mapping
from typing import NoReturn

__all__ = ["verdict"]


def verdict(gaps: Mapping[str, float], tolerance: float) -> NoReturn:
    """Print how far two sides are apart in each case, and leave the program: 1 if one is too far."""
    for name, found in gaps.items():
        print(f"{name:<32}{found:.2e}{'' if found <= tolerance else '  too far'}")
    # not `> tolerance`: a NaN must fail
    sys.exit(0 if all(found <= tolerance for found in gaps.values()) else 1)
