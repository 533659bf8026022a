"""The study "style" in one command: thirty pictures, five ways to teach them, the judge and what it says.

python -m studies.style.make
"""

from collections.abc import Iterator
from pathlib import Path

from studies.emoji.make import artwork, judge
from studies.steps import Step, carry_out, training
from studies.style.score import WAYS

HERE, RUNS = Path("studies/style"), Path("runs/style")


def steps() -> Iterator[Step]:
    """From the artwork to the score."""
    yield Step(RUNS / "plain.tar", "studies.style.pictures")
    yield judge()
    for way in WAYS:
        if way.name:
            yield training(HERE / f"{way.name}.toml", RUNS / way.name / f"{way.name}.safetensors")
    yield Step(RUNS / "scored", "studies.style.score")
    yield Step(RUNS / "merged", "studies.style.merged")


if __name__ == "__main__":
    artwork()
    carry_out(steps())
