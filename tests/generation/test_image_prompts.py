"""Image prompts in whole runs: pictures, records, refusals."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import save_file

from benchmarks.image_prompt_cases import AdapterPlan, adapter_shapes
from gesso.adapters.site import Target
from gesso.cli.main import main
from gesso.errors import AdapterError, DoesNotFit, GessoError, RequestError, Unsupported
from gesso.families.vision_plan import VisionPlan, vision_shapes
from gesso.generation.generate import paint
from gesso.generation.image_prompts import check_image_prompts, span
from gesso.generation.result import read_request
from gesso.model import Model, load
from gesso.request import ImagePrompt, Mask, Request, Source
from tests.models import random_weights, save_model

FAMILIES = ("sd1", "sd2", "sdxl")
VISION = VisionPlan(width=64, layers=2, hidden=96, patch=14, side=28, projection=48)
ASK = Request(prompt="a cat", seed=3, steps=2, sampler="euler")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models, an encoder, two pictures, and for each family a plain and a plus adapter."""
    folder = tmp_path_factory.mktemp("images")
    for family in FAMILIES:
        save_model(folder / f"{family}.safetensors", family)
    save_file(random_weights(vision_shapes(VISION)), folder / "encoder.safetensors")
    for name, seed in (("red", 1), ("blue", 2)):
        grain = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
        Image.fromarray(grain).resize((80, 60)).save(folder / f"{name}.png")
    half = Image.new("L", (64, 64))
    half.paste(255, (0, 0, 32, 64))
    half.save(folder / "half.png")
    np.save(folder / "face.npy", np.random.default_rng(3).normal(size=12))
    return folder


@pytest.fixture(scope="module")
def models(folder: Path) -> Mapping[str, Model]:
    found = {name: load(folder / f"{name}.safetensors", device="cpu", dtype="float32") for name in FAMILIES}
    for name, model in found.items():
        unet = Target.of(model).parts["unet"]
        context = unet["middle_block.1.transformer_blocks.0.attn2.to_k.weight"][1]
        plans = (
            AdapterPlan("plain", 48, context),
            AdapterPlan("plus", 64, context, 3, 64, 1),
            AdapterPlan("face", 12, context),
        )
        for plan in plans:
            save_file(random_weights(adapter_shapes(plan, unet)), folder / f"{name}-{plan.kind}.safetensors")
    return found


def asking(folder: Path, file: str, /, *images: str, **fields: object) -> Request:
    use = ImagePrompt.model_validate(
        {
            "images": [folder / f"{each}" for each in images or ("red.png",)],
            "adapter": folder / f"{file}.safetensors",
            "encoder": folder / "encoder.safetensors",
            **fields,
        }
    )
    return ASK.model_copy(update={"image_prompts": (use,)})


def picture(model: Model, request: Request) -> bytes:
    return paint(model, request).images[0].tobytes()


@pytest.mark.parametrize("kind", ["plain", "plus"])
@pytest.mark.parametrize("family", FAMILIES)
def test_pictures_matter_on_every_family(
    family: str, kind: str, folder: Path, models: Mapping[str, Model]
) -> None:
    model, name = models[family], f"{family}-{kind}"
    plain = picture(model, ASK)
    red = picture(model, asking(folder, name))
    assert len({plain, red, picture(model, asking(folder, name, "blue.png"))}) == 3
    assert picture(model, asking(folder, name)) == red
    assert picture(model, asking(folder, name, weight=0.0)) == plain
    assert picture(model, ASK) == plain


@pytest.mark.parametrize(
    "fields",
    [
        {"weight": 0.5},
        {"start": 0.5},
        {"end": 0.5},
        {"takes": "style"},
        {"blocks": {"M00": 0.0}},
        {"mask": "half.png"},
        {"images": ["red.png", "blue.png"]},
        {"images": ["red.png", "blue.png"], "combine": "average"},
    ],
    ids=str,
)
def test_every_setting_changes_the_picture(
    fields: dict[str, object], folder: Path, models: Mapping[str, Model]
) -> None:
    told = dict(fields)
    if "mask" in told:
        told["mask"] = folder / "half.png"
    if "images" in told:
        told["images"] = [folder / "red.png", folder / "blue.png"]
    model = models["sd1"]
    found = picture(model, asking(folder, "sd1-plus", **told))
    assert found not in {picture(model, ASK), picture(model, asking(folder, "sd1-plus"))}


def test_several_act_at_once_and_do_not_matter_to_one_another_at_weight_0(
    folder: Path, models: Mapping[str, Model]
) -> None:
    one, two = (asking(folder, name).image_prompts[0] for name in ("sd1-plain", "sd1-plus"))
    both = ASK.model_copy(update={"image_prompts": (one, two)})
    silent = ASK.model_copy(update={"image_prompts": (one, two.model_copy(update={"weight": 0.0}))})
    model = models["sd1"]
    alone = picture(model, asking(folder, "sd1-plain"))
    assert picture(model, silent) == alone
    assert picture(model, both) != alone


