"""Header-only checkpoint files of every family: real names and sizes over an empty body."""

import json
import math
import struct
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from gesso.families.blueprint import (
    SD1,
    SD1_INPAINTING,
    SD1_INSTRUCT,
    SD2,
    SD2_DEPTH,
    SD2_INPAINTING,
    SD2_UNCLIP_H,
    SD2_UNCLIP_L,
    SDXL,
    SDXL_REFINER,
    SSD_1B,
    VEGA,
    CheckpointPlan,
    checkpoint_shapes,
)

Shapes = dict[str, tuple[int, ...]]
UNET = "model.diffusion_model."
ITEM = {"F16": 2, "F32": 4, "BF16": 2}


def write_header(
    path: Path,
    shapes: Mapping[str, tuple[int, ...]],
    *,
    dtype: str = "F16",
    metadata: dict[str, str] | None = None,
) -> Path:
    """A safetensors file with a real header over a hole: full size to readers, nearly nothing on disk."""
    header: dict[str, object] = {"__metadata__": {"format": "pt", **(metadata or {})}}
    at = 0
    for name, shape in shapes.items():
        size = math.prod(shape) * ITEM[dtype]
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + at)
    return path


def with_inputs(plan: CheckpointPlan, channels: int) -> CheckpointPlan:
    return replace(plan, unet=replace(plan.unet, in_channels=channels))


def only_unet(shapes: Shapes) -> Shapes:
    return {name.removeprefix(UNET): shape for name, shape in shapes.items() if name.startswith(UNET)}


def without(shapes: Shapes, prefix: str) -> Shapes:
    return {name: shape for name, shape in shapes.items() if not name.startswith(prefix)}


def swapped(shapes: Shapes, old: str, new: str) -> Shapes:
    return {
        name.replace(old, new, 1) if name.startswith(old) else name: shape for name, shape in shapes.items()
    }


