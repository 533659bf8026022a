import inspect
import itertools
import json

import pytest
import torch
from torch import Tensor

from gesso.errors import RequestError, UnknownName
from gesso.sampling.levels import Sigmas, TrainedLevels
from gesso.sampling.noise import SeededNoise
from gesso.sampling.samplers import SAMPLERS, Option, OptionValue, evaluations, options, sampler
from gesso.sampling.schedules import SCHEDULES, schedule
from tests.sampling.fakes import (
    MEAN,
    STD,
    Forbidden,
    consistency,
    gaussian,
    gaussian_path,
    karras,
    last,
    mixture,
    order,
)

LEVELS = TrainedLevels.scaled_linear()
DISTILLED = {"lcm", "tcd"}
ONE_STEP = {"euler", "euler_ancestral", "heun", "dpm_2", "dpm_2_ancestral", "dpmpp_2s_ancestral", "dpmpp_sde"}
ONE_STEP |= {"ddim", "ddpm", "lcm", "tcd"}
SHAPE = (2, 3, 3)
SIGMAS = (14.6, 8.0, 3.1, 1.2, 0.4, 0.1, 0.03, 0.0)


def noise(*seeds: int, shape: tuple[int, int, int] = SHAPE, sigmas: Sigmas = SIGMAS) -> SeededNoise:
    return SeededNoise(seeds, shape, sigmas, dtype=torch.float64)


def start(*seeds: int) -> Tensor:
    return noise(*seeds).draw() * SIGMAS[0]


# name, options that leave no randomness, order with few steps behind it
ORDERS: list[tuple[str, dict[str, OptionValue], float]] = [
    ("euler", {}, 1),
    ("euler_ancestral", {"eta": 0.0}, 1),
    ("heun", {}, 2),
    ("dpm_2", {}, 2),
    ("dpm_2_ancestral", {"eta": 0.0}, 2),
    ("lms", {"order": 1}, 1),
    ("lms", {"order": 2}, 2),
    # a first step of first order keeps these from their full order
    ("lms", {}, 3.5),
    ("dpmpp_2s_ancestral", {"eta": 0.0}, 2),
    ("dpmpp_sde", {"eta": 0.0}, 2),
    ("dpmpp_2m", {}, 2),
    ("dpmpp_2m_sde", {"eta": 0.0}, 2),
    ("dpmpp_2m_sde", {"eta": 0.0, "solver_type": "heun"}, 2),
    ("dpmpp_3m_sde", {"eta": 0.0}, 2),
    ("ddim", {}, 1),
    ("plms", {}, 2),
    ("uni_pc", {"order": 1}, 2),
    ("uni_pc", {"order": 2}, 3),
    ("uni_pc", {}, 4),
    ("uni_pc", {"variant": "bh2"}, 4),
    ("deis", {"order": 1}, 1),
    ("deis", {"order": 2}, 2),
    ("deis", {}, 3),
    ("ipndm", {"order": 1}, 1),
    ("ipndm", {}, 2),
    ("tcd", {"eta": 0.0}, 1),
    ("restart", {"restart_times": 0}, 2),
]


@pytest.mark.parametrize(("name", "chosen", "expected"), ORDERS)
def test_the_error_falls_with_the_methods_order(
    name: str, chosen: dict[str, OptionValue], expected: float
) -> None:
    x = start(1, 2)
    exact = gaussian_path(x, SIGMAS[0], 0.05)
    measured = order(
        lambda sigmas: last(sampler(name, chosen)(gaussian, x, sigmas, Forbidden())),
        exact,
        [karras(SIGMAS[0], 0.05, steps) for steps in (64, 128, 256)],
    )
    assert measured == pytest.approx(expected, abs=0.25)


def test_every_sampler_without_randomness_is_among_them() -> None:
    assert {name for name, _, _ in ORDERS} == set(SAMPLERS) - {"lcm", "ddpm"}


