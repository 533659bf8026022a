"""Assembly: the networks a file calls for, built without memory."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import torch
from torch import nn

from gesso.checkpoint.file import Checkpoint
from gesso.checkpoint.layouts import TINY_DECODER, TINY_ENCODER, original
from gesso.checkpoint.shapes import Shapes
from gesso.errors import CheckpointError, DoesNotFit, TensorMismatch
from gesso.families.accounting import account
from gesso.families.drawing import Drawing, must_match
from gesso.families.identify import Identity, identify, parts_missing
from gesso.families.towers import OTHER_PARTS, tower_homes
from gesso.families.vision import vision_drawing
from gesso.networks.autoencoder import Autoencoder
from gesso.networks.clip_text import ClipText
from gesso.networks.noise_augmentor import NoiseAugmentor
from gesso.networks.open_clip_text import OpenClipText
from gesso.networks.tiny_autoencoder import TinyDecoder, TinyEncoder
from gesso.networks.unet import UNet
from gesso.sampling.levels import ContinuousLevels, NoiseLevels, TrainedLevels

__all__ = ["Named", "drawings", "noise_levels"]

VAE = "first_stage_model."
WORDS = ("cond_stage_model.", "conditioner.", "embedder.")
"""Where whole checkpoints keep what reads words and pictures."""
SMALL: Mapping[str, Callable[[Shapes], nn.Module]] = {
    "encoder": TinyEncoder,
    "decoder": TinyDecoder,
    "preview": TinyDecoder,
    "augmentor": NoiseAugmentor,
}
"""Networks that are told by their tensors alone."""
SCALES = (".scale_weight", ".scale_input")
"""Beside 8-bit weights: what a weight is multiplied by, and what would scale 8-bit activations (not used).

Source: the `scaled_fp8` files of ComfyUI.
"""
STANDARD_TABLE_TOLERANCE = 5e-3
"""A stored noise table this close to the published one is a rounded copy (half precision keeps 3 digits)."""


@dataclass(frozen=True)
class Named:
    """Files that the user names for parts of a model.

    Args:
        vae: its autoencoder is taken instead; a tiny one's halves take the place of the halves.
        texts: their text encoders are taken instead.
        lender: a checkpoint of the same family that lends the parts that are nowhere else.
        previews: a tiny decoder that shows unfinished pictures.
    """

    vae: Path | None = None
    texts: tuple[Path, ...] = ()
    lender: Path | None = None
    previews: Path | None = None


def drawings(identity: Identity, named: Named = Named()) -> dict[str, Drawing]:
    """Every part of a model by its name: "unet", "vae", and the text encoders.

    A tiny autoencoder's halves are "encoder" and "decoder", before "vae"; "preview" is a decoder too.

    Raises:
        TensorMismatch: a part is missing, a tensor belongs to none, or a network needs others than there are.
        DoesNotFit: the lender is of another family, or a named file's part does not fit.
    """
    _all_known(identity)
    lent = None if named.lender is None else _lent(identity, named.lender)
    homes = _homes(lent) | _homes(identity) if lent is not None else _homes(identity)
    homes |= tower_homes(identity, named.texts, lent)
    if named.vae is not None:
        homes = _without_autoencoder(homes, named.vae, identity)
    if named.previews is not None:
        homes["preview"] = _preview(identity, named.previews)
    found = {part: _drawing(part, home) for part, home in homes.items()}
    _all_there(identity, found)
    for part, drawing in found.items():
        if isinstance(drawing.network, TinyEncoder | TinyDecoder):
            _must_have_channels(part, drawing.network.channels, identity)
    return found


def _must_have_channels(part: str, channels: int, identity: Identity) -> None:
    if channels != identity.latent_channels:
        raise DoesNotFit(
            f"a tiny {part} must have the {identity.latent_channels} channels of {identity.name}, however: "
            f"it has {channels}"
        )


def _homes(identity: Identity) -> dict[str, Identity]:
    """The parts that a file carries."""
    return {part: identity for part, names in identity.account.used.items() if names}


def _without_autoencoder(
    homes: Mapping[str, Identity], path: Path, identity: Identity
) -> dict[str, Identity]:
    """The same parts with another file's autoencoder, or the halves that it has of one."""
    named = _homes(_pictures(identity, path))
    if "vae" not in named and "encoder" not in named and "decoder" not in named:
        raise CheckpointError(
            f"{path} must hold an autoencoder, however: it has no tensor first_stage_model.* or "
            f"{TINY_DECODER}*, nor one under another name of these"
        )
    whole = "vae" in named or {"encoder", "decoder"} <= named.keys()
    dropped = {"vae", "encoder", "decoder"} if whole else set[str]()
    return {part: home for part, home in homes.items() if part not in dropped} | named


