"""What happens while pictures are painted, in order: Planned, Stepped …, Painted …, Finished.

Where something follows on the pictures, all of them are first Followed, then painted on.
"""

from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image

from gesso.generation.cost import Cost
from gesso.generation.plan import Plan
from gesso.generation.result import Result
from gesso.request import Request
from gesso.sampling.samplers import Step

__all__ = ["Event", "Finished", "Followed", "Painted", "Planned", "Stepped"]


@dataclass(frozen=True)
class Planned:
    """The request was understood and its words encoded; painting begins.

    Args:
        traded: what is given for taking no more memory than allowed.
    """

    plan: Plan
    traded: tuple[str, ...] = ()


@dataclass(frozen=True)
class Stepped:
    """One step of one picture is done.

    Args:
        picture: which picture, from 0.
        done: steps done of all pictures.
        total: steps of all pictures.
        step: the sampler's step, with the noisy latents and their clean estimate.
        preview: makes a small picture of the clean estimate, when called before the next event is asked for.
    """

    picture: int
    done: int
    total: int
    step: Step
    preview: Callable[[], Image.Image]


@dataclass(frozen=True)
class Followed:
    """One picture is as far as something follows on it.

    Args:
        request: what would paint this very picture alone.
        cost: what this took.
    """

    picture: int
    image: Image.Image
    request: Request
    cost: Cost | None = None


@dataclass(frozen=True)
class Painted:
    """One picture is finished.

    Args:
        request: what would paint this very picture alone.
        cost: what this took, or what followed last on it.
    """

    picture: int
    image: Image.Image
    request: Request
    cost: Cost | None = None


@dataclass(frozen=True)
class Finished:
    """All pictures are finished."""

    result: Result


Event = Planned | Stepped | Followed | Painted | Finished
