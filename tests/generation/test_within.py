"""Plans that must end in time, with prices that are nothing but operations."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gesso.errors import RequestError
from gesso.generation.cost import work
from gesso.generation.events import Planned
from gesso.generation.generate import generate, paint
from gesso.generation.plan import Plan
from gesso.generation.planning import make_plan
from gesso.generation.pricing import setting
from gesso.generation.within import LADDER
from gesso.model import Model, load
from gesso.request import Request
from gesso.runtime.profile import Point, keep, profile_file
from tests.models import save_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    path = tmp_path_factory.mktemp("models") / "model.safetensors"
    return load(save_model(path, "sd1"), device="cpu", dtype="float32")


@pytest.fixture
def profile(model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine that takes a second for 10^9 operations."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    keep([Point(setting(model), "sd1", (64, 64), 1e-3, 1.0, 1e-3, 1.0, 1e-3)], profile_file())
    return profile_file()


def asked(**fields: Any) -> Request:
    return Request.model_validate({"prompt": "a cat", "seed": 3, "steps": None, **fields})


def takes(model: Model, plan: Plan) -> float:
    return work(model, plan) * 1000


@pytest.mark.usefixtures("profile")
def test_what_ends_in_time_is_left_alone(model: Model) -> None:
    plain = make_plan(model, asked(steps=40))
    found = make_plan(model, asked(steps=40, within=takes(model, plain) + 1e-6))
    assert found == plain
    assert found.request.within is None


@pytest.mark.usefixtures("profile")
@pytest.mark.parametrize("share", [0.8, 0.5, 0.3, 0.15])
def test_the_first_rung_that_ends_in_time_is_taken(share: float, model: Model) -> None:
    slow = model_with_steps(model, 40)
    whole = takes(model, make_plan(slow, asked()))
    found = make_plan(slow, asked(within=whole * share))
    assert takes(model, found) <= whole * share
    steps = {rung.steps for rung in LADDER}
    assert found.request.steps in steps
    assert found.request.seed == 3
    assert f"steps {found.request.steps} instead of 40" in found.traded[0]
    assert found.lines()[-1] == found.traded[0]
    # the plan alone says it all: planned again without a time or a profile it is the same
    profile_file().unlink()
    again = make_plan(slow, found.request)
    assert (again.passes, again.request) == (found.passes, found.request)


def model_with_steps(model: Model, steps: int, **fields: Any) -> Model:
    facts = model.identity.facts
    defaults = replace(facts.defaults, steps=steps, **fields)
    return replace(model, identity=replace(model.identity, facts=replace(facts, defaults=defaults)))


@pytest.mark.usefixtures("profile")
def test_what_the_request_says_itself_stays(model: Model) -> None:
    own: dict[str, Any] = {
        "steps": 40,
        "schedule": "karras",
        "guidance": {"interval": (0.1, 0.9)},
        "shortcuts": {"caching": {"every": 4}},
    }
    whole = takes(model, make_plan(model, asked(**own)))
    with pytest.raises(RequestError, match="the shortest plan takes about"):
        make_plan(model, asked(**own, within=whole * 0.99))
    # heun cannot rest inner blocks: those rungs are left out
    heun = model_with_steps(model, 40, sampler="heun")
    whole = takes(model, make_plan(heun, asked()))
    found = make_plan(heun, asked(within=whole * 0.35))
    assert found.request.shortcuts.caching is None
    listed = asked(sigmas=tuple(range(30, 0, -1)), cfg=1.0)
    whole = takes(model, make_plan(model, listed))
    found = make_plan(model, listed.model_copy(update={"within": whole * 0.8}))
    assert found.request.sigmas == listed.sigmas
    assert found.request.shortcuts.caching is not None


@pytest.mark.usefixtures("profile")
def test_a_distilled_model_is_not_asked_for_fewer_steps(model: Model) -> None:
    few = model_with_steps(model, 4, cfg=1.0)
    with pytest.raises(RequestError, match=r"within 0\.001 s"):
        make_plan(few, asked(within=0.001))


def test_a_time_needs_a_profile(model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(RequestError, match="profile of this machine"):
        make_plan(model, asked(within="20s"))


@pytest.mark.usefixtures("profile")
def test_what_was_traded_is_told_and_the_picture_needs_no_profile(model: Model) -> None:
    slow = model_with_steps(model, 12)
    whole = takes(model, make_plan(slow, asked()))
    events = list(generate(slow, asked(within=whole * 0.7)))
    planned, last = events[0], events[-1]
    assert isinstance(planned, Planned)
    assert planned.traded == planned.plan.traded
    result = last.result  # pyright: ignore[reportAttributeAccessIssue]
    assert any("to end in about" in note for note in result.notes)
    assert result.cost is not None
    share = result.cost.plain()["share_of_ceiling"]
    assert share == pytest.approx(result.cost.tflops / 1e-3, abs=1e-4)
    profile_file().unlink()
    assert paint(model, result.requests[0]).images[0].tobytes() == result.images[0].tobytes()
