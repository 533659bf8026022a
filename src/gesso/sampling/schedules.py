"""Schedules: which noise levels a picture passes on its way from pure noise to clean.

Where programs disagree about a name, these follow ComfyUI: `kl_optimal` puts its last level at σ_min, and
`beta` picks among the trained levels (AUTOMATIC1111's spreads σ itself over the range: another path).
"""

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Literal

from gesso.errors import RequestError, UnknownName
from gesso.sampling.levels import NoiseLevels, Sigmas

__all__ = ["SCHEDULES", "Schedule", "explicit", "karras_between", "schedule"]

Schedule = Callable[[NoiseLevels, int], Sigmas]
"""(levels, steps) → steps + 1 noise standard deviations, falling, the last 0."""


def uniform(levels: NoiseLevels, steps: int) -> Sigmas:
    """Noise levels evenly spaced in the network's time, from the most trained to the least.

    Source: k-diffusion, external.py, DiscreteSchedule.get_sigmas.
    """
    return _ended(levels.sigma(t) for t in _linspace(levels.t_max, levels.t_min, _checked(steps)))


def normal(levels: NoiseLevels, steps: int) -> Sigmas:
    """The same as uniform, except that a network trained without any noise ends there itself.

    Source: ComfyUI, comfy/samplers.py, normal_scheduler.
    """
    if levels.sigma_min > 1e-5:
        return uniform(levels, steps)
    times = _linspace(levels.t_max, levels.t_min, _checked(steps) + 1)
    return _ended(levels.sigma(t) for t in times[:-1])


def simple(levels: NoiseLevels, steps: int) -> Sigmas:
    """Every n-th trained level, counted from the most noise.

    Source: ComfyUI, comfy/samplers.py, simple_scheduler.
    """
    sigmas = levels.sigmas
    stride = len(sigmas) / _checked(steps, len(sigmas))
    return _ended(sigmas[-1 - int(i * stride)] for i in range(steps))


def karras(levels: NoiseLevels, steps: int, *, rho: float = 7.0) -> Sigmas:
    """Noise levels evenly spaced in σ^(1/ρ): most steps where detail is decided.

    Args:
        levels: only its least and most noise are used.
        steps: planned denoiser calls, ≥ 1.
        rho: 1 is linear in σ; 7 is the paper's choice.

    Source: Karras et al. 2022, arXiv:2206.00364, eq. 5.
    """
    return _ended(karras_between(levels.sigma_max, levels.sigma_min, _checked(steps), rho))


def karras_between(high: float, low: float, count: int, rho: float = 7.0) -> list[float]:
    """Levels evenly spaced in σ^(1/ρ), both ends included.

    Source: Karras et al. 2022, arXiv:2206.00364, eq. 5.
    """
    inner = _linspace(high ** (1 / rho), low ** (1 / rho), count)[1:-1]
    return [float(high), *(root**rho for root in inner), *([float(low)] if count > 1 else [])]


def exponential(levels: NoiseLevels, steps: int) -> Sigmas:
    """Noise levels evenly spaced in ln σ: each step removes the same share of the noise.

    Source: k-diffusion, sampling.py, get_sigmas_exponential; λ-uniform steps of Lu et al. 2022,
    arXiv:2206.00927, step sizes.
    """
    logs = _linspace(math.log(levels.sigma_max), math.log(levels.sigma_min), _checked(steps))
    return _ended(math.exp(log) for log in logs)


def sgm_uniform(levels: NoiseLevels, steps: int) -> Sigmas:
    """Evenly spaced in the network's time, the last step long: it goes straight to clean.

    Source: Stability-AI/generative-models, sgm/modules/diffusionmodules/discretizer.py,
    LegacyDDPMDiscretization; "trailing" in Lin et al. 2023, arXiv:2305.08891, table 2.
    """
    times = _linspace(levels.t_max, levels.t_min, _checked(steps) + 1)
    return _ended(levels.sigma(t) for t in times[:-1])


def ddim_uniform(levels: NoiseLevels, steps: int) -> Sigmas:
    """Every n-th trained level, counted from the least noise: the first step starts below the most.

    When steps does not divide the number of levels, CompVis' loop makes a step more than was asked; this
    keeps to the number asked, as "leading" does in arXiv:2305.08891, table 2.

    Source: CompVis/stable-diffusion, ldm/modules/diffusionmodules/util.py, make_ddim_timesteps("uniform").
    """
    sigmas = levels.sigmas
    stride = len(sigmas) // _checked(steps, len(sigmas))
    first = min(1, len(sigmas) - 1 - (steps - 1) * stride)
    return _ended(sigmas[first + i * stride] for i in reversed(range(steps)))


