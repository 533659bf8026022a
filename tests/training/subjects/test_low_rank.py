"""LoRA and its kin: they begin by changing nothing, and act in training as their file will in painting."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from gesso.adapters.lora import open_lora
from gesso.adapters.site import Target
from gesso.checkpoint.file import Checkpoint
from gesso.model import Model
from gesso.training.recipe import SubjectRules
from gesso.training.subjects.base import Asked, Saving
from gesso.training.subjects.low_rank import LowRank, split

KINDS: list[dict[str, Any]] = [
    {"kind": "lora", "alpha": 1.0, "conv_rank": 3},
    {"kind": "lora", "decompose": True},
    {"kind": "loha", "conv_rank": 2},
    {"kind": "lokr", "rank": 2, "factor": 4, "conv_rank": 64},
]


def made(model: Model, **rules: Any) -> LowRank:
    asked = SubjectRules.model_validate({"rank": 4, "text": True, **rules})
    return LowRank(model, asked, torch.Generator().manual_seed(0))


def answers(model: Model) -> tuple[Tensor, ...]:
    """Of the UNet and of every text encoder."""
    draws = torch.Generator().manual_seed(1)
    identity = model.identity
    texts = [
        model.networks[part.name](torch.tensor([[1022, 40, 7, *[1023] * 74]])).hidden[-2]
        for part in identity.text
    ]
    context = torch.cat(texts, dim=2)
    vector = None
    if identity.vector_width is not None:
        vector = torch.randn(1, identity.vector_width, generator=draws)
    x = torch.randn(1, 4, 4, 4, generator=draws)
    return (model.networks["unet"](x, torch.tensor([300.0]), context, vector), *texts)


@pytest.mark.parametrize(("family", "rules"), [*(("sd1", each) for each in KINDS), ("sdxl", KINDS[2])])
@torch.no_grad()
def test_training_and_painting_see_the_same(
    models: dict[str, Model], tmp_path: Path, family: str, rules: dict[str, Any]
) -> None:
    model, plain = models[family], answers(models[family])
    subject = made(model, **rules)
    with subject.learning():
        for before, now in zip(plain, answers(model), strict=True):
            torch.testing.assert_close(now, before, rtol=1e-4, atol=1e-4)
        draws = torch.Generator().manual_seed(2)
        for weight in subject.module.parameters():
            weight.add_(torch.randn(weight.shape, generator=draws), alpha=0.1)
        learnt = answers(model)
    path = tmp_path / "a.safetensors"
    subject.write(path, dict(subject.module.named_parameters()), Saving(dtype=torch.float32))
    lora = open_lora(path, Target.of(model))
    assert not lora.left_out
    assert lora.modules == len(subject.patches)
    with lora.attached(model):
        painted = answers(model)
    for before, trained, used in zip(plain, learnt, painted, strict=True):
        assert float((trained - before).abs().max()) > 1e-3
        torch.testing.assert_close(used, trained, rtol=1e-3, atol=1e-3)
    assert all(torch.equal(now, before) for now, before in zip(answers(model), plain, strict=True))


def test_files_are_named_and_told_as_kohya_does(models: dict[str, Model], tmp_path: Path) -> None:
    names = {
        "sd1": "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q.lora_down.weight",
        "sd2": "lora_te_text_model_encoder_layers_0_self_attn_q_proj.lora_up.weight",
        "sdxl": "lora_unet_input_blocks_3_1_transformer_blocks_0_attn2_to_k.alpha",
    }
    others = {
        "sd1": "lora_te_",
        "sd2": "lora_unet_mid_block_",
        "sdxl": "lora_te2_text_model_encoder_layers_1_mlp_",
    }
    for family, name in names.items():
        subject, path = made(models[family]), tmp_path / f"{family}.safetensors"
        subject.write(path, dict(subject.module.named_parameters()), Saving({"ss_steps": "7"}))
        file = Checkpoint.open(path)
        assert name in file.shapes
        assert any(name.startswith(others[family]) for name in file.shapes)
        assert set(file.dtypes.values()) == {"F16"}
        assert file.metadata["ss_network_module"] == "networks.lora"
        assert (file.metadata["ss_network_dim"], file.metadata["ss_steps"]) == ("4", "7")
        assert file.metadata["ss_base_model_version"].startswith(f"{family[:2]}")


def test_which_layers_change_is_as_the_rules_say(models: dict[str, Model]) -> None:
    def kinds(**rules: Any) -> set[str]:
        patches = made(models["sd1"], **rules).patches.values()
        return {
            patch.site.layer.rpartition(".")[2] if patch.site.part == "unet" else "text" for patch in patches
        }

    linear = kinds(text=False)
    assert {"to_q", "to_k", "to_v", "proj_in", "proj_out", "0", "proj", "2"} >= linear
    assert "text" not in linear
    assert kinds(text=False, conv_rank=2) > linear
    assert kinds(unet=False) == {"text"}


def test_a_block_that_published_copies_have_lost_is_left_alone(models: dict[str, Model]) -> None:
    def blocks(family: str) -> set[str]:
        names = made(models[family], unet=False).patches
        return {name.partition("_text_model_encoder_layers_")[2][0] for name in names if "te2" not in name}

    assert blocks("sd1") == blocks("sdxl") == {"0", "1", "2"}
    assert blocks("sd2") == {"0", "1"}


def test_alpha_keeps_its_scale_where_the_rank_is_another(models: dict[str, Model], tmp_path: Path) -> None:
    subject, path = made(models["sd1"], alpha=2.0, conv_rank=8), tmp_path / "a.safetensors"
    subject.write(path, dict(subject.module.named_parameters()), Saving())
    file = Checkpoint.open(path)
    alphas = dict(file.tensors([name for name in file.shapes if name.endswith(".alpha")]))
    ranks = {n: file.shapes[n.replace(".alpha", ".lora_down.weight")][0] for n in alphas}
    assert {float(alpha) / ranks[name] for name, alpha in alphas.items()} == {0.5}
    assert set(ranks.values()) == {4, 8}


def test_gradients_reach_what_is_trained_and_nothing_else(models: dict[str, Model]) -> None:
    subject = made(models["sd1"], text=False)
    with subject.learning():
        answers(models["sd1"])[0].square().mean().backward()
    assert all(weight.grad is not None for weight in subject.module.parameters())
    assert all(
        weight.grad is None for network in models["sd1"].networks.values() for weight in network.parameters()
    )
    assert subject.additions(Asked(torch.zeros(1), torch.zeros(1), torch.zeros(1), None, None)) is None
    assert subject.use(Path("a")).fields(None) == {"loras": ({"file": Path("a")},)}


@pytest.mark.parametrize(
    ("size", "factor", "expected"), [(320, -1, (16, 20)), (320, 8, (8, 40)), (7, -1, (1, 7))]
)
def test_sizes_are_split(size: int, factor: int, expected: tuple[int, int]) -> None:
    assert split(size, factor) == expected
