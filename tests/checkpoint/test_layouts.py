from collections.abc import Callable

import pytest

from gesso.checkpoint.layouts import original
from gesso.checkpoint.rename import autoencoder_names, inverse, renamed, unet_names_of_original
from gesso.checkpoint.shapes import Shapes
from gesso.errors import TensorMismatch
from gesso.families.autoencoder_plan import (
    AutoencoderPlan,
    autoencoder_shapes,
    tiny_decoder_shapes,
    tiny_encoder_shapes,
)
from gesso.families.blueprint import SD1, SD2, SDXL, SDXL_REFINER, CheckpointPlan, checkpoint_shapes
from gesso.families.text_plan import ClipPlan, clip_shapes
from gesso.families.unet_plan import unet_shapes
from tests.files import table

UNET = "model.diffusion_model."
VAE = "first_stage_model."
Sizes = dict[str, tuple[int, ...]]


def prefixed(prefix: str, shapes: Sizes) -> Sizes:
    return {prefix + name: shape for name, shape in shapes.items()}


def diffusers_unet(plan: CheckpointPlan) -> Sizes:
    shapes = unet_shapes(plan.unet)
    back = inverse(unet_names_of_original(Shapes(shapes)))
    return {str(renamed(name, back)): shape for name, shape in shapes.items()}


def diffusers_vae() -> Sizes:
    back = inverse(autoencoder_names(4))
    shapes = autoencoder_shapes(AutoencoderPlan())
    flat = {name: shape[:2] if ".attn_1." in name else shape for name, shape in shapes.items()}
    return {str(renamed(name, back)): shape for name, shape in flat.items()}


def seen(shapes: Sizes) -> tuple[Sizes, list[str]]:
    view, notes = original(table(shapes))
    return dict(view.shapes), notes


@pytest.mark.parametrize("plan", [SD1, SD2, SDXL, SDXL_REFINER])
def test_original_files_stay_as_they_are(plan: CheckpointPlan) -> None:
    shapes = checkpoint_shapes(plan)
    assert seen(shapes) == (shapes, [])


@pytest.mark.parametrize("plan", [SD1, SD2, SDXL, SDXL_REFINER])
def test_diffusers_files_become_original(plan: CheckpointPlan) -> None:
    shapes = prefixed("unet.", diffusers_unet(plan)) | prefixed("vae.", diffusers_vae())
    found, notes = seen(shapes)
    assert found == prefixed(UNET, unet_shapes(plan.unet)) | prefixed(
        VAE, autoencoder_shapes(plan.autoencoder)
    )
    assert notes == [
        "UNet under 'unet.'",
        "UNet in diffusers' naming",
        "autoencoder under 'vae.'",
        "autoencoder in diffusers' naming",
    ]


@pytest.mark.parametrize("prefix", [UNET, "diffusion_model.", "model.model.", "net.", "unet.", ""])
@pytest.mark.parametrize("names", [lambda plan: unet_shapes(plan.unet), diffusers_unet])
def test_a_unet_under_any_prefix(prefix: str, names: Callable[[CheckpointPlan], Sizes]) -> None:
    found, _ = seen(prefixed(prefix, names(SD1)) | {"betas": (1000,)})
    assert found == prefixed(UNET, unet_shapes(SD1.unet)) | {"betas": (1000,)}


@pytest.mark.parametrize("prefix", [VAE, "vae.", ""])
@pytest.mark.parametrize("names", [lambda: autoencoder_shapes(AutoencoderPlan()), diffusers_vae])
def test_an_autoencoder_under_any_prefix(prefix: str, names: Callable[[], Sizes]) -> None:
    found, _ = seen(prefixed(prefix, names()) | {f"{prefix}loss.logvar": ()})
    assert found == prefixed(VAE, autoencoder_shapes(AutoencoderPlan()) | {"loss.logvar": ()})


def test_an_old_autoencoder_of_diffusers() -> None:
    old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    shapes: Sizes = {}
    for name, shape in diffusers_vae().items():
        ours = next((part for part in old if f"attentions.0.{part}." in name), None)
        shapes[name.replace(ours, old[ours]) if ours else name] = shape
    assert seen(shapes)[0] == prefixed(VAE, autoencoder_shapes(AutoencoderPlan()))


CLIP = clip_shapes(ClipPlan())


