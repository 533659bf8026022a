"""The door for clients of OpenAI's Images API.

Source: OpenAI's API specification of 2026-08-21: paths, answers, events of streams, headers.
"""

import asyncio
import base64
import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter
from fastapi import Request as HttpRequest
from fastapi.responses import JSONResponse, Response, StreamingResponse
from fastapi.sse import format_sse_event
from PIL import Image

from gesso.errors import UnknownName
from gesso.generation.pictures import Texts, packed
from gesso.server.access import Painter
from gesso.server.catalogue import Entry
from gesso.server.dialects import answer
from gesso.server.keys import Caller
from gesso.server.openai_asks import Wish, edit, generation, variation
from gesso.server.openai_forms import Edit, Form, Generation, Variation, received, validated
from gesso.server.refusals import Refused
from gesso.server.renditions import Rendition, rendered
from gesso.server.services import Mark, Services, services
from gesso.workers.job import Job, State

__all__ = ["router"]

router = APIRouter(tags=["OpenAI Images"])

HOSTED = ("dall-e-2", "dall-e-3", "gpt-image-1", "gpt-image-1-mini", "gpt-image-1.5", "gpt-image-2")
"""Names that programs have built in; they mean the server's own choice unless the settings say otherwise."""


def _body(form: type[Form], kind: str) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {kind: {"schema": form.model_json_schema()}}}}


@router.post("/images/generations", openapi_extra=_body(Generation, "application/json"))
async def generations(http: HttpRequest, caller: Painter) -> Response:
    """Pictures from words."""
    body = await received(http)
    form = validated(Generation, body.fields)
    model = await _model(http, form)
    asked = Asked(http, caller, form, model, "image_generation")
    return await asked.answered(generation(form, model), Mark.of(http, body.fields))


@router.post("/images/edits", openapi_extra=_body(Edit, "multipart/form-data"))
async def edits(http: HttpRequest, caller: Painter) -> Response:
    """Pictures painted into or over another."""
    body = await received(http)
    form = validated(Edit, body.fields)
    model = await _model(http, form)
    wish = await asyncio.to_thread(edit, form, model, body, services(http).sent)
    return await Asked(http, caller, form, model, "image_edit").answered(wish, _marked(http, form, wish))


@router.post("/images/variations", openapi_extra=_body(Variation, "multipart/form-data"))
async def variations(http: HttpRequest, caller: Painter) -> Response:
    """Pictures like another."""
    body = await received(http)
    form = validated(Variation, body.fields)
    model = await _model(http, form)
    wish = await asyncio.to_thread(variation, form, model, body, services(http).sent)
    return await Asked(http, caller, form, model, "image_edit").answered(wish, _marked(http, form, wish))


@router.get("/models")
async def models(http: HttpRequest, caller: Painter) -> dict[str, Any]:
    """All checkpoints and aliases."""
    del caller
    return {"object": "list", "data": await asyncio.to_thread(_listed, services(http))}


@router.get("/models/{name:path}")
async def model(name: str, http: HttpRequest, caller: Painter) -> dict[str, Any]:
    """One of them."""
    del caller
    listed = await asyncio.to_thread(_listed, services(http))
    for each in listed:
        if each["id"] == name:
            return each
    raise _unknown(name)


