import gc
import os
import subprocess
import sys
import weakref
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

import gesso
from gesso.checkpoint.file import Checkpoint
from gesso.errors import DoesNotFit, NoDevice, TensorMismatch, UnknownName, Unsupported
from gesso.families.facts import PLAYGROUND
from gesso.families.family import LatentSpace
from gesso.generation.large import present
from gesso.model import Model, builtin, load
from gesso.networks.unet import UNet
from gesso.runtime.memory import held
from gesso.runtime.quantized import Quantized
from tests.headers import families, write_header
from tests.models import save_model

UNET = "model.diffusion_model."


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("models") / "model.safetensors", "sd1")


@pytest.fixture(scope="module")
def model(file: Path) -> Model:
    return load(file, device="cpu", dtype="float32")


def changed(file: Path, out: Path, without: str = "\0", more: Mapping[str, Tensor] | None = None) -> Path:
    """A copy of a file without some of its tensors and with others."""
    kept = {name: each for name, each in load_file(file).items() if not name.startswith(without)}
    save_file(kept | dict(more or {}), out)
    return out


def test_a_model_is_its_networks_ready_to_paint(model: Model, file: Path) -> None:
    assert set(model.networks) == {"unet", "vae", "text"}
    assert model.path == file
    assert model.vae is model.networks["vae"]
    assert model.denoiser.network is model.networks["unet"]
    for network in model.networks.values():
        assert not network.training
        assert {each.dtype for each in network.parameters()} == {torch.float32}
        assert not any(each.requires_grad or each.is_meta for each in network.parameters())


def test_loading_imports_neither_compiler_nor_what_only_some_requests_need() -> None:
    others = ("torch._dynamo", "sympy", "scipy.ndimage", "torchvision")
    code = (
        "import sys, gesso; gesso.load(device='cpu'); gesso.generate; "
        f"print([name for name in {others} if name in sys.modules])"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(gesso.__file__).parents[1])}
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert run.stdout == "[]\n"


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_networks_compute_in_the_type_that_was_asked_for(dtype: str, file: Path) -> None:
    found = load(file, device="cpu", dtype=dtype)
    kinds = {each.dtype for network in found.networks.values() for each in network.parameters()}
    assert kinds == {found.dtype} == {found.denoiser.dtype} == {getattr(torch, dtype)}


def test_weights_are_rounded_where_that_saves_memory(file: Path, model: Model) -> None:
    for name, least, most in (("int8", 0.25, 0.5), ("int4", 0.15, 0.4)):
        rounded = load(file, device="cpu", dtype="float32", quantize=name)
        assert least < present(rounded) / present(model) < most
        kinds = {
            part: any(isinstance(each, Quantized) for each in network.parameters())
            for part, network in rounded.networks.items()
        }
        assert kinds == {"unet": True, "text": True, "vae": False}
    with pytest.raises(UnknownName, match="int5"):
        load(file, quantize="int5")


def test_a_rounded_model_that_fits_need_not_wait(file: Path, model: Model) -> None:
    room = held(torch.device("cpu")) + int(present(model) * 1.3)
    # room for half of the weights, in which all of them are when they are rounded
    assert load(file, device="cpu", dtype="float32", memory=room).waiting
    assert not load(file, device="cpu", dtype="float32", memory=room, quantize="int8").waiting


@pytest.mark.parametrize(("name", "least"), [("int8", 45.0), ("int4", 25.0)])
def test_pictures_by_rounded_weights_stay_near(name: str, least: float) -> None:
    request = gesso.Request(prompt="three strawberries", steps=4, seed=3)
    whole, rounded = (
        np.asarray(gesso.paint(load(device="cpu", dtype="float32", quantize=each), request).images[0], float)
        for each in ("none", name)
    )
    off = float(np.square(whole - rounded).mean())
    assert off > 0
    assert 10 * np.log10(255**2 / off) > least


def test_an_outline_has_no_memory(file: Path, model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    tensors = Checkpoint.tensors

    def noted(self: Checkpoint, names: Iterable[str], **how: object) -> Iterator[tuple[str, Tensor]]:
        read.extend(names)
        return tensors(self, names, **how)

    monkeypatch.setattr(Checkpoint, "tensors", noted)
    found = load(file, device="cpu", dtype="float32", weights=False)
    assert read == ["alphas_cumprod"]
    for name, network in found.networks.items():
        shapes = {key: each.shape for key, each in network.state_dict().items()}
        assert all(each.is_meta for each in network.parameters())
        assert shapes == {key: each.shape for key, each in model.networks[name].state_dict().items()}


@pytest.mark.parametrize("space", [LatentSpace(0.18215), PLAYGROUND])
def test_scaling_latents_is_undone_by_unscaling(space: LatentSpace, model: Model) -> None:
    facts = replace(model.identity.facts, latent=space)
    found = replace(model, identity=replace(model.identity, facts=facts))
    unscaled = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0)) * 5
    latents = found.latents(unscaled)
    assert torch.allclose(found.unscaled(latents), unscaled, atol=1e-4)
    one = (unscaled[0, 2] - (space.mean or (0.0,) * 4)[2]) / (space.std or (1.0,) * 4)[2] * space.scale
    assert torch.allclose(latents[0, 2], one, atol=1e-6)


