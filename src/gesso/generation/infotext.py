"""The `parameters` text that AUTOMATIC1111's web UI writes into pictures, and that most tools can read.

Source: AUTOMATIC1111/stable-diffusion-webui, `infotext_utils.py` and `create_infotext`: the keys, their
order, the quoting and the way it is read back.
"""

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = [
    "SAMPLER_TITLES",
    "SCHEDULE_TITLES",
    "Infotext",
    "parse",
    "sampler_named",
    "schedule_named",
    "write",
]

SAMPLER_TITLES: dict[str, str] = {
    "dpmpp_2m": "DPM++ 2M",
    "dpmpp_sde": "DPM++ SDE",
    "dpmpp_2m_sde": "DPM++ 2M SDE",
    "dpmpp_2s_ancestral": "DPM++ 2S a",
    "dpmpp_3m_sde": "DPM++ 3M SDE",
    "euler_ancestral": "Euler a",
    "euler": "Euler",
    "lms": "LMS",
    "heun": "Heun",
    "dpm_2": "DPM2",
    "dpm_2_ancestral": "DPM2 a",
    "restart": "Restart",
    "ddim": "DDIM",
    "plms": "PLMS",
    "uni_pc": "UniPC",
    "lcm": "LCM",
    "ddpm": "DDPM",
    "deis": "DEIS",
    "ipndm": "IPNDM",
    "tcd": "TCD",
}
"""What the web UI and its forks call our samplers."""

SCHEDULE_TITLES: dict[str, str] = {
    "uniform": "Uniform",
    "karras": "Karras",
    "exponential": "Exponential",
    "sgm_uniform": "SGM Uniform",
    "kl_optimal": "KL Optimal",
    "align_your_steps": "Align Your Steps",
    "simple": "Simple",
    "normal": "Normal",
    "ddim_uniform": "DDIM",
    "beta": "Beta",
}
"""What the web UI calls our schedules; it has "Automatic" for the sampler's own."""

_ORDER = (
    "Steps", "Sampler", "Schedule type", "CFG scale", "Image CFG scale", "Seed", "Face restoration", "Size",
    "Model hash", "Model", "FP8 weight", "Cache FP16 weight for LoRA", "VAE hash", "VAE", "Variation seed",
    "Variation seed strength", "Seed resize from", "Denoising strength", "Conditional mask weight",
    "Clip skip", "ENSD", "Token merging ratio", "Token merging ratio hr", "Init image hash", "RNG", "Tiling",
)  # fmt: skip
_LAST = ("Version", "User")
_PAIR = re.compile(r'\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)')
_NEGATIVE = "Negative prompt:"


@dataclass(frozen=True)
class Infotext:
    """What a `parameters` text says, in our words.

    Args:
        sampler: our name.
        schedule: our name; None for the sampler's own.
        cfg: guidance scale.
        size: width and height, pixels.
        model_hash: first 10 digits of the file's SHA-256.
        strength: of painting over a source picture, 0 to 1.
        clip_skip: told where it is more than 1.
        noise: the random stream; the web UI's own is "cuda".
        others: everything else by its key there; also what we have no word for.
    """

    prompt: str = ""
    negative: str = ""
    steps: int | None = None
    sampler: str | None = None
    schedule: str | None = None
    cfg: float | None = None
    seed: int | None = None
    size: tuple[int, int] | None = None
    model_hash: str | None = None
    model: str | None = None
    strength: float | None = None
    clip_skip: int | None = None
    noise: Literal["cpu", "cuda"] = "cuda"
    version: str | None = None
    others: Mapping[str, str] = field(default_factory=dict[str, str])


def write(info: Infotext) -> str:
    """The text, line for line as the web UI writes it."""
    told = {entry.key: entry.show(getattr(info, entry.field)) for entry in _ENTRIES}
    pairs = {key: text for key, text in told.items() if text is not None} | dict(info.others)
    keys = sorted(pairs, key=_place)
    settings = ", ".join(key if key == pairs[key] else f"{key}: {_quoted(pairs[key])}" for key in keys)
    negative = f"\n{_NEGATIVE} {info.negative}" if info.negative else ""
    return f"{info.prompt}{negative}\n{settings}".strip()


