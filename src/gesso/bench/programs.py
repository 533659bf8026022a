"""The programs that are measured, each in the process that calls it."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from gesso.bench.figures import CFG, Case, Figures, Marks

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


def _gesso(case: Case) -> Figures:
    marks = Marks(time.perf_counter())
    import gesso

    load, generate = gesso.load, gesso.generate
    imported = time.perf_counter()
    model = load(case.file, device="cpu", dtype=case.dtype, memory=case.memory)
    marks.ready(imported, time.perf_counter())
    request = gesso.Request(
        prompt="a cat",
        size=(case.size, case.size),
        steps=case.steps,
        count=case.count,
        sampler="euler",
        schedule="normal",
        cfg=CFG,
        seed=0,
    )
    for event in generate(model, request):
        if isinstance(event, gesso.Stepped):
            marks.ticks.append(time.perf_counter())
        if isinstance(event, gesso.Painted):
            marks.painted = time.perf_counter()
    return marks.figures(case.steps)


def _diffusers(case: Case) -> Figures:
    """diffusers as its own documentation has it on CPUs: channels last, Euler, offline."""
    marks = Marks(time.perf_counter())
    known: Any = import_module("diffusers")
    import torch

    from gesso.checkpoint.file import Checkpoint
    from gesso.families.identify import identify

    pipelines = {"sdxl": known.StableDiffusionXLPipeline}
    imported = time.perf_counter()
    family = identify(Checkpoint.open(case.file)).family.name
    pipe = pipelines.get(family, known.StableDiffusionPipeline).from_single_file(
        str(case.file), config=str(case.config), local_files_only=True, torch_dtype=getattr(torch, case.dtype)
    )
    pipe.unet.to(memory_format=torch.channels_last)
    pipe.vae.to(memory_format=torch.channels_last)
    pipe.scheduler = known.EulerDiscreteScheduler.from_config(pipe.scheduler.config)
    pipe.set_progress_bar_config(disable=True)
    marks.ready(imported, time.perf_counter())

    def tick(_pipe: object, _step: int, _t: object, kept: dict[str, object]) -> dict[str, object]:
        marks.ticks.append(time.perf_counter())
        return kept

    for _ in range(case.count):
        pipe(
            "a cat",
            height=case.size,
            width=case.size,
            num_inference_steps=case.steps,
            guidance_scale=CFG,
            callback_on_step_end=tick,
        )
        marks.painted = time.perf_counter()
    return marks.figures(case.steps)


PROGRAMS: Mapping[str, Program] = {
    "gesso": Program(lambda _: True, _gesso),
    "diffusers": Program(
        lambda case: case.config is not None and find_spec("diffusers") is not None, _diffusers
    ),
}
