"""Captions are told as prompts are, without meaning anything by brackets."""

from pathlib import Path

import pytest
import torch

from gesso.conditioning.sizes import Sizes
from gesso.generation.conditions import conditions
from gesso.generation.latents import Scene
from gesso.model import Model
from gesso.request import Request
from gesso.training.data.store import Store
from gesso.training.telling import Telling

SIZES = Sizes((64, 64), (64, 64))


def painted_with(model: Model, prompt: str) -> tuple[torch.Tensor, torch.Tensor | None]:
    request = Request(prompt=prompt, dialect="plain", size=(64, 64), cfg=1.0)
    cond = conditions(model, request, Scene((8, 8)), 4)[0].positive
    return cond.context, cond.vector


@pytest.mark.parametrize("family", ["sd1", "sd2", "sdxl"])
def test_a_caption_is_told_like_a_prompt(models: dict[str, Model], family: str, tmp_path: Path) -> None:
    model = models[family]
    said = ("a cat (in a box:2)", "a dog")
    for telling in (Telling(model), Telling(model, store=Store(tmp_path))):
        found = telling(said, (SIZES, SIZES))
        for row, caption in enumerate(said):
            context, vector = painted_with(model, caption)
            torch.testing.assert_close(found.context[row], context[0], rtol=1e-4, atol=1e-5)
            if vector is not None:
                assert found.vector is not None
                torch.testing.assert_close(found.vector[row], vector[0], rtol=1e-4, atol=1e-5)


def test_what_is_kept_is_to_the_bit_what_is_read(models: dict[str, Model], tmp_path: Path) -> None:
    first = Telling(models["sd1"], store=Store(tmp_path)).encoded(["a cat"])[0]
    again = Telling(models["sd1"], store=Store(tmp_path)).encoded(["a cat"])[0]
    assert torch.equal(first.context, again.context)


def test_long_and_short_captions_are_equally_long_together(models: dict[str, Model], tmp_path: Path) -> None:
    said = ("a cat", "cat " * 50)
    for telling in (Telling(models["sd1"]), Telling(models["sd1"], store=Store(tmp_path))):
        assert telling(said, (SIZES, SIZES)).context.shape[:2] == (2, 154)


def test_no_words_are_zeros_where_guidance_expects_them(models: dict[str, Model]) -> None:
    assert not Telling(models["sdxl"]).encoded([""])[0].context.any()
    assert Telling(models["sd1"]).encoded([""])[0].context.any()


def test_what_is_longer_than_is_read_is_cut_between_words(models: dict[str, Model]) -> None:
    telling = Telling(models["sd1"], windows=1)
    short = telling.shortened("a cat")
    assert (short.kept, short.cut) == ("a cat", "")
    text = " ".join(["cat"] * 100)
    found = telling.shortened(text)
    assert f"{found.kept} {found.cut}" == text
    assert telling.shortened(found.kept).cut == ""
    assert found.tokens > 75
    assert telling.encoded([found.kept])[0].context.shape[1] == 77