def _preview(identity: Identity, path: Path) -> Identity:
    found = _homes(_pictures(identity, path)).get("decoder")
    if found is None:
        raise CheckpointError(f"{path} must hold a tiny decoder, however: it has no tensor {TINY_DECODER}*")
    own = replace(found.account, used={"preview": found.account.used["decoder"]})
    return replace(found, account=own)


def _pictures(identity: Identity, path: Path) -> Identity:
    """The identity as if its autoencoder were that of a file, which may hold other known parts too."""
    view, _ = original(Checkpoint.open(path))
    parts = {"vae": VAE, "encoder": TINY_ENCODER, "decoder": TINY_DECODER}
    own = account(view.shapes, parts)
    unknown = [name for name in own.unknown if not name.startswith((*OTHER_PARTS, *WORDS))]
    if unknown:
        raise TensorMismatch(
            f"every tensor of {path.name} must belong to a part, however: {len(unknown)} do not, such as "
            f"{', '.join(unknown[:5])}"
        )
    return replace(identity, checkpoint=view, account=own)


def _all_known(identity: Identity) -> None:
    names = identity.account.unknown
    if names:
        raise TensorMismatch(
            f"every tensor must belong to a part of {identity.name}, however: {len(names)} do not, "
            f"such as {', '.join(names[:5])}"
        )


def _lent(identity: Identity, lender: Path) -> Identity:
    lent = identify(Checkpoint.open(lender))
    if lent.family is not identity.family:
        raise DoesNotFit(
            f"{lender.name} must be of family {identity.family.name}, however: it is {lent.name}"
        )
    _all_known(lent)
    return lent


def _all_there(identity: Identity, found: Mapping[str, Drawing]) -> None:
    missing = parts_missing(identity.family, found)
    if missing:
        vae = "name a file for the autoencoder (vae), or " if "vae" in missing else ""
        vae += "name files for the text encoders (text_encoders), or " if {*missing} - {"vae", "unet"} else ""
        raise TensorMismatch(
            f"{identity.checkpoint.path.name} must carry unet, vae and text encoder, however: it has no "
            f"{', no '.join(missing)}",
            hint=f"{vae}name a whole checkpoint of the family that lends what is missing (lender)",
        )


def _drawing(part: str, home: Identity) -> Drawing:
    checkpoint, prefix = home.checkpoint, home.prefixes["decoder" if part == "preview" else part]
    if part == "vision":
        return vision_drawing(checkpoint, prefix)
    tensors = {name.removeprefix(prefix): name for name in home.account.used[part]}
    scales = {own: tensors.pop(own) for own in list(tensors) if own.endswith(SCALES)}
    shapes = Shapes({own: checkpoint.shapes[name] for own, name in tensors.items()})
    with torch.device("meta"):
        network = _built(part, home, shapes)
    must_match(part, network, shapes)
    weights = {
        own.replace(SCALES[0], ".weight"): name for own, name in scales.items() if own.endswith(SCALES[0])
    }
    text = next((each for each in home.text if each.name == part), None)
    return Drawing(network, checkpoint, tensors, weights, text)


def _built(part: str, identity: Identity, shapes: Shapes) -> nn.Module:
    facts = identity.facts
    if part == "unet":
        return UNet(shapes, facts.heads)
    if part == "vae":
        return Autoencoder(shapes)
    if part in SMALL:
        return SMALL[part](shapes)
    text = next(each for each in identity.text if each.name == part)
    # every published text encoder has 64 channels a head; a narrow one may state its number
    heads = facts.heads if facts.heads_by == "metadata" else _heads_of_64
    if text.prefix.endswith("transformer."):
        return ClipText(shapes, heads, text.activation)
    return OpenClipText(shapes, heads)


def _heads_of_64(width: int) -> int:
    return max(1, width // 64)


def noise_levels(identity: Identity) -> NoiseLevels:
    """The noise levels a file was trained on."""
    facts = identity.facts
    if facts.levels.value == "continuous":
        return ContinuousLevels(*facts.sigma_range)
    levels = TrainedLevels.scaled_linear()
    stored = _stored_table(identity.checkpoint)
    if stored is not None:
        own = TrainedLevels.from_alphas_cumprod(stored)
        worst = max(abs(a / b - 1) for a, b in zip(own.sigmas, levels.sigmas, strict=True))
        levels = levels if worst < STANDARD_TABLE_TOLERANCE else own
    return levels.zero_terminal_snr() if facts.levels.value == "zero terminal SNR" else levels


def _stored_table(checkpoint: Checkpoint) -> list[float] | None:
    """The file's own noise table, unless it is absent, of another length, or stored too coarsely."""
    if checkpoint.shapes.get("alphas_cumprod") != (1000,):
        return None
    if checkpoint.dtypes["alphas_cumprod"] not in {"F32", "F64"}:
        return None
    ((_, table),) = checkpoint.tensors(["alphas_cumprod"])
    values = [float(value) for value in table]
    falling = all(1 > a > b > 0 for a, b in pairwise(values))
    return values if falling else None
