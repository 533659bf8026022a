"""Replay: the same pixels again, from a picture alone."""

from pathlib import Path

import numpy as np
from PIL import Image

from gesso.checkpoint.hashes import sha256
from gesso.errors import RequestError
from gesso.generation.result import ENGINE, read_record
from gesso.model import Model, builtin, load
from gesso.request import Request

__all__ = ["compared", "recalled"]


def recalled(picture: Path, model: Path | None = None) -> tuple[Model, Request]:
    """The model and request that a picture says it came from.

    Args:
        model: the checkpoint file, where it is no longer where the picture says.

    Raises:
        RequestError: the picture carries no record, one of a later engine, or one of other weights.
    """
    record = read_record(picture)
    if record.get("engine") != ENGINE:
        raise RequestError(
            f"{picture} must come from engine {ENGINE}, however: it says {record.get('engine')!r}",
            hint=f"it was painted by gesso {record.get('gesso')}",
        )
    origin, environment = record["model"], record["environment"]
    path = model or _found(Path(origin["path"]), origin["sha256"])
    if origin["sha256"] and sha256(path) != origin["sha256"]:
        raise RequestError(
            f"{path} must be the file that painted {picture.name}, however: its hash differs",
            hint=f"wanted: {origin['name']}, sha256 {origin['sha256']}",
        )
    loaded = load(
        path,
        device=environment["device"],
        dtype=environment["dtype"],
        kernels=environment.get("kernels", "plain"),
        quantize=environment.get("quantize", "none"),
        prediction=origin["prediction"],
        vae=origin.get("vae"),
        text_encoders=origin.get("text_encoders", ()),
        lender=origin.get("lender"),
        ema=origin.get("ema", False),
    )
    return loaded, Request.model_validate(record["request"])


def compared(before: Path, after: Path) -> str:
    """Whether two pictures have the same pixels, in words."""
    first, second = (np.asarray(Image.open(path).convert("RGBA"), dtype=np.int16) for path in (before, after))
    if first.shape != second.shape:
        return f"other sizes: {first.shape[1]}x{first.shape[0]} and {second.shape[1]}x{second.shape[0]}"
    differing = int((first != second).any(axis=-1).sum())
    if not differing:
        return "the same pixels"
    most = int(abs(first - second).max())
    return f"{differing} of {first.shape[0] * first.shape[1]} pixels differ, by at most {most} of 255"


def _found(path: Path, digest: str) -> Path:
    """Where the checkpoint is now: where it was, or the built-in one wherever gesso is installed."""
    if path.exists():
        return path
    if sha256(builtin()) == digest:
        return builtin()
    raise RequestError(
        f"the checkpoint must be where it was, however: {path} is not there", hint="name it with --model FILE"
    )
