import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from gesso.runtime.gpu import kernels
from gesso.runtime.gpu.kernels import CardKernels, card_kernels
from tests.runtime.gpu.interpreted import interpreted

HALF = 2.0**-11
"""How far off half precision rounds a number near 1."""


@pytest.fixture(scope="module")
def known() -> CardKernels:
    return interpreted()


def random(*size: int, dtype: torch.dtype = torch.float16) -> Tensor:
    made = torch.randn(*size, generator=torch.Generator().manual_seed(sum(size))).to(dtype)
    return made.contiguous(memory_format=torch.channels_last) if made.ndim == 4 else made


def near(ours: Tensor, exact: Tensor, dtype: torch.dtype = torch.float16) -> bool:
    # numbers near 20 have steps of two millionths in float32
    fine = HALF if dtype == torch.float16 else 1e-5
    return bool(((ours.double() - exact).abs() <= 2 * fine * exact.abs().clamp(min=1)).all())


def weighed(layer: nn.Module, dtype: torch.dtype) -> nn.Module:
    for i, each in enumerate(layer.parameters()):
        each.data = random(len(each) + i, dtype=dtype)[: len(each)]
    return layer.requires_grad_(requires_grad=False)


@pytest.mark.parametrize(
    ("channels", "sides", "dtype"), [(64, (9, 11), torch.float16), (96, (3, 5), torch.float32)]
)
def test_groups_are_normalised_as_by_torch(
    known: CardKernels, channels: int, sides: tuple[int, int], dtype: torch.dtype
) -> None:
    layer = weighed(nn.GroupNorm(32, channels), dtype)
    assert isinstance(layer, nn.GroupNorm)
    # far from zero, where squares less squared means would be off
    x, shift = random(2, channels, *sides, dtype=dtype) + 20, random(2, channels, dtype=dtype)
    by = (layer.weight.double(), layer.bias.double(), layer.eps)
    with torch.no_grad():
        for given in ((), (shift,), (shift[:1].expand(2, -1),)):
            moved = x.double() + sum(each.double()[:, :, None, None] for each in given)
            exact = functional.group_norm(moved, 32, *by)
            assert near(known.group_norm(x, layer, *given, activate=False), exact, dtype)
            assert near(known.group_norm(x, layer, *given, activate=True), functional.silu(exact), dtype)


def test_large_maps_are_looked_at_in_larger_tiles(
    known: CardKernels, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernels, "MOST", 3)
    x, layer = random(2, 32, 21, 33, dtype=torch.float32), nn.GroupNorm(32, 32)
    with torch.no_grad():
        ours = known.group_norm(x, layer, activate=False)
    assert near(ours, functional.group_norm(x.double(), 32), torch.float32)


def test_rows_are_normalised_alone_and_after_adding(known: CardKernels) -> None:
    layer = weighed(nn.LayerNorm(100), torch.float16)
    assert isinstance(layer, nn.LayerNorm)
    x, y = random(3, 7, 100), random(2, 7, 100)[:1].expand(3, -1, -1).contiguous()
    by = (layer.weight.double(), layer.bias.double(), layer.eps)
    assert near(known.layer_norm(x, layer), functional.layer_norm(x.double(), (100,), *by))
    both, normed = known.added_norm(x, y, layer)
    assert torch.equal(both, x + y)
    assert near(normed, functional.layer_norm(both.double(), (100,), *by))


def test_one_half_of_a_row_gates_the_other(known: CardKernels) -> None:
    x = random(5, 9, 140)
    value, gate = x.double().chunk(2, -1)
    ours = known.gate(x, torch.empty(5, 9, 70, dtype=x.dtype))
    assert near(ours, value * functional.gelu(gate))


def test_maps_are_added_with_a_bias_and_rounded_once(known: CardKernels) -> None:
    x, y, bias = random(2, 40, 5, 3), random(2, 40, 5, 3), random(40)
    ours = known.added(x, y, bias)
    assert ours.stride() == x.stride()
    assert near(ours, x.double() + y.double() + bias.double()[:, None, None])
    assert torch.equal(known.added(x, y), x + y)


@pytest.mark.parametrize(
    ("queries", "keys", "heads", "width"), [(130, 77, 2, 64), (5, 154, 3, 40), (9, 1, 1, 8)]
)
def test_queries_gather_from_few_keys(
    known: CardKernels, queries: int, keys: int, heads: int, width: int
) -> None:
    q, both = random(2, queries, heads * width), random(2, keys, 2 * heads * width)
    k, v = both.chunk(2, -1)
    parts = (each.double().unflatten(-1, (heads, -1)).transpose(1, 2) for each in (q, k, v))
    exact = functional.scaled_dot_product_attention(*parts).transpose(1, 2).flatten(2)
    assert near(known.attend(q, k, v, heads), exact)


def test_four_maps_are_put_in_their_places(known: CardKernels) -> None:
    four, bias = random(2, 4 * 24, 4, 6), random(24)
    ours = known.placed(four, bias)
    assert ours.shape == (2, 24, 6, 10)
    for part, (down, right) in zip(four.chunk(4, 1), [(0, 0), (0, 1), (1, 0), (1, 1)], strict=True):
        seen = part[:, :, down : down + 3, right : right + 5]
        assert torch.equal(ours[:, :, down::2, right::2], seen + bias[:, None, None])
        assert torch.equal(known.placed(four, None)[:, :, down::2, right::2], seen)


def test_they_are_for_narrow_numbers_that_nobody_learns_from(known: CardKernels) -> None:
    x = random(2, 3)
    assert not known.fits(x), "gradients are on"
    with torch.no_grad():
        assert known.fits(x, x.bfloat16())
        assert not known.fits(x, x.float())
        assert not CardKernels(known.compiled).fits(x), "it is not on a card"


def test_there_are_none_without_triton(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "find_spec", lambda _: None)
    assert card_kernels() is None
