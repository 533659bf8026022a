import base64
from pathlib import Path
from typing import Any

import pytest

from gesso.server.a1111_asks import Desk, sampling
from gesso.server.a1111_forms import Img2Img, Txt2Img
from gesso.server.catalogue import Catalogue
from gesso.server.refusals import Refused
from gesso.server.sent import Sent
from tests.server.serving import png, settings_in


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    settings = settings_in(tmp_path)
    return Desk(Catalogue(settings), Sent(settings.places, 10**7), {"CLIP_stop_at_last_layers": 2})


TEXT = base64.b64encode(png(size=(100, 60))).decode()


@pytest.mark.parametrize(
    ("name", "schedule", "found"),
    [
        ("Euler a", "automatic", ("euler_ancestral", None)),
        ("DPM++ 2M Karras", "", ("dpmpp_2m", "karras")),
        ("DPM++ 2M", "Karras", ("dpmpp_2m", "karras")),
        ("k_dpmpp_2m", "sgm_uniform", ("dpmpp_2m", "sgm_uniform")),
        ("euler", "Automatic", ("euler", None)),
        ("", "", (None, None)),
        ("", "karras", (None, "karras")),
    ],
)
def test_samplers_go_by_the_names_that_clients_send(name: str, schedule: str, found: tuple[str, str]) -> None:
    assert sampling(name, schedule) == found


@pytest.mark.parametrize(("name", "schedule"), [("Nothing", ""), ("Euler", "nothing")])
def test_unknown_ones_are_refused(name: str, schedule: str) -> None:
    with pytest.raises(Refused, match="not found"):
        sampling(name, schedule)


def test_a_form_becomes_a_request(desk: Desk) -> None:
    said = {
        "prompt": "a hat",
        "negative_prompt": "fog",
        "seed": -1,
        "subseed": 5,
        "subseed_strength": 0.5,
        "n_iter": 2,
        "batch_size": 2,
        "width": 99,
        "tiling": True,
    }
    form = Txt2Img.model_validate(said)
    model = desk.model(form)
    request = desk.painting(form, model)
    assert (request.prompt, request.negative, request.seed, request.count) == ("a hat", "fog", None, 4)
    assert (request.size, request.seamless, request.clip_skip) == ((96, 64), "both", 2)
    assert request.variation is not None
    assert (request.variation.seed, request.variation.strength) == (5, 0.5)
    own = desk.painting(Txt2Img(override_settings={"CLIP_stop_at_last_layers": 1}), model)
    assert own.clip_skip is None


@pytest.mark.parametrize(
    ("said", "size", "by", "steps", "upscaler"),
    [
        ({}, None, 2.0, 32, "latent"),
        ({"hr_second_pass_steps": 6, "hr_upscaler": "Nearest"}, None, 2.0, 12, "nearest"),
        ({"hr_resize_x": 128, "hr_upscaler": "4x_net.pth"}, (128, 192), None, 32, Path("4x_net.pth")),
        ({"hr_scale": 1.5, "denoising_strength": 0.0}, None, 1.5, None, "latent"),
    ],
)
def test_a_second_pass_follows(
    desk: Desk, said: dict[str, Any], size: object, by: float, steps: int, upscaler: object
) -> None:
    sizes = {"width": 64, "height": 96, "steps": 16, "denoising_strength": 0.5}
    form = Txt2Img.model_validate(
        {"enable_hr": True, **sizes, "hr_prompt": "a cat", "hr_sampler_name": "DDIM", **said}
    )
    (follow,) = desk.enlarged(form, desk.model(form)).then
    assert (follow.size, follow.source.by, follow.steps) == (size, by, steps)
    assert (follow.source.upscaler, follow.prompt, follow.sampler) == (upscaler, "a cat", "ddim")
    assert follow.source.strength == said.get("denoising_strength", 0.5)


def test_the_second_pass_may_be_like_the_first_or_by_another_model(desk: Desk) -> None:
    same = {"hr_checkpoint_name": "Use same checkpoint", "hr_sampler_name": "Use same sampler"}
    form = Txt2Img.model_validate({"enable_hr": True, **same, "hr_scheduler": "Use same scheduler"})
    (follow,) = desk.enlarged(form, desk.model(form)).then
    assert (follow.model, follow.sampler, follow.schedule) == (None, None, None)
    form = Txt2Img(enable_hr=True, hr_checkpoint_name="emoji", hr_cfg=3)
    (follow,) = desk.enlarged(form, desk.model(form)).then
    assert (follow.model, follow.cfg) == (Path("builtin/emoji.safetensors"), 3)


@pytest.mark.parametrize("mode", [0, 1, 2])
def test_a_picture_is_brought_to_the_size(desk: Desk, mode: int) -> None:
    said = {"init_images": [TEXT], "width": 64, "height": 64, "resize_mode": mode, "denoising_strength": 0.4}
    form = Img2Img.model_validate(said)
    request = desk.repainting(form, desk.model(form))
    assert request.size == (64, 64)
    assert request.source is not None
    assert request.source.strength == 0.4
    file = desk.sent.places.found(request.source.image)
    assert desk.sent.opened(file.read_bytes()).size == (64, 64)


@pytest.mark.parametrize(("invert", "paint"), [(0, "white"), (1, "black")])
def test_a_mask_says_where(desk: Desk, invert: int, paint: str) -> None:
    said = {"init_images": [TEXT], "mask": TEXT, "inpainting_mask_invert": invert, "inpainting_fill": 2}
    form = Img2Img.model_validate(said)
    source = desk.repainting(form, desk.model(form)).source
    assert source is not None
    assert source.mask is not None
    assert (source.mask.paint, source.mask.blur, source.fill, source.only_masked) == (
        paint,
        4.0,
        "noise",
        True,
    )


def test_control_units_become_controls(desk: Desk) -> None:
    unit = {
        "enabled": True,
        "module": "canny",
        "model": "canny [1234]",
        "image": TEXT,
        "threshold_a": 50,
        "control_mode": 1,
        "resize_mode": "Resize and Fill",
        "weight": 0.5,
    }
    scripts = {
        "ControlNet": {"args": [unit, {"enabled": False, "model": "x"}]},
        "ADetailer": {"args": [False]},
    }
    form = Txt2Img(alwayson_scripts=scripts)
    (control,) = desk.painting(form, desk.model(form)).controls
    assert (str(control.model), control.mode, control.resize, control.weight) == (
        "canny",
        "prompt",
        "fill",
        0.5,
    )
    assert (control.annotator, control.annotator_options) == ("canny", {"low": 50})
    assert control.image is not None


@pytest.mark.parametrize(
    "said",
    [
        {"script_name": "x/y/z plot"},
        {"alwayson_scripts": {"ADetailer": {"args": [True, {}]}}},
        {
            "alwayson_scripts": {
                "controlnet": {"args": [{"enabled": True, "model": "x", "module": "openpose"}]}
            }
        },
        {"alwayson_scripts": {"controlnet": {"args": [{"enabled": True, "model": "x", "control_mode": 7}]}}},
    ],
)
def test_scripts_that_are_not_there_are_refused(desk: Desk, said: dict[str, Any]) -> None:
    form = Txt2Img.model_validate(said)
    with pytest.raises(Refused) as refusal:
        desk.painting(form, desk.model(form))
    assert refusal.value.status == 422


def test_a_picture_is_needed_to_paint_over(desk: Desk) -> None:
    with pytest.raises(Refused, match="Init image not found"):
        desk.repainting(Img2Img(), desk.catalogue.default())
