"""The tensors of a checkpoint, worked out from a few numbers: names and shapes, no weights.

A plan says how wide and deep the networks are; `checkpoint_shapes` writes out every tensor that a file of
this layout has. New models start from it, and so do files of every family for tests and measurements.

Source: layouts and sizes of the published checkpoint files; for SSD-1B and Vega also Gupta et al. 2024,
"Progressive Knowledge Distillation of Stable Diffusion XL Using Layer Level Loss".
"""

from dataclasses import dataclass, replace

from gesso.families.autoencoder_plan import AutoencoderPlan, autoencoder_shapes
from gesso.families.text_plan import ClipPlan, OpenClipPlan, clip_shapes, open_clip_shapes
from gesso.families.unet_plan import UNetPlan, unet_shapes
from gesso.families.vision_plan import VisionPlan, open_vision_shapes

__all__ = [
    "SCHEDULE",
    "SD1",
    "SD1_INPAINTING",
    "SD1_INSTRUCT",
    "SD2",
    "SD2_DEPTH",
    "SD2_INPAINTING",
    "SD2_UNCLIP_H",
    "SD2_UNCLIP_L",
    "SDXL",
    "SDXL_REFINER",
    "SSD_1B",
    "VEGA",
    "AutoencoderPlan",
    "CheckpointPlan",
    "ClipPlan",
    "OpenClipPlan",
    "UNetPlan",
    "autoencoder_shapes",
    "checkpoint_shapes",
    "clip_shapes",
    "open_clip_shapes",
    "unet_shapes",
]

Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class CheckpointPlan:
    """How a whole checkpoint is built.

    Args:
        unet: under `model.diffusion_model.`.
        autoencoder: under `first_stage_model.`.
        texts: the text encoders with their prefixes, in order.
        schedule: whether files of this layout carry the noise schedule's tables.
        vision: the image encoder under `embedder.model.visual.`, of models that are told by pictures.
    """

    unet: UNetPlan
    autoencoder: AutoencoderPlan
    texts: tuple[tuple[str, ClipPlan | OpenClipPlan], ...]
    schedule: bool
    vision: VisionPlan | None = None


SCHEDULE = (
    "betas",
    "alphas_cumprod",
    "alphas_cumprod_prev",
    "sqrt_alphas_cumprod",
    "sqrt_one_minus_alphas_cumprod",
    "log_one_minus_alphas_cumprod",
    "sqrt_recip_alphas_cumprod",
    "sqrt_recipm1_alphas_cumprod",
    "posterior_variance",
    "posterior_log_variance_clipped",
    "posterior_mean_coef1",
    "posterior_mean_coef2",
)


STATISTICS = ("noise_augmentor.data_mean", "noise_augmentor.data_std")
"""Mean and spread of the vectors of many pictures."""


SD1 = CheckpointPlan(
    UNetPlan(), AutoencoderPlan(), (("cond_stage_model.transformer.", ClipPlan()),), schedule=True
)
SD1_INPAINTING = replace(SD1, unet=replace(SD1.unet, in_channels=9))
SD1_INSTRUCT = replace(SD1, unet=replace(SD1.unet, in_channels=8))
SD2 = CheckpointPlan(
    UNetPlan(context=1024, linear=True),
    AutoencoderPlan(),
    (("cond_stage_model.model.", OpenClipPlan()),),
    schedule=True,
)
SD2_DEPTH = replace(SD2, unet=replace(SD2.unet, in_channels=5))
SD2_INPAINTING = replace(SD2, unet=replace(SD2.unet, in_channels=9))
SD2_UNCLIP_L = replace(
    SD2,
    unet=replace(SD2.unet, vector=1536),
    vision=VisionPlan(width=1024, layers=24, hidden=4096, projection=768),
)
SD2_UNCLIP_H = replace(SD2, unet=replace(SD2.unet, vector=2048), vision=VisionPlan())
BIG_G = OpenClipPlan(width=1280, layers=32, projection=1280)
SDXL = CheckpointPlan(
    UNetPlan(multipliers=(1, 2, 4), depths=(0, 2, 10), middle=10, context=2048, vector=2816, linear=True),
    AutoencoderPlan(),
    (("conditioner.embedders.0.transformer.", ClipPlan()), ("conditioner.embedders.1.model.", BIG_G)),
    schedule=False,
)
SDXL_REFINER = CheckpointPlan(
    UNetPlan(width=384, depths=(0, 4, 4, 0), middle=4, context=1280, vector=2560, linear=True),
    AutoencoderPlan(),
    (("conditioner.embedders.0.model.", BIG_G),),
    schedule=False,
)
SSD_1B = replace(
    SDXL,
    unet=replace(SDXL.unet, depths=(0, 2, 4), depths_up=(4, 4, 10, 2, 1, 1, 0, 0, 0), middle=0),
)
VEGA = replace(
    SDXL,
    unet=replace(SDXL.unet, depths=(0, 1, 2), middle=0),
)


def checkpoint_shapes(plan: CheckpointPlan, *, buffers: bool = True) -> Shapes:
    """Every tensor of a checkpoint file, with its full name.

    Args:
        plan: how the networks are built.
        buffers: also what a file of this layout carries without need: the noise schedule's tables and
            the positions 0 to 76.
    """
    shapes = prefixed("model.diffusion_model.", unet_shapes(plan.unet))
    shapes |= prefixed("first_stage_model.", autoencoder_shapes(plan.autoencoder))
    for prefix, text in plan.texts:
        if isinstance(text, OpenClipPlan):
            shapes |= prefixed(prefix, open_clip_shapes(text))
            continue
        shapes |= prefixed(prefix, clip_shapes(text))
        if buffers:
            shapes[f"{prefix}text_model.embeddings.position_ids"] = (1, text.positions)
    if plan.vision is not None:
        shapes |= prefixed("embedder.model.visual.", open_vision_shapes(plan.vision))
        shapes |= dict.fromkeys(STATISTICS, (1, plan.vision.projection))
    if buffers and plan.schedule:
        shapes |= dict.fromkeys(SCHEDULE, (1000,))
    return shapes


def prefixed(prefix: str, shapes: Shapes) -> Shapes:
    """The same tensors with a prefix before their names."""
    return {prefix + name: shape for name, shape in shapes.items()}
