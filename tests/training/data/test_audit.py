"""The audit says what the loss sees, and refuses what must not be."""

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from gesso.errors import RequestError
from gesso.model import Model
from gesso.networks.autoencoder import Moments
from gesso.training.data import latents
from gesso.training.data.album import Album
from gesso.training.data.audit import Audit
from gesso.training.loop import Turn
from tests.training import made


def audit(model: Model, tmp_path: Path, **fields: Any) -> Audit:
    recipe = made.recipe(model.path, tmp_path / "p", tmp_path / "run", **fields)
    *_, last = made.set_up(model, recipe).audit()
    return last


def test_its_table_is_what_the_loss_sees(models: dict[str, Model], tmp_path: Path) -> None:
    """C8.2: captions of every kind, and the captions of a round's batches."""
    folder = tmp_path / "p"
    written = {
        "a.caption": b"by caption",
        "b.txt": b"by text",
        "c.txt": b"",
        "d.txt": "wide".encode("utf-16"),
    }
    for seed, (name, content) in enumerate(written.items()):
        made.picture(folder / f"{name[0]}.png", seed=seed)
        (folder / name).write_bytes(content)
    made.picture(folder / "e.png", seed=9)
    fields: dict[str, Any] = {
        "data": [{"folder": folder, "caption": "by recipe"}],
        "captions": {"suffix": " !"},
    }
    found = audit(models["sd1"], tmp_path, **fields)
    table = {row.file: row.captions for row in found.rows}
    assert sorted(table.values()) == [("",), ("by caption !",), ("by recipe !",), ("by text !",), ("wide !",)]
    recipe = made.recipe(models["sd1"].path, folder, tmp_path / "run", **fields)
    setup = made.set_up(models["sd1"], recipe)
    album = Album(found.of("train"), recipe, setup.latents, setup.telling)
    seen = [album.batch(Turn(i, torch.Generator().manual_seed(i))) for i in range(len(album.order))]
    assert {(file, text) for each in seen for file, text in zip(each.files, each.captions, strict=True)} == {
        (file, text) for file, texts in table.items() for text in texts
    }
    assert [row.notes for row in found.rows if row.captions == ("",)] == [("no words",)]


def test_pictures_without_captions_among_others_are_refused(models: dict[str, Model], tmp_path: Path) -> None:
    """C8.2: a caption that is missing is no silence."""
    made.album(tmp_path / "p", 3)
    (tmp_path / "p" / "1.txt").unlink()
    with pytest.raises(RequestError, match=r"1\.png has none"):
        audit(models["sd1"], tmp_path)


def test_every_broken_picture_is_named(models: dict[str, Model], tmp_path: Path) -> None:
    made.album(tmp_path / "p", 3)
    (tmp_path / "p" / "0.png").write_bytes(b"nothing")
    made.picture(tmp_path / "p" / "2.png", (6, 40))
    with pytest.raises(RequestError, match=r"0\.png .*6x40"):
        audit(models["sd1"], tmp_path)


def test_one_picture_of_fifty_without_finite_latents_is_named(
    models: dict[str, Model], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C8.3: nothing is learnt of it, nor put in its place."""
    made.album(tmp_path / "p", 50)
    Image.new("RGB", (32, 32), "white").save(tmp_path / "p" / "31.png")

    def encode(model: Model, pixels: torch.Tensor) -> Moments:
        bad = float("nan") if bool((pixels == 1).all()) else 0.0
        return Moments(*(torch.full((1, 4, 4, 4), bad) for _ in range(2)))

    monkeypatch.setattr(latents, "encode", encode)
    with pytest.raises(RequestError, match=r"^latents must be finite, however: those of \S*31\.png are not$"):
        audit(models["sd1"], tmp_path)


def test_sizes_cuts_and_likenesses_are_told(models: dict[str, Model], tmp_path: Path) -> None:
    """C8.6: how much of a picture is cut off is told."""
    folder = tmp_path / "p"
    made.picture(folder / "a.png", (32, 32))
    made.picture(folder / "b.png", (50, 32), seed=1)
    made.picture(folder / "c.png", (32, 32))
    made.picture(folder / "d.bmp", (32, 32))
    for name in "abcd":
        (folder / f"{name}.txt").write_text("cat " * 100)
    found = audit(models["sd1"], tmp_path, captions={"windows": 1})
    rows = {Path(row.file).name: row for row in found.rows}
    assert rows["a.png"].cropped == 0
    assert 0 < rows["b.png"].cropped < 0.3
    assert all(row.cut and row.tokens > 75 and "caption cut" in row.notes for row in found.rows)
    assert any("the same as" in note and "a.png" in note for note in rows["c.png"].notes)
    assert any("looks like" in note and "a.png" in note for note in rows["d.bmp"].notes)
    assert not any("like" in note for note in rows["b.png"].notes)


def test_a_share_is_kept_back_always_the_same(models: dict[str, Model], tmp_path: Path) -> None:
    made.album(tmp_path / "p", 8)
    first, again = (audit(models["sd1"], tmp_path, validation={"share": 0.25}) for _ in range(2))
    kept = [entry.picture.name for entry in first.of("validation")]
    assert len(kept) == 2
    assert [entry.picture.name for entry in again.of("validation")] == kept
    assert [row.role for row in first.rows] == [entry.role for entry in first.entries]


def test_learning_what_is_validated_is_told(models: dict[str, Model], tmp_path: Path) -> None:
    made.album(tmp_path / "p", 2)
    made.album(tmp_path / "v", 1)
    sets = [{"folder": tmp_path / "p"}, {"folder": tmp_path / "v", "role": "validation"}]
    notes = [note for row in audit(models["sd1"], tmp_path, data=sets).rows for note in row.notes]
    assert any("learnt and validated" in note for note in notes)


def test_a_new_word_that_no_caption_says_is_refused(models: dict[str, Model], tmp_path: Path) -> None:
    made.album(tmp_path / "p", 1, "a sks dog")
    assert audit(models["sd1"], tmp_path, subject={"kind": "words", "word": "sks"}).rows
    with pytest.raises(RequestError, match="zzz"):
        audit(models["sd1"], tmp_path, subject={"kind": "words", "word": "zzz"})
