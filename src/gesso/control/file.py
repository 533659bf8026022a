"""A control model's file: what it is, found by names and sizes alone, and where each tensor comes from.

Source: the files of lllyasviel/ControlNet and ControlNet-v1-1, diffusers' ControlNetModel and
ControlNetUnionModel, stabilityai/control-lora, TencentARC/T2I-Adapter, kohya-ss/controlnet-lllite; the keys
that tell them apart as sd-webui-controlnet and ComfyUI know them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from gesso.checkpoint.file import Checkpoint
from gesso.checkpoint.rename import control_net_names, renamed
from gesso.checkpoint.shapes import Shapes
from gesso.control.base import Base
from gesso.control.fit import check_adapter, check_control_net, check_head, check_lite
from gesso.errors import AdapterError
from gesso.families.accounting import account
from gesso.networks.control_net import ControlNet
from gesso.networks.inpaint_head import InpaintHead
from gesso.networks.lllite import LLLite
from gesso.networks.t2i_adapter import T2IAdapter, t2i_names

__all__ = ["ControlFile", "Source", "open_control"]

WHOLE = "control_model."
"""Where ControlNet's own files have it; the first ones carry a whole checkpoint beside it."""
MARKERS = ("lora_controlnet", "difference")
"""Tensors that only say what the file is."""
DESCENT = ("time_embed.", "label_emb.", "input_blocks.", "middle_block.")


@dataclass(frozen=True)
class Source:
    """Where one tensor of a control network comes from; what is named is added up.

    Args:
        own: its name in the file.
        base: its name in the model's UNet.
        low_rank: names in the file of two factors, whose product is added.
    """

    own: str | None = None
    base: str | None = None
    low_rank: tuple[str, str] | None = None


@dataclass(frozen=True)
class ControlFile:
    """A control model's file that fits a model; its tensors wait in it.

    Args:
        file: under the names of its network.
        what: its kind, for people.
        network: without memory.
        sources: of each of the network's tensors.
    """

    file: Checkpoint
    what: str
    network: nn.Module
    sources: Mapping[str, Source]


def open_control(path: Path, base: Base) -> ControlFile:
    """Say what a control model's file is, and that it fits a model, from headers alone.

    Raises:
        DoesNotFit: it was made for another family: names the key and both sizes.
        AdapterError: it is no control model that is known, or has a tensor that has no place.
        CheckpointError: the file is broken.
    """
    file = _own_names(Checkpoint.open(path))
    sources = {name: Source(own=name) for name in file.shapes if name not in MARKERS}
    what = "ControlNet"
    if "lora_controlnet" in file.shapes:
        what, sources = "Control-LoRA", _over_base(file.shapes, base)
    elif "difference" in file.shapes:
        what = "difference ControlNet"
        sources = {name: Source(name, name if name in base.unet else None) for name in sources}
    elif "task_embedding" in file.shapes:
        what = "ControlNet union"
    shapes = {name: _size(source, file.shapes, base) for name, source in sources.items()}
    with torch.device("meta"):
        if "input_hint_block.0.weight" in shapes:
            check_control_net(path, shapes, base)
            network: nn.Module = ControlNet(shapes, base.heads)
        elif any(name.startswith("lllite_") for name in shapes):
            check_lite(path, shapes, base)
            what, network = "ControlNet-LLLite", LLLite(shapes)
        elif "conv_in.weight" in shapes or "body.0.in_conv.weight" in shapes:
            what, network = "T2I-Adapter", T2IAdapter(shapes)
            check_adapter(path, tuple(zip(network.widths, network.cells, strict=True)), base)
        elif [*shapes] == ["head"]:
            what, network = "inpaint head", InpaintHead(shapes)
            check_head(path, network.width, network.channels, base)
        else:
            raise AdapterError(
                f"{path} must be a control model, however: it has no tensors of one, but "
                f"{next(iter(shapes), 'none')}"
            )
    _all_placed(path, what, network, shapes)
    return ControlFile(file, what, network, sources)


def _own_names(file: Checkpoint) -> Checkpoint:
    """The file under the names of its network."""
    shapes = file.shapes
    if any(name.startswith(WHOLE) for name in shapes):
        parts = {"control": WHOLE, "unet": "model.diffusion_model.", "vae": "first_stage_model."}
        found = account(
            shapes, parts | {"text": "cond_stage_model."}, [n for n in shapes if n.startswith(WHOLE)]
        )
        # the first files carry the whole checkpoint they were trained on; what is in no part stays, and fails
        kept = (*found.used["control"], *found.unknown)
        return file.renamed({name.removeprefix(WHOLE): name for name in kept})
    if "controlnet_cond_embedding.conv_in.weight" in shapes:
        names = control_net_names(shapes)
        return file.renamed({renamed(name, names) or name: name for name in shapes})
    return file.renamed(t2i_names(shapes))


def _over_base(shapes: Shapes, base: Base) -> dict[str, Source]:
    """A Control-LoRA's tensors: the UNet's own way down, changed by products of low rank.

    Source: stabilityai/control-lora: `.up` and `.down` beside whole tensors; what is not there is the UNet's.
    """
    found = {name: Source(base=name) for name in base.unet if name.startswith(DESCENT)}
    for name in shapes:
        place, _, last = name.rpartition(".")
        if last == "up" and f"{place}.down" in shapes:
            found[f"{place}.weight"] = Source(base=f"{place}.weight", low_rank=(name, f"{place}.down"))
        elif name not in MARKERS and not (last == "down" and f"{place}.up" in shapes):
            found[name] = Source(own=name)
    return found


def _size(source: Source, shapes: Shapes, base: Base) -> tuple[int, ...]:
    if source.own is not None:
        return shapes[source.own]
    assert source.base is not None
    if source.base in base.unet:
        return base.unet[source.base]
    assert source.low_rank is not None
    up, down = (shapes[name] for name in source.low_rank)
    return (up[0], *down[1:])


def _all_placed(path: Path, what: str, network: nn.Module, shapes: Mapping[str, tuple[int, ...]]) -> None:
    expected = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    wrong = [name for name in {**expected, **shapes} if expected.get(name) != shapes.get(name)]
    if wrong:
        more = f" (and {len(wrong) - 1} more like it)" if len(wrong) > 1 else ""
        name = wrong[0]
        raise AdapterError(
            f"every tensor of {path.name} must have a place in a {what}, however: {name} is "
            f"{shapes.get(name, 'missing')}, where {expected.get(name, 'nothing')} belongs{more}"
        )
