"""Full-size parity: the same random checkpoint through gesso and through diffusers, in float32.

    python -m benchmarks.parity --family sd-v1 --folder /var/tmp/parity

Writes the checkpoint into the folder (2 to 7 GB, kept for the next time), runs each side in a process of its
own so that one copy of the weights is in memory at a time, compares, prints a table and exits with 1 when any
output is further from the oracle's than TOLERANCE times its maximum, or any pixel by more than 1 of 255.
"""

import argparse
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from benchmarks.parity_cases import Case, inputs
from benchmarks.parity_picture import difference, paint_gesso, paint_oracle
from benchmarks.random_checkpoint import PLANS, write

TOLERANCE = 1e-4
LATENTS = (32, 32)
# gesso first: it leaves the noise levels that the oracle walks down
SIDES = ("gesso", "oracle")


def eight(_: int) -> int:
    """Heads in v1: as many at every width."""
    return 8


def by_sixty_four(width: int) -> int:
    """Heads everywhere else: each 64 wide."""
    return width // 64


CASES = {
    "sd-v1": Case(PLANS["sd-v1"], eight, by_sixty_four, LATENTS),
    "sd-v2": Case(PLANS["sd-v2"], by_sixty_four, by_sixty_four, LATENTS),
    "sdxl-base": Case(PLANS["sdxl-base"], by_sixty_four, by_sixty_four, LATENTS, sizes=6),
    "sdxl-refiner": Case(PLANS["sdxl-refiner"], by_sixty_four, by_sixty_four, LATENTS, sizes=5),
}

Part = Callable[[dict[str, Tensor]], dict[str, Tensor]]


def parts(case: Case, side: str) -> Iterator[tuple[str, Part]]:
    """Every network of a checkpoint: its prefix, and what a side makes of its weights."""
    networks = import_module(f"benchmarks.parity_{side}")
    given = inputs(case)
    for prefix, _ in case.plan.texts:
        yield prefix, lambda tensors, prefix=prefix: networks.text(case, prefix, tensors, given)
    yield "first_stage_model.", lambda tensors: networks.autoencoder(case, tensors, given)
    yield "model.diffusion_model.", lambda tensors: networks.unet(case, tensors, given)


def weights(path: Path, prefix: str) -> dict[str, Tensor]:
    """The tensors under a prefix, in float32."""
    with safe_open(path, "pt") as file:
        names = [name for name in file.keys() if name.startswith(prefix) and "position_ids" not in name]  # noqa: SIM118
        return {name.removeprefix(prefix): file.get_tensor(name).float() for name in names}


def run_side(family: str, folder: Path, side: str) -> None:
    """Run every network of one side and keep what it said."""
    said: dict[str, Tensor] = {}
    with torch.no_grad():
        for prefix, part in parts(CASES[family], side):
            outputs = part(weights(folder / f"{family}.safetensors", prefix))
            said |= {name: tensor.contiguous() for name, tensor in outputs.items()}
    save_file(said, folder / f"{family}-{side}.safetensors")
    if side == "gesso":
        paint_gesso(family, folder)
    else:
        paint_oracle(family, CASES[family], folder)


def compare(ours: Mapping[str, Tensor], oracle: Mapping[str, Tensor]) -> Iterator[tuple[str, float, float]]:
    """Each output's name, its maximum and the largest difference as a fraction of it."""
    for name in sorted(oracle):
        highest = float(oracle[name].abs().max())
        yield name, highest, float((ours[name] - oracle[name]).abs().max()) / highest


def report(family: str, folder: Path) -> bool:
    """Print the table; whether every output is near enough."""
    ours, oracle = (load_file(folder / f"{family}-{side}.safetensors") for side in SIDES)
    passed = ours.keys() == oracle.keys()
    print(f"{family}\n{'output':<48}{'maximum':>12}{'difference':>14}")
    for name, highest, gap in compare(ours, oracle):
        # not `> TOLERANCE`: a NaN must fail
        near = gap <= TOLERANCE
        passed = passed and near
        print(f"{name:<48}{highest:>12.4g}{gap:>14.2e}{'' if near else '  too far'}")
    most = difference(family, folder)
    print(f"{'picture, 5 Euler steps, of 255':<48}{'':>12}{most:>14}{'' if most <= 1 else '  too far'}")
    return passed and most <= 1


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--family", choices=CASES, help="one family; all of them unless given")
    parser.add_argument("--folder", type=Path, default=Path("runs/parity"))
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side:
        run_side(arguments.family, arguments.folder, arguments.side)
        return
    arguments.folder.mkdir(parents=True, exist_ok=True)
    families = [arguments.family] if arguments.family else list(CASES)
    sys.exit(0 if all([compared(family, arguments.folder) for family in families]) else 1)


def compared(family: str, folder: Path) -> bool:
    """Both sides of one family, each in a process of its own; whether they agree."""
    if not (folder / f"{family}.safetensors").exists():
        write(CASES[family].plan, folder / f"{family}.safetensors", "float16")
    for side in SIDES:
        command = [sys.executable, "-m", "benchmarks.parity", "--side", side]
        subprocess.run([*command, "--family", family, "--folder", str(folder)], check=True)
    return report(family, folder)


if __name__ == "__main__":
    main()
