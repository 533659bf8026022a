"""Whether a control model fits a model, from headers alone: the key that contradicts, and both sizes."""

from collections.abc import Sequence
from math import prod
from pathlib import Path

from gesso.control.base import Base
from gesso.errors import DoesNotFit
from gesso.networks.joints import check_descent
from gesso.networks.structure import Shapes, channels, count

__all__ = ["adapter_places", "check_adapter", "check_control_net", "check_head", "check_lite", "layer_cell"]


def check_control_net(path: Path, shapes: Shapes, base: Base) -> None:
    """Refuse a ControlNet that reads or adds what the model has in another size.

    Raises:
        DoesNotFit: names the first key.
    """
    key = next((name for name in shapes if name.endswith("attn2.to_k.weight")), None)
    if key is not None and shapes[key][1] != base.context:
        raise _unfit(path, base, f"{key} reads a context of {shapes[key][1]}, the model has {base.context}")
    key = "label_emb.0.0.weight"
    vector = shapes[key][1] if key in shapes else None
    if vector != base.vector:
        raise _unfit(path, base, f"{key} reads a vector of {vector}, the model has {base.vector}")
    key = "input_blocks.0.0.weight"
    taken = channels(shapes, "input_blocks.0.0")[0]
    if taken != base.latents:
        raise _unfit(path, base, f"{key} reads {taken} channels of latents, the model has {base.latents}")
    skips, middle = check_descent(shapes)
    if count(shapes, "input_blocks") != len(base.widths) - 1:
        raise _unfit(path, base, f"it has {len(skips)} input blocks, the model has {len(base.widths) - 1}")
    for i, (own, wanted) in enumerate(zip((*skips, middle), base.widths, strict=True)):
        if own != wanted:
            place = f"zero_convs.{i}.0.weight" if i < len(skips) else "middle_block_out.0.weight"
            raise _unfit(path, base, f"{place} adds {own} channels, the model has {wanted} there")


def check_adapter(path: Path, features: Sequence[tuple[int, int]], base: Base) -> None:
    """Refuse a T2I-Adapter whose features have no place of their width and size.

    Args:
        features: channels of each, and pixels along the side of its cells, of which the latents' have 8.

    Raises:
        DoesNotFit: names the first feature.
    """
    places = adapter_places(base)
    for i, ((width, cell), place) in enumerate(zip(features, places, strict=False)):
        wanted = base.widths[place]
        if width != wanted:
            raise _unfit(path, base, f"feature {i} has {width} channels, the model has {wanted} there")
        wanted = layer_cell(f"input_blocks.{place + 1}", base)
        if cell != wanted:
            raise _unfit(path, base, f"feature {i} has cells of {cell} pixels, the model of {wanted} there")
    if len(features) != len(places):
        raise _unfit(path, base, f"it has {len(features)} features, the model has places for {len(places)}")


def adapter_places(base: Base) -> tuple[int, ...]:
    """Which block each feature of a T2I-Adapter is added to, by number; the middle comes after the others.

    There are four. A level with transformers takes its own before its size is halved, one without after.

    Source: diffusers' UNet2DConditionModel, `down_intrablock_additional_residuals`.
    """
    places: list[int] = []
    blocks, last, attends = base.unet.count("input_blocks"), 0, False
    for i in range(1, blocks):
        halves = f"input_blocks.{i}.0.op.weight" in base.unet
        if halves:
            places.append(last if attends else i)
            attends = False
        else:
            last, attends = i, f"input_blocks.{i}.1.norm.weight" in base.unet
    if last > (places[-1] if places else 0):
        places.append(last)
    return (*places, blocks) if len(places) < 4 else tuple(places)


def check_head(path: Path, width: int, channels: int, base: Base) -> None:
    """Refuse an inpaint head for another width or other latents.

    Raises:
        DoesNotFit: says both sizes.
    """
    if width != base.widths[0]:
        raise _unfit(path, base, f"head adds {width} channels, the model has {base.widths[0]} there")
    if channels != base.latents + 1:
        wanted = base.latents + 1
        raise _unfit(path, base, f"head reads {channels} channels, a mask and the latents are {wanted}")


def check_lite(path: Path, shapes: Shapes, base: Base) -> None:
    """Refuse LLLite modules without a layer of their name, width and size.

    Raises:
        DoesNotFit: names the first module.
    """
    layers = {
        name.removesuffix(".weight").replace(".", "_"): (name, size)
        for name, size in base.unet.items()
        if name.endswith(".weight") and len(size) > 1
    }
    for name, size in shapes.items():
        module, _, part = name.partition(".")
        if part != "down.0.weight":
            continue
        if module.removeprefix("lllite_unet_") not in layers:
            raise _unfit(path, base, f"{module} has no layer of that name in the model")
        layer, wanted = layers[module.removeprefix("lllite_unet_")]
        if wanted[1] != size[1]:
            raise _unfit(path, base, f"{name} reads {size[1]} channels, the model has {wanted[1]} there")
        reads = [key for key in shapes if key.startswith(f"{module}.conditioning1.")]
        cell = prod(shapes[key][-1] for key in reads if key.endswith(".weight"))
        if cell != layer_cell(layer, base):
            says = f"{module} has cells of {cell} pixels, the model of {layer_cell(layer, base)} there"
            raise _unfit(path, base, says)


def layer_cell(name: str, base: Base) -> int:
    """Pixels along the side of one place of a layer of the UNet, where a cell of the latents has 8."""
    part, number, *_ = name.split(".")
    halvings = [int(each.split(".")[1]) for each in base.unet if each.endswith(".0.op.weight")]
    if part == "input_blocks":
        return 8 * 2 ** sum(i < int(number) for i in halvings)
    ups = [
        int(each.split(".")[1])
        for each in base.unet
        if each.startswith("output_blocks.") and each.endswith(".conv.weight")
    ]
    done = sum(i < int(number) for i in ups) if part == "output_blocks" else 0
    return 8 * 2 ** (len(halvings) - done)


def _unfit(path: Path, base: Base, found: str) -> DoesNotFit:
    return DoesNotFit(f"{path.name} must fit {base.name}, however: {found}")
