from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gesso.errors import RequestError
from gesso.model import builtin
from gesso.request import ImagePrompt, LoraUse, Request, Source
from gesso.workers.places import Places

HASH = "0" * 64


@pytest.fixture
def places(tmp_path: Path) -> Places:
    places = Places(tmp_path / "library", tmp_path / "data")
    for file in (places.library / "loras/style.safetensors", places.uploads / f"{HASH}.png"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    (tmp_path / "secret").touch()
    (places.library / "away").symlink_to(tmp_path / "secret")
    return places


def test_names_and_files_are_the_same_thing_both_ways(places: Places) -> None:
    said = Request(
        loras=(LoraUse(file=Path("loras/style.safetensors")),),
        source=Source(image=Path(f"uploads/{HASH}.png")),
        image_prompts=(
            ImagePrompt(images=(Path(f"uploads/{HASH}.png"),), sha256={f"uploads/{HASH}.png": "1"}),
        ),
    )
    inside = places.inward(said)
    assert inside.loras[0].file == (places.library / "loras/style.safetensors").resolve()
    assert list(inside.image_prompts[0].sha256) == [str(inside.image_prompts[0].images[0])]
    assert places.outward(inside) == said
    assert str(places.data.parent) not in places.outward(inside).model_dump_json()


@pytest.mark.parametrize("name", ["ink", "ink.safetensors", "builtin/loras/ink.safetensors"])
def test_what_comes_with_gesso_is_found_by_name(places: Places, name: str) -> None:
    found = places.found(Path(name))
    assert found == builtin().parent / "loras" / "ink.safetensors"
    assert places.named(found) == Path("builtin/loras/ink.safetensors")
    assert places.found(Path("style")).parent == places.library.resolve() / "loras"


BAD = [
    "../secret",
    "/etc/passwd",
    "away",
    "uploads/../../secret",
    "loras/../../secret",
    "a\0b",
    "nothing",
    "*",
]


@pytest.mark.parametrize("name", [*BAD, "uploads/" + "0" * 63 + "g.png", f"uploads/{HASH}.png/x", "x" * 5000])
def test_nothing_outside_is_reached(places: Places, name: str) -> None:
    with pytest.raises(RequestError, match="as the library has it"):
        places.found(Path(name))


@given(
    st.lists(st.sampled_from(["..", ".", "away", "loras", "uploads", "%2e%2e", "\\", "/", "~"]), max_size=6)
)
def test_whatever_is_found_lies_inside(parts: list[str]) -> None:
    library = Path(__file__).parent / "nowhere"
    with pytest.raises(RequestError):
        Places(library, library).found(Path("/".join(["x", *parts])))


def test_a_model_is_in_the_library_or_comes_with_gesso(places: Places) -> None:
    assert places.model("") == builtin()
    assert places.model("loras/style.safetensors").name == "style.safetensors"
    assert places.named(builtin()) == Path("builtin") / builtin().name
    assert places.named(Path("/etc/passwd")) == Path("passwd")
    assert places.folder("a").parent.parent == places.preview("a").parent.parent == places.data
