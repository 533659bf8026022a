"""IP-Adapter files: every cross-attention gets keys and values of its own for what a picture shows.

Source: Ye et al. 2023, arXiv:2308.06721; tencent-ailab/IP-Adapter's files (`image_proj.`, `ip_adapter.N.`:
N counts diffusers' attention layers, down, up, then middle, self and cross in turn, so that crossing ones are
odd), and the state dicts of diffusers' UNets with such an adapter loaded.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from gesso.checkpoint.file import Checkpoint
from gesso.checkpoint.rename import inverse, renamed, unet_names_of_original
from gesso.checkpoint.shapes import Shapes
from gesso.errors import AdapterError, DoesNotFit
from gesso.families.drawing import must_match
from gesso.networks.image_projection import Projection, image_projection

__all__ = ["ImageAdapter", "KeysValues", "open_image_adapter", "sites"]

PROJECTION = "image_proj."
FAMILIES: Mapping[int, str] = {768: "sd1", 1024: "sd2", 2048: "sdxl", 1280: "sdxl-refiner"}
"""What an adapter whose tokens have one width was made for."""
TOPS = ("input_blocks", "output_blocks", "middle_block")
"""The order in which files count; diffusers lists the way up before the middle."""

_DIFFUSERS: tuple[tuple[str, str], ...] = (
    (r"^(unet\.)?encoder_hid_proj\.image_projection_layers\.0\.", PROJECTION),
    (r"^(image_proj)\.image_embeds\.", r"\1.proj."),
    (r"^(image_proj)\.ff\.net\.0\.proj\.", r"\1.proj.0."),
    (r"^(image_proj)\.ff\.net\.2\.", r"\1.proj.2."),
    (r"\.layers\.(\d+)\.ln0\.", r".layers.\1.0.norm1."),
    (r"\.layers\.(\d+)\.ln1\.", r".layers.\1.0.norm2."),
    (r"\.layers\.(\d+)\.attn\.to_([qkv])\.", r".layers.\1.0.to_\2."),
    (r"\.layers\.(\d+)\.attn\.to_out\.0\.", r".layers.\1.0.to_out."),
    (r"\.layers\.(\d+)\.ff\.0\.", r".layers.\1.1.0."),
    (r"\.layers\.(\d+)\.ff\.1\.net\.0\.proj\.", r".layers.\1.1.1."),
    (r"\.layers\.(\d+)\.ff\.1\.net\.2\.", r".layers.\1.1.3."),
)
"""How diffusers names the tensors of a projection, and how the published files do."""

Names = Mapping[str, tuple[str, ...]]
"""A tensor's name → the tensors of the file that stand under one another in it; usually one."""


def sites(unet: Shapes) -> tuple[str, ...]:
    """A UNet's cross-attention layers in the order in which adapter files count them."""
    end = ".attn2.to_k.weight"
    return tuple(sorted((name[: -len(".to_k.weight")] for name in unet if name.endswith(end)), key=_place))


def _place(layer: str) -> tuple[int, list[int]]:
    top, *rest = layer.split(".")
    return TOPS.index(top), [int(part) for part in rest if part.isdecimal()]


@dataclass(frozen=True)
class KeysValues:
    """What one cross-attention layer is given to look at, for the negative (0) and the prompt (1).

    Args:
        layer: its name in the UNet.
    """

    layer: str
    keys: Float[Tensor, "2 n c"]
    values: Float[Tensor, "2 n c"]


@dataclass(frozen=True)
class ImageAdapter:
    """An IP-Adapter file that fits a UNet.

    Args:
        file: its tensors wait in it.
        projection: from what is known of a picture to tokens; without memory until it is used.
        names: of the projection's tensors.
        layers: each cross-attention layer → its keys' and its values' tensor.
    """

    file: Checkpoint
    projection: Projection
    names: Names
    layers: Mapping[str, tuple[str, str]]

    def tokens(self, seen: Tensor, device: torch.device, dtype: torch.dtype) -> Float[Tensor, "b n d"]:
        """What is known of pictures, as tokens; one row each."""
        read = dict(self.file.tensors([name for names in self.names.values() for name in names]))
        state = {
            own: torch.cat([read[name] for name in names]).to(device, dtype)
            for own, names in self.names.items()
        }
        self.projection.load_state_dict(state, strict=True, assign=True)
        return self.projection.eval().requires_grad_(requires_grad=False)(seen.to(device, dtype))

    def keys_values(self, tokens: Float[Tensor, "2 n d"]) -> Iterator[KeysValues]:
        """What every layer is given of the tokens; the weights that make it are not kept."""
        of = {name: layer for layer, names in self.layers.items() for name in names}
        made = {
            name: tokens @ weight.T
            for name, weight in self.file.tensors(of, dtype=tokens.dtype, device=tokens.device)
        }
        for layer, (keys, values) in self.layers.items():
            yield KeysValues(layer, made[keys], made[values])


