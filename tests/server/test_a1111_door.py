"""The field's client of the web UI's interface, unmodified, against our door."""

import base64
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest
import webuiapi
from PIL import Image

from gesso.server.keys import Keyring
from gesso.server.services import Services
from gesso.workers.table import JobTable, Listing
from tests.server.serving import Server, client_of, picture, serving, settings_in
from tests.workers.fakes import FakePainter

SIZE = {"width": 64, "height": 64}


def client_for(server: Server) -> webuiapi.WebUIApi:
    return webuiapi.WebUIApi(port=urlsplit(server.url).port, steps=2)


def test_words_become_pictures(served: Server) -> None:
    client = client_for(served)
    result = client.txt2img(prompt="a red hat", seed=7, n_iter=2, **SIZE)
    assert [image.size for image in result.images] == [(64, 64)] * 2
    assert result.info["all_seeds"] == [7, 8]
    assert result.info["sampler_name"] == "Euler a"
    assert result.info["infotexts"][0].startswith("a red hat\n")
    assert result.parameters["prompt"] == "a red hat"
    told = client.png_info(result.images[0])
    assert told.info.startswith("a red hat\n")
    again = client.txt2img(prompt="a red hat", seed=8, **SIZE)
    assert np.array_equal(again.image, result.images[1])


def test_a_picture_is_painted_again_larger(served: Server) -> None:
    client = client_for(served)
    said = {"prompt": "a red hat", "seed": 7, "hr_scale": 1.5, "denoising_strength": 0.5, **SIZE}
    result = client.txt2img(enable_hr=True, hr_second_pass_steps=2, **said)
    assert result.image.size == (96, 96)
    assert result.info["denoising_strength"] == 0.5
    assert result.info["extra_generation_params"]["Hires upscale"] == "1.5"
    told = client.png_info(result.image).info
    assert "Denoising strength: 0.5" in told
    assert "Hires upscale: 1.5, Hires steps: 2, Hires upscaler: Latent" in told


