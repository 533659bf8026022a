"""The kernels of cards as Triton's interpreter runs them: on the CPU, slowly, from the same source."""

from dataclasses import replace

import pytest

from gesso.runtime.gpu.kernels import CardKernels, card_kernels


def interpreted() -> CardKernels:
    """The kernels, for tensors in main memory."""
    found = card_kernels()
    if found is None:
        pytest.skip("Triton is not for this system")
    return replace(found, kind="cpu")
