"""gesso's side of the comparison: the outputs of every network of a checkpoint."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from benchmarks.parity_cases import Case
from gesso.families.blueprint import ClipPlan
from gesso.networks.autoencoder import Autoencoder
from gesso.networks.clip_text import ClipText
from gesso.networks.embeddings import sinusoids
from gesso.networks.open_clip_text import OpenClipText
from gesso.networks.structure import Shapes
from gesso.networks.unet import UNet

__all__ = ["autoencoder", "text", "unet", "vector"]

Tensors = Mapping[str, Tensor]


def shapes_of(tensors: Tensors) -> Shapes:
    """Names and sizes of tensors, all a network is built from."""
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}


def filled(network: nn.Module, tensors: Tensors) -> nn.Module:
    """A network built without weights, now with them."""
    network.load_state_dict(dict(tensors), strict=True, assign=True)
    return network.eval().requires_grad_(False)


def text(case: Case, prefix: str, tensors: Tensors, given: Tensors) -> dict[str, Tensor]:
    """Every hidden state that conditioning may ask for, and the pooled prompt."""
    plan = dict(case.plan.texts)[prefix]
    shapes = shapes_of(tensors)
    with torch.device("meta"):
        clip = isinstance(plan, ClipPlan)
        network = (
            ClipText(shapes, case.text_heads, "quick_gelu") if clip else OpenClipText(shapes, case.text_heads)
        )
    filled(network, tensors)
    states = network(given[f"{prefix}tokens"])
    last = network.final_norm(states.hidden[-1])
    return {
        f"{prefix}first": states.hidden[1],
        f"{prefix}penultimate": states.hidden[-2],
        f"{prefix}last": last,
        f"{prefix}pooled": states.pooled,
    }


def unet(case: Case, tensors: Tensors, given: Tensors) -> dict[str, Tensor]:
    """One call of the UNet."""
    with torch.device("meta"):
        network = UNet(shapes_of(tensors), case.unet_heads)
    filled(network, tensors)
    return {"unet": network(given["x"], given["t"], given["context"], vector(case, given))}


def vector(case: Case, given: Tensors) -> Tensor | None:
    """The pooled prompt and the sizes as one condition, for families that have one."""
    if "sizes" not in given:
        return None
    waves = sinusoids(given["sizes"].flatten(), case.size_width).reshape(len(given["sizes"]), -1)
    return torch.cat((given["pooled"], waves), dim=1)


def autoencoder(_: Case, tensors: Tensors, given: Tensors) -> dict[str, Tensor]:
    """A decode and an encode."""
    with torch.device("meta"):
        network = Autoencoder(shapes_of(tensors))
    filled(network, tensors)
    moments = network.encode(given["pixels"])
    return {"decode": network.decode(given["latents"]), "mean": moments.mean, "logvar": moments.logvar}