def test_text_encoders_of_diffusers() -> None:
    one, two = prefixed("text_encoder.", CLIP), prefixed("text_encoder_2.", CLIP)
    places = [f"conditioner.embedders.{i}.transformer." for i in (0, 1)]
    assert seen(one)[0] == prefixed("cond_stage_model.transformer.", CLIP)
    assert seen(two)[0] == prefixed(places[0], CLIP)
    assert seen(one | two)[0] == prefixed(places[0], CLIP) | prefixed(places[1], CLIP)


@pytest.mark.parametrize("place", ["cond_stage_model.transformer.", "conditioner.embedders.0.transformer."])
def test_text_encoders_without_text_model(place: str) -> None:
    old = {place + name.removeprefix("text_model."): shape for name, shape in CLIP.items()}
    found, notes = seen(old)
    assert found == prefixed(place, CLIP)
    assert notes == [f"text encoder without 'text_model.' under {place!r}"]


def test_sd_turbo_and_what_only_looks_like_it() -> None:
    norm, other = "conditioner.embedders.0.model.ln_final.weight", "conditioner.embedders.0.model.logit_scale"
    turbo = {norm: (1024,), other: ()}
    assert seen(turbo)[0] == {
        "cond_stage_model.model.ln_final.weight": (1024,),
        "cond_stage_model.model.logit_scale": (),
    }
    refiner = {norm: (1280,), other: ()}
    assert seen(refiner)[0] == refiner
    sdxl = turbo | {"conditioner.embedders.1.model.ln_final.weight": (1280,)}
    assert seen(sdxl)[0] == sdxl


def test_averages_only_on_request() -> None:
    raw, averaged = f"{UNET}out.2.bias", "model_ema.diffusion_modelout2bias"
    checkpoint = table({raw: (4,), averaged: (4,)})
    view, notes = original(checkpoint)
    assert view.header.entries == checkpoint.header.entries
    assert notes == ["averaged weights (model_ema.) are there and not used"]
    view, notes = original(checkpoint, ema=True)
    assert view.header.entries == {raw: checkpoint.header.entries[averaged]}
    assert notes == ["averaged weights (model_ema.) in place of the raw ones"]


def test_two_tensors_with_one_name() -> None:
    shapes = unet_shapes(SD1.unet)
    with pytest.raises(TensorMismatch, match="name of its own"):
        seen(shapes | {f"{UNET}out.2.bias": (4,)})


def test_a_view_copies_nothing() -> None:
    checkpoint = table(prefixed("unet.", diffusers_unet(SD1)))
    view, _ = original(checkpoint)
    assert {entry.start for entry in view.header.entries.values()} == {
        entry.start for entry in checkpoint.header.entries.values()
    }


@pytest.mark.parametrize("prefix", ["", "vae.", "first_stage_model."])
def test_tiny_autoencoders_in_diffusers_naming(prefix: str) -> None:
    """Its decoder's numbers begin at the first convolution, the published file's at a clamp before it."""
    out, into = tiny_decoder_shapes(), tiny_encoder_shapes()
    shifted = {f"{int(n.partition('.')[0]) - 1}.{n.partition('.')[2]}": size for n, size in out.items()}
    theirs = prefixed(f"{prefix}decoder.layers.", shifted) | prefixed(f"{prefix}encoder.layers.", into)
    wanted = prefixed("taesd_decoder.", out) | prefixed("taesd_encoder.", into)
    assert seen(theirs | {"other.x": (1,)}) == (
        wanted | {"other.x": (1,)},
        ["tiny autoencoder in diffusers' naming"],
    )
    assert seen(wanted) == (wanted, [])


def test_tiny_halves_alone_are_told_by_their_first_layers() -> None:
    for half, shapes in (("decoder", tiny_decoder_shapes()), ("encoder", tiny_encoder_shapes())):
        found = prefixed(f"taesd_{half}.", shapes)
        assert seen(shapes | {"x": (1,)}) == (found | {"x": (1,)}, [f"tiny {half} without a prefix"])


def test_what_diffusers_sees_pictures_with() -> None:
    theirs = {
        "image_encoder.vision_model.x": (1,),
        "image_normalizer.mean": (1, 8),
        "image_normalizer.std": (1, 8),
    }
    ours = {"embedder.model.vision_model.x": (1,), "noise_augmentor.data_mean": (1, 8)}
    found, notes = seen(theirs)
    assert found == ours | {"noise_augmentor.data_std": (1, 8)}
    assert notes == ["image encoder in diffusers' naming"]
    # other models' image encoders are no part of them
    assert seen({"image_encoder.vision_model.x": (1,)})[1] == []
