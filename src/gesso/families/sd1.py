"""Stable Diffusion 1.x: CLIP ViT-L text, 860M UNet, and its kin.

Source: CompVis/stable-diffusion configs/stable-diffusion/v1-inference.yaml; ModelSpec 1.0.1 identifiers.
"""

from gesso.families.family import Defaults, Family, HeadRule, LatentSpace, TextPart, Variant
from gesso.families.signs import UNET, has, inputs, lacks, projections

__all__ = ["ALT", "SD1", "ZERO123"]

_SHAPE = (
    has(f"{UNET}input_blocks.0.0.weight"),
    lacks(f"{UNET}label_emb."),
    projections(4),
)
_TEXT = TextPart(
    name="text",
    prefix="cond_stage_model.transformer.",
    layer=-1,
    normed=True,
    pad="end",
    activation="quick_gelu",
)
_LATENT = LatentSpace(0.18215)
_HEADS = HeadRule(count=8)

SD1 = Family(
    name="sd1",
    title="Stable Diffusion 1.x",
    architecture="stable-diffusion-v1",
    signs=(*_SHAPE, lacks("cc_projection."), lacks("cond_stage_model.roberta."), lacks("embedder.")),
    variants=(
        Variant("base", (inputs(4),)),
        Variant("inpainting", (inputs(9),)),
        Variant("instruct", (inputs(8),), shown="source"),
    ),
    latent=_LATENT,
    heads=_HEADS,
    defaults=Defaults(size=(512, 512)),
    text=(_TEXT,),
    editions=(
        Variant("tiny (no middle block)", (lacks(f"{UNET}middle_block."),)),
        Variant(
            "860M", (has(f"{UNET}output_blocks.11.1.transformer_blocks.0."), has(f"{UNET}middle_block.1."))
        ),
    ),
)

ZERO123 = Family(
    name="zero123",
    title="Zero-1-to-3 (novel views)",
    architecture="zero123",
    signs=(*_SHAPE, has("cc_projection.weight"), inputs(8)),
    variants=(Variant("base", (), "it is told by a picture and an angle, not by words"),),
    latent=_LATENT,
    heads=_HEADS,
    defaults=Defaults(size=(256, 256)),
)

ALT = Family(
    name="altdiffusion",
    title="AltDiffusion (multilingual text encoder)",
    architecture="altdiffusion",
    signs=(*_SHAPE, has("cond_stage_model.roberta.embeddings.word_embeddings.weight")),
    variants=(
        Variant(
            "m18",
            (has("cond_stage_model.transformation.weight"), has("cond_stage_model.pre_LN.")),
            "its XLM-R text encoder is not supported",
        ),
        Variant("base", (lacks("cond_stage_model.pre_LN."),), "its XLM-R text encoder is not supported"),
    ),
    latent=_LATENT,
    heads=_HEADS,
    defaults=Defaults(size=(512, 512)),
)
