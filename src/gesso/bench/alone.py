"""One run of one program in a process of its own, which has imported nothing heavy before.

python -m gesso.bench.alone PROGRAM CASE
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from gesso.bench.figures import Case
from gesso.bench.programs import PROGRAMS

__all__ = ["measured"]


def measured(arguments: Sequence[str]) -> str:
    """The run's figures as JSON.

    Args:
        arguments: the program's name and the case as JSON.
    """
    program, told = arguments
    given = json.loads(told)
    paths = {name: Path(given[name]) for name in ("file", "config") if given[name] is not None}
    return json.dumps(asdict(PROGRAMS[program].measure(Case(**(given | paths)))))


if __name__ == "__main__":
    sys.stdout.write(measured(sys.argv[1:]) + "\n")
