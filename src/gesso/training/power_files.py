"""The averages that a run keeps of several widths, as files, and the file of another width made of them."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor

from gesso.checkpoint.write import save
from gesso.errors import RequestError
from gesso.training.power import PowerAverage, Snapshot, shares
from gesso.training.recipe import Training
from gesso.training.setup import Setup, saving

__all__ = ["averaged", "keep"]


def keep(powers: Mapping[float, PowerAverage], step: int, recipe: Training) -> None:
    """Write the averages as they are after a step."""
    for width, each in powers.items():
        path = _folder(recipe) / f"{step:08}-{width}.safetensors"
        path.parent.mkdir(parents=True, exist_ok=True)
        save(path, each.weights, dtype=torch.float32)


def averaged(setup: Setup, width: float) -> Path:
    """Write a file of what was learnt, averaged over another share of the run; where it is.

    Args:
        width: as in `power.exponent`, 0.01 to 0.25.

    Raises:
        RequestError: the run kept no averages.
    """
    found = dict(_kept(_folder(setup.recipe)))
    if not found:
        raise RequestError(
            "a run must have kept averages to make another of, however: there are none",
            hint="train with run.widths, as in --run.widths 0.05 0.1",
        )
    step = max(each.step for each in found)
    much = shares(list(found), Snapshot(width, step))
    weights = _mixed(dict(zip(found.values(), much, strict=True)))
    path = setup.recipe.out / f"{setup.recipe.title}-{width}.safetensors"
    setup.subject().write(path, weights, saving(setup.recipe, step))
    return path


def _folder(recipe: Training) -> Path:
    return recipe.out / "averages"


def _kept(folder: Path) -> Iterator[tuple[Snapshot, Path]]:
    for path in sorted(folder.glob("*.safetensors")):
        named = re.fullmatch(r"(\d{8})-(0\.\d+)", path.stem)
        if named:
            yield Snapshot(float(named[2]), int(named[1])), path


def _mixed(much: Mapping[Path, float]) -> dict[str, Tensor]:
    """So much of each file, added up, one file after the other."""
    total: dict[str, Tensor] = {}
    for path, share in much.items():
        with safe_open(path, "pt") as file:
            for name in file.keys():  # noqa: SIM118 - it is no mapping
                part = file.get_tensor(name) * share
                total[name] = total[name] + part if name in total else part
    return total
