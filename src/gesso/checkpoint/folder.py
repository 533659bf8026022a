"""A diffusers folder seen as one file: `unet/`, `vae/`, `text_encoder/` … become prefixes of the names."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from gesso.checkpoint.container import read_file
from gesso.checkpoint.entry import Entry, Header
from gesso.errors import CheckpointError

__all__ = ["read_folder"]

PARTS = ("unet", "vae", "text_encoder", "text_encoder_2")
UNCLIP = ("image_encoder", "image_normalizer")
"""Further parts of models that are told by pictures, which the second of them tells."""
PREDICTIONS = {"epsilon": "epsilon", "v_prediction": "v", "sample": "x0"}
"""What the scheduler's settings call a prediction type → what model metadata calls it."""


def read_folder(path: Path) -> tuple[Header, dict[Path, int]]:
    """The headers of all parts as one, or of the one part that the folder is, and the length of each file.

    Raises:
        CheckpointError: the folder has none of the parts.
        BrokenFile: one of the files is broken.
    """
    entries: dict[str, Entry] = {}
    sizes: dict[Path, int] = {}
    for part in (*PARTS, *(UNCLIP if (path / UNCLIP[1]).is_dir() else ())):
        for file in _files(path / part):
            header, sizes[file] = read_file(file)
            entries |= {f"{part}.{name}": entry for name, entry in header.entries.items()}
    if not entries:
        # one part alone, perhaps in several files
        for file in _files(path):
            header, sizes[file] = read_file(file)
            entries |= header.entries
    if not entries:
        raise CheckpointError(
            f"{path}: a checkpoint must be a file or a diffusers folder, however: "
            "this folder has no tensors, nor any under unet, vae or text_encoder"
        )
    return Header("folder", entries, _metadata(path)), sizes


def _files(part: Path) -> list[Path]:
    """The files of one variant: the full-precision one if it is there."""
    for pattern in ("*.safetensors", "*.bin"):
        variants: dict[str, list[Path]] = {}
        for file in sorted(part.glob(pattern)):
            variants.setdefault(_variant(file.stem), []).append(file)
        if variants:
            return variants[min(variants)]
    return []


def _variant(stem: str) -> str:
    """`fp16` of `model.fp16-00001-of-00002`; empty for the plain file, which sorts first."""
    return stem.partition(".")[2].split("-")[0]


def _metadata(path: Path) -> Mapping[str, str]:
    """What only the scheduler's settings tell: the prediction type."""
    try:
        settings: object = json.loads((path / "scheduler" / "scheduler_config.json").read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    found = cast("dict[str, object]", settings).get("prediction_type") if isinstance(settings, dict) else None
    known = PREDICTIONS.get(found) if isinstance(found, str) else None
    return {"modelspec.prediction_type": known} if known else {}
