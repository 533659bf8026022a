"""LoRA files: every naming, every tensor accounted for, families told apart from headers alone."""

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

from gesso.adapters.blocks import Strength
from gesso.adapters.lora import Lora, open_lora
from gesso.adapters.site import Target
from gesso.checkpoint.rename import inverse, renamed, unet_names_of_original
from gesso.checkpoint.shapes import Shapes
from gesso.errors import AdapterError, DoesNotFit
from gesso.families.blueprint import CheckpointPlan, checkpoint_shapes
from gesso.families.identify import identify
from gesso.model import Model
from tests.adapters.made import MODULES, NAMINGS, Tensors, factors, named, save, shapes_of
from tests.files import table
from tests.headers import SD1, SD2, SDXL, write_header

PLANS: dict[str, CheckpointPlan] = {"sd1": SD1, "sd2": SD2, "sdxl": SDXL}


@pytest.fixture(scope="module")
def targets(models: dict[str, Model]) -> dict[str, Target]:
    return {name: Target.of(model) for name, model in models.items()}


def changes(lora: Lora) -> dict[tuple[str, str, tuple[int, int] | None], Tensor]:
    """What a file adds, place by place, at strength 1."""
    return {
        (each.patch.site.part, each.patch.site.weight, each.patch.site.rows): each.change(
            torch.zeros(each.patch.site.shape)
        )
        for each in lora.loaded()
    }


@pytest.mark.parametrize("family", MODULES)
@pytest.mark.parametrize("naming", NAMINGS)
def test_every_naming_says_the_same(
    family: str, naming: str, targets: dict[str, Target], tmp_path: Path
) -> None:
    target = targets[family]
    pairs = factors(shapes_of(target, family))
    lora = open_lora(save(tmp_path / "a.safetensors", named(family, naming, pairs)), target)
    found = list(changes(lora).values())
    wanted = [(up.flatten(1) @ down.flatten(1)).flatten() for down, up in pairs.values()]
    assert len(found) == len(wanted) == lora.modules
    for each in wanted:
        assert any(each.shape == one.flatten().shape and torch.allclose(each, one.flatten()) for one in found)


def test_alpha_may_be_there_or_in_the_metadata(targets: dict[str, Target], tmp_path: Path) -> None:
    target = targets["sd1"]
    pairs = factors(shapes_of(target, "sd1"))
    plain = changes(open_lora(save(tmp_path / "a.safetensors", named("sd1", "peft", pairs)), target))
    kohya = changes(
        open_lora(save(tmp_path / "b.safetensors", named("sd1", "kohya", pairs, alpha=1.0)), target)
    )
    settings = {"unet.lora_alpha": 8, "text_encoder.lora_alpha": 2, "text_encoder.use_rslora": True,
                "unet.alpha_pattern": {"attn2.to_k": 1}}  # fmt: skip
    told = changes(
        open_lora(
            save(
                tmp_path / "c.safetensors",
                named("sd1", "peft", pairs),
                {"lora_adapter_metadata": json.dumps(settings)},
            ),
            target,
        )
    )
    for place, change in plain.items():
        torch.testing.assert_close(kohya[place], change * 0.5)
        factor = 2 / 2**0.5 if place[0] == "text" else 4.0
        torch.testing.assert_close(told[place], change * (0.5 if "attn2.to_k" in place[1] else factor))


def test_settings_beside_a_peft_file_count(targets: dict[str, Target], tmp_path: Path) -> None:
    pairs = factors(shapes_of(targets["sd2"], "sd2"))
    tensors = named("sd2", "peft", pairs)
    path = save(tmp_path / "adapter_model.safetensors", tensors)
    (tmp_path / "adapter_config.json").write_text('{"lora_alpha": 6, "r": 2}')
    assert {each.scale for each in open_lora(path, targets["sd2"]).loaded()} == {3.0}


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("lora_down.weight", "lora_dwon.weight", "lora_dwon.weight: it is of no known kind"),
        ("attn2_to_k", "attn3_to_k", "attn3_to_k.lora_down.weight: sd1 has no place of that name"),
        ("lora_te_", "lora_te2_", "lora_te2_text_model.*: sd1 has no place"),
    ],
)
def test_a_renamed_key_is_named(
    old: str, new: str, says: str, targets: dict[str, Target], tmp_path: Path
) -> None:
    pairs = factors(shapes_of(targets["sd1"], "sd1"))
    tensors = {name.replace(old, new): each for name, each in named("sd1", "kohya", pairs).items()}
    path = save(tmp_path / "a.safetensors", tensors)
    with pytest.raises(AdapterError, match=says) as caught:
        open_lora(path, targets["sd1"])
    assert "a.safetensors" in str(caught.value)
    assert "lenient" in caught.value.hint


