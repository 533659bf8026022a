"""Control models in a whole run: they change pictures, keep what a mask keeps, and are gone after."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import gesso
from gesso.errors import AdapterError, DoesNotFit, RequestError
from gesso.generation.canvas import Box, Growth, Stage, border_stages
from gesso.generation.controlling import view
from gesso.generation.generate import paint
from gesso.model import Model
from gesso.request import ControlUse, Extend, LoraUse, Mask, Refiner, Request, Source
from tests.control.made import adapter_shapes, save, save_net
from tests.models import random_weights, save_model
from tests.onnx_files import mean_of_channels

ASK = Request(prompt="a cat", negative="a dog", seed=3, steps=3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("controlling")
    for family in ("sd1", "sdxl", "sdxl-refiner"):
        save_model(made / f"{family}.safetensors", family)
    save_net(made / "net-sd1.safetensors", "sd1")
    save_net(made / "net-sdxl.safetensors", "sdxl")
    save(made / "adapter.safetensors", random_weights(adapter_shapes((64, 128, 256, 256)), 4))
    pixels = np.random.default_rng(5).integers(0, 255, (64, 64, 3), np.uint8)
    Image.fromarray(pixels).save(made / "picture.png")
    mask = np.zeros((64, 64), np.uint8)
    mask[20:44, 20:44] = 255
    Image.fromarray(mask).save(made / "mask.png")
    return made


@pytest.fixture(scope="module")
def model(folder: Path) -> Model:
    return gesso.load(folder / "sd1.safetensors", device="cpu", dtype="float32")


def use(folder: Path, name: str = "net-sd1", **fields: object) -> ControlUse:
    told = {"model": folder / f"{name}.safetensors", "image": folder / "picture.png", **fields}
    return ControlUse.model_validate(told)


def painted(model: Model, *controls: ControlUse, **fields: object) -> np.ndarray:
    request = ASK.model_copy(update={"controls": controls, **fields})
    return np.asarray(paint(model, request).images[0])


def test_a_control_changes_the_picture_and_is_gone_after(model: Model, folder: Path) -> None:
    plain = painted(model)
    assert (painted(model, use(folder)) != plain).any()
    assert (painted(model) == plain).all()


@pytest.mark.parametrize("name", ["net-sd1", "adapter"])
@pytest.mark.parametrize("cfg", [1.0, 3.0])
def test_weight_0_or_no_time_is_the_picture_without(
    model: Model, folder: Path, name: str, cfg: float
) -> None:
    plain = painted(model, cfg=cfg)
    for fields in ({"weight": 0.0}, {"start": 0.5, "end": 0.5}):
        assert (painted(model, use(folder, name, **fields), cfg=cfg) == plain).all()
    assert (painted(model, use(folder, name), cfg=cfg) != plain).any()


@pytest.mark.parametrize(
    "fields",
    [
        {"mode": "prompt"},
        {"mode": "control"},
        {"start": 0.4},
        {"end": 0.7},
        {"layers": (0.0,) * 8 + (1.0,)},
        {"pooled": True},
        {"weight": 0.5},
        {"resize": "stretch"},
        {"annotator": "canny"},
        {"annotator": "blur", "annotator_options": {"sigma": 2}},
    ],
)
def test_every_setting_matters(model: Model, folder: Path, fields: dict[str, object]) -> None:
    wide = folder / "wide.png"
    Image.open(folder / "picture.png").resize((128, 64)).save(wide)
    first = painted(model, use(folder, image=wide))
    assert (painted(model, use(folder, image=wide, **fields)) != first).any()


def test_a_region_keeps_it_to_a_part(model: Model, folder: Path) -> None:
    black = folder / "black.png"
    Image.new("L", (64, 64), 0).save(black)
    assert (painted(model, use(folder, region=black)) == painted(model)).all()
    some = painted(model, use(folder, region=folder / "mask.png"))
    assert (some != painted(model)).any()
    assert (some != painted(model, use(folder))).any()


def test_compositions_and_several_controls(model: Model, folder: Path) -> None:
    both = painted(model, use(folder), use(folder, "adapter"), prompt="a cat AND a hat :0.7")
    one = painted(model, use(folder), prompt="a cat AND a hat :0.7")
    assert (both != one).any()


def test_the_result_names_its_files_by_hash_and_paints_again(model: Model, folder: Path) -> None:
    result = paint(model, ASK.model_copy(update={"controls": (use(folder, region=folder / "mask.png"),)}))
    (found,) = result.requests[0].controls
    assert all(each and len(each) == 64 for each in (found.sha256, found.image_sha256, found.region_sha256))
    assert found.pooled is False
    assert (np.asarray(paint(model, result.requests[0]).images[0]) == np.asarray(result.images[0])).all()


@pytest.mark.parametrize(
    ("field", "error"),
    [("sha256", AdapterError), ("image_sha256", RequestError), ("region_sha256", RequestError)],
)
def test_a_changed_file_is_refused(model: Model, folder: Path, field: str, error: type[Exception]) -> None:
    with pytest.raises(error, match="must be the file"):
        painted(model, use(folder, region=folder / "mask.png", **{field: "0" * 64}))


def test_what_does_not_fit_is_refused(model: Model, folder: Path) -> None:
    with pytest.raises(DoesNotFit, match="context of 128, the model has 64"):
        painted(model, use(folder, "net-sdxl"))
    with pytest.raises(RequestError, match="must be 9 factors"):
        painted(model, use(folder, layers=(1.0,)))
    with pytest.raises(RequestError, match="must be shown a picture"):
        painted(model, use(folder, image=None))


def test_with_a_refiner_it_acts_on_the_base_alone(folder: Path) -> None:
    model = gesso.load(folder / "sdxl.safetensors", device="cpu", dtype="float32")
    fields = {"refiner": Refiner(model=folder / "sdxl-refiner.safetensors", start=0.5)}
    plain = painted(model, **fields)
    request = ASK.model_copy(update={"controls": (use(folder, "net-sdxl"),), **fields})
    result = paint(model, request)
    assert (np.asarray(result.images[0]) != plain).any()
    assert any("does not act on the refiner" in note for note in result.notes)


@pytest.mark.parametrize("annotator", [None, "inpaint"])
def test_an_edit_keeps_its_bytes_and_may_show_itself(
    model: Model, folder: Path, annotator: str | None
) -> None:
    source = Source(image=folder / "picture.png", mask=Mask(image=folder / "mask.png"), strength=1.0)
    before = np.asarray(Image.open(folder / "picture.png"))
    outside = np.asarray(Image.open(folder / "mask.png")) == 0
    plain = painted(model, source=source)
    found = painted(model, use(folder, image=None, annotator=annotator), source=source)
    assert (found[outside] == before[outside]).all()
    assert (found != plain).any()


def test_marking_the_mask_matters_and_needs_one(model: Model, folder: Path) -> None:
    source = Source(image=folder / "picture.png", mask=Mask(image=folder / "mask.png"), strength=1.0)
    marked = painted(model, use(folder, annotator="inpaint"), source=source)
    assert (marked != painted(model, use(folder), source=source)).any()
    other = use(folder, annotator="inpaint", annotator_options={"masked": 0.0})
    assert (marked != painted(model, other, source=source)).any()
    with pytest.raises(RequestError, match="must go with a mask"):
        painted(model, use(folder, annotator="inpaint"))


def test_a_network_of_ones_own_draws_what_is_shown(model: Model, folder: Path) -> None:
    drawing = mean_of_channels(folder / "map.onnx")
    plain = painted(model, use(folder))
    first = paint(model, ASK.model_copy(update={"controls": (use(folder, annotator_file=drawing),)}))
    assert (np.asarray(first.images[0]) != plain).any()
    (named,) = first.requests[0].controls
    assert named.annotator_sha256 == hashlib.sha256(drawing.read_bytes()).hexdigest()
    with pytest.raises(RequestError, match="must be the file"):
        painted(model, use(folder, annotator_file=drawing, annotator_sha256="0" * 64))
    with pytest.raises(RequestError, match="scale"):
        painted(model, use(folder, annotator_file=drawing, annotator_options={"scale": "percent"}))


def test_outpainting_takes_controls(model: Model, folder: Path) -> None:
    source = Source(image=folder / "picture.png", extend=Extend(left=32), strength=1.0)
    found = painted(model, use(folder), source=source)
    assert found.shape == (64, 96, 3)
    assert (found != painted(model, source=source)).any()
    assert (found[:, 32:] == np.asarray(Image.open(folder / "picture.png"))).all()


@given(*[st.integers(0, 300)] * 4)
def test_a_stages_part_lies_where_it_is_on_the_finished_canvas(
    left: int, up: int, right: int, down: int
) -> None:
    stages = border_stages((128, 96), Growth(left, up, right, down), (64, 64), 8)
    for turn, stage in enumerate(stages):
        seen = view((128, 96), stages, turn)
        assert seen.canvas == (128 + left + right, 96 + up + down)
        assert seen.box.size == stage.box.size
        assert 0 <= seen.box.left <= seen.box.right <= seen.canvas[0]
        assert 0 <= seen.box.top <= seen.box.bottom <= seen.canvas[1]


def test_later_growth_moves_earlier_parts() -> None:
    first = Stage(Growth(right=8), Box(10, 0, 40, 32), (32, 32))
    second = Stage(Growth(left=16, up=4), Box(0, 0, 32, 32), (32, 32))
    assert view((32, 32), (first, second), 0).box == Box(26, 4, 56, 36)
    assert view((32, 32)).box == Box(0, 0, 32, 32)


def test_fooocus_inpaints_with_a_patch_and_a_head(folder: Path, tmp_path: Path) -> None:
    """The head acts where a mask is; what the mask keeps stays, byte for byte."""
    xl = gesso.load(folder / "sdxl.safetensors", device="cpu", dtype="float32")
    save(tmp_path / "fooocus_inpaint_head.safetensors", random_weights({"head": (64, 5, 3, 3)}, 4))
    weight = torch.randn(xl.denoiser.network.get_parameter("middle_block.0.in_layers.2.weight").shape) * 0.02
    low, high = weight.aminmax()
    steps = ((weight - low) / (high - low) * 255).round().to(torch.uint8)
    patch = tmp_path / "inpaint.fooocus.patch"
    torch.save({"diffusion_model.middle_block.0.in_layers.2.weight": (steps, low, high)}, patch)
    head = ControlUse(model=tmp_path / "fooocus_inpaint_head.safetensors")
    mask = Mask(image=folder / "mask.png", feather=0)
    source = Source(image=folder / "picture.png", mask=mask, strength=1.0)
    loras = (LoraUse(file=patch),)
    found = [
        painted(xl, *controls, source=source, loras=used)
        for controls, used in (((), ()), ((head,), ()), ((), loras), ((head,), loras))
    ]
    assert len({each.tobytes() for each in found}) == 4
    kept = np.asarray(Image.open(folder / "mask.png")) == 0
    for each in found:
        assert (each[kept] == np.asarray(Image.open(folder / "picture.png"))[kept]).all()
    for used, says in (
        (head, "nothing is painted into"),
        (head.model_copy(update={"annotator": "canny"}), "one"),
    ):
        given = source if says == "one" else source.model_copy(update={"mask": None})
        with pytest.raises(RequestError, match=f"must go with a mask.*{says}"):
            painted(xl, used, source=given)
