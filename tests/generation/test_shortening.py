"""Whole pictures with work left out: counted, told, and painted again."""

import json
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from gesso.generation.cost import inner_work, work
from gesso.generation.estimate import estimate
from gesso.generation.generate import paint
from gesso.generation.planning import make_plan
from gesso.generation.result import Origin, Result, read_parameters, read_record, save
from gesso.model import Model, load
from gesso.request import Request
from tests.models import save_model

CACHED: dict[str, Any] = {"caching": {"every": 2, "depth": 1}}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    path = tmp_path_factory.mktemp("models") / "model.safetensors"
    return load(save_model(path, "sd1"), device="cpu", dtype="float32")


def asked(**shortcuts: Any) -> Request:
    fields = {"prompt": "a cat", "seed": 3, "steps": 5, "sampler": "dpmpp_2m", "cfg": 3.0}
    return Request.model_validate({**fields, "shortcuts": shortcuts})


def pixels(result: Result) -> bytes:
    return result.images[0].tobytes()


def inner_runs(model: Model, request: Request) -> tuple[Result, int]:
    """What is painted, and how many rows the middle of the network sees."""
    rows = 0

    def count(_: nn.Module, given: tuple[Any, ...]) -> None:
        nonlocal rows
        rows += given[0].shape[0]

    middle = model.denoiser.network.get_submodule("middle_block.0")
    handle = middle.register_forward_pre_hook(count)
    result = paint(model, request)
    handle.remove()
    return result, rows


@pytest.mark.parametrize(
    "nothing", [{"caching": {"every": 1}}, {"caching": {"threshold": 0.0}}, {"token_merging": 0.0}]
)
def test_nothing_left_out_is_the_same_picture(nothing: dict[str, Any], model: Model) -> None:
    plain, found = paint(model, asked()), paint(model, asked(**nothing))
    assert pixels(found) == pixels(plain)
    assert found.cost is not None
    assert plain.cost is not None
    assert found.cost.tflop == pytest.approx(plain.cost.tflop)


@pytest.mark.parametrize(
    ("shortcuts", "rows"),
    [
        (CACHED, 6),
        (CACHED | {"token_merging": 0.5}, 6),
        ({"caching": {"threshold": 100.0}}, 2),
        ({"token_merging": 0.5}, 10),
    ],
)
def test_what_is_left_out_is_counted_told_and_painted_again(
    shortcuts: dict[str, Any], rows: int, model: Model, tmp_path: Path
) -> None:
    request = asked(**shortcuts)
    plain, (found, ran) = paint(model, asked()), inner_runs(model, request)
    assert ran == rows
    assert pixels(found) != pixels(plain)
    assert found.cost is not None
    planned = make_plan(model, request)
    spared = (planned.passes[0].inner_evaluations - rows) * inner_work(model, planned)
    assert found.cost.tflop == pytest.approx(work(model, planned) - spared)
    assert found.cost.tflop < work(model, make_plan(model, asked()))
    path = save(found.images[0], found.requests[0], Origin.of(model), tmp_path / "a.png")
    told = read_record(path)["request"]
    assert json.dumps(told["shortcuts"]) == json.dumps(request.shortcuts.model_dump(mode="json"))
    assert ("Token merging ratio: 0.5" in (read_parameters(path) or "")) == ("token_merging" in shortcuts)
    assert pixels(paint(model, Request.model_validate(told))) == pixels(found)
    assert any("inner blocks ran for" in note for note in found.notes) == ("caching" in shortcuts)


def test_an_estimate_counts_what_the_plan_leaves_out(model: Model) -> None:
    outline = load(model.path, device="cpu", dtype="float32", weights=False)
    plain, cached = (estimate(outline, each) for each in (asked(), asked(**CACHED)))
    assert cached.tflop < plain.tflop
    assert "computed again when 2 steps old" in cached.text()
