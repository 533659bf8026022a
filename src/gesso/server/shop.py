"""gesso's own door: what there is to paint with, what is sent, and what pictures say."""

import asyncio
import json
import tempfile
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Query
from fastapi import Request as HttpRequest
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from gesso.annotators.table import ANNOTATORS
from gesso.checkpoint.file import Checkpoint
from gesso.families.identify import identify
from gesso.families.report import Report, report
from gesso.generation.hires_text import heard
from gesso.generation.infotext import SAMPLER_TITLES, SCHEDULE_TITLES, parse
from gesso.generation.library import files, names
from gesso.generation.pictures import Texts, read_texts
from gesso.server.access import Painter
from gesso.server.catalogue import Entry
from gesso.server.refusals import Refused
from gesso.server.renditions import MEDIA_TYPES, PictureFormat, Rendition, rendered
from gesso.server.services import services

__all__ = ["pictures", "router"]

router = APIRouter(prefix="/api", tags=["gesso"])
pictures = APIRouter(tags=["gesso"])


ENDS = {".safetensors", ".pt", ".pth", ".ckpt", ".bin"}
"""How files of weights end."""


class Upload(BaseModel):
    """A picture that was sent."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    name: str
    """By which requests name it."""
    size: tuple[int, int]


class Library(BaseModel):
    """What prompts and requests may name."""

    samplers: list[str]
    schedules: list[str]
    loras: list[str]
    """Files of LoRAs and hypernetworks."""
    controls: list[str]
    """Files of control models."""
    annotators: list[str]
    """What can be made of a picture before a control model is shown it."""
    embeddings: list[str]
    """New words, as prompts say them."""
    files: list[str]
    """All files of weights, by their names in the library."""


class Link(BaseModel):
    """What a picture's link says beside its name."""

    until: int = Field(ge=0, le=10**12)
    sign: str = Field(max_length=64)
    size: str | None = Field(default=None, pattern=r"^[0-9]{1,5}x[0-9]{1,5}$")
    quality: int | None = Field(default=None, ge=0, le=100)


class Words(BaseModel):
    """A prompt to look at."""

    text: str = Field(max_length=32_000)
    dialect: Literal["a1111", "comfy", "compel", "plain"] = "a1111"
    negative: bool = False


class Recalled(BaseModel):
    """What a picture says it came from."""

    model: str
    request: dict[str, Any]


@router.get("/models")
async def models(http: HttpRequest, caller: Painter) -> list[Entry]:
    """All checkpoints that can paint, with what their headers tell."""
    del caller
    return await asyncio.to_thread(services(http).catalogue.entries)


@router.get("/inspect")
async def inspect(
    http: HttpRequest, caller: Painter, model: Annotated[str, Query(max_length=512)] = ""
) -> Report:
    """What a checkpoint is, why, and what is wrong with it."""
    del caller
    of = services(http)

    def look() -> Report:
        entry = of.catalogue.entry(model) if model else of.catalogue.default()
        found = report(identify(Checkpoint.open(of.settings.places.model(entry.name))))
        return found.model_copy(update={"path": entry.name or entry.title})

    return await asyncio.to_thread(look)


@router.get("/library")
async def library(http: HttpRequest, caller: Painter) -> Library:
    """What prompts and requests may name."""
    del caller
    of = services(http)
    places = of.settings.places
    roots = (places.library, places.roots["builtin"])

    def named(found: Iterable[Path]) -> list[str]:
        return sorted(places.named(each).as_posix() for each in found)

    def look() -> Library:
        models = {each.name for each in of.catalogue.entries()}
        adapters = (each for root in roots for kind in ("lora", "hypernet") for each in files(root, kind))
        return Library(
            samplers=list(SAMPLER_TITLES),
            schedules=list(SCHEDULE_TITLES),
            loras=[each for each in named(adapters) if each not in models],
            controls=named(each for root in roots for each in files(root, "control")),
            annotators=list(ANNOTATORS),
            embeddings=list(names(places.library, "embedding")),
            files=named(
                each for root in roots for each in root.rglob("*") if each.suffix in ENDS and each.is_file()
            ),
        )

    return await asyncio.to_thread(look)


@router.post("/uploads", status_code=201)
async def upload(
    http: HttpRequest, caller: Painter, packed: Annotated[bytes, Body(media_type="image/png")]
) -> Upload:
    """Send a picture, the file itself as the body. What it carries beside its pixels is not kept."""
    del caller
    sent = services(http).sent

    def keep() -> Upload:
        image = sent.opened(packed)
        return Upload(name=sent.keep_image(image).as_posix(), size=image.size)

    return await asyncio.to_thread(keep)


@router.post("/recall")
async def recall(
    http: HttpRequest, caller: Painter, packed: Annotated[bytes, Body(media_type="image/png")]
) -> Recalled:
    """What would paint a picture again, from what the picture file in the body carries."""
    del caller
    sent = services(http).sent

    def read() -> Recalled:
        sent.opened(packed)
        return _recalled(packed)

    return await asyncio.to_thread(read)


@router.post("/lint")
async def lint_words(words: Words, caller: Painter) -> list[dict[str, Any]]:
    """What in a prompt will not do what it seems to say, with its places."""
    from gesso.conditioning.lint import Circumstances, lint

    del caller
    where = Circumstances(negative=words.negative)
    return [asdict(each) for each in await asyncio.to_thread(lint, words.text, words.dialect, where)]


@pictures.get("/pictures/{job}/{picture}.{kind}")
async def picture(
    http: HttpRequest, job: str, picture: int, kind: PictureFormat, link: Annotated[Link, Query()]
) -> Response:
    """A finished picture, by a link of this server's."""
    of = services(http)
    width, _, height = (link.size or "").partition("x")
    rendition = Rendition((int(width), int(height)) if link.size else None, kind, link.quality)
    of.links.check(f"{job}/{picture}.{kind}", rendition, link.until, link.sign)
    found = await asyncio.to_thread(of.table.get, job)
    if found is None or not 0 <= picture < len(found.pictures):
        raise Refused(404, "a picture must be there, however: it is not, or no longer", "unknown_picture")
    file = of.settings.places.folder(job) / found.pictures[picture].file
    packed = await asyncio.to_thread(rendered, file, rendition)
    return Response(packed, media_type=MEDIA_TYPES[kind], headers={"cache-control": "private, max-age=3600"})


def _recalled(packed: bytes) -> Recalled:
    with tempfile.NamedTemporaryFile() as file:
        file.write(packed)
        file.flush()
        texts = read_texts(Path(file.name))
    try:
        record = json.loads(texts.gesso or "{}")
        return Recalled(model=record["model"]["path"], request=record["request"])
    except (KeyError, TypeError, ValueError):
        return _of_others(texts)


def _of_others(texts: Texts) -> Recalled:
    if not texts.parameters:
        raise Refused(400, "a picture must carry what it came from, however: this one does not", "no_record")
    info = parse(texts.parameters)
    told = {
        name: getattr(info, name)
        for name in ("prompt", "negative", "steps", "sampler", "schedule", "cfg", "seed", "size", "clip_skip")
    }
    request = {key: each for key, each in told.items() if each is not None}
    hires = heard(info)
    if hires is not None:
        request["then"] = [hires.model_dump(mode="json", exclude_defaults=True)]
    return Recalled(model=info.model or "", request=request)
