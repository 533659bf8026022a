import json
from pathlib import Path

import pytest
import torch

from gesso.generation import cost as module
from gesso.generation.cost import Cost, Meter, work
from gesso.generation.events import Finished, Followed, Painted
from gesso.generation.generate import generate
from gesso.generation.planning import make_plan
from gesso.generation.result import Origin, read_record, save
from gesso.model import Model, load
from gesso.request import Request
from tests.models import save_model

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    path = tmp_path_factory.mktemp("models") / "model.safetensors"
    return load(save_model(path, "sd1"), device="cpu", dtype="float32")


def test_every_picture_says_what_it_took_and_all_together(model: Model, tmp_path: Path) -> None:
    request = Request.model_validate(
        {"prompt": "a cat", "seed": 1, "count": 2, "then": [{"source": {"strength": 0.5}}]}
    )
    events = [*generate(model, request)]
    each = [event.cost for event in events if isinstance(event, Painted | Followed)]
    assert all(found is not None and found.tflop > 0 and found.seconds > 0 for found in each)
    last = events[-1]
    assert isinstance(last, Finished)
    assert last.result.cost is not None
    assert last.result.cost.tflop == pytest.approx(sum(found.tflop for found in each if found is not None))
    assert last.result.seconds == last.result.cost.seconds
    painted = next(event for event in events if isinstance(event, Painted))
    origin = Origin.of(model)
    path = save(painted.image, painted.request, origin, tmp_path / "a.png", painted.cost)
    assert painted.cost is not None
    assert read_record(path)["cost"] == painted.cost.plain()
    assert "cost" not in read_record(save(painted.image, painted.request, origin, tmp_path / "b.png"))


def test_work_grows_with_what_is_evaluated(model: Model) -> None:
    def asked(**fields: object) -> float:
        return work(model, make_plan(model, Request.model_validate({"prompt": "a", "seed": 1, **fields})))

    assert asked(steps=2, cfg=1.0) < asked(steps=4, cfg=1.0) == pytest.approx(asked(steps=2, cfg=2.0))
    assert asked(count=3) == pytest.approx(3 * asked())


@pytest.mark.parametrize(("readings", "taken"), [((5.0, 7.5), 2.5), ((5.0, 1.0), None), ((None, 1.0), None)])
def test_energy_is_told_where_it_can_be_read(
    readings: tuple[float | None, ...], taken: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    counter = iter(readings)
    monkeypatch.setattr(module, "joules", lambda: next(counter))
    found = Meter(CPU).cost(2.0)
    assert found.joules == taken
    assert found.plain()["joules"] == ("not readable here" if taken is None else 2.5)
    assert found.plain()["share_of_ceiling"] == "not measured here"
    assert json.dumps(found.plain())


def test_what_is_held_is_asked_of_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda _: 3 * 10**9)
    assert Meter(torch.device("cuda")).cost(1.0).peak_gb == 3.0
    monkeypatch.setattr(module, "peak", lambda: None)
    assert Meter(CPU).cost(1.0).plain()["peak_gb"] is None


def test_operations_a_second() -> None:
    assert Cost(4.0, 2.0, None, None).tflops == 0.5
    assert Cost(0.0, 2.0, None, None).tflops == 0.0
    assert Cost(4.0, 2.0, None, None, 2.0).plain()["share_of_ceiling"] == 0.25
