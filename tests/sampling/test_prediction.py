import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gesso.errors import UnknownName
from gesso.sampling.prediction import PREDICTIONS, prediction

LEVELS = st.floats(1e-3, 5000)
PICTURE, NOISE = 0.8, -0.6


def target(name: str, sigma: float) -> float:
    """What a perfect network of this type names when it sees PICTURE + sigma·NOISE."""
    x, root = PICTURE + sigma * NOISE, math.hypot(1, sigma)
    data = 0.5 if name == "edm" else 1.0
    velocity = (PICTURE - data**2 / (sigma**2 + data**2) * x) * math.hypot(sigma, data) / (sigma * data)
    return {
        "epsilon": NOISE,
        "v": NOISE / root - PICTURE * sigma / root,
        "x0": PICTURE,
        "edm": velocity,
        "edm_v": -velocity,
    }[name]


@pytest.mark.parametrize("name", PREDICTIONS)
@given(sigma=LEVELS)
def test_a_perfect_network_makes_a_perfect_denoiser(name: str, sigma: float) -> None:
    skip, out, _ = prediction(name)(sigma)
    denoised = skip * (PICTURE + sigma * NOISE) + out * target(name, sigma)
    assert denoised == pytest.approx(PICTURE, abs=1e-8 * (1 + sigma))


@pytest.mark.parametrize("name", PREDICTIONS)
@given(sigma=LEVELS)
def test_the_network_sees_unit_variance(name: str, sigma: float) -> None:
    data = 0.5 if name == "edm" else 1.0
    assert prediction(name)(sigma).input * math.hypot(data, sigma) == pytest.approx(1)


@pytest.mark.parametrize("name", PREDICTIONS)
def test_every_prediction_names_its_source(name: str) -> None:
    assert "Source:" in (PREDICTIONS[name].__doc__ or "")


def test_an_unknown_prediction_gets_the_closest_name() -> None:
    with pytest.raises(UnknownName) as error:
        prediction("epsilom")
    assert "epsilon" in error.value.hint
