"""Attaching and detaching, on whole models."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks import parity_gesso
from benchmarks.parity_cases import inputs
from gesso.adapters.blocks import Strength
from gesso.adapters.lora import Lora, open_lora
from gesso.adapters.site import Target
from gesso.checkpoint.file import Checkpoint
from gesso.checkpoint.shapes import Shapes
from gesso.errors import AdapterError, NotFinite
from gesso.families.unet_plan import unet_shapes
from gesso.model import Model, load
from tests.adapters.made import factors, named, same, save, shapes_of, state
from tests.references.networks_cases import CASES
from tests.references.networks_said import HERE, assert_agree, lora, recorded, weights

FAMILIES = ("sd1", "sd2", "sdxl")
HALF = Strength(0.5, 0.5)


@pytest.fixture(scope="module")
def loras(models: dict[str, Model], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Lora]:
    folder = tmp_path_factory.mktemp("loras")
    found: dict[str, Lora] = {}
    for family in FAMILIES:
        target = Target.of(models[family])
        pairs = factors(shapes_of(target, family))
        path = save(folder / f"{family}.safetensors", named(family, "kohya", pairs, alpha=1.0))
        found[family] = open_lora(path, target)
    return found


def outputs(model: Model) -> Iterator[Tensor]:
    """What every network says to fixed inputs."""
    draw = torch.Generator().manual_seed(0)
    tokens = torch.randint(0, 1000, (1, 77), generator=draw)
    for part in model.identity.text:
        states = model.networks[part.name](tokens)
        yield states.hidden[-1]
        yield states.pooled
    width = 64 * len(model.identity.text)
    vector = model.identity.vector_width
    yield model.networks["unet"](
        torch.randn(1, 4, 8, 8, generator=draw),
        torch.tensor([500.0]),
        torch.randn(1, 7, width, generator=draw),
        None if vector is None else torch.randn(1, vector, generator=draw),
    )


@torch.no_grad()
def said(model: Model) -> list[Tensor]:
    return list(outputs(model))


def full(lora: Lora, model: Model, folder: Path) -> Lora:
    """The same changes as whole differences, worked out by hand."""
    tensors: dict[str, Tensor] = {}
    for each in lora.loaded():
        up, down = each.tensors["up"], each.tensors["down"]
        delta = (
            (up.flatten(1) @ down.flatten(1)).view(each.patch.site.shape) * float(each.tensors["alpha"]) / 2
        )
        tensors[f"{each.patch.module}.diff"] = delta
    return open_lora(save(folder / "full.safetensors", tensors), Target.of(model))


def assert_close(first: list[Tensor], second: list[Tensor]) -> None:
    for a, b in zip(first, second, strict=True):
        assert float((a - b).abs().max()) <= 2e-6 * float(b.abs().max())


@pytest.mark.parametrize("family", FAMILIES)
def test_beside_substituted_and_baked_are_the_same(
    family: str, models: dict[str, Model], loras: dict[str, Lora], tmp_path: Path
) -> None:
    model, lora = models[family], loras[family].at(HALF)
    plain, before = said(model), state(model)
    with lora.attached(model):
        beside = said(model)
    whole = full(lora, model, tmp_path).at(HALF)
    with whole.attached(model):
        substituted = said(model)
    lora.bake(model)
    baked = said(model)
    for part, network in model.networks.items():
        network.load_state_dict({name: before[f"{part}.{name}"] for name in network.state_dict()})
    assert not any(torch.equal(a, b) for a, b in zip(plain, beside, strict=True))
    assert_close(beside, substituted)
    assert_close(beside, baked)


def test_changes_act_on_rounded_weights_but_not_for_good(
    models: dict[str, Model], loras: dict[str, Lora], tmp_path: Path
) -> None:
    lora, path = loras["sd1"].at(HALF), models["sd1"].path
    rounded = load(path, device="cpu", dtype="float32", quantize="int8")
    plain = load(path, device="cpu", dtype="float32")
    for part, network in plain.networks.items():
        network.load_state_dict(rounded.networks[part].state_dict())
    for each in (lora, full(lora, plain, tmp_path).at(HALF)):
        with each.attached(plain), each.attached(rounded):
            assert_close(said(rounded), said(plain))
    assert_close(said(rounded), said(plain))
    with pytest.raises(AdapterError, match="must be whole to be changed for good"):
        lora.bake(rounded)
    assert_close(said(rounded), said(plain))


@pytest.mark.parametrize("family", FAMILIES)
def test_everything_comes_back_to_the_bit(
    family: str, models: dict[str, Model], loras: dict[str, Lora], tmp_path: Path
) -> None:
    model, lora = models[family], loras[family]
    before, plain = state(model), said(model)
    objects = [id(each) for network in model.networks.values() for each in network.parameters()]
    whole = full(lora, model, tmp_path)
    with lora.attached(model), whole.attached(model), lora.at(HALF).attached(model):
        assert list(state(model)) == list(before)
        assert not same(state(model), before)
    assert same(state(model), before)
    assert objects == [id(each) for network in model.networks.values() for each in network.parameters()]
    assert all(torch.equal(a, b) for a, b in zip(said(model), plain, strict=True))
    assert not any(each._forward_hooks for network in model.networks.values() for each in network.modules())


def test_also_after_an_error(models: dict[str, Model], loras: dict[str, Lora], tmp_path: Path) -> None:
    model, lora = models["sd1"], loras["sd1"]
    before, plain = state(model), said(model)
    whole = full(lora, model, tmp_path)
    with pytest.raises(KeyError), lora.attached(model), whole.attached(model):
        raise KeyError
    endless = whole.at(Strength(float("inf"), 1.0))
    with pytest.raises(NotFinite), lora.attached(model), endless.attached(model):
        pass
    assert same(state(model), before)
    assert all(torch.equal(a, b) for a, b in zip(said(model), plain, strict=True))


@pytest.mark.parametrize("family", FAMILIES)
def test_at_weight_0_nothing_is_done(family: str, models: dict[str, Model], loras: dict[str, Lora]) -> None:
    model = models[family]
    plain = said(model)
    with loras[family].at(Strength(0.0, 0.0)).attached(model):
        assert all(torch.equal(a, b) for a, b in zip(said(model), plain, strict=True))


def test_changes_add_up_in_any_order(
    models: dict[str, Model], loras: dict[str, Lora], tmp_path: Path
) -> None:
    model, lora = models["sd1"], loras["sd1"]
    draw = torch.Generator().manual_seed(4)
    attention = [each for each in lora.patches if "attn" in each.module]
    scales = {f"{p.module}.weight": torch.randn(p.site.shape[1], generator=draw) for p in attention}
    flags = {f"{each.module}.on_input": torch.tensor(1) for each in attention}
    ia3 = open_lora(save(tmp_path / "ia3.safetensors", scales | flags), Target.of(model))
    whole = full(lora, model, tmp_path)
    with whole.attached(model), ia3.attached(model):
        first = said(model)
    with ia3.attached(model), whole.attached(model):
        assert_close(said(model), first)
    with ia3.attached(model), lora.attached(model):
        assert_close(said(model), first)


def test_a_bias_is_changed_too(models: dict[str, Model], tmp_path: Path) -> None:
    model = models["sdxl"]
    path = save(
        tmp_path / "bias.safetensors",
        {
            "lora_unet_input_blocks_1_0_in_layers_0.w_norm": torch.full((64,), 0.5),
            "lora_unet_input_blocks_1_0_in_layers_0.b_norm": torch.full((64,), 0.25),
            "lora_te2_text_model_encoder_layers_0_self_attn_k_proj.diff_b": torch.ones(64),
        },
    )
    lora = open_lora(path, Target.of(model)).at(HALF)
    norm = model.networks["unet"].get_submodule("input_blocks.1.0.in_layers.0")
    attn = model.networks["text_2"].get_submodule("transformer.resblocks.0.attn")
    weight, bias, packed = norm.weight, norm.bias, attn.in_proj_bias
    with lora.attached(model):
        torch.testing.assert_close(norm.weight, weight + 0.25)
        torch.testing.assert_close(norm.bias, bias + 0.125)
        added = torch.cat([torch.zeros(64), torch.full((64,), 0.5), torch.zeros(64)])
        torch.testing.assert_close(attn.in_proj_bias, packed + added)
    assert norm.weight is weight


class Largest(TorchDispatchMode):
    """The most numbers that any operation put out."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        found = func(*args, **(kwargs or {}))
        if isinstance(found, Tensor):
            self.numbers = max(self.numbers, found.numel())
        return found


