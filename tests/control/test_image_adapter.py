"""Adapter files in every naming and container; what does not fit is refused by name."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from benchmarks.image_prompt_cases import KINDS, AdapterPlan, Kind, adapter_shapes
from gesso.checkpoint.shapes import Shapes
from gesso.control.image_adapter import ImageAdapter, open_image_adapter, sites
from gesso.errors import AdapterError, DoesNotFit, TensorMismatch
from gesso.families.blueprint import SD1, SD2, SDXL, unet_shapes
from tests.headers import write_header
from tests.references.image_prompt_cases import CASES, adapter_weights, seen
from tests.references.networks_said import HERE

UNET = Shapes(unet_shapes(CASES["v1"].plan.unet))
FULL = {name: unet_shapes(plan.unet) for name, plan in (("sd1", SD1), ("sd2", SD2), ("sdxl", SDXL))}
PUBLISHED = {
    "sd1": AdapterPlan("plain", 1024, 768),
    "sd1 plus": AdapterPlan("plus", 1280, 768, 16, 768),
    "sd1 full face": AdapterPlan("full", 1280, 768),
    "sd2": AdapterPlan("plain", 1024, 1024),
    "sdxl": AdapterPlan("plain", 1280, 2048),
    "sdxl vit-h": AdapterPlan("plain", 1024, 2048),
    "sdxl plus vit-h": AdapterPlan("plus", 1280, 2048, 16, 1280),
}


def saved(path: Path, tensors: dict[str, Tensor]) -> Path:
    save_file({name: each.contiguous() for name, each in tensors.items()}, path)
    return path


def told(adapter: ImageAdapter, kind: Kind) -> list[Tensor]:
    tokens = adapter.tokens(seen(kind), torch.device("cpu"), torch.float32)
    return [tokens, *(part for each in adapter.keys_values(tokens) for part in (each.keys, each.values))]


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_published_kind_fits_its_family_and_no_other(name: str, tmp_path: Path) -> None:
    family = name.split(maxsplit=1)[0]
    shapes = adapter_shapes(PUBLISHED[name], FULL[family])
    path = write_header(tmp_path / "ip.safetensors", shapes)
    adapter = open_image_adapter(path, Shapes(FULL[family]), family)
    assert (adapter.projection.inputs, adapter.projection.outputs) == (
        PUBLISHED[name].inputs,
        PUBLISHED[name].context,
    )
    assert len(adapter.layers) == (70 if family == "sdxl" else 16)
    for other in FULL.keys() - {family}:
        with pytest.raises(DoesNotFit):
            open_image_adapter(path, Shapes(FULL[other]), other)


def test_a_file_for_another_family_is_told_by_the_width_of_its_tokens(tmp_path: Path) -> None:
    path = write_header(tmp_path / "ip.safetensors", adapter_shapes(PUBLISHED["sd2"], FULL["sd2"]))
    with pytest.raises(DoesNotFit, match=r"made for sd2, must fit sd1, however: ip_adapter\.1\.to_k_ip"):
        open_image_adapter(path, Shapes(FULL["sd1"]), "sd1")


def test_layers_are_counted_down_then_up_then_in_the_middle() -> None:
    found = sites(Shapes(FULL["sd1"]))
    assert (len(found), found[0], found[-1]) == (
        16,
        "input_blocks.1.1.transformer_blocks.0.attn2",
        "middle_block.1.transformer_blocks.0.attn2",
    )
    numbers = [int(name.split(".")[1]) for name in found[:-1]]
    assert numbers == [1, 2, 4, 5, 7, 8, 3, 4, 5, 6, 7, 8, 9, 10, 11]
    inner = [name for name in sites(Shapes(FULL["sdxl"])) if name.startswith("input_blocks.7.")]
    assert inner == [f"input_blocks.7.1.transformer_blocks.{i}.attn2" for i in range(10)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_pickle_of_two_networks_is_the_same_file(kind: Kind, tmp_path: Path) -> None:
    tensors = adapter_weights("v1", kind)
    halves: dict[str, dict[str, Tensor]] = {"image_proj": {}, "ip_adapter": {}}
    for name, tensor in tensors.items():
        half, _, rest = name.partition(".")
        halves[half][rest] = tensor
    torch.save(halves, tmp_path / "ip.bin")
    one = open_image_adapter(tmp_path / "ip.bin", UNET, "v1")
    other = open_image_adapter(saved(tmp_path / "ip.safetensors", tensors), UNET, "v1")
    assert all(torch.equal(a, b) for a, b in zip(told(one, kind), told(other, kind), strict=True))


@pytest.mark.parametrize("prefix", ["", "unet."])
@pytest.mark.parametrize("kind", KINDS)
def test_diffusers_names_are_the_same_file(kind: Kind, prefix: str, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    theirs = load_file(HERE / f"image_adapter_{kind}.safetensors")
    path = saved(tmp_path / "theirs.safetensors", {prefix + name: each for name, each in theirs.items()})
    halved = {name: each.half().float() for name, each in adapter_weights("v1", kind).items()}
    ours = open_image_adapter(saved(tmp_path / "ours.safetensors", halved), UNET, "v1")
    one, other = told(open_image_adapter(path, UNET, "v1"), kind), told(ours, kind)
    assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("image_proj.perceiver_resampler.proj_in.weight", "FaceID Plus"),
        ("ip_adapter.0.to_q_lora.down.weight", "FaceID: it also changes weights"),
        ("something.else", "something.else has none"),
    ],
)
def test_a_tensor_without_a_place_is_refused(name: str, said: str, tmp_path: Path) -> None:
    tensors = adapter_weights("v1", "plain") | {name: torch.ones(2, 2)}
    with pytest.raises(AdapterError, match=said):
        open_image_adapter(saved(tmp_path / "ip.safetensors", tensors), UNET, "v1")


def test_other_files_and_broken_ones_are_refused(tmp_path: Path) -> None:
    tensors = adapter_weights("v1", "plain")
    no_projection = {name: each for name, each in tensors.items() if not name.startswith("image_proj")}
    with pytest.raises(AdapterError, match=r"no tensor image_proj\.\*"):
        open_image_adapter(saved(tmp_path / "a.safetensors", no_projection), UNET, "v1")
    last = max(int(name.split(".")[1]) for name in no_projection)
    del tensors[f"ip_adapter.{last}.to_v_ip.weight"]
    with pytest.raises(DoesNotFit, match="however: it has them for"):
        open_image_adapter(saved(tmp_path / "b.safetensors", tensors), UNET, "v1")
    odd = adapter_weights("v1", "plain") | {"image_proj.extra": torch.ones(1)}
    with pytest.raises(TensorMismatch, match="extra"):
        open_image_adapter(saved(tmp_path / "c.safetensors", odd), UNET, "v1")
    wide = adapter_weights("v1", "plain")
    wide |= {
        name: torch.ones(60, *each.shape[1:])
        for name, each in wide.items()
        if name.startswith("image_proj.norm")
    }
    with pytest.raises(DoesNotFit, match="however: its projection makes 60"):
        open_image_adapter(saved(tmp_path / "d.safetensors", wide), UNET, "v1")
