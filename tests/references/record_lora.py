"""Record what diffusers and peft say of the small UNets with a LoRA on every third layer.

    python -m tests.references.record_lora

All numbers come from names (benchmarks/parity_cases.py); stored are the output and the layers' sizes.
"""

import json

import torch
from diffusers import UNet2DConditionModel
from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint
from safetensors.torch import save_file
from torch import nn

from benchmarks.parity_cases import inputs
from benchmarks.parity_oracle import filled, prefixed, unet_config
from gesso.families.unet_plan import unet_shapes
from tests.references.networks_cases import CASES
from tests.references.networks_said import HERE, lora, weights

RECORDED = ("v1", "xl")


def record(name: str) -> None:
    """One case."""
    case = CASES[name]
    config = unet_config(case)
    with torch.device("meta"):
        empty = UNet2DConditionModel(**config)
    tensors = weights(unet_shapes(case.plan.unet))
    network = filled(empty, convert_ldm_unet_checkpoint(prefixed("model.diffusion_model.", tensors), config))
    layers = [(key, each) for key, each in network.named_modules() if isinstance(each, nn.Linear | nn.Conv2d)]
    modules = {key: tuple(each.weight.shape) for key, each in layers[::3]}
    network.load_lora_adapter(lora(modules), prefix=None)
    given = inputs(case)
    vector = {"text_embeds": given["pooled"], "time_ids": given["sizes"]} if "sizes" in given else None
    said = network(given["x"], given["t"], given["context"], added_cond_kwargs=vector).sample
    save_file(
        {"unet": said.contiguous()}, HERE / f"lora_{name}.safetensors", {"modules": json.dumps(modules)}
    )


if __name__ == "__main__":
    with torch.no_grad():
        for each in RECORDED:
            record(each)
