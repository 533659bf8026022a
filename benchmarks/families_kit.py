"""What options need on a family, small and random: checkpoints, adapters, control models, pictures."""

from collections import ChainMap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw
from safetensors.torch import save_file
from torch import Tensor

import gesso
from benchmarks.image_prompt_cases import AdapterPlan, adapter_shapes
from gesso.adapters.site import Target
from gesso.control.base import Base
from gesso.control.fit import adapter_places, layer_cell
from gesso.families.vision_plan import VisionPlan, vision_shapes
from gesso.model import Model
from gesso.networks.control_net import control_net_shapes
from tests.control.made import adapter_shapes as t2i_shapes
from tests.control.made import lite_shapes
from tests.models import PLANS, random_weights, save_model

__all__ = ["Kit", "kit", "models"]

VISION = VisionPlan(width=64, layers=2, hidden=96, patch=14, side=28, projection=48)


@dataclass(frozen=True)
class Kit:
    """A family's model, and files made for it.

    Args:
        folder: where its files are, by names such as lora.safetensors and photo.png.
        needs: what every request of this family must have.
    """

    folder: Path
    model: Model
    needs: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def file(self, name: str) -> str:
        """The path of one of its files."""
        return str(self.folder / name)


def models(folder: Path) -> Iterator[tuple[str, Path | None]]:
    """The built-in checkpoint (no path) and a tiny random one of every other family, under its name."""
    yield "built-in", None
    for name in PLANS:
        yield name, save_model(folder / f"{name}.safetensors", name)


def kit(name: str, path: Path | None, folder: Path) -> Kit:
    """A model and all that the options need, written to a folder of its own."""
    model = gesso.load(path, device="cpu", dtype="float32")
    here = folder / name
    here.mkdir(parents=True)
    _pictures(here)
    _adapters(here, model)
    _controls(here, Base.of(model), model.vae.factor)
    return Kit(here, model, _needs(name, here))


def _needs(name: str, folder: Path) -> dict[str, Any]:
    """What a family does not paint without."""
    photo = str(folder / "photo.png")
    if "instruct" in name:
        return {"source": {"image": photo, "strength": 1.0}}
    if "depth" in name:
        return {"depth": photo}
    if "unclip" in name:
        return {"image_prompts": [{"images": [photo]}]}
    return {}


def _pictures(folder: Path) -> None:
    grain = np.random.default_rng(5).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    Image.fromarray(grain).resize((128, 128)).save(folder / "photo.png")
    mask = Image.new("L", (128, 128))
    ImageDraw.Draw(mask).rectangle((32, 32, 95, 95), fill=255)
    mask.save(folder / "mask.png")
    Image.blend(Image.new("L", mask.size), mask, 0.5).save(folder / "grey.png")


def _saved(path: Path, shapes: Mapping[str, tuple[int, ...]], scale: float = 1.0) -> None:
    save_file({name: each * scale for name, each in random_weights(shapes, 7).items()}, path)


def _adapters(folder: Path, model: Model) -> None:
    parts = Target.of(model).parts
    unet = dict(parts["unet"])
    linear = [name for name, size in unet.items() if name.endswith(".attn2.to_k.weight") and len(size) == 2]
    _saved(folder / "lora.safetensors", dict(_factors(linear, unet)))
    _saved(folder / "thing.safetensors", _word(model))
    context = unet[linear[0]][1]
    torch.save(_hypernetwork(context), folder / "ink.pt")
    _saved(folder / "encoder.safetensors", vision_shapes(VISION))
    _saved(folder / "eyes.safetensors", adapter_shapes(AdapterPlan("plain", 48, context), parts["unet"]))


def _factors(
    names: list[str], unet: Mapping[str, tuple[int, ...]], rank: int = 2
) -> Iterator[tuple[str, tuple[int, ...]]]:
    for name in names:
        out, into = unet[name]
        module = "lora_unet_" + name.removesuffix(".weight").replace(".", "_")
        yield f"{module}.lora_down.weight", (rank, into)
        yield f"{module}.lora_up.weight", (out, rank)


def _word(model: Model) -> dict[str, tuple[int, ...]]:
    """Two vectors for each text encoder."""
    parts = [name for name in sorted(Target.of(model).parts) if name.startswith("text")]
    tables = [_table(Target.of(model).parts[name]) for name in parts]
    names = ("emb_params",) if len(parts) == 1 else ("clip_l", "clip_g")
    return {name: (2, width) for name, width in zip(names, tables, strict=True)}


def _table(shapes: Mapping[str, tuple[int, ...]]) -> int:
    return next(size[1] for name, size in shapes.items() if "token_embedding" in name)


def _hypernetwork(width: int) -> dict[Any, Any]:
    generator = torch.Generator().manual_seed(8)

    def half() -> dict[str, Tensor]:
        sizes = {"linear.0": (2 * width, width), "linear.1": (width, 2 * width)}
        weights = {f"{n}.weight": torch.randn(s, generator=generator) * 0.05 for n, s in sizes.items()}
        return weights | {f"{n}.bias": torch.zeros(s[0]) for n, s in sizes.items()}

    return {width: (half(), half()), "layer_structure": [1, 2, 1], "activation_func": "linear"}


def _controls(folder: Path, base: Base, factor: int) -> None:
    unet = {name: tuple(size) for name, size in base.unet.items()}
    first = unet["input_blocks.0.0.weight"]
    unet["input_blocks.0.0.weight"] = (first[0], 4, *first[2:])
    hint = tuple(islice((4, 8, 12, 16), factor.bit_length()))
    _saved(folder / "net.safetensors", control_net_shapes(unet, hint))
    places = adapter_places(base)
    features = t2i_shapes(tuple(base.widths[place] for place in places))
    if f"input_blocks.{places[0]}.0.op.weight" in unet:
        # the first feature has half the latents' size, as SDXL's: it reads 16 pixels a cell
        features["conv_in.weight"] = (features["conv_in.weight"][0], 768, 3, 3)
    _saved(folder / "t2i.safetensors", features)
    layers = {name: size for name, size in unet.items() if name.endswith("attn1.to_q.weight")}
    branches = [lite_shapes({name: size}, layer_cell(name, base)) for name, size in layers.items()]
    _saved(folder / "lite.safetensors", dict(ChainMap(*branches)))
