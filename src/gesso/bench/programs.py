"""The programs that are measured, each in the process that calls it."""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from gesso.bench.converted import converted
from gesso.bench.figures import CFG, Case, Figures, Marks
from gesso.bench.pipelines import channels_last, compiled, untouched, with_pipeline

__all__ = ["PROGRAMS", "Program"]


@dataclass(frozen=True)
class Program:
    """Something that paints.

    Args:
        suits: whether it is installed, and can paint the case.
        measure: paints it in this process.
    """

    suits: Callable[[Case], bool]
    measure: Callable[[Case], Figures]


def _gesso(case: Case, kernels: str) -> Figures:
    marks = Marks(time.perf_counter(), case.device)
    import gesso

    load, generate = gesso.load, gesso.generate
    imported = time.perf_counter()
    model = load(case.file, device=case.device, dtype=case.dtype, memory=case.memory, kernels=kernels)
    marks.ready(imported, time.perf_counter())
    request = gesso.Request(
        prompt="a cat",
        size=(case.size, case.size),
        steps=case.steps,
        sampler="euler",
        schedule="normal",
        cfg=CFG,
        seed=0,
    )
    for _ in range(case.count):
        for event in generate(model, request):
            if isinstance(event, gesso.Stepped):
                marks.tick()
        marks.painted()
    return marks.figures(case.steps)


def _stable_diffusion_cpp(case: Case) -> Figures:
    """stable-diffusion.cpp by its Python binding, its weights in eight bits, on every core."""
    marks = Marks(time.perf_counter())
    known: Any = import_module("stable_diffusion_cpp")
    imported = time.perf_counter()
    model = known.StableDiffusion(
        model_path=str(case.file), wtype="q8_0", n_threads=os.cpu_count(), verbose=False
    )
    marks.ready(imported, time.perf_counter())
    model.generate_image(
        prompt="a cat",
        width=case.size,
        height=case.size,
        sample_steps=case.steps,
        sample_method="euler",
        cfg_scale=CFG,
        batch_count=case.count,
        progress_callback=marks.tick,
    )
    marks.painted()
    return marks.figures(case.steps)


def _told(case: Case, *needed: str) -> bool:
    return case.config is not None and all(find_spec(each) is not None for each in ("diffusers", *needed))


PROGRAMS: Mapping[str, Program] = {
    "gesso": Program(lambda _: True, partial(_gesso, kernels="auto")),
    "gesso-plain": Program(lambda _: True, partial(_gesso, kernels="plain")),
    "diffusers": Program(_told, partial(with_pipeline, given=untouched, done=channels_last)),
    "diffusers-compiled": Program(_told, partial(with_pipeline, given=untouched, done=compiled)),
    "openvino": Program(
        lambda case: case.device == "cpu" and _told(case, "openvino"),
        partial(with_pipeline, given=converted, done=untouched),
    ),
    "stable-diffusion.cpp": Program(
        lambda case: case.device == "cpu" and find_spec("stable_diffusion_cpp") is not None,
        _stable_diffusion_cpp,
    ),
}
"""Those whose names begin with gesso need nothing; the others what is called so."""