def open_image_adapter(path: Path, unet: Shapes, family: str) -> ImageAdapter:
    """Open a file and find the place of every tensor of it, from headers alone.

    Args:
        unet: the tensors of the UNet it is for.
        family: what that is called, for messages.

    Raises:
        DoesNotFit: it was made for another family; says which, and by which tensor.
        AdapterError: it is no such file, or of a kind that needs what gesso has not.
        CheckpointError: the file is broken.
    """
    file = Checkpoint.open(path)
    names = _original_names(file.shapes)
    _refuse_other_kinds(path, names)
    layers = _layers(path, file.shapes, unet)
    used = {name for pair in layers.values() for name in pair}
    _fit(path, file.shapes, unet, (family, layers))
    inside = _joined({new: own for new, own in names.items() if own not in used})
    extra = next(
        (own for new, own in names.items() if own not in used and not new.startswith(PROJECTION)), None
    )
    if extra is not None:
        raise AdapterError(f"every tensor of {path.name} must have a place, however: {extra} has none")
    shapes = Shapes({new: _stacked([file.shapes[own] for own in each]) for new, each in inside.items()})
    with torch.device("meta"):
        projection = image_projection(shapes)
    must_match(f"image projection in {path.name}", projection, shapes)
    _must_give(path, projection.outputs, unet, family)
    return ImageAdapter(file, projection, inside, layers)


def _original_names(shapes: Shapes) -> dict[str, str]:
    """Every tensor's published name → its name in the file."""
    found = {_original(name): name for name in shapes}
    last, norm = (shapes.get(found.get(f"{PROJECTION}{each}.weight", ""), ()) for each in ("proj.2", "norm"))
    # diffusers calls two norms alike: the one over every patch, and the one over a few tokens of a face
    if norm and norm[:1] == last[:1] and "ff.net." in found[f"{PROJECTION}proj.2.weight"]:
        for end in ("weight", "bias"):
            found[f"{PROJECTION}proj.3.{end}"] = found.pop(f"{PROJECTION}norm.{end}")
    return found


def _original(name: str) -> str:
    for pattern, ours in _DIFFUSERS:
        name = re.sub(pattern, ours, name)
    return name


def _refuse_other_kinds(path: Path, names: Mapping[str, str]) -> None:
    if not any(name.startswith(PROJECTION) for name in names):
        raise AdapterError(
            f"{path.name} must be an IP-Adapter, however: it has no tensor image_proj.*, but "
            f"{', '.join([*names][:3])}"
        )
    for text, needs in (
        ("perceiver_resampler.", "FaceID Plus: it reads a face and its picture at once"),
        ("_lora.", "FaceID: it also changes weights, by LoRA"),
    ):
        found = next((own for own in names.values() if text in own), None)
        if found is not None:
            raise AdapterError(
                f"{path.name} must be an adapter that reads pictures or embeddings alone, however: "
                f"it is {needs} ({found})"
            )


def _layers(path: Path, shapes: Shapes, unet: Shapes) -> dict[str, tuple[str, str]]:
    """Each cross-attention layer and the file's two tensors for it."""
    layers = sites(unet)
    theirs = inverse(unet_names_of_original(unet))
    found: dict[str, tuple[str, str]] = {}
    for number, layer in enumerate(layers):
        start = (renamed(f"{layer}.", theirs) or "").removesuffix(".")
        for name in (
            f"ip_adapter.{2 * number + 1}.to_{{}}_ip.weight",
            f"{start}.processor.to_{{}}_ip.0.weight",
            f"unet.{start}.processor.to_{{}}_ip.0.weight",
        ):
            if name.format("k") in shapes and name.format("v") in shapes:
                found[layer] = (name.format("k"), name.format("v"))
    told = sum("to_k_ip." in name for name in shapes)
    if len(found) != len(layers) or told != len(layers):
        raise DoesNotFit(
            f"{path.name} must have keys for the {len(layers)} cross-attention layers of the UNet, "
            f"however: it has them for {told}"
        )
    return found


def _fit(path: Path, shapes: Shapes, unet: Shapes, told: tuple[str, Mapping[str, tuple[str, str]]]) -> None:
    family, layers = told
    for layer, names in layers.items():
        wanted = unet[f"{layer}.to_k.weight"]
        for name in names:
            if shapes[name] != wanted:
                made = FAMILIES.get(shapes[name][-1], f"tokens {shapes[name][-1]} wide")
                raise DoesNotFit(
                    f"{path.name}, made for {made}, must fit {family}, however: {name} has shape "
                    f"{list(shapes[name])}, and {layer} needs {list(wanted)}"
                )


def _must_give(path: Path, width: int, unet: Shapes, family: str) -> None:
    wanted = unet[f"{sites(unet)[0]}.to_k.weight"][-1]
    if width != wanted:
        raise DoesNotFit(
            f"the tokens of {path.name} must be {wanted} wide for {family}, "
            f"however: its projection makes {width}"
        )


def _joined(names: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """The projection's tensors by their own names; keys and values, which diffusers parts, together again."""
    found: dict[str, tuple[str, ...]] = {}
    for new, own in names.items():
        if new.startswith(PROJECTION) and ".0.to_v." not in new:
            both = new.replace(".0.to_k.", ".0.to_kv.")
            values = names.get(new.replace(".0.to_k.", ".0.to_v.")) if both != new else None
            found[both.removeprefix(PROJECTION)] = (own,) if values is None else (own, values)
    return found


def _stacked(shapes: list[tuple[int, ...]]) -> tuple[int, ...]:
    return (sum(shape[0] for shape in shapes), *shapes[0][1:]) if len(shapes) > 1 else shapes[0]
