import subprocess
import sys
from pathlib import Path

import gesso


def test_the_server_side_of_workers_needs_no_torch() -> None:
    code = "import sys, gesso.workers.supervisor, gesso.workers.intake; print('torch' in sys.modules)"
    source = {"PYTHONPATH": str(Path(gesso.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", code], env=source, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
