from pathlib import Path

import pytest
import torch

from gesso.adapters.coverage import SHOWN, covered, is_adapter
from gesso.adapters.site import Target
from gesso.checkpoint.file import Checkpoint
from gesso.model import Model
from tests.adapters.made import MODULES, factors, named, save, shapes_of
from tests.models import save_model


@pytest.mark.parametrize("family", MODULES)
def test_a_file_that_fits_is_counted(family: str, models: dict[str, Model], tmp_path: Path) -> None:
    target = Target.of(models[family])
    file = Checkpoint.open(
        save(tmp_path / "a.safetensors", named(family, "kohya", factors(shapes_of(target, family))))
    )
    assert is_adapter(file)
    found = covered(file, target)
    count = len(MODULES[family])
    assert (found.modules, found.applied, found.kinds, found.left_out) == (count, count, {"LoRA": count}, {})
    assert f"on {target.name}: {count} of {count} modules apply" in found.text()
    assert covered(file).applied is None


def test_what_has_no_place_is_named_with_the_reason(models: dict[str, Model], tmp_path: Path) -> None:
    target = Target.of(models["sd1"])
    tensors = named("sd1", "kohya", factors(shapes_of(target, "sd1")))
    tensors["lora_unet_nowhere.diff"] = torch.ones(2, 2)
    tensors["mystery"] = torch.ones(2)
    tensors["lora_unet_nowhere.lora_dropout"] = torch.ones(1)
    found = covered(Checkpoint.open(save(tmp_path / "a.safetensors", tensors)), target)
    assert found.kinds == {"LoRA": 9, "full": 1}
    assert found.left_out == {
        "mystery": "it is of no known kind of adapter",
        "lora_unet_nowhere.diff": "sd1 has no place of that name",
    }
    assert (found.unknown, found.ignored, found.applied) == (["mystery"], 1, 9)
    text = found.text()
    assert "unknown: mystery" in text
    assert "ignored: 1 tensors" in text
    assert "lora_unet_nowhere.diff: sd1 has no place" in text


def test_a_long_list_is_cut(models: dict[str, Model], tmp_path: Path) -> None:
    tensors = {f"lora_unet_nowhere_{i}.diff": torch.ones(1, 1) for i in range(SHOWN + 3)}
    file = Checkpoint.open(save(tmp_path / "a.safetensors", tensors))
    assert covered(file, Target.of(models["sd1"])).text().endswith("and 3 more")


def test_a_checkpoint_is_no_adapter(tmp_path: Path) -> None:
    assert not is_adapter(Checkpoint.open(save_model(tmp_path / "m.safetensors", "sd1")))
