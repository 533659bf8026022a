"""Processes of their own, for what is measured."""

import os
import subprocess
import sys
from pathlib import Path

from gesso.errors import GessoError

__all__ = ["answer"]


def answer(module: str, *arguments: str) -> str:
    """The last line that a module says when it is run with arguments.

    Raises:
        GessoError: it failed, or said nothing; tells its last word.
    """
    # the very gesso that asks is measured, wherever it lies
    paths = os.pathsep.join(filter(None, (str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH"))))
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "PYTHONPATH": paths}
    command = [sys.executable, "-m", module, *arguments]
    run = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    lines = (run.stdout if run.returncode == 0 else run.stderr).strip().splitlines()
    if run.returncode or not lines:
        said = lines[-1] if lines else "nothing"
        raise GessoError(f"{module} must run to be measured, however: it said {said!r}")
    return lines[-1]
