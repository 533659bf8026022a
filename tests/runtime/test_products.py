import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from gesso.runtime.native.whole import Rounder, rounder
from gesso.runtime.products import Products


@pytest.fixture(scope="module")
def found() -> Rounder:
    made = rounder()
    if made is None:
        pytest.skip("this machine does not multiply whole numbers by kernels of its own")
    return made


def drawn(*shape: int) -> tuple[Tensor, Tensor]:
    """Codes and scales."""
    draw = torch.Generator().manual_seed(0)
    codes = torch.randint(-127, 128, shape, generator=draw, dtype=torch.int8)
    return codes, torch.rand(shape[0], generator=draw) / 1000


def near(ours: Tensor, wide: Tensor) -> None:
    """As far off as 8 bits for every input make it, of numbers that are alike in size."""
    off = (ours.float() - wide).square().mean() / wide.square().mean()
    assert 35 < -10 * math.log10(float(off)) < 60


@torch.inference_mode()
@pytest.mark.parametrize("added", [True, False])
def test_linear(added: bool, found: Rounder) -> None:
    codes, scales = drawn(80, 48)
    made = Products(found, codes, scales)
    x, bias = torch.randn(3, 7, 48).bfloat16(), torch.randn(80).bfloat16() if added else None
    # a token that is louder than all others does not drown them
    x[0, 0] *= 1000
    wide = functional.linear(x.float(), codes * scales[:, None], None if bias is None else bias.float())
    near(made.linear(x, bias)[0, 0], wide[0, 0])
    near(made.linear(x, bias)[1:], wide[1:])
    assert torch.equal(made.codes(), codes)


@torch.inference_mode()
@pytest.mark.parametrize(("kernel", "stride", "padding"), [(3, 1, 1), (3, 2, 1), (1, 1, 0), (3, 1, 0)])
def test_convolution(kernel: int, stride: int, padding: int, found: Rounder) -> None:
    codes, scales = drawn(80, 48, kernel, kernel)
    made = Products(found, codes, scales)
    x, bias = functional.silu(torch.randn(2, 48, 9, 7)).bfloat16(), torch.randn(80).bfloat16()
    wide = functional.conv2d(x.float(), codes * scales.view(-1, 1, 1, 1), bias.float(), stride, padding)
    ours = made.convolution(x, bias, ([stride] * 2, [padding] * 2, [1, 1]))
    near(ours, wide)
    assert ours.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(made.codes(), codes)
