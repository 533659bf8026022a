"""Stable Diffusion XL base and refiner, and their smaller and edited kin.

Source: Podell et al. 2023, arXiv:2307.01952; Stability-AI/generative-models configs/inference/sd_xl_*.yaml.
"""

from gesso.families.family import Defaults, Family, HeadRule, LatentSpace, TextPart, Variant
from gesso.families.signs import UNET, context_width, either, has, inputs, lacks, projections, vector

__all__ = ["REFINER", "SDXL"]

_SHAPE = (has(f"{UNET}input_blocks.0.0.weight"), has(f"{UNET}label_emb.0.0.weight"), projections(2))
# half precision overflows in the decoder: madebyollin/sdxl-vae-fp16-fix, the card
_LATENT = LatentSpace(0.13025, narrow=False)
_HEADS = HeadRule(width=64)
_CHANNELS = (
    Variant("base", (inputs(4),)),
    Variant("inpainting", (inputs(9),)),
    Variant("instruct", (inputs(8),), shown="source"),
)

SDXL = Family(
    name="sdxl",
    title="Stable Diffusion XL",
    architecture="stable-diffusion-xl-v1-base",
    signs=(
        *_SHAPE,
        lacks("embedder."),
        either(
            "two text encoders (conditioner.embedders.0 and .1), or a UNet alone with 2816 vector inputs",
            (has("conditioner.embedders.0."), has("conditioner.embedders.1.")),
            (lacks("conditioner.embedders."), lacks("cond_stage_model."), vector(2816), context_width(2048)),
        ),
    ),
    variants=_CHANNELS,
    latent=_LATENT,
    heads=_HEADS,
    defaults=Defaults(size=(1024, 1024), steps=30, cfg=6.0),
    text=(
        TextPart(
            name="text",
            prefix="conditioner.embedders.0.transformer.",
            layer=-2,
            normed=False,
            pad="end",
            activation="quick_gelu",
            clip_skip="absolute",
        ),
        TextPart(
            name="text_2",
            prefix="conditioner.embedders.1.",
            layer=-2,
            normed=False,
            pad=0,
            pooled=True,
            clip_skip="never",
        ),
    ),
    scalars=6,
    zero_empty=True,
    editions=(
        Variant(
            "SSD-1B",
            (
                lacks(f"{UNET}middle_block.1."),
                has(f"{UNET}output_blocks.3.1.transformer_blocks.1."),
            ),
        ),
        Variant(
            "Segmind Vega",
            (lacks(f"{UNET}middle_block.1."), lacks(f"{UNET}output_blocks.3.1.transformer_blocks.1.")),
        ),
        Variant(
            "KOALA-700M",
            (
                has(f"{UNET}input_blocks.5.1.transformer_blocks.4."),
                lacks(f"{UNET}input_blocks.5.1.transformer_blocks.5."),
            ),
        ),
        Variant(
            "KOALA-1B",
            (
                has(f"{UNET}input_blocks.5.1.transformer_blocks.5."),
                lacks(f"{UNET}input_blocks.5.1.transformer_blocks.6."),
            ),
        ),
        Variant("2.6B", (has(f"{UNET}output_blocks.8."), has(f"{UNET}middle_block.1.transformer_blocks.9."))),
    ),
    aligned="sdxl",
    adapter_names="original",
)

REFINER = Family(
    name="sdxl-refiner",
    title="Stable Diffusion XL refiner",
    architecture="stable-diffusion-xl-v1-refiner",
    signs=(
        *_SHAPE,
        lacks("embedder."),
        lacks("conditioner.embedders.1."),
        either(
            "one text encoder (conditioner.embedders.0.model), or a UNet alone with 2560 vector inputs",
            (has("conditioner.embedders.0."),),
            (lacks("conditioner.embedders."), lacks("cond_stage_model."), vector(2560), context_width(1280)),
        ),
    ),
    variants=(Variant("base", (inputs(4),)), Variant("inpainting", (inputs(9),))),
    latent=_LATENT,
    heads=_HEADS,
    defaults=Defaults(size=(1024, 1024), steps=30, cfg=6.0),
    text=(
        TextPart(
            name="text",
            prefix="conditioner.embedders.0.",
            layer=-2,
            normed=False,
            pad=0,
            pooled=True,
            clip_skip="never",
        ),
    ),
    scalars=5,
    editions=(Variant("2.3B", (has(f"{UNET}middle_block.1.transformer_blocks.3."),)),),
    aligned="sdxl",
    adapter_names="original",
)
