"""Under a ceiling the same picture, from weights that wait in their file."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gesso.families.waiting import Waiting
from gesso.generation import spending as module
from gesso.generation.events import Finished, Planned
from gesso.generation.generate import generate
from gesso.generation.planning import make_plan
from gesso.generation.result import Result
from gesso.generation.spending import Spending, spending
from gesso.model import Model, load
from gesso.request import Request
from gesso.runtime.memory import held
from gesso.runtime.quantized import GRIDS
from tests.models import save_model

CPU = torch.device("cpu")
ASK = Request(prompt="a cat", seed=1, size=(64, 64), steps=2)


@pytest.fixture(scope="module", params=["sd2", "sdxl"])
def file(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("models") / "model.safetensors", request.param)


@pytest.fixture
def tight(file: Path) -> Model:
    """A model under a ceiling that its weights would nearly fill."""
    whole = load(file, device="cpu", dtype="float32", weights=False)
    weights = sum(each.nbytes for network in whole.networks.values() for each in network.parameters())
    return load(file, device="cpu", dtype="float32", memory=held(CPU) + weights * 3 // 2)


def painted(model: Model) -> tuple[Planned, Result]:
    first, *_, last = generate(model, ASK)
    assert isinstance(first, Planned)
    assert isinstance(last, Finished)
    return first, last.result


def test_the_picture_is_the_same_and_what_it_costs_is_told_before(file: Path, tight: Model) -> None:
    plain = load(file, device="cpu", dtype="float32")
    assert set(tight.waiting) == {"unet", *(part.name for part in tight.identity.text)}
    assert tight.identity.facts == plain.identity.facts
    before, own = painted(tight)
    nothing, other = painted(plain)
    assert own.images[0].tobytes() == other.images[0].tobytes()
    assert nothing.traded == other.notes == ()
    assert before.traded == own.notes
    assert "read again at every step" in own.notes[0]
    parts = [tight.networks[name] for name in tight.waiting]
    assert all(each.is_meta for network in parts for each in network.parameters())


def test_weights_that_fit_twice_are_loaded_whole(file: Path) -> None:
    model = load(file, device="cpu", dtype="float32", memory=held(CPU) + 2**34)
    assert model.waiting == {}
    assert spending(model, make_plan(model, ASK)) == Spending()


@pytest.mark.parametrize("room", [0, 10**6, 2**34])
def test_what_is_left_is_for_weights_that_stay(
    room: int, tight: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ASIDE", 0)
    monkeypatch.setattr(module, "SHARE", 0)
    waiting = tight.waiting["unet"]
    assert isinstance(waiting, Waiting)
    others = module.present(tight)
    found = spending(replace(tight, memory=others + waiting.window + room), make_plan(tight, ASK))
    assert found.stays == room
    short = spending(replace(tight, memory=others), make_plan(tight, ASK))
    assert short.stays == 0
    assert "more than allowed" in short.traded[1]
    assert len(found.traded) == 1


def test_rounding_is_named_where_it_would_spare_the_reading(
    tight: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ASIDE", 0)
    monkeypatch.setattr(module, "SHARE", 0)
    waiting = tight.waiting["unet"]
    sizes = {
        name: module.expected(tight.networks["unet"], grids, tight.dtype) for name, grids in GRIDS.items()
    }
    for name, size in sizes.items():
        room = module.present(tight) + waiting.window + size
        said = spending(replace(tight, memory=room), make_plan(tight, ASK)).traded
        assert f"--quantize {name} would keep all of it" in said[1]


def test_rounded_weights_stay_in_less_room_and_paint_the_same(file: Path) -> None:
    whole = load(file, device="cpu", dtype="float32", quantize="int8")
    tight = load(
        file, device="cpu", dtype="float32", quantize="int8", memory=held(CPU) + module.present(whole)
    )
    waiting = tight.waiting["unet"]
    assert waiting.nbytes < 0.5 * sum(each.nbytes for each in tight.networks["unet"].parameters())
    before, own = painted(tight)
    assert own.images[0].tobytes() == painted(whole)[1].images[0].tobytes()
    assert "--quantize" not in "".join(before.traded)


def test_a_model_that_follows_is_under_the_same_ceiling(file: Path, tight: Model, tmp_path: Path) -> None:
    other = tmp_path / "other.safetensors"
    other.write_bytes(file.read_bytes())
    follow = {"model": other, "source": {"strength": 0.5}}
    request = Request.model_validate(ASK.model_dump() | {"then": [follow]})
    *_, last = generate(tight, request)
    assert isinstance(last, Finished)
    assert sum("read again at every step" in note for note in last.result.notes) == 2
