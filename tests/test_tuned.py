import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

import gesso
from gesso import Request, paint
from gesso.errors import UnknownName
from gesso.model import Model, load
from gesso.networks import autoencoder, unet
from gesso.networks.attention import Attention, GatedProjection
from gesso.networks.seamless import seamless
from gesso.networks.structure import ActivatedNorm, Joined
from gesso.runtime.maps import Maps
from gesso.runtime.native.kernels import Kernels, kernels
from gesso.runtime.native.whole import rounder
from gesso.runtime.packing import Packed
from gesso.runtime.quantized import Quantized
from gesso.runtime.tiled import Tiled
from gesso.tuned import in_force, tuned
from tests.models import save_model

ASKED = Request(prompt="a red cat on a chair", seed=1, steps=4, sampler="euler")
packs = pytest.mark.skipif(
    not torch.ops.mkldnn._is_mkldnn_bf16_supported(), reason="this processor has no bfloat16"
)


class Counting(Kernels):
    """Kernels that are counted, and computed by torch."""

    def __init__(self) -> None:
        object.__setattr__(self, "calls", [])

    def multiplier(self) -> None:
        """None of its own."""

    def _counted(self, name: str, plain: Callable[[], Tensor]) -> Tensor:
        self.calls.append(name)
        return plain()

    def attend(self, q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:
        layer = Attention.__new__(Attention)
        layer.__dict__["heads"] = heads
        return self._counted("attend", lambda: Attention.attend(layer, q, k, v))

    def group_norm(
        self,
        x: Tensor,
        layer: nn.GroupNorm,
        shift: Tensor | None = None,
        *,
        activate: bool,
        out: Tensor | None = None,
    ) -> Tensor:
        assert activate == isinstance(layer, ActivatedNorm)
        given = (x,) if shift is None else (x, shift)
        made = self._counted("group_norm", lambda: type(layer).forward(layer, *given))
        return made if out is None else out.copy_(made)

    def layer_norm(self, x: Tensor, layer: nn.LayerNorm) -> Tensor:
        return self._counted("layer_norm", lambda: nn.LayerNorm.forward(layer, x))

    def gate(self, x: Tensor, out: Tensor) -> Tensor:
        value, opening = x.chunk(2, dim=-1)
        return self._counted("gate", lambda: out.copy_(value * functional.gelu(opening)))


@pytest.fixture(scope="module")
def narrow() -> Model:
    return load(device="cpu", dtype="bfloat16")


def painted(model: Model) -> np.ndarray:
    """A picture; the tests' checks of shapes hide from torch that `generate` goes without gradients."""
    with torch.inference_mode():
        return np.asarray(paint(model, ASKED).images[0])


def told(model: Model, dtype: torch.dtype) -> tuple[Tensor, ...]:
    """Inputs of its UNet."""
    torch.manual_seed(0)
    x = torch.randn(2, 4, 8, 8).to(dtype).contiguous(memory_format=torch.channels_last)
    width = next(each for name, each in model.identity.checkpoint.shapes.items() if "attn2.to_k" in name)[1]
    return x, torch.tensor([500.0, 500.0]), torch.randn(2, 12, width).to(dtype)


def test_every_layer_that_has_a_twin_is_given_it(narrow: Model) -> None:
    network, found = narrow.networks["unet"], Counting()
    with torch.inference_mode(), tuned([network], found):
        network(*told(narrow, torch.bfloat16))
    layers = [*network.modules()]
    wanted = {
        "attend": sum(isinstance(each, Attention) for each in layers),
        "gate": sum(isinstance(each, GatedProjection) for each in layers),
        "group_norm": sum(isinstance(each, nn.GroupNorm) for each in layers),
        "layer_norm": sum(isinstance(each, nn.LayerNorm) for each in layers),
    }
    assert {name: found.calls.count(name) for name in wanted} == wanted


def test_tokens_are_gated_some_at_a_time_unless_somebody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    layer = GatedProjection(
        {"proj.weight": (32, 8), "proj.bias": (32,)},
    ).bfloat16()
    x, found, seen = torch.randn(2, 5, 8).bfloat16(), Counting(), list[torch.Size]()
    monkeypatch.setattr("gesso.tuned.PART", 32 * 4)
    monkeypatch.setattr("gesso.tuned.TOGETHER", 2)
    with torch.inference_mode(), tuned([layer], found):
        parts = layer(x)
        assert found.calls == ["gate"] * 3, "4, 4 and 2 tokens"
        layer.proj.register_forward_hook(lambda *told: seen.append(told[1][0].shape))
        assert torch.allclose(layer(x).float(), parts.float(), atol=2**-7)
    assert seen == [x.shape]


@pytest.mark.parametrize("reason", ["float32", "gradients"])
def test_where_kernels_are_not_for_it_torch_computes(reason: str) -> None:
    model = load(device="cpu", dtype="float32" if reason == "float32" else "bfloat16")
    network, found = model.networks["unet"], Counting()
    inputs = told(model, model.dtype)
    with torch.set_grad_enabled(reason == "gradients"):
        before = network(*inputs)
        with tuned([network], found):
            assert torch.equal(network(*inputs), before)
    assert not found.calls
    assert not any(isinstance(each, Packed) for each in network.parameters())


def test_afterwards_the_layers_are_as_before(narrow: Model) -> None:
    network = narrow.networks["unet"]
    before = {each: set(vars(each)) for each in network.modules()}
    hooks = [each._forward_pre_hooks.copy() for each in network.modules()]
    for _ in range(2):
        with pytest.raises(KeyError), tuned([network], Counting()):
            raise KeyError
    assert {each: set(vars(each)) for each in network.modules()} == before
    assert [each._forward_pre_hooks for each in network.modules()] == hooks


def test_hooks_of_layers_see_what_they_saw(narrow: Model) -> None:
    network, seen = narrow.networks["unet"], list[int]()
    handles = [
        each.register_forward_hook(lambda *_: seen.append(1))
        for each in network.modules()
        if not isinstance(each, nn.Identity)
    ]
    with torch.inference_mode():
        network(*told(narrow, torch.bfloat16))
        plain = len(seen)
        with tuned([network], Counting()):
            network(*told(narrow, torch.bfloat16))
    for handle in handles:
        handle.remove()
    assert len(seen) == 2 * plain


@packs
def test_what_is_joined_or_enlarged_takes_no_reading_of_its_own(narrow: Model) -> None:
    networks = [narrow.networks["unet"], narrow.vae]
    with torch.inference_mode(), tuned(networks):
        for _ in range(2):
            with profile(activities=[ProfilerActivity.CPU]) as seen:
                networks[0](*told(narrow, torch.bfloat16))
                narrow.vae.decode(torch.zeros(1, 4, 8, 8).bfloat16())
    layers = [each for network in networks for each in network.modules()]
    names = [event.name for event in seen.events()]
    joints = sum(isinstance(each, Joined) for each in narrow.networks["unet"].modules())
    joints += sum(isinstance(each, Joined) for each in narrow.vae.decoder.modules())
    assert sum(name.endswith("pointwise.binary") or "_pointwise" in name for name in names) > joints
    assert not any("upsample" in name for name in names)
    attentions = sum(isinstance(each, autoencoder.Attention) for each in layers)
    assert names.count("aten::add") <= attentions + 1, "no joint adds by itself, the time and a vector may"


@packs
@pytest.mark.parametrize("edge", ["zeros", "around"])
def test_an_enlarged_map_is_what_its_parts_make(edge: str) -> None:
    """Also where the picture's edges meet, and for sizes that are not doubled."""
    torch.manual_seed(0)
    layer = unet.Upsample({"conv.weight": (16, 16, 3, 3), "conv.bias": (16,)}).bfloat16()
    x = torch.randn(2, 16, 6, 5).bfloat16().contiguous(memory_format=torch.channels_last)
    with torch.inference_mode(), ExitStack() as undo:
        if edge == "around":
            undo.enter_context(seamless(layer, "both"))
        for size in ((12, 10), (11, 10)):
            before = layer(x, size)
            with tuned([layer]):
                assert torch.allclose(layer(x, size).float(), before.float(), atol=2**-6)


@packs
def test_weights_stay_packed_and_are_read_as_ever() -> None:
    model = load(device="cpu", dtype="bfloat16")
    network = model.networks["unet"]
    before = {name: each.clone() for name, each in network.state_dict().items()}
    painted(model)
    layers = [each for each in network.modules() if isinstance(each, nn.Conv2d | nn.Linear)]
    assert all(isinstance(each.weight, Packed | Tiled) for each in layers)
    assert all(torch.equal(each, before[name]) for name, each in network.state_dict().items())


def apart(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one.astype(float) - other.astype(float)).mean())


