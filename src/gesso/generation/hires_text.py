"""Hires fix as AUTOMATIC1111's web UI tells it: a follow-up in the keys of a `parameters` text, and back.

Source: AUTOMATIC1111/stable-diffusion-webui, `processing.py`, StableDiffusionProcessingTxt2Img: the keys, and
that "Hires steps" counts the steps that run; `sd_samplers_common.py`, setup_img2img_steps: how many are then
planned. "Hires CFG Scale" is lllyasviel/stable-diffusion-webui-forge's.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from gesso.generation.infotext import (
    SAMPLER_TITLES,
    SCHEDULE_TITLES,
    Infotext,
    sampler_named,
    schedule_named,
)
from gesso.request import FollowUp, Request

__all__ = ["UPSCALERS", "heard", "told"]

UPSCALERS: Mapping[str, str] = {
    "Latent": "latent",
    "Latent (antialiased)": "latent",
    "Latent (bicubic)": "latent-bicubic",
    "Latent (bicubic antialiased)": "latent-bicubic",
    "Latent (nearest)": "latent-nearest",
    "Latent (nearest-exact)": "latent-nearest",
    "None": "lanczos",
    "Lanczos": "lanczos",
    "Nearest": "nearest",
    "Bicubic": "bicubic",
}
"""The web UI's ways to enlarge, by the names of ours; others are files of networks."""
TITLES = {ours: title for title, ours in reversed(UPSCALERS.items())} | {"lanczos": "Lanczos"}
SAME = "Use same "
"""How the web UI begins to say that something is as in the first pass."""


def told(request: Request) -> dict[str, str]:
    """What a resolved request's first follow-up is in those keys; nothing if it is no hires fix."""
    follow = request.then[0] if request.then else None
    if follow is None or request.source is not None or follow.source.mask or follow.source.extend:
        return {}
    size, by, strength = follow.size, follow.source.by, follow.source.strength
    if size is None and by is None:
        return {}
    planned = follow.steps or request.steps or 0
    found = {
        "Denoising strength": f"{strength:g}",
        "Hires upscale": f"{by:g}" if by is not None and size is None else None,
        "Hires resize": f"{size[0]}x{size[1]}" if size else None,
        "Hires steps": str(max(1, round(planned * strength))),
        "Hires upscaler": TITLES.get(str(follow.source.upscaler)) or Path(follow.source.upscaler).stem,
        "Hires checkpoint": follow.model.stem if follow.model else None,
        "Hires sampler": SAMPLER_TITLES.get(follow.sampler, follow.sampler) if follow.sampler else None,
        "Hires schedule type": SCHEDULE_TITLES.get(follow.schedule, follow.schedule)
        if follow.schedule
        else None,
        "Hires prompt": follow.prompt,
        "Hires negative prompt": follow.negative,
        "Hires CFG Scale": None if follow.cfg is None else f"{follow.cfg:g}",
    }
    return {key: text for key, text in found.items() if text}


def heard(info: Infotext) -> FollowUp | None:
    """The follow-up that a text tells; None if it tells none that can be."""
    others = {key: text for key, text in info.others.items() if not text.startswith(SAME)}
    size = _size(others, info)
    if size is None:
        return None
    strength = 0.75 if info.strength is None else info.strength
    fields: dict[str, Any] = {
        **size,
        "strength": strength,
        "upscaler": _upscaler(others.get("Hires upscaler") or "Latent"),
        "steps": _planned(others.get("Hires steps"), info.steps, strength),
        "model": others.get("Hires checkpoint"),
        "sampler": sampler_named(others.get("Hires sampler", "")),
        "schedule": schedule_named(others.get("Hires schedule type", "")),
        "prompt": others.get("Hires prompt"),
        "negative": others.get("Hires negative prompt"),
        "cfg": others.get("Hires CFG Scale"),
    }
    try:
        return FollowUp.model_validate({key: each for key, each in fields.items() if each not in {None, ""}})
    except ValidationError:
        return None


def _size(others: Mapping[str, str], info: Infotext) -> dict[str, Any] | None:
    """By how much, or to what size; a side of 0 goes with the other."""
    if "Hires upscale" in others:
        return {"by": others["Hires upscale"]}
    across, _, down = others.get("Hires resize", "").partition("x")
    if not (across.isdecimal() and down.isdecimal()) or across == down == "0":
        return None
    width, height = int(across), int(down)
    if not (width and height):
        if info.size is None:
            return None
        scale = width / info.size[0] or height / info.size[1]
        width, height = width or round(info.size[0] * scale), height or round(info.size[1] * scale)
    return {"size": (width // 8 * 8, height // 8 * 8)}


def _upscaler(title: str) -> str | Path:
    return UPSCALERS.get(title) or Path(title)


def _planned(run: str | None, steps: int | None, strength: float) -> int | None:
    """How many steps are planned so that so many run; unless told, as many as in the first pass."""
    wanted = int(run) if run and run.isdecimal() and int(run) else steps
    if not wanted or not strength:
        return None
    return min(1000, int(wanted / min(strength, 0.999)))
