"""The door for clients of AUTOMATIC1111's web UI: what there is.

Source: AUTOMATIC1111/stable-diffusion-webui, modules/api/api.py and models.py.
"""

import asyncio
from typing import Any

from fastapi import APIRouter
from fastapi import Request as HttpRequest

from gesso.conditioning.styles import read_styles
from gesso.generation.hires_text import UPSCALERS
from gesso.generation.infotext import SAMPLER_TITLES, SCHEDULE_TITLES
from gesso.generation.library import names
from gesso.server.a1111_asks import MODULES
from gesso.server.access import Painter
from gesso.server.services import Services, services

__all__ = ["router"]

router = APIRouter(tags=["A1111"])
Rows = list[dict[str, Any]]


@router.get("/sdapi/v1/sd-models")
async def sd_models(http: HttpRequest, caller: Painter) -> Rows:
    """Checkpoints; hashes are told where they are known without reading the file."""
    del caller
    return [
        {
            "title": each.name or each.title,
            "model_name": each.title,
            "hash": None,
            "sha256": None,
            "filename": each.name or each.title,
            "config": None,
        }
        for each in await asyncio.to_thread(services(http).catalogue.entries)
    ]


@router.get("/sdapi/v1/samplers")
async def samplers(caller: Painter) -> Rows:
    """Samplers by the web UI's names."""
    del caller
    return [
        {"name": title, "aliases": [name, f"k_{name}"], "options": {}}
        for name, title in SAMPLER_TITLES.items()
    ]


@router.get("/sdapi/v1/schedulers")
async def schedulers(caller: Painter) -> Rows:
    """Schedules by the web UI's names."""
    del caller
    known = {"automatic": "Automatic", **SCHEDULE_TITLES}
    return [
        {"name": name, "label": label, "aliases": None, "default_rho": -1, "need_inner_model": False}
        for name, label in known.items()
    ]


@router.get("/sdapi/v1/latent-upscale-modes")
async def latent_upscale_modes(caller: Painter) -> Rows:
    """Ways to enlarge before a second pass, without a picture in between."""
    del caller
    return [{"name": name} for name in UPSCALERS if name.startswith("Latent")]


@router.get("/sdapi/v1/upscalers")
async def upscalers(caller: Painter) -> Rows:
    """Ways to enlarge."""
    del caller
    return [
        {"name": name, "model_name": None, "model_path": None, "model_url": None, "scale": 4}
        for name in ("None", "Lanczos", "Nearest")
    ]


@router.get("/sdapi/v1/loras")
async def loras(http: HttpRequest, caller: Painter) -> Rows:
    """LoRAs that prompts may name."""
    del caller
    found = await _names(services(http), "lora")
    return [{"name": name, "alias": name, "path": name, "metadata": {}} for name in found]


@router.get("/sdapi/v1/embeddings")
async def embeddings(http: HttpRequest, caller: Painter) -> dict[str, Any]:
    """New words that prompts may say."""
    del caller
    row = {"step": None, "sd_checkpoint": None, "sd_checkpoint_name": None, "shape": 0, "vectors": 0}
    return {"loaded": dict.fromkeys(await _names(services(http), "embedding"), row), "skipped": {}}


@router.get("/sdapi/v1/hypernetworks")
async def hypernetworks(http: HttpRequest, caller: Painter) -> Rows:
    """Hypernetworks that prompts may name."""
    del caller
    return [{"name": name, "path": name} for name in await _names(services(http), "hypernet")]


@router.get("/sdapi/v1/prompt-styles")
async def prompt_styles(http: HttpRequest, caller: Painter) -> Rows:
    """Styles of the library's styles.csv."""
    del caller
    path = services(http).settings.places.library / "styles.csv"
    found = await asyncio.to_thread(read_styles, path) if path.is_file() else {}
    return [{"name": name, "prompt": each[0], "negative_prompt": each[1]} for name, each in found.items()]


@router.get("/sdapi/v1/scripts")
async def scripts(caller: Painter) -> dict[str, list[str]]:
    """Scripts that forms may carry arguments for."""
    del caller
    known = ["controlnet", "controlnet m2m"]
    return {"txt2img": known, "img2img": known}


@router.get("/controlnet/model_list")
async def model_list(http: HttpRequest, caller: Painter) -> dict[str, list[str]]:
    """Control models."""
    del caller
    return {"model_list": ["None", *await _names(services(http), "control")]}


@router.get("/controlnet/module_list")
async def module_list(caller: Painter) -> dict[str, Any]:
    """Preprocessors."""
    del caller
    return {"module_list": ["none", *MODULES], "module_detail": {}}


@router.get("/controlnet/version")
async def version(caller: Painter) -> dict[str, int]:
    """Which form of unit is understood."""
    del caller
    return {"version": 3}


@router.get("/sdapi/v1/memory")
async def memory(caller: Painter) -> dict[str, Any]:
    """What the web UI tells of memory; workers are other processes."""
    del caller
    return {"ram": {"free": 0, "used": 0, "total": 0}, "cuda": {"error": "not told"}}


@router.get("/sdapi/v1/sd-vae")
@router.get("/sdapi/v1/face-restorers")
@router.get("/sdapi/v1/realesrgan-models")
@router.get("/sdapi/v1/script-info")
@router.get("/sdapi/v1/extensions")
async def nothing(caller: Painter) -> Rows:
    """Lists that are empty here."""
    del caller
    return []


@router.post("/sdapi/v1/refresh-checkpoints")
@router.post("/sdapi/v1/refresh-loras")
@router.post("/sdapi/v1/refresh-embeddings")
@router.post("/sdapi/v1/refresh-vae")
async def fresh(caller: Painter) -> None:
    """Nothing to do: the library is looked through each time."""
    del caller


@router.get("/sdapi/v1/cmd-flags")
async def cmd_flags(caller: Painter) -> dict[str, Any]:
    """Nothing of how the server was started is told."""
    del caller
    return {"api": True}


async def _names(of: Services, kind: str) -> tuple[str, ...]:
    places = of.settings.places

    def look() -> tuple[str, ...]:
        roots = (places.library, places.roots["builtin"])
        return tuple(dict.fromkeys(name for root in roots for name in names(root, kind)))

    return await asyncio.to_thread(look)
