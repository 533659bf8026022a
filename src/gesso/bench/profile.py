"""What was measured as points of this machine's profile, by which plans are made that must end in time."""

import statistics
from collections.abc import Mapping

from gesso.bench.figures import CFG, Case
from gesso.bench.rounds import Runs
from gesso.generation.cost import denoising, work
from gesso.generation.planning import make_plan
from gesso.generation.pricing import setting
from gesso.model import load
from gesso.request import Request
from gesso.runtime.machine import product_speed
from gesso.runtime.profile import Point

__all__ = ["points"]

SIDE = 2048
"""Of the matrices whose product is the ceiling: larger ones are no faster on two cores."""


def points(cases: Mapping[str, tuple[Case, Runs]]) -> tuple[Point, ...]:
    """A point for each case that gesso itself painted with all the memory there is."""
    found = ((case, runs.get("gesso", [])) for case, runs in cases.values())
    return tuple(
        _point(
            case,
            statistics.median(each.step_s for each in runs),
            statistics.median(each.decode_s for each in runs),
        )
        for case, runs in found
        if runs and case.memory is None
    )


def _point(case: Case, step_s: float, decode_s: float) -> Point:
    model = load(case.file, device="cpu", dtype=case.dtype, weights=False)
    size = (case.size, case.size)
    asked = Request(size=size, steps=case.steps, cfg=CFG, sampler="euler", schedule="normal", seed=0)
    plan = make_plan(model, asked)
    stepping = denoising(model, plan)
    decoding = work(model, plan) - stepping
    return Point(
        setting=setting(model),
        family=model.identity.family.name,
        size=size,
        step_tflop=stepping / case.steps,
        step_s=step_s,
        decode_tflop=decoding,
        decode_s=decode_s,
        ceiling=product_speed(model.device, model.dtype, SIDE) / 1e12,
    )
