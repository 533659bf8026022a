"""The study "only cats" in one command: pictures, three models, the judge and what it says.

python -m studies.cats.make
"""

from collections.abc import Iterator
from pathlib import Path

from studies.cats.score import NAMES
from studies.emoji.make import artwork, judge
from studies.steps import Step, carry_out, training

HERE, RUNS = Path("studies/cats"), Path("runs/cats")


def steps() -> Iterator[Step]:
    """From the artwork to the score."""
    yield Step(RUNS / "begin.safetensors", "studies.cats.pictures")
    yield judge()
    for name in NAMES:
        yield training(HERE / f"{name}.toml", RUNS / name / f"{name}.safetensors")
    yield Step(RUNS / "scored", "studies.cats.score")


if __name__ == "__main__":
    artwork()
    carry_out(steps())
