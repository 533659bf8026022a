"""Small sets of pictures and recipes that take moments."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gesso.model import Model, load
from gesso.training.data.latents import Latents
from gesso.training.data.store import Store
from gesso.training.job import Happening, Job
from gesso.training.recipe import Training
from gesso.training.setup import Setup, opened
from gesso.training.telling import Telling


def picture(path: Path, size: tuple[int, int] = (32, 32), seed: int = 0) -> Path:
    """A file of coarse noise, so that no two look alike."""
    path.parent.mkdir(parents=True, exist_ok=True)
    coarse = np.random.default_rng(seed).integers(0, 255, (8, 8, 3), dtype=np.uint8)
    Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).save(path)
    return path


def album(folder: Path, count: int = 4, words: str = "a thing") -> Path:
    """A folder of pictures with captions."""
    for i in range(count):
        picture(folder / f"{i}.png", seed=i)
        (folder / f"{i}.txt").write_text(f"{words} {i}")
    return folder


def recipe(model: Path, folder: Path, out: Path, **fields: Any) -> Training:
    """A short run in float32 on the CPU; tables of fields are put over these."""
    base: dict[str, Any] = {
        "model": model,
        "out": out,
        "size": (32, 32),
        "device": "cpu",
        "dtype": "float32",
        "data": [{"folder": folder}],
        "run": {"steps": 4, "warmup": 0, "rate": 1e-2, "save_every": 2, "report_every": 3},
        "subject": {"rank": 2},
    }
    return Training.model_validate(_over(base, fields))


def _over(base: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    both = dict(base)
    for name, value in fields.items():
        inner = isinstance(value, dict) and isinstance(both.get(name), dict)
        both[name] = _over(both[name], value) if inner else value
    return both


def carried_out(asked: Training) -> list[Happening]:
    """A recipe from the audit to the end."""
    job = Job(opened(asked))
    for _ in job.look():
        pass
    return list(job.carried_out())


def set_up(model: Model, asked: Training) -> Setup:
    """A set-up on a model that is loaded already."""
    store = Store(asked.store)
    return Setup(asked, model, Telling(model, asked.captions.windows, store=store), Latents(model, store))


def opened_model(path: Path) -> Model:
    return load(path, device="cpu", dtype="float32")