def test_a_face_is_an_embedding(folder: Path, models: Mapping[str, Model]) -> None:
    model = models["sd1"]
    assert picture(model, asking(folder, "sd1-face", "face.npy", encoder=None)) != picture(model, ASK)
    with pytest.raises(RequestError, match="recognised face's embedding"):
        paint(model, asking(folder, "sd1-face"))


def test_the_picture_carries_every_file_and_its_hash(folder: Path, models: Mapping[str, Model]) -> None:
    result = paint(models["sd1"], asking(folder, "sd1-plain", mask=folder / "half.png"))
    (use,) = result.requests[0].image_prompts
    assert {Path(path).name for path in use.sha256} == {
        "red.png",
        "half.png",
        "encoder.safetensors",
        "sd1-plain.safetensors",
    }
    assert picture(models["sd1"], result.requests[0]) == result.images[0].tobytes()
    wrong = {path: "0" * 64 for path in use.sha256}
    with pytest.raises(AdapterError, match="its hash differs"):
        paint(models["sd1"], asking(folder, "sd1-plain", sha256=wrong))


@pytest.mark.parametrize(
    ("adapter", "fields", "kind", "said"),
    [
        ("sdxl-plain", {}, DoesNotFit, "must fit|cross-attention layers"),
        ("sd1-plain", {"adapter": None}, RequestError, "must name an IP-Adapter"),
        ("sd1-plain", {"encoder": None}, RequestError, "must name the image encoder"),
        ("sd1-plain", {"takes": "composition"}, Unsupported, "has none of IN07, IN08"),
        ("sd1-plain", {"images": ["face.npy"]}, DoesNotFit, "given pooled 48 wide, however: they are 12"),
        ("sd1-plus", {"images": ["face.npy"]}, DoesNotFit, "given patches 64 wide, however: they are 12"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_reason(
    adapter: str,
    fields: dict[str, object],
    kind: type[GessoError],
    said: str,
    folder: Path,
    models: Mapping[str, Model],
) -> None:
    if "images" in fields:
        fields = {"images": [folder / "face.npy"]}
    with pytest.raises(kind, match=said):
        paint(models["sd1"], asking(folder, adapter, **fields))


def test_an_encoder_of_another_width_is_refused(
    folder: Path, models: Mapping[str, Model], tmp_path: Path
) -> None:
    other = VisionPlan(width=128, layers=1, hidden=96, patch=14, side=28, projection=32)
    save_file(random_weights(vision_shapes(other)), tmp_path / "e.safetensors")
    for kind in ("plain", "plus"):
        with pytest.raises(DoesNotFit, match=r"wide, however: it is (32|128) wide"):
            paint(models["sd1"], asking(folder, f"sd1-{kind}", encoder=tmp_path / "e.safetensors"))


def test_a_region_needs_a_whole_picture(folder: Path, models: Mapping[str, Model]) -> None:
    request = asking(folder, "sd1-plain", mask=folder / "half.png").model_copy(
        update={"source": Source(image=folder / "red.png", mask=Mask(image=folder / "red.png"))}
    )
    with pytest.raises(Unsupported, match="painted as a whole"):
        paint(models["sd1"], request)


def test_headers_alone_tell_what_does_not_fit(folder: Path, models: Mapping[str, Model]) -> None:
    check_image_prompts(asking(folder, "sd1-plain"), Target.of(models["sd1"]))
    with pytest.raises(DoesNotFit):
        check_image_prompts(asking(folder, "sd1-plain"), Target.of(models["sdxl"]))


def test_shares_of_a_run_are_noise_levels() -> None:
    sigmas = (8.0, 4.0, 2.0, 1.0, 0.0)
    assert span(0.0, 1.0, sigmas) == (float("inf"), 0.0)
    assert span(0.25, 0.75, sigmas) == (4.0, 1.0)


def test_the_command_line_says_it_shortly(
    folder: Path, models: Mapping[str, Model], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = [
        "--image-adapter",
        f"{folder}/sd1-plain.safetensors",
        "--image-encoder",
        f"{folder}/encoder.safetensors",
    ]
    painted = tmp_path / "p.png"
    command = [
        "generate",
        "a cat",
        "-m",
        f"{folder}/sd1.safetensors",
        "--out",
        str(painted),
        "--steps",
        "2",
        *where,
    ]
    assert main([*command, "--image-prompts", f"{folder}/red.png:0.6"]) == 0
    (use,) = Request.model_validate(read_request(painted)).image_prompts
    assert (use.weight, use.images, use.encoder) == (
        0.6,
        (folder / "red.png",),
        folder / "encoder.safetensors",
    )
    capsys.readouterr()
    assert main(command) == 2
    assert "--image-prompts" in capsys.readouterr().err
