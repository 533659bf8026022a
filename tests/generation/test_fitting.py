"""Adapters in whole runs: pictures, notes, records."""

from pathlib import Path

import pytest
import torch

from gesso.adapters.site import Target
from gesso.checkpoint.hashes import auto_v3, sha256
from gesso.cli.main import main
from gesso.errors import AdapterError, DoesNotFit
from gesso.families.blueprint import checkpoint_shapes
from gesso.generation.fitting import Fitting, check
from gesso.generation.generate import generate, paint
from gesso.generation.infotext import parse
from gesso.generation.result import read_parameters, read_request
from gesso.model import Model, load
from gesso.request import EmbeddingUse, LoraUse, Refiner, Request
from tests.adapters.made import MODULES, NAMINGS, factors, named, same, save, shapes_of, state
from tests.headers import SD1, SDXL, write_header
from tests.models import save_model

ASK = Request(prompt="a cat", seed=3, steps=2)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    return {name: save_model(folder / f"{name}.safetensors", name) for name in (*MODULES, "sdxl-refiner")}


@pytest.fixture(scope="module")
def models(files: dict[str, Path]) -> dict[str, Model]:
    return {name: load(files[name], device="cpu", dtype="float32") for name in MODULES}


def lora(model: Model, folder: Path, naming: str = "kohya") -> Path:
    family = model.identity.name
    pairs = factors(shapes_of(Target.of(model), family))
    name = naming.replace(",", "").replace(" ", "-").replace("'", "")
    return save(folder / f"{name}.safetensors", named(family, naming, pairs))


def picture(model: Model, request: Request) -> bytes:
    return paint(model, request).images[0].tobytes()


def asking(path: Path, weight: float = 1.0) -> Request:
    return ASK.model_copy(update={"loras": (LoraUse(file=path, weight=weight),)})


@pytest.mark.parametrize("family", MODULES)
def test_every_naming_paints_the_same_picture(family: str, models: dict[str, Model], tmp_path: Path) -> None:
    model = models[family]
    plain, before = picture(model, ASK), state(model)
    pictures = {picture(model, asking(lora(model, tmp_path, naming))) for naming in NAMINGS}
    assert len(pictures) == 1
    assert plain not in pictures
    assert picture(model, asking(lora(model, tmp_path), 0.0)) == plain
    assert picture(model, ASK) == plain
    assert same(state(model), before)


def test_leaving_early_takes_them_off(models: dict[str, Model], tmp_path: Path) -> None:
    model = models["sd1"]
    plain = picture(model, ASK)
    events = generate(model, asking(lora(model, tmp_path)))
    next(events)
    next(events)
    assert any(each._forward_hooks for each in model.networks["unet"].modules())
    events.close()
    assert not any(each._forward_hooks for each in model.networks["unet"].modules())
    assert picture(model, ASK) == plain


def test_the_request_tells_which_file_it_was(models: dict[str, Model], tmp_path: Path) -> None:
    model = models["sd1"]
    path = lora(model, tmp_path)
    result = paint(model, asking(path, 0.5))
    (use,) = result.requests[0].loras
    assert use.applied == len(MODULES["sd1"])
    assert use.sha256
    assert len(use.sha256) == 64
    assert paint(model, result.requests[0]).images[0].tobytes() == result.images[0].tobytes()
    save(path, named("sd1", "kohya", factors(shapes_of(Target.of(model), "sd1"), seed=9)))
    with pytest.raises(AdapterError, match="hash differs"):
        paint(model, result.requests[0])


def test_what_does_not_fit_stops_the_run_unless_lenient(models: dict[str, Model], tmp_path: Path) -> None:
    model = models["sd1"]
    tensors = named("sd1", "kohya", factors(shapes_of(Target.of(model), "sd1")))
    tensors["lora_unet_nowhere.lora_down.weight"] = torch.ones(2, 2)
    path = save(tmp_path / "a.safetensors", tensors)
    with pytest.raises(AdapterError, match="lora_unet_nowhere"):
        paint(model, asking(path))
    lenient = ASK.model_copy(update={"loras": (LoraUse(file=path, lenient=True),)})
    result = paint(model, lenient)
    assert any("9 of 10 modules" in note and "lora_unet_nowhere" in note for note in result.notes)
    assert result.requests[0].loras[0].applied == 9
    assert result.requests[0].loras[0].lenient


