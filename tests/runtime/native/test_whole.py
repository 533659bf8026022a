import math

import pytest
import torch
from torch import Tensor

from gesso.runtime.native import whole
from gesso.runtime.native.whole import Rounder, rounder


@pytest.fixture(scope="module")
def found() -> Rounder:
    made = rounder()
    if made is None:
        pytest.skip("this machine does not multiply whole numbers by kernels of its own")
    return made


def drawn(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0)).bfloat16()


@pytest.mark.parametrize("shape", [(1, 1), (3, 16), (2, 5, 37), (4, 100)])
def test_rows_are_off_by_half_a_step_of_their_own(shape: tuple[int, ...], found: Rounder) -> None:
    x = drawn(*shape)
    x[0] *= 100
    codes, scales = found.rows(x)
    steps = scales.view(*shape[:-1], 1)
    assert float(((codes * steps - x.float()).abs() / steps).max()) <= 0.5 + 1e-3
    assert torch.equal(codes.abs().amax(-1), torch.full(shape[:-1], 127, dtype=torch.int8))


def test_rows_that_are_nothing_or_no_numbers(found: Rounder) -> None:
    x = drawn(4, 20)
    x[0], x[1, 3], x[2, 4] = 0, math.nan, -math.inf
    codes, scales = found.rows(x)
    assert not codes[0].any()
    assert scales[0] == 0
    assert torch.equal(scales.isfinite(), torch.tensor([True, False, False, True]))


@pytest.mark.parametrize("width", [1, 16, 37])
def test_rows_are_scaled_and_added_to(width: int, found: Rounder) -> None:
    y, scales, added = drawn(6, width), torch.rand(6), drawn(width)
    for each in (added, None):
        wanted = y.float() * scales[:, None] + (0 if each is None else each.float())
        assert torch.equal(found.scaled(y.clone(), scales, each), wanted.bfloat16())


@pytest.mark.parametrize("shift", [-9.0, 0.0, 0.7, 9.0])
def test_a_map_is_off_by_half_a_step_and_keeps_its_zero(shift: float, found: Rounder) -> None:
    x = (drawn(2, 3, 40, 77) + shift).contiguous(memory_format=torch.channels_last)
    x[0, 0, 0, 0] = 0
    codes, step, zero = found.whole(x)
    assert codes.stride() == x.stride()
    assert int(codes[0, 0, 0, 0]) == zero
    assert float(((codes.int() - zero) * step - x.float()).abs().max()) <= step * (1 + 1e-3)
    assert float(((codes.int() - zero) * step - x.float()).abs().mean()) <= 0.26 * step


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
def test_a_map_with_what_is_no_number_has_no_step(wrong: float, found: Rounder) -> None:
    x = drawn(1, 2, 70, 70)
    x[0, 1, 69, 3] = wrong
    assert math.isnan(found.whole(x)[1])
    assert found.whole(torch.zeros(1, 2, 3, 3).bfloat16())[1:] == (1.0, 0)


def test_without_kernels_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whole, "library", lambda: None)
    assert rounder() is None
