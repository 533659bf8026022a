"""A small tiny autoencoder, and what goes into it."""

from torch import Tensor

from benchmarks.parity_cases import numbers

WIDTH = 8


def latents() -> Tensor:
    """Some far beyond what the decoder lets in."""
    return 3.0 * numbers("tiny latents", (2, 4, 4, 6))


def pixels() -> Tensor:
    return numbers("tiny pixels", (2, 3, 32, 48)).clamp(-1, 1)
