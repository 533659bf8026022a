"""Cost: what painting took, counted and measured."""

import time
from dataclasses import dataclass

import torch

from gesso.families.work import decoder_work, tiny_decoder_work, unet_work
from gesso.generation.plan import Plan
from gesso.model import Model
from gesso.networks.autoencoder import Autoencoder
from gesso.runtime.energy import joules
from gesso.runtime.machine import peak

__all__ = ["Cost", "Meter", "denoising", "inner_work", "work"]


@dataclass(frozen=True)
class Cost:
    """What painting took.

    Args:
        seconds: by the clock.
        tflop: operations of denoiser and decoder, 10^12; of control models, adapters and text encoders none.
        peak_gb: the most memory that the process has held so far on the device that painted, 10^9 bytes; None
            where the system does not say.
        joules: of the processors' packages, other programs' share included; None where that cannot be read.
        ceiling: what a plain matrix product reached on this machine, 10^12 operations a second; None where
            nobody measured it.
    """

    seconds: float
    tflop: float
    peak_gb: float | None
    joules: float | None
    ceiling: float | None = None

    @property
    def tflops(self) -> float:
        """Operations a second, 10^12."""
        return self.tflop / self.seconds if self.seconds else 0.0

    def plain(self) -> dict[str, float | str | None]:
        """For a picture's record; what is not known says why."""
        return {
            "seconds": round(self.seconds, 3),
            "tflop": round(self.tflop, 4),
            "tflop_per_second": round(self.tflops, 4),
            "share_of_ceiling": round(self.tflops / self.ceiling, 4) if self.ceiling else "not measured here",
            "peak_gb": None if self.peak_gb is None else round(self.peak_gb, 3),
            "joules": "not readable here" if self.joules is None else round(self.joules, 1),
        }


class Meter:
    """Reads the clocks from when it is made.

    Args:
        ceiling: what a plain matrix product reached on this machine, 10^12 operations a second, if known.
    """

    def __init__(self, device: torch.device, ceiling: float | None = None) -> None:
        self.device = device
        self.ceiling = ceiling
        self.began = time.perf_counter()
        self.energy = joules()

    def cost(self, tflop: float) -> Cost:
        """What was taken since."""
        before, now = self.energy, joules()
        taken = None if before is None or now is None or now < before else now - before
        return Cost(time.perf_counter() - self.began, tflop, self._peak(), taken, self.ceiling)

    def _peak(self) -> float | None:
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated(self.device) / 1e9
        held = peak()
        return None if held is None else held / 1e9


def work(model: Model, plan: Plan) -> float:
    """Operations that a plan's own pictures take together, 10^12, what follows on them apart.

    A refiner's rows are counted as the base model's.
    """
    decoder = model.decoder
    counted = decoder_work if isinstance(decoder, Autoencoder) else tiny_decoder_work
    return denoising(model, plan) + plan.rounds * counted(model.decoder_sizes, plan.latent) / 1e12


def denoising(model: Model, plan: Plan) -> float:
    """The denoiser's share of it, 10^12 operations; all of what only the run can tell to be left out."""
    whole = sum(each.evaluations for each in plan.passes)
    resting = sum(each.evaluations - each.inner_evaluations for each in plan.passes)
    merged = plan.request.shortcuts.token_merging
    row = unet_work(model.unet_sizes, plan.latent, merged=merged) / 1e12
    return plan.rounds * (whole * row - (resting * inner_work(model, plan) if resting else 0.0))


def inner_work(model: Model, plan: Plan) -> float:
    """What a cache spares for each row for which inner blocks rest, 10^12 operations."""
    asked = plan.request.shortcuts
    if asked.caching is None:
        return 0.0
    return (
        unet_work(model.unet_sizes, plan.latent, merged=asked.token_merging, depth=asked.caching.depth) / 1e12
    )