def beta(levels: NoiseLevels, steps: int, *, alpha: float = 0.6, beta: float = 0.6) -> Sigmas:
    """Trained levels by the quantiles of a beta distribution: most steps at both ends.

    Where many steps round to one level, each takes the next free one.

    Args:
        levels: its trained table is indexed.
        steps: planned denoiser calls, ≥ 1.
        alpha: > 0; less puts more steps at the end, where detail is made.
        beta: > 0; less puts more steps at the start, where layout is made.

    Source: Lee et al. 2024, arXiv:2407.12173, as in ComfyUI, comfy/samplers.py, beta_scheduler.
    """
    from scipy.special import betaincinv

    top = len(levels.sigmas) - 1
    _checked(steps, top + 1)
    indices = [round(float(betaincinv(alpha, beta, 1 - i / steps)) * top) for i in range(steps)]
    for i in range(1, steps):
        indices[i] = min(indices[i], indices[i - 1] - 1)
    return _ended(levels.sigmas[max(index, steps - 1 - i)] for i, index in enumerate(indices))


ALIGNED: Mapping[str, Sigmas] = MappingProxyType(
    {
        "sd1": (14.615, 6.475, 3.861, 2.697, 1.886, 1.396, 0.963, 0.652, 0.399, 0.152, 0.029),
        "sdxl": (14.615, 6.315, 3.771, 2.181, 1.342, 0.862, 0.555, 0.380, 0.234, 0.113, 0.029),
    }
)
"""Levels of ten steps found by optimisation; source: as align_your_steps."""


def align_your_steps(levels: NoiseLevels, steps: int, *, table: Literal["sd1", "sdxl"] = "sd1") -> Sigmas:
    """Levels optimised for few steps; other than ten are interpolated in ln σ.

    Args:
        levels: not used: the table is absolute.
        steps: planned denoiser calls, ≥ 1.
        table: the family that the levels were optimised for.

    Source: Sabour et al. 2024, arXiv:2404.14507, and the tables of its project page,
    research.nvidia.com/labs/toronto-ai/AlignYourSteps/howto.html.
    """
    del levels
    if table not in ALIGNED:
        raise UnknownName("align_your_steps table", table, ALIGNED)
    logs = [math.log(sigma) for sigma in ALIGNED[table]]
    places = _linspace(0, len(logs) - 1, _checked(steps) + 1)[:-1]
    return _ended(math.exp(_interpolated(logs, place)) for place in places)


def kl_optimal(levels: NoiseLevels, steps: int) -> Sigmas:
    """Noise levels evenly spaced in arctan σ.

    Source: Sabour et al. 2024, arXiv:2404.14507: the closed form for Gaussian data.
    """
    angles = _linspace(math.atan(levels.sigma_max), math.atan(levels.sigma_min), _checked(steps))
    return _ended(math.tan(angle) for angle in angles)


def explicit(sigmas: Sequence[float]) -> Sigmas:
    """A schedule written out by hand; the final 0 may be left off.

    Raises:
        RequestError: nothing above 0 is left, or the levels do not fall.
    """
    values = [*map(float, sigmas), *([] if sigmas and sigmas[-1] == 0 else [0.0])]
    falling = all(high > low for high, low in itertools.pairwise(values))
    if len(values) < 2 or not falling or not math.isfinite(values[0]):
        raise RequestError(f"noise levels must be finite and fall towards 0, however: {list(sigmas)}")
    return tuple(values)


SCHEDULES: Mapping[str, Schedule] = MappingProxyType(
    {
        "uniform": uniform,
        "normal": normal,
        "simple": simple,
        "karras": karras,
        "exponential": exponential,
        "sgm_uniform": sgm_uniform,
        "ddim_uniform": ddim_uniform,
        "beta": beta,
        "align_your_steps": align_your_steps,
        "kl_optimal": kl_optimal,
    }
)
"""Every schedule by the name a request uses."""


def schedule(name: str) -> Schedule:
    """The schedule of a name.

    Raises:
        UnknownName: there is none.
    """
    if name not in SCHEDULES:
        raise UnknownName("schedule", name, SCHEDULES)
    return SCHEDULES[name]


def _checked(steps: int, most: int | None = None) -> int:
    """The same number of steps, if there can be so many."""
    if steps < 1:
        raise RequestError(f"steps must be 1 or more, however: {steps}")
    if most is not None and steps > most:
        raise RequestError(f"steps must be at most the {most} trained noise levels, however: {steps}")
    return steps


def _linspace(first: float, last: float, count: int) -> list[float]:
    """Evenly spaced numbers with both ends; the first alone if count is 1."""
    return [first, *((first * (count - 1 - i) + last * i) / (count - 1) for i in range(1, count))]


def _interpolated(values: Sequence[float], place: float) -> float:
    """The value at a fractional index below the last."""
    low = int(place)
    return values[low] + (place - low) * (values[low + 1] - values[low])


def _ended(sigmas: Iterable[float]) -> Sigmas:
    """Levels with the final 0 added."""
    return (*sigmas, 0.0)
