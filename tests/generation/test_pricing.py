from dataclasses import replace

import pytest
import torch

from gesso.errors import RequestError
from gesso.generation.cost import denoising, work
from gesso.generation.planning import make_plan
from gesso.generation.pricing import ceiling, seconds, setting
from gesso.model import Model, load
from gesso.request import FollowUp, Request, Source
from gesso.runtime import machine as module
from gesso.runtime.profile import Point
from tests.models import save_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    path = tmp_path_factory.mktemp("models") / "model.safetensors"
    return load(save_model(path, "sd1"), device="cpu", dtype="float32", weights=False)


def test_steps_and_decoding_at_the_speeds_that_were_measured(model: Model) -> None:
    plan = make_plan(model, Request(seed=1, steps=4, count=2))
    point = Point(setting(model), "sd1", (64, 64), 2.0, 1.0, 1.0, 3.0, 0.5)
    stepping = denoising(model, plan)
    found = seconds(model, plan, [point])
    assert found == pytest.approx(stepping / 2 + (work(model, plan) - stepping) * 3)
    with pytest.raises(RequestError, match="profile of this machine"):
        seconds(model, plan, [replace(point, setting=replace(point.setting, dtype="float16"))])


def test_the_ceiling_is_of_the_numbers_whatever_the_kernels(model: Model) -> None:
    point = Point(replace(setting(model), kernels="others"), "sd2", (64, 64), 2.0, 1.0, 1.0, 3.0, 0.5)
    assert ceiling(model, [point, replace(point, ceiling=0.7)]) == 0.7
    assert ceiling(model, [replace(point, setting=replace(point.setting, dtype="float16"))]) is None


def test_rounded_weights_have_speeds_of_their_own(model: Model) -> None:
    plan = make_plan(model, Request(seed=1, steps=4))
    point = Point(setting(model), "sd1", (64, 64), 2.0, 1.0, 1.0, 3.0, 0.5)
    with pytest.raises(RequestError, match="with plain int8 kernels"):
        seconds(replace(model, quantize="int8"), plan, [point])


def test_resizing_takes_no_time(model: Model) -> None:
    plan = make_plan(model, Request(seed=1, then=(FollowUp(source=Source(by=2, strength=0.0)),)))
    assert seconds(model, plan.then[0], []) == 0.0


def test_a_card_has_speeds_of_its_own(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a card")
    assert setting(model).machine == module.machine()["cpu"]
    assert setting(replace(model, device=torch.device("cuda"))).machine == "a card"
