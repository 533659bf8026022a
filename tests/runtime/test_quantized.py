import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from gesso.runtime.kept import taken
from gesso.runtime.native.whole import rounder
from gesso.runtime.quantized import GRIDS, Grid, Quantized, fitting, quantized

INT8, INT4 = GRIDS["int8"][0], GRIDS["int4"][0]
LAYERS: tuple[tuple[Callable[[], nn.Linear | nn.Conv2d], tuple[int, ...]], ...] = (
    (lambda: nn.Linear(64, 24), (2, 5, 64)),
    (lambda: nn.Linear(64, 24, bias=False), (3, 64)),
    (lambda: nn.Conv2d(32, 24, 3, 2, 1), (2, 32, 7, 6)),
)
grids = pytest.mark.parametrize("grid", [INT8, INT4], ids=lambda grid: f"int{grid.bits}")


def rounded(weight: Tensor, grid: Grid) -> Quantized:
    made = quantized(weight, grid)
    assert made is not None
    return made


def drawn(*shape: int, dtype: torch.dtype = torch.bfloat16) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(dtype)


def noise(weight: Tensor, made: Tensor) -> float:
    off = (weight.double() - made.double()).square().sum()
    return float(10 * (weight.double().square().sum() / off).log10())


@grids
@pytest.mark.parametrize("shape", [(40, 64), (8, 32, 3, 3), (8, 32, 1, 1)])
def test_a_weight_is_off_by_at_most_half_a_step_unless_clipped(shape: tuple[int, ...], grid: Grid) -> None:
    weight = drawn(*shape, dtype=torch.float32)
    made = rounded(weight, Grid(grid.bits, grid.group, 0.0))
    off = (weight - made.plain()).movedim(1, -1).reshape(made.scales.shape[0], made.scales.shape[1], -1)
    assert float((off.abs() / made.scales).max()) <= 0.5 + 1e-4
    assert made.fidelity == pytest.approx(noise(weight, made.plain()), abs=1e-3)
    assert made.plain().shape == weight.shape


@grids
def test_rounding_again_changes_nothing(grid: Grid) -> None:
    once = rounded(drawn(40, 64, dtype=torch.float32), Grid(grid.bits, grid.group, 0.0))
    again = rounded(once.plain(), Grid(grid.bits, grid.group, 0.0))
    assert torch.allclose(once.plain(), again.plain(), rtol=1e-6)
    assert again.fidelity > 100


def test_it_keeps_half_and_little_over_a_quarter_of_the_bytes() -> None:
    weight = drawn(64, 320)
    assert taken(rounded(weight, INT8)) == weight.numel() + 64 * 2
    assert taken(rounded(weight, INT4)) == weight.numel() // 2 + weight.numel() // 32 * 2


def test_clipping_is_only_for_the_better() -> None:
    weight = drawn(64, 320)
    plain = rounded(weight, Grid(4, 32, 0.0))
    assert rounded(weight, INT4).fidelity > plain.fidelity > 19


def test_what_is_nothing_stays_nothing() -> None:
    made = rounded(torch.zeros(4, 32), INT4)
    assert made.fidelity == math.inf
    assert not made.plain().any()


@grids
@pytest.mark.parametrize(("build", "shape"), LAYERS)
def test_layers_and_gradients_are_those_of_the_rounded_weight(
    build: Callable[[], nn.Linear | nn.Conv2d], shape: tuple[int, ...], grid: Grid
) -> None:
    torch.manual_seed(0)
    layer, given = build().requires_grad_(requires_grad=False), torch.randn(shape)
    made = rounded(layer.weight.data, grid)
    found: list[tuple[Tensor, Tensor | None]] = []
    for weight in (made, nn.Parameter(made.plain(), requires_grad=False)):
        layer.weight = weight  # pyright: ignore[reportAttributeAccessIssue] - it stands for one
        x = given.clone().requires_grad_()
        answer = layer(x)
        answer.square().sum().backward()
        with torch.no_grad():
            assert torch.allclose(layer(given), answer, atol=1e-5)
        found.append((answer.detach(), x.grad))
    for one, other in zip(*found, strict=True):
        assert one is not None
        assert other is not None
        assert torch.allclose(one, other, rtol=1e-4, atol=1e-5)


def test_nothing_of_a_weights_size_is_kept_for_the_way_back() -> None:
    made, kept = rounded(drawn(256, 256), INT8), list[int]()

    def keep(tensor: Tensor) -> Tensor:
        kept.append(tensor.nbytes)
        return tensor

    x = drawn(2, 256).requires_grad_()
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        nn.functional.linear(x, made)
    assert sum(kept) < taken(made)


def test_a_weight_takes_the_narrowest_grid_that_is_faithful_to_it() -> None:
    even = drawn(64, 320)
    # a few numbers far from all others leave the rest no room on a grid
    some, most = even.clone(), even.clone()
    some[:, ::64] *= 8
    most[:, ::320] *= 200
    found = [fitting(each, GRIDS["int4"]) for each in (even, some, most)]
    assert isinstance(found[0], Quantized)
    assert found[0].grid.bits == 4
    assert all(type(each) is Tensor or isinstance(each, Quantized) for each in found)
    for weight in (even, some, most):
        for grids in GRIDS.values():
            made = fitting(weight, grids)
            if isinstance(made, Quantized):
                assert noise(weight, made.plain()) >= made.grid.faithful - 0.01
            else:
                assert made is weight
                assert all(rounded(weight, grid).fidelity < grid.faithful for grid in grids)
    assert quantized(drawn(8, 40), INT4) is None


@pytest.mark.parametrize(("build", "shape"), LAYERS)
def test_whole_numbers_are_multiplied_where_the_machine_can(
    build: Callable[[], nn.Linear | nn.Conv2d], shape: tuple[int, ...]
) -> None:
    found = rounder()
    if found is None:
        pytest.skip("this machine does not multiply whole numbers by kernels of its own")
    torch.manual_seed(0)
    layer, x = build().bfloat16().requires_grad_(requires_grad=False), torch.randn(shape).bfloat16()
    made = rounded(layer.weight.data, INT8)
    before, takes = made.plain(), taken(made)
    layer.weight = made  # pyright: ignore[reportAttributeAccessIssue] - it stands for one
    with torch.inference_mode():
        wide, none = layer(x), layer(x[:0])
        assert made.multiplied(found)
        assert not made.multiplied(found)
        assert not made.codes.numel()
        answer = layer(x)
        assert none.shape == layer(x[:0]).shape
    assert torch.equal(made.plain(), before)
    assert taken(made) == takes
    assert not torch.equal(answer, wide)
    assert noise(wide, answer) > 30
    assert torch.equal(layer(x.clone().requires_grad_()), layer(x.clone().requires_grad_()))
    four = rounded(drawn(40, 64), INT4)
    assert not four.multiplied(found)
