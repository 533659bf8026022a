"""The door for clients of AUTOMATIC1111's web UI.

Source: AUTOMATIC1111/stable-diffusion-webui, modules/api/api.py: paths, answers, statuses.
"""

import asyncio
import base64
import io
import json
import time
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter
from fastapi import Request as HttpRequest
from PIL import Image

from gesso.annotators.table import annotated
from gesso.generation.hires_text import told
from gesso.generation.infotext import SAMPLER_TITLES, parse
from gesso.request import Request
from gesso.server.a1111_asks import MODULES, Desk
from gesso.server.a1111_forms import Base64Image, Batch, Extras, Img2Img, Txt2Img
from gesso.server.access import Painter
from gesso.server.catalogue import Entry
from gesso.server.keys import Caller
from gesso.server.refusals import Refused
from gesso.server.renditions import Rendition, rendered
from gesso.server.sent import from_base64
from gesso.server.services import Services, services
from gesso.workers.job import Job, State
from gesso.workers.table import Listing

__all__ = ["router"]

router = APIRouter(tags=["A1111"])

PREFERENCE = "a1111"
SETTINGS = ("sd_model_checkpoint", "CLIP_stop_at_last_layers")
"""The web UI's settings that mean something here."""
FILTERS = {
    "None": Image.Resampling.LANCZOS,
    "Lanczos": Image.Resampling.LANCZOS,
    "Nearest": Image.Resampling.NEAREST,
}


@router.post("/sdapi/v1/txt2img")
async def txt2img(form: Txt2Img, http: HttpRequest, caller: Painter) -> dict[str, Any]:
    """Pictures from words."""
    of = services(http)
    desk = await asyncio.to_thread(_desk, of, caller)
    model = await asyncio.to_thread(desk.model, form)
    request = await asyncio.to_thread(desk.enlarged, form, model)
    return await _painted(of, caller, (form, model), request)


@router.post("/sdapi/v1/img2img")
async def img2img(form: Img2Img, http: HttpRequest, caller: Painter) -> dict[str, Any]:
    """Pictures painted over another, or into it where the mask is white."""
    of = services(http)
    desk = await asyncio.to_thread(_desk, of, caller)
    model = await asyncio.to_thread(desk.model, form)
    request = await asyncio.to_thread(desk.repainting, form, model)
    return await _painted(of, caller, (form, model), request)


@router.get("/sdapi/v1/progress")
async def progress(http: HttpRequest, caller: Painter, skip_current_image: bool = False) -> dict[str, Any]:
    """How far the caller's own job is that runs."""
    of = services(http)
    jobs = await asyncio.to_thread(_open, of, caller)
    job = next((each for each in jobs if each.state is State.RUNNING), None)
    steps = job.total // job.request.count if job else 0
    state = {
        "skipped": job is not None and job.skipping is not None,
        "interrupted": job is not None and job.cancelling,
        "stopping_generation": False,
        "job": job.id if job else "",
        "job_count": len(jobs),
        "job_timestamp": time.strftime("%Y%m%d%H%M%S", time.localtime(job.started if job else 0)),
        "job_no": job.begun if job else 0,
        "sampling_step": job.done % steps if job and steps else 0,
        "sampling_steps": steps,
    }
    share = job.done / job.total if job and job.total else 0.0
    spent = time.time() - (job.started or 0) if job else 0.0
    looked = None if job is None or skip_current_image else await asyncio.to_thread(_look, of, job)
    eta = spent / share - spent if share else 0.0
    return {"progress": share, "eta_relative": eta, "state": state, "current_image": looked, "textinfo": None}


@router.post("/sdapi/v1/interrupt")
async def interrupt(http: HttpRequest, caller: Painter) -> dict[str, Any]:
    """Stop the caller's own jobs that run."""
    of = services(http)
    for each in await asyncio.to_thread(_open, of, caller):
        if each.state is State.RUNNING:
            await asyncio.to_thread(of.table.cancel, each.id)
    return {}