@pytest.mark.parametrize("name", SAMPLERS)
def test_pictures_are_spread_as_the_data_is(name: str) -> None:
    # first-order ancestral steps are 5 % short of the deviation with 60 steps, half as much with 120 …
    sigmas = schedule("karras")(LEVELS, 160)
    source = noise(0, shape=(1, 120, 120), sigmas=sigmas)
    x = MEAN + source.draw() * (STD**2 + sigmas[0] ** 2) ** 0.5
    denoise = consistency if name in DISTILLED else gaussian
    # what a distilled model names is exact only from where TCD lands when it goes all the way down
    chosen: dict[str, OptionValue] = {"eta": 1.0} if name == "tcd" else {}
    pictures = last(sampler(name, chosen)(denoise, x, sigmas, source))
    # 14,400 numbers: a standard error of 0.006 in the mean, 0.8 % in the deviation
    assert pictures.mean().item() == pytest.approx(MEAN, abs=0.025)
    assert pictures.std().item() == pytest.approx(STD, rel=0.03)


@pytest.mark.parametrize("name", SAMPLERS)
def test_an_image_of_a_batch_is_bitwise_the_one_it_is_alone(name: str) -> None:
    seeds = (3, 4, 5)
    batch = last(sampler(name)(mixture, start(*seeds), SIGMAS, noise(*seeds)))
    alone = [last(sampler(name)(mixture, start(seed), SIGMAS, noise(seed))) for seed in seeds]
    assert torch.equal(batch, torch.cat(alone))
    assert not torch.equal(alone[0], alone[1])


@pytest.mark.parametrize("name", sorted(ONE_STEP))
@pytest.mark.parametrize("cut", [1, 4, 6])
def test_a_schedule_cut_in_two_gives_the_same_picture(name: str, cut: int) -> None:
    whole = last(sampler(name)(mixture, start(1), SIGMAS, noise(1)))
    source = noise(1)
    half = last(sampler(name)(mixture, start(1), SIGMAS[: cut + 1], source))
    assert torch.equal(last(sampler(name)(mixture, half, SIGMAS[cut:], source)), whole)


@pytest.mark.parametrize("name", sorted(set(SAMPLERS) - ONE_STEP))
def test_multistep_samplers_cut_in_two_still_give_a_picture_nearby(name: str) -> None:
    sigmas = schedule("karras")(LEVELS, 40)
    x, source, again = start(1), noise(1, sigmas=sigmas), noise(1, sigmas=sigmas)
    chosen: dict[str, OptionValue] = {"eta": 0.0} if "sde" in name else {}
    chosen |= {"restart_times": 0} if name == "restart" else {}
    walk = sampler(name, chosen)
    whole = last(walk(gaussian, x, sigmas, source))
    half = last(walk(gaussian, x, sigmas[:25], again))
    assert torch.allclose(last(walk(gaussian, half, sigmas[24:], again)), whole, atol=0.02)


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("plan", SCHEDULES)
@pytest.mark.parametrize("steps", [1, 2, 3, 20])
def test_every_pair_of_sampler_and_schedule_stays_finite(name: str, plan: str, steps: int) -> None:
    for levels in (LEVELS, LEVELS.zero_terminal_snr()):
        sigmas = schedule(plan)(levels, steps)
        source = noise(1, shape=(1, 2, 2), sigmas=sigmas)
        x = source.draw() * sigmas[0]
        walked = list(sampler(name)(mixture, x, sigmas, source))
        assert all(torch.isfinite(step.x).all() for step in walked)
        assert walked[-1].sigma == 0
        # some fly far in one or two huge steps, as their equations do
        assert steps < 20 or walked[-1].x.abs().max().item() < 3


@pytest.mark.parametrize("name", SAMPLERS)
def test_steps_tell_where_they_are(name: str) -> None:
    walked = list(sampler(name)(gaussian, start(1), SIGMAS, noise(1)))
    assert [step.index for step in walked] == list(range(len(walked)))
    if name != "restart":
        assert tuple(step.sigma for step in walked) == SIGMAS[1:]
    assert walked[0].denoised.shape == walked[0].x.shape == (1, *SHAPE)


@pytest.mark.parametrize("name", SAMPLERS)
def test_no_levels_to_walk_are_no_steps(name: str) -> None:
    assert list(sampler(name)(gaussian, start(1), (3.0,), noise(1))) == []


@pytest.mark.parametrize("name", SAMPLERS)
def test_samplers_can_be_differentiated(name: str) -> None:
    x = start(1).requires_grad_()
    last(sampler(name)(mixture, x, SIGMAS, noise(1))).sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()


