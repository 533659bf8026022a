import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from gesso.runtime.native.kernels import kernels
from gesso.runtime.packing import Packed, Packer, unpack
from gesso.runtime.tiled import Tiled

CASES = (
    (nn.Linear(48, 80), (2, 5, 48)),
    (nn.Linear(48, 80, bias=False), (3, 48)),
    (nn.Conv2d(4, 48, 3, padding=1), (2, 4, 9, 7)),
    (nn.Conv2d(48, 80, 3, 2, 1), (2, 48, 9, 9)),
    (nn.Conv2d(48, 80, 1, bias=False), (1, 48, 6, 6)),
)
packs = pytest.mark.skipif(
    not torch.ops.mkldnn._is_mkldnn_bf16_supported(), reason="this processor has no bfloat16"
)


def narrow(layer: nn.Module) -> nn.Module:
    """A copy in bfloat16."""
    made = type(layer).__new__(type(layer))
    made.__dict__.update(layer.__dict__)
    made._parameters = {
        name: None if each is None else nn.Parameter(each.data.bfloat16(), requires_grad=False)
        for name, each in layer._parameters.items()
    }
    return made


@pytest.fixture(params=CASES, ids=lambda case: str(case[0]))
def case(request: pytest.FixtureRequest) -> tuple[nn.Conv2d | nn.Linear, Tensor]:
    torch.manual_seed(0)
    layer = narrow(request.param[0])
    assert isinstance(layer, nn.Conv2d | nn.Linear)
    return layer, torch.randn(request.param[1]).bfloat16()


def packed(layer: nn.Conv2d | nn.Linear, x: Tensor) -> Packed:
    """The layer's weight after a call."""
    with torch.inference_mode():
        Packer()(layer, (x,))
    assert type(layer.weight) is Packed
    return layer.weight


@packs
def test_a_packed_layer_answers_as_before(case: tuple[nn.Conv2d | nn.Linear, Tensor]) -> None:
    layer, x = case
    with torch.inference_mode():
        before = layer(x)
        packed(layer, x)
        assert torch.allclose(layer(x).float(), before.float(), rtol=2**-7, atol=2**-7)


@packs
def test_whoever_reads_a_packed_weight_finds_the_plain_one(
    case: tuple[nn.Conv2d | nn.Linear, Tensor],
) -> None:
    layer, x = case
    before = layer.weight.data
    weight = packed(layer, x)
    readings = (
        weight.data,
        weight.detach(),
        layer.state_dict()["weight"],
        weight.float().bfloat16(),
        weight * 1,
    )
    assert all(type(each) is Tensor and torch.equal(each, before) for each in readings)
    assert (weight.shape, weight.dtype, weight.nbytes) == (before.shape, before.dtype, before.nbytes)
    assert dict(layer.named_parameters())["weight"] is weight


@packs
def test_only_one_of_the_two_is_kept(case: tuple[nn.Conv2d | nn.Linear, Tensor]) -> None:
    layer, x = case
    before = layer.weight.data
    weight = packed(layer, x)
    with pytest.raises(RuntimeError, match="invalid python storage"):
        weight.untyped_storage().data_ptr()
    assert weight.opaque.is_mkldnn
    assert not any(each is before for each in vars(weight).values())


@packs
def test_a_packed_weight_cannot_be_written_to() -> None:
    layer = narrow(nn.Linear(48, 80))
    assert isinstance(layer, nn.Linear)
    weight = packed(layer, torch.ones(1, 48).bfloat16())
    with torch.no_grad(), pytest.raises(TypeError, match="must not be written to"):
        weight.mul_(2)
    with pytest.raises(TypeError, match="must not be written to"):
        weight.data = torch.zeros(80, 48)


