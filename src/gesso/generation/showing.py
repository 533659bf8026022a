"""Showing: what a model must be shown beside words, and how far it follows that. Pure."""

from collections.abc import Mapping, Sequence

from gesso.errors import Unsupported
from gesso.families.family import Shown
from gesso.families.identify import Identity
from gesso.request import GuidanceShape, ImagePrompt, Request

__all__ = ["PICTURE", "must_be_shown", "picture_guidance"]

PICTURE = 1.5
"""How far instruct models follow their picture unless told otherwise.

Source: Brooks et al. 2022, arXiv:2211.09800, section 3.2.1.
"""
NEEDS: Mapping[Shown, tuple[str, str]] = {
    "source": ("the picture that it is to change", "name it with --image, and --strength 1 for a free hand"),
    "depth": ("a picture of depth", "name one with --depth, light where it is near"),
    "image_prompts": ("pictures as prompts", "name some with --image-prompts"),
}
"""What is missing, and what to do about it."""


def must_be_shown(request: Request, identity: Identity) -> None:
    """Check that a model is shown what it needs, and nothing that it cannot see.

    Raises:
        Unsupported: it is not.
    """
    shown = identity.variant.shown
    if shown is not None and not getattr(request, shown):
        what, hint = NEEDS[shown]
        raise Unsupported(f"{identity.name} must be shown {what}, however: there is none", hint=hint)
    if request.depth is not None and shown != "depth":
        raise Unsupported(
            f"a picture of depth must go with a model that is told by one, however: this is {identity.name}",
            hint="with a control model for depth: --controls MODEL:PICTURE",
        )
    _must_suit(request.image_prompts, alone=shown == "image_prompts", name=identity.name)
    alone = _cfg(request, identity) == 1.0
    if request.guidance.picture not in {None, 1.0} and (shown != "source" or alone):
        raise Unsupported(
            "guidance.picture must go with a model that changes a picture, and a cfg other than 1, however: "
            f"this is {identity.name}" + (" at cfg 1" if alone else "")
        )


def _must_suit(uses: Sequence[ImagePrompt], *, alone: bool, name: str) -> None:
    """Check that image prompts ask for what is done with them.

    Args:
        alone: whether the model looks at pictures by itself.
    """
    for use in uses:
        plain = ImagePrompt(images=use.images, weight=use.weight, noise=use.noise, sha256=use.sha256)
        if alone and (use != plain or use.noise != uses[0].noise):
            raise Unsupported(
                f"image prompts of {name} must have a weight, and all the same noise, and nothing else, "
                "however: they have more",
                hint="it looks at pictures by itself, without an adapter, everywhere and all the time",
            )
        if not alone and use.noise:
            raise Unsupported(
                f"noise on an image prompt must go with an unCLIP model, however: this is {name}"
            )


def picture_guidance(request: Request, identity: Identity) -> GuidanceShape:
    """The request's guidance, with how far to follow the picture filled in for models that change one."""
    shape = request.guidance
    if identity.variant.shown != "source" or shape.picture is not None:
        return shape
    return shape.model_copy(update={"picture": 1.0 if _cfg(request, identity) == 1.0 else PICTURE})


def _cfg(request: Request, identity: Identity) -> float:
    return identity.facts.defaults.cfg if request.cfg is None else request.cfg