def calls(name: str, steps: int, *, to_zero: bool) -> int:
    """What the docstrings say."""
    if name in {"heun", "dpm_2", "dpm_2_ancestral", "dpmpp_2s_ancestral", "dpmpp_sde"}:
        return 2 * steps - (1 if to_zero else 0)
    if name == "restart":
        return 2 * (steps + 9) - (1 if to_zero else 0)
    if name == "plms":
        return steps + (1 if steps > 1 or not to_zero else 0)
    return steps


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("steps", [1, 2, 20])
@pytest.mark.parametrize("to_zero", [True, False])
def test_denoiser_calls_are_as_documented(name: str, steps: int, to_zero: bool) -> None:
    sigmas = schedule("karras")(LEVELS, steps if to_zero else steps + 1)[: steps + 1]
    expected = calls(name, steps, to_zero=to_zero)
    if name == "restart" and (steps == 1 or (steps == 2 and to_zero)):
        # the levels nearest to 2 and to 0.1 are the same, or the end
        expected -= 18
    assert evaluations(name, sigmas) == expected


def test_evaluations_follow_the_options() -> None:
    sigmas = schedule("karras")(LEVELS, 20)
    assert evaluations("restart", sigmas, {"restart_times": 2, "restart_steps": 5}) == 39 + 2 * 2 * 5


@pytest.mark.parametrize("name", SAMPLERS)
def test_every_sampler_names_its_source(name: str) -> None:
    assert "Source:" in (SAMPLERS[name].__doc__ or "")


@pytest.mark.parametrize("name", SAMPLERS)
def test_defaults_survive_json_and_change_nothing(name: str) -> None:
    defaults = {key: option.default for key, option in options(name).items()}
    again = json.loads(json.dumps(defaults, allow_nan=False))
    one = last(sampler(name)(mixture, start(1), SIGMAS, noise(1)))
    assert torch.equal(last(sampler(name, again)(mixture, start(1), SIGMAS, noise(1))), one)


def test_options_are_the_keyword_only_parameters() -> None:
    assert options("euler_ancestral") == {"eta": Option(float, 1.0), "s_noise": Option(float, 1.0)}
    assert set(options("euler")) == {"s_churn", "s_tmin", "s_tmax", "s_noise"}
    assert options("dpmpp_2m_sde")["solver_type"].choices == ("midpoint", "heun")
    assert options("uni_pc")["variant"].choices == ("bh1", "bh2")
    assert options("dpmpp_2m") == {}


@pytest.mark.parametrize("name", SAMPLERS)
def test_no_parameter_escapes_the_options(name: str) -> None:
    parameters = inspect.signature(SAMPLERS[name]).parameters.values()
    free = [each.name for each in parameters if each.kind is not each.KEYWORD_ONLY]
    assert free == ["denoise", "x", "sigmas", "noise"]
    assert all(type(option.default) is option.kind for option in options(name).values())


def test_chosen_options_reach_the_sampler() -> None:
    x = start(1)
    plain, churned = (
        last(sampler("euler", chosen)(mixture, x, SIGMAS, noise(1))) for chosen in ({}, {"s_churn": 3})
    )
    assert not torch.equal(plain, churned)
    bent = [last(sampler("uni_pc", {"variant": v})(mixture, x, SIGMAS, noise(1))) for v in ("bh1", "bh2")]
    assert not torch.equal(*bent)


@pytest.mark.parametrize(
    ("name", "chosen", "error"),
    [
        ("eulr", {}, UnknownName),
        ("euler", {"eta": 1.0}, UnknownName),
        ("ddim", {"eta": "much"}, RequestError),
        ("ddim", {"eta": True}, RequestError),
        ("ddim", {"eta": -1.0}, RequestError),
        ("ddim", {"eta": float("nan")}, RequestError),
        ("lms", {"order": 2.5}, RequestError),
        ("lms", {"order": 0}, RequestError),
        ("uni_pc", {"lower_order_final": 1}, RequestError),
        ("uni_pc", {"variant": "bh3"}, UnknownName),
    ],
)
def test_options_that_make_no_sense_are_refused(
    name: str, chosen: dict[str, OptionValue], error: type[RequestError]
) -> None:
    with pytest.raises(error):
        sampler(name, chosen)


def test_levels_that_rise_are_refused_at_the_first_step() -> None:
    for name, sigmas in itertools.product(SAMPLERS, [(1.0, 2.0, 0.0), (1.0, 1.0)]):
        with pytest.raises(RequestError, match="must fall"):
            next(sampler(name)(gaussian, start(1), sigmas, noise(1)))
