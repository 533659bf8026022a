import pytest

from gesso.families.blueprint import SDXL, SDXL_REFINER, SSD_1B, VEGA, CheckpointPlan, checkpoint_shapes
from gesso.families.identify import identify
from tests.files import table


def test_published_facts() -> None:
    identity = identify(table(checkpoint_shapes(SDXL)))
    facts = identity.facts
    assert facts.latent.scale == 0.13025
    assert [facts.heads(width) for width in (640, 1280)] == [10, 20]
    assert (identity.vector_width, identity.family.scalars) == (2816, 6)
    assert identity.family.zero_empty


def test_two_towers_of_which_the_second_pools() -> None:
    first, second = identify(table(checkpoint_shapes(SDXL))).text
    assert (first.layer, first.normed, first.pad, first.pooled) == (-2, False, "end", False)
    assert (second.layer, second.normed, second.pad, second.pooled) == (-2, False, 0, True)


def test_the_refiner_has_one_tower_and_an_aesthetic_score() -> None:
    identity = identify(table(checkpoint_shapes(SDXL_REFINER)))
    assert (identity.family.name, identity.vector_width, identity.family.scalars) == ("sdxl-refiner", 2560, 5)
    (text,) = identity.text
    assert (text.pooled, text.clip_skip) == (True, "never")


@pytest.mark.parametrize("plan", [SDXL, SSD_1B, VEGA])
def test_pruned_kin_needs_no_code(plan: CheckpointPlan) -> None:
    identity = identify(table(checkpoint_shapes(plan)))
    assert (identity.name, identity.account.unknown, identity.missing) == ("sdxl", (), ())


MARKERS = [
    ({"v_pred": (0,)}, "v", "trained", (0.002, 80.0)),
    ({"v_pred": (0,), "ztsnr": (0,)}, "v", "zero terminal SNR", (0.002, 80.0)),
    ({"edm_mean": (1, 4, 1, 1), "edm_std": (1, 4, 1, 1)}, "edm", "continuous", (0.002, 80.0)),
    ({"edm_vpred.sigma_max": (), "edm_vpred.sigma_min": ()}, "edm_v", "continuous", (0.002, 120.0)),
]


@pytest.mark.parametrize(("markers", "prediction", "levels", "sigmas"), MARKERS)
def test_marker_tensors_tell_what_shapes_cannot(
    markers: dict[str, tuple[int, ...]], prediction: str, levels: str, sigmas: tuple[float, float]
) -> None:
    facts = identify(table(checkpoint_shapes(SDXL) | markers)).facts
    assert (facts.prediction.value, facts.prediction.by) == (prediction, "marker tensors")
    assert facts.levels.value == levels
    assert facts.sigma_range == sigmas
