"""Scenes as files that `gesso train` reads: pictures with captions in a tar, as webdataset lays them out."""

import io
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from studies.emoji.data import WORDINGS
from studies.emoji.objects import Sprites
from studies.emoji.plan import SIDE
from studies.emoji.scenes import Scene, caption, paint

__all__ = ["Captioned", "captioned", "write"]

Captioned = tuple[UInt8[np.ndarray, "s s 3"], Sequence[str]]
"""A picture and what may be said of it."""


def captioned(drawn: Sequence[Scene], sprites: Sprites, rng: np.random.Generator) -> Iterator[Captioned]:
    """Every scene painted, with a few captions."""
    for scene in drawn:
        said = dict.fromkeys(caption(scene, rng) for _ in range(WORDINGS))
        yield paint(scene, sprites, SIDE, rng), tuple(said)


def write(path: Path, pictures: Iterable[Captioned]) -> None:
    """Write a shard, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.part")
    with tarfile.open(beside, "w") as archive:
        for number, (picture, said) in enumerate(pictures):
            content = io.BytesIO()
            Image.fromarray(picture).save(content, "png")
            _add(archive, f"{number:06}.png", content.getvalue())
            _add(archive, f"{number:06}.txt", "\n".join(said).encode())
    beside.replace(path)


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    archive.addfile(entry, io.BytesIO(content))
