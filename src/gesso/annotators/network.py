"""Networks of your own in ONNX files: what they draw of a picture, or where they find something in it.

A network that answers with maps of the picture (depth, edges, normals, parts) is an annotator. One that
answers with boxes is a detector: white rectangles on black, which is a mask.
"""

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from pydantic import Field, ValidationError

from gesso.errors import CheckpointError, RequestError, ResourceError, UnknownName
from gesso.request.parts import OptionValue, Part

__all__ = ["ENDING", "NetworkOptions", "drawn", "network_options"]

ENDING = ".onnx"
Floats = NDArray[np.float32]

_SCALES: Mapping[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "unit": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    "signed": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
}
"""What is taken from pixels of 0 to 1, and what they are divided by.

Source of imagenet: pytorch/vision's published classifiers, whose mean and deviation most networks for depth
and edges took over.
"""
_GREY = (114, 114, 114)
"""What a detector is shown beside a picture of another aspect. Source: ultralytics, LetterBox."""
_CELL = 32
"""Sides that a file leaves open are multiples of this, as networks with five halvings need."""


class NetworkOptions(Part):
    """What can be chosen about a network."""

    scale: Literal["imagenet", "unit", "signed"] = "imagenet"
    """How pixels are told: by ImageNet's mean and deviation, 0 to 1, or -1 to 1. Detectors get 0 to 1."""
    side: int = Field(default=512, ge=_CELL, le=4096)
    """Pixels of the longer side, where the file leaves the size open."""
    score: float = Field(default=0.25, ge=0.0, le=1.0)
    """How sure a detector must be."""
    kind: str = ""
    """What a detector is to find, by its own name for it; everything it knows unless given."""


def network_options(chosen: Mapping[str, OptionValue]) -> NetworkOptions:
    """What is chosen about a network, checked.

    Raises:
        RequestError: there is no such option, or a value is out of range.
    """
    try:
        return NetworkOptions.model_validate(chosen)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        known = ", ".join(NetworkOptions.model_fields)
        raise RequestError(
            f"options of a network must be right, however: {name}: {first['msg']}", hint=f"there are {known}"
        ) from error


def drawn(picture: Image.Image, path: Path, options: NetworkOptions) -> Image.Image:
    """What the network of a file makes of a picture, RGB of the same size.

    Maps of one or three channels are stretched so that their values fill black to white.

    Raises:
        ResourceError: onnxruntime is not installed.
        CheckpointError: the file is no such network, or answers with something else.
        UnknownName: the detector knows no such kind.
    """
    network = _Network.opened(path)
    picture = picture.convert("RGB")
    return network.boxed(picture, options) if network.names else network.mapped(picture, options)


