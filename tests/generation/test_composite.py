import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from gesso.generation.composite import composed, matched

SEEDS = st.integers(0, 2**32 - 1)


def pictures(seed: int, channels: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.float32]]:
    random = np.random.default_rng(seed)
    kept = random.integers(0, 256, (16, 20, channels), dtype=np.uint8)
    painted = random.integers(0, 256, (16, 20, 3), dtype=np.uint8)
    return kept, painted, random.choice(np.array([0, 1e-6, 0.3, 1], np.float32), (16, 20))


@given(seed=SEEDS, channels=st.sampled_from([3, 4]))
def test_what_is_kept_keeps_its_bytes_and_what_is_painted_shows(seed: int, channels: int) -> None:
    kept, painted, shares = pictures(seed, channels)
    found = composed(kept, painted, shares)
    assert np.array_equal(found[shares == 0], kept[shares == 0])
    assert np.array_equal(found[shares == 1][:, :3], painted[shares == 1])
    assert (found[shares == 1][:, 3:] == 255).all()


def test_shares_between_mix() -> None:
    kept, painted = np.zeros((1, 1, 3), np.uint8), np.full((1, 1, 3), 200, np.uint8)
    assert composed(kept, painted, np.full((1, 1), 0.5, np.float32)).tolist() == [[[100, 100, 100]]]


def hole() -> NDArray[np.float32]:
    shares = np.zeros((64, 64), np.float32)
    shares[20:40, 24:50] = 1
    return shares


@pytest.mark.parametrize("how", ["smooth", "ring"])
def test_a_painting_that_is_off_by_a_colour_is_put_right(how: str) -> None:
    random = np.random.default_rng(0)
    truth = random.integers(60, 160, (64, 64, 3), dtype=np.uint8)
    off = truth + np.array([20, 5, 40], np.uint8)
    found = matched(off, truth, hole(), how)
    assert abs(found.astype(int) - truth)[hole() > 0].max() <= 1


def test_a_painting_that_is_off_more_at_one_side_is_put_right_along_the_seam() -> None:
    truth = np.full((64, 64, 3), 100, np.uint8)
    off = (truth + np.linspace(0, 60, 64)[None, :, None]).astype(np.uint8)
    smooth, ring = (abs(matched(off, truth, hole(), how).astype(int) - truth) for how in ("smooth", "ring"))
    seam = (slice(20, 40), slice(24, 26))
    assert smooth[seam].max() < 4 < ring[seam].max()


def test_none_leaves_a_painting_alone() -> None:
    kept, painted, shares = pictures(1, 3)
    assert matched(painted, kept, shares, "none") is painted


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_without_a_seam_there_is_nothing_to_match(share: float) -> None:
    kept, painted, _ = pictures(1, 3)
    assert matched(painted, kept, np.full((16, 20), share, np.float32), "smooth") is painted