@dataclass(frozen=True)
class Asked:
    """One call, and how it is answered.

    Args:
        kind: what its events are called.
    """

    http: HttpRequest
    caller: Caller
    form: Form
    model: Entry
    kind: str

    @property
    def of(self) -> Services:
        """The services that carry it out."""
        return services(self.http)

    async def answered(self, wish: Wish, mark: Mark) -> Response:
        """The answer: pictures, or events on the way to them."""
        job = await self.of.accept(self.caller, wish.request, self.model.name, mark)
        headers = await asyncio.to_thread(self._headers)
        if isinstance(self.form, Generation) and self.form.stream:
            events = self._events(job, wish.rendition, self.form.partial_images)
            return StreamingResponse(events, media_type="text/event-stream", headers=headers)
        done = await self.of.painted(job)
        data = [await self._datum(done, index, wish.rendition) for index in range(len(done.pictures))]
        return JSONResponse(
            {"created": int(done.accepted), "data": data, **self._told(done, wish)}, headers=headers
        )

    def _told(self, job: Job, wish: Wish) -> dict[str, Any]:
        """What newer models' answers say beside the pictures."""
        width, height = wish.rendition.size or job.pictures[0].size
        quality = self.form.quality if isinstance(self.form, Generation) else "auto"
        return {
            "size": f"{width}x{height}",
            "quality": quality,
            "output_format": wish.rendition.format,
            "background": "opaque",
            "usage": USAGE,
        }

    async def _datum(self, job: Job, index: int, rendition: Rendition) -> dict[str, str]:
        told = {"revised_prompt": job.pictures[index].prompt}
        if self._linked:
            base = str(self.http.base_url).rstrip("/")
            return {"url": base + self.of.links.link(job.id, index, rendition), **told}
        return {"b64_json": await self._packed(job, index, rendition), **told}

    @property
    def _linked(self) -> bool:
        """Newer models never gave links, and their clients do not ask for anything else."""
        newer = (self.form.model or "").startswith(("gpt-image", "chatgpt-image"))
        return self.form.response_format == "url" or (self.form.response_format is None and not newer)

    async def _packed(self, job: Job, index: int, rendition: Rendition) -> str:
        file = self.of.settings.places.folder(job.id) / job.pictures[index].file
        return base64.b64encode(await asyncio.to_thread(rendered, file, rendition)).decode()

    async def _events(self, job: Job, rendition: Rendition, partial: int) -> AsyncGenerator[bytes]:
        shown = previews = painted = 0
        last = job
        async for last in self.of.hub.follow(job):
            if shown < partial and last.preview > previews and not last.over:
                seen = await asyncio.to_thread(self._preview, last, rendition)
                if seen is not None:
                    yield _event(f"{self.kind}.partial_image", seen, {"partial_image_index": shown})
                    shown, previews = shown + 1, last.preview
            for index in range(painted, len(last.pictures)):
                text = await self._packed(last, index, rendition)
                told = self._told(last, Wish(last.request, rendition))
                yield _event(f"{self.kind}.completed", text, {**told, "created_at": int(last.accepted)})
            painted = len(last.pictures)
        if last.state is not State.DONE:
            refusal = Refused(500, last.reason or f"The job was {last.state}.", f"job_{last.state}")
            text = bytes(answer(self.http.url.path, refusal).body).decode()
            yield format_sse_event(event="error", data_str=text)

    def _preview(self, job: Job, rendition: Rendition) -> str | None:
        """The unfinished picture in the finished one's size."""
        try:
            with Image.open(self.of.settings.places.preview(job.id)) as image:
                large = image.resize(rendition.size or job.request.size or image.size)
        except FileNotFoundError:
            return None
        return base64.b64encode(packed(large, f".{rendition.format}", Texts())).decode()

    def _headers(self) -> dict[str, str]:
        share = self.of.settings.limits.share
        waiting = self.of.table.counts(self.caller.name)[State.QUEUED]
        return {
            "openai-version": "2020-10-01",
            "x-ratelimit-limit-requests": str(share),
            "x-ratelimit-remaining-requests": str(max(0, share - waiting)),
            "x-ratelimit-reset-requests": "5s",
        }


USAGE = {
    "total_tokens": 0,
    "input_tokens": 0,
    "output_tokens": 0,
    "input_tokens_details": {"text_tokens": 0, "image_tokens": 0},
}
"""Nothing is counted, since nothing is paid for."""


def _event(kind: str, picture: str, more: dict[str, Any]) -> bytes:
    return format_sse_event(event=kind, data_str=json.dumps({"type": kind, "b64_json": picture, **more}))


def _marked(http: HttpRequest, form: Form, wish: Wish) -> Mark:
    return Mark.of(
        http, {"form": form.model_dump(mode="json"), "request": wish.request.model_dump(mode="json")}
    )


async def _model(http: HttpRequest, form: Form) -> Entry:
    catalogue, name = services(http).catalogue, form.model

    def look() -> Entry:
        if not name or (name.startswith(_PREFIXES) and name not in catalogue.settings.aliases):
            return catalogue.default()
        return catalogue.entry(name)

    try:
        return await asyncio.to_thread(look)
    except UnknownName:
        raise _unknown(name or "") from None


_PREFIXES = ("dall-e-", "gpt-image-", "chatgpt-image-")


def _unknown(name: str) -> Refused:
    return Refused(404, f"The model '{name[:100]}' does not exist.", "model_not_found", "model")


def _listed(of: Services) -> list[dict[str, Any]]:
    found = {each.title: each for each in of.catalogue.entries()}
    default = of.catalogue.default()
    found |= {name: default for name in HOSTED}
    found |= {name: of.catalogue.entry(name) for name in of.settings.aliases}
    return [
        {
            "id": name,
            "object": "model",
            "created": int(each.modified),
            "owned_by": "gesso",
            "shutdown_date": None,
        }
        for name, each in found.items()
    ]
