from dataclasses import replace
from pathlib import Path

import pytest

from gesso.checkpoint.file import Checkpoint
from gesso.errors import BrokenFile, UnknownName
from gesso.families.blueprint import SD1, SDXL, checkpoint_shapes
from gesso.families.facts import PLAYGROUND, Facts, predictions, resolve
from gesso.families.sd1 import SD1 as FAMILY
from gesso.sampling.prediction import PREDICTIONS
from tests.files import table

SHAPES = checkpoint_shapes(SD1)


def with_metadata(**metadata: str) -> Checkpoint:
    plain = table(SHAPES)
    stated = {key.replace("__", "."): value for key, value in metadata.items()}
    return replace(plain, header=replace(plain.header, metadata=stated))


def facts(**metadata: str) -> Facts:
    return resolve(with_metadata(**metadata), FAMILY, None)


def test_every_prediction_that_can_be_found_can_be_sampled() -> None:
    assert set(predictions()) == set(PREDICTIONS)


@pytest.mark.parametrize(
    ("stated", "value"),
    [("v", "v"), ("v_prediction", "v"), ("epsilon", "epsilon"), ("eps", "epsilon"), ("sample", "x0")],
)
def test_metadata_states_the_prediction(stated: str, value: str) -> None:
    for key in ("modelspec__prediction_type", "modelspec__predict_key"):
        found = facts(**{key: stated}).prediction
        assert (found.value, found.by) == (value, "metadata")


def test_metadata_that_says_nothing_known_is_passed_over() -> None:
    found = facts(modelspec__prediction_type="guess").prediction
    assert (found.value, found.by) == ("epsilon", "family")


@pytest.mark.parametrize(
    ("asked", "value"), [("v", "v"), ("v_prediction", "v"), ("sample", "x0"), ("edm", "edm")]
)
def test_the_user_decides_over_everything(asked: str, value: str) -> None:
    found = resolve(with_metadata(modelspec__prediction_type="epsilon"), FAMILY, asked).prediction
    assert (found.value, found.by) == (value, "user")


def test_an_unknown_prediction_gets_the_closest() -> None:
    with pytest.raises(UnknownName, match="prediction") as error:
        resolve(table(SHAPES), FAMILY, "epsilom")
    assert "'epsilon'" in error.value.hint


def test_heads_and_scale_come_from_metadata_before_the_family() -> None:
    found = facts(gesso__num_heads="4", gesso__latent_scale="0.5")
    assert (found.heads(320), found.heads_by) == (4, "metadata")
    assert (found.latent.scale, found.latent_by) == (0.5, "metadata")
    plain = facts()
    assert (plain.heads(320), plain.heads_by, plain.latent_by) == (8, "family", "family")


def test_a_playground_file_has_its_own_latent_space() -> None:
    shapes = checkpoint_shapes(SDXL) | {"edm_mean": (1, 4, 1, 1)}
    found = resolve(table(shapes), FAMILY, None)
    assert (found.latent, found.latent_by) == (PLAYGROUND, "marker tensors")


def test_a_model_of_few_steps_is_told_by_its_name_or_title_below_its_own_word() -> None:
    titled = facts(modelspec__title="SDXL Lightning, 8 steps")
    assert (titled.defaults.steps, titled.defaults.cfg, titled.defaults_by) == (8, 1.0, "name")
    named = replace(with_metadata(), path=Path("models/sd_turbo.safetensors"))
    assert resolve(named, FAMILY, None).defaults.sampler == "euler_ancestral"
    stated = facts(modelspec__title="Lightning", gesso__defaults='{"steps": 5}')
    assert (stated.defaults.steps, stated.defaults_by) == (5, "metadata")


def test_a_files_defaults_leave_the_rest_to_the_family() -> None:
    found = facts(gesso__defaults='{"steps": 5, "size": [64, 96]}')
    assert (found.defaults.steps, found.defaults.size, found.defaults_by) == (5, (64, 96), "metadata")
    assert found.defaults.sampler == FAMILY.defaults.sampler


@pytest.mark.parametrize("text", ["{", "[]", '{"steps": "many"}', '{"size": 64}', '[["steps"]]'])
def test_defaults_that_are_none_are_a_broken_file(text: str) -> None:
    with pytest.raises(BrokenFile, match=r"gesso\.defaults"):
        facts(gesso__defaults=text)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("gesso__num_heads", "many"),
        ("gesso__num_heads", "0"),
        ("gesso__latent_scale", "x"),
        ("gesso__latent_scale", "0"),
    ],
)
def test_numbers_that_are_none_are_a_broken_file(key: str, value: str) -> None:
    with pytest.raises(BrokenFile, match=key.replace("__", r"\.")):
        facts(**{key: value})