def test_one_renamed_key_can_be_left_out(targets: dict[str, Target], tmp_path: Path) -> None:
    pairs = factors(shapes_of(targets["sd1"], "sd1"))
    tensors = named("sd1", "kohya", pairs)
    wrong = next(name for name in tensors if name.endswith("proj_in.lora_up.weight"))
    tensors[f"{wrong}s"] = tensors.pop(wrong)
    lora = open_lora(save(tmp_path / "a.safetensors", tensors), targets["sd1"], lenient=True)
    assert (len(lora.patches), lora.modules) == (8, 9)
    assert set(lora.left_out) == {f"{wrong}s", wrong.replace("lora_up", "lora_down")}


def test_nothing_that_fits_is_refused_also_when_lenient(targets: dict[str, Target], tmp_path: Path) -> None:
    path = save(tmp_path / "a.safetensors", {"foo.lora_down.weight": torch.ones(1, 2)})
    for lenient in (False, True):
        with pytest.raises(AdapterError, match=r"foo\.lora_down\.weight"):
            open_lora(path, targets["sd1"], lenient=lenient)


def kohya_header(plan: CheckpointPlan, *, texts: int, original: bool = False) -> dict[str, tuple[int, ...]]:
    """Names and sizes of a LoRA of every linear layer of a full-size UNet, as kohya's trainer writes it."""
    unet = Shapes(checkpoint_shapes(plan)).under("model.diffusion_model.")
    names = inverse(unet_names_of_original(unet))
    found: dict[str, tuple[int, ...]] = {}
    for i in range(texts):
        start = "lora_te_" if texts == 1 else f"lora_te{i + 1}_"
        width = {"sd1": (768,), "sd2": (1024,), "sdxl": (768, 1280)}[_name(plan)][i]
        found[f"{start}text_model_encoder_layers_0_self_attn_q_proj.lora_down.weight"] = (8, width)
        found[f"{start}text_model_encoder_layers_0_self_attn_q_proj.lora_up.weight"] = (width, 8)
    for name, shape in unet.items():
        if ".transformer_blocks." in name and len(shape) == 2:
            theirs = name if original else renamed(name, names)
            assert theirs is not None
            start = f"lora_unet_{theirs.removesuffix('.weight').replace('.', '_')}"
            found[f"{start}.lora_down.weight"], found[f"{start}.lora_up.weight"] = (
                (8, shape[1]),
                (shape[0], 8),
            )
            found[f"{start}.alpha"] = ()
    return found


def _name(plan: CheckpointPlan) -> str:
    return next(name for name, each in PLANS.items() if each is plan)


@pytest.mark.parametrize("made", PLANS)
@pytest.mark.parametrize("put_on", PLANS)
@pytest.mark.parametrize("original", [False, True])
def test_full_size_families_are_told_apart_by_headers(
    made: str, put_on: str, original: bool, tmp_path: Path
) -> None:
    header = kohya_header(PLANS[made], texts=2 if made == "sdxl" else 1, original=original)
    path = write_header(tmp_path / "a.safetensors", header)
    target = Target.of_file(identify(table(checkpoint_shapes(PLANS[put_on]))))
    if made == put_on:
        lora = open_lora(path, target)
        assert lora.families == {made}
        assert len(lora.patches) == lora.modules == sum(name.endswith("lora_up.weight") for name in header)
        return
    with pytest.raises(DoesNotFit, match=f"made for {made}, must have a place in {put_on}, however: lora_"):
        open_lora(path, target)


