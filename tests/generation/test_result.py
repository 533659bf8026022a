import hashlib
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from PIL import Image

from gesso.errors import RequestError
from gesso.generation.infotext import parse
from gesso.generation.pictures import Texts, write_picture
from gesso.generation.result import ENGINE, Origin, read_parameters, read_record, read_request, save
from gesso.model import Origins
from gesso.request import GuidanceShape, Refiner, Request, Source

ORIGIN = Origin(Path("models/dream v1.safetensors"), "ab" * 32, "sd1", "epsilon", "cpu", "bfloat16", "auto")
REQUEST = Request(
    prompt="a (red:1.2) apple,\n猫 🙂",
    negative="blurry",
    size=(512, 768),
    seed=2**64 - 1,
    steps=20,
    sampler="euler",
    schedule="karras",
    cfg=7.5,
    clip_skip=2,
    source=Source(image=Path("photo.png"), strength=0.6),
    refiner=Refiner(model=Path("xl/refiner.safetensors")),
)


def picture() -> Image.Image:
    return Image.new("RGB", (16, 24), "teal")


def test_a_model_s_origin_is_its_file_and_how_it_was_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    file = tmp_path / "dream.safetensors"
    file.write_bytes(b"weights")
    identity = SimpleNamespace(name="sd2", facts=SimpleNamespace(prediction=SimpleNamespace(value="v")))
    others = Origins(vae=Path("other.vae.pt"), ema=True)
    where = {"device": torch.device("cpu"), "dtype": torch.bfloat16, "kernels": "auto", "quantize": "int8"}
    model = SimpleNamespace(path=file, identity=identity, origins=others, **where)
    digest = hashlib.sha256(b"weights").hexdigest()
    assert Origin.of(model) == Origin(file, digest, "sd2", "v", "cpu", "bfloat16", "auto", "int8", others)
    model.path = tmp_path
    assert Origin.of(model).sha256 == ""


@pytest.mark.parametrize("name", ["x.png", "x.jpg", "x.jpeg", "x.webp"])
def test_the_request_comes_back_whole_from_every_format(tmp_path: Path, name: str):
    path = save(picture(), REQUEST, ORIGIN, tmp_path / name)
    assert path == tmp_path / name
    assert Request(**read_request(path)) == REQUEST


def test_the_record_names_weights_and_surroundings(tmp_path: Path):
    record = read_record(save(picture(), REQUEST, ORIGIN, tmp_path))
    assert record["engine"] == ENGINE
    assert record["model"] == {
        "name": "dream v1.safetensors",
        "path": "models/dream v1.safetensors",
        "sha256": "ab" * 32,
        "family": "sd1",
        "prediction": "epsilon",
        "vae": None,
        "text_encoders": [],
        "lender": None,
        "ema": False,
    }
    where = {"device": "cpu", "dtype": "bfloat16", "kernels": "auto", "quantize": "none"}
    assert record["environment"] | {"torch": ""} == {"torch": "", **where}


@pytest.mark.parametrize("name", ["x.png", "x.jpg", "x.webp"])
def test_other_programs_read_the_parameters(tmp_path: Path, name: str):
    text = read_parameters(save(picture(), REQUEST, ORIGIN, tmp_path / name))
    assert text is not None
    read = parse(text)
    assert (read.prompt, read.negative, read.seed) == (REQUEST.prompt, REQUEST.negative, REQUEST.seed)
    assert (read.sampler, read.schedule, read.cfg, read.steps) == ("euler", "karras", 7.5, 20)
    assert (read.size, read.strength, read.clip_skip, read.noise) == ((512, 768), 0.6, 2, "cpu")
    assert (read.model, read.model_hash) == ("dream v1", "ababababab")
    assert read.others == {"Refiner": "refiner", "Refiner switch at": "0.8"}


@pytest.mark.parametrize(
    ("prompt", "name"),
    [
        ("a (red:1.2) apple", "a-red-1-2-apple-7.png"),
        ("猫", "picture-7.png"),
        ("../../etc/passwd", "etc-passwd-7.png"),
        ("word " * 20, "word-word-word-word-word-word-word-word-7.png"),
    ],
)
def test_in_a_folder_prompt_and_seed_make_the_name(tmp_path: Path, prompt: str, name: str):
    request = Request(prompt=prompt, seed=7)
    first, second = (save(picture(), request, ORIGIN, tmp_path / "new") for _ in range(2))
    assert first == tmp_path / "new" / name
    assert second == first.with_stem(first.stem + "-2")


@pytest.mark.parametrize(
    "carried", [None, "", "{", "[]", "{}", '{"request": 1}', json.dumps({"gesso": "0", "engine": 1})]
)
def test_a_picture_without_a_record_cannot_be_replayed(tmp_path: Path, carried: str | None):
    path = write_picture(picture(), tmp_path / "x.png", Texts("a cat", carried))
    with pytest.raises(RequestError, match="must carry what gesso writes"):
        read_record(path)
    assert read_parameters(path) == "a cat"


def test_how_far_a_picture_is_followed_is_told_as_the_web_ui_does(tmp_path: Path):
    request = REQUEST.model_copy(update={"guidance": GuidanceShape(picture=1.5)})
    text = read_parameters(save(picture(), request, ORIGIN, tmp_path))
    assert text is not None
    assert parse(text).others["Image CFG scale"] == "1.5"
