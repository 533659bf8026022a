"""Small control models: files of every layout for a small UNet."""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from gesso.checkpoint.shapes import Shapes
from gesso.control.acting import AdapterGuide, Guide, HeadGuide, LiteGuide, NetGuide
from gesso.control.base import Base
from gesso.control.file import ControlFile
from gesso.control.fit import adapter_places
from gesso.families.unet_plan import unet_shapes
from gesso.networks.control_net import ControlNet, control_net_shapes
from gesso.networks.inpaint_head import InpaintHead
from gesso.networks.lllite import LLLite
from gesso.networks.t2i_adapter import T2IAdapter
from gesso.networks.unet import UNet
from tests.models import PLANS, random_weights

HINT = (4, 8, 12, 16)


def base_of(family: str) -> Base:
    """The tiny checkpoint of a family as control models see it."""
    plan = PLANS[family].unet
    return Base(family, Shapes(unet_shapes(plan)), lambda width: max(1, width // 64))


def net_shapes(family: str) -> dict[str, tuple[int, ...]]:
    """A ControlNet's tensors for a tiny checkpoint of a family."""
    own = dict(unet_shapes(PLANS[family].unet))
    own["input_blocks.0.0.weight"] = (own["input_blocks.0.0.weight"][0], 4, 3, 3)
    return control_net_shapes(own, HINT)


def save_net(path: Path, family: str, *, prefix: str = "", seed: int = 1, scale: float = 1.0) -> Path:
    """A random ControlNet for a tiny checkpoint of a family."""
    return save(path, {prefix + n: t * scale for n, t in random_weights(net_shapes(family), seed).items()})


def save(path: Path, tensors: Mapping[str, Tensor]) -> Path:
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path)
    return path


LITE_SIDES = {8: (4, 2), 16: (4, 4), 32: (4, 2, 4), 64: (4, 4, 4)}
"""Sides of the convolutions that read the picture, by pixels a cell."""


def lite_shapes(
    layers: Mapping[str, tuple[int, ...]], cell: int = 16, width: int = 6, inner: int = 4
) -> dict[str, tuple[int, ...]]:
    """An LLLite's tensors for layers of a UNet whose places have so many pixels along their side."""
    found: dict[str, tuple[int, ...]] = {}
    for name, size in layers.items():
        module = "lllite_unet_" + name.removesuffix(".weight").replace(".", "_")
        kernel = () if len(size) == 2 else (1, 1)
        sides = LITE_SIDES[cell]
        inputs = (3, *[width // 2] * (len(sides) - 1))
        outputs = (*inputs[1:], width)
        sizes = {
            f"conditioning1.{2 * i}": (after, before, side, side)
            for i, (before, after, side) in enumerate(zip(inputs, outputs, sides, strict=True))
        }
        sizes |= {
            "down.0": (inner, size[1], *kernel),
            "mid.0": (inner, inner + width, *kernel),
            "up.0": (size[1], inner, *kernel),
        }
        for part, shape in sizes.items():
            found |= {f"{module}.{part}.weight": shape, f"{module}.{part}.bias": shape[:1]}
    return found


def adapter_shapes(widths: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    """A T2I-Adapter's tensors in the original naming: one block a size."""
    found: dict[str, tuple[int, ...]] = {
        "conv_in.weight": (widths[0], 192, 3, 3),
        "conv_in.bias": (widths[0],),
    }
    before = widths[0]
    for i, width in enumerate(widths):
        convs = {"block1": (width, width, 3, 3), "block2": (width, width, 1, 1)}
        if width != before:
            convs["in_conv"] = (width, before, 1, 1)
        for name, size in convs.items():
            found |= {f"body.{i}.{name}.weight": size, f"body.{i}.{name}.bias": (width,)}
        before = width
    return found


def guided(found: ControlFile, base: Base, unet: Mapping[str, Tensor], kind: int | None = None) -> Guide:
    """A control model's network with its weights in."""
    tensors = dict(found.file.tensors(s.own for s in found.sources.values() if s.own is not None))
    state = {name: tensors[source.own] for name, source in found.sources.items() if source.own is not None}
    found.network.load_state_dict(state, strict=True, assign=True)
    if isinstance(found.network, ControlNet):
        return NetGuide(found.network, kind)
    if isinstance(found.network, T2IAdapter):
        return AdapterGuide(found.network, adapter_places(base), len(base.widths) - 1)
    if isinstance(found.network, InpaintHead):
        return HeadGuide(found.network)
    assert isinstance(found.network, LLLite)
    return LiteGuide(found.network)


def unet_of(base: Base, tensors: Mapping[str, Tensor]) -> UNet:
    """A UNet with weights."""
    with torch.device("meta"):
        network = UNet(base.unet, base.heads)
    network.load_state_dict(dict(tensors), strict=True, assign=True)
    return network.requires_grad_(False)