@dataclass(frozen=True)
class _Network:
    """An open file.

    Args:
        path: where it was.
        session: onnxruntime's.
        names: what a detector finds, in its own order; empty for networks that draw maps.
    """

    path: Path
    session: Any
    names: tuple[str, ...]

    @classmethod
    def opened(cls, path: Path) -> "_Network":
        try:
            runtime: Any = import_module("onnxruntime")
        except ImportError as error:
            raise ResourceError(
                f"a network in ONNX must have onnxruntime to run it, however: {error}",
                hint="pip install 'gesso[onnx]'",
            ) from error
        if not path.is_file():
            raise CheckpointError(f"{path} must be a network in ONNX, however: there is no such file")
        try:
            session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        except Exception as error:  # the library's own classes derive from nothing but Exception
            raise CheckpointError(f"{path} must be a network in ONNX, however: {_line(error)}") from error
        told = session.get_modelmeta().custom_metadata_map
        return cls(path, session, _names(told) if told.get("task") in {"detect", "segment"} else ())

    def mapped(self, picture: Image.Image, options: NetworkOptions) -> Image.Image:
        """What it draws."""
        width, height = self._size(picture, options.side)
        said = self._said(picture.resize((width, height), Image.Resampling.BICUBIC), options.scale)
        maps = said[0] if said.ndim == 4 else said
        if maps.ndim != 3 or maps.shape[0] not in {1, 3}:
            raise self._other(f"answers with {list(said.shape)}")
        low, high = float(maps.min()), float(maps.max())
        levels = np.rint((maps - low) * (255.0 / (high - low or 1.0))).astype(np.uint8).transpose(1, 2, 0)
        image = Image.fromarray(np.repeat(levels, 3, axis=2) if levels.shape[2] == 1 else levels)
        return image.resize(picture.size, Image.Resampling.BICUBIC)

    def boxed(self, picture: Image.Image, options: NetworkOptions) -> Image.Image:
        """Where it finds what it is to find: white on black."""
        if options.kind and options.kind not in self.names:
            raise UnknownName(f"kind of {self.path.name}", options.kind, self.names)
        size = self._size(picture, options.side)
        ratio = min(size[0] / picture.width, size[1] / picture.height)
        seen = Image.new("RGB", size, _GREY)
        seen.paste(picture.resize((round(picture.width * ratio), round(picture.height * ratio))))
        out = Image.new("RGB", picture.size)
        draw = ImageDraw.Draw(out)
        for box in self._found(self._said(seen, "unit"), options):
            left, top, right, bottom = (float(side) / ratio for side in box)
            draw.rectangle((left, top, right - 1.0, bottom - 1.0), fill="white")
        return out

    def _found(self, said: Floats, options: NetworkOptions) -> Floats:
        """[n 4], left, top, right and bottom in the pixels that were seen.

        Source: ultralytics' ONNX export: [1, 4 + kinds, n] as center, size and a score for each kind, or from
        networks that sort out doubles themselves [1, n, 6] as corners, score and kind.
        """
        kinds = len(self.names)
        wanted = [index for index, name in enumerate(self.names) if options.kind in {"", name}]
        if said.ndim == 3 and said.shape[1] >= 4 + kinds and said.shape[2] != 6:
            middle, half, scores = said[0, :2], said[0, 2:4] / 2, said[0, 4 : 4 + kinds]
            sure = scores[wanted].max(axis=0) >= options.score
            return np.concatenate((middle - half, middle + half))[:, sure].T.astype(np.float32)
        if said.ndim == 3 and said.shape[2] == 6:
            rows = said[0]
            return rows[(rows[:, 4] >= options.score) & np.isin(rows[:, 5], wanted), :4]
        raise self._other(f"answers with {list(said.shape)} for {kinds} kinds")

    def _said(self, picture: Image.Image, scale: str) -> Floats:
        mean, spread = (np.array(each, np.float32) for each in _SCALES[scale])
        pixels = (np.asarray(picture, np.float32) / np.float32(255.0) - mean) / spread
        (place,) = self.session.get_inputs()
        kind = np.float16 if place.type == "tensor(float16)" else np.float32
        try:
            first, *_ = self.session.run(None, {place.name: pixels.transpose(2, 0, 1)[None].astype(kind)})
        except Exception as error:
            raise self._other(_line(error)) from error
        return np.asarray(first, dtype=np.float32)

    def _size(self, picture: Image.Image, side: int) -> tuple[int, int]:
        """Width and height of what it is shown: the file's own, or as the picture's aspect has it."""
        shapes = [cast(Sequence[object], each.shape) for each in self.session.get_inputs()]
        if (
            len(shapes) != 1
            or len(shapes[0]) != 4
            or shapes[0][1] not in {3, "channels", "num_channels", None}
        ):
            raise self._other(f"takes {' and '.join(str(list(each)) for each in shapes)}")
        height, width = shapes[0][2:]
        if isinstance(height, int) and isinstance(width, int):
            return width, height
        share = side / max(picture.size)
        return _cells(picture.width * share), _cells(picture.height * share)

    def _other(self, found: str) -> CheckpointError:
        return CheckpointError(
            f"{self.path} must take a picture [1, 3, height, width] and answer with maps or boxes, however: "
            f"it {found}"
        )


def _names(told: Mapping[str, str]) -> tuple[str, ...]:
    """A detector's kinds, as ultralytics' export writes them: a dictionary by number."""
    try:
        found = cast(dict[int, str], ast.literal_eval(told["names"]))
        return tuple(str(found[index]) for index in range(len(found)))
    except (KeyError, ValueError, SyntaxError, TypeError):
        return ("object",)


def _cells(length: float) -> int:
    return max(1, round(length / _CELL)) * _CELL


def _line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
