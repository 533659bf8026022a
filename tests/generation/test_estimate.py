from pathlib import Path

import pytest
import torch

from gesso.generation.estimate import Estimate, estimate
from gesso.model import Model, load
from gesso.request import Request
from tests.models import save_model


@pytest.fixture(scope="module")
def outlines(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Model]:
    folder = tmp_path_factory.mktemp("models")
    return {
        name: load(
            save_model(folder / f"{name}.safetensors", name), device="cpu", dtype="float32", weights=False
        )
        for name in ("sd1", "sdxl", "sd1-inpainting")
    }


def asked(model: Model, **more: object) -> Estimate:
    request = {"prompt": "a cat", "steps": 4, "cfg": 1.0, "sampler": "euler", "size": (64, 64), **more}
    return estimate(model, Request.model_validate(request))


@pytest.mark.parametrize("name", ["sd1", "sdxl", "sd1-inpainting"])
def test_work_is_linear_in_steps(name: str, outlines: dict[str, Model]) -> None:
    four, eight, twelve = (asked(outlines[name], steps=steps).tflop for steps in (4, 8, 12))
    assert four > 0
    assert eight - four == pytest.approx(twelve - eight)
    assert eight < 2 * four


def test_guidance_and_count_double_the_rows(outlines: dict[str, Model]) -> None:
    one, guided, two = (asked(outlines["sd1"], **more) for more in ({}, {"cfg": 7.0}, {"count": 2}))
    assert (one.evaluations, guided.evaluations, two.evaluations) == (4, 8, 8)
    assert two.tflop == pytest.approx(2 * one.tflop)
    assert one.tflop < guided.tflop < two.tflop


def test_larger_pictures_take_more_of_everything(outlines: dict[str, Model]) -> None:
    small, large = (asked(outlines["sd1"], size=size) for size in ((64, 64), (256, 256)))
    assert large.tflop > 16 * small.tflop
    assert large.memory_gb > small.memory_gb
    assert large.weights_gb == small.weights_gb
    assert large.seconds > 0


def test_weights_are_what_the_networks_hold(outlines: dict[str, Model]) -> None:
    model = outlines["sd1"]
    found = asked(model)
    numbers = sum(each.numel() for network in model.networks.values() for each in network.parameters())
    assert found.weights_gb == pytest.approx(numbers * 4 / 1e9)
    rounded = load(model.path, device="cpu", dtype="float32", weights=False, quantize="int8")
    assert 0.25 < asked(rounded).weights_gb / found.weights_gb < 0.6
    assert found.memory_gb > found.weights_gb


def test_a_convolutions_work_is_counted_exactly() -> None:
    from gesso.generation.estimate import _counted

    with torch.device("meta"):
        layer = torch.nn.Conv2d(3, 8, 3, padding=1, bias=False)
    cost = _counted(layer, lambda: layer(torch.empty(1, 3, 16, 16, device="meta")))
    assert cost.flop == 2 * 16 * 16 * 8 * 3 * 9
    assert cost.working == 2 * 4 * 16 * 16 * (3 + 8)


def test_the_text_says_what_the_data_says(outlines: dict[str, Model], tmp_path: Path) -> None:
    found = asked(outlines["sdxl"], seed=7, size=(96, 64))
    text = found.text()
    assert text.startswith("1 of 96x64, seed 7, cfg 1\n  base: 4 steps of euler, sigma 14.615 to 0.000\n")
    assert "4 evaluations" in text
    assert "float32 on cpu" in text
    assert Estimate.model_validate_json(found.model_dump_json()) == found
