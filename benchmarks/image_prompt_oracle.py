"""What transformers says of pictures, and diffusers' UNet with an IP-Adapter: the other side."""

import re
from collections.abc import Mapping
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint
from torch import Tensor
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from benchmarks.parity_cases import Case
from benchmarks.parity_oracle import filled, prefixed, unet_config
from gesso.families.vision import vision_activation, vision_heads
from gesso.families.vision_plan import VisionPlan

__all__ = ["adapted", "hugging_face", "vision"]

Tensors = Mapping[str, Tensor]


def vision(plan: VisionPlan, tensors: Tensors, pixels: Tensor) -> dict[str, Tensor]:
    """An image encoder's states, from weights in Hugging Face's layout."""
    config = CLIPVisionConfig(
        hidden_size=plan.width,
        intermediate_size=plan.hidden,
        num_hidden_layers=plan.layers,
        num_attention_heads=vision_heads(plan.width),
        image_size=plan.side,
        patch_size=plan.patch,
        projection_dim=plan.projection,
        hidden_act=vision_activation(plan.width),
    )
    # not on the meta device: the positions are a buffer that the file does not fill
    said = filled(CLIPVisionModelWithProjection(config), tensors)(pixels, output_hidden_states=True)
    return {
        "first": said.hidden_states[0],
        "penultimate": said.hidden_states[-2],
        "last": said.hidden_states[-1],
        "pooled": said.image_embeds,
    }


def hugging_face(tensors: Tensors) -> dict[str, Tensor]:
    """OpenCLIP's image encoder under Hugging Face's names: the same numbers."""
    names = {
        "class_embedding": "embeddings.class_embedding",
        "positional_embedding": "embeddings.position_embedding.weight",
        "conv1.weight": "embeddings.patch_embedding.weight",
    }
    parts = (
        (r"^ln_pre", "pre_layrnorm"),
        (r"^ln_post", "post_layernorm"),
        (r"^transformer\.resblocks", "encoder.layers"),
        (r"\.ln_(\d)", r".layer_norm\1"),
        (r"\.attn\.out_proj", ".self_attn.out_proj"),
        (r"\.mlp\.c_fc", ".mlp.fc1"),
        (r"\.mlp\.c_proj", ".mlp.fc2"),
    )
    found: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        new = names.get(name, name)
        for pattern, theirs in parts:
            new = re.sub(pattern, theirs, new)
        if name == "proj":
            found["visual_projection.weight"] = tensor.T
        elif ".in_proj_" in new:
            layer, kind = new.split(".attn.in_proj_")
            for each, part in zip("qkv", tensor.chunk(3), strict=True):
                found[f"vision_model.{layer}.self_attn.{each}_proj.{kind}"] = part
        else:
            found[f"vision_model.{new}"] = tensor
    return found


def adapted(case: Case, unet: Tensors, adapter: Tensors) -> UNet2DConditionModel:
    """diffusers' UNet with an adapter in it, each scaled by 1."""
    config = unet_config(case)
    with torch.device("meta"):
        empty = UNet2DConditionModel(**config)
    network: Any = filled(
        empty, convert_ldm_unet_checkpoint(prefixed("model.diffusion_model.", unet), config)
    )
    halves: dict[str, dict[str, Tensor]] = {"image_proj": {}, "ip_adapter": {}}
    for name, tensor in adapter.items():
        half, _, rest = name.partition(".")
        halves[half][rest] = tensor
    network._load_ip_adapter_weights([halves], low_cpu_mem_usage=False)
    return network.eval()
