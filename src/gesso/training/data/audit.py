"""The audit: what the loss will see of every picture, told before the first step, and refused if wrong."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import torch

from gesso.errors import NotFinite, RequestError
from gesso.training.data.buckets import fit
from gesso.training.data.latents import Latents
from gesso.training.data.pictures import Picture
from gesso.training.data.views import View, views
from gesso.training.data.wordings import tagged
from gesso.training.recipe import Training
from gesso.training.telling import Shortened, Telling

__all__ = ["Audit", "Entry", "Row", "audited"]

SHOWN = 5
CHUNK = 1024
ALIKE = 3
"""Signs of 64 in which two pictures that are nearly the same may differ."""


@dataclass(frozen=True)
class Entry:
    """A picture that is ready to be shown.

    Args:
        digest: of its bytes.
        role: train, prior or validation.
        caption: its first, as the loss sees it where nothing is moved or left out.
    """

    picture: Picture
    digest: str
    views: tuple[View, ...]
    role: str
    caption: str


@dataclass(frozen=True)
class Row:
    """What the loss will see of one picture.

    Args:
        captions: each as it is said, tags in their own order, cut to what is read.
        cut: what of them is not read, in words.
        tokens: of the longest.
        cropped: share that is cut off, 0…1.
        notes: what to look at.
    """

    file: str
    role: str
    repeats: int
    captions: tuple[str, ...]
    sources: tuple[str, ...]
    tokens: int
    cut: tuple[str, ...]
    original: tuple[int, int]
    bucket: tuple[int, int]
    cropped: float
    views: int
    notes: tuple[str, ...] = ()


@dataclass
class Audit:
    """What was found: a row for every picture, and the pictures themselves, ready."""

    rows: list[Row] = field(default_factory=list[Row])
    entries: list[Entry] = field(default_factory=list[Entry])
    problems: list[str] = field(default_factory=list[str])
    looks: list[torch.Tensor] = field(default_factory=list[torch.Tensor])

    def of(self, *roles: str) -> tuple[Entry, ...]:
        """The pictures of these roles."""
        return tuple(each for each in self.entries if each.role in roles)


def audited(
    pictures: Sequence[Picture], recipe: Training, latents: Latents, telling: Telling
) -> Iterator[Audit]:
    """Look at every picture, work out its latents where they are not kept, and say what was found.

    Yields:
        The audit so far, after every picture; in the end the whole.

    Raises:
        RequestError: pictures are broken, have no captions, or are too small: names them.
    """
    size = recipe.size or latents.model.identity.facts.defaults.size
    audit = Audit()
    for picture in pictures:
        try:
            _look(picture, recipe, (size, latents, telling), audit)
        except (RequestError, NotFinite) as error:
            audit.problems.append(str(error))
        yield audit
    _keep_back(recipe, audit)
    _compare(audit)
    _heard(recipe, audit)
    if audit.problems:
        more = f" (and {len(audit.problems) - SHOWN} more)" if len(audit.problems) > SHOWN else ""
        raise RequestError("; ".join(audit.problems[:SHOWN]) + more)


def _look(
    picture: Picture,
    recipe: Training,
    means: tuple[tuple[int, int], Latents, Telling],
    audit: Audit,
) -> None:
    size, latents, telling = means
    if not picture.wordings:
        raise RequestError(
            f"every picture must have a caption, however: {picture.file} has none"
            " (say data.caption, which may be empty, to train such pictures)"
        )
    digest = picture.digest
    fitted = fit(picture.size, recipe.buckets, size)
    shown = views(picture.kind, fitted, digest)
    seen = [latents(picture, view, digest) for view in shown]
    said = [telling.shortened(_said(each.text, recipe)) for each in picture.wordings]
    notes = [*_notes(said)]
    if fitted.enlarged:
        notes.append("enlarged")
    audit.entries.append(Entry(picture, digest, shown, picture.role, said[0].kept))
    audit.looks.append(seen[0].look)
    audit.rows.append(
        Row(
            file=picture.file,
            role=picture.role,
            repeats=picture.repeats,
            captions=tuple(each.kept for each in said),
            sources=tuple(dict.fromkeys(each.source for each in picture.wordings)),
            tokens=max(each.tokens for each in said),
            cut=tuple(each.cut for each in said if each.cut),
            original=fitted.original,
            bucket=fitted.bucket,
            cropped=fitted.cropped,
            views=len(shown),
            notes=tuple(notes),
        )
    )


def _said(text: str, recipe: Training) -> str:
    """A caption with nothing moved or left out."""
    return tagged(
        text, recipe.captions.model_copy(update={"shuffle": False, "tag_dropout": 0.0}), list.sort, bool
    )


def _keep_back(recipe: Training, audit: Audit) -> None:
    """Some training pictures are only looked at; their bytes decide which, so of the same set the same."""
    learnt = sorted({each.digest for each in audit.of("train")})
    kept = set(learnt[: round(recipe.validation.share * len(learnt))])
    for i, entry in enumerate(audit.entries):
        if entry.role == "train" and entry.digest in kept:
            audit.entries[i] = replace(entry, role="validation")
            audit.rows[i] = replace(audit.rows[i], role="validation")


def _notes(said: Sequence[Shortened]) -> Iterator[str]:
    if any(each.cut for each in said):
        yield "caption cut"
    if not any(each.kept for each in said):
        yield "no words"


def _heard(recipe: Training, audit: Audit) -> None:
    """A new word that no caption says would learn nothing."""
    word = (recipe.subject.word or recipe.title).casefold()
    captions = [text.casefold() for row in audit.rows if row.role == "train" for text in row.captions]
    if recipe.subject.kind == "words" and not any(word in text for text in captions):
        audit.problems.append(f"some caption must say the new word, however: none says {word!r}")


def _compare(audit: Audit) -> None:
    """Note of every picture which one before it is the same or looks like it."""
    if not audit.looks:
        return
    signs = torch.stack(audit.looks).float()
    for start in range(0, len(signs), CHUNK):
        part = signs[start : start + CHUNK]
        apart = part @ (1 - signs).T + (1 - part) @ signs.T
        for i, near in enumerate((apart <= ALIKE).tolist(), start):
            other = near.index(True)  # it is like itself at least
            if other < i:
                audit.rows[i] = _noted(audit, i, other)


def _noted(audit: Audit, i: int, other: int) -> Row:
    row, known = audit.rows[i], audit.rows[other]
    same = audit.entries[i].digest == audit.entries[other].digest
    leak = (row.role == "validation") != (known.role == "validation")
    note = f"{'the same as' if same else 'looks like'} {known.file}"
    return replace(row, notes=(*row.notes, note + (", learnt and validated" if leak else "")))
