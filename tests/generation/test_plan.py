from dataclasses import replace
from math import inf
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gesso.checkpoint.file import Checkpoint
from gesso.errors import RequestError, UnknownName, Unsupported
from gesso.families.identify import Identity, identify
from gesso.generation.canvas import Box, Seen
from gesso.generation.plan import Plan, plan
from gesso.request import Extend, GuidanceShape, Mask, Refiner, Request, Source
from gesso.sampling.levels import TrainedLevels
from gesso.sampling.samplers import SAMPLERS
from tests.headers import families, write_header

LEVELS = TrainedLevels.scaled_linear()


@pytest.fixture(scope="module")
def identities(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Identity]:
    folder = tmp_path_factory.mktemp("headers")
    kinds = families()
    return {
        name: identify(Checkpoint.open(write_header(folder / f"{name}.safetensors", kinds[name][0])))
        for name in ("sd1", "sdxl", "sdxl refiner")
    }


def planned(request: Request, identity: Identity) -> Plan:
    return plan(request, identity, LEVELS, 8)


def test_nothing_is_left_open(identities: dict[str, Identity]) -> None:
    full = planned(Request(prompt="a cat"), identities["sd1"]).request
    left = [
        name
        for name, value in full
        if value is None
        and name not in {"source", "refiner", "sigmas", "clip_skip", "styles_file", "wildcards", "library"}
        and name
        not in {"windows", "seamless", "variation", "noise_size", "depth", "reference", "blend", "within"}
    ]
    assert left == []
    assert full.size == (512, 512)


def test_a_resolved_request_resolves_to_itself(identities: dict[str, Identity]) -> None:
    first = planned(Request(prompt="a cat", sampler="dpmpp_sde"), identities["sdxl"])
    assert planned(first.request, identities["sdxl"]) == first


def test_guidance_off_halves_the_evaluations(identities: dict[str, Identity]) -> None:
    guided = planned(Request(steps=20, sampler="euler", cfg=7.0), identities["sd1"])
    alone = planned(Request(steps=20, sampler="euler", cfg=1.0), identities["sd1"])
    assert (guided.evaluations, alone.evaluations) == (40, 20)


def test_a_guidance_interval_saves_the_evaluations_outside_it(identities: dict[str, Identity]) -> None:
    request = Request(steps=20, sampler="euler", schedule="normal", cfg=7.0)
    half = request.model_copy(
        update={"guidance": request.guidance.model_copy(update={"interval": (0.0, 0.5)})}
    )
    assert planned(half, identities["sd1"]).evaluations == 20 + 11
    assert planned(half, identities["sd1"]).passes[0].guided[1] == inf


@given(strength=st.floats(0.01, 1.0), steps=st.integers(1, 50))
def test_strength_is_the_share_of_steps_that_run(
    identities: dict[str, Identity], strength: float, steps: int
) -> None:
    source = Source(image=Path("x.png"), strength=strength)
    part = planned(Request(steps=steps, source=source), identities["sd1"]).passes[0].sigmas
    whole = planned(Request(steps=steps), identities["sd1"]).passes[0].sigmas
    kept = max(1, int(steps * strength))
    assert part == whole[len(whole) - 1 - kept :]


@pytest.mark.parametrize("start", [0.1, 0.5, 0.8, 0.95])
def test_base_and_refiner_share_one_run(start: float, identities: dict[str, Identity]) -> None:
    request = Request(steps=25, refiner=Refiner(model=Path("r.safetensors"), start=start))
    whole = planned(Request(steps=25), identities["sdxl"]).passes[0].sigmas
    base, refiner = planned(request, identities["sdxl"]).passes
    assert base.sigmas + refiner.sigmas[1:] == whole
    assert base.steps + refiner.steps == 25
    switch = (1 - start) * 999
    assert LEVELS.t(refiner.sigmas[0]) < switch <= LEVELS.t(base.sigmas[-2])