def test_low_rank_patches_make_nothing_as_large_as_a_weight(
    models: dict[str, Model], loras: dict[str, Lora]
) -> None:
    for family in FAMILIES:
        lora = loras[family]
        factor = max(each.numel() for loaded in lora.loaded() for each in loaded.tensors.values())
        with Largest() as counted, lora.attached(models[family]):
            pass
        assert counted.numbers <= factor
        assert factor < max(torch.Size(each.site.shape).numel() for each in lora.patches)


def test_a_padded_convolution_pads_the_path_beside_it_alike(
    models: dict[str, Model], loras: dict[str, Lora], tmp_path: Path
) -> None:
    model = models["sd1"]
    convolutions = [each for each in model.networks["unet"].modules() if isinstance(each, nn.Conv2d)]
    for each in convolutions:
        each.padding_mode = "circular"
    try:
        with loras["sd1"].attached(model):
            beside = said(model)
        with full(loras["sd1"], model, tmp_path).attached(model):
            assert_close(said(model), beside)
    finally:
        for each in convolutions:
            each.padding_mode = "zeros"


@pytest.mark.parametrize("name", ["v1", "xl"])
def test_a_lora_agrees_with_diffusers_and_peft(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = HERE / f"lora_{name}.safetensors"
    modules = json.loads(Checkpoint.open(path).metadata["modules"])
    case = CASES[name]
    shapes = unet_shapes(case.plan.unet)
    tensors = save(tmp_path / "a.safetensors", lora({key: tuple(shape) for key, shape in modules.items()}))
    found = open_lora(tensors, Target("x", "x", {"unet": Shapes(shapes)}, ()))
    assert len(found.patches) == len(modules)
    original = parity_gesso.filled

    with ExitStack() as on:

        def with_lora(network: nn.Module, weights: dict[str, Tensor]) -> nn.Module:
            filled = original(network, weights)
            model = SimpleNamespace(
                networks={"unet": filled}, device=torch.device("cpu"), dtype=torch.float32
            )
            on.enter_context(found.attached(cast(Model, model)))
            return filled

        monkeypatch.setattr(parity_gesso, "filled", with_lora)
        with torch.no_grad():
            ours = parity_gesso.unet(case, weights(shapes), inputs(case))
    assert_agree(ours, load_file(path), tolerance=1e-4)
    plain = recorded(name)["unet"]
    assert float((ours["unet"] - plain).abs().max()) > 0.1 * float(plain.abs().max())
