"""What prompts name is found in a library, and a resolved request needs no library any more."""

from pathlib import Path

import pytest
import torch

from gesso.adapters.site import Target
from gesso.cli.main import main
from gesso.errors import RequestError, UnknownName
from gesso.generation.generate import paint
from gesso.generation.library import furnished, names, placed
from gesso.generation.planning import make_plan
from gesso.generation.result import read_request
from gesso.model import Model, load
from gesso.request import EmbeddingUse, LoraUse, Request
from tests.adapters.made import factors, named, save, shapes_of
from tests.models import save_model


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("model") / "sd1.safetensors", "sd1")


@pytest.fixture(scope="module")
def model(file: Path) -> Model:
    return load(file, device="cpu", dtype="float32")


@pytest.fixture(scope="module")
def library(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As AUTOMATIC1111's folders are laid out."""
    folder = tmp_path_factory.mktemp("library")
    for each in ("models/Lora/styles", "embeddings"):
        (folder / each).mkdir(parents=True)
    pairs = factors(shapes_of(Target.of(model), "sd1"))
    save(folder / "models/Lora/styles/Ink.safetensors", named("sd1", "kohya", pairs))
    save(folder / "models/Lora/wash.safetensors", named("sd1", "kohya", pairs))
    save(folder / "embeddings/my-cat.safetensors", {"emb_params": torch.full((2, 64), 0.1)})
    return folder


def asked(prompt: str, library: Path, **fields: object) -> Request:
    return Request(prompt=prompt, library=library, seed=3, steps=2).model_copy(update=fields)


@pytest.mark.parametrize(
    ("tag", "told"),
    [
        ("Ink", {}),
        ("ink:0.5", {"weight": 0.5}),
        ("styles/Ink:0.5:1", {"weight": 1.0, "text_weight": 0.5}),
        ("Ink:te=0:unet=0.5", {"weight": 0.5, "text_weight": 0.0}),
        ("Ink:1:start=0.2:end=0.8", {"start": 0.2, "end": 0.8}),
        ("Ink:1:lbw=1,0.5,0", {"blocks": (1.0, 0.5, 0.0)}),
    ],
)
def test_a_tag_becomes_a_file_with_its_weights(tag: str, told: dict[str, object], library: Path) -> None:
    found = furnished(asked(f"a <lora:{tag}>", library))
    name = f"lora:{tag.partition(':')[0]}"
    wanted = LoraUse(file=library / "models/Lora/styles/Ink.safetensors", named=name).model_copy(update=told)
    assert found.loras == (wanted,)
    assert found.library is None
    assert furnished(found) == found


@pytest.mark.parametrize(
    ("prompt", "error", "says"),
    [
        ("<lora:Inc>", UnknownName, "'Inc'"),
        ("<lora:Ink:1:dyn=4>", RequestError, "however: dyn"),
        ("<lora:Ink:strong>", RequestError, "'strong'"),
        ("<lora:Ink:1:start=late>", RequestError, "must be told numbers that agree, however"),
        ("<lora:Ink:1:start=0.8:end=0.2>", RequestError, "start must not come after end"),
    ],
)
def test_what_cannot_be_used_is_refused(
    prompt: str, error: type[RequestError], says: str, library: Path
) -> None:
    with pytest.raises(error, match=says) as caught:
        furnished(asked(prompt, library))
    if error is UnknownName:
        assert "did you mean 'Ink'?" in caught.value.hint


def test_a_library_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="must be a folder"):
        furnished(asked("a", tmp_path / "nowhere"))


def test_a_folder_of_loras_is_a_library(library: Path) -> None:
    folder = library / "models/Lora/styles"
    assert names(folder, "lora") == ("Ink",)
    assert names(folder, "embedding") == ()
    assert names(library, "embedding") == ("my-cat",)


