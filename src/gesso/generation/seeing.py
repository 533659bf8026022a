"""Seeing: pictures as an image encoder is shown them, and embeddings that were made elsewhere."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from gesso.checkpoint.file import Checkpoint
from gesso.errors import RequestError
from gesso.families.vision import MEAN, STD

__all__ = ["EMBEDDINGS", "as_seen", "looked_at", "read_embedding", "read_picture"]

EMBEDDINGS = (".npy", ".safetensors")
"""Endings of files that hold an embedding instead of a picture."""


def read_picture(path: Path, field: str) -> Image.Image:
    """A picture file as RGB.

    Raises:
        RequestError: there is no such file, or it is no picture.
    """
    try:
        with Image.open(path) as file:
            return file.convert("RGB")
    except (OSError, ValueError, SyntaxError) as error:
        raise RequestError(f"{field} must be a picture, however: {path}: {error}") from error


def as_seen(picture: Image.Image, side: int) -> Float[Tensor, "1 3 s s"]:
    """A picture as an image encoder is shown it: its middle square, normalised.

    Args:
        side: pixels along a side of the square.

    Source: Radford et al. 2021, and transformers' CLIPImageProcessor: the shorter side is resized (bicubic),
    the middle cut out.
    """
    shortest = min(picture.size)
    width, height = (max(side, int(side * each / shortest)) for each in picture.size)
    resized = picture.convert("RGB").resize((width, height), Image.Resampling.BICUBIC)
    left, top = (width - side) // 2, (height - side) // 2
    array = np.asarray(resized.crop((left, top, left + side, top + side)), dtype=np.float32) / 255.0
    normal = (array - np.asarray(MEAN, dtype=np.float32)) / np.asarray(STD, dtype=np.float32)
    return torch.from_numpy(normal).permute(2, 0, 1)[None].contiguous()


def looked_at(paths: Sequence[Path], look: Callable[[Image.Image], Tensor]) -> list[Tensor]:
    """What is known of each picture of an image prompt: by a look, or from an embedding in its place.

    Raises:
        RequestError: a file is no picture, or holds no embedding.
    """
    found: list[Tensor] = []
    for place, path in enumerate(paths):
        field = f"image_prompts.images.{place}"
        made = path.suffix.lower() in EMBEDDINGS
        found.append(read_embedding(path, field) if made else look(read_picture(path, field)))
    return found


def read_embedding(path: Path, field: str) -> Tensor:
    """An embedding from a file of one array or tensor, with a first axis of one picture.

    Raises:
        RequestError: the file is none, or holds several.
    """
    if path.suffix.lower() == ".npy":
        try:
            found = torch.from_numpy(np.load(path, allow_pickle=False)).float()
        except (OSError, ValueError, TypeError) as error:
            raise RequestError(f"{field} must be an array, however: {path}: {error}") from error
    else:
        file = Checkpoint.open(path)
        tensors = [tensor for _, tensor in file.tensors([*file.shapes])]
        if len(tensors) != 1:
            raise RequestError(f"{field} must hold one tensor, however: {path} holds {len(tensors)}")
        found = tensors[0].float()
    if not found.numel() or found.ndim > 3:
        raise RequestError(f"{field} must be vectors of numbers, however: {path} is {list(found.shape)}")
    return found[None] if found.ndim == 1 else found
