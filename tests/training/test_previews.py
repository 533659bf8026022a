"""C8.4: a preview is what `generate` paints with the saved file, byte for byte."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from gesso.request import Request
from gesso.runtime.native.kernels import kernels
from gesso.training.job import Written
from gesso.training.previews import asked
from gesso.training.recipe import Training, read_recipe
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


def gesso(*options: object) -> None:
    """In a process of its own; what checks shapes in this one hides that nobody asks for gradients."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-m", "gesso", *map(str, options)], check=True, env=environment)


def painted(model: Path, lora: Path, out: Path, *more: str) -> bytes:
    """What a fresh process paints."""
    options = ["--seed", 1, "--size", "64x64", "--device", "cpu", "--out", out, *more]
    gesso("generate", "a thing", *options, "-m", model, "--loras", lora)
    return out.read_bytes()


def same(one: bytes, other: bytes) -> bool:
    """Whether they are, without a look at where they are not, which takes long."""
    return one == other


def test_a_fresh_process_paints_the_same_bytes(files: dict[str, Path], tmp_path: Path) -> None:
    made.album(tmp_path / "p", 2)
    rules = {"prompts": ["a thing"], "size": (64, 64)}
    events = made.carried_out(
        made.recipe(files["sd1"], tmp_path / "p", tmp_path / "run", run={"steps": 1}, previews=rules)
    )
    (written,) = [event for event in events if isinstance(event, Written)]
    fresh = painted(files["sd1"], written.file, tmp_path / "fresh.png", "--dtype", "float32")
    assert same(written.previews[0].read_bytes(), fresh)


@pytest.mark.skipif(kernels() is None, reason="this processor has no kernels of ours")
@pytest.mark.parametrize("quantize", ["none", "int8"])
def test_kernels_paint_previews_and_leave_no_trace_in_what_is_learnt(
    small: Path, tmp_path: Path, quantize: str
) -> None:
    made.album(tmp_path / "p", 2)
    run, recipe = tmp_path / "run", tmp_path / "r.toml"
    recipe.write_text(
        f'model = "{small}"\nsize = [32, 32]\ndevice = "cpu"\ndtype = "bfloat16"\nname = "x"\n'
        f'quantize = "{quantize}"\n[[data]]\nfolder = "{tmp_path / "p"}"\n[subject]\nrank = 2\n'
        "[run]\nsteps = 2\nwarmup = 0\nrate = 1e-2\nsave_every = 1\n"
        '[previews]\nprompts = ["a thing"]\nsize = [64, 64]\n'
    )
    gesso("train", recipe, "--out", run)
    steps = [run / f"step-0000000{i}" for i in (1, 2)]
    narrow = ("--dtype", "bfloat16", "--quantize", quantize)
    shown = [(each / "preview-0.png").read_bytes() for each in steps]
    assert same(shown[1], painted(small, steps[1] / "x.safetensors", tmp_path / "fresh.png", *narrow))
    assert not same(*shown)
    # what painting did to the weights for speed was undone: as if nothing had been painted
    unseen = read_recipe(recipe) | {"previews": {}, "out": tmp_path / "unseen"}
    *_, last = (
        each for each in made.carried_out(Training.model_validate(unseen)) if isinstance(each, Written)
    )
    learnt, plain = load_file(steps[1] / "x.safetensors"), load_file(last.file)
    assert all(torch.equal(each, plain[name]) for name, each in learnt.items())
