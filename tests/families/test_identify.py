from pathlib import Path

import pytest

from gesso.checkpoint.file import Checkpoint
from gesso.errors import UnknownFamily, UnknownName
from gesso.families.catalogue import FAMILIES
from gesso.families.identify import identify
from tests.headers import families, write_header

KINDS = families()


@pytest.mark.parametrize("label", KINDS)
def test_every_kind_of_file_is_named(label: str, tmp_path: Path) -> None:
    shapes, name, prediction = KINDS[label]
    identity = identify(Checkpoint.open(write_header(tmp_path / "x.safetensors", shapes)))
    assert identity.name == name
    assert identity.facts.prediction.value == prediction


@pytest.mark.parametrize("label", KINDS)
def test_exactly_one_family_holds(label: str, tmp_path: Path) -> None:
    shapes, _, _ = KINDS[label]
    view = identify(Checkpoint.open(write_header(tmp_path / "x.safetensors", shapes))).checkpoint
    holding = [family.name for family in FAMILIES if not family.contradictions(view.shapes)]
    assert len(holding) == 1, holding


@pytest.mark.parametrize("label", [label for label in KINDS if "alt" not in label])
def test_every_tensor_is_accounted_for(label: str, tmp_path: Path) -> None:
    shapes, _, _ = KINDS[label]
    identity = identify(Checkpoint.open(write_header(tmp_path / "x.safetensors", shapes)))
    counted = sum(identity.account.ignored.values()) + sum(map(len, identity.account.used.values()))
    assert counted + len(identity.account.unknown) == len(shapes)
    if not identity.variant.unsupported:
        assert identity.account.unknown == ()


def test_an_unknown_file_names_the_nearest_family_and_its_first_contradiction(tmp_path: Path) -> None:
    path = write_header(tmp_path / "x.safetensors", {"joint_blocks.0.x_block.attn.qkv.weight": (8, 8)})
    with pytest.raises(UnknownFamily, match=r"nearest is \S+, but .*input_blocks"):
        identify(Checkpoint.open(path))


def test_asking_for_the_wrong_family_names_the_key_that_contradicts_it(tmp_path: Path) -> None:
    path = write_header(tmp_path / "x.safetensors", KINDS["sd1"][0])
    with pytest.raises(UnknownFamily, match=r"sdxl, but .*label_emb"):
        identify(Checkpoint.open(path), wanted="sdxl")


def test_the_order_that_decides_prediction(tmp_path: Path) -> None:
    shapes = KINDS["sdxl v"][0]
    marked = Checkpoint.open(write_header(tmp_path / "marked.safetensors", shapes))
    stated = Checkpoint.open(
        write_header(
            tmp_path / "stated.safetensors", shapes, metadata={"modelspec.prediction_type": "epsilon"}
        )
    )
    assert identify(marked).facts.prediction.by == "marker tensors"
    assert identify(stated).facts.prediction.by == "metadata"
    assert (
        identify(stated, prediction="v").facts.prediction == identify(marked, prediction="v").facts.prediction
    )
    assert identify(stated, prediction="v").facts.prediction.by == "user"
    with pytest.raises(UnknownName, match="prediction"):
        identify(marked, prediction="velocity")


@pytest.mark.parametrize(
    ("label", "edition"),
    [
        ("sd1", "860M"),
        ("sdxl", "2.6B"),
        ("ssd-1b", "SSD-1B"),
        ("vega", "Segmind Vega"),
        ("koala-700m", "KOALA-700M"),
        ("koala-1b", "KOALA-1B"),
    ],
)
def test_well_known_sizes_are_named(label: str, edition: str, tmp_path: Path) -> None:
    path = write_header(tmp_path / "x.safetensors", KINDS[label][0])
    assert identify(Checkpoint.open(path)).edition == edition


def test_a_files_own_facts_come_before_those_of_its_family(tmp_path: Path) -> None:
    metadata = {
        "gesso.num_heads": "4",
        "gesso.latent_scale": "0.5",
        "gesso.defaults": '{"size": [64, 64], "steps": 16, "cfg": 3}',
    }
    path = write_header(tmp_path / "x.safetensors", KINDS["sd1"][0], metadata=metadata)
    facts = identify(Checkpoint.open(path)).facts
    assert facts.heads(192) == 4
    assert facts.latent.scale == 0.5
    assert (facts.defaults.size, facts.defaults.steps, facts.defaults.cfg) == ((64, 64), 16, 3.0)
    assert facts.defaults.sampler == "dpmpp_2m"


def test_a_family_without_such_a_variant_says_what_it_misses(tmp_path: Path) -> None:
    name = "model.diffusion_model.input_blocks.0.0.weight"
    path = write_header(tmp_path / "x.safetensors", KINDS["sd1"][0] | {name: (320, 7, 3, 3)})
    with pytest.raises(UnknownFamily, match=f"known variant of sd1, however: {name}"):
        identify(Checkpoint.open(path))
