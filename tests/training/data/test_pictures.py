"""Pictures are found with all that belongs to them, or refused by name."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gesso.errors import RequestError
from gesso.generation.pictures import Texts, write_picture
from gesso.training.data.pictures import Picture, gathered
from gesso.training.recipe import CaptionRules, PictureSet
from tests.training.made import picture


def found(folder: Path, **fields: object) -> dict[str, Picture]:
    kind = PictureSet.model_validate({"folder": folder, **fields})
    return {each.name: each for each in gathered([kind], CaptionRules())}


def captions(each: Picture) -> list[str]:
    return [wording.text for wording in each.wordings]


def test_captions_come_from_files_then_lists_then_the_recipe(tmp_path: Path) -> None:
    for name in "abc":
        picture(tmp_path / f"{name}.png")
    (tmp_path / "a.caption").write_text("by file")
    (tmp_path / "metadata.jsonl").write_text(
        "\n".join(json.dumps({"file_name": f"{name}.png", "text": "by list"}) for name in "ab")
    )
    assert {name: captions(each) for name, each in found(tmp_path).items()} == {
        "a.png": ["by file"],
        "b.png": ["by list"],
        "c.png": [],
    }
    assert captions(found(tmp_path, caption="")["c.png"]) == [""]


def test_counted_folders_say_class_and_repeats(tmp_path: Path) -> None:
    picture(tmp_path / "10_sks dog" / "a.png")
    picture(tmp_path / "2_old_man" / "b.png")
    (tmp_path / "2_old_man" / "b.txt").write_text("himself")
    both = found(tmp_path, repeats=3)
    assert (both["a.png"].repeats, captions(both["a.png"])) == (30, ["sks dog"])
    assert (both["b.png"].repeats, captions(both["b.png"])) == (6, ["himself"])
    assert found(tmp_path / "10_sks dog")["a.png"].repeats == 10


def test_a_picture_s_own_prompt_is_its_caption_where_that_is_asked_for(tmp_path: Path) -> None:
    write_picture(
        Image.new("RGB", (8, 8)),
        tmp_path / "a.png",
        Texts("a red hat\nSteps: 4, Sampler: Euler, CFG scale: 7, Seed: 1"),
    )
    assert captions(found(tmp_path)["a.png"]) == []
    assert captions(found(tmp_path, metadata=True)["a.png"]) == ["a red hat"]


@pytest.mark.parametrize("name", ["a.text", "a.captions", "a.tx"])
def test_endings_that_look_mistyped_are_refused(tmp_path: Path, name: str) -> None:
    picture(tmp_path / "a.png")
    (tmp_path / name).write_text("words")
    with pytest.raises(RequestError, match=name):
        found(tmp_path)


def test_a_named_ending_is_the_only_one(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    (tmp_path / "a.txt").write_text("one")
    (tmp_path / "a.tags").write_text("two")
    kind = PictureSet.model_validate({"folder": tmp_path})
    (only,) = gathered([kind], CaptionRules(ending=".tags"))
    assert captions(only) == ["two"]


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="none"):
        found(tmp_path)


def test_masks_and_hints_must_be_there_for_every_picture(tmp_path: Path) -> None:
    picture(tmp_path / "p" / "a.png")
    mask = picture(tmp_path / "m" / "a.png", seed=5)
    each = found(tmp_path / "p", masks=tmp_path / "m", hints=tmp_path / "m")["a.png"]
    assert each.mask == each.hint == mask
    assert each.masked() is not None
    assert each.hinted() is not None
    assert each.digest != found(tmp_path / "p")["a.png"].digest
    picture(tmp_path / "p" / "b.png")
    with pytest.raises(RequestError, match="for b"):
        found(tmp_path / "p", masks=tmp_path / "m")


def test_transparency_is_a_mask_where_that_is_asked_for(tmp_path: Path) -> None:
    image = Image.new("RGBA", (8, 8), (9, 9, 9, 0))
    image.save(tmp_path / "a.png")
    assert found(tmp_path)["a.png"].masked() is None
    mask = found(tmp_path, alpha=True)["a.png"].masked()
    assert mask is not None
    assert mask.getextrema() == (0, 0)


def test_pictures_are_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (30, 20)).save(tmp_path / "a.jpg", exif=exif)
    each = found(tmp_path)["a.jpg"]
    assert each.size == each.opened().size == (20, 30)


def test_what_is_broken_or_not_finite_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no picture")
    numbers = np.ones((8, 8), dtype=np.float32)
    numbers[3, 3] = np.nan
    Image.fromarray(numbers).save(tmp_path / "b.tif")
    both = found(tmp_path)
    for read in (lambda: both["a.png"].size, both["a.png"].opened):
        with pytest.raises(RequestError, match=r"a\.png"):
            read()
    with pytest.raises(RequestError, match=r"b\.tif does not"):
        both["b.tif"].opened()
