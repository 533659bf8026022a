"""Sites: every place of a model that an adapter can change, by all the names that programs have for it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from gesso.checkpoint.rename import inverse, open_clip_names, renamed, unet_names_of_original
from gesso.checkpoint.shapes import Shapes
from gesso.families.identify import Identity
from gesso.model import Model

__all__ = ["Site", "Target"]

PREFIXES: tuple[tuple[str, str], ...] = (
    ("base_model_model_text_encoder_2_", "text 2"),
    ("base_model_model_text_encoder_", "text 1"),
    ("base_model_model_unet_", "unet"),
    ("base_model_model_", "unet"),
    ("base_model_model_", "text 1"),
    ("model_diffusion_model_", "unet"),
    ("diffusion_model_", "unet"),
    ("lora_unet_", "unet"),
    ("lycoris_unet_", "unet"),
    ("lycoris_", "unet"),
    ("oft_unet_", "unet"),
    ("unet_", "unet"),
    ("lora_te1_", "text 1"),
    ("lora_te2_", "text 2"),
    ("lora_te_", "text 1"),
    ("oft_te1_", "text 1"),
    ("oft_te2_", "text 2"),
    ("oft_te_", "text 1"),
    ("text_encoder_2_", "text 2"),
    ("text_encoder_", "text 1"),
    ("text_encoders_clip_l_transformer_", "text 1"),
    ("text_encoders_clip_g_transformer_", "text 2"),
    ("clip_l_", "text 1"),
    ("clip_g_", "text 2"),
    ("", "unet"),
    ("", "text 1"),
)
"""How names of modules begin once every dot is an underscore, and which network they are of.

Source: files by kohya-ss/sd-scripts, LyCORIS, diffusers, peft, OneTrainer, SimpleTuner, and ComfyUI's generic
names, which are the checkpoint's own."""

ALIASES: tuple[tuple[str, str], ...] = (
    ("_to_out_0", "_to_out"),
    ("_self_attn_q_proj", "_self_attn_to_q"),
    ("_self_attn_k_proj", "_self_attn_to_k"),
    ("_self_attn_v_proj", "_self_attn_to_v"),
    ("_self_attn_out_proj", "_self_attn_to_out"),
)
"""What diffusers called these before 0.22, when adapters were attention processors."""

PACKED = ("q_proj", "k_proj", "v_proj")


@dataclass(frozen=True)
class Site:
    """A layer's weight as adapters see it: a whole tensor, or the rows of one that packs several layers.

    Args:
        part: whose network it is in, such as "unet".
        weight: the tensor's name in that network.
        shape: outputs first.
        bias: the tensor beside it, if the layer has one.
        rows: first and last + 1 of a packed tensor, bias included.
        transposed: the tensor has its inputs first.
    """

    part: str
    weight: str
    shape: tuple[int, ...]
    bias: str | None = None
    rows: tuple[int, int] | None = None
    transposed: bool = False

    @property
    def layer(self) -> str:
        """The layer's name in the network."""
        return self.weight.rpartition(".")[0]


