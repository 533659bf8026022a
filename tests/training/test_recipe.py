"""Recipes refuse what makes no sense, and say where pictures and files are."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from gesso.errors import RequestError
from gesso.training.recipe import BucketRules, Training, read_recipe

DATA = {"data": [{"folder": "pictures"}]}


@pytest.mark.parametrize(
    "wrong",
    [
        {"data": []},
        {"data": [{"folder": "x", "role": "validation"}]},
        {**DATA, "subject": {"unet": False}},
        {**DATA, "subject": {"kind": "words", "fresh": True}},
        {**DATA, "objective": {"times": {"first": 500, "last": 100}}},
        {**DATA, "stpes": 3},
        {**DATA, "dtype": "float16"},
    ],
)
def test_nonsense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Training.model_validate(wrong)


def test_a_recipe_survives_being_written_down() -> None:
    recipe = Training.model_validate({**DATA, "size": "96x64", "previews": {"prompts": ["a"]}})
    assert Training.model_validate_json(recipe.model_dump_json()) == recipe


def test_files_are_called_as_the_folder_unless_named() -> None:
    recipe = Training.model_validate({**DATA, "out": "runs/cat"})
    assert (recipe.title, recipe.store) == ("cat", Path("runs/cat/cache"))
    named = recipe.model_copy(update={"name": "dog", "cache": Path("kept")})
    assert (named.title, named.store) == ("dog", Path("kept"))


def test_steps_of_buckets_follow_the_size() -> None:
    assert [BucketRules().steps((side, side)) for side in (32, 128, 512, 1024)] == [8, 16, 64, 64]
    assert BucketRules(step=32).steps((512, 512)) == 32


def test_toml_is_read_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    with pytest.raises(RequestError, match=r"r\.toml"):
        read_recipe(path)
    path.write_text("[run]\nsteps = 3\n")
    assert read_recipe(path) == {"run": {"steps": 3}}
    path.write_text("[run\n")
    with pytest.raises(RequestError, match="TOML"):
        read_recipe(path)
