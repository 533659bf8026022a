"""Writing .safetensors files: whole or not at all, one tensor at a time."""

import json
import math
import os
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from gesso.checkpoint.entry import ITEM_SIZES, TORCH_NAMES
from gesso.errors import CheckpointError, ResourceError, TensorMismatch

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = ["Table", "save", "stream"]

Table = Mapping[str, tuple[str, tuple[int, ...]]]
"""Name → dtype (such as "F16") and shape of every tensor to come."""


def save(
    path: Path,
    tensors: Mapping[str, "Tensor"],
    *,
    metadata: Mapping[str, str] | None = None,
    dtype: "torch.dtype | None" = None,
) -> None:
    """Write tensors; an interrupted write leaves what was there before.

    Args:
        path: the file to write or replace.
        tensors: by name, on any device.
        metadata: text to put beside them.
        dtype: what floating-point tensors become; None leaves them.

    Raises:
        ResourceError: the disk is full or the place cannot be written to.
        CheckpointError: a tensor's type has no place in the format.
    """
    table = {
        name: (_dtype_name(name, tensor, dtype), tuple(tensor.shape)) for name, tensor in tensors.items()
    }
    stream(path, table, tensors.items(), metadata=metadata)


def stream(
    path: Path,
    table: Table,
    tensors: Iterable[tuple[str, "Tensor"]],
    *,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write tensors that come one by one, in any order; only one of them is held at a time.

    Args:
        path: the file to write or replace.
        table: what will come; floating-point tensors are converted to the dtype it states.
        tensors: each tensor of the table once.
        metadata: text to put beside them.

    Raises:
        ResourceError: the disk is full or the place cannot be written to.
        TensorMismatch: the tensors are not those of the table.
    """
    places, header = _layout(table, metadata or {})
    left = dict(table)
    with _replacing(path) as file:
        file.write(header)
        for name, tensor in tensors:
            if left.pop(name, None) is None or tuple(tensor.shape) != table[name][1]:
                raise TensorMismatch(f"tensors must be written as announced, however: {name!r} is not")
            file.seek(len(header) + places[name])
            file.write(_bytes(tensor, table[name][0]))
        if left:
            raise TensorMismatch(f"every announced tensor must come, however: {next(iter(left))!r} did not")


def _layout(table: Table, metadata: Mapping[str, str]) -> tuple[dict[str, int], bytes]:
    """Where each tensor goes, and the header that says so. Source: the safetensors format."""
    described: dict[str, object] = {"__metadata__": dict(metadata)} if metadata else {}
    places: dict[str, int] = {}
    at = 0
    # Wider numbers first, so that every tensor starts at a multiple of its number's size.
    for name, (dtype, shape) in sorted(table.items(), key=lambda item: -ITEM_SIZES[item[1][0]]):
        size = math.prod(shape) * ITEM_SIZES[dtype]
        described[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [at, at + size]}
        places[name] = at
        at += size
    text = json.dumps(described, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return places, len(text).to_bytes(8, "little") + text


def _dtype_name(name: str, tensor: "Tensor", dtype: "torch.dtype | None") -> str:
    kept = dtype if dtype is not None and tensor.is_floating_point() else tensor.dtype
    wanted = str(kept).removeprefix("torch.")
    known = next((ours for ours, theirs in TORCH_NAMES.items() if theirs == wanted and ours != "C128"), None)
    if known is None:
        raise CheckpointError(f"the type of {name!r} must have a place in safetensors, however: {wanted}")
    return known


def _bytes(tensor: "Tensor", dtype: str) -> memoryview:
    import torch

    plain = tensor.detach().to("cpu", getattr(torch, TORCH_NAMES[dtype])).contiguous().reshape(-1)
    return plain.view(torch.uint8).numpy().data


@contextmanager
def _replacing(path: Path) -> Generator[BinaryIO]:
    """A file that takes its name only once it is complete and on the disk."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise ResourceError(f"{path} must be writable, however: {error.strerror}") from None
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
