"""Result: the pictures, and in every saved picture what would paint it again."""

import importlib.metadata
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import torch
from PIL import Image
from pydantic import BaseModel

from gesso.checkpoint.hashes import auto_v3, sha256
from gesso.errors import RequestError
from gesso.generation.cost import Cost
from gesso.generation.hires_text import told
from gesso.generation.infotext import Infotext, write
from gesso.generation.pictures import SUFFIXES, Texts, read_texts, write_picture
from gesso.model import Model, Origins
from gesso.request import LoraUse, Request
from gesso.tuned import in_force

__all__ = ["ENGINE", "Origin", "Result", "read_parameters", "read_record", "read_request", "record", "save"]

ENGINE = 1
"""Rises when the same request would give other pixels than before."""


@dataclass(frozen=True)
class Result:
    """What painting gave.

    Args:
        images: the pictures.
        requests: for every picture, what would paint it alone.
        seconds: how long it took.
        notes: what had to be done otherwise than asked.
        cost: what it took in all.
    """

    images: tuple[Image.Image, ...]
    requests: tuple[Request, ...]
    seconds: float
    notes: tuple[str, ...] = ()
    cost: Cost | None = None


@dataclass(frozen=True)
class Origin:
    """Which weights painted, and where: with the request, all that decides the pixels.

    Args:
        path: the checkpoint file, as it was named.
        sha256: of the file; empty where the model is a folder.
        family: family and variant, such as "sd1-inpainting".
        prediction: what the network predicts.
        kernels: what its networks ran by.
        quantize: what its weights were rounded to.
        others: which other files its parts came from.
    """

    path: Path
    sha256: str
    family: str
    prediction: str
    device: str
    dtype: str
    kernels: str = "plain"
    quantize: str = "none"
    others: Origins = field(default_factory=Origins)

    @staticmethod
    def of(model: Model) -> "Origin":
        """Where a loaded model comes from; hashes its file, once."""
        return Origin(
            model.path,
            sha256(model.path) if model.path.is_file() else "",
            model.identity.name,
            model.identity.facts.prediction.value,
            str(model.device),
            str(model.dtype).removeprefix("torch."),
            in_force(model.kernels, model.device, model.dtype),
            model.quantize,
            model.origins,
        )


def save(image: Image.Image, request: Request, origin: Origin, out: Path, cost: Cost | None = None) -> Path:
    """Save a picture with its complete request; never over another file.

    Args:
        request: resolved: no field is None that the model chose.
        out: a file name, or a folder in which prompt and seed make the name.
        cost: what painting it took; not part of what paints it again.

    Returns:
        The file that was written.

    Raises:
        RequestError: the name's ending is of no known format.
        ResourceError: the file cannot be written.
    """
    path = out if out.suffix.lower() in SUFFIXES else out / f"{_title(request)}-{request.seed}.png"
    told = record(request, origin) | ({} if cost is None else {"cost": cost.plain()})
    texts = Texts(write(parameters(request, origin)), json.dumps(told))
    return write_picture(image, path, texts)


def record(request: BaseModel, origin: Origin) -> dict[str, Any]:
    """What a picture carries under `gesso`: request, weights and surroundings, as plain data."""
    return {
        "gesso": _version(),
        "engine": ENGINE,
        "request": request.model_dump(mode="json"),
        "model": {
            "name": origin.path.name,
            "path": origin.path.as_posix(),
            "sha256": origin.sha256,
            "family": origin.family,
            "prediction": origin.prediction,
            "vae": origin.others.vae.as_posix() if origin.others.vae else None,
            "text_encoders": [path.as_posix() for path in origin.others.texts],
            "lender": origin.others.lender.as_posix() if origin.others.lender else None,
            "ema": origin.others.ema,
        },
        "environment": {
            "torch": torch.__version__,
            "device": origin.device,
            "dtype": origin.dtype,
            "kernels": origin.kernels,
            "quantize": origin.quantize,
        },
    }


def parameters(request: Request, origin: Origin) -> Infotext:
    """The same for other programs, as far as they have words for it."""
    refiner = request.refiner
    handed = {"Refiner": refiner.model.stem, "Refiner switch at": str(refiner.start)} if refiner else {}
    if request.guidance.picture not in {None, 1.0}:
        handed["Image CFG scale"] = f"{request.guidance.picture:g}"
    if request.shortcuts.token_merging:
        handed["Token merging ratio"] = f"{request.shortcuts.token_merging:g}"
    tags = "".join(f" <lora:{use.file.stem}:{use.weight:g}>" for use in request.loras if not use.named)
    return Infotext(
        prompt=request.prompt + tags,
        negative=request.negative,
        steps=request.steps,
        sampler=request.sampler,
        schedule=request.schedule,
        cfg=request.cfg,
        seed=request.seed,
        size=request.size,
        model_hash=origin.sha256[:10] or None,
        model=origin.path.stem,
        strength=request.source.strength if request.source else None,
        clip_skip=request.clip_skip,
        noise=request.noise,
        version=f"gesso {_version()}",
        others=handed | told(request) | _adapters(request),
    )


def _adapters(request: Request) -> dict[str, str]:
    """Adapter files by the hashes that AUTOMATIC1111's web UI gives them."""
    loras = (f"{use.file.stem}: {_lora_hash(use)}" for use in request.loras)
    words = (f"{use.file.stem}: {(use.sha256 or '')[:12]}" for use in request.embeddings)
    told = {"Lora hashes": ", ".join(loras), "TI hashes": ", ".join(words)}
    return {key: text for key, text in told.items() if text}


def _lora_hash(use: LoraUse) -> str:
    """Of what follows the header, where the file is there; else of the whole file."""
    there = use.file.suffix == ".safetensors" and use.file.is_file()
    return auto_v3(use.file) if there else (use.sha256 or "")[:12]


def read_record(path: Path) -> dict[str, Any]:
    """The whole record in a picture that gesso saved.

    Raises:
        RequestError: the file is not a picture, or carries none.
    """
    text = read_texts(path).gesso
    try:
        found = json.loads(text or "null")
    except ValueError:
        found = None
    if not isinstance(found, dict) or not isinstance(cast(dict[str, Any], found).get("request"), dict):
        raise RequestError(
            f"{path} must carry what gesso writes into pictures, however: there is none",
            hint="other programs, and many web sites, drop it; the file as it was saved has it",
        )
    return cast(dict[str, Any], found)


def read_request(path: Path) -> dict[str, Any]:
    """The resolved request in a picture that gesso saved, as plain data.

    Raises:
        RequestError: the file is not a picture, or carries none.
    """
    return read_record(path)["request"]


def read_parameters(path: Path) -> str | None:
    """The `parameters` text in a picture by gesso or another program; None without one.

    Raises:
        RequestError: the file is not a picture.
    """
    return read_texts(path).parameters


def _version() -> str:
    try:
        return importlib.metadata.version("gesso")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


def _title(request: Request) -> str:
    """The prompt's words; without any, those of the picture that was painted over."""
    source = request.source.image.stem if request.source and request.source.image else ""
    words = re.findall(r"[a-z0-9]+", (request.prompt or source).casefold())
    return "-".join(words)[:40].strip("-") or "picture"
