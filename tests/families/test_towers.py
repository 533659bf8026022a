"""Text encoders named by the user: found in every layout, and put where the family reads with them."""

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch

from gesso.checkpoint.file import Checkpoint
from gesso.checkpoint.rename import inverse, open_clip_names, renamed
from gesso.errors import CheckpointError, DoesNotFit, TensorMismatch
from gesso.families.assembly import Named, drawings
from gesso.families.blueprint import SD1, SD2, SDXL, checkpoint_shapes
from gesso.families.drawing import filled
from gesso.families.identify import Identity, identify
from gesso.families.text_plan import ClipPlan, OpenClipPlan, clip_shapes, open_clip_shapes
from gesso.families.towers import tower_homes, towers
from tests.headers import only_unet, write_header

BIG_G = OpenClipPlan(width=1280, layers=32, projection=1280)
Sizes = Mapping[str, tuple[int, ...]]


def hugging_face(plan: OpenClipPlan) -> dict[str, tuple[int, ...]]:
    """An OpenCLIP encoder as transformers keeps it."""
    names = inverse(open_clip_names(plan.layers))
    shapes: dict[str, tuple[int, ...]] = {}
    for name, shape in open_clip_shapes(plan).items():
        theirs = renamed(name, names)
        if ".attn.in_proj_" in name:
            place = name.split(".attn.")[0].replace("transformer.resblocks", "text_model.encoder.layers")
            for part in "qkv":
                end = name.rpartition("_")[2]
                shapes[f"{place}.self_attn.{part}_proj.{end}"] = (shape[0] // 3, *shape[1:])
        elif theirs is not None:
            shapes[theirs] = shape
    shapes["text_model.embeddings.position_embedding.weight"] = (77, plan.width)
    if plan.projection is not None:
        shapes["text_projection.weight"] = (plan.projection, plan.width)
    return shapes


def prefixed(prefix: str, shapes: Sizes) -> dict[str, tuple[int, ...]]:
    return {prefix + name: shape for name, shape in shapes.items()}


CLIP_L = clip_shapes(ClipPlan())
EXTRAS = {"logit_scale": (), "text_model.embeddings.position_ids": (1, 77)}
VISION = {"vision_model.embeddings.class_embedding": (1024,), "visual_projection.weight": (768, 1024)}
OLD = {name.removeprefix("text_model."): shape for name, shape in CLIP_L.items()}
FILES = {
    "hugging face": (CLIP_L | EXTRAS, 768),
    "all of clip": (CLIP_L | EXTRAS | VISION | {"text_projection.weight": (768, 768)}, 768),
    "without text_model": (OLD | {"text_projection.weight": (768, 768)}, 768),
    "comfyui": (prefixed("text_encoders.clip_l.transformer.", CLIP_L), 768),
    "diffusers": (prefixed("text_encoder.", CLIP_L), 768),
    "a whole checkpoint": (checkpoint_shapes(SD1), 768),
    "open clip": (open_clip_shapes(BIG_G) | {"visual.proj": (8, 8), "attn_mask": (77, 77)}, 1280),
    "open clip, hugging face": (hugging_face(BIG_G), 1280),
}


@pytest.mark.parametrize("kind", FILES)
def test_an_encoder_is_found_in_every_layout(kind: str, tmp_path: Path) -> None:
    shapes, width = FILES[kind]
    (found,) = towers(write_header(tmp_path / "x.safetensors", shapes))
    assert (found.width, found.layers) == (width, 12 if width == 768 else 32)
    assert found.projection == {"open clip": 1280, "open clip, hugging face": 1280}.get(
        kind, 768 if kind in {"all of clip", "without text_model"} else None
    )


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    """SDXL's UNet, full size, so that nothing but their sizes tells where encoders belong."""
    folder = tmp_path_factory.mktemp("alone")
    shapes = only_unet(checkpoint_shapes(SDXL))
    return identify(Checkpoint.open(write_header(folder / "unet.safetensors", shapes)))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    path = tmp_path_factory.mktemp("whole") / "xl.safetensors"
    return identify(Checkpoint.open(write_header(path, checkpoint_shapes(SDXL))))


def names(homes: Mapping[str, Identity]) -> dict[str, str]:
    return {part: home.checkpoint.path.stem for part, home in homes.items()}


@pytest.mark.parametrize("kind", FILES)
def test_every_encoder_of_its_width_takes_its_place(kind: str, alone: Identity, tmp_path: Path) -> None:
    shapes, width = FILES[kind]
    named = write_header(tmp_path / "named.safetensors", shapes)
    second = write_header(tmp_path / "other.safetensors", CLIP_L if width == 1280 else hugging_face(BIG_G))
    first = ("named", "other") if width == 768 else ("other", "named")
    for order in ((named, second), (second, named)):
        homes = tower_homes(alone, order, None)
        assert names(homes) == dict(zip(("text", "text_2"), first, strict=True))
        (text,) = homes["text_2"].text
        place = "model." if kind == "open clip" else "transformer."
        assert text.prefix == f"conditioner.embedders.1.{place}"
        assert not any(home.account.unknown for home in homes.values())


def test_one_encoder_of_two_may_be_replaced(alone: Identity, whole: Identity, tmp_path: Path) -> None:
    for shapes, part in ((CLIP_L, "text"), (open_clip_shapes(BIG_G), "text_2")):
        named = write_header(tmp_path / f"{part}.safetensors", shapes)
        assert names(tower_homes(whole, (named,), None)) == {part: part}
        # also of those that another checkpoint lends
        assert names(tower_homes(alone, (named,), whole)) == {part: part}
    assert tower_homes(whole, (), None) == {}


def test_a_copy_that_has_lost_the_last_layer_is_read_at_its_end(tmp_path: Path) -> None:
    """Hugging Face's copies of ViT-H for SD 2.x have 23 layers: the last is the one before the last."""
    v2 = identify(Checkpoint.open(write_header(tmp_path / "v2.safetensors", checkpoint_shapes(SD2))))
    for layers, wanted in ((23, -1), (24, -2)):
        plan = OpenClipPlan(layers=layers, projection=None)
        named = write_header(tmp_path / f"{layers}.safetensors", hugging_face(plan))
        (text,) = tower_homes(v2, (named,), None)["text"].text
        assert text.layer == wanted


@pytest.mark.parametrize(
    ("shapes", "says"),
    [
        (open_clip_shapes(OpenClipPlan()), "1 of them, 768 wide in all, however: those named are 1024 wide"),
        (open_clip_shapes(OpenClipPlan(width=768)), "those named are 768 wide"),
        (prefixed("clip_l.", CLIP_L) | prefixed("clip_g.", hugging_face(BIG_G)), "768 and 1280 wide"),
    ],
)
def test_other_encoders_are_refused_by_their_widths(shapes: Sizes, says: str, tmp_path: Path) -> None:
    v1 = identify(Checkpoint.open(write_header(tmp_path / "v1.safetensors", checkpoint_shapes(SD1))))
    named = write_header(tmp_path / "x.safetensors", shapes)
    with pytest.raises(DoesNotFit, match=says):
        tower_homes(v1, (named,), None)


def test_one_of_two_is_not_enough(alone: Identity, tmp_path: Path) -> None:
    named = write_header(tmp_path / "l.safetensors", CLIP_L)
    with pytest.raises(TensorMismatch, match="it has no vae, no text_2") as error:
        drawings(alone, Named(texts=(named,)))
    assert "text_encoders" in error.value.hint


def test_files_without_an_encoder_or_with_more_than_one_knows(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="must hold a text encoder"):
        towers(write_header(tmp_path / "vae.safetensors", {"decoder.conv_in.weight": (512, 4, 3, 3)}))
    strange = prefixed("clip_l.", CLIP_L) | {"t5.shared.weight": (32128, 4096)}
    with pytest.raises(TensorMismatch, match=r"1 do not, such as t5\.shared"):
        towers(write_header(tmp_path / "t5.safetensors", strange))


def test_the_weights_arrive(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    from tests.models import random_weights, save_model

    whole = save_model(tmp_path / "v1.safetensors", "sd1")
    plan = ClipPlan(width=64, layers=3, vocabulary=1024)
    tensors = random_weights(clip_shapes(plan), 7)
    save_file(tensors | {"logit_scale": torch.ones(())}, tmp_path / "l.safetensors")
    parts = drawings(identify(Checkpoint.open(whole)), Named(texts=(tmp_path / "l.safetensors",)))
    network = filled(parts["text"], torch.device("cpu"), torch.float32)
    for name, each in network.state_dict().items():
        assert torch.equal(each, tensors[name])
