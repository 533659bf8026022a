"""The estimate: what a request will cost on this machine, before anything is loaded."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from gesso.families.roundable import expected
from gesso.generation.cost import denoising
from gesso.generation.plan import Plan
from gesso.generation.planning import make_plan, outlines
from gesso.model import Model
from gesso.request import Request
from gesso.runtime.machine import product_speed

__all__ = ["Estimate", "estimate", "working"]

REACHED = 0.45
"""Share of a plain product's speed that a whole step reaches on CPUs; the rest is norms and copies."""


class Estimate(BaseModel):
    """A plan and about what it costs here."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    request: Request
    """The request with nothing left open."""
    passes: list[str]
    """What is painted, an edit's stages first, each of which takes all passes."""
    evaluations: int
    """Rows of latents that networks denoise."""
    tflop: float
    """Floating-point operations, in 10^12."""
    seconds: float
    """About how long painting takes, loading apart."""
    weights_gb: float
    """Memory the weights take, 10^9 bytes."""
    memory_gb: float
    """About how much memory painting takes in all, 10^9 bytes."""
    device: str
    dtype: str

    def text(self) -> str:
        """The estimate for reading."""
        size = "x".join(map(str, self.request.size or ()))
        lines = [f"{self.request.count} of {size}, seed {self.request.seed}, cfg {self.request.cfg:g}"]
        lines += [f"  {each}" for each in self.passes]
        lines.append(f"{self.evaluations} evaluations, {self.tflop:.2f} TFLOP, {self.dtype} on {self.device}")
        lines.append(
            f"about {self.seconds:.1f} s to paint, {self.memory_gb:.2f} GB, weights {self.weights_gb:.2f} GB"
        )
        return "\n".join(lines)


@dataclass
class Cost:
    """What one call of a network takes.

    Args:
        flop: floating-point operations.
        working: about the most bytes of activations alive at once.
    """

    flop: float = 0.0
    working: float = 0.0


def estimate(model: Model, request: Request) -> Estimate:
    """Plan a request and work out its cost from shapes alone.

    Args:
        model: loaded without weights.
    """
    whole = make_plan(model, request)
    costs = [_cost(*each) for each in zip((model, *outlines(model, request)), whole.chain, strict=True)]
    weights = sum(expected(each, model.grids(part), model.dtype) for part, each in model.networks.items())
    work = sum(each.flop for each in costs)
    return Estimate(
        request=whole.request,
        passes=[*whole.lines()],
        evaluations=whole.evaluations,
        tflop=work / 1e12,
        seconds=work / (product_speed(model.device, model.dtype) * REACHED),
        weights_gb=weights / 1e9,
        memory_gb=(weights + max(each.working for each in costs)) / 1e9,
        device=str(model.device),
        dtype=str(model.dtype).removeprefix("torch."),
    )


def working(model: Model, plan: Plan) -> float:
    """About the most bytes of feature maps that one layer of the denoiser has before and after it."""
    rows = 1 if plan.request.cfg == 1.0 else 2
    return rows * _largest(model.denoiser.network, lambda: _one_step(model, plan))


def _cost(model: Model, plan: Plan) -> Cost:
    """What a plan costs, what follows on it apart."""
    if not plan.passes:
        return Cost()
    step = _largest(model.denoiser.network, lambda: _one_step(model, plan))
    latents = _meta(model, 1, model.identity.latent_channels, *plan.latent)
    decode = _counted(model.decoder, lambda: model.decoder.decode(latents))
    rows = 1 if plan.request.cfg == 1.0 else 2
    return Cost(denoising(model, plan) * 1e12 + decode.flop * plan.rounds, max(rows * step, decode.working))


def _one_step(model: Model, whole: Plan) -> Tensor:
    shapes = model.identity.checkpoint.shapes
    label = next((s for n, s in shapes.items() if n.endswith("label_emb.0.0.weight")), None)
    context = next(shape for name, shape in shapes.items() if name.endswith(".attn2.to_k.weight"))[-1]
    first = next(shape for name, shape in shapes.items() if name.endswith("input_blocks.0.0.weight"))
    return model.denoiser.network(
        _meta(model, 1, first[1], *whole.latent),
        torch.empty(1, device="meta"),
        _meta(model, 1, 77, context),
        None if label is None else _meta(model, 1, label[1]),
    )


def _meta(model: Model, *shape: int) -> Tensor:
    return torch.empty(shape, device="meta", dtype=model.dtype)


def _counted(network: nn.Module, work: Callable[[], object]) -> Cost:
    """The cost of a call, counted on a network without memory."""
    with FlopCounterMode(display=False) as counter:
        working = _largest(network, work)
    return Cost(float(counter.get_total_flops()), working)


def _largest(network: nn.Module, work: Callable[[], object]) -> float:
    """About the most bytes that are alive at once in a call of a network without memory."""
    largest = 0.0

    def measure(_: nn.Module, inputs: tuple[object, ...], output: object) -> None:
        nonlocal largest
        held = sum(_bytes(each) for each in (*inputs, output))
        # beside a layer's own input and output, a residual path and a temporary are alive
        largest = max(largest, 2.0 * held)

    leaves = [each for each in network.modules() if not list(each.children())]
    handles = [each.register_forward_hook(measure) for each in leaves]
    with torch.inference_mode():
        work()
    for handle in handles:
        handle.remove()
    return largest


def _bytes(value: object) -> int:
    return value.numel() * value.element_size() if isinstance(value, Tensor) else 0
