"""Tiny adapter files: the same numbers under every program's names."""

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from gesso.adapters.site import Target
from gesso.model import Model

MODULES: dict[str, dict[str, tuple[str, str]]] = {
    "sd1": {
        "unet input_blocks.1.1.transformer_blocks.0.attn2.to_k": ("down_blocks.0.attentions.0", ""),
        "unet input_blocks.3.1.transformer_blocks.0.attn1.to_out.0": ("down_blocks.1.attentions.0", ""),
        "unet output_blocks.2.1.transformer_blocks.0.ff.net.0.proj": ("up_blocks.1.attentions.0", ""),
        "unet middle_block.1.proj_in": ("mid_block.attentions.0", ""),
        "unet input_blocks.1.0.in_layers.2": ("down_blocks.0.resnets.0", "conv1"),
        "unet input_blocks.2.0.op": ("down_blocks.0.downsamplers.0", "conv"),
        "unet output_blocks.1.1.conv": ("up_blocks.0.upsamplers.0", "conv"),
        "text text_model.encoder.layers.0.self_attn.q_proj": ("", ""),
        "text text_model.encoder.layers.1.mlp.fc1": ("", ""),
    },
    "sd2": {
        "unet input_blocks.1.1.transformer_blocks.0.attn2.to_k": ("down_blocks.0.attentions.0", ""),
        "unet middle_block.1.proj_in": ("mid_block.attentions.0", ""),
        "text text_model.encoder.layers.0.self_attn.v_proj": ("", ""),
        "text text_model.encoder.layers.1.mlp.fc2": ("", ""),
    },
    "sdxl": {
        "unet input_blocks.3.1.transformer_blocks.0.attn2.to_k": ("down_blocks.1.attentions.0", ""),
        "unet output_blocks.0.1.proj_out": ("up_blocks.0.attentions.0", ""),
        "unet output_blocks.2.0.skip_connection": ("up_blocks.1.resnets.0", "conv_shortcut"),
        "text text_model.encoder.layers.0.self_attn.k_proj": ("", ""),
        "text_2 text_model.encoder.layers.0.self_attn.q_proj": ("", ""),
        "text_2 text_model.encoder.layers.0.self_attn.k_proj": ("", ""),
        "text_2 text_model.encoder.layers.2.self_attn.out_proj": ("", ""),
        "text_2 text_model.encoder.layers.2.mlp.fc1": ("", ""),
    },
}
"""Part and module in the model's own or Hugging Face's names → its block in diffusers' names, and its own."""

Tensors = dict[str, Tensor]
Naming = Callable[[str, str, tuple[str, str]], str]


def diffusers(module: str, theirs: tuple[str, str]) -> str:
    block, own = theirs
    if not block:
        return module
    return f"{block}.{own}" if own else ".".join([block, *module.split(".")[_depth(module) :]])


def _depth(module: str) -> int:
    return 2 if module.startswith("middle_block") else 3


def kohya(part: str, module: str, theirs: tuple[str, str]) -> str:
    return f"lora_{_short(part)}_" + diffusers(module, theirs).replace(".", "_")


def kohya_xl(part: str, module: str, theirs: tuple[str, str]) -> str:
    return (f"lora_{_short(part, numbered=True)}_" + module).replace(".", "_")


def peft(part: str, module: str, theirs: tuple[str, str]) -> str:
    return {"unet": "unet.", "text": "text_encoder.", "text_2": "text_encoder_2."}[part] + diffusers(
        module, theirs
    )


def generic(part: str, module: str, theirs: tuple[str, str]) -> str:
    start = {
        "unet": "diffusion_model.",
        "text": "text_encoders.clip_l.transformer.",
        "text_2": "text_encoders.clip_g.transformer.",
    }
    return start[part] + module


def _short(part: str, *, numbered: bool = False) -> str:
    return {"unet": "unet", "text": "te1" if numbered else "te", "text_2": "te2"}[part]


KOHYA = (".lora_down.weight", ".lora_up.weight")
PEFT = (".lora_A.weight", ".lora_B.weight")
OLD = (".lora.down.weight", ".lora.up.weight")
LAYER = (".lora_linear_layer.down.weight", ".lora_linear_layer.up.weight")
DEFAULT = (".lora_A.default.weight", ".lora_B.default.weight")
NAMINGS: dict[str, tuple[Naming, tuple[str, str]]] = {
    "kohya": (kohya, KOHYA),
    "kohya, original names": (kohya_xl, KOHYA),
    "peft": (peft, PEFT),
    "peft, named adapter": (peft, DEFAULT),
    "peft, wrapped": (lambda *each: f"base_model.model.{peft(*each)}", PEFT),
    "diffusers": (peft, OLD),
    "diffusers, linear layers": (peft, LAYER),
    "checkpoint's own names": (generic, PEFT),
}


def factors(
    shapes: Mapping[str, tuple[int, ...]], rank: int = 2, seed: int = 3
) -> dict[str, tuple[Tensor, Tensor]]:
    """Down and up for every module, the same however they are named."""
    generator = torch.Generator().manual_seed(seed)
    found: dict[str, tuple[Tensor, Tensor]] = {}
    for module, (out, *inp) in shapes.items():
        down = torch.randn((rank, *inp), generator=generator) * 0.2
        up = torch.randn((out, rank, *[1] * (len(inp) - 1)), generator=generator) * 0.2
        found[module] = (down, up)
    return found


def named(
    family: str, naming: str, pairs: Mapping[str, tuple[Tensor, Tensor]], alpha: float | None = None
) -> Tensors:
    """The tensors of a LoRA file in one program's naming."""
    name, (down, up) = NAMINGS[naming]
    tensors: Tensors = {}
    for key, theirs in MODULES[family].items():
        part, module = key.split(" ")
        here = name(part, module, theirs)
        tensors[here + down], tensors[here + up] = (each.contiguous() for each in pairs[key])
        if alpha is not None:
            tensors[f"{here}.alpha"] = torch.tensor(alpha)
    return tensors


def save(path: Path, tensors: Tensors, metadata: dict[str, str] | None = None) -> Path:
    save_file(tensors, path, metadata)
    return path


def shapes_of(target: Target, family: str) -> dict[str, tuple[int, ...]]:
    """The size of every module that tiny files change."""
    found: dict[str, tuple[int, ...]] = {}
    for key in MODULES[family]:
        part, module = key.split(" ")
        site = target.site({"unet": "lora_unet_", "text": "lora_te1_", "text_2": "lora_te2_"}[part] + module)
        assert site is not None, key
        found[key] = site.shape
    return found


def state(model: Model) -> dict[str, Tensor]:
    """A copy of every tensor of a model."""
    return {
        f"{part}.{name}": tensor.clone()
        for part, network in model.networks.items()
        for name, tensor in network.state_dict().items()
    }


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return list(first) == list(second) and all(torch.equal(first[name], second[name]) for name in first)
