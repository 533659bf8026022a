"""Following: what is done to a picture once it is painted, as a request of its own over that picture."""

from gesso.generation.wording import spoken
from gesso.request import FollowUp, Request

__all__ = ["alone", "followed", "recorded"]

FOUND = ("loras", "embeddings", "image_prompts", "controls")
"""Fields about whose files more is known once they were opened."""


def followed(base: Request, follow: FollowUp, turn: int) -> Request:
    """The request that a follow-up stands for.

    Args:
        base: the request that it follows on, with nothing left open.
        turn: which of the follow-ups it is, from 1.
    """
    told = {name: value for name, value in follow if name in Request.model_fields and value is not None}
    source = follow.source.model_copy(update={"turn": follow.source.turn or turn})
    update = _left_out(base, follow) | told | {"source": source, "then": ()}
    return base.model_copy(update=update)


def _left_out(base: Request, follow: FollowUp) -> dict[str, object]:
    """What of the base goes no further: other things take its place, or it says nothing of what follows."""
    parts = follow.source.mask is not None or follow.source.extend is not None
    left: dict[str, object] = {"size": None, "noise_size": None}
    if follow.steps is not None or follow.schedule is not None:
        left["sigmas"] = None
    if follow.sampler not in {None, base.sampler}:
        left["sampler_options"] = {}
    if follow.model is not None:
        # what the base's own model is shown or told of its own
        guidance = base.guidance.model_copy(update={"picture": None})
        left |= {"refiner": None, "depth": None, "guidance": guidance}
    if follow.prompt is not None:
        # the words that named them are gone
        left["loras"] = tuple(use for use in base.loras if use.named is None)
        left["blend"] = None
    if parts:
        # places on the whole picture mean nothing on a part of it
        left |= {"regions": (), "windows": None, "seamless": None}
    return left


def recorded(base: Request, follow: FollowUp, done: Request, turn: int) -> FollowUp:
    """A follow-up with what was found out about its files while it was carried out.

    Args:
        base: the request that it follows on, as it was carried out.
        done: the request that the follow-up stands for, as it was carried out.
        turn: which of the follow-ups it is, from 1.
    """
    inherited = followed(base, follow, turn)
    assert done.source is not None
    found = {name: getattr(done, name) for name in FOUND if getattr(done, name) != getattr(inherited, name)}
    return follow.model_copy(update={**found, "source": done.source})


def alone(full: Request, picture: int) -> Request:
    """The request that paints one of the pictures by itself, with what follows on it.

    Args:
        picture: from 0.
    """
    assert full.seed is not None
    then = tuple(_alone(full, each, turn, picture) for turn, each in enumerate(full.then, 1))
    said = spoken(full, picture)
    return said.model_copy(update={"seed": full.seed + picture, "count": 1, "then": then})


def _alone(full: Request, follow: FollowUp, turn: int, picture: int) -> FollowUp:
    """A follow-up whose choices are made, for one of the pictures."""
    said = spoken(followed(full, follow, turn), picture)
    update = {
        name: getattr(said, name) for name in ("prompt", "negative") if getattr(follow, name) is not None
    }
    if follow.seed is not None:
        update["seed"] = follow.seed + picture
    return follow.model_copy(update=update)
