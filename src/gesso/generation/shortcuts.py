"""Shortcuts: what they cannot go with. Pure."""

from collections.abc import Iterator, Sequence

from gesso.errors import Unsupported
from gesso.families.identify import Identity
from gesso.families.signs import UNET
from gesso.generation.passes import Pass
from gesso.request import Request

__all__ = ["must_suit"]


def must_suit(request: Request, identity: Identity, passes: Sequence[Pass]) -> None:
    """Check that inner blocks may rest between steps, where that is asked for.

    Args:
        request: with nothing left open.

    Raises:
        Unsupported: something else of the request needs them, or several calls a step.
    """
    caching = request.shortcuts.caching
    if caching is None:
        return
    blocks = identity.checkpoint.shapes.under(UNET).count("input_blocks")
    if caching.depth > blocks:
        raise Unsupported(
            f"shortcuts.caching.depth must be within the UNet's blocks, however: {caching.depth} of {blocks}"
        )
    for found in (*_needing(request), *_calling(passes)):
        raise Unsupported(
            f"shortcuts.caching must go with one call of the whole network a step, however: {found}",
            hint="samplers of one call: euler, dpmpp_2m, uni_pc, ddim, lcm",
        )


def _needing(request: Request) -> Iterator[str]:
    """What looks inside, or calls the network in a way of its own."""
    if request.windows is not None:
        yield "windows each take a call"
    if request.guidance.self_attention:
        yield "self-attention guidance takes another call"
    if request.guidance.free_u is not None:
        yield "FreeU weighs what inner blocks make"
    if request.reference is not None:
        yield "a reference takes another call"


def _calling(passes: Sequence[Pass]) -> Iterator[str]:
    for each in passes:
        if each.calls != each.steps:
            yield f"{each.sampler} takes {each.calls} calls for {each.steps} steps"
