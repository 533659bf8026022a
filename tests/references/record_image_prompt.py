"""Record what transformers says of a picture, and diffusers' small UNets with IP-Adapters of every kind.

    python -m tests.references.record_image_prompt

Inputs and weights come from names (benchmarks/parity_cases.py), so only the outputs are stored, and one small
adapter under diffusers' own names.
"""

import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import CLIPImageProcessor

from benchmarks.image_prompt_oracle import adapted, hugging_face, vision
from benchmarks.parity_cases import inputs
from gesso.families.unet_plan import unet_shapes
from gesso.families.vision_plan import open_vision_shapes, vision_shapes
from tests.references.image_prompt_cases import ADAPTERS, CASES, VISION, adapter_weights, photo, seen, square
from tests.references.networks_said import HERE, weights


def record_vision() -> None:
    """Both layouts of one small encoder, and a picture as it is shown it."""
    pixels = square()
    found = vision(VISION, weights(vision_shapes(VISION)), pixels)
    opened = vision(VISION, hugging_face(weights(open_vision_shapes(VISION))), pixels)
    found |= {f"open {name}": tensor for name, tensor in opened.items()}
    size = {"height": 56, "width": 56}
    show = CLIPImageProcessor(size={"shortest_edge": 56}, crop_size=size)
    found["shown"] = show(photo(), return_tensors="pt")["pixel_values"]
    save_file({name: each.contiguous() for name, each in found.items()}, HERE / "vision.safetensors")


def record_adapters(name: str) -> None:
    """One small UNet with every kind of adapter."""
    case, found = CASES[name], dict[str, Tensor]()
    given = inputs(case)
    told = {"text_embeds": given["pooled"], "time_ids": given["sizes"]} if "sizes" in given else {}
    for kind in ADAPTERS:
        network = adapted(case, weights(unet_shapes(case.plan.unet)), adapter_weights(name, kind))
        told["image_embeds"] = [seen(kind)[:, None]]
        found[kind] = network(given["x"], given["t"], given["context"], added_cond_kwargs=told).sample
        if name == "v1":
            keys = [key for key in network.state_dict() if "_ip." in key or "encoder_hid_proj." in key]
            own = {key: network.state_dict()[key].half().contiguous() for key in keys}
            save_file(own, HERE / f"image_adapter_{kind}.safetensors")
    save_file(
        {kind: each.contiguous() for kind, each in found.items()}, HERE / f"image_prompt_{name}.safetensors"
    )


if __name__ == "__main__":
    with torch.no_grad():
        record_vision()
        for each in CASES:
            record_adapters(each)
