"""Models that are shown something beside words, beside diffusers' pipelines, with small random UNets.

    python -m benchmarks.parity_kinds

Instruct models with two scales, depth models, unCLIP models: three DDIM steps in float32 from the same noise,
words and latents; says how far the final latents are apart, as a share of their largest, and exits with 1
where that is more than TOLERANCE.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
from diffusers import (
    DDPMScheduler,
    StableDiffusionDepth2ImgPipeline,
    StableDiffusionInstructPix2PixPipeline,
    StableUnCLIPImg2ImgPipeline,
)
from diffusers.pipelines.stable_diffusion.stable_unclip_image_normalizer import StableUnCLIPImageNormalizer
from torch import Tensor
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from benchmarks.parity_cases import numbers, weights
from benchmarks.parity_guidance import CASE, PLAN, STEPS, TOLERANCE, given, ours, pipeline, told
from benchmarks.verdict import verdict
from gesso.conditioning.conditioning import Conditioning
from gesso.families.blueprint import unet_shapes
from gesso.generation.conditions import Conditions
from gesso.networks.noise_augmentor import NoiseAugmentor
from gesso.request import GuidanceShape

Pair = tuple[Tensor, Tensor]
WIDTH = 24
"""Of a picture's vector."""
LEVEL = 350


def unet(**changes: Any) -> tuple[Any, dict[str, Tensor]]:
    """A plan with another UNet, and weights for it."""
    plan = replace(PLAN, unet=replace(PLAN.unet, **changes))
    shapes = unet_shapes(plan.unet)
    return plan, weights(shapes, shapes)


def rows(plan: Any, concat: Tensor | None = None, vector: Tensor | None = None) -> Conditions:
    """The words, and what is shown beside them; the negative of an unCLIP model is shown nothing."""
    start = given(plan)
    unseen = None if vector is None else torch.zeros_like(vector)
    negative = Conditioning(start["negative"], unseen, concat, roles=("negative",))
    return Conditions(STEPS, Conditioning(start["prompt"], vector, concat), (1.0,), negative)


def instruct() -> Pair:
    """Two scales, three rows."""
    plan, tensors = unet(in_channels=8)
    shown = numbers("shown", (1, 4, *CASE.latents))
    unsafe = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
    pipe = pipeline(
        StableDiffusionInstructPix2PixPipeline,
        tensors,
        replace(CASE, plan=plan),
        image_encoder=None,
        **unsafe,
    )
    other = pipe(**told(plan), image=shown, image_guidance_scale=1.5, latents=given()["noise"].clone()).images
    told_of = rows(plan, shown)
    assert told_of.negative is not None
    blind = replace(told_of.negative, concat=torch.zeros_like(shown), roles=("blind",))
    return ours(tensors, GuidanceShape(picture=1.5), replace(told_of, blind=blind), plan), other


def depth() -> Pair:
    """A fifth channel."""
    plan, tensors = unet(in_channels=5)
    pipe = pipeline(
        StableDiffusionDepth2ImgPipeline,
        tensors,
        replace(CASE, plan=plan),
        depth_estimator=None,
        feature_extractor=None,
    )
    start = given()["noise"].clone()
    pipe.prepare_latents = lambda *_, **__: start
    near = numbers("near", CASE.latents).abs()
    blank = torch.zeros(1, 3, *(8 * side for side in CASE.latents))
    other = pipe(**told(plan), image=blank, depth_map=near[None], strength=1.0).images
    low, high = near.aminmax()
    shown = (2 * (near - low) / (high - low) - 1)[None, None]
    return ours(tensors, GuidanceShape(), rows(plan, shown), plan), other


def unclip() -> Pair:
    """A picture's vector with noise on it."""
    plan, tensors = unet(vector=2 * WIDTH)
    normalizer = StableUnCLIPImageNormalizer(WIDTH)
    normalizer.load_state_dict({"mean": numbers("mean", (1, WIDTH)), "std": numbers("std", (1, WIDTH)).abs()})
    small = CLIPVisionConfig(hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1)
    case = replace(CASE, plan=plan)
    classes = {"class_embed_type": "projection", "projection_class_embeddings_input_dim": 2 * WIDTH}
    classes |= {"addition_embed_type": None}
    pipe = pipeline(
        StableUnCLIPImg2ImgPipeline,
        tensors,
        case,
        unet=classes,
        feature_extractor=None,
        image_encoder=CLIPVisionModelWithProjection(small),
        image_normalizer=normalizer,
        image_noising_scheduler=DDPMScheduler(beta_schedule="squaredcos_cap_v2"),
    )
    seen, noise = (
        numbers("seen", (1, WIDTH)),
        torch.randn(1, WIDTH, generator=torch.Generator().manual_seed(7)),
    )
    height, width = (8 * side for side in CASE.latents)
    other = pipe(
        **told(plan),
        image_embeds=seen,
        noise_level=LEVEL,
        generator=torch.Generator().manual_seed(7),
        latents=given()["noise"].clone(),
        height=height,
        width=width,
    ).images
    augmentor = NoiseAugmentor({"data_mean": (1, WIDTH), "data_std": (1, WIDTH)})
    augmentor.load_state_dict({f"data_{name}": each for name, each in normalizer.state_dict().items()})
    vector = augmentor(seen, LEVEL, noise)
    return ours(tensors, GuidanceShape(), rows(plan, vector=vector), plan), other


CASES: Mapping[str, Callable[[], Pair]] = {"instruct": instruct, "depth": depth, "unCLIP": unclip}


def gap(name: str) -> float:
    """How far the two sides are apart, as a share of the oracle's maximum."""
    with torch.no_grad():
        own, other = CASES[name]()
    return float((own - other).abs().max() / other.abs().max())


def main() -> None:
    """The command line."""
    verdict({name: gap(name) for name in CASES}, TOLERANCE)


if __name__ == "__main__":
    main()
