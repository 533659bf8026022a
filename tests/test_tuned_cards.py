from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from gesso.model import Model, load
from gesso.networks import clip_text, unet
from gesso.networks.attention import Attention, TransformerBlock
from gesso.networks.structure import ActivatedNorm
from gesso.runtime.gpu.kernels import CardKernels
from gesso.tuned_cards import CardTwins
from tests.models import save_model

HALF = 2.0**-11


class Counted(CardKernels):
    """Kernels that are counted, and computed by torch."""

    def __init__(self) -> None:
        object.__setattr__(self, "kind", "cpu")
        object.__setattr__(self, "calls", [])

    def group_norm(
        self, x: Tensor, layer: nn.GroupNorm, shift: Tensor | None = None, *, activate: bool
    ) -> Tensor:
        assert activate == isinstance(layer, ActivatedNorm)
        self.calls.append("group_norm")
        return type(layer).forward(layer, x, *(() if shift is None else (shift,)))

    def layer_norm(self, x: Tensor, layer: nn.LayerNorm) -> Tensor:
        self.calls.append("layer_norm")
        return nn.LayerNorm.forward(layer, x)

    def gate(self, x: Tensor, out: Tensor) -> Tensor:
        self.calls.append("gate")
        value, opening = x.chunk(2, dim=-1)
        return out.copy_(value * functional.gelu(opening))

    def added(self, x: Tensor, y: Tensor, bias: Tensor | None = None) -> Tensor:
        self.calls.append("added")
        assert x.stride() == y.stride()
        return x + y if bias is None else x + (y + bias[:, None, None])

    def added_norm(self, x: Tensor, y: Tensor, layer: nn.LayerNorm) -> tuple[Tensor, Tensor]:
        self.calls.append("added_norm")
        return x + y, nn.LayerNorm.forward(layer, x + y)

    def attend(self, q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:
        self.calls.append("attend")
        layer = Attention.__new__(Attention)
        layer.__dict__["heads"] = heads
        return Attention.attend(layer, q, k, v)

    def placed(self, four: Tensor, bias: Tensor | None) -> Tensor:
        self.calls.append("placed")
        height, width = four.shape[2] - 1, four.shape[3] - 1
        out = four.new_empty(len(four), four.shape[1] // 4, 2 * height, 2 * width)
        for part, (down, right) in zip(four.chunk(4, 1), [(0, 0), (0, 1), (1, 0), (1, 1)], strict=True):
            out[:, :, down::2, right::2] = part[:, :, down : down + height, right : right + width]
        out = out if bias is None else out + bias[:, None, None]
        return out.contiguous(memory_format=torch.channels_last)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """SDXL as far as layers go: linear projections, several blocks after one another."""
    path = save_model(tmp_path_factory.mktemp("cards") / "model.safetensors", "sdxl")
    return load(path, device="cpu", dtype="float16", kernels="plain")


@pytest.fixture
def found() -> Counted:
    return Counted()


@pytest.fixture
def network(model: Model) -> Iterator[unet.UNet]:
    network = model.networks["unet"]
    assert isinstance(network, unet.UNet)
    with torch.inference_mode():
        yield network


def told(model: Model, side: int = 4) -> tuple[Tensor, ...]:
    shapes, generator = model.identity.checkpoint.shapes, torch.Generator().manual_seed(0)
    width = next(shape[1] for name, shape in shapes.items() if name.endswith("attn2.to_k.weight"))
    vector = next(shape[1] for name, shape in shapes.items() if name.endswith("label_emb.0.0.weight"))
    x, context, more = (
        torch.randn(*size, generator=generator).half()
        for size in ((2, 4, side, side), (2, 7, width), (2, vector))
    )
    return x, torch.tensor([500.0, 20.0]), context, more


def apart(one: Tensor, other: Tensor) -> float:
    return float((one.float() - other.float()).norm() / other.float().norm())


def test_a_network_computes_the_same_up_to_rounding_and_is_itself_again(
    model: Model, network: unet.UNet, found: Counted
) -> None:
    given = told(model)
    plain = network(*given)
    with CardTwins(found).acting([network]):
        ours = network(*given)
    assert 0 < apart(ours, plain) < 8 * HALF
    assert {"group_norm", "added_norm", "attend", "gate", "added", "placed", "layer_norm"} <= set(found.calls)
    assert torch.equal(network(*given), plain)
    assert not any("forward" in layer.__dict__ for layer in network.modules())


def test_a_decoder_too(model: Model, found: Counted) -> None:
    latents = torch.randn(1, 4, 3, 5, generator=torch.Generator().manual_seed(1)).half()
    with torch.inference_mode():
        plain = model.decoder.decode(latents)
        with CardTwins(found).acting([model.decoder]):
            ours = model.decoder.decode(latents)
    assert apart(ours, plain) < 8 * HALF
    assert {"group_norm", "added", "placed"} <= set(found.calls)


def test_weights_are_laid_together_once_and_without_a_copy(
    model: Model, network: unet.UNet, found: Counted
) -> None:
    looking = next(each for name, each in network.named_modules() if name.endswith("attn1"))
    assert isinstance(looking, Attention)
    before = [part.weight.clone() for part in (looking.to_q, looking.to_k, looking.to_v)]
    twins = CardTwins(found)
    for _ in range(2):
        with twins.acting([network]):
            network(*told(model))
        places = [
            part.weight.untyped_storage().data_ptr() for part in (looking.to_q, looking.to_k, looking.to_v)
        ]
        assert len(set(places)) == 1
    after = [part.weight for part in (looking.to_q, looking.to_k, looking.to_v)]
    assert all(torch.equal(one, other) for one, other in zip(after, before, strict=True))


def test_weights_that_pass_are_left_where_they_are(model: Model, network: unet.UNet, found: Counted) -> None:
    places = [each.data_ptr() for each in network.parameters()]
    with CardTwins(found).acting([network], [network]):
        network(*told(model))
    assert [each.data_ptr() for each in network.parameters()] == places


def test_whoever_looks_at_a_layer_sees_what_it_gives(
    model: Model, network: unet.UNet, found: Counted
) -> None:
    given, watched = told(model), ["to_k", "to_out.0", "norm2", "in_layers.2", "op", "conv", "out_layers.3"]
    layers = {
        name: layer
        for name, layer in network.named_modules()
        if any(name.endswith(each) for each in watched) or isinstance(layer, TransformerBlock)
    }
    seen: dict[str, dict[str, Tensor]] = {"plain": {}, "ours": {}}
    kind = "plain"

    def look(name: str, output: Tensor) -> None:
        seen[kind][name] = output.clone()

    handles = [
        layer.register_forward_hook(lambda _, __, output, name=name: look(name, output))
        for name, layer in layers.items()
    ]
    network(*given)
    kind = "ours"
    with CardTwins(found).acting([network]):
        network(*given)
    for handle in handles:
        handle.remove()
    assert seen["ours"].keys() == seen["plain"].keys() == layers.keys()
    assert all(apart(seen["ours"][name], each) < 16 * HALF for name, each in seen["plain"].items())


def test_other_numbers_are_left_to_torch(model: Model, found: Counted) -> None:
    layers = nn.ModuleList([ActivatedNorm(8, 16), nn.LayerNorm(16), nn.GroupNorm(4, 16)])
    x = torch.randn(2, 16, 4, 4)
    with torch.inference_mode(), CardTwins(found).acting([layers]):
        layers[0](x)
        layers[2](x.half().float())
        layers[1](x.flatten(2).transpose(1, 2))
    assert not found.calls


def test_odd_sizes_are_enlarged_by_torch(model: Model, network: unet.UNet, found: Counted) -> None:
    given = told(model, 5)
    plain = network(*given)
    with CardTwins(found).acting([network]):
        ours = network(*given)
    assert apart(ours, plain) < 8 * HALF


def test_without_kernels_nothing_is_replaced(network: unet.UNet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gesso.tuned_cards.card_kernels", lambda: None)
    with CardTwins().acting([network]):
        assert not any("forward" in layer.__dict__ for layer in network.modules())


def test_text_encoders_are_recorded_where_that_is_allowed(model: Model, found: Counted) -> None:
    text = next(each for each in model.networks.values() if isinstance(each, clip_text.ClipText))
    encoder = text.text_model.encoder
    tokens = torch.zeros(1, text.positions, dtype=torch.long)
    with torch.inference_mode():
        plain = text(tokens)
        with CardTwins(found).acting([text]):
            assert "forward" in encoder.__dict__
            # not on a card, it is as ever
            assert torch.equal(text(tokens).pooled, plain.pooled)
        with CardTwins(found, records=False).acting([text]):
            assert "forward" not in encoder.__dict__
