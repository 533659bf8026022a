"""Hypernetworks against the web UI's own construction: torch layers in a row, for keys and for values."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from gesso.adapters.hypernetwork import open_hypernetwork
from gesso.adapters.site import Target
from gesso.errors import AdapterError, DoesNotFit, UnknownName
from gesso.generation.generate import paint
from gesso.model import Model
from gesso.networks.attention import Attention
from gesso.request import LoraUse, Request
from tests.adapters.made import same, state

WIDTH = 64
ACTIVE: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU, "leakyrelu": nn.LeakyReLU, "elu": nn.ELU, "swish": nn.Hardswish, "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid, "softsign": nn.Softsign, "mish": nn.Mish,
}  # fmt: skip


def module(structure: list[float], told: dict[str, Any]) -> nn.Sequential:
    """Layer by layer as the web UI builds it."""
    layers: list[nn.Module] = []
    for i, (into, out) in enumerate(pairwise(structure)):
        layers.append(nn.Linear(int(WIDTH * into), int(WIDTH * out)))
        last = i == len(structure) - 2
        if told["activation_func"] in ACTIVE and not (last and not told.get("activate_output", True)):
            layers.append(ACTIVE[told["activation_func"]]())
        if told.get("is_layer_norm"):
            layers.append(nn.LayerNorm(int(WIDTH * out)))
        if told.get("use_dropout"):
            layers.append(nn.Dropout(0.3))
    return nn.Sequential(*layers).eval()


def written(
    path: Path, told: dict[str, Any], structure: list[float], width: int = WIDTH
) -> list[nn.Sequential]:
    torch.manual_seed(4)
    pair = [module(structure, told) for _ in range(2)]
    states = tuple({f"linear.{name}": each for name, each in one.state_dict().items()} for one in pair)
    torch.save({width: states, "step": 7, "name": "x", "layer_structure": structure, **told}, path)
    return pair


@pytest.mark.parametrize("active", [*ACTIVE, "linear"])
@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("late", [False, True, None])
def test_keys_and_values_are_read_from_what_the_web_ui_would_read(
    active: str, norm: bool, late: bool | None, models: dict[str, Model], tmp_path: Path
) -> None:
    model = models["sd1"]
    told: dict[str, Any] = {"activation_func": active, "is_layer_norm": norm, "use_dropout": True}
    told |= {} if late is None else {"activate_output": late}
    for_keys, for_values = written(tmp_path / "h.pt", told, [1, 2, 1])
    found = open_hypernetwork(tmp_path / "h.pt", Target.of(model)).at(0.5)
    layer = next(each for each in model.networks["unet"].modules() if isinstance(each, Attention))
    x, context = torch.randn(1, 5, WIDTH), torch.randn(1, 7, WIDTH)
    with torch.inference_mode():
        before = layer(x, context)
        wanted = by_hand(layer, x, context + 0.5 * for_keys(context), context + 0.5 * for_values(context))
        with found.attached(model):
            after = layer(x, context)
        torch.testing.assert_close(after, wanted, atol=1e-5, rtol=0)
        assert not after.allclose(before, atol=1e-4)
        assert torch.equal(layer(x, context), before)
        with found.at(0.0).attached(model):
            assert torch.equal(layer(x, context), before)


def by_hand(layer: Attention, x: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    q, k, v = (layer.split(each) for each in (layer.to_q(x), layer.to_k(keys), layer.to_v(values)))
    return layer.to_out(functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


def test_the_oldest_files_have_two_layers(models: dict[str, Model], tmp_path: Path) -> None:
    first, second = nn.Linear(WIDTH, 2 * WIDTH), nn.Linear(2 * WIDTH, WIDTH)
    layers = {"linear1": first, "linear2": second}
    tensors = {f"{name}.weight": one.weight.data for name, one in layers.items()}
    tensors |= {f"{name}.bias": one.bias.data for name, one in layers.items()}
    torch.save({WIDTH: (tensors, tensors), "step": 1}, tmp_path / "h.pt")
    ready = open_hypernetwork(tmp_path / "h.pt", Target.of(models["sd1"])).prepared(models["sd1"])
    change = ready.changes[0][1]
    x = torch.randn(1, 3, WIDTH)
    torch.testing.assert_close(change(first, (x,))[0], x + second(first(x)))


def test_a_picture_says_which_file_it_was_and_the_model_is_as_before(
    models: dict[str, Model], tmp_path: Path
) -> None:
    model, path = models["sd1"], tmp_path / "h.pt"
    written(path, {"activation_func": "relu"}, [1, 2, 1])
    ask = Request(prompt="a cat", seed=3, steps=2)
    plain, before = paint(model, ask).images[0].tobytes(), state(model)
    request = Request.model_validate({**ask.model_dump(), "loras": [f"{path}:0.7"]})
    result = paint(model, request)
    assert result.images[0].tobytes() != plain
    (use,) = result.requests[0].loras
    assert use == LoraUse(file=path, weight=0.7, sha256=use.sha256)
    assert len(use.sha256 or "") == 64
    assert paint(model, result.requests[0]).images[0].tobytes() == result.images[0].tobytes()
    assert same(state(model), before)
    library = ask.model_copy(update={"prompt": "a cat<hypernet:h:0.7>", "library": tmp_path})
    (tmp_path / "hypernetworks").mkdir()
    path.rename(tmp_path / "hypernetworks/h.pt")
    by_name = paint(model, library)
    assert by_name.images[0].tobytes() == result.images[0].tobytes()
    assert by_name.requests[0].loras[0].named == "hypernet:h"


def test_it_may_act_over_a_part_of_the_run_but_not_block_by_block(
    models: dict[str, Model], tmp_path: Path
) -> None:
    model, path = models["sd1"], tmp_path / "h.pt"
    written(path, {"activation_func": "relu"}, [1, 2, 1])

    def painted(**fields: object) -> bytes:
        use = LoraUse.model_validate({"file": path, **fields})
        return paint(model, Request(prompt="a cat", seed=3, steps=2, loras=(use,))).images[0].tobytes()

    assert len({painted(), painted(end=0.5), painted(weight=0.0)}) == 3
    assert painted(start=1.0) == painted(weight=0.0)
    with pytest.raises(AdapterError, match="must act on all of the network alike"):
        painted(blocks={"M00": 0.0})
    with pytest.raises(AdapterError, match="must act on all of the network alike"):
        painted(text_weight=0.0)


def test_what_cannot_be_used_is_refused(models: dict[str, Model], tmp_path: Path) -> None:
    target, path = Target.of(models["sd1"]), tmp_path / "h.pt"
    written(path, {"activation_func": "wiggle"}, [1, 2, 1])
    with pytest.raises(UnknownName, match="'wiggle'"):
        open_hypernetwork(path, target)
    written(path, {"activation_func": "relu"}, [1, 2, 1], width=768)
    with pytest.raises(DoesNotFit, match=r"made for sd1, must be for widths .*however: 768"):
        open_hypernetwork(path, target)
    written(path, {"activation_func": "relu"}, [1, 2])
    with pytest.raises(AdapterError, match="must change keys and values 64 wide, however: side 0 gives 128"):
        open_hypernetwork(path, target)
    torch.save({WIDTH: ({"linear.0.weight": torch.ones(3, 5), "linear.0.bias": torch.ones(3)},) * 2}, path)
    with pytest.raises(AdapterError, match=r"must follow from one another, however: 64\.0\.linear\.0 has"):
        open_hypernetwork(path, target)
    torch.save({WIDTH: ({"mystery": torch.ones(3)},) * 2}, path)
    with pytest.raises(AdapterError, match=r"64\.0\.mystery is no tensor of one"):
        open_hypernetwork(path, target)
