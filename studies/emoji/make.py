"""The whole recipe in one command: artwork in, checkpoint and score out; what is done is not redone."""

import argparse
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

from studies.steps import Step, carry_out

__all__ = ["artwork", "judge"]

ARTWORK = "@lobehub/fluent-emoji-3d@1.1.0"
SHARD = 40960  # scenes
RUNS = Path("runs/emoji")


def _step(makes: Path, program: str, *options: str) -> Step:
    return Step(makes, f"studies.emoji.{program}", (*options, "--folder", str(makes.parent)))


def steps(folder: Path) -> Iterator[Step]:
    """Everything between artwork and score, in order."""
    drawn = ("--artwork", str(folder / "artwork" / "package" / "assets"))
    for stage in ("first", "second"):
        yield _step(folder / f"autoencoder-{stage}.done", "train_autoencoder", stage, *drawn)
    yield _step(folder / "scenes-0.safetensors", "encode_scenes", "--count", str(SHARD), *drawn)
    yield _step(folder / "text.safetensors", "train_text")
    yield judge(folder)
    yield _step(folder / "unet.done", "train_unet")
    yield _step(folder / "autoencoder-decoder.done", "train_autoencoder", "decoder", *drawn)
    yield _step(folder / "emoji.safetensors", "assemble", "--out", str(folder / "emoji.safetensors"))
    score = folder / "score.json"
    yield _step(score, "score", "--model", str(folder / "emoji.safetensors"), "--out", str(score))


def judge(folder: Path = RUNS) -> Step:
    """The judge, who is needed by other studies too."""
    assets = str(folder / "artwork" / "package" / "assets")
    return _step(folder / "judge.safetensors", "judge", "--artwork", assets)


def artwork(folder: Path = RUNS) -> None:
    """Microsoft's Fluent Emoji 3D (MIT licence) as packed for npm, unless it is there."""
    home = folder / "artwork"
    if (home / "package").exists():
        return
    home.mkdir(parents=True, exist_ok=True)
    subprocess.run(["npm", "pack", ARTWORK, "--pack-destination", str(home)], check=True)
    (packed,) = home.glob("*.tgz")
    with tarfile.open(packed) as archive:
        archive.extractall(home, filter="data")


def main() -> None:
    """Do what is not done."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--folder", type=Path, default=RUNS)
    folder: Path = options.parse_args().folder
    artwork(folder)
    carry_out(steps(folder))


if __name__ == "__main__":
    main()