@packs
def test_gradients_pass_through_a_packed_layer(case: tuple[nn.Conv2d | nn.Linear, Tensor]) -> None:
    layer, x = case
    gradients: list[Tensor | None] = []
    for _ in range(2):
        learnt = x.clone().requires_grad_()
        layer(learnt).float().square().sum().backward()
        gradients.append(learnt.grad)
        packed(layer, x) if not gradients[1:] else None
    assert torch.equal(*gradients)


@packs
def test_a_module_that_is_converted_has_plain_weights_again() -> None:
    layer = narrow(nn.Conv2d(48, 80, 3))
    assert isinstance(layer, nn.Conv2d)
    before = layer.weight.data
    packed(layer, torch.ones(1, 48, 5, 5).bfloat16())
    layer.float()
    assert type(layer.weight) is nn.Parameter
    assert torch.equal(layer.weight, before.float())


def test_other_weights_are_left_alone() -> None:
    class Other(nn.Parameter):
        pass

    wide, standing, trained = nn.Linear(8, 8), nn.Linear(8, 8).bfloat16(), nn.Linear(8, 8).bfloat16()
    standing.weight = Other(standing.weight.data, requires_grad=False)
    weights = [each.weight for each in (wide, standing, trained)]
    x, packer = torch.ones(1, 8), Packer()
    with torch.no_grad():
        packer(wide, (x,))
        packer(standing, (x.bfloat16(),))
    packer(trained, (x.bfloat16(),))
    assert all(each.weight is was for each, was in zip((wide, standing, trained), weights, strict=True))


@packs
def test_unpacked_weights_are_as_they_were(case: tuple[nn.Conv2d | nn.Linear, Tensor]) -> None:
    layer, x = case
    before = layer.weight.clone()
    strides = layer.weight.stride()
    packed(layer, x)
    unpack(nn.Sequential(layer, nn.SiLU()))
    assert type(layer.weight) is nn.Parameter
    assert torch.equal(layer.weight, before)
    assert not layer.weight.requires_grad
    assert layer.weight.stride() == strides
    assert not layer.weight.is_inference()


@packs
def test_weights_for_our_kernels_are_unpacked_too() -> None:
    found = kernels()
    if found is None:
        pytest.skip("this machine has no kernels of its own")
    layer, x = narrow(nn.Conv2d(32, 64, 3, padding=1)), torch.ones(1, 32, 5, 5).bfloat16()
    assert isinstance(layer, nn.Conv2d)
    before, strides = layer.weight.clone(), layer.weight.stride()
    with torch.inference_mode():
        Packer(multiplier=found.multiplier())(layer, (x,))
    assert type(layer.weight) is Tiled
    unpack(layer)
    assert type(layer.weight) is nn.Parameter
    assert torch.equal(layer.weight, before)
    assert layer.weight.stride() == strides


@packs
def test_weights_are_laid_out_once(capfd: pytest.CaptureFixture[str]) -> None:
    layer = narrow(nn.Conv2d(64, 64, 3, padding=1))
    assert isinstance(layer, nn.Conv2d)
    x = torch.ones(1, 64, 16, 16).bfloat16().contiguous(memory_format=torch.channels_last)
    packed(layer, x)
    with torch.inference_mode(), torch.backends.mkldnn.verbose(torch.backends.mkldnn.VERBOSE_ON):
        layer(x)
        functional.conv2d(x, layer.weight, layer.bias, padding=1)
    lines = [each for each in capfd.readouterr().out.splitlines() if ",exec," in each]
    assert len([each for each in lines if ",convolution," in each]) == 2
    assert not [each for each in lines if ",reorder," in each]


@packs
def test_what_the_plain_weights_took_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    given_back: list[None] = []
    monkeypatch.setattr("gesso.runtime.packing.LOOSE", 2 * 48 * 80)
    monkeypatch.setattr("gesso.runtime.packing.give_back", lambda: given_back.append(None))
    packer, x = Packer(), torch.ones(1, 48).bfloat16()
    with torch.inference_mode():
        for _ in range(4):
            packer(narrow(nn.Linear(48, 80)), (x,))
    assert len(given_back) == 2