def test_a_refiner_is_left_as_it_is(models: dict[str, Model], files: dict[str, Path], tmp_path: Path) -> None:
    refined = asking(lora(models["sdxl"], tmp_path)).model_copy(
        update={"refiner": Refiner(model=files["sdxl-refiner"], start=0.5)}
    )
    notes = paint(models["sdxl"], refined).notes
    assert "kohya.safetensors: 0 modules apply to the refiner, sdxl-refiner" in notes


def test_block_and_text_weights_decide_where(models: dict[str, Model], tmp_path: Path) -> None:
    model = models["sd1"]
    path = lora(model, tmp_path)
    plain = picture(model, ASK)

    def weighed(**fields: object) -> bytes:
        use = LoraUse.model_validate({"file": path, **fields})
        return picture(model, ASK.model_copy(update={"loras": (use,)}))

    everything = {"IN01": 0, "IN02": 0, "IN03": 0, "M00": 0, "OUT01": 0, "OUT02": 0}
    assert weighed(blocks=everything, text_weight=0.0) == plain
    assert weighed(blocks=everything) == weighed(weight=0.0, text_weight=1.0)
    assert len({plain, weighed(), weighed(text_weight=0.0), weighed(blocks={"M00": 0.0})}) == 4


def test_headers_are_enough_to_refuse(tmp_path: Path) -> None:
    name = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k"
    header = {f"{name}.lora_down.weight": (4, 768), f"{name}.lora_up.weight": (640, 4)}
    path = write_header(tmp_path / "a.safetensors", header)
    sd1, sdxl = (
        write_header(tmp_path / f"{name}.safetensors", checkpoint_shapes(plan))
        for name, plan in {"sd1": SD1, "sdxl": SDXL}.items()
    )
    check(ASK, tmp_path / "nowhere.safetensors")
    check(asking(path), sd1)
    with pytest.raises(DoesNotFit, match="made for sd1, must have a place in sdxl"):
        check(asking(path), sdxl)
    words = write_header(tmp_path / "cat.safetensors", {"emb_params": (4, 768)})
    asked = ASK.model_copy(update={"embeddings": (EmbeddingUse(file=words),)})
    check(asked, sd1)
    with pytest.raises(DoesNotFit, match=r"cat\.safetensors, made for sd1"):
        check(asked, sdxl)
    assert main(["generate", "a cat", "--model", str(sdxl), "--loras", f"{path}:0.5"]) == 4


def test_a_saved_picture_is_painted_again(
    models: dict[str, Model], files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = lora(models["sd1"], tmp_path), tmp_path / "one.png"
    words = save(tmp_path / "my-cat.safetensors", {"emb_params": torch.randn(2, 64) * 0.1})
    asked = ["generate", "my-cat", "--model", str(files["sd1"]), "--loras", f"{path}:0.5", "--steps", "2"]
    asked += ["--embeddings", str(words), "--device", "cpu", "--out", str(out)]
    assert main(asked) == 0
    request = read_request(out)
    assert (request["loras"][0]["weight"], request["loras"][0]["applied"]) == (0.5, 9)
    text = parse(read_parameters(out) or "")
    assert text.prompt == "my-cat <lora:kohya:0.5>"
    assert text.others["Lora hashes"] == f"kohya: {auto_v3(path)}"
    assert text.others["TI hashes"] == f"my-cat: {sha256(words)[:12]}"
    assert main(["replay", str(out), "--out", str(tmp_path / "two.png")]) == 0
    assert "the same pixels" in capsys.readouterr().out
    save(words, {"emb_params": torch.randn(2, 64)})
    assert main(["replay", str(out), "--out", str(tmp_path / "three.png")]) == 4
    assert "hash differs" in capsys.readouterr().err


def test_nothing_asked_is_nothing_done(models: dict[str, Model]) -> None:
    with Fitting() as fitting:
        assert fitting.put({"base": models["sd1"]}, ASK) is ASK
    assert fitting.notes == []
