"""One run of one program in a process of its own, which has imported nothing heavy before.

python -m gesso.bench.alone PROGRAM CASE
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict

from gesso.bench.figures import Case
from gesso.bench.programs import PROGRAMS

__all__ = ["measured"]


def measured(arguments: Sequence[str]) -> str:
    """The run's figures as JSON.

    Args:
        arguments: the program's name and the case as JSON.
    """
    program, told = arguments
    return json.dumps(asdict(PROGRAMS[program].measure(Case.read(json.loads(told)))))


if __name__ == "__main__":
    sys.stdout.write(measured(sys.argv[1:]) + "\n")