@pytest.mark.parametrize("family", MODULES)
def test_the_refiner_takes_no_base_lora(family: str, targets: dict[str, Target], tmp_path: Path) -> None:
    pairs = factors(shapes_of(targets[family], family))
    path = save(tmp_path / "a.safetensors", named(family, "kohya", pairs))
    with pytest.raises(AdapterError):
        open_lora(path, targets["sdxl-refiner"])


def test_words_bundled_with_a_lora_are_not_passed_over(targets: dict[str, Target], tmp_path: Path) -> None:
    tensors: Tensors = named("sd1", "kohya", factors(shapes_of(targets["sd1"], "sd1")))
    bundled = "bundle_emb.thing.string_to_param.*"
    path = save(tmp_path / "a.safetensors", tensors | {bundled: torch.ones(2, 64)})
    with pytest.raises(AdapterError, match=r"bundle_emb\.thing"):
        open_lora(path, targets["sd1"])
    assert set(open_lora(path, targets["sd1"], lenient=True).left_out) == {bundled}


def test_strength_is_chosen_after_opening(targets: dict[str, Target], tmp_path: Path) -> None:
    pairs = factors(shapes_of(targets["sd1"], "sd1"))
    lora = open_lora(save(tmp_path / "a.safetensors", named("sd1", "kohya", pairs)), targets["sd1"])
    assert lora.at(Strength(0.5)).strength.unet == 0.5
    assert lora.strength.unet == 1.0


def rounded(difference: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """As Fooocus keeps it: 256 steps between the lowest and the highest."""
    low, high = difference.aminmax()
    return ((difference - low) / (high - low) * 255).round().to(torch.uint8), low, high


def test_a_patch_of_fooocus_is_a_difference_in_steps(
    models: dict[str, Model], targets: dict[str, Target], tmp_path: Path
) -> None:
    layers = ("input_blocks.1.0.in_layers.2", "middle_block.1.norm", "label_emb.0.0")
    unet = dict(models["sdxl"].networks["unet"].named_parameters())
    names = [f"{layer}.{end}" for layer in layers for end in ("weight", "bias")]
    differences = {name: torch.randn_like(unet[name]) for name in names}
    before = {name: unet[name].detach().clone() for name in names}
    path = tmp_path / "inpaint_v26.fooocus.patch"
    torch.save({f"diffusion_model.{name}": rounded(each) for name, each in differences.items()}, path)
    lora = open_lora(path, targets["sdxl"])
    assert (lora.modules, len(lora.patches)) == (3, 3)
    with lora.attached(models["sdxl"]):
        now = dict(models["sdxl"].networks["unet"].named_parameters())
        for name, each in differences.items():
            step = float(each.max() - each.min()) / 255
            torch.testing.assert_close(now[name] - before[name], each, rtol=0, atol=step)
            assert not torch.allclose(now[name] - before[name], each, rtol=0, atol=step / 50)
    after = dict(models["sdxl"].networks["unet"].named_parameters())
    assert all(torch.equal(after[name], each) for name, each in before.items())


@pytest.mark.parametrize(
    ("tensors", "says"),
    [
        ({"diffusion_model.middle_block.1.norm.weight": torch.zeros(7)}, "and the layer's weight is"),
        ({"diffusion_model.time_embed.0.bias": torch.zeros(7)}, r"its bias has \(7,\) numbers"),
        (
            {"diffusion_model.middle_block.1.transformer_blocks.0.attn1.to_q.bias": torch.zeros(256)},
            "has no bias to change",
        ),
    ],
)
def test_a_patch_of_fooocus_for_another_model_is_refused(
    tensors: dict[str, Tensor], says: str, targets: dict[str, Target], tmp_path: Path
) -> None:
    torch.save(
        {name: rounded(each + torch.rand(each.shape)) for name, each in tensors.items()}, tmp_path / "x"
    )
    with pytest.raises(AdapterError, match=says):
        open_lora(tmp_path / "x", targets["sdxl"])
