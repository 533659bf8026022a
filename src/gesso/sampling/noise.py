"""One seed per image: where all randomness comes from."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Protocol

import torch
from jaxtyping import Float
from torch import Tensor

from gesso.errors import RequestError, UnknownName
from gesso.sampling.brownian import BrownianPath
from gesso.sampling.levels import Sigmas
from gesso.sampling.philox import cuda_randn
from gesso.sampling.step import Latents

__all__ = ["STREAMS", "SeededNoise", "Stream", "cpu_stream", "cuda_stream"]

Shape = tuple[int, int, int]


class Stream(Protocol):
    """A way to turn a seed into noise."""

    def __call__(self, seed: int, shape: tuple[int, ...], /) -> Iterator[Float[Tensor, "..."]]:
        """Unit Gaussian noise of a shape, again and again, in float32 on the CPU."""
        ...


def cpu_stream(seed: int, shape: tuple[int, ...]) -> Iterator[Float[Tensor, "..."]]:
    """What torch.randn gives on the CPU after manual_seed.

    Source: pytorch, torch.Generator("cpu"): a Mersenne twister.
    """
    generator = torch.Generator("cpu").manual_seed(seed)
    while True:
        yield torch.randn(shape, generator=generator, dtype=torch.float32)


def cuda_stream(seed: int, shape: tuple[int, ...]) -> Iterator[Float[Tensor, "..."]]:
    """What torch.randn gives on a CUDA device after manual_seed, computed on the CPU.

    Source: as gesso.sampling.philox.cuda_randn.
    """
    draw = 0
    while True:
        yield cuda_randn(shape, seed, draw)
        draw += 1


STREAMS: Mapping[str, Stream] = MappingProxyType({"cpu": cpu_stream, "cuda": cuda_stream})
"""Every noise stream by the name a request uses."""


class SeededNoise:
    """Noise for a batch in which every image has its own seed, and gets what it would get alone.

    `draw` goes on through one stream per seed: the first draw is what programs start a picture from.
    `between` follows one Brownian path per image, with the image's seed and the same stream's numbers, over
    the range of the levels; ask with the levels of the whole run even if it is walked in parts.

    Args:
        seeds: one per image, 0…2⁶⁴ − 1.
        shape: of one image's latents: channels, height, width.
        sigmas: the noise levels of the run; only the highest and the lowest above 0 matter.
        stream: "cpu", or "cuda" for the numbers that a CUDA device would give.
        device: where the noise is wanted; it is always computed on the CPU.
        dtype: what the noise is wanted in; it is always computed in float32.

    Raises:
        UnknownName: there is no such stream.
        RequestError: a seed out of range, or none.

    Source: seeds and range of the paths as in k-diffusion, sampling.py, BrownianTreeNoiseSampler.
    """

    def __init__(
        self,
        seeds: Sequence[int],
        shape: Shape,
        sigmas: Sigmas,
        *,
        stream: str = "cpu",
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        if stream not in STREAMS:
            raise UnknownName("noise stream", stream, STREAMS)
        if not seeds or not all(0 <= seed < 2**64 for seed in seeds):
            raise RequestError(f"seeds must be one or more numbers from 0 to 2⁶⁴ − 1, however: {list(seeds)}")
        self._seeds, self._shape, self._stream = tuple(seeds), shape, STREAMS[stream]
        self._to = partial(torch.Tensor.to, device=device, dtype=dtype)
        self._draws = [self._stream(seed, (1, *shape)) for seed in self._seeds]
        self._range = (min(sigma for sigma in sigmas if sigma > 0), max(sigmas))
        self._paths: list[BrownianPath] = []

    def draw(self) -> Latents:
        """Fresh unit Gaussian noise; every call goes on where the last ended."""
        return self._to(torch.cat([next(draws) for draws in self._draws]))

    def between(self, sigma: float, sigma_next: float) -> Latents:
        """The increment of each image's Brownian path from one level to another, scaled to unit variance."""
        if not self._paths:
            self._paths = [BrownianPath(self._once, seed, *self._range) for seed in self._seeds]
        span = abs(sigma_next - sigma) ** 0.5
        return self._to(torch.stack([path(sigma, sigma_next) for path in self._paths]) / span)

    def _once(self, seed: int) -> Float[Tensor, "c h w"]:
        """The first noise of a seed."""
        return next(self._stream(seed, self._shape))
