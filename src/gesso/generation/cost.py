"""Cost: what painting took, counted and measured."""

import time
from dataclasses import dataclass

import torch

from gesso.checkpoint.shapes import Shapes
from gesso.families.work import decoder_work, unet_work
from gesso.generation.plan import Plan
from gesso.model import Model
from gesso.networks.autoencoder import Autoencoder
from gesso.runtime.energy import joules
from gesso.runtime.machine import peak

__all__ = ["Cost", "Meter", "work"]


@dataclass(frozen=True)
class Cost:
    """What painting took.

    Args:
        seconds: by the clock.
        tflop: operations of denoiser and decoder, 10^12; of control models, adapters and text encoders none.
        peak_gb: the most memory that the process has held so far on the device that painted, 10^9 bytes; None
            where the system does not say.
        joules: of the processors' packages, other programs' share included; None where that cannot be read.
    """

    seconds: float
    tflop: float
    peak_gb: float | None
    joules: float | None

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
            "peak_gb": None if self.peak_gb is None else round(self.peak_gb, 3),
            "joules": "not readable here" if self.joules is None else round(self.joules, 1),
        }


class Meter:
    """Reads the clocks from when it is made."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.began = time.perf_counter()
        self.energy = joules()

    def cost(self, tflop: float) -> Cost:
        """What was taken since."""
        before, now = self.energy, joules()
        taken = None if before is None or now is None or now < before else now - before
        return Cost(time.perf_counter() - self.began, tflop, self._peak(), taken)

    def _peak(self) -> float | None:
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated(self.device) / 1e9
        held = peak()
        return None if held is None else held / 1e9


def work(model: Model, plan: Plan) -> float:
    """Operations that a plan's own pictures take together, 10^12, what follows on them apart.

    A refiner's rows are counted as the base model's.
    """
    own = plan.evaluations - sum(each.evaluations for each in plan.then)
    denoised = own * unet_work(_shapes(model.denoiser.network), plan.latent)
    decoder = model.decoder
    whole = isinstance(decoder, Autoencoder)
    decoded = plan.rounds * decoder_work(_shapes(decoder), plan.latent) if whole else 0
    return (denoised + decoded) / 1e12


def _shapes(network: torch.nn.Module) -> Shapes:
    return Shapes({name: tuple(each.shape) for name, each in network.named_parameters()})
