import pytest
import torch
from torch import Tensor
from torch.nn import functional

from gesso.runtime.native.kernels import kernels
from gesso.runtime.native.product import DEPTH, PANEL, Layout, Multiplier

FINE = 2**-8
"""Half a step of bfloat16, of numbers below 2."""


@pytest.fixture(scope="module")
def found() -> Multiplier:
    made = kernels()
    if made is None:
        pytest.skip("this machine has no kernels of its own")
    multiplier = made.multiplier()
    assert multiplier is not None
    return multiplier


def drawn(*shape: int, scale: float = 1.0) -> Tensor:
    return (torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape))) * scale).bfloat16()


def close(ours: Tensor, wide: Tensor) -> None:
    """As near to the result in float32 as bfloat16 can be, but for the order of sums."""
    assert ours.shape == wide.shape
    assert ((ours.float() - wide).abs() / wide.abs().clamp(min=1.0)).max() <= 1.02 * FINE


MAPS = (
    (32, 32, 3, (1, 1), (1, 5, 7)),
    (64, 96, 3, (1, 1), (2, 8, 8)),
    (640, 64, 3, (1, 1), (2, 16, 16)),
    (64, 128, 2, (1, 1), (2, 6, 5)),
    (64, 64, 3, (0, 0), (2, 8, 9)),
    (64, 64, 3, (1, 0), (1, 8, 9)),
    (32, 64, 5, (2, 2), (1, 40, 70)),
    (32, 64, 3, (1, 1), (2, 5, 131)),
    (32, 32, 2, (1, 1), (1, 3, 200)),
    (128, 64, 3, (1, 1), (1, 1, 1)),
)


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize(("deep", "across", "side", "pad", "size"), MAPS)
def test_convolutions(
    found: Multiplier,
    deep: int,
    across: int,
    side: int,
    pad: tuple[int, int],
    size: tuple[int, int, int],
    last: bool,
) -> None:
    """Whatever the order of the weight, with and without a bias and something that is added."""
    x = drawn(size[0], deep, *size[1:]).contiguous(memory_format=torch.channels_last)
    weight = drawn(across, deep, side, side, scale=(deep * side**2) ** -0.5)
    weight = weight.contiguous(memory_format=torch.channels_last if last else torch.contiguous_format)
    layout = Layout(across, deep, side, halved=False)
    laid = (found.lay_out(weight, layout), layout)
    wide = functional.conv2d(x.float(), weight.float(), padding=pad)
    close(found.convolution(x, laid, None, pad), wide)
    bias, add = drawn(across), drawn(*wide.shape).contiguous(memory_format=torch.channels_last)
    close(found.convolution(x, laid, bias, pad, add), wide + bias.float().view(-1, 1, 1) + add.float())


@pytest.mark.parametrize(
    ("rows", "deep", "across"), [(1, 32, 64), (77, 320, 640), (3, 1280, 128), (40, 5120, 192)]
)
def test_rows_and_gates(found: Multiplier, rows: int, deep: int, across: int) -> None:
    x, bias = drawn(2, rows, deep), drawn(across)
    weight = drawn(across, deep, scale=deep**-0.5)
    layout = Layout(across, deep, 1, halved=True)
    laid = (found.lay_out(weight, layout), layout)
    wide = functional.linear(x.float(), weight.float(), bias.float())
    close(found.rows(x, laid, bias, gates=False), wide)
    value, gate = wide.chunk(2, dim=-1)
    close(found.rows(x, laid, bias, gates=True), value * functional.gelu(gate))


@pytest.mark.parametrize("threads", [1, 3])
def test_any_number_of_threads_gives_the_same(found: Multiplier, threads: int) -> None:
    x = drawn(1, 64, 20, 30).contiguous(memory_format=torch.channels_last)
    layout = Layout(96, 64, 3, halved=False)
    laid = (found.lay_out(drawn(96, 64, 3, 3), layout), layout)
    before, usual = found.convolution(x, laid, None, (1, 1)), torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        assert torch.equal(found.convolution(x, laid, None, (1, 1)), before)
    finally:
        torch.set_num_threads(usual)


def test_what_overflows_is_seen(found: Multiplier) -> None:
    x = torch.full((1, 32, 3, 3), float("nan")).bfloat16().contiguous(memory_format=torch.channels_last)
    layout = Layout(32, 32, 3, halved=False)
    assert (
        found.convolution(x, (found.lay_out(drawn(32, 32, 3, 3), layout), layout), None, (1, 1)).isnan().all()
    )


@pytest.mark.parametrize("deep", [32, 320, 960, 5120, 32 * 13])
def test_parts_are_even_and_fit(deep: int) -> None:
    for side in (1, 2, 3):
        parts = Layout(PANEL, deep, side, halved=False).parts
        assert deep % (parts * DEPTH) == 0
        assert parts * DEPTH == deep or deep // parts * side**2 <= 2880