def test_a_refiner_needs_an_sdxl_base(identities: dict[str, Identity]) -> None:
    with pytest.raises(Unsupported, match="refiner"):
        planned(Request(refiner=Refiner(model=Path("r.safetensors"))), identities["sd1"])


def test_an_explicit_list_replaces_schedule_and_steps(identities: dict[str, Identity]) -> None:
    whole = planned(Request(sigmas=(10.0, 5.0, 1.0)), identities["sd1"])
    assert planned(whole.request, identities["sd1"]) == whole
    assert whole.passes[0].sigmas == (10.0, 5.0, 1.0, 0.0)
    assert whole.request.steps == 3
    with pytest.raises(RequestError, match="sigmas replace"):
        planned(Request(sigmas=(10.0, 5.0), steps=5), identities["sd1"])
    with pytest.raises(RequestError, match="fall"):
        planned(Request(sigmas=(5.0, 10.0)), identities["sd1"])


@pytest.mark.parametrize(
    "fields",
    [
        {"sampler": "eular"},
        {"schedule": "carras"},
        {"sampler": "euler", "sampler_options": {"etta": 1.0}},
    ],
)
def test_misspelt_names_say_what_was_meant(
    fields: dict[str, object], identities: dict[str, Identity]
) -> None:
    with pytest.raises(UnknownName) as error:
        planned(Request.model_validate(fields), identities["sd1"])
    assert "known:" in error.value.hint


def test_a_size_off_the_grid_is_refused(identities: dict[str, Identity]) -> None:
    with pytest.raises(RequestError, match="multiples of 8, however: 500x513"):
        planned(Request(size=(500, 513)), identities["sd1"])


@pytest.mark.parametrize("name", SAMPLERS)
def test_every_sampler_can_be_planned(name: str, identities: dict[str, Identity]) -> None:
    whole = planned(Request(sampler=name, steps=8), identities["sd1"])
    assert whole.evaluations >= 8
    assert replace(whole) == whole


def test_an_interval_that_does_not_rise_is_refused(identities: dict[str, Identity]) -> None:
    with pytest.raises(RequestError, match=r"must rise within 0…1, however: 0.8 to 0.2"):
        planned(Request(guidance=GuidanceShape(interval=(0.8, 0.2))), identities["sd1"])


def test_a_family_without_a_table_of_its_own_takes_another_schedule(identities: dict[str, Identity]) -> None:
    first, second = (planned(Request(schedule="align_your_steps", steps=10), identities[name])
                     for name in ("sd1", "sdxl"))  # fmt: skip
    assert first.sigmas != second.sigmas
    assert first.passes[0].text() == "base: 10 steps of dpmpp_2m, sigma 14.615 to 0.000"


def test_a_composition_asks_for_every_part_and_the_negative_at_each_step(
    identities: dict[str, Identity],
) -> None:
    request = Request(prompt="a AND b AND c", sampler="euler", steps=4, cfg=1.0)
    assert planned(request, identities["sd1"]).evaluations == 4 * 4


def test_an_edit_is_painted_in_stages(identities: dict[str, Identity]) -> None:
    source = Source(image=Path("s.png"), mask=Mask(), extend=Extend(left=64), only_masked=True)
    request = Request(source=source, size=(64, 64), steps=4, sampler="euler", cfg=1.0)
    box = Box(8, 8, 24, 24)
    for seen, stages in ((Seen((64, 64), None), 2), (Seen((64, 64), box), 3)):
        whole = plan(request, identities["sd1"], LEVELS, 8, seen)
        assert (whole.rounds, whole.steps, whole.evaluations) == (stages, 3 * stages, 3 * stages)
    inner = source.model_copy(update={"extend": None})
    request = request.model_copy(update={"source": inner})
    assert plan(request, identities["sd1"], LEVELS, 8, Seen((64, 64), box)).rounds == 1