def test_the_picture_is_as_near_to_the_true_one_as_without(narrow: Model) -> None:
    """Rounding differs, so bfloat16 pictures do; each is as far from float32's as the other."""
    pictures = {
        name: painted(model)
        for name, model in {
            "auto": narrow,
            "plain": load(device="cpu", dtype="bfloat16", kernels="plain"),
            "true": load(device="cpu", dtype="float32", kernels="plain"),
        }.items()
    }
    rounding = apart(pictures["plain"], pictures["true"])
    assert apart(pictures["auto"], pictures["true"]) <= 1.5 * rounding
    assert apart(pictures["auto"], pictures["plain"]) <= 1.5 * rounding
    assert rounding < 1.0


def test_weights_of_8_bits_are_multiplied_as_whole_numbers(narrow: Model) -> None:
    if rounder() is None:
        pytest.skip("this machine does not multiply whole numbers by kernels of its own")
    model = load(device="cpu", dtype="bfloat16", quantize="int8")
    assert 0 < apart(painted(model), painted(narrow)) < 2.0
    rounded = [each for each in model.networks["unet"].parameters() if isinstance(each, Quantized)]
    assert len(rounded) > 50
    assert all(each.products is not None for each in rounded)


def test_in_float32_the_picture_is_the_same_to_the_bit() -> None:
    model = load(device="cpu", dtype="float32")
    assert np.array_equal(painted(model), painted(replace(model, kernels="plain")))


