"""The other side of the comparison: the same outputs from diffusers and transformers.

Their networks are built from the same plan, and filled through diffusers' own conversion of checkpoint names.
"""

from collections.abc import Mapping
from typing import Any

import torch
from diffusers.loaders.single_file_utils import (
    convert_ldm_unet_checkpoint,
    convert_ldm_vae_checkpoint,
    convert_open_clip_checkpoint,
)
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from benchmarks.parity_cases import Case
from gesso.families.blueprint import OpenClipPlan

__all__ = ["autoencoder", "autoencoder_config", "text", "text_config", "unet", "unet_config"]

Tensors = Mapping[str, Tensor]
Config = dict[str, Any]


def unet_config(case: Case) -> Config:
    """A UNet's plan in diffusers' words."""
    plan = case.plan.unet
    widths = tuple(plan.width * multiplier for multiplier in plan.multipliers)
    config: Config = {
        "in_channels": plan.in_channels,
        "out_channels": plan.out_channels,
        "block_out_channels": widths,
        "layers_per_block": plan.blocks,
        "down_block_types": tuple("CrossAttnDownBlock2D" if d else "DownBlock2D" for d in plan.depths),
        "up_block_types": tuple("CrossAttnUpBlock2D" if d else "UpBlock2D" for d in reversed(plan.depths)),
        # the last entry is also the middle's; those of levels without transformers are not read
        "transformer_layers_per_block": tuple(depth or plan.middle for depth in plan.depths),
        # a misnomer of diffusers: these are numbers of heads
        "attention_head_dim": tuple(map(case.unet_heads, widths)),
        "cross_attention_dim": plan.context,
        "use_linear_projection": plan.linear,
    }
    if plan.vector is not None:
        config |= {
            "addition_embed_type": "text_time",
            "addition_time_embed_dim": case.size_width,
            "projection_class_embeddings_input_dim": plan.vector,
        }
    return config


def autoencoder_config(case: Case) -> Config:
    """An autoencoder's plan in diffusers' words."""
    plan = case.plan.autoencoder
    levels = len(plan.multipliers)
    return {
        "down_block_types": ("DownEncoderBlock2D",) * levels,
        "up_block_types": ("UpDecoderBlock2D",) * levels,
        "block_out_channels": tuple(plan.width * multiplier for multiplier in plan.multipliers),
        "layers_per_block": plan.blocks,
        "latent_channels": plan.latents,
    }


def text_config(case: Case, prefix: str) -> CLIPTextConfig:
    """A text encoder's plan in transformers' words."""
    plan = dict(case.plan.texts)[prefix]
    return CLIPTextConfig(
        vocab_size=plan.vocabulary,
        hidden_size=plan.width,
        intermediate_size=4 * plan.width,
        num_hidden_layers=plan.layers,
        num_attention_heads=case.text_heads(plan.width),
        max_position_embeddings=plan.positions,
        hidden_act="gelu" if isinstance(plan, OpenClipPlan) else "quick_gelu",
        projection_dim=plan.projection or plan.width,
        bos_token_id=plan.vocabulary - 2,
        eos_token_id=plan.vocabulary - 1,
    )


def filled(network: nn.Module, tensors: Tensors) -> Any:
    """A network with the given weights and no others."""
    network.load_state_dict(dict(tensors), strict=True, assign=True)
    return network.eval().requires_grad_(False)


def prefixed(prefix: str, tensors: Tensors) -> dict[str, Tensor]:
    """Full names again, which diffusers' conversion looks for."""
    return {prefix + name: tensor for name, tensor in tensors.items()}


def text_network(case: Case, prefix: str, tensors: Tensors) -> Any:
    """One text encoder."""
    config = text_config(case, prefix)
    plan = dict(case.plan.texts)[prefix]
    kind = CLIPTextModel if plan.projection is None else CLIPTextModelWithProjection
    # not on the meta device: the positions are a buffer that the file does not fill
    empty = kind(config)
    if isinstance(plan, OpenClipPlan):
        full = prefixed("conditioner.embedders.0.model.", tensors)
        tensors = convert_open_clip_checkpoint(empty, full, "conditioner.embedders.0.model.")
    if plan.projection is None:
        tensors = {name.removeprefix("text_model."): tensor for name, tensor in tensors.items()}
    return filled(empty, tensors)


def text(case: Case, prefix: str, tensors: Tensors, given: Tensors) -> dict[str, Tensor]:
    """The hidden states and the pooled prompt."""
    plan = dict(case.plan.texts)[prefix]
    said = text_network(case, prefix, tensors)(input_ids=given[f"{prefix}tokens"], output_hidden_states=True)
    return {
        f"{prefix}first": said.hidden_states[1],
        f"{prefix}penultimate": said.hidden_states[-2],
        f"{prefix}last": said.last_hidden_state,
        f"{prefix}pooled": said.pooler_output if plan.projection is None else said.text_embeds,
    }


def unet_network(case: Case, tensors: Tensors) -> Any:
    """The UNet."""
    config = unet_config(case)
    with torch.device("meta"):
        empty = UNet2DConditionModel(**config)
    return filled(empty, unet_named(case, tensors))


def unet_named(case: Case, tensors: Tensors) -> dict[str, Tensor]:
    """A UNet's tensors, or what belongs to each of them, under diffusers' names."""
    return convert_ldm_unet_checkpoint(prefixed("model.diffusion_model.", tensors), unet_config(case))


def unet(case: Case, tensors: Tensors, given: Tensors) -> dict[str, Tensor]:
    """One call of the UNet."""
    network = unet_network(case, tensors)
    vector = {"text_embeds": given["pooled"], "time_ids": given["sizes"]} if "sizes" in given else None
    return {"unet": network(given["x"], given["t"], given["context"], added_cond_kwargs=vector).sample}


def autoencoder_network(case: Case, tensors: Tensors) -> Any:
    """The autoencoder."""
    config = autoencoder_config(case)
    with torch.device("meta"):
        empty = AutoencoderKL(**config)
    return filled(empty, convert_ldm_vae_checkpoint(prefixed("first_stage_model.", tensors), config))


def autoencoder(case: Case, tensors: Tensors, given: Tensors) -> dict[str, Tensor]:
    """A decode and an encode."""
    network = autoencoder_network(case, tensors)
    posterior = network.encode(given["pixels"]).latent_dist
    return {
        "decode": network.decode(given["latents"]).sample,
        "mean": posterior.mean,
        "logvar": posterior.logvar,
    }
