"""Perturbed-attention and self-attention guidance beside diffusers' pipelines, on a small random UNet.

    python -m benchmarks.parity_guidance

Three DDIM steps in float32 from the same noise and the same random words; says how far the final latents are
apart, as a share of their largest, and exits with 1 where that is more than TOLERANCE.
"""

from collections.abc import Mapping
from typing import Any

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint
from diffusers.pipelines.deprecated.stable_diffusion_sag import StableDiffusionSAGPipeline
from diffusers.pipelines.pag import StableDiffusionPAGPipeline
from torch import Tensor

from benchmarks.parity_cases import Case, numbers, weights
from benchmarks.parity_oracle import autoencoder_config, filled, prefixed, unet_config
from benchmarks.verdict import verdict
from gesso.conditioning.conditioning import Conditioning
from gesso.denoiser import Denoiser
from gesso.families.blueprint import AutoencoderPlan, CheckpointPlan, UNetPlan, unet_shapes
from gesso.generation.conditions import Conditions
from gesso.generation.guiding import Place, guide
from gesso.generation.passes import Pass
from gesso.networks.unet import UNet
from gesso.request import GuidanceShape, Perturbation
from gesso.sampling.levels import TrainedLevels
from gesso.sampling.noise import SeededNoise
from gesso.sampling.prediction import PREDICTIONS
from gesso.sampling.samplers import sampler

__all__ = ["CASE", "PLAN", "TOLERANCE", "gap", "given", "ours", "pipeline", "told"]

TOLERANCE = 1e-4
STEPS, CFG, SCALE = 3, 5.0, 0.75
PLAN = CheckpointPlan(
    UNetPlan(width=32, multipliers=(1, 2, 2), blocks=1, depths=(1, 1, 1), context=48),
    AutoencoderPlan(width=32, multipliers=(1, 2, 2, 2), blocks=1),
    (),
    schedule=True,
)
CASE = Case(PLAN, lambda _: 8, lambda width: width // 16, (16, 24))
CASES: Mapping[str, tuple[Any, GuidanceShape, dict[str, float]]] = {
    "perturbed attention (PAG)": (
        StableDiffusionPAGPipeline,
        GuidanceShape(perturbation=Perturbation(scale=SCALE)),
        {"pag_scale": SCALE},
    ),
    "self-attention guidance (SAG)": (
        StableDiffusionSAGPipeline,
        GuidanceShape(self_attention=SCALE),
        {"sag_scale": SCALE},
    ),
    "guidance alone": (StableDiffusionSAGPipeline, GuidanceShape(), {"sag_scale": 0.0}),
}


def scheduler() -> DDIMScheduler:
    """The trained noise levels in diffusers' words, ending at no noise at all."""
    found = DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False, steps_offset=1
    )
    found.set_timesteps(STEPS)
    return found


def given(plan: CheckpointPlan = PLAN) -> dict[str, Tensor]:
    """What both sides start from."""
    words = {name: numbers(name, (1, 7, plan.unet.context)) for name in ("prompt", "negative")}
    return words | {"noise": numbers("noise", (1, 4, *CASE.latents))}


def pipeline(kind: Any, tensors: Mapping[str, Tensor], case: Case, **others: Any) -> Any:
    """A pipeline of diffusers around a UNet, with words that are encoded already."""
    config: dict[str, Any] = {**unet_config(case), "sample_size": 64, "attention_head_dim": 8}
    config |= others.pop("unet", {})
    unet = filled(
        UNet2DConditionModel(**config),
        convert_ldm_unet_checkpoint(prefixed("model.diffusion_model.", tensors), config),
    )
    vae = AutoencoderKL(**autoencoder_config(case))
    pipe = kind(vae=vae, text_encoder=None, tokenizer=None, unet=unet, scheduler=scheduler(), **others)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def told(plan: CheckpointPlan = PLAN) -> dict[str, Any]:
    """What every pipeline is told."""
    start = given(plan)
    return {
        "prompt_embeds": start["prompt"],
        "negative_prompt_embeds": start["negative"],
        "num_inference_steps": STEPS,
        "guidance_scale": CFG,
        "output_type": "latent",
    }


def theirs(tensors: Mapping[str, Tensor], kind: Any, extra: Mapping[str, float]) -> Tensor:
    """diffusers' final latents."""
    unsafe = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
    height, width = (8 * side for side in CASE.latents)
    pipe = pipeline(kind, tensors, CASE, **unsafe)
    return pipe(**told(), latents=given()["noise"].clone(), height=height, width=width, **extra).images


def ours(
    tensors: Mapping[str, Tensor],
    shape: GuidanceShape,
    rows: Conditions | None = None,
    plan: CheckpointPlan = PLAN,
) -> Tensor:
    """gesso's, from the same noise: diffusers' latents are ours divided by √(1 + σ²).

    Args:
        rows: what the network is told; the words alone unless given.
    """
    unet = UNet(unet_shapes(plan.unet), CASE.unet_heads)
    unet.load_state_dict(dict(tensors))
    levels = TrainedLevels.scaled_linear()
    sigmas = (*(levels.sigmas[t] for t in scheduler().timesteps.tolist()), 0.0)
    start = given(plan)
    negative = Conditioning(start["negative"], roles=("negative",))
    words = Conditions(STEPS, Conditioning(start["prompt"]), (1.0,), negative)
    disturbed = None if shape.perturbation is None else (0.0, float("inf"))
    each = Pass("base", sigmas, "euler", {}, CFG, shape, (0.0, float("inf")), disturbed, sigmas)
    denoiser = Denoiser(unet.eval(), PREDICTIONS["epsilon"], levels)
    x = start["noise"] * (1.0 + sigmas[0] ** 2) ** 0.5
    noise = SeededNoise((0,), (4, *CASE.latents), sigmas)
    for step in sampler("euler", {})(guide(denoiser, each, [rows or words], Place()), x, sigmas, noise):
        x = step.x
    return x


def gap(name: str) -> float:
    """How far the two sides are apart, as a share of the oracle's maximum."""
    kind, shape, extra = CASES[name]
    shapes = unet_shapes(PLAN.unet)
    tensors = weights(shapes, shapes)
    with torch.no_grad():
        other, own = theirs(tensors, kind, extra), ours(tensors, shape)
    return float((own - other).abs().max() / other.abs().max())


def main() -> None:
    """The command line."""
    verdict({name: gap(name) for name in CASES}, TOLERANCE)


if __name__ == "__main__":
    main()
