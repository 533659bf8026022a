"""Models distilled to paint in few steps, which only their names tell from those they were made of.

A distilled checkpoint or LoRA has the tensors of any other. What tells is what people call it: its file, or
the title in its metadata. Only what a request leaves open follows from it, and `inspect` says so.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from gesso.families.family import Defaults

__all__ = ["FewSteps", "few_steps"]


@dataclass(frozen=True)
class FewSteps:
    """A way of distilling, and how its models are meant to be sampled.

    Args:
        title: what it is called.
        words: of which a name has one.
        sampler: the published one.
        source: who says so.
        beside: beginnings of words of which a name must have one more; empty for none.
        steps: what it is used with where its name says no number.
    """

    title: str
    words: frozenset[str]
    sampler: str
    source: str
    beside: tuple[str, ...] = ()
    steps: int = 4

    def over(self, defaults: Defaults) -> Defaults:
        """A model's defaults with its own over them: the levels it was taught, and no guidance."""
        return replace(defaults, steps=self.steps, sampler=self.sampler, schedule="sgm_uniform", cfg=1.0)


KINDS = (
    FewSteps("Lightning", frozenset({"lightning"}), "euler", "ByteDance/SDXL-Lightning, model card"),
    FewSteps("Hyper-SD", frozenset({"hyper"}), "euler", "ByteDance/Hyper-SD, model card", ("sd",)),
    FewSteps("LCM", frozenset({"lcm"}), "lcm", "Luo et al. 2023, arXiv:2311.05556, LCM-LoRA"),
    FewSteps("TCD", frozenset({"tcd"}), "tcd", "Zheng et al. 2024, arXiv:2402.19159; h1t/TCD-SDXL-LoRA"),
    FewSteps("DMD2", frozenset({"dmd", "dmd2"}), "lcm", "tianweiy/DMD2, model card"),
    FewSteps("Turbo", frozenset({"turbo"}), "euler_ancestral", "stabilityai/sdxl-turbo, model card"),
)
"""In the order in which they are looked for. All were taught at evenly spaced times, the last step going
straight to clean, with the guidance in their weights."""
MOST = 16
"""A number of steps above this is not that of a distilled model."""


def few_steps(names: Iterable[str]) -> FewSteps | None:
    """The way in which a model of these names was distilled; None for no known one.

    Args:
        names: the file's, without its ending, and what else it is called.
    """
    for name in names:
        words = re.findall(r"[a-z]+|[A-Z]+(?![a-z])|[A-Z][a-z]*|\d+", name)
        joined = {*(word.lower() for word in words), *re.split(r"[^a-z0-9]+", name.lower())}
        for kind in KINDS:
            beside = not kind.beside or any(each.startswith(kind.beside) for each in joined)
            if kind.words & joined and beside:
                return replace(kind, steps=_steps(name) or kind.steps)
    return None


def _steps(name: str) -> int | None:
    found = re.search(r"(\d+)[-_ ]?steps?", name.lower())
    return int(found[1]) if found and 0 < int(found[1]) <= MOST else None