def test_a_missing_autoencoder_can_be_named_or_lie_beside(file: Path, tmp_path: Path) -> None:
    bare = changed(file, tmp_path / "bare.safetensors", "first_stage_model.")
    with pytest.raises(TensorMismatch, match="no vae") as error:
        load(bare, device="cpu")
    assert "(vae)" in error.value.hint
    other = save_model(tmp_path / "other.safetensors", "sd1", seed=1)
    named = load(bare, vae=other, device="cpu", dtype="float32")
    assert named.origins.vae == other
    weights = load_file(other)
    for name, tensor in named.vae.state_dict().items():
        assert torch.equal(tensor, weights[f"first_stage_model.{name}"])
    beside = other.rename(tmp_path / "bare.vae.safetensors")
    assert load(bare, device="cpu", dtype="float32").origins.vae == beside


def test_a_lender_is_remembered_and_must_be_kin(file: Path, tmp_path: Path) -> None:
    alone = changed(file, tmp_path / "alone.safetensors", "cond_stage_model.")
    assert load(alone, lender=file, device="cpu").origins.lender == file
    stranger = save_model(tmp_path / "xl.safetensors", "sdxl")
    with pytest.raises(DoesNotFit, match="must be of family sd1"):
        load(alone, lender=stranger, device="cpu")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"mystery.weight": torch.zeros(3)}, r"mystery\.weight"),
        ({f"{UNET}out.2.bias": torch.zeros(3)}, r"out\.2\.bias"),
    ],
)
def test_tensors_that_do_not_fit_are_named(
    more: dict[str, Tensor], said: str, file: Path, tmp_path: Path
) -> None:
    with pytest.raises(TensorMismatch, match=said):
        load(changed(file, tmp_path / "x.safetensors", more=more), device="cpu")


def test_averaged_weights_are_used_where_asked_for(file: Path, tmp_path: Path) -> None:
    averaged = {
        "model_ema." + name.removeprefix("model.").replace(".", ""): each + 1
        for name, each in load_file(file).items()
        if name.startswith(UNET)
    }
    path = changed(file, tmp_path / "x.safetensors", more=averaged)
    plain, ema = (load(path, ema=ema, device="cpu", dtype="float32") for ema in (False, True))
    assert (plain.origins.ema, ema.origins.ema) == (False, True)
    before, after = plain.networks["unet"].state_dict(), ema.networks["unet"].state_dict()
    assert all(torch.equal(after[name], before[name] + 1) for name in before)
    for name, each in plain.vae.state_dict().items():
        assert torch.equal(ema.vae.state_dict()[name], each)


def test_what_cannot_paint_is_refused_with_the_reason(tmp_path: Path) -> None:
    path = write_header(tmp_path / "x.safetensors", families()["lotus"][0])
    with pytest.raises(Unsupported, match="it is lotus, and it predicts depth"):
        load(path)


def test_a_device_that_is_not_here_is_refused_before_anything_is_read(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Checkpoint, "tensors", lambda *_, **__: pytest.fail("tensors were read"))
    with pytest.raises(NoDevice):
        load(file, device="cuda:77")


@pytest.mark.parametrize(("prediction", "by"), [("epsilon", "user"), ("v", "user"), (None, "probe")])
def test_the_network_is_asked_only_where_nobody_knows(
    prediction: str | None, by: str, tmp_path: Path
) -> None:
    path = save_model(tmp_path / "x.safetensors", "sd2")
    found = load(path, prediction=prediction, device="cpu", dtype="float32")
    assert found.identity.facts.prediction.by == by
    assert prediction in {None, found.identity.facts.prediction.value}


def test_what_a_file_states_is_not_asked(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr("gesso.model.probe_prediction", forbidden)
    stated = save_model(tmp_path / "x.safetensors", "sd2", metadata={"modelspec.prediction_type": "v"})
    assert load(stated, device="cpu").identity.facts.prediction.by == "metadata"
    assert load(file, device="cpu").identity.facts.prediction.by == "family"


def test_switching_models_leaves_one_behind(file: Path, tmp_path: Path) -> None:
    other = save_model(tmp_path / "other.safetensors", "sd1", seed=1)
    seen: list[weakref.ref[torch.nn.Module]] = []
    held = None
    for turn in range(20):
        held = load((file, other)[turn % 2], device="cpu", dtype="float32")
        assert isinstance(held.networks["unet"], UNet)
        seen.append(weakref.ref(held.networks["unet"]))
    gc.collect()
    assert [each() is not None for each in seen] == [False] * 19 + [True]
    assert held is not None


def test_the_built_in_checkpoint_is_part_of_the_package() -> None:
    assert builtin().parent.parent.name == "gesso"


def test_named_text_encoders_are_remembered_and_read_as_they_are(file: Path) -> None:
    found = load(file, text_encoders=(file,), device="cpu", dtype="float32")
    assert found.origins.texts == (file,)
    assert found.identity.text[0].prefix == "cond_stage_model.transformer."


def test_a_model_is_as_fine_as_its_decoder(model: Model) -> None:
    assert model.factor == model.vae.factor == 8
    assert model.encoder is model.decoder is model.vae
