from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from gesso.checkpoint.file import Checkpoint
from gesso.errors import CheckpointError, DoesNotFit, TensorMismatch
from gesso.families.assembly import Named, drawings, noise_levels
from gesso.families.autoencoder_plan import tiny_decoder_shapes, tiny_encoder_shapes
from gesso.families.blueprint import checkpoint_shapes
from gesso.families.drawing import filled
from gesso.families.identify import identify
from gesso.sampling.levels import ContinuousLevels, TrainedLevels
from tests.models import PLANS, random_weights, save_model

CPU = torch.device("cpu")
UNET = "model.diffusion_model."


def weights(family: str = "sd1") -> dict[str, Tensor]:
    return random_weights(checkpoint_shapes(PLANS[family], buffers=False))


def saved(path: Path, tensors: Mapping[str, Tensor]) -> Path:
    save_file(dict(tensors), path, {"format": "pt"})
    return path


def test_every_weight_arrives_as_the_file_has_it(tmp_path: Path) -> None:
    tensors = weights()
    identity = identify(Checkpoint.open(saved(tmp_path / "x.safetensors", tensors)))
    found = {name: filled(each, CPU, torch.float32) for name, each in drawings(identity).items()}
    assert set(found) == {"unet", "vae", "text"}
    for name, network in found.items():
        for own, tensor in network.state_dict().items():
            assert torch.equal(tensor, tensors[identity.prefixes[name] + own])


def test_a_tensor_that_belongs_to_no_part_is_an_error(tmp_path: Path) -> None:
    path = saved(tmp_path / "x.safetensors", weights() | {"mystery.weight": torch.zeros(3)})
    with pytest.raises(TensorMismatch, match=r"1 do not, such as mystery\.weight"):
        drawings(identify(Checkpoint.open(path)))


def test_a_file_without_an_autoencoder_says_how_to_go_on(tmp_path: Path) -> None:
    tensors = {name: each for name, each in weights().items() if not name.startswith("first_stage_model.")}
    identity = identify(Checkpoint.open(saved(tmp_path / "x.safetensors", tensors)))
    with pytest.raises(TensorMismatch, match="no vae") as error:
        drawings(identity)
    assert "autoencoder" in error.value.hint
    whole = save_model(tmp_path / "whole.safetensors", "sd1")
    assert set(drawings(identity, Named(vae=whole))) == {"unet", "vae", "text"}


def test_a_unet_alone_borrows_what_it_lacks(tmp_path: Path) -> None:
    alone = {name.removeprefix(UNET): each for name, each in weights().items() if name.startswith(UNET)}
    identity = identify(Checkpoint.open(saved(tmp_path / "alone.safetensors", alone)))
    lender = save_model(tmp_path / "lender.safetensors", "sd1", seed=1)
    parts = drawings(identity, Named(lender=lender))
    assert parts["unet"].checkpoint.path.name == "alone.safetensors"
    assert parts["text"].checkpoint.path.name == parts["vae"].checkpoint.path.name == "lender.safetensors"
    stranger = save_model(tmp_path / "stranger.safetensors", "sdxl")
    with pytest.raises(DoesNotFit, match="must be of family sd1, however: it is sdxl"):
        drawings(identity, Named(lender=stranger))


def levels(tmp_path: Path, **extra: Tensor) -> TrainedLevels:
    path = saved(tmp_path / "x.safetensors", weights() | extra)
    found = noise_levels(identify(Checkpoint.open(path)))
    assert isinstance(found, TrainedLevels)
    return found


def test_a_rounded_copy_of_the_published_table_is_the_published_table(tmp_path: Path) -> None:
    standard = TrainedLevels.scaled_linear()
    table = torch.tensor(standard.alphas_cumprod)
    assert levels(tmp_path) == standard
    assert levels(tmp_path, alphas_cumprod=table) == standard
    assert levels(tmp_path, alphas_cumprod=table.half()) == standard


def test_a_table_of_its_own_is_used(tmp_path: Path) -> None:
    table = torch.tensor(TrainedLevels.scaled_linear().alphas_cumprod) ** 1.5
    own = levels(tmp_path, alphas_cumprod=table)
    assert own.sigma_max == pytest.approx(float(((1 - table[-1]) / table[-1]).sqrt()), rel=1e-4)


