from weakref import ref

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from gesso.runtime.fused import Enlarger, added
from gesso.runtime.maps import Maps
from gesso.runtime.packing import Packer

pytestmark = pytest.mark.skipif(
    not torch.ops.mkldnn._is_mkldnn_bf16_supported(), reason="this processor has no bfloat16"
)
FINE = 2**-8


def random(*size: int) -> Tensor:
    made = torch.randn(*size, generator=torch.Generator().manual_seed(size[-1])).bfloat16()
    return made.contiguous(memory_format=torch.channels_last) if made.ndim == 4 else made


def near(ours: Tensor, wide: Tensor) -> bool:
    return bool(((ours.float() - wide).abs() <= 2 * FINE * wide.abs().clamp(min=1)).all())


@torch.inference_mode()
def test_a_layer_and_what_was_there_are_added_as_if_rounded_once() -> None:
    linear, conv = nn.Linear(24, 40).bfloat16(), nn.Conv2d(24, 40, 3, padding=1).bfloat16()
    for layer, x, h in (
        (linear, random(2, 7, 40), random(2, 7, 24)),
        (conv, random(2, 40, 6, 5), random(2, 24, 6, 5)),
    ):
        Packer()(layer, (h,))
        ours = added(x, layer, h, Maps())
        wide = x.float() + type(layer).forward(layer.float(), h.float())
        assert near(ours, wide)
        assert ours.stride() == x.stride()


@torch.inference_mode()
@pytest.mark.parametrize("bias", [True, False])
def test_the_convolution_of_an_enlarged_map(bias: bool) -> None:
    conv = nn.Conv2d(24, 40, 3, padding=1, bias=bias).bfloat16()
    x, enlarger = random(2, 24, 6, 5), Enlarger(Maps())
    wide = functional.interpolate(x.float(), scale_factor=2.0)
    for _ in range(2):
        ours = enlarger(Packer(), conv, x)
        told = None if conv.bias is None else conv.bias.float()
        assert near(ours, functional.conv2d(wide, conv.weight.float(), told, padding=1))
        assert ours.is_contiguous(memory_format=torch.channels_last)
        # another weight in its place, as an adapter puts one there
        conv.weight = nn.Parameter(conv.weight.detach() * 0.5, requires_grad=False)


@torch.inference_mode()
def test_what_was_made_of_a_weight_goes_with_it() -> None:
    conv, enlarger, made = nn.Conv2d(8, 8, 3, padding=1).bfloat16(), Enlarger(Maps()), list[ref[nn.Module]]()

    class Seeing(Packer):
        def __call__(self, layer: nn.Module, given: tuple[Tensor, ...]) -> None:
            made.append(ref(layer))
            super().__call__(layer, given)

    for _ in range(2):
        enlarger(Seeing(), conv, random(1, 8, 4, 4))
    assert made[0]() is made[1]() is not None
    conv.weight = nn.Parameter(torch.zeros(8, 8, 3, 3, device="meta"), requires_grad=False)
    assert made[0]() is None
