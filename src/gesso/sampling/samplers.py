"""The table of samplers, and what each lets a request choose."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import partial
from types import MappingProxyType
from typing import Literal, cast, get_args, get_origin

import torch

from gesso.errors import RequestError, UnknownName
from gesso.sampling.ddim import ddim, ddpm
from gesso.sampling.dpm import (
    dpm_2,
    dpm_2_ancestral,
    dpmpp_2m,
    dpmpp_2m_sde,
    dpmpp_2s_ancestral,
    dpmpp_3m_sde,
    dpmpp_sde,
)
from gesso.sampling.euler import euler, euler_ancestral, heun
from gesso.sampling.ipndm import ipndm, plms
from gesso.sampling.lcm import lcm, tcd
from gesso.sampling.levels import Sigmas
from gesso.sampling.lms import deis, lms
from gesso.sampling.restart import restart
from gesso.sampling.step import Denoise, Latents, Noise, Sampler, Step
from gesso.sampling.unipc import uni_pc

__all__ = [
    "SAMPLERS",
    "Denoise",
    "Latents",
    "Noise",
    "Option",
    "OptionValue",
    "Sampler",
    "Step",
    "evaluations",
    "options",
    "sampler",
]

OptionValue = float | int | bool | str

SAMPLERS: Mapping[str, Callable[..., Iterator[Step]]] = MappingProxyType(
    {
        "euler": euler,
        "euler_ancestral": euler_ancestral,
        "heun": heun,
        "dpm_2": dpm_2,
        "dpm_2_ancestral": dpm_2_ancestral,
        "lms": lms,
        "dpmpp_2s_ancestral": dpmpp_2s_ancestral,
        "dpmpp_sde": dpmpp_sde,
        "dpmpp_2m": dpmpp_2m,
        "dpmpp_2m_sde": dpmpp_2m_sde,
        "dpmpp_3m_sde": dpmpp_3m_sde,
        "ddim": ddim,
        "ddpm": ddpm,
        "plms": plms,
        "uni_pc": uni_pc,
        "deis": deis,
        "ipndm": ipndm,
        "lcm": lcm,
        "tcd": tcd,
        "restart": restart,
    }
)
"""Every sampler by the name a request uses."""


@dataclass(frozen=True, slots=True)
class Option:
    """One thing about a sampler that a request can choose.

    Args:
        kind: the type of its values.
        default: what it is when nothing is chosen.
        choices: the only values there are; empty where any of the type will do.
        group: the sampler's parameter that it is a field of, or empty.
    """

    kind: type[OptionValue]
    default: OptionValue
    choices: tuple[OptionValue, ...] = ()
    group: str = ""


def sampler(name: str, chosen: Mapping[str, OptionValue] = MappingProxyType({})) -> Sampler:
    """The sampler of a name, with its options chosen.

    Raises:
        UnknownName: there is no such sampler, option or choice.
        RequestError: a value is of another type than its option.
    """
    known = options(name)
    arguments: dict[str, object] = {}
    groups: dict[str, dict[str, OptionValue]] = {}
    for key, value in chosen.items():
        if key not in known:
            raise UnknownName(f"option of {name}", key, known)
        checked = _checked(f"{key} of {name}", known[key], value)
        if known[key].group:
            groups.setdefault(known[key].group, {})[key] = checked
        else:
            arguments[key] = checked
    parameters = inspect.signature(SAMPLERS[name]).parameters
    for group, values in groups.items():
        arguments[group] = type(parameters[group].default)(**values)
    return cast(Sampler, partial(SAMPLERS[name], **arguments))


def options(name: str) -> Mapping[str, Option]:
    """What a request can choose about a sampler: its keyword-only parameters, groups of them taken apart.

    Raises:
        UnknownName: there is no such sampler.
    """
    if name not in SAMPLERS:
        raise UnknownName("sampler", name, SAMPLERS)
    found: dict[str, Option] = {}
    for parameter in inspect.signature(SAMPLERS[name]).parameters.values():
        if parameter.kind is not parameter.KEYWORD_ONLY:
            continue
        default = parameter.default
        if is_dataclass(default):
            for field in fields(default):
                value = getattr(default, field.name)
                found[field.name] = Option(type(value), value, group=parameter.name)
        else:
            choices = get_args(parameter.annotation) if get_origin(parameter.annotation) is Literal else ()
            found[parameter.name] = Option(type(default), default, choices)
    return found


def evaluations(name: str, sigmas: Sigmas, chosen: Mapping[str, OptionValue] = MappingProxyType({})) -> int:
    """How many denoiser calls a run takes, for an estimate of its time: counted on a walk with one number.

    Raises:
        UnknownName: there is no such sampler or option.
        RequestError: the levels do not fall, or a value is of another type than its option.
    """
    calls = 0

    def count(x: Latents, sigma: float) -> Latents:
        nonlocal calls
        calls += 1
        return x / (1 + sigma**2)

    for _ in sampler(name, chosen)(count, torch.zeros(1, 1, 1, 1), sigmas, _Silence()):
        pass
    return calls


class _Silence:
    """Noise that is none, for counting."""

    def draw(self) -> Latents:
        return torch.zeros(1, 1, 1, 1)

    def between(self, sigma: float, sigma_next: float) -> Latents:
        del sigma, sigma_next
        return torch.zeros(1, 1, 1, 1)


def _checked(what: str, option: Option, value: OptionValue) -> OptionValue:
    """The value as the option's own type."""
    if option.kind is float and type(value) is int:
        value = float(value)
    if type(value) is not option.kind:
        raise RequestError(f"{what} must be of type {option.kind.__name__}, however: {value!r}")
    if option.choices and value not in option.choices:
        raise UnknownName(what, str(value), map(str, option.choices))
    if isinstance(value, int | float) and not value >= 0:
        raise RequestError(f"{what} must be 0 or more, however: {value!r}")
    return value
