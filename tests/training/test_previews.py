"""C8.4: a preview is what `generate` paints with the saved file, byte for byte."""

import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

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


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_fresh_process_paints_the_same_bytes(files: dict[str, Path], tmp_path: Path, dtype: str) -> None:
    made.album(tmp_path / "p", 2)
    rules = {"prompts": ["a thing"], "size": (64, 64)}
    fields: dict[str, Any] = {"cache": tmp_path / "cache", "name": "x", "dtype": dtype}
    recipe = made.recipe(
        files["sd1"],
        tmp_path / "p",
        tmp_path / "run",
        **fields,
        previews=rules,
        run={"steps": 2, "save_every": 1},
    )
    first, last = (event for event in made.carried_out(recipe) if isinstance(event, Written))
    out = tmp_path / "fresh.png"
    options = ["--seed", "1", "--size", "64x64", "--device", "cpu", "--dtype", dtype, "--out", str(out)]
    options += ["-m", str(files["sd1"]), "--loras", str(last.file)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "gesso", "generate", "a thing", *options]
    subprocess.run(command, check=True, env=environment)
    painted = [sha256(each.read_bytes()).digest() for each in (out, *last.previews, *first.previews)]
    assert painted[0] == painted[1] != painted[2]
    # what painting does to weights for speed is undone: learning goes on as if nothing had been painted
    unseen = made.recipe(files["sd1"], tmp_path / "p", tmp_path / "unseen", **fields, run={"steps": 2})
    (again,) = (event for event in made.carried_out(unseen) if isinstance(event, Written))
    learnt, unseen = load_file(last.file), load_file(again.file)
    assert all(torch.equal(each, unseen[name]) for name, each in learnt.items())