@router.post("/sdapi/v1/skip")
async def skip(http: HttpRequest, caller: Painter) -> dict[str, Any]:
    """Leave out the picture that the caller's own jobs paint now; they go on with the next."""
    of = services(http)
    for each in await asyncio.to_thread(_open, of, caller):
        await asyncio.to_thread(of.table.skip, each.id)
    return {}


@router.get("/sdapi/v1/options")
async def options(http: HttpRequest, caller: Painter) -> dict[str, Any]:
    """The caller's own settings."""
    of = services(http)
    default = await asyncio.to_thread(of.catalogue.default)
    own = await asyncio.to_thread(_own, of, caller)
    return {
        "sd_model_checkpoint": _title(default),
        "CLIP_stop_at_last_layers": 1,
        "samples_format": "png",
        **own,
    }


@router.post("/sdapi/v1/options")
async def set_options(changes: dict[str, Any], http: HttpRequest, caller: Painter) -> None:
    """Set something for the caller's own later asks; nobody else's change."""
    of = services(http)
    known = {
        key: changes[key] for key in ("sd_model_checkpoint", "CLIP_stop_at_last_layers") if key in changes
    }
    name = known.get("sd_model_checkpoint")
    if name is not None:
        entry = await asyncio.to_thread(of.catalogue.entry, str(name).partition(" [")[0])
        known["sd_model_checkpoint"] = _title(entry)
    own = await asyncio.to_thread(_own, of, caller)
    await asyncio.to_thread(of.prefer, caller.name, PREFERENCE, {**own, **known})


@router.post("/sdapi/v1/png-info")
async def png_info(form: Base64Image, http: HttpRequest, caller: Painter) -> dict[str, Any]:
    """What a picture carries."""
    del caller
    packed = from_base64(form.image)
    services(http).sent.opened(packed)
    with Image.open(io.BytesIO(packed)) as image:
        items = {key: text for key, text in image.info.items() if isinstance(text, str)}
    text = items.pop("parameters", "")
    info = asdict(parse(text)) if text else {}
    return {"info": text, "items": items, "parameters": info}


@router.post("/sdapi/v1/extra-single-image")
async def extra_single_image(form: Extras, http: HttpRequest, caller: Painter) -> dict[str, Any]:
    """A picture in another size."""
    del caller
    return {"html_info": "", "image": await asyncio.to_thread(_enlarged, services(http), form, form.image)}


@router.post("/sdapi/v1/extra-batch-images")
async def extra_batch_images(form: Batch, http: HttpRequest, caller: Painter) -> dict[str, Any]:
    """Pictures in another size."""
    del caller
    of = services(http)
    images = [await asyncio.to_thread(_enlarged, of, form, each.data) for each in form.imageList]
    return {"html_info": "", "images": images}


@router.post("/controlnet/detect")
async def detect(form: dict[str, Any], http: HttpRequest, caller: Painter) -> dict[str, Any]:
    """What a preprocessor makes of pictures."""
    del caller
    sent, module = services(http).sent, str(form.get("controlnet_module", "none"))
    name = MODULES.get(module.casefold())
    if name is None:
        raise Refused(422, f"preprocessor {module[:100]} not found", "module_not_found", "controlnet_module")
    texts = form.get("controlnet_input_images") or form.get("controlnet_images") or []
    if not isinstance(texts, list) or not all(isinstance(each, str) for each in texts):
        raise Refused(422, "controlnet_input_images must be a list of base64 texts", "invalid_value")

    def made(text: str) -> str:
        return _packed(annotated(sent.opened(from_base64(text)), name, {}))

    return {"images": [await asyncio.to_thread(made, each) for each in texts], "info": "Success", "poses": []}


