"""The whole recipe in one command: artwork in, checkpoint and score out; what is done is not redone."""

import argparse
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ARTWORK = "@lobehub/fluent-emoji-3d@1.1.0"
SHARD = 40960  # scenes


@dataclass(frozen=True)
class Job:
    """One program of this study.

    Args:
        makes: the file that shows it is done.
    """

    makes: Path
    program: str
    options: tuple[str, ...] = ()


def jobs(folder: Path) -> Iterator[Job]:
    """Everything between artwork and score, in order."""
    artwork = ("--artwork", str(folder / "artwork" / "package" / "assets"))
    for stage in ("first", "second"):
        yield Job(folder / f"autoencoder-{stage}.done", "train_autoencoder", (stage, *artwork))
    yield Job(folder / "scenes-0.safetensors", "encode_scenes", ("--count", str(SHARD), *artwork))
    yield Job(folder / "text.safetensors", "train_text")
    yield Job(folder / "judge.safetensors", "judge", artwork)
    yield Job(folder / "unet.done", "train_unet")
    yield Job(folder / "autoencoder-decoder.done", "train_autoencoder", ("decoder", *artwork))
    yield Job(folder / "emoji.safetensors", "assemble", ("--out", str(folder / "emoji.safetensors")))
    score = folder / "score.json"
    yield Job(score, "score", ("--model", str(folder / "emoji.safetensors"), "--out", str(score)))


def fetch(folder: Path) -> None:
    """Microsoft's Fluent Emoji 3D (MIT licence) as packed for npm."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["npm", "pack", ARTWORK, "--pack-destination", str(folder)], check=True)
    (packed,) = folder.glob("*.tgz")
    with tarfile.open(packed) as archive:
        archive.extractall(folder, filter="data")


def main() -> None:
    """Do what is not done."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--folder", type=Path, default=Path("runs/emoji"))
    folder: Path = options.parse_args().folder
    if not (folder / "artwork" / "package").exists():
        fetch(folder / "artwork")
    for job in jobs(folder):
        if job.makes.exists():
            continue
        command = ["-m", f"studies.emoji.{job.program}", *job.options, "--folder", str(folder)]
        print(" ".join(command), flush=True)
        subprocess.run([sys.executable, *command], check=True)
        job.makes.touch()


if __name__ == "__main__":
    main()
