"""What a control model borrows of the UNet is added as its file says; a union is told what it is shown."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

import gesso
from gesso.control.acting import AdapterGuide, LiteGuide, NetGuide
from gesso.control.load import load_control
from gesso.errors import RequestError, UnknownName
from gesso.model import Model
from tests.control.made import adapter_shapes, lite_shapes, net_shapes, save, save_net
from tests.models import random_weights, save_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    path = save_model(tmp_path_factory.mktemp("models") / "m.safetensors", "sd1")
    return gesso.load(path, device="cpu", dtype="float32")


def unet(model: Model) -> dict[str, Tensor]:
    return {name: weight.data for name, weight in model.networks["unet"].named_parameters()}


def test_a_difference_is_added_to_the_unet(model: Model, tmp_path: Path) -> None:
    whole = random_weights(net_shapes("sd1"), 1)
    less = {name: weight - unet(model).get(name, 0.0) for name, weight in whole.items()}
    path = save(tmp_path / "d.safetensors", less | {"difference": torch.zeros(1)})
    found = load_control(path, model, None).network.state_dict()
    assert found.keys() == whole.keys()
    for name, weight in whole.items():
        assert torch.allclose(found[name], weight, atol=1e-5), name


def test_a_control_lora_is_the_unet_and_products_of_low_rank(model: Model, tmp_path: Path) -> None:
    own = {n: t for n, t in random_weights(net_shapes("sd1"), 1).items() if n not in unet(model)}
    linear, conv = "input_blocks.1.1.transformer_blocks.0.attn1.to_q", "input_blocks.1.0.in_layers.2"
    bias = "input_blocks.1.0.in_layers.2.bias"
    factors = {
        f"{linear}.up": torch.randn(64, 2),
        f"{linear}.down": torch.randn(2, 64),
        f"{conv}.up": torch.randn(64, 2, 1, 1),
        f"{conv}.down": torch.randn(2, 64, 3, 3),
        bias: torch.randn(64),
    }
    path = save(tmp_path / "l.safetensors", own | factors | {"lora_controlnet": torch.zeros(1)})
    before = {name: weight.clone() for name, weight in unet(model).items()}
    found = load_control(path, model, None).network.state_dict()
    product = torch.einsum("or,rikl->oikl", factors[f"{conv}.up"][:, :, 0, 0], factors[f"{conv}.down"])
    changed = {
        f"{linear}.weight": before[f"{linear}.weight"] + factors[f"{linear}.up"] @ factors[f"{linear}.down"],
        f"{conv}.weight": before[f"{conv}.weight"] + product,
        bias: factors[bias],
    }
    for name, weight in found.items():
        wanted = changed.get(name, own.get(name, before.get(name)))
        assert wanted is not None
        assert torch.allclose(weight, wanted, atol=1e-5), name
    assert all(torch.equal(weight, before[name]) for name, weight in unet(model).items())
    # what is not changed takes no memory of its own
    shared = "input_blocks.1.1.transformer_blocks.0.attn1.to_k.weight"
    assert found[shared].data_ptr() == unet(model)[shared].data_ptr()


def test_each_kind_has_its_guide(model: Model, tmp_path: Path) -> None:
    name = "input_blocks.1.1.transformer_blocks.0.attn1.to_q.weight"
    files = {
        NetGuide: save_net(tmp_path / "n.safetensors", "sd1"),
        AdapterGuide: save(tmp_path / "a.safetensors", random_weights(adapter_shapes((64, 128, 256, 256)))),
        LiteGuide: save(tmp_path / "l.safetensors", random_weights(lite_shapes({name: (64, 64)}, 8))),
    }
    for kind, path in files.items():
        guide = load_control(path, model, None)
        assert isinstance(guide, kind)
        assert guide.scale == 8
        assert not any(weight.requires_grad for weight in guide.network.parameters())
        with pytest.raises(RequestError, match="must go with a union"):
            load_control(path, model, "canny")


def union(kinds: int, width: int = 64) -> dict[str, tuple[int, ...]]:
    inner = {
        "attn.in_proj_weight": (3 * width, width),
        "attn.in_proj_bias": (3 * width,),
        "attn.out_proj.weight": (width, width),
        "attn.out_proj.bias": (width,),
        "ln_1.weight": (width,),
        "ln_1.bias": (width,),
        "mlp.c_fc.weight": (4 * width, width),
        "mlp.c_fc.bias": (4 * width,),
        "mlp.c_proj.weight": (width, 4 * width),
        "mlp.c_proj.bias": (width,),
        "ln_2.weight": (width,),
        "ln_2.bias": (width,),
    }
    return net_shapes("sd1") | {
        "task_embedding": (kinds, width),
        **{f"transformer_layes.0.{name}": size for name, size in inner.items()},
        "spatial_ch_projs.weight": (width, width),
        "spatial_ch_projs.bias": (width,),
        "control_add_embedding.linear_1.weight": (4 * width, 16 * kinds),
        "control_add_embedding.linear_1.bias": (4 * width,),
        "control_add_embedding.linear_2.weight": (4 * width, 4 * width),
        "control_add_embedding.linear_2.bias": (4 * width,),
    }


@pytest.mark.parametrize(
    ("kind", "number"), [("openpose", 0), ("scribble", 2), ("mlsd", 3), ("segment", 5), ("canny", 3)]
)
def test_a_union_knows_its_kinds_by_name(model: Model, tmp_path: Path, kind: str, number: int) -> None:
    path = save(tmp_path / "u.safetensors", random_weights(union(6)))
    guide = load_control(path, model, kind)
    assert isinstance(guide, NetGuide)
    assert (guide.kind, guide.network.kinds) == (number, 6)


def test_a_union_must_be_told_a_kind_it_has(model: Model, tmp_path: Path) -> None:
    path = save(tmp_path / "u.safetensors", random_weights(union(6)))
    with pytest.raises(RequestError, match="must be told what its picture shows"):
        load_control(path, model, None)
    with pytest.raises(UnknownName):
        load_control(path, model, "repaint")
    promax = save(tmp_path / "p.safetensors", random_weights(union(8)))
    guide = load_control(promax, model, "inpaint")
    assert isinstance(guide, NetGuide)
    assert guide.kind == 7
