"""Stable Diffusion 2.x: OpenCLIP ViT-H text, and the models built on its shape.

Source: Stability-AI/stablediffusion, configs/stable-diffusion/v2-inference(-v).yaml; ModelSpec 1.0.1.
"""

from gesso.families.family import Defaults, Family, HeadRule, LatentSpace, TextPart, Variant
from gesso.families.signs import UNET, context_width, either, has, inputs, lacks, projections, vector

__all__ = ["LOTUS", "SD2", "UNCLIP", "UPSCALER"]

_TEXT = TextPart(name="text", prefix="cond_stage_model.", layer=-2, normed=True, pad=0)
_LATENT = LatentSpace(0.18215)
_HEADS = HeadRule(width=64)
_SHAPE = (has(f"{UNET}input_blocks.0.0.weight"), projections(2))

SD2 = Family(
    name="sd2",
    title="Stable Diffusion 2.x",
    architecture="stable-diffusion-v2-768-v",
    signs=(*_SHAPE, lacks(f"{UNET}label_emb."), lacks("embedder."), lacks("conditioner.embedders.1.")),
    variants=(
        Variant("base", (inputs(4),)),
        Variant("inpainting", (inputs(9),)),
        Variant("depth", (inputs(5),), shown="depth"),
    ),
    latent=_LATENT,
    heads=_HEADS,
    defaults=Defaults(size=(768, 768)),
    text=(_TEXT,),
    prediction="v",
    ambiguous=True,
)

UNCLIP = Family(
    name="sd2-unclip",
    title="Stable Diffusion 2.1 unCLIP",
    architecture="stable-diffusion-v2-unclip-h",
    signs=(
        *_SHAPE,
        has(f"{UNET}label_emb.0.0.weight"),
        either(
            "an image encoder (embedder.), or a UNet alone with 1536 or 2048 vector inputs",
            (has("embedder."),),
            (lacks("cond_stage_model."), lacks("conditioner."), vector(1536, 2048), context_width(1024)),
        ),
    ),
    variants=(
        Variant("unclip-l", (vector(1536),), shown="image_prompts"),
        Variant("unclip-h", (vector(2048),), shown="image_prompts"),
    ),
    parts=(("vision", "embedder.model."), ("augmentor", "noise_augmentor.")),
    latent=_LATENT,
    heads=_HEADS,
    defaults=Defaults(size=(768, 768)),
    text=(_TEXT,),
    prediction="v",
)

UPSCALER = Family(
    name="sd-x4-upscaler",
    title="Stable Diffusion x4 upscaler",
    architecture="stable-diffusion-x4-upscaler",
    signs=(*_SHAPE, has(f"{UNET}label_emb.weight"), inputs(7)),
    variants=(Variant("base", (), "it enlarges a picture and is told its noise level; not supported yet"),),
    latent=LatentSpace(0.08333),
    heads=_HEADS,
    defaults=Defaults(size=(512, 512)),
    text=(_TEXT,),
    prediction="v",
)

LOTUS = Family(
    name="lotus",
    title="Lotus (dense prediction)",
    architecture="lotus",
    signs=(*_SHAPE, vector(4)),
    variants=(Variant("base", (), "it predicts depth or normals instead of painting"),),
    latent=_LATENT,
    heads=_HEADS,
    defaults=Defaults(size=(768, 768)),
    text=(_TEXT,),
    prediction="x0",
)
