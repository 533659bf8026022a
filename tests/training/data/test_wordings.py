"""Captions are read as they are written, and drawn as the rules say."""

import random
from pathlib import Path

import pytest

from gesso.errors import RequestError
from gesso.training.data.shelf import Folder
from gesso.training.data.wordings import Wording, beside, decoded, drawn, listed, mistyped, stem
from gesso.training.recipe import CaptionRules


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
def test_every_encoding_of_text_is_read(encoding: str) -> None:
    content = "un café noir".encode(encoding)
    if encoding == "utf-16-le":
        content = b"\xff\xfe" + content
    assert decoded(content, "a.txt") == "un café noir"


def test_what_is_no_text_is_refused() -> None:
    with pytest.raises(RequestError, match=r"a\.txt"):
        decoded(b"\xe9t\xe9", "a.txt")


def test_each_line_is_a_caption_and_an_empty_file_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\n\n two \n")
    (tmp_path / "b.txt").write_text("")
    shelf = Folder(tmp_path)
    assert [each.text for each in beside(shelf, ["a.txt"], (".txt",))] == ["one", "two"]
    assert [each.text for each in beside(shelf, ["b.txt"], (".txt",))] == [""]
    assert beside(shelf, ["a.png"], (".txt",)) == ()


def test_two_caption_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"a\.caption and a\.txt"):
        beside(Folder(tmp_path), ["a.caption", "a.txt"], (".txt", ".caption"))


def test_lists_of_captions_name_their_pictures(tmp_path: Path) -> None:
    (tmp_path / "metadata.jsonl").write_text(
        '{"file_name": "a.png", "text": "one"}\n\n'
        '{"file_name": "b.png", "captions": ["two", {"text": "three", "weight": 3}]}\n'
    )
    rows = listed(Folder(tmp_path), ["metadata.jsonl"])
    assert {name: [(w.text, w.weight) for w in each] for name, each in rows.items()} == {
        "a.png": [("one", 1.0)],
        "b.png": [("two", 1.0), ("three", 3.0)],
    }
    assert listed(Folder(tmp_path), []) == {}


@pytest.mark.parametrize("line", ["{", "[]", '{"text": "x"}', '{"file_name": "a.png"}'])
def test_lines_that_are_none_are_refused(tmp_path: Path, line: str) -> None:
    (tmp_path / "metadata.jsonl").write_text(line)
    with pytest.raises(RequestError, match=r"metadata\.jsonl:1"):
        listed(Folder(tmp_path), ["metadata.jsonl"])


def test_near_misses_of_endings_are_found() -> None:
    names = ["a.txt", "a.text", "a.captoin", "a.npz", "a.json", "a.TXT"]
    assert mistyped(names, (".txt", ".caption")) == ("a.text", "a.captoin")


def test_stems_end_at_the_first_dot_in_tar_files_only() -> None:
    assert stem("x/a.b.png") == "x/a.b"
    assert stem("x/a.b.png", tar=True) == "x/a"


def test_captions_are_drawn_by_their_weights() -> None:
    wordings, chance = (Wording("one"), Wording("three", 3.0)), random.Random(0)
    found = [drawn(wordings, CaptionRules(), chance) for _ in range(2000)]
    assert found.count("three") / 2000 == pytest.approx(0.75, abs=0.03)
    assert set(found) == {"one", "three"}


def test_dropout_leaves_nothing_not_even_prefixes() -> None:
    rules, chance = CaptionRules(dropout=0.25, prefix="art: ", suffix="!"), random.Random(0)
    found = [drawn((Wording("a cat"),), rules, chance) for _ in range(2000)]
    assert set(found) == {"", "art: a cat!"}
    assert found.count("") / 2000 == pytest.approx(0.25, abs=0.03)


def test_tags_move_but_for_the_first() -> None:
    rules, chance = CaptionRules(shuffle=True, keep=1), random.Random(0)
    found = {drawn((Wording("me, a,b , c"),), rules, chance) for _ in range(200)}
    assert len(found) == 6
    assert all(each.startswith("me, ") and sorted(each) == sorted("me, a, b, c") for each in found)


def test_tags_are_left_out_but_for_the_first() -> None:
    rules, chance = CaptionRules(tag_dropout=0.5, keep=1), random.Random(0)
    found = [drawn((Wording("me, a"),), rules, chance) for _ in range(1000)]
    assert set(found) == {"me", "me, a"}
    assert found.count("me") / 1000 == pytest.approx(0.5, abs=0.05)
