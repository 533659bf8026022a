from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from gesso.checkpoint.shapes import Shapes
from gesso.families.probe import probe_prediction
from gesso.families.signs import UNET

SHAPES = Shapes(
    {
        f"{UNET}input_blocks.0.0.weight": (320, 4, 3, 3),
        f"{UNET}input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": (320, 1024),
    }
)
CPU = torch.device("cpu")


class Stub(nn.Module):
    def __init__(self, answer: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.answer = answer

    def forward(self, x: Tensor, t: Tensor, context: Tensor, vector: Tensor | None) -> Tensor:
        self.shown = (x, t, context, vector)
        return self.answer(x)


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (lambda x: x, "epsilon"),
        (lambda x: 0.9 * x + 0.3 * x.flip(-1), "epsilon"),
        (torch.zeros_like, "v"),
        (lambda x: -x.mean((2, 3), keepdim=True).expand_as(x), "v"),
        (lambda x: x.flip(-1) + 0.07 * x, "v"),
    ],
)
def test_the_network_tells_what_it_predicts(answer: Callable[[Tensor], Tensor], name: str) -> None:
    found, correlation = probe_prediction(Stub(answer), SHAPES, CPU, torch.float32)
    assert found == name
    assert (correlation > 0.5) == (name == "epsilon")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_it_is_shown_pure_noise_at_the_last_time_and_no_words(dtype: torch.dtype) -> None:
    stub = Stub(lambda x: x)
    probe_prediction(stub, SHAPES, CPU, dtype)
    x, t, context, vector = stub.shown
    assert (x.dtype, context.dtype) == (dtype, dtype)
    assert x.shape[1] == 4
    assert x.float().std() == pytest.approx(1.0, abs=0.1)
    assert t.tolist() == [999.0]
    assert context.shape[-1] == 1024
    assert not context.any()
    assert vector is None


def test_a_network_with_more_inputs_and_a_vector_is_asked_too() -> None:
    shapes = Shapes(
        {
            **SHAPES,
            f"{UNET}input_blocks.0.0.weight": (320, 9, 3, 3),
            f"{UNET}label_emb.0.0.weight": (1280, 12),
        }
    )
    stub = Stub(lambda x: x[:, :4])
    assert probe_prediction(stub, shapes, CPU, torch.float32)[0] == "epsilon"
    vector = stub.shown[3]
    assert vector is not None
    assert vector.shape == (1, 12)
    assert stub.shown[0].shape[1] == 9
