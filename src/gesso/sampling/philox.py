"""The random numbers of CUDA's torch.randn, computed anywhere."""

import math
from typing import cast

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["cuda_randn", "philox_4x32"]

MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
KEY_STEPS = (0x9E3779B9, 0xBB67AE85)
"""Odd constants of Philox 4x32; source: as philox_4x32."""

Words = NDArray[np.uint32]
LOW = np.uint64(0xFFFFFFFF)


def philox_4x32(counter: Words, key: tuple[int, int], rounds: int = 10) -> Words:
    """Random words from a counter: no state, so that every element can be had on its own.

    Args:
        counter: [4 n] words.
        key: two words of 32 bits.
        rounds: 10 is the published strength.

    Returns:
        [4 n] random words.

    Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3", section 3.3;
    DEShawResearch/random123, include/Random123/philox.h.
    """
    a, b, c, d = (word.astype(np.uint64) for word in counter)
    left, right = key
    for _ in range(rounds):
        first, second = a * np.uint64(MULTIPLIERS[0]), c * np.uint64(MULTIPLIERS[1])
        a, b = (second >> np.uint64(32)) ^ b ^ np.uint64(left), second & LOW
        c, d = (first >> np.uint64(32)) ^ d ^ np.uint64(right), first & LOW
        left, right = (left + KEY_STEPS[0]) & 0xFFFFFFFF, (right + KEY_STEPS[1]) & 0xFFFFFFFF
    return np.stack([a, b, c, d]).astype(np.uint32)


def cuda_randn(shape: tuple[int, ...], seed: int, draw: int) -> Float[Tensor, "..."]:
    """What the n-th torch.randn of a CUDA generator gives, in float32 on the CPU.

    Element i is the first normal number of thread i, whose counter is (draw, 0, i, 0). That is so on every
    GPU with at least as many threads as there are elements: 125,952 on an RTX 3090, more on larger ones,
    against 65,536 elements of a 1024 x 1024 picture's latents. Beyond, CUDA's own numbers depend on the GPU;
    these go on with the same rule, as AUTOMATIC1111's "NV" source does. Logarithm and sine are rounded once
    from float64: a GPU's differ from them by a unit in the last place.

    Args:
        shape: of the tensor.
        seed: of the generator, 0…2⁶⁴ − 1.
        draw: how many calls of randn came before.

    Source: pytorch, aten/src/ATen/native/cuda/DistributionTemplates.h (threads and offsets); CUDA's
    curand_normal.h, _curand_box_muller (Box & Muller 1958).
    """
    count = math.prod(shape)
    counter = np.zeros((4, count), np.uint32)
    counter[0] = draw
    counter[2] = np.arange(count, dtype=np.uint32)
    words = philox_4x32(counter, (seed & 0xFFFFFFFF, seed >> 32))
    unit = np.float64(2.0**-32)
    turn = np.float64(np.float32(2.0**-32) * np.float32(6.2831855))
    # both fractions pass through float32, as on the GPU, where the low bits of the words are lost
    radius, angle = (
        (words[i].astype(np.float32) * scale + scale / 2).astype(np.float32)
        for i, scale in enumerate((unit, turn))
    )
    normal = np.sqrt(-2 * np.log(radius.astype(np.float64))) * np.sin(angle.astype(np.float64))
    return torch.from_numpy(cast(NDArray[np.float32], normal.astype(np.float32))).reshape(shape)
