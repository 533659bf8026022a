"""Text encoders in files of their own: found by their tensors, and given the place of a family's encoders.

Source: the layouts in which ComfyUI (`clip_l`, `clip_g`), Hugging Face (`text_encoder/`), OpenCLIP and whole
checkpoints have them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from pathlib import Path

from gesso.checkpoint.file import Checkpoint
from gesso.checkpoint.layouts import TINY_DECODER, TINY_ENCODER, original
from gesso.checkpoint.shapes import Shapes
from gesso.errors import CheckpointError, DoesNotFit, TensorMismatch
from gesso.families.accounting import account
from gesso.families.family import TextPart
from gesso.families.identify import PROJECTIONS, Identity, located
from gesso.families.signs import UNET

__all__ = ["TowerFile", "tower_homes", "towers"]

WORDS = "token_embedding.weight"
"""The table of words, which every text encoder has, in every layout."""
LAYOUTS = (("text_model.embeddings.", "transformer."), ("embeddings.", "transformer."), ("", "model."))
"""What stands before the table of words, and where a checkpoint keeps an encoder of that layout."""
OTHER_PARTS = (UNET, "first_stage_model.", TINY_DECODER, TINY_ENCODER)


@dataclass(frozen=True)
class TowerFile:
    """A text encoder in a file.

    Args:
        file: its tensors alone, named relative to it; in Hugging Face's layout with `text_model.`.
        place: "transformer." for Hugging Face's layout, "model." for OpenCLIP's.
    """

    file: Checkpoint
    place: str

    @property
    def width(self) -> int:
        """Of the words' features."""
        return next(shape for name, shape in self.file.shapes.items() if name.endswith(WORDS))[-1]

    @property
    def layers(self) -> int:
        """How many there are."""
        counts = ("text_model.encoder.layers", "transformer.resblocks")
        return max(self.file.shapes.count(each) for each in counts)

    @property
    def projection(self) -> int | None:
        """Width of the whole text as one vector; None without one."""
        shapes = self.file.shapes
        if self.place == "model.":
            return shapes.get("text_projection", (0, None))[1]
        return shapes.get("text_projection.weight", (None,))[0]


def towers(path: Path) -> tuple[TowerFile, ...]:
    """Every text encoder in a file.

    Raises:
        CheckpointError: there is none.
        TensorMismatch: a tensor belongs to no part that is known.
    """
    view, _ = original(Checkpoint.open(path))
    found = sorted(_places(view.shapes), key=lambda place: -len(place[0]))
    if not found:
        raise CheckpointError(
            f"{path} must hold a text encoder, however: it has no tensor that ends in {WORDS}"
        )
    left = {name: name for name in view.shapes if not name.startswith(OTHER_PARTS)}
    towers: list[TowerFile] = []
    for prefix, before, place in found:
        own = [name for name in left if name.startswith(prefix)]
        names = {_whole(name.removeprefix(prefix), before): left.pop(name) for name in own}
        towers.append(TowerFile(view.renamed(names), place))
    unknown = account(Shapes({name: view.shapes[name] for name in left}), {}).unknown
    if unknown:
        raise TensorMismatch(
            f"every tensor of {path.name} must belong to a part, however: {len(unknown)} do not, such as "
            f"{', '.join(unknown[:5])}"
        )
    return tuple(sorted(towers, key=lambda tower: tower.width))


def _places(shapes: Shapes) -> Iterator[tuple[str, str, str]]:
    """Where each encoder is, what stands before its words, and which layout that is."""
    for name in shapes:
        if name.endswith(WORDS):
            start = name.removesuffix(WORDS)
            before, place = next(each for each in LAYOUTS if start.endswith(each[0]))
            yield start.removesuffix(before), before, place


def _whole(name: str, before: str) -> str:
    """Newer versions of transformers leave `text_model.` out."""
    short = before == "embeddings." and not name.startswith(("text_projection", "logit_scale"))
    return f"text_model.{name}" if short else name


def tower_homes(identity: Identity, paths: Sequence[Path], lent: Identity | None) -> dict[str, Identity]:
    """Which file each named text encoder comes from, by the part whose place it takes.

    Args:
        identity: of the checkpoint.
        paths: files with one or several text encoders each.
        lent: a checkpoint that lends what is not named.

    Returns:
        For each part the checkpoint's identity as if the named file were it.

    Raises:
        DoesNotFit: the encoders are not those that this family reads with; says the widths.
        CheckpointError: a file has none.
    """
    found = [tower for path in paths for tower in towers(path)]
    if not found:
        return {}
    there = {part.name: _own(part, identity) or (lent and _own(part, lent)) for part in identity.family.text}
    parts = sorted(identity.family.text, key=lambda part: there[part.name] is not None)
    for chosen in permutations(parts, len(found)):
        homes = {part.name: _home(identity, part, tower) for part, tower in zip(chosen, found, strict=True)}
        known = {**there, **{part.name: tower for part, tower in zip(chosen, found, strict=True)}}
        if _fit(identity, known):
            return homes
    widths = " and ".join(str(tower.width) for tower in found)
    raise DoesNotFit(
        f"text encoders must be those of {identity.name}, {_asked(identity)}, however: those named are "
        f"{widths} wide",
        hint=f"named: {', '.join(path.name for path in paths)}",
    )


def _own(part: TextPart, identity: Identity) -> TowerFile | None:
    """A part of a checkpoint as if it were a file."""
    here = next(each for each in identity.text if each.name == part.name)
    names = identity.account.used.get(part.name, ())
    if not names:
        return None
    local = {name.removeprefix(here.prefix): name for name in names}
    place = "transformer." if here.prefix.endswith("transformer.") else "model."
    return TowerFile(identity.checkpoint.renamed(local), place)


def _fit(identity: Identity, known: Mapping[str, TowerFile | None]) -> bool:
    """Whether encoders give features as wide as the network reads, in a layout that is known for them."""
    towers = [(part, known[part.name]) for part in identity.family.text]
    widths = [tower.width for _, tower in towers if tower is not None]
    if len(widths) < len(towers):
        # what is missing altogether is told later
        return sum(widths) < identity.context_width
    pooled = [tower.projection for part, tower in towers if part.pooled and tower is not None]
    room = 0 if identity.vector_width is None else identity.vector_width - 256 * identity.family.scalars
    return (
        sum(widths) == identity.context_width
        and all(
            tower is None or part.activation == "gelu" or tower.place != "model." for part, tower in towers
        )
        and (not pooled or pooled == [room])
    )


def _asked(identity: Identity) -> str:
    count = len(identity.family.text)
    return f"{count} of them, {identity.context_width} wide in all"


def _home(identity: Identity, part: TextPart, tower: TowerFile) -> Identity:
    base = part.prefix.removesuffix("transformer.")
    prefix = base + tower.place
    view = tower.file.renamed({prefix + name: name for name in tower.file.shapes})
    here = located(replace(part, prefix=base), view.shapes)
    needed = [f"{prefix}{end}" for end in PROJECTIONS] if part.pooled else []
    own = account(view.shapes, {part.name: prefix}, needed)
    return replace(identity, checkpoint=view, text=(here,), account=own)