@dataclass(frozen=True)
class Target:
    """What an adapter is put on, as far as names and sizes tell.

    Args:
        name: family and variant, such as "sd1-inpainting".
        family: the family alone.
        parts: every network's tensors.
        texts: its text encoders in order, by their parts' names.
        naming: whose names of the UNet's layers new files use.
    """

    name: str
    family: str
    parts: Mapping[str, Shapes]
    texts: tuple[str, ...]
    naming: Literal["original", "diffusers"] = "original"

    @staticmethod
    def of(model: Model) -> "Target":
        """A loaded model's places."""
        parts = {
            part: Shapes({name: tuple(each.shape) for name, each in network.named_parameters()})
            for part, network in model.networks.items()
        }
        return Target._of(model.identity, parts)

    @staticmethod
    def of_file(identity: Identity) -> "Target":
        """The same from a checkpoint's header, where it carries all its parts."""
        shapes = identity.checkpoint.shapes
        parts = {
            part: Shapes({name.removeprefix(identity.prefixes[part]): shapes[name] for name in names})
            for part, names in identity.account.used.items()
        }
        return Target._of(identity, parts)

    @staticmethod
    def _of(identity: Identity, parts: Mapping[str, Shapes]) -> "Target":
        texts = tuple(part.name for part in identity.text)
        return Target(identity.name, identity.family.name, parts, texts, identity.family.adapter_names)

    def site(self, module: str) -> Site | None:
        """The place that a module of an adapter file names, in any program's naming; None for no place."""
        flat = module.replace(".processor.", ".").replace(".", "_")
        for prefix, network in PREFIXES:
            found = self._sites.get(network, {}).get(flat.removeprefix(prefix))
            if found is not None and flat.startswith(prefix):
                return found
        return None

    def layers(self) -> Iterator[tuple[str, Site]]:
        """Every layer of the UNet, and of the text encoders' blocks, by the name that new files give it.

        Source: kohya-ss/sd-scripts, lora.py: diffusers' names for SD 1.x and 2.x, the checkpoint's for SDXL.
        """
        unet = self.parts.get("unet", Shapes({}))
        names = inverse(unet_names_of_original(unet)) if self.naming == "diffusers" else {}
        for layer, site in _layers("unet", unet):
            name = (renamed(site.weight, names) or site.weight).removesuffix(".weight") if names else layer
            yield f"lora_unet_{name.replace('.', '_')}", site
        for number, part in enumerate(self.texts, 1):
            prefix = "lora_te_" if len(self.texts) == 1 else f"lora_te{number}_"
            for name, site in _text(part, self.parts.get(part, Shapes({}))):
                if name.startswith("text_model.encoder.layers."):
                    yield prefix + name.replace(".", "_"), site

    @cached_property
    def _sites(self) -> dict[str, dict[str, Site]]:
        found = {"unet": _named(_unet(self.parts.get("unet", Shapes({}))))}
        for number, part in enumerate(self.texts, 1):
            found[f"text {number}"] = _named(_text(part, self.parts.get(part, Shapes({}))))
        return found


def _named(sites: Iterator[tuple[str, Site]]) -> dict[str, Site]:
    """By their names with underscores for dots, old names included."""
    found: dict[str, Site] = {}
    for name, site in sites:
        flat = name.replace(".", "_")
        found[flat] = site
        for end, alias in ALIASES:
            if flat.endswith(end):
                found[flat.removesuffix(end) + alias] = site
    return found


def _layers(part: str, shapes: Shapes) -> Iterator[tuple[str, Site]]:
    for name, shape in shapes.items():
        layer = name.removesuffix(".weight")
        if layer != name:
            bias = f"{layer}.bias"
            yield layer, Site(part, name, shape, bias if bias in shapes else None)


def _unet(shapes: Shapes) -> Iterator[tuple[str, Site]]:
    """Under the original's names and under diffusers'."""
    names = inverse(unet_names_of_original(shapes))
    for layer, site in _layers("unet", shapes):
        yield layer, site
        theirs = renamed(site.weight, names)
        if theirs is not None:
            yield theirs.removesuffix(".weight"), site


def _text(part: str, shapes: Shapes) -> Iterator[tuple[str, Site]]:
    """Under its own names and, where those are OpenCLIP's, also under Hugging Face's."""
    yield from _hugging_face(_layers(part, shapes))
    depth = shapes.count("transformer.resblocks")
    if not depth:
        return
    names = inverse(open_clip_names(depth))
    own = dict(_layers(part, shapes))
    theirs = ((renamed(site.weight, names), site) for site in own.values())
    named = ((name.removesuffix(".weight"), site) for name, site in theirs if name is not None)
    yield from _hugging_face(named)
    for i in range(depth):
        yield from _hugging_face(_packed(part, shapes, i))
    if "text_projection" in shapes:
        width, out = shapes["text_projection"]
        yield "text_projection", Site(part, "text_projection", (out, width), transposed=True)
    yield from _hugging_face(
        (theirs, Site(part, ours, shapes[ours]))
        for theirs, ours in (("text_model.embeddings.position_embedding", "positional_embedding"),)
        if ours in shapes
    )


def _packed(part: str, shapes: Shapes, i: int) -> Iterator[tuple[str, Site]]:
    """Queries, keys and values, which OpenCLIP keeps in one tensor."""
    name = f"transformer.resblocks.{i}.attn.in_proj"
    width = shapes[f"{name}_weight"][1]
    whole = Site(part, f"{name}_weight", (width, width), f"{name}_bias")
    for place, each in enumerate(PACKED):
        rows = (place * width, (place + 1) * width)
        yield f"text_model.encoder.layers.{i}.self_attn.{each}", replace(whole, rows=rows)


def _hugging_face(sites: Iterator[tuple[str, Site]]) -> Iterator[tuple[str, Site]]:
    """Also without `text_model.`, which newer versions of transformers leave out."""
    for name, site in sites:
        yield name, site
        if name.startswith("text_model."):
            yield name.removeprefix("text_model."), site
