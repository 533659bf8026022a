"""A Morph: frames on the way from one picture to another, between prompts, seeds or both."""

from gesso.errors import RequestError
from gesso.request import Blend, Request, Variation

__all__ = ["MOST", "morph"]

MOST = 1000
"""So many frames are the most."""


def morph(request: Request, prompt: str | None, seed: int | None, count: int) -> tuple[Request, ...]:
    """The request of every frame, from the request's own picture to the other.

    Args:
        request: with a seed.
        prompt: words that are said in the end; None keeps them.
        seed: whose noise is there in the end; None keeps it.
        count: of frames, both ends included.

    Raises:
        RequestError: there is no way to go, or it is none.
    """
    if prompt is None and seed is None:
        raise RequestError("a morph must lead somewhere, however: neither prompt nor seed is other")
    if not 2 <= count <= MOST:
        raise RequestError(f"a morph must have 2 to {MOST} frames, however: {count}")
    if request.count != 1:
        raise RequestError(f"a frame must be one picture, however: count is {request.count}")
    return tuple(_frame(request, prompt, seed, index / (count - 1)) for index in range(count))


def _frame(request: Request, prompt: str | None, seed: int | None, share: float) -> Request:
    blend = request.blend if prompt is None else Blend(prompt=prompt, share=share)
    variation = request.variation if seed is None else Variation(seed=seed, strength=share)
    return request.model_copy(update={"blend": blend, "variation": variation})