def families() -> dict[str, tuple[Shapes, str, str]]:
    """Every kind of file by a label: its tensors, and the name and prediction that must be found."""
    sd1, sd2 = checkpoint_shapes(SD1), checkpoint_shapes(SD2)
    xl, refiner = checkpoint_shapes(SDXL), checkpoint_shapes(SDXL_REFINER)
    text = "cond_stage_model.transformer."
    unclip = {"embedder.model.ln_final.weight": (1024,), "noise_augmentor.betas": (1000,)}
    xlm = {"cond_stage_model.roberta.embeddings.word_embeddings.weight": (250002, 1024)}
    return {
        "sd1": (sd1, "sd1", "epsilon"),
        "sd1 inpainting": (checkpoint_shapes(SD1_INPAINTING), "sd1-inpainting", "epsilon"),
        "sd1 instruct": (checkpoint_shapes(SD1_INSTRUCT), "sd1-instruct", "epsilon"),
        "sd1 old text layout": (swapped(sd1, f"{text}text_model.", text), "sd1", "epsilon"),
        "sd1 unet alone": (only_unet(sd1), "sd1", "epsilon"),
        "sd1 no vae": (without(sd1, "first_stage_model."), "sd1", "epsilon"),
        "zero123": (
            checkpoint_shapes(SD1_INSTRUCT)
            | {"cc_projection.weight": (768, 772), "cc_projection.bias": (768,)},
            "zero123",
            "epsilon",
        ),
        "altdiffusion": (without(sd1, text) | xlm, "altdiffusion", "epsilon"),
        "altdiffusion m18": (
            without(sd1, text)
            | xlm
            | {
                "cond_stage_model.transformation.weight": (1024, 1024),
                "cond_stage_model.pre_LN.weight": (1024,),
            },
            "altdiffusion-m18",
            "epsilon",
        ),
        "sd2": (sd2, "sd2", "v"),
        "sd2 inpainting": (checkpoint_shapes(SD2_INPAINTING), "sd2-inpainting", "v"),
        "sd2 depth": (
            checkpoint_shapes(SD2_DEPTH)
            | {"depth_model.model.pretrained.act_postprocess3.0.project.0.bias": (768,)},
            "sd2-depth",
            "v",
        ),
        "sd2 unet alone": (only_unet(sd2), "sd2", "v"),
        "sd turbo (sgm layout)": (swapped(sd2, "cond_stage_model.", "conditioner.embedders.0."), "sd2", "v"),
        "unclip-l": (
            checkpoint_shapes(SD2_UNCLIP_L) | unclip,
            "sd2-unclip-unclip-l",
            "v",
        ),
        "unclip-h": (
            checkpoint_shapes(SD2_UNCLIP_H) | unclip,
            "sd2-unclip-unclip-h",
            "v",
        ),
        "unclip-h unet alone": (only_unet(checkpoint_shapes(SD2_UNCLIP_H)), "sd2-unclip-unclip-h", "v"),
        "x4 upscaler": (
            checkpoint_shapes(
                replace(SD2, unet=replace(SD2.unet, in_channels=7, width=256, multipliers=(1, 2, 2, 4)))
            )
            | {f"{UNET}label_emb.weight": (1000, 1024)},
            "sd-x4-upscaler",
            "v",
        ),
        "lotus": (sd2 | {f"{UNET}label_emb.0.0.weight": (1280, 4)}, "lotus", "x0"),
        "sdxl": (xl, "sdxl", "epsilon"),
        "sdxl inpainting": (checkpoint_shapes(with_inputs(SDXL, 9)), "sdxl-inpainting", "epsilon"),
        "sdxl instruct": (checkpoint_shapes(with_inputs(SDXL, 8)), "sdxl-instruct", "epsilon"),
        "sdxl v": (xl | {"v_pred": (0,)}, "sdxl", "v"),
        "sdxl v, zero terminal snr": (xl | {"v_pred": (0,), "ztsnr": (0,)}, "sdxl", "v"),
        "cosxl": (xl | {"edm_vpred.sigma_max": (), "edm_vpred.sigma_min": ()}, "sdxl", "edm_v"),
        "playground 2.5": (xl | {"edm_mean": (1, 4, 1, 1), "edm_std": (1, 4, 1, 1)}, "sdxl", "edm"),
        "sdxl unet alone": (only_unet(xl), "sdxl", "epsilon"),
        "ssd-1b": (checkpoint_shapes(SSD_1B), "sdxl", "epsilon"),
        "vega": (checkpoint_shapes(VEGA), "sdxl", "epsilon"),
        "koala-700m": (checkpoint_shapes(koala(5)), "sdxl", "epsilon"),
        "koala-1b": (checkpoint_shapes(koala(6)), "sdxl", "epsilon"),
        "sdxl refiner": (refiner, "sdxl-refiner", "epsilon"),
        "refiner unet alone": (only_unet(refiner), "sdxl-refiner", "epsilon"),
    }


def koala(depth: int) -> CheckpointPlan:
    return replace(SDXL, unet=replace(SDXL.unet, blocks=1, depths=(0, 2, depth), middle=depth))


def tiny(plan: CheckpointPlan) -> CheckpointPlan:
    """The same layout, narrow and shallow: a few megabytes."""
    texts = tuple(
        (prefix, replace(text, width=64, layers=3, vocabulary=1024, **_projection(text.projection)))
        for prefix, text in plan.texts
    )
    width = 64 * len(texts)
    vector = None
    if plan.vision is not None:
        vector = plan.unet.vector
    elif plan.unet.vector is not None:
        vector = 64 + 256 * (6 if len(texts) == 2 else 5)
    depths = tuple(min(1, depth) for depth in plan.unet.depths)
    middle = None if plan.unet.middle is None else min(1, plan.unet.middle)
    unet = replace(
        plan.unet,
        width=64,
        blocks=1,
        depths=depths,
        depths_up=(),
        middle=middle,
        context=width,
        vector=vector,
    )
    autoencoder = replace(plan.autoencoder, width=32, multipliers=(1, 1, 2, 2), blocks=1)
    vision = None if plan.vision is None else replace(plan.vision, width=64, layers=2, hidden=64, side=28)
    return replace(plan, unet=unet, autoencoder=autoencoder, texts=texts, vision=vision)


def _projection(projection: int | None) -> dict[str, int]:
    return {} if projection is None else {"projection": 64}