def parse(text: str) -> Infotext:
    """Read such a text; never fails: what has no word of ours is kept among `others`."""
    *lines, last = text.strip().split("\n")
    pairs: list[tuple[str, str]] = _PAIR.findall(last)
    if len(pairs) < 3:
        lines, pairs = [*lines, last], []
    stripped = [line.strip() for line in lines]
    start = next((i for i, line in enumerate(stripped) if line.startswith(_NEGATIVE)), len(stripped))
    negative = "\n".join(stripped[start:]).removeprefix(_NEGATIVE).strip()
    settings = _modern({key: _unquoted(value) for key, value in pairs})
    known: dict[str, Any] = {}
    for entry in _ENTRIES:
        value = entry.read(settings.get(entry.key, ""))
        if value is not None:
            known[entry.field] = value
            del settings[entry.key]
    return Infotext("\n".join(stripped[:start]), negative, **known, others=settings)


def sampler_named(title: str) -> str | None:
    """Our name of a sampler by the web UI's title or one of its aliases, such as "k_euler_a"."""
    return _named(title.removeprefix("k_"), SAMPLER_TITLES)


def schedule_named(title: str) -> str | None:
    """Our name of a schedule by the web UI's title or name."""
    return _named(title, SCHEDULE_TITLES)


def _named(title: str, titles: Mapping[str, str]) -> str | None:
    wanted = _bare(title)
    for name, known in titles.items():
        if wanted in {_bare(name), _bare(name.replace("_ancestral", "_a")), _bare(known)}:
            return name
    return None


def _bare(title: str) -> str:
    return re.sub(r"[^a-z0-9]", "", title.casefold().replace("++", "pp"))


def _modern(settings: dict[str, str]) -> dict[str, str]:
    """Old texts name the schedule behind the sampler: "DPM++ 2M Karras"; Automatic names none."""
    if settings.get("Schedule type") == "Automatic":
        del settings["Schedule type"]
    sampler = settings.get("Sampler", "")
    for title in SCHEDULE_TITLES.values():
        if sampler.endswith(f" {title}") and sampler_named(sampler) is None:
            return settings | {"Sampler": sampler.removesuffix(f" {title}"), "Schedule type": title}
    return settings


def _place(key: str) -> int:
    """Where a key stands; unknown ones keep their order before the last."""
    if key in _ORDER:
        return _ORDER.index(key)
    return len(_ORDER) + 1 + _LAST.index(key) if key in _LAST else len(_ORDER)


def _quoted(value: str) -> str:
    # The web UI quotes for a comma, colon or line break; quotes and outer blanks would be lost there.
    return json.dumps(value, ensure_ascii=False) if re.search(r'[,:\n]|^[\s"]|\s$', value) else value


def _unquoted(value: str) -> str:
    if not value.startswith('"'):
        return value.strip()
    try:
        read = json.loads(value)
    except ValueError:
        return value
    return read if isinstance(read, str) else value


@dataclass(frozen=True)
class _Entry:
    """A key, the field it tells, and how; None is not written, or could not be read."""

    key: str
    field: str
    show: Callable[[Any], str | None]
    read: Callable[[str], object]


def _shown(value: float | str | None) -> str | None:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return None if value is None else str(value)


def _integer(text: str) -> int | None:
    return int(text) if re.fullmatch(r"-?[0-9]{1,30}", text) else None


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _size(text: str) -> tuple[int, int] | None:
    found = re.fullmatch(r"([0-9]{1,9})x([0-9]{1,9})", text)
    return (int(found[1]), int(found[2])) if found else None


_ENTRIES = (
    _Entry("Steps", "steps", _shown, _integer),
    _Entry("Sampler", "sampler", lambda name: SAMPLER_TITLES.get(name, name), sampler_named),
    _Entry("Schedule type", "schedule", lambda name: SCHEDULE_TITLES.get(name, name), schedule_named),
    _Entry("CFG scale", "cfg", _shown, _number),
    _Entry("Seed", "seed", _shown, _integer),
    _Entry("Size", "size", lambda size: f"{size[0]}x{size[1]}" if size else None, _size),
    _Entry("Model hash", "model_hash", _shown, lambda text: text or None),
    _Entry("Model", "model", _shown, lambda text: text or None),
    _Entry("Denoising strength", "strength", _shown, _number),
    _Entry("Clip skip", "clip_skip", lambda layers: str(layers) if layers and layers > 1 else None, _integer),
    # NV is what CUDA devices draw, computed anywhere; GPU would be another stream on other devices.
    _Entry("RNG", "noise", {"cpu": "CPU", "cuda": "NV"}.get, {"CPU": "cpu", "NV": "cuda", "GPU": "cuda"}.get),
    _Entry("Version", "version", _shown, lambda text: text or None),
)