@pytest.mark.parametrize(("text", "dialect"), [("My-Cat", "a1111"), ("embedding:my-cat", "comfy")])
def test_embeddings_are_found_by_the_words_that_name_them(text: str, dialect: str, library: Path) -> None:
    words = EmbeddingUse(file=library / "embeddings/my-cat.safetensors")
    for fields in ({"prompt": f"a {text} b {text}"}, {"negative": text}):
        found = furnished(asked("a", library, dialect=dialect).model_copy(update=fields))
        assert found.embeddings == (words,)
    assert furnished(asked(text, library, dialect=dialect, embeddings=(words,))).embeddings == (words,)
    assert furnished(asked("my-cats", library)).embeddings == ()
    with pytest.raises(UnknownName, match="'their-cat'"):
        furnished(asked("embedding:their-cat", library, dialect="comfy"))


def test_all_pictures_name_the_same_files(library: Path) -> None:
    with pytest.raises(RequestError, match="must name the same files"):
        furnished(asked("{<lora:Ink:1>|<lora:wash:1>}", library, count=16))
    one = furnished(asked("{<lora:Ink:1>|<lora:wash:1>}", library))
    assert len(one.loras) == 1


def test_a_resolved_request_resolves_to_itself(model: Model, library: Path) -> None:
    full = make_plan(model, asked("my-cat <lora:Ink:0.5>", library)).request
    assert make_plan(model, full).request == full
    with pytest.raises(RequestError, match="must not name what is not attached, however: <lora:Ink>"):
        make_plan(model, full.model_copy(update={"loras": ()}))
    with pytest.raises(RequestError, match="<lora:Ink>"):
        make_plan(model, full.model_copy(update={"negative": "<lora:Ink:1>"}))


def test_a_name_paints_what_its_file_does(model: Model, library: Path) -> None:
    ink = library / "models/Lora/styles/Ink.safetensors"
    by_name = paint(model, asked("a <lora:Ink:0.5>", library)).images[0]
    by_file = paint(model, Request(prompt="a ", seed=3, steps=2, loras=(LoraUse(file=ink, weight=0.5),)))
    assert by_name.tobytes() == by_file.images[0].tobytes()


def test_a_course_in_the_tag_paints_another_picture(model: Model, library: Path) -> None:
    said = ("", "<lora:Ink:0:1>", "<lora:Ink:0:1:end=0.5>", "<lora:Ink:0:1:start=1>")
    none, whole, half, late = (paint(model, asked(f"a{each}", library)).images[0].tobytes() for each in said)
    assert len({none, whole, half}) == 3
    assert late == none


def test_a_picture_is_painted_again_without_the_library(
    file: Path,
    library: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "one.png"
    monkeypatch.setenv("GESSO_LIBRARY", str(library))
    asking = ["generate", "my-cat <lora:Ink:0.5>", "-m", str(file), "--device", "cpu", "--steps", "2"]
    assert main([*asking, "--out", str(out)]) == 0
    request = read_request(out)
    assert request["library"] is None
    assert len(request["loras"][0]["sha256"]) == len(request["embeddings"][0]["sha256"]) == 64
    monkeypatch.delenv("GESSO_LIBRARY")
    assert main(["replay", str(out), "--out", str(tmp_path / "two.png")]) == 0
    assert "the same pixels" in capsys.readouterr().out
    assert main(["generate", "<lora:Inn:1>", "-m", str(file), "--library", str(library)]) == 2
    assert "did you mean" in capsys.readouterr().err


def test_a_file_that_is_not_there_is_looked_for_by_its_name(library: Path) -> None:
    gone = Path("/elsewhere/loras/Ink.safetensors")
    request = Request(loras=(LoraUse(file=gone), LoraUse(file=Path("nowhere.pt"))), library=library)
    found, unknown = (use.file for use in furnished(request).loras)
    assert found == library / "models/Lora/styles/Ink.safetensors"
    assert unknown == Path("nowhere.pt")
    here = LoraUse(file=library / "models/Lora/wash.safetensors")
    assert placed(Request(loras=(here,))).loras == (here,)


def test_files_that_come_with_gesso_are_found_by_name() -> None:
    request = Request.model_validate({"controls": ["canny:edges.png:0.8"], "loras": ["ink:0.5"]})
    found = placed(request)
    assert found.controls[0].model.is_file()
    assert found.controls[0].image == Path("edges.png")
    assert found.loras[0].file.is_file()
