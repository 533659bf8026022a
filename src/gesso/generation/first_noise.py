"""First noise: what a picture's painting starts from, of its seed and of the picture beneath."""

import torch
from jaxtyping import Float
from torch import Tensor

from gesso.generation.starting import Run
from gesso.model import Model
from gesso.sampling.noise import SeededNoise
from gesso.sampling.samplers import Noise
from gesso.sampling.variation import centred, slerp

__all__ = ["beneath", "first", "noise_of"]

Latents = Float[Tensor, "1 c h w"]

TURN = 0x9E3779B97F4A7C15
"""What a seed moves on by from stage to stage: 2⁶⁴ over the golden ratio, so that seeds of pictures side by
side, which differ by little, never meet."""
STRETCH = 1024
"""Turns that one painting over a picture may have of its own, before those of the next."""
WHOLE = 0.99
"""A run that starts from this share of a model's highest noise level on starts from noise alone."""


def noise_of(run: Run, picture: int, model: Model) -> Noise:
    """The random stream of one picture: its own seed, whatever else is painted beside it."""
    full = run.plan.request
    assert full.seed is not None
    return _stream(run, full.seed + picture, model, run.scene.latent)


def _stream(run: Run, seed: int, model: Model, latent: tuple[int, int]) -> Noise:
    shape = (model.identity.latent_channels, *latent)
    # later stages get other noise, or every strip of a border would have the same pattern
    source = run.plan.request.source
    turn = run.scene.turn + (0 if source is None else source.turn * STRETCH)
    turned = (seed + turn * TURN) % 2**64
    return SeededNoise((turned,), shape, run.plan.sigmas, stream=run.plan.request.noise, device=model.device)


def first(run: Run, picture: int, noise: Noise) -> Latents:
    """The noise a picture starts from: its seed's own, or kin of it."""
    full, base = run.plan.request, run.models["base"]
    assert full.seed is not None
    latent = run.scene.latent
    if full.noise_size is not None:
        latent = (full.noise_size[1] // base.factor, full.noise_size[0] // base.factor)
    drawn = noise.draw()
    found = drawn if latent == run.scene.latent else _stream(run, full.seed + picture, base, latent).draw()
    if full.variation is not None:
        other = _stream(run, full.variation.seed, base, latent).draw()
        found = slerp(found, other, full.variation.strength)
    return found if latent == run.scene.latent else centred(found, drawn)


def beneath(run: Run, clean: Latents, noise: Noise) -> Latents:
    """What lies beneath the first noise: the source, except where painting starts from less."""
    source = run.plan.request.source
    assert source is not None
    cells = run.scene.cells
    shares = torch.ones_like(clean[:, :1]) if cells is None else cells.to(clean)
    if source.strength == 1.0 and run.plan.sigmas[0] >= WHOLE * run.models["base"].denoiser.levels.sigma_max:
        return torch.where(shares >= 1, 0.0, clean) if source.hold else torch.zeros_like(clean)
    match source.fill:
        case "noise":
            return clean + shares * (noise.draw() - clean)
        case "nothing":
            return clean * (1.0 - shares)
        case _:
            return clean