def test_a_mask_keeps_the_rest(served: Server) -> None:
    source = Image.fromarray(np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    mask = Image.new("L", (64, 64), 0)
    mask.paste(255, (32, 0, 64, 64))
    client = client_for(served)
    kept = client.img2img(
        [source], prompt="a hat", mask_image=mask, mask_blur=0, denoising_strength=1.0, **SIZE
    )
    found = np.asarray(kept.image.convert("RGB"))
    assert np.array_equal(found[:, :30], np.asarray(source)[:, :30])
    assert (found[:, 44:] != np.asarray(source)[:, 44:]).any()
    over = client.img2img([source], prompt="a hat", denoising_strength=0.5, **SIZE)
    assert over.image.size == (64, 64)


def test_a_control_model_acts(served: Server) -> None:
    edges = Image.new("RGB", (64, 64))
    edges.paste("white", (20, 20, 44, 44))
    unit = webuiapi.ControlNetUnit(image=edges, module="canny", model="canny")
    client = client_for(served)
    said = {"prompt": "a red hat", "seed": 7, "override_settings": {"sd_model_checkpoint": "emoji"}, **SIZE}
    with_it = client.txt2img(controlnet_units=[unit], **said)
    assert not np.array_equal(with_it.image, client.txt2img(**said).image)
    assert client.controlnet_detect([edges], module="canny").image.size == (64, 64)


def test_pictures_grow(served: Server) -> None:
    client, image = client_for(served), Image.new("RGB", (8, 4))
    assert client.extra_single_image(image, upscaling_resize=4, upscaler_1="Lanczos").image.size == (32, 16)
    batch = client.extra_batch_images([image, image], upscaling_resize=2, upscaler_1="Nearest")
    assert [each.size for each in batch.images] == [(16, 8)] * 2
    with pytest.raises(RuntimeError, match="404"):
        client.extra_single_image(image, upscaler_1="SwinIR 4x")


def test_a_chosen_model_is_the_choosers_alone(served: Server, tmp_path: Path) -> None:
    client = client_for(served)
    client.util_set_model("tiny")
    assert client.util_get_current_model() == "tiny.safetensors"
    client.txt2img(prompt="a hat", **SIZE)
    assert served.table.listed(Listing(limit=1))[0].model == "tiny.safetensors"
    client.util_set_model("emoji")
    settings = settings_in(tmp_path)
    ring = Keyring(Services.of(settings).table.engine)
    keys = {name: {"authorization": f"Bearer {ring.add(name)}"} for name in ("ann", "bob")}
    doors = client_of(settings)
    skip = {"CLIP_stop_at_last_layers": 2}
    assert doors.post("/sdapi/v1/options", json=skip, headers=keys["ann"]).status_code == 200
    found = {name: doors.get("/sdapi/v1/options", headers=key).json() for name, key in keys.items()}
    assert [found[name]["CLIP_stop_at_last_layers"] for name in ("ann", "bob")] == [2, 1]


RECORDED: dict[str, dict[str, Any]] = {
    "Open WebUI": {"prompt": "a hat", "batch_size": 1, "width": 64, "height": 64, "steps": 2},
    "SillyTavern": {
        "url": "http://127.0.0.1:7860", "auth": "", "prompt": "a hat", "negative_prompt": "fog",
        "sampler_name": "DPM++ 2M", "scheduler": "Karras", "steps": 2, "cfg_scale": 7, "width": 64,
        "height": 64,
        "restore_faces": False, "enable_hr": True, "hr_upscaler": "Latent", "hr_scale": 2,
        "hr_additional_modules": [], "denoising_strength": 0.5, "hr_second_pass_steps": 0, "seed": -1,
        "override_settings": {"CLIP_stop_at_last_layers": 1, "sd_vae": ""},
        "override_settings_restore_afterwards": True, "clip_skip": 1, "save_images": True,
        "send_images": True, "do_not_save_grid": False, "do_not_save_samples": False,
    },
}  # fmt: skip
"""Bodies as these programs' published code writes them; their users choose the sizes."""


@pytest.mark.parametrize(("name", "side"), [("Open WebUI", 64), ("SillyTavern", 128)])
def test_bodies_of_other_clients_give_pictures(served: Server, name: str, side: int) -> None:
    basic = {"authorization": "Basic"}
    body = {**RECORDED[name], "override_settings": {"sd_model_checkpoint": "tiny"}}
    answer = httpx.post(f"{served.url}/sdapi/v1/txt2img", json=body, headers=basic, timeout=100)
    assert answer.status_code == 200
    (text,) = answer.json()["images"]
    assert picture(base64.b64decode(text)).size == (side, side)
    for path in (
        "options",
        "upscalers",
        "latent-upscale-modes",
        "sd-vae",
        "samplers",
        "schedulers",
        "sd-models",
    ):
        assert httpx.get(f"{served.url}/sdapi/v1/{path}", headers=basic, timeout=100).status_code == 200


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not true() and time.monotonic() < end:
        time.sleep(0.02)
    assert true()


def test_progress_is_told_and_interrupting_gives_what_there_is(tmp_path: Path) -> None:
    with serving(settings_in(tmp_path), FakePainter(pause=0.1)) as server:
        client = client_for(server)
        results: list[webuiapi.WebUIApiResult] = []
        asking = threading.Thread(target=lambda: results.append(client_for(server).txt2img(n_iter=50)))
        asking.start()
        until(lambda: client.get_progress()["state"]["job_no"] >= 1)
        found = client.get_progress()
        assert 0 < found["progress"] < 1
        assert found["eta_relative"] > 0
        client.interrupt()
        asking.join(60)
        assert 1 <= len(results[0].images) < 50
        until(lambda: client.get_progress()["state"]["job_count"] == 0)
        table: JobTable = server.table
        assert [job.state for job in table.listed(Listing())] == ["cancelled"]


def test_skipping_leaves_out_one_picture(tmp_path: Path) -> None:
    with serving(settings_in(tmp_path), FakePainter(pause=0.2)) as server:
        client = client_for(server)
        results: list[webuiapi.WebUIApiResult] = []
        asking = threading.Thread(target=lambda: results.append(client_for(server).txt2img(n_iter=3, seed=5)))
        asking.start()
        until(lambda: client.get_progress()["state"]["sampling_step"] > 0)
        client.skip()
        asking.join(60)
        assert len(results[0].images) == 2
        assert results[0].info["all_seeds"] in ([5, 6], [5, 7], [6, 7])


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("txt2img", {"sampler_name": "Nothing"}, 400),
        ("txt2img", {"override_settings": {"sd_model_checkpoint": "nothing"}}, 400),
        ("txt2img", {"restore_faces": True}, 422),
        ("txt2img", {"enable_hr": True, "hr_upscaler": "nothing"}, 400),
        ("txt2img", {"enable_hr": True, "hr_sampler_name": "nothing"}, 400),
        ("txt2img", {"subseed": 2**70, "subseed_strength": 0.5}, 422),
        ("img2img", {"init_images": ["http://127.0.0.1/x.png"]}, 400),
        ("img2img", {"init_images": []}, 404),
        ("options", {"sd_model_checkpoint": "nothing"}, 400),
        ("png-info", {"image": "nothing"}, 400),
        ("interrogate", {}, 404),
    ],
)
def test_errors_have_the_web_uis_form(
    tmp_path: Path, path: str, body: dict[str, object], status: int
) -> None:
    answer = client_of(settings_in(tmp_path)).post(f"/sdapi/v1/{path}", json=body)
    assert answer.status_code == status
    assert set(answer.json()) == {"error", "detail", "body", "errors"}