def test_a_table_that_does_not_fall_is_not_used(tmp_path: Path) -> None:
    assert levels(tmp_path, alphas_cumprod=torch.full((1000,), 0.5)) == TrainedLevels.scaled_linear()


def test_the_marker_asks_for_zero_terminal_snr(tmp_path: Path) -> None:
    found = levels(tmp_path, v_pred=torch.zeros(0), ztsnr=torch.zeros(0))
    assert found == TrainedLevels.scaled_linear().zero_terminal_snr()


def test_a_continuous_range_is_the_files_own(tmp_path: Path) -> None:
    tensors = weights("sdxl") | {f"edm_vpred.sigma_{end}": torch.zeros(()) for end in ("min", "max")}
    path = saved(tmp_path / "x.safetensors", tensors)
    found = noise_levels(identify(Checkpoint.open(path)))
    assert isinstance(found, ContinuousLevels)


def tiny_halves(width: int = 8, latents: int = 4) -> dict[str, Tensor]:
    """A tiny autoencoder as diffusers keeps it."""
    found = {f"encoder.layers.{n}": s for n, s in tiny_encoder_shapes(width, latents).items()}
    for name, shape in tiny_decoder_shapes(width, latents).items():
        number, _, end = name.partition(".")
        found[f"decoder.layers.{int(number) - 1}.{end}"] = shape
    return random_weights(found)


def test_a_tiny_decoder_takes_one_half_s_place(tmp_path: Path) -> None:
    identity = identify(Checkpoint.open(save_model(tmp_path / "x.safetensors", "sd1")))
    decoder = random_weights(tiny_decoder_shapes(8))
    parts = drawings(identity, Named(vae=saved(tmp_path / "taesd_decoder.safetensors", decoder)))
    assert set(parts) == {"unet", "vae", "decoder", "text"}
    found = filled(parts["decoder"], CPU, torch.float32).state_dict()
    assert all(torch.equal(found[name], each) for name, each in decoder.items())


def test_both_tiny_halves_take_the_whole_s_place(tmp_path: Path) -> None:
    bare = {name: each for name, each in weights().items() if not name.startswith("first_stage_model.")}
    tiny = saved(tmp_path / "taesd.safetensors", tiny_halves())
    for tensors in (weights(), bare):
        identity = identify(Checkpoint.open(saved(tmp_path / "x.safetensors", tensors)))
        assert set(drawings(identity, Named(vae=tiny))) == {"unet", "encoder", "decoder", "text"}
    # a checkpoint may carry them itself, as a diffusers folder does
    own = saved(tmp_path / "own.safetensors", bare | {f"vae.{n}": t for n, t in tiny_halves().items()})
    identity = identify(Checkpoint.open(own))
    assert identity.missing == ()
    assert set(drawings(identity)) == {"unet", "encoder", "decoder", "text"}


def test_a_tiny_decoder_shows_unfinished_pictures(tmp_path: Path) -> None:
    identity = identify(Checkpoint.open(save_model(tmp_path / "x.safetensors", "sd1")))
    decoder = saved(tmp_path / "d.safetensors", random_weights(tiny_decoder_shapes(8)))
    assert set(drawings(identity, Named(previews=decoder))) == {"unet", "vae", "preview", "text"}
    encoder = saved(tmp_path / "e.safetensors", random_weights(tiny_encoder_shapes(8)))
    with pytest.raises(CheckpointError, match="must hold a tiny decoder"):
        drawings(identity, Named(previews=encoder))


def test_a_file_of_pictures_has_no_tensor_of_no_part(tmp_path: Path) -> None:
    identity = identify(Checkpoint.open(save_model(tmp_path / "x.safetensors", "sd1")))
    with pytest.raises(CheckpointError, match="must hold an autoencoder"):
        drawings(identity, Named(vae=saved(tmp_path / "a.safetensors", {"betas": torch.zeros(3)})))
    strange = random_weights(tiny_decoder_shapes(8)) | {"mystery": torch.zeros(3)}
    with pytest.raises(TensorMismatch, match="1 do not, such as mystery"):
        drawings(identity, Named(vae=saved(tmp_path / "b.safetensors", strange)))
    other = saved(tmp_path / "c.safetensors", random_weights(tiny_decoder_shapes(8, latents=16)))
    with pytest.raises(DoesNotFit, match="must have the 4 channels of sd1, however: it has 16"):
        drawings(identity, Named(vae=other))