def test_this_machines_own_kernels_are_used(narrow: Model) -> None:
    if kernels() is None:
        pytest.skip("this machine has none")
    with FlopCounterMode(display=False) as counter, torch.inference_mode(), tuned([narrow.networks["unet"]]):
        narrow.networks["unet"](*told(narrow, torch.bfloat16))
    assert not counter.get_total_flops(), "torch multiplies nothing that it could count"


def test_no_others_are_known() -> None:
    with pytest.raises(UnknownName, match="fast"):
        load(device="cpu", kernels="fast")


def test_numbers_that_no_kernel_is_for_run_by_torchs_own() -> None:
    cpu = torch.device("cpu")
    assert in_force("auto", cpu, torch.bfloat16) == "auto"
    assert in_force("plain", cpu, torch.bfloat16) == "plain"
    assert in_force("auto", torch.device("cuda"), torch.float16) == "auto"
    assert in_force("auto", cpu, torch.float32) == "plain"


WAITING = """
import sys
from itertools import islice
from gesso import Request, Stepped, generate, load
from gesso.families import waiting
from gesso.generation import spending
from gesso.runtime.memory import held

file, quantize = sys.argv[1:]
spending.ASIDE = 0
asked = Request(prompt="a cat", seed=1, size=(64, 64), steps=2, sampler="euler")

def latents(memory):
    model = load(file, device="cpu", dtype="bfloat16", quantize=quantize, memory=memory)
    assert bool(model.waiting) == (memory is not None)
    steps = (event.step.x for event in generate(model, asked) if isinstance(event, Stepped))
    # and no decoding, for which there is no room
    return [*islice(steps, asked.steps)][-1]

whole = latents(None)
for unit, room in ((1, 0), (20_000, 2_000_000), (2**27, 0)):
    waiting.UNIT = unit
    found = latents(held(whole.device) + room)
    print(unit, bool((found == whole).all()))
"""


@packs
@pytest.mark.parametrize("quantize", ["none", "int8"])
def test_weights_that_wait_in_their_file_give_the_same_bits(quantize: str, tmp_path: Path) -> None:
    """In a process of its own: the tests' checks of shapes hide from torch that it goes without gradients."""
    file = save_model(tmp_path / "model.safetensors", "sdxl")
    command = [sys.executable, "-c", WAITING, str(file), quantize]
    environment = os.environ | {"PYTHONPATH": str(Path(gesso.__file__).parents[1])}
    run = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert [line.split()[1] for line in run.stdout.splitlines()] == ["True"] * 3


def test_gates_are_multiplied_by_our_kernels_unless_somebody_looks() -> None:
    if kernels() is None:
        pytest.skip("this machine has none")
    torch.manual_seed(0)
    layer, seen = GatedProjection({"proj.weight": (128, 32), "proj.bias": (128,)}).bfloat16(), list[int]()
    x = torch.randn(2, 5, 32).bfloat16()
    with torch.inference_mode():
        before = layer(x)
        with tuned([layer]):
            assert torch.allclose(layer(x).float(), before.float(), atol=2**-7)
            assert isinstance(layer.proj.weight, Tiled)
            layer.proj.register_forward_hook(lambda *told: seen.append(told[2].shape[-1]))
            assert torch.allclose(layer(x).float(), before.float(), atol=2**-7)
    assert seen == [128]


@packs
def test_a_decoder_by_bands_gives_the_same_bits(narrow: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """Maps that count as large are made some rows at a time, in memory that goes back afterwards."""
    latents = torch.randn(2, 4, 12, 10, generator=torch.Generator().manual_seed(0)).bfloat16()
    made = list[Maps]()

    class Seen(Maps):
        def __init__(self) -> None:
            super().__init__()
            made.append(self)

    monkeypatch.setattr("gesso.tuned.Maps", Seen)
    with torch.inference_mode():
        with tuned([narrow.vae]):
            whole = narrow.vae.decode(latents)
        for each in ("gesso.runtime.maps.LARGE", "gesso.runtime.fused.LARGE", "gesso.tuned.LARGE"):
            monkeypatch.setattr(each, 2**12)
        monkeypatch.setattr("gesso.runtime.fused.BAND", 2**14)
        with tuned([narrow.vae]):
            assert torch.equal(narrow.vae.decode(latents), whole)
        assert made[-1].laid == 0
