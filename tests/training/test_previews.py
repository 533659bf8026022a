"""C8.4: a preview is what `generate` paints with the saved file, byte for byte."""

import os
import subprocess
import sys
from pathlib import Path

from gesso.request import Request
from gesso.training.job import Written
from gesso.training.previews import asked
from gesso.training.subjects.base import Use
from tests.training import made


def test_requests_are_what_generate_would_be_given(tmp_path: Path) -> None:
    rules = {"prompts": ["a", "b"], "negative": "c", "steps": 3, "seed": 7, "hint": tmp_path / "h.png"}
    recipe = made.recipe(tmp_path / "m", tmp_path, tmp_path / "run", previews=rules)
    use = Use(fields=lambda hint: {"controls": ({"model": "c.safetensors", "image": hint},)})
    first, second = asked(recipe, use)
    plain = {"negative": "c", "steps": 3, "size": (32, 32)}
    assert first == Request.model_validate(
        {"prompt": "a", "seed": 7, **plain, **use.fields(tmp_path / "h.png")}
    )
    assert (second.prompt, second.seed) == ("b", 8)


def test_a_fresh_process_paints_the_same_bytes(files: dict[str, Path], tmp_path: Path) -> None:
    made.album(tmp_path / "p", 2)
    rules = {"prompts": ["a thing"], "size": (64, 64)}
    events = made.carried_out(
        made.recipe(files["sd1"], tmp_path / "p", tmp_path / "run", run={"steps": 1}, previews=rules)
    )
    (written,) = [event for event in events if isinstance(event, Written)]
    out = tmp_path / "fresh.png"
    options = ["--seed", "1", "--size", "64x64", "--device", "cpu", "--dtype", "float32", "--out", str(out)]
    options += ["-m", str(files["sd1"]), "--loras", str(written.file)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "gesso", "generate", "a thing", *options]
    subprocess.run(command, check=True, env=environment)
    assert out.read_bytes() == written.previews[0].read_bytes()
