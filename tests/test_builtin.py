"""The checkpoint that comes with gesso: one file, complete, and it paints what is asked."""

from pathlib import Path

import numpy as np
import pytest

import gesso
from gesso.checkpoint.file import Checkpoint
from gesso.families.identify import identify
from gesso.model import builtin


@pytest.fixture(scope="module")
def model() -> gesso.Model:
    return gesso.load(device="cpu")


def test_it_is_a_small_complete_v1_checkpoint() -> None:
    assert builtin().stat().st_size <= 40_000_000
    identity = identify(Checkpoint.open(builtin()))
    assert identity.family.name == "sd1"
    assert identity.missing == ()
    assert identity.account.unknown == ()
    assert identity.facts.defaults_by == identity.facts.prediction.by == "metadata"


def test_a_prompt_alone_gives_a_picture_of_its_own_size(model: gesso.Model) -> None:
    result = gesso.paint(model, gesso.Request(prompt="a red apple", seed=1))
    assert result.images[0].size == model.identity.facts.defaults.size


@pytest.mark.parametrize(
    ("background", "channel"), [("a red background", 0), ("a green background", 1), ("a blue background", 2)]
)
def test_it_understands_colours(background: str, channel: int, model: gesso.Model) -> None:
    seen = [
        np.asarray(gesso.paint(model, gesso.Request(prompt=f"a dog on {background}", seed=seed)).images[0])
        for seed in range(3)
    ]
    corners = np.concatenate([each[:6, :6].reshape(-1, 3) for each in seen]).mean(axis=0)
    assert corners.argmax() == channel


def test_a_picture_is_painted_again_from_the_file_alone(model: gesso.Model, tmp_path: Path) -> None:
    from gesso.generation.replay import compared, recalled
    from gesso.generation.result import Origin, save

    result = gesso.paint(model, gesso.Request(prompt="two cats", seed=5))
    first = save(result.images[0], result.requests[0], Origin.of(model), tmp_path / "first.png")
    again, request = recalled(first)
    second = save(gesso.paint(again, request).images[0], request, Origin.of(again), tmp_path / "second.png")
    assert compared(first, second) == "the same pixels"
