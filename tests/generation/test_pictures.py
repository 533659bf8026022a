import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from gesso.errors import RequestError, ResourceError
from gesso.generation.pictures import SUFFIXES, Texts, read_texts, write_picture


def picture() -> Image.Image:
    return Image.frombytes("RGB", (8, 6), bytes(range(8 * 6 * 3)))


TEXTS = [
    "a cat",
    "",
    "two\nlines\r\n",
    "猫 🙂 é “x”",
    "日本語" * 50,
    "(a:1.2) \\( \x00 \x7f",
    "half \ud800 pair",
]


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("text", TEXTS)
def test_both_texts_come_back_from_every_format(tmp_path: Path, suffix: str, text: str):
    path = write_picture(picture(), tmp_path / f"x{suffix}", Texts(text, '{"a": "\\u732b"}'))
    assert read_texts(path) == Texts(text.replace("\ud800", "?"), '{"a": "\\u732b"}')


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=50), st.sampled_from(SUFFIXES))
def test_any_text_comes_back(tmp_path: Path, text: str, suffix: str):
    path = write_picture(picture(), tmp_path / f"x{suffix}", Texts(f"Steps: 1\n{text}", "{}"))
    assert read_texts(path).parameters == f"Steps: 1\n{text}"
    path.unlink()


@pytest.mark.parametrize("suffix", [".png", ".webp", ".PNG"])
def test_png_and_webp_keep_every_pixel(tmp_path: Path, suffix: str):
    path = write_picture(picture(), tmp_path / f"x{suffix}", Texts("a", "{}"))
    with Image.open(path) as image:
        assert image.convert("RGB").tobytes() == picture().tobytes()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_picture_without_texts_has_none(tmp_path: Path, suffix: str):
    assert read_texts(write_picture(picture(), tmp_path / f"x{suffix}", Texts())) == Texts()


def test_no_picture_is_ever_overwritten(tmp_path: Path):
    path = tmp_path / "new" / "x.png"
    written = [write_picture(picture(), path, Texts(str(index))) for index in range(3)]
    assert [each.name for each in written] == ["x.png", "x-2.png", "x-3.png"]
    assert [read_texts(each).parameters for each in written] == ["0", "1", "2"]


def test_writers_at_the_same_time_get_names_of_their_own(tmp_path: Path):
    with ThreadPoolExecutor(8) as pool:
        written = list(pool.map(lambda _: write_picture(picture(), tmp_path / "x.png", Texts()), range(24)))
    assert len(set(written)) == 24
    assert sorted(tmp_path.iterdir()) == sorted(written)


class Broken(Image.Image):
    def save(self, *_args: object, **_kwargs: object) -> None:
        raise OSError(28, "No space left on device")


def test_a_failed_write_leaves_nothing(tmp_path: Path):
    with pytest.raises(ResourceError, match="No space left"):
        write_picture(Broken(), tmp_path / "x.png", Texts())
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_the_file_has_the_permissions_of_any_new_file(tmp_path: Path):
    path = write_picture(picture(), tmp_path / "x.png", Texts())
    (tmp_path / "y").touch()
    assert path.stat().st_mode == (tmp_path / "y").stat().st_mode


@pytest.mark.parametrize("name", ["x", "x.gif", "x.png.txt"])
def test_other_endings_are_refused(tmp_path: Path, name: str):
    with pytest.raises(RequestError, match=f"however: {name}"):
        write_picture(picture(), tmp_path / name, Texts())


def test_too_much_text_for_jpeg_is_refused_with_the_way_out(tmp_path: Path):
    with pytest.raises(RequestError, match="must fit") as caught:
        write_picture(picture(), tmp_path / "x.jpg", Texts("a" * 40_000))
    assert caught.value.hint == "save as .png"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("packed", "text"),
    [
        (b"UNICODE\0" + "Steps: 1 猫".encode("utf-16-be"), "Steps: 1 猫"),
        (b"UNICODE\0" + "Steps: 1 猫".encode("utf-16-le"), "Steps: 1 猫"),
        (b"UNICODE\0\xfe\xff" + "Steps".encode("utf-16-be"), "Steps"),
        (b"ASCII\0\0\0Steps", "Steps"),
    ],
)
def test_comments_of_other_programs_are_read(tmp_path: Path, packed: bytes, text: str):
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9286] = packed
    picture().save(tmp_path / "x.jpg", exif=exif)
    assert read_texts(tmp_path / "x.jpg").parameters == text


@pytest.mark.parametrize("content", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n broken"])
def test_what_is_no_picture_is_refused(tmp_path: Path, content: bytes):
    (tmp_path / "x.png").write_bytes(content)
    with pytest.raises(RequestError, match="must be a picture"):
        read_texts(tmp_path / "x.png")


def test_a_picture_that_is_not_there_is_refused(tmp_path: Path):
    with pytest.raises(RequestError, match=r"x\.png must be a picture"):
        read_texts(tmp_path / "x.png")
