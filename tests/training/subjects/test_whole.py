"""A trained checkpoint is its file with other numbers: nothing else changes, to the bit."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from gesso.checkpoint.file import Checkpoint
from gesso.families.identify import identify
from gesso.model import Model, load
from gesso.training.subjects.base import Asked, Saving
from gesso.training.subjects.whole import Whole
from tests.training.made import opened_model


@pytest.fixture
def model(files: dict[str, Path]) -> Model:
    return opened_model(files["sd1"])


def weights(subject: Whole) -> dict[str, torch.Tensor]:
    return {name: weight.detach() for name, weight in subject.module.named_parameters()}


def test_what_was_not_trained_stays_as_it_is(model: Model, files: dict[str, Path], tmp_path: Path) -> None:
    subject, path = Whole(model, ("unet",)), tmp_path / "new.safetensors"
    changed = {name: weight + 1 for name, weight in weights(subject).items()}
    subject.write(path, changed, Saving({"modelspec.title": "new"}))
    before, after = load_file(files["sd1"]), load_file(path)
    assert before.keys() == after.keys()
    for name, tensor in before.items():
        moved = 1 if name.startswith("model.diffusion_model.") else 0
        torch.testing.assert_close(after[name], tensor + moved if moved else tensor, rtol=0, atol=1e-6)
    metadata = Checkpoint.open(path).metadata
    assert metadata["modelspec.title"] == "new"
    assert metadata["gesso.defaults"]
    assert subject.use(path).model == path
    assert subject.additions(Asked(torch.zeros(1), torch.zeros(1), torch.zeros(1), None, None)) is None


def test_parts_of_networks_are_trained_alone(model: Model, files: dict[str, Path], tmp_path: Path) -> None:
    subject, path = Whole(model, ("vae.post_quant_conv", "vae.decoder")), tmp_path / "new.safetensors"
    subject.write(path, {name: weight + 1 for name, weight in weights(subject).items()}, Saving())
    before, after = load_file(files["sd1"]), load_file(path)
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved
    assert {".".join(name.split(".")[:2]) for name in moved} == {
        "first_stage_model.decoder",
        "first_stage_model.post_quant_conv",
    }


def test_types_are_as_asked_and_markers_are_there(model: Model, tmp_path: Path) -> None:
    subject, path = Whole(model, ("unet",)), tmp_path / "new.safetensors"
    saving = Saving({"modelspec.prediction_type": "v"}, torch.bfloat16, ("ztsnr", "v_pred"))
    subject.write(path, weights(subject), saving)
    file = Checkpoint.open(path)
    assert file.dtypes["model.diffusion_model.out.2.weight"] == "BF16"
    assert file.dtypes["first_stage_model.decoder.conv_in.weight"] == "F32"
    facts = identify(file).facts
    assert (facts.prediction.value, facts.levels.value) == ("v", "zero terminal SNR")


def test_borrowed_parts_come_along_and_scales_go(files: dict[str, Path], tmp_path: Path) -> None:
    bare = {
        name: tensor for name, tensor in load_file(files["sd1"]).items() if "first_stage_model" not in name
    }
    save_file(bare, tmp_path / "bare.safetensors")
    model = load(tmp_path / "bare.safetensors", vae=files["sd1"], device="cpu", dtype="float32")
    subject, path = Whole(model, ("unet",)), tmp_path / "new.safetensors"
    subject.write(path, weights(subject), Saving())
    assert load_file(path).keys() == load_file(files["sd1"]).keys()
    assert opened_model(path).vae is not None


def test_gradients_are_let_through_only_meanwhile_and_fresh_weights_are_others(model: Model) -> None:
    before = model.networks["unet"].get_parameter("time_embed.0.weight").clone()
    subject = Whole(model, ("unet",), torch.Generator().manual_seed(0))
    assert not torch.equal(model.networks["unet"].get_parameter("time_embed.0.weight"), before)
    with subject.learning():
        assert all(weight.requires_grad for weight in model.networks["unet"].parameters())
        assert not any(weight.requires_grad for weight in model.vae.parameters())
    assert not any(weight.requires_grad for weight in model.networks["unet"].parameters())