async def _painted(
    of: Services, caller: Caller, asked: tuple[Txt2Img, Entry], request: Request
) -> dict[str, Any]:
    """The web UI's answer, with what was painted until it was interrupted."""
    form, model = asked
    job = await of.accept(caller, request, model.name)
    over = await of.hub.over(job)
    if over is None or over.state not in {State.DONE, State.CANCELLED}:
        raise Refused(500, (over.reason if over else None) or "the job did not end well", "job_failed")
    shown = range(len(over.pictures)) if form.send_images else ()
    folder = of.settings.places.folder(job.id)
    images = [
        await asyncio.to_thread(rendered, folder / over.pictures[index].file, Rendition()) for index in shown
    ]
    return {
        "images": [base64.b64encode(each).decode() for each in images],
        "parameters": form.model_dump(mode="json", exclude={"init_images", "mask", "alwayson_scripts"}),
        "info": json.dumps(_info(over, model, images)),
    }


def _info(job: Job, model: Entry, images: list[bytes]) -> dict[str, Any]:
    full, seeds = job.request, [each.seed for each in job.pictures]
    prompts = [each.prompt for each in job.pictures]
    width, height = job.pictures[0].size if job.pictures else full.size or (0, 0)
    first = prompts[0] if prompts else full.prompt
    return {
        "prompt": first,
        "all_prompts": prompts,
        "negative_prompt": full.negative,
        "all_negative_prompts": [full.negative] * len(prompts),
        "seed": seeds[0] if seeds else full.seed,
        "all_seeds": seeds,
        "subseed": full.variation.seed if full.variation else -1,
        "subseed_strength": full.variation.strength if full.variation else 0,
        "width": width,
        "height": height,
        "sampler_name": SAMPLER_TITLES.get(full.sampler or "", full.sampler),
        "cfg_scale": full.cfg,
        "steps": full.steps,
        "batch_size": full.count,
        "restore_faces": False,
        "sd_model_name": model.title,
        "sd_model_hash": None,
        "denoising_strength": _strength(full),
        "extra_generation_params": told(full),
        "index_of_first_image": 0,
        "infotexts": [_infotext(each) for each in images],
        "styles": list(full.styles),
        "job_timestamp": time.strftime("%Y%m%d%H%M%S", time.localtime(job.accepted)),
        "clip_skip": full.clip_skip or 1,
        "is_using_inpainting_conditioning": False,
        "version": "gesso",
        "job": job.id,
        "notes": list(job.notes),
    }


def _strength(full: Request) -> float | None:
    """How much is painted anew: of the picture to start from, or when it is painted again larger."""
    source = full.source or (full.then[0].source if full.then else None)
    return source.strength if source else None


def _infotext(packed: bytes) -> str:
    with Image.open(io.BytesIO(packed)) as image:
        return str(image.info.get("parameters", ""))


def _open(of: Services, caller: Caller) -> list[Job]:
    """The caller's jobs that run or wait."""
    return of.table.listed(Listing(caller.name, (State.RUNNING, State.QUEUED)))


def _look(of: Services, job: Job) -> str | None:
    path = of.settings.places.preview(job.id)
    return base64.b64encode(path.read_bytes()).decode() if path.exists() else None


def _own(of: Services, caller: Caller) -> dict[str, Any]:
    found = of.preference(caller.name, PREFERENCE)
    return dict(found) if isinstance(found, dict) else {}


def _desk(of: Services, caller: Caller) -> Desk:
    return Desk(of.catalogue, of.sent, _own(of, caller))


def _title(entry: Entry) -> str:
    return entry.name or entry.title


def _enlarged(of: Services, form: Extras, text: str) -> str:
    image = of.sent.opened(from_base64(text))
    scale = form.upscaling_resize
    size = (form.upscaling_resize_w, form.upscaling_resize_h)
    if form.resize_mode == 0:
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    if size[0] * size[1] > of.settings.limits.pixels:
        raise Refused(
            413, f"a picture must have at most {of.settings.limits.pixels} pixels", "picture_too_large"
        )
    if form.upscaler_1 not in FILTERS:
        raise Refused(404, f"Upscaler {form.upscaler_1[:100]} not found", "upscaler_not_found", "upscaler_1")
    return _packed(image.resize(size, FILTERS[form.upscaler_1]))


def _packed(image: Image.Image) -> str:
    out = io.BytesIO()
    image.save(out, "PNG")
    return base64.b64encode(out.getvalue()).decode()
