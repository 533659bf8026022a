from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from gesso.runtime.native.kernels import Kernels, kernels
from gesso.tuned import WIDEST

FINE = 2**-8
"""Half a step of bfloat16, of numbers below 2."""


@pytest.fixture(scope="module")
def found() -> Kernels:
    made = kernels()
    if made is None:
        pytest.skip("this machine has no kernels of its own")
    return made


def close(ours: Tensor, wide: Tensor, slack: float = 1.0) -> None:
    """As near to the result in float32 as bfloat16 can be, or a little less."""
    apart = (ours.float() - wide).abs() / wide.abs().clamp(min=1.0)
    assert apart.max() <= slack * FINE


def attended(q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:
    split = (each.float().unflatten(-1, (heads, -1)).transpose(1, 2) for each in (q, k, v))
    return functional.scaled_dot_product_attention(*split).transpose(1, 2).flatten(2)


@pytest.mark.parametrize(
    ("queries", "keys", "heads", "width"),
    [
        (64, 64, 2, 40),
        (100, 77, 3, 64),
        (1, 1, 1, 8),
        (65, 300, 1, 80),
        (130, 520, 2, 24),
        (70, 33, 1, WIDEST),
    ],
)
def test_attention(found: Kernels, queries: int, keys: int, heads: int, width: int) -> None:
    torch.manual_seed(0)
    q, k, v = (torch.randn(2, n, heads * width).bfloat16() for n in (queries, keys, keys))
    close(found.attend(q, k, v, heads), attended(q, k, v, heads), slack=2.0)


def test_attention_that_is_sure_of_itself(found: Kernels) -> None:
    """Scores of thousands: the best key takes all, wherever it stands."""
    torch.manual_seed(0)
    q = torch.randn(1, 70, 32).bfloat16() * 60
    k, v = (torch.randn(1, 600, 32).bfloat16() * scale for scale in (60, 1))
    close(found.attend(q, k, v, 1), attended(q, k, v, 1), slack=2.0)


def test_attention_reads_tokens_wherever_they_are(found: Kernels) -> None:
    torch.manual_seed(0)
    whole = torch.randn(2, 50, 3, 64).bfloat16()
    q, k, v = whole.unbind(2)
    apart = found.attend(q.contiguous(), k.contiguous(), v.contiguous(), 2)
    assert torch.equal(found.attend(q, k, v, 2), apart)
    shared = k[:1].expand(2, -1, -1)
    assert torch.equal(found.attend(q, shared, v, 2), found.attend(q, shared.contiguous(), v, 2))


def test_attention_hides_no_overflow(found: Kernels) -> None:
    q = torch.ones(1, 3, 16).bfloat16()
    assert found.attend(q, q * float("nan"), q, 1).isnan().all()
    assert found.attend(q, q, q * float("inf"), 1).isinf().all()


@pytest.mark.parametrize("activate", [True, False])
@pytest.mark.parametrize(
    ("width", "groups", "size"), [(320, 32, (9, 7)), (48, 16, (32, 40)), (10, 2, (1, 3))]
)
def test_group_norm(found: Kernels, width: int, groups: int, size: tuple[int, int], activate: bool) -> None:
    torch.manual_seed(0)
    layer = nn.GroupNorm(groups, width, 1e-5)
    nn.init.normal_(layer.weight)
    nn.init.normal_(layer.bias)
    narrow = layer.bfloat16().requires_grad_(requires_grad=False)
    x = (torch.randn(2, width, *size) * 3 + 5).bfloat16().contiguous(memory_format=torch.channels_last)
    wide = functional.group_norm(x.float(), groups, narrow.weight.float(), narrow.bias.float(), 1e-5)
    ours = found.group_norm(x, narrow, activate=activate)
    close(ours, functional.silu(wide) if activate else wide, slack=1.5)
    shift = torch.randn(2, width).bfloat16()
    shifted = functional.group_norm(
        x.float() + shift.float()[:, :, None, None], groups, narrow.weight.float(), narrow.bias.float(), 1e-5
    )
    ours = found.group_norm(x, narrow, shift, activate=activate)
    close(ours, functional.silu(shifted) if activate else shifted, slack=1.5)
    assert ours.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("shape", [(2, 7, 320), (3, 20), (1, 1, 1281)])
def test_layer_norm(found: Kernels, shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    layer = nn.LayerNorm(shape[-1]).bfloat16().requires_grad_(requires_grad=False)
    nn.init.normal_(layer.weight)
    x = (torch.randn(shape) * 3 - 2).bfloat16()
    wide = functional.layer_norm(x.float(), shape[-1:], layer.weight.float(), layer.bias.float())
    close(found.layer_norm(x, layer), wide, slack=1.5)


@pytest.mark.parametrize("shape", [(2, 5, 64), (3, 50), (1, 2)])
def test_gate(found: Kernels, shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    x = (torch.randn(shape) * 4).bfloat16()
    value, gate = x.float().chunk(2, dim=-1)
    close(found.gate(x, x.new_empty((*shape[:-1], shape[-1] // 2))), value * functional.gelu(gate), slack=1.5)


@pytest.mark.parametrize("function", [functional.silu, functional.gelu])
def test_they_saturate_as_they_should(found: Kernels, function: Callable[[Tensor], Tensor]) -> None:
    """Far out, the activations are nothing or what they are given."""
    ends = torch.tensor([-1e30, -100.0, -20.0, 20.0, 100.0, 1e30]).bfloat16()
    if function is functional.gelu:
        both = torch.cat((torch.ones(6).bfloat16(), ends))[None]
        ours = found.gate(both, torch.empty(1, 6).bfloat16())[0]
    else:
        layer = nn.GroupNorm(1, 1, 1e-30).bfloat16().requires_grad_(requires_grad=False)
        x = (
            torch.tensor([-1.0, 1.0])
            .bfloat16()
            .view(1, 1, 1, 2)
            .contiguous(memory_format=torch.channels_last)
        )
        layer.weight.fill_(80.0)
        ours, ends = found.group_norm(x, layer, activate=True).flatten(), torch.tensor([-80.0, 80.0])
    assert torch.allclose(ours.float(), function(ends.float()), rtol=2**-7, atol=1e-6)
