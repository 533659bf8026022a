import pytest
import torch
from torch.nn import functional
from torch.nn.attention import SDPBackend

from gesso.runtime.gpu import attention
from gesso.runtime.gpu.attention import quick_attention


def test_it_is_asked_for_on_cards_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def kernel(backends: list[SDPBackend], *, set_priority: bool) -> torch.no_grad:
        asked.append((backends[0], set_priority))
        return torch.no_grad()

    monkeypatch.setattr(attention, "sdpa_kernel", kernel)
    for name in ("cpu", "mps", "cuda"):
        with quick_attention(torch.device(name)):
            pass
    assert asked == [(SDPBackend.CUDNN_ATTENTION, True)]


def test_what_it_computes_is_attention() -> None:
    q = torch.randn(1, 2, 5, 8)
    plain = functional.scaled_dot_product_attention(q, q, q)
    with quick_attention(torch.device("cuda")):
        assert torch.allclose(functional.scaled_dot_product_attention(q, q, q), plain, atol=1e-6)
