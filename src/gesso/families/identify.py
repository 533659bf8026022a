"""Identify: from tensor names and shapes alone, what a file is, why, and what it is not."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from gesso.checkpoint.file import Checkpoint
from gesso.checkpoint.layouts import TINY_DECODER, TINY_ENCODER, original
from gesso.checkpoint.shapes import Shapes
from gesso.errors import UnknownFamily
from gesso.families.accounting import Account, account
from gesso.families.catalogue import FAMILIES
from gesso.families.facts import Facts, resolve
from gesso.families.family import Family, TextPart, Variant
from gesso.families.signs import UNET, Sign

__all__ = ["PROJECTIONS", "Identity", "identify", "located", "parts_missing"]


@dataclass(frozen=True)
class Identity:
    """What a checkpoint file is.

    Args:
        checkpoint: the file, its tensors under the original names.
        variant: the member of the family, such as "inpainting".
        edition: a well-known width and depth, or empty.
        evidence: what holds for the family and variant, in words.
        rejected: every other family with the first thing that contradicts it.
        notes: what was recognised or repaired on the way.
        facts: what shapes cannot tell, and which rule decided.
    """

    checkpoint: Checkpoint
    family: Family
    variant: Variant
    edition: str
    evidence: tuple[str, ...]
    rejected: Mapping[str, str]
    notes: tuple[str, ...]
    facts: Facts
    text: tuple[TextPart, ...]
    account: Account

    @property
    def name(self) -> str:
        """Family and variant, such as "sdxl" or "sd1-inpainting"."""
        plain = self.variant.name in {"base", self.family.name}
        return self.family.name if plain else f"{self.family.name}-{self.variant.name}"

    @property
    def prefixes(self) -> dict[str, str]:
        """Where each part's tensors are."""
        return part_prefixes(self.family, self.text)

    @property
    def latent_channels(self) -> int:
        """Channels of the latents, which the UNet gives out."""
        return self.checkpoint.shapes[f"{UNET}out.2.weight"][0]

    @property
    def vector_width(self) -> int | None:
        """Width of the pooled condition beside the time embedding, None without one."""
        shape = self.checkpoint.shapes.get(f"{UNET}label_emb.0.0.weight")
        return None if shape is None else shape[1]

    @property
    def context_width(self) -> int:
        """Width of the words' features that the UNet reads."""
        shapes = self.checkpoint.shapes
        return next(shape for name, shape in shapes.items() if name.endswith(".attn2.to_k.weight"))[-1]

    @property
    def missing(self) -> tuple[str, ...]:
        """Parts a picture needs that this file does not carry."""
        return parts_missing(self.family, {part for part, names in self.account.used.items() if names})


def parts_missing(family: Family, there: Collection[str]) -> tuple[str, ...]:
    """Parts a picture needs that are not there; two tiny halves make an autoencoder."""
    names = ("unet", "vae", *(part.name for part in family.text), *dict(family.parts))
    halves = {"encoder", "decoder"} <= {*there}
    return tuple(name for name in names if name not in there and not (name == "vae" and halves))


def identify(
    checkpoint: Checkpoint, *, ema: bool = False, prediction: str | None = None, wanted: str | None = None
) -> Identity:
    """Say what a checkpoint file is, from its header alone.

    Args:
        ema: take the averaged weights of a training checkpoint.
        prediction: the user's word on the prediction type; decides over everything else.
        wanted: the user's word on the family; tensors that contradict it are an error.

    Raises:
        UnknownFamily: no family's signs all hold; names the nearest and its first contradiction.
    """
    view, notes = original(checkpoint, ema=ema)
    against = {family.name: family.contradictions(view.shapes) for family in FAMILIES}
    family = _choose(against, checkpoint, wanted)
    variant = _variant(family, view.shapes)
    text = tuple(located(part, view.shapes) for part in family.text)
    prefixes = part_prefixes(family, text)
    pooled = [f"{prefixes[part.name]}{end}" for part in text if part.pooled for end in PROJECTIONS]
    edition = next((each.name for each in family.editions if _all_hold(each.signs, view.shapes)), "")
    return Identity(
        checkpoint=view,
        family=family,
        variant=variant,
        edition=edition,
        evidence=tuple(sign.text for sign in (*family.signs, *variant.signs)),
        rejected={name: found[0] for name, found in against.items() if found},
        notes=tuple(notes),
        facts=resolve(view, family, prediction),
        text=text,
        account=account(view.shapes, prefixes, pooled),
    )


PROJECTIONS = ("text_projection", "text_projection.weight")
"""Names of what makes one vector of a whole text, in both layouts."""


def part_prefixes(family: Family, text: tuple[TextPart, ...]) -> dict[str, str]:
    """Where each part's tensors are in a file of original names."""
    tiny = {"encoder": TINY_ENCODER, "decoder": TINY_DECODER}
    pictures = {"unet": UNET, "vae": "first_stage_model.", **tiny}
    return {**pictures, **{part.name: part.prefix for part in text}, **dict(family.parts)}


def _choose(against: Mapping[str, list[str]], checkpoint: Checkpoint, wanted: str | None) -> Family:
    members = [family for family in FAMILIES if not against[family.name]]
    if wanted is not None:
        members = [family for family in FAMILIES if family.name == wanted and not against[wanted]]
    if members:
        return members[0]
    nearest = (
        wanted
        if wanted is not None and wanted in against
        else min(against, key=lambda name: len(against[name]))
    )
    raise UnknownFamily(
        f"{checkpoint.path} must show the tensors of a known family, however: the nearest is {nearest}, "
        f"but {against[nearest][0]}",
        hint=f"known families: {', '.join(against)}",
    )


def _variant(family: Family, shapes: Shapes) -> Variant:
    found = next((each for each in family.variants if _all_hold(each.signs, shapes)), None)
    if found is None:
        says = next(
            say for sign in family.variants[0].signs if (say := sign.contradiction(shapes)) is not None
        )
        raise UnknownFamily(f"the file must be a known variant of {family.name}, however: {says}")
    return found


def _all_hold(signs: tuple[Sign, ...], shapes: Shapes) -> bool:
    return all(sign.contradiction(shapes) is None for sign in signs)


def located(part: TextPart, shapes: Shapes) -> TextPart:
    """The text part where this file has it: OpenCLIP's own layout (model.) or Hugging Face's (transformer.).

    Some exports cut the unused last block off: then the wanted state is the last one. Published OpenCLIP
    towers have 24 or 32 blocks, of which the last but one is used; a Hugging Face copy of ViT-H with 23
    layers has already lost the last.
    """
    if part.prefix.endswith((".model.", ".transformer.")):
        return part
    prefix = next(
        (p for p in (f"{part.prefix}transformer.", f"{part.prefix}model.") if shapes.under(p)), None
    )
    if prefix is None:
        return replace(part, prefix=f"{part.prefix}model.")
    layers = shapes.count(f"{prefix}text_model.encoder.layers")
    return replace(part, prefix=prefix, layer=-1 if layers == 23 else part.layer)
