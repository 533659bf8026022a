"""A new word in training (textual inversion): rows behind the end of the text encoders' tables.

Source: Gal et al. 2022, arXiv:2208.01618, section 3.2.
"""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

from gesso.adapters.site import Target
from gesso.adapters.words import learnt, table_of, tensor_names
from gesso.checkpoint.write import save
from gesso.errors import RequestError
from gesso.generation.conditions import tower
from gesso.model import Model
from gesso.networks.unet import Additions
from gesso.training.recipe import SubjectRules
from gesso.training.subjects.base import Asked, Saving, Use

__all__ = ["NewWord"]

SPREAD = 0.02
"""Of rows that start from no word, as embeddings of new models are drawn."""


class NewWord:
    """A new word's vectors in training.

    Args:
        model: its text encoders read the word; none of its weights change.
        word: what captions and prompts call it; also the name of its file.
        rules: what it starts from, and how many tokens it takes.
        generator: decides the first numbers where it starts from no word.
    """

    def __init__(self, model: Model, word: str, rules: SubjectRules, generator: torch.Generator) -> None:
        self.model = model
        self.word = word
        self.module = nn.ModuleDict()
        for part in model.identity.text:
            table = table_of(model, part.name)
            ids = tower(model, part).windowing.tokenizer(rules.start)
            count = max(rules.vectors, len(ids))
            rows = torch.randn(count, table.embedding_dim, generator=generator) * SPREAD
            if ids:
                known = table.weight.detach().float().cpu()
                rows = torch.stack([known[ids[i % len(ids)]] for i in range(count)])
            self.module[part.name] = nn.ParameterDict({"rows": nn.Parameter(rows.to(model.device))})
        if tower(model, model.identity.text[0]).windowing.tokenizer.words.get(word.casefold()):
            raise RequestError(f"a new word must be new, however: {word!r} is attached already")

    @contextmanager
    def learning(self) -> Generator[None]:
        """Known to the text encoders while the block runs."""
        rows = {part: self.module.get_parameter(f"{part}.rows") for part in self.module}
        with learnt(self.model, self.word, rows):
            yield

    def additions(self, asked: Asked) -> Additions | None:
        """Nothing: the word is heard."""
        del asked

    def use(self, path: Path) -> Use:
        """By the file's name, which is the word."""
        return Use(fields=lambda _: {"embeddings": ({"file": path},)})

    def write(self, path: Path, weights: Mapping[str, Tensor], saving: Saving) -> None:
        """Write a file as kohya does, for SDXL a pair."""
        names = tensor_names(Target.of(self.model))
        tensors = {name: weights[f"{part}.rows"] for part, name in names.items()}
        save(path, tensors, metadata=saving.metadata, dtype=saving.dtype or torch.float32)
