"""Pricing: about how long a plan takes on this machine, from what was measured on it."""

from collections.abc import Sequence
from dataclasses import replace

from gesso.errors import RequestError
from gesso.generation.cost import denoising, work
from gesso.generation.plan import Plan
from gesso.model import Model
from gesso.runtime.machine import machine
from gesso.runtime.profile import Point, Setting, nearest
from gesso.tuned import in_force

__all__ = ["ceiling", "seconds", "setting"]


def setting(model: Model) -> Setting:
    """Where and in what numbers a model paints."""
    dtype = str(model.dtype).removeprefix("torch.")
    here = machine()
    place = here["gpu"] if model.device.type == "cuda" else here["cpu"]
    by = in_force(model.kernels, model.device, model.dtype)
    return Setting(place, dtype, by if model.quantize == "none" else f"{by} {model.quantize}")


def ceiling(model: Model, points: Sequence[Point]) -> float | None:
    """What a plain product reached here in a model's numbers, 10^12 operations a second, if measured."""
    here = replace(setting(model), kernels="")
    found = (each.ceiling for each in points if replace(each.setting, kernels="") == here)
    return max(found, default=None)


def seconds(model: Model, plan: Plan, points: Sequence[Point]) -> float:
    """About how long a plan's own pictures take together, what follows apart; loading and words not counted.

    Raises:
        RequestError: nothing like it was measured.
    """
    if not plan.passes:
        return 0.0
    stepping, decoding = denoising(model, plan), work(model, plan) - denoising(model, plan)
    steps = plan.rounds * sum(each.steps for each in plan.passes)
    point = nearest(points, setting(model), model.identity.family.name, stepping / steps)
    if point is None:
        raise RequestError(
            f"a time must come with a profile of this machine, however: nothing was measured in "
            f"{model.dtype} with {setting(model).kernels} kernels",
            hint=f"gesso bench -m {model.path}",
        )
    per_step, per_decoding = point.step_s / point.step_tflop, point.decode_s / point.decode_tflop
    return stepping * per_step + decoding * per_decoding
