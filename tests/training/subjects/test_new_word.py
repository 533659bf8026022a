"""A new word begins as the words it starts from, and its file says to painting what training heard."""

from pathlib import Path

import pytest
import torch

from gesso.adapters.site import Target
from gesso.adapters.words import learnt, open_words
from gesso.errors import RequestError
from gesso.model import Model
from gesso.training.recipe import SubjectRules
from gesso.training.subjects.base import Asked, Saving
from gesso.training.subjects.new_word import NewWord
from gesso.training.telling import Telling


def made(model: Model, word: str = "zork", **rules: object) -> NewWord:
    asked = SubjectRules.model_validate({"kind": "words", **rules})
    return NewWord(model, word, asked, torch.Generator().manual_seed(0))


@pytest.mark.parametrize("family", ["sd1", "sdxl"])
@torch.no_grad()
def test_training_and_painting_hear_the_same(models: dict[str, Model], tmp_path: Path, family: str) -> None:
    model = models[family]
    subject, telling = made(model, start="the big dog"), Telling(model)
    with subject.learning():
        plain = telling.encoded(["a zork here"])[0].context
        torch.testing.assert_close(plain, telling.encoded(["a the big dog here"])[0].context)
        for weight in subject.module.parameters():
            weight.add_(torch.randn(weight.shape, generator=torch.Generator().manual_seed(1)), alpha=0.05)
        heard = telling.encoded(["a zork here"])[0].context
    assert float((heard - plain).abs().max()) > 1e-3
    path = tmp_path / "zork.safetensors"
    subject.write(path, dict(subject.module.named_parameters()), Saving())
    with open_words(path, Target.of(model)).attached(model):
        torch.testing.assert_close(telling.encoded(["a zork here"])[0].context, heard)
    assert subject.use(path).fields(None) == {"embeddings": ({"file": path},)}
    assert subject.additions(Asked(torch.zeros(1), torch.zeros(1), torch.zeros(1), None, None)) is None


def test_as_many_vectors_as_asked_and_small_ones_from_nothing(models: dict[str, Model]) -> None:
    rows = dict(made(models["sd1"], vectors=5).module.named_parameters())["text.rows"]
    assert rows.shape == (5, 64)
    assert 0.01 < float(rows.detach().std()) < 0.03
    assert len(dict(made(models["sd1"], vectors=3, start="dog").module.named_parameters())["text.rows"]) == 3


def test_a_word_that_is_there_already_is_refused(models: dict[str, Model]) -> None:
    with learnt(models["sd1"], "zork", {"text": torch.zeros(64)}), pytest.raises(RequestError, match="zork"):
        made(models["sd1"])
