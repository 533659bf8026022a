"""What was measured as points of this machine's profile, by which plans are made that must end in time."""

import statistics

from gesso.bench.figures import CFG, Case
from gesso.bench.records import Record
from gesso.generation.cost import denoising, work
from gesso.generation.planning import make_plan
from gesso.generation.pricing import setting
from gesso.model import load
from gesso.request import Request
from gesso.runtime.profile import Point

__all__ = ["points"]


def points(record: Record) -> tuple[Point, ...]:
    """A point for each case that gesso itself painted with all the memory there is."""
    found = ((each.case, each.runs.get("gesso", [])) for each in record.cases.values())
    return tuple(
        _point(
            case,
            statistics.median(each.step_s for each in runs),
            statistics.median(each.decode_s for each in runs),
            record.ceilings[case.dtype]["matmul"],
        )
        for case, runs in found
        if runs and case.memory is None
    )


def _point(case: Case, step_s: float, decode_s: float, ceiling: float) -> Point:
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
        ceiling=ceiling,
    )
