"""New words for prompts: textual inversion, in every program's files.

Source: Gal et al. 2022, arXiv:2208.01618; the files of AUTOMATIC1111's web UI (`string_to_param`), kohya
(`emb_params`), diffusers (the word itself as the tensor's name), and SDXL's pairs (`clip_l`, `clip_g`).
"""

from collections.abc import Generator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from gesso.adapters.site import Target
from gesso.checkpoint.file import Checkpoint
from gesso.errors import AdapterError, DoesNotFit
from gesso.model import Model

__all__ = ["Words", "learnt", "open_words", "table_of", "tensor_names"]

PAIR = ("clip_l", "clip_g")
FAMILIES: Mapping[int, str] = {768: "sd1", 1024: "sd2", 1280: "sdxl's second text encoder alone"}
"""What a file with vectors of one width was made for."""
TABLES = ("text_model.embeddings.token_embedding", "token_embedding")
LARGEST = 75
"""Vectors that one window of a published text encoder has room for."""


@dataclass(frozen=True)
class Words:
    """A file with a new word that fits a model.

    Args:
        word: what prompts call it: the file's name without its ending.
        tensors: text encoder → the name of its vectors in the file.
        vectors: how many tokens the word takes.
        family: what it was made for.
    """

    file: Checkpoint
    word: str
    tensors: Mapping[str, str]
    vectors: int
    family: str

    @property
    def families(self) -> frozenset[str]:
        """Names of the families it was made for."""
        return frozenset({self.family})

    def attached(self, model: Model) -> AbstractContextManager[None]:
        """Known to the model's text encoders while the block runs."""
        read = dict(self.file.tensors(set(self.tensors.values()), dtype=model.dtype, device=model.device))
        return learnt(model, self.word, {part: read[name] for part, name in self.tensors.items()})


@contextmanager
def learnt(model: Model, word: str, vectors: Mapping[str, Float[Tensor, "..."]]) -> Generator[None]:
    """A new word known to a model's text encoders while the block runs.

    Args:
        vectors: text encoder → one vector, or as many as the word takes tokens.
    """
    before = model.words
    handles: list[torch.utils.hooks.RemovableHandle] = []
    words = {part: dict(known) for part, known in before.items()}
    try:
        for part, each in vectors.items():
            table, known = table_of(model, part), words.setdefault(part, {})
            start = table.num_embeddings + sum(len(ids) for ids in known.values())
            rows = NewRows(start, torch.atleast_2d(each))
            known[word] = tuple(range(start, start + len(rows.rows)))
            handles += [
                model.networks[part].register_forward_pre_hook(rows.take),
                table.register_forward_hook(rows.put),
            ]
        model.words = words
        yield
    finally:
        model.words = before
        for handle in handles:
            handle.remove()


def table_of(model: Model, part: str) -> nn.Embedding:
    """A text encoder's table of known words."""
    table = model.networks[part].get_submodule(_table(part, Target.of(model)))
    assert isinstance(table, nn.Embedding)
    return table


class NewRows:
    """Rows behind the end of a text encoder's table, which itself stays as it is.

    Args:
        start: the id of the first.
        rows: [k d].
    """

    def __init__(self, start: int, rows: Float[Tensor, "k d"]) -> None:
        self.start = start
        self.rows = rows
        self.ids: Int[Tensor, "b n"] = torch.zeros((1, 1), dtype=torch.int64)

    def take(self, _: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Before the encoder reads: note where the new ids are, and put ids that the table knows there."""
        self.ids = inputs[0]
        return (torch.where(self._mine(), 0, inputs[0]), *inputs[1:])

    def put(self, _: nn.Module, __: tuple[Tensor, ...], output: Tensor) -> Tensor:
        """After the table was read: the new rows in their places."""
        own = self.rows.to(output.dtype)[(self.ids - self.start).clamp(0, len(self.rows) - 1)]
        return torch.where(self._mine()[..., None], own, output)

    def _mine(self) -> Tensor:
        return (self.ids >= self.start) & (self.ids < self.start + len(self.rows))


def open_words(path: Path, target: Target) -> Words:
    """Open a file and find the text encoders it is for, from its header alone.

    Raises:
        DoesNotFit: it was made for other text encoders; says which.
        AdapterError: it is no file of a new word.
        CheckpointError: the file is broken.
    """
    file = Checkpoint.open(path)
    names = tuple(file.shapes)
    pair = set(names) == set(PAIR)
    if any(len(shape) not in {1, 2} for shape in file.shapes.values()) or not (pair or len(names) == 1):
        raise AdapterError(
            f"{path.name} must hold the vectors of one new word, however: it has {len(names)} tensors, such "
            f"as {names[0]} of size {file.shapes[names[0]]}"
        )
    widths = {name: shape[-1] for name, shape in file.shapes.items()}
    family = "sdxl" if pair else FAMILIES.get(widths[names[0]], f"text encoders {widths[names[0]]} wide")
    tensors = _assigned(file, target, pair=pair)
    wanted = {part: target.parts[part][f"{_table(part, target)}.weight"][1] for part in target.texts}
    found = {part: widths[name] for part, name in tensors.items()}
    if found != wanted:
        raise DoesNotFit(
            f"{path.name}, made for {family}, must have a vector for every text encoder of {target.name}, "
            f"{_listed(wanted)} wide, however: it has {_listed(widths)}"
        )
    counts = {prod(file.shapes[name]) // widths[name] for name in tensors.values()}
    if len(counts) > 1 or not 1 <= max(counts) <= LARGEST:
        raise AdapterError(
            f"{path.name} must have 1 to {LARGEST} vectors, alike for every text encoder, however: {counts}"
        )
    return Words(file, path.stem, tensors, max(counts), family)


def _assigned(file: Checkpoint, target: Target, *, pair: bool) -> dict[str, str]:
    """Text encoder → tensor, as far as they match by their number."""
    if not pair:
        return {target.texts[0]: next(iter(file.shapes))} if target.texts else {}
    # the refiner has SDXL's second text encoder alone
    names = PAIR[1:] if target.family == "sdxl-refiner" else PAIR
    return dict(zip(target.texts, names, strict=False)) if len(names) == len(target.texts) else {}


def tensor_names(target: Target) -> dict[str, str]:
    """What new files call the vectors of each text encoder: kohya's name for one, SDXL's for a pair."""
    return dict(zip(target.texts, PAIR if len(target.texts) > 1 else ("emb_params",), strict=True))


def _table(part: str, target: Target) -> str:
    shapes = target.parts[part]
    return next(name for name in TABLES if f"{name}.weight" in shapes)


def _listed(widths: Mapping[str, int]) -> str:
    return " and ".join(str(width) for width in widths.values())
