"""A set-up completes its recipe, and refuses what cannot work before anything runs."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from gesso.errors import RequestError
from gesso.runtime.kept import taken
from gesso.training.lesson import Painting
from gesso.training.loop import Turn
from gesso.training.needs import needs
from gesso.training.record import Record
from gesso.training.setup import opened, saving
from tests.models import save_model
from tests.training import made


def test_what_the_recipe_leaves_open_the_model_decides(files: dict[str, Path], tmp_path: Path) -> None:
    asked = made.recipe(files["sd1"], tmp_path, tmp_path / "run", size=None, dtype="auto")
    full = opened(asked).recipe
    assert (full.size, full.device, full.objective.prediction) == ((64, 64), "cpu", "epsilon")
    assert full.dtype in {"float32", "bfloat16"}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"objective": {"prediction": "v"}}, "only a full training"),
        ({"objective": {"noise": {"zero_terminal_snr": True}}}, "zero terminal"),
        ({"buckets": {"step": 12}}, "multiple of 8"),
        ({"subject": {"kind": "control"}}, "hints"),
    ],
)
def test_contradictions_are_refused(
    files: dict[str, Path], tmp_path: Path, fields: dict[str, Any], words: str
) -> None:
    with pytest.raises(RequestError, match=words):
        opened(made.recipe(files["sd1"], tmp_path, tmp_path / "run", **fields))


def test_models_that_are_not_trained_are_refused(files: dict[str, Path], tmp_path: Path) -> None:
    instruct = save_model(tmp_path / "i.safetensors", "sd1-instruct")
    with pytest.raises(RequestError, match="sd1-instruct"):
        opened(made.recipe(instruct, tmp_path, tmp_path / "run"))
    tensors = load_file(files["sd1"])
    save_file({**tensors, "edm_mean": torch.zeros(4), "edm_std": torch.ones(4)}, tmp_path / "edm.safetensors")
    with pytest.raises(RequestError, match="whole times"):
        opened(made.recipe(tmp_path / "edm.safetensors", tmp_path, tmp_path / "run"))


def test_a_full_training_may_change_what_is_named(files: dict[str, Path], tmp_path: Path) -> None:
    made.album(tmp_path / "p", 1)
    rules = {"prediction": "v", "noise": {"zero_terminal_snr": True}}
    asked = made.recipe(
        files["sd1"], tmp_path / "p", tmp_path / "run", subject={"kind": "full"}, objective=rules
    )
    setup = opened(asked)
    *_, audit = setup.audit()
    lesson = setup.ready(audit).lesson
    assert isinstance(lesson, Painting)
    assert lesson.objective.prediction == "v"
    assert float(lesson.objective.alphas_cumprod[-1]) < 1e-7
    saved = saving(setup.recipe, 5)
    assert saved.markers == ("ztsnr", "v_pred")
    assert saved.metadata["modelspec.prediction_type"] == "v"
    assert (saved.metadata["ss_steps"], saved.dtype) == ("5", None)
    assert saving(setup.recipe.model_copy(update={"save_dtype": "bfloat16"}), 5).dtype is torch.bfloat16


def test_an_adapter_learns_beside_rounded_weights(small: Path, tmp_path: Path) -> None:
    made.album(tmp_path / "p", 2)

    def learnt(kind: str) -> tuple[list[float], int]:
        asked = made.recipe(small, tmp_path / "p", tmp_path / kind, quantize=kind, run={"steps": 8}, batch=2)
        made.carried_out(asked)
        setup = opened(asked)
        weights = [each for network in setup.model.networks.values() for each in network.parameters()]
        *_, audit = setup.audit()
        assert needs(setup.ready(audit)).weights > sum(map(taken, weights)) > 0
        return [row["loss"] for row in Record(tmp_path / kind / "losses.jsonl").rows()], sum(
            map(taken, weights)
        )

    (plain, whole), (rounded, less) = learnt("none"), learnt("int8")
    assert less < 0.7 * whole
    assert rounded != plain
    assert rounded == pytest.approx(plain, rel=0.05)
    learnt_of = load_file(tmp_path / "int8" / "int8.safetensors")
    assert all(each.any() for name, each in learnt_of.items() if name.endswith("lora_up.weight"))


@pytest.mark.parametrize("kind", ["full", "decoder", "control"])
def test_what_is_trained_itself_is_not_rounded(tmp_path: Path, kind: str) -> None:
    with pytest.raises(ValueError, match="quantize must come with something that is trained beside a model"):
        made.recipe(None, tmp_path, tmp_path / "run", subject={"kind": kind}, quantize="int8")


def test_where_nothing_is_left_to_learn_nothing_begins(files: dict[str, Path], tmp_path: Path) -> None:
    made.album(tmp_path / "p", 1)
    setup = opened(made.recipe(files["sd1"], tmp_path / "p", tmp_path / "run"))
    *_, audit = setup.audit()
    audit.entries.clear()
    with pytest.raises(RequestError, match="kept back"):
        setup.ready(audit)


def test_a_compiled_run_loses_what_a_plain_one_does(
    files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made.album(tmp_path / "p", 1)
    called: list[torch.nn.Module] = []
    monkeypatch.setattr(torch, "compile", lambda network, **_: called.append(network) or network)

    def loss(folder: str, *, compiled: bool) -> torch.Tensor:
        asked = made.recipe(
            files["sd1"], tmp_path / "p", tmp_path / folder, subject={"kind": "full"}, compiled=compiled
        )
        setup = opened(asked)
        *_, audit = setup.audit()
        ready = setup.ready(audit)
        turn = Turn(0, torch.Generator().manual_seed(1))
        batch = ready.album.batch(turn)
        with ready.learning():
            return ready.lesson.losses(batch, ready.lesson.draws(batch, turn.generator)).detach()

    torch.testing.assert_close(loss("a", compiled=True), loss("b", compiled=False), rtol=1e-4, atol=1e-5)
    assert len(called) == 1


@pytest.mark.parametrize("fields", [{"subject": {"kind": "lora"}}, {"recompute": "blocks"}])
def test_only_whole_networks_are_compiled(fields: dict[str, Any], tmp_path: Path) -> None:
    rules = {"subject": {"kind": "full"}, "compiled": True, **fields}
    with pytest.raises(ValueError, match="compiled must come with full"):
        made.recipe(None, tmp_path, tmp_path / "run", **rules)
