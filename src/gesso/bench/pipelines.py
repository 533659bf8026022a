"""diffusers' pipelines, as their documentation has them on CPUs, and what may be done to them."""

import os
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any

from gesso.bench.figures import CFG, Case, Figures, Marks

__all__ = ["channels_last", "compiled", "untouched", "with_pipeline"]

Given = Callable[[Case, Marks], dict[str, Any]]
"""Parts that stand in for the file's, by the pipeline's names of them."""
Done = Callable[[Any, Case, Marks], object]
"""What is done to a loaded pipeline."""


def with_pipeline(case: Case, given: Given, done: Done) -> Figures:
    """Paint the case by a pipeline: Euler, offline.

    Args:
        given: parts that are not read from the file.
        done: what is done to the pipeline before it paints.
    """
    marks = Marks(time.perf_counter(), case.device)
    known: Any = import_module("diffusers")
    imported = time.perf_counter()
    pipe = _pipeline(known, case, given(case, marks)).to(case.device)
    done(pipe, case, marks)
    marks.ready(imported, time.perf_counter())

    def tick(_pipe: object, _step: int, _t: object, kept: dict[str, object]) -> dict[str, object]:
        marks.tick()
        return kept

    for _ in range(case.count):
        pipe(**_asked(case, case.steps), callback_on_step_end=tick)
        marks.painted()
    return marks.figures(case.steps)


def _pipeline(known: Any, case: Case, parts: dict[str, Any]) -> Any:
    import torch

    from gesso.checkpoint.file import Checkpoint
    from gesso.families.identify import identify

    pipelines = {"sdxl": known.StableDiffusionXLPipeline}
    family = identify(Checkpoint.open(case.file)).family.name
    pipe = pipelines.get(family, known.StableDiffusionPipeline).from_single_file(
        str(case.file),
        config=str(case.config),
        local_files_only=True,
        torch_dtype=getattr(torch, case.dtype),
        **parts,
    )
    pipe.scheduler = known.EulerDiscreteScheduler.from_config(pipe.scheduler.config)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def _asked(case: Case, steps: int) -> dict[str, object]:
    size = {"height": case.size, "width": case.size}
    return {"prompt": "a cat", "num_inference_steps": steps, "guidance_scale": CFG, **size}


def untouched(*_: object) -> dict[str, Any]:
    """Nothing is given, nothing is done."""
    return {}


def channels_last(pipe: Any, _case: Case, _marks: Marks) -> None:
    """Feature maps with their channels innermost, which processors and cards like."""
    import torch

    pipe.unet.to(memory_format=torch.channels_last)
    pipe.vae.to(memory_format=torch.channels_last)


def compiled(pipe: Any, case: Case, marks: Marks) -> None:
    """By torch.compile; what it compiles is kept beside the configuration.

    On CPUs with the weights as constants, on cards with whole calls recorded.
    """
    import torch

    assert case.config is not None
    channels_last(pipe, case, marks)
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(case.config / "compiled")
    settings: Any = import_module("torch._inductor.config")
    settings.freezing = case.device == "cpu"
    how = None if case.device == "cpu" else "reduce-overhead"
    pipe.unet = torch.compile(pipe.unet, mode=how)
    pipe.vae.decode = torch.compile(pipe.vae.decode, mode=how)
    with marks.preparing():
        pipe(**_asked(case, 1))
