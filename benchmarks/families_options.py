"""Every option of a request, as the fields that ask for it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from benchmarks.families_kit import Kit

__all__ = ["OPTIONS", "Option"]

Fields = Callable[[Kit], dict[str, Any]]


def _nothing(_: Kit) -> dict[str, Any]:
    return {}


@dataclass(frozen=True)
class Option:
    """One row of the table.

    Args:
        group: what it is for.
        fields: of the request, that ask for it.
        base: fields that the request it is compared with has too.
        idle: why it may change nothing.
    """

    group: str
    name: str
    fields: Fields = field(repr=False)
    base: Fields = field(default=_nothing, repr=False)
    idle: str = "it paints the same picture"


def _same(group: str, fields: dict[str, dict[str, Any]], base: Fields = _nothing) -> Iterator[Option]:
    """Options that need no files."""
    for name, asked in fields.items():
        yield Option(group, name, lambda _, asked=asked: asked, base)


def _photo(found: Kit) -> dict[str, Any]:
    return {"source": {"image": found.file("photo.png"), "strength": 0.7}}


def _masked(found: Kit, **fields: Any) -> dict[str, Any]:
    source = {"image": found.file("photo.png"), "strength": 1.0, "mask": found.file("mask.png")}
    return {"source": {**source, **fields}}


NOT_SKIPPED = "the refiner reads one layer of its text encoder, whatever clip skip says"


def _skipping(found: Kit) -> dict[str, Any]:
    # SDXL's own layer is the last but one, which 2 asks for too
    return {"clip_skip": 3 if found.model.identity.name.startswith("sdxl") else 2}


def _editing() -> Iterator[Option]:
    group = "Pictures to start from"
    yield Option(group, "picture to picture", _photo)
    yield Option(group, "inpaint", _masked)
    for fill in ("neighbour", "patch", "blur", "noise", "nothing"):
        yield Option(
            group,
            f"inpaint, fill {fill}",
            lambda found, fill=fill: _masked(found, fill=fill, strength=0.8),
            lambda found: _masked(found, strength=0.8),
        )
    only = {"only_masked": True, "padding": 8}
    yield Option(group, "only what is masked", lambda found: _masked(found, **only), _masked)
    yield Option(
        group, "grey masks that mix", lambda found: _grey(found, "blend"), lambda f: _grey(f, "strength")
    )
    yield Option(
        group,
        "outpaint",
        lambda found: {
            "size": None,
            "source": {
                "image": found.file("photo.png"),
                "strength": 1.0,
                "extend": {"right": 64, "overlap": 8},
            },
        },
    )


def _grey(found: Kit, soft: str) -> dict[str, Any]:
    return _masked(found, mask=found.file("grey.png"), soft=soft)


CONTROLLED: dict[str, dict[str, Any]] = {
    "half the weight": {"weight": 0.5},
    "from the middle of the run": {"start": 0.5},
    "to the middle of the run": {"end": 0.5},
    "the prompt more important": {"mode": "prompt"},
    "the picture more important": {"mode": "control"},
    "an annotator": {"annotator": "invert"},
}


def _files() -> Iterator[Option]:
    yield Option("Adapters", "LoRA", lambda found: {"loras": [found.file("lora.safetensors")]})
    yield Option(
        "Adapters", "LoRA over a part of the run", lambda found: {"loras": [_part(found, "lora.safetensors")]}
    )
    yield Option("Adapters", "hypernetwork", lambda found: {"loras": [found.file("ink.pt")]})
    yield Option(
        "Adapters",
        "textual inversion",
        lambda found: {"embeddings": [found.file("thing.safetensors")], "prompt": "a red thing"},
        lambda _: {"prompt": "a red thing"},
    )
    for name, file in (("ControlNet", "net"), ("T2I-Adapter", "t2i"), ("LLLite", "lite")):
        yield Option("Control", name, lambda found, file=file: {"controls": [_control(found, file)]})
    for name, fields in CONTROLLED.items():
        yield Option(
            "Control",
            f"ControlNet, {name}",
            lambda found, fields=fields: {"controls": [_control(found, "net") | fields]},
            lambda found: {"controls": [_control(found, "net")]},
        )
    yield Option(
        "Control",
        "ControlNet in a place",
        lambda found: {"controls": [_control(found, "net") | {"region": found.file("mask.png")}]},
        lambda found: {"controls": [_control(found, "net")]},
    )
    yield Option(
        "Control",
        "two at once",
        lambda found: {"controls": [_control(found, "net"), _control(found, "lite")]},
        lambda found: {"controls": [_control(found, "net")]},
    )
    for takes in ("attention", "adain"):
        yield Option("Control", f"reference, by {takes}", lambda found, takes=takes: _reference(found, takes))
    yield Option("Control", "IP-Adapter", lambda found: {"image_prompts": [_shown(found)]})
    yield Option(
        "Control",
        "IP-Adapter, in a place",
        lambda found: {"image_prompts": [_shown(found) | {"mask": found.file("mask.png")}]},
        lambda found: {"image_prompts": [_shown(found)]},
    )


def _reference(found: Kit, takes: str) -> dict[str, Any]:
    return {"reference": {"image": found.file("photo.png"), "takes": takes}}


def _part(found: Kit, file: str) -> dict[str, Any]:
    return {"file": found.file(file), "start": 0.3, "end": 0.9}


def _control(found: Kit, file: str) -> dict[str, Any]:
    return {"model": found.file(f"{file}.safetensors"), "image": found.file("photo.png")}


def _shown(found: Kit) -> dict[str, Any]:
    return {
        "images": [found.file("photo.png")],
        "adapter": found.file("eyes.safetensors"),
        "encoder": found.file("encoder.safetensors"),
    }


PROMPTS = {
    "weights": {"prompt": "a (red:1.5) cat"},
    "editing [a:b:0.5]": {"prompt": "a red [cat:dog:0.5]"},
    "alternation [a|b]": {"prompt": "a red [cat|dog]"},
    "AND": {"prompt": "a red cat AND a blue sky"},
    "BREAK": {"prompt": "a red BREAK cat"},
    "choices {a|b}": {"prompt": "a {blue|green} cat"},
    "negative": {"negative": "a bird"},
    "dialect comfy": {"prompt": "a (red:1.5) cat", "dialect": "comfy"},
    "dialect compel": {"prompt": "a red++ cat", "dialect": "compel"},
    "regions": {"regions": [{"prompt": "a dog", "box": [0.0, 0.0, 0.5, 1.0]}]},
}
GUIDANCE: dict[str, dict[str, Any]] = {
    "rescale": {"guidance": {"rescale": 0.7}},
    "interval": {"guidance": {"interval": [0.2, 0.6]}},
    "CFG++": {"cfg": 0.6, "guidance": {"manifold": True}},
    "every other step": {"guidance": {"alternate_below": 5.0}},
    "APG": {"guidance": {"projection": {}}},
    "perp-neg": {"guidance": {"perpendicular": 0.8}},
    "dynamic thresholding": {"cfg": 9.0, "guidance": {"threshold": {"mimic": 3.0}}},
    "PAG": {"guidance": {"perturbation": {}}},
    "SEG": {"guidance": {"perturbation": {"blur": 1.0}}},
    "SAG": {"guidance": {"self_attention": 0.75}},
    "FreeU": {"guidance": {"free_u": {}}},
    "no guidance (cfg 1)": {"cfg": 1.0},
}
NOISE: dict[str, dict[str, Any]] = {
    "CUDA's noise": {"noise": "cuda"},
    "variation of a seed": {"variation": {"seed": 9, "strength": 0.3}},
    "noise of another size": {"noise_size": [96, 96]},
    "seamless": {"seamless": "both"},
}
SAMPLERS = (
    "euler_ancestral", "heun", "dpm_2", "dpm_2_ancestral", "lms", "dpmpp_2s_ancestral", "dpmpp_sde",
    "dpmpp_2m", "dpmpp_2m_sde", "dpmpp_3m_sde", "ddpm", "plms", "uni_pc", "deis", "ipndm", "lcm",
    "tcd", "restart",
)  # fmt: skip
SCHEDULES = (
    "uniform", "normal", "simple", "karras", "exponential", "sgm_uniform", "ddim_uniform", "beta",
    "align_your_steps", "kl_optimal",
)  # fmt: skip

WIDE: dict[str, Any] = {"size": [192, 128]}
LIST: dict[str, Any] = {"sigmas": [9.0, 4.0, 2.0, 1.0, 0.5, 0.2, 0.0]}


def _following() -> Iterator[Option]:
    group = "After the picture"
    for name, fields in {
        "painted larger (hires)": {"by": 1.5, "strength": 0.5},
        "painted larger from its latents": {"by": 1.5, "strength": 0.5, "upscaler": "latent"},
        "painted again (loopback)": {"strength": 0.4},
        "another prompt, sampler and steps": {
            "strength": 0.6,
            "prompt": "a dog",
            "sampler": "heun",
            "steps": 4,
        },
    }.items():
        yield Option(group, name, lambda _, fields=fields: {"then": [fields]})
    yield Option(
        group,
        "a detail painted anew",
        lambda found: {"then": [{"mask": found.file("mask.png"), "only_masked": True, "padding": 8}]},
    )


def _particular() -> Iterator[Option]:
    """What some families alone can do."""
    group = "For some models"
    photo = _photo
    yield Option(
        group,
        "guidance towards the picture too",
        lambda found: {**photo(found), "guidance": {"picture": 2.5}},
        photo,
    )
    yield Option(
        group,
        "after pictures, without an adapter",
        lambda found: {"image_prompts": [{"images": [found.file("mask.png")]}]},
    )
    yield Option(group, "depth, shown", lambda found: {"depth": found.file("mask.png")})


OPTIONS: tuple[Option, ...] = (
    *_same("The prompt", PROMPTS),
    Option("The prompt", "clip skip", _skipping, lambda _: {"clip_skip": 1}, NOT_SKIPPED),
    *_editing(),
    *_files(),
    *_particular(),
    *_following(),
    *_same("Guidance", GUIDANCE),
    *_same("Noise and size", NOISE),
    *_same("Noise and size", {"windows": {"windows": {"size": [128, 128], "overlap": 64}}}, lambda _: WIDE),
    # without new noise, ddim is euler: the two are held against another
    *_same("Samplers", {name: {"sampler": name} for name in ("euler", "ddim")}, lambda _: {"sampler": "lms"}),
    *_same("Samplers", {name: {"sampler": name} for name in SAMPLERS}),
    *_same("Schedules", {name: {"schedule": name, "sigmas": None} for name in SCHEDULES}, lambda _: LIST),
)
