"""Recipes get the subject they ask for."""

from pathlib import Path
from typing import Any

import pytest

from gesso.model import Model
from gesso.training.subjects.control import Control
from gesso.training.subjects.low_rank import LowRank
from gesso.training.subjects.new_word import NewWord
from gesso.training.subjects.table import BOTH_WAYS, subject_of, trains_text
from gesso.training.subjects.tiny import Tiny
from tests.training.made import recipe


@pytest.mark.parametrize(
    ("rules", "kind", "parts", "text"),
    [
        ({"kind": "lora"}, LowRank, {"unet"}, False),
        ({"kind": "lokr", "text": True, "unet": False}, LowRank, {"text"}, True),
        ({"kind": "words"}, NewWord, {"text"}, True),
        ({"kind": "control", "text": True}, Control, {"control"}, False),
        ({"kind": "tiny", "text": True, "width": 8}, Tiny, {"decoder"}, False),
    ],
)
def test_every_kind_has_its_subject(
    models: dict[str, Model], tmp_path: Path, rules: dict[str, Any], kind: type, parts: set[str], text: bool
) -> None:
    asked = recipe(models["sd1"].path, tmp_path, tmp_path / "run", subject=rules)
    found = subject_of(asked, models["sd1"])
    assert isinstance(found, kind)
    assert {name.partition(".")[0] for name, _ in found.module.named_parameters()} == parts
    assert trains_text(asked) is text


@pytest.mark.parametrize(
    ("rules", "first"),
    [
        ({"kind": "full", "text": True}, {"unet", "text"}),
        ({"kind": "decoder"}, {"vae/decoder", "vae/post_quant_conv"}),
        ({"kind": "autoencoder"}, {f"vae/{each}" for each in BOTH_WAYS}),
    ],
)
def test_whole_networks_are_named_by_their_places(
    files: dict[str, Path], tmp_path: Path, rules: dict[str, Any], first: set[str]
) -> None:
    from tests.training.made import opened_model

    asked = recipe(files["sd1"], tmp_path, tmp_path / "run", subject=rules)
    found = subject_of(asked, opened_model(files["sd1"]))
    assert {name.partition(".")[0] for name, _ in found.module.named_parameters()} == first
