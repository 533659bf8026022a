"""Two workers of a local Ray cluster learn what one process learns.

Ray starts a dozen processes, which takes minutes on a busy machine, so this runs only where it is asked for:

    pip install -c constraints.txt -e ".[cluster]"
    GESSO_TEST_CLUSTER=1 pytest tests/training/test_cluster.py
"""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from gesso.errors import Unsupported
from gesso.training.cluster import learn_on_cluster
from gesso.training.record import Record
from tests.training import made

WITH_RAY = "GESSO_TEST_CLUSTER" in os.environ and all(
    find_spec(name) for name in ("ray", "pandas", "pyarrow")
)


@pytest.mark.timeout(600)
@pytest.mark.skipif(not WITH_RAY, reason="needs the extra `cluster` and GESSO_TEST_CLUSTER=1")
def test_two_workers_learn_what_one_process_learns(files: dict[str, Path], tmp_path: Path) -> None:
    made.album(tmp_path / "p", 2)
    fields = {"batch": 2, "run": {"steps": 3, "save_every": 3}, "cache": tmp_path / "cache", "name": "x"}
    one, two = (made.recipe(files["sd1"], tmp_path / "p", tmp_path / out, **fields) for out in ("one", "two"))
    made.carried_out(one)
    # a process of its own, since Ray warns and threads where pytest allows neither
    code = (
        f"from gesso.training.recipe import Training\nfrom gesso.training.cluster import learn_on_cluster\n\
import ray\nray.init(address='local', num_cpus=2, include_dashboard=False)\n\
learn_on_cluster(Training.model_validate_json({two.model_dump_json()!r}), 2)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    # nothing is written into the home folder
    environment |= {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}
    environment |= {"RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "400"}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, timeout=540)
    losses = [[row["loss"] for row in Record(each.out / "losses.jsonl").rows()] for each in (one, two)]
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)
    assert (two.out / "x.safetensors").is_file()


def test_without_ray_it_is_refused_with_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray.train", None)
    with pytest.raises(Unsupported, match="Ray Train"):
        learn_on_cluster(made.recipe(tmp_path, tmp_path, tmp_path / "run"), 2)
