"""Shown: pictures that a model sees beside words, as files that stay the same."""

from gesso.checkpoint.hashes import sha256
from gesso.errors import RequestError
from gesso.request import Request, Shown

__all__ = ["named_shown"]

FIELDS = ("depth", "reference")


def named_shown(request: Request) -> Request:
    """The request with every picture that a model is shown named by its hash.

    Raises:
        RequestError: a file is missing, or not the one that the request was made for.
    """
    found = {
        field: _named(use, field) for field in FIELDS if isinstance(use := getattr(request, field), Shown)
    }
    return request.model_copy(update=found) if found else request


def _named(use: Shown, field: str) -> Shown:
    if not use.image.is_file():
        raise RequestError(f"{field} must be a picture, however: {use.image} is not there")
    digest = sha256(use.image)
    if use.sha256 not in {None, digest}:
        raise RequestError(
            f"{field} must be the file that the request was made for, however: {use.image} has changed",
            hint=f"wanted: sha256 {use.sha256}",
        )
    return use.model_copy(update={"sha256": digest})
