"""Prediction types: what a network's output means, σ → how to mix it with its input."""

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from gesso.errors import UnknownName

__all__ = ["PREDICTIONS", "Prediction", "Scalings", "edm", "edm_v", "eps", "prediction", "v", "x0"]


class Scalings(NamedTuple):
    """Three factors that turn a network F into a denoiser: D = skip·x + out·F(input·x)."""

    skip: float
    out: float
    input: float


Prediction = Callable[[float], Scalings]


def eps(sigma: float) -> Scalings:
    """The network names the noise in its input.

    Source: Ho et al. 2020, arXiv:2006.11239, eq. 11; D = x − σε in Karras et al. 2022, arXiv:2206.00364,
    table 1, column "VP".
    """
    return Scalings(1.0, -sigma, 1 / math.hypot(sigma, 1))


def v(sigma: float) -> Scalings:
    """The network names the velocity v = √ᾱ ε − √(1−ᾱ) x₀.

    Source: Salimans & Ho 2022, arXiv:2202.00512, appendix D.
    """
    return _preconditioned(sigma, data=1.0, sign=-1.0)


def x0(sigma: float) -> Scalings:
    """The network names the clean picture itself.

    Source: Salimans & Ho 2022, arXiv:2202.00512, section 4, "predicting x directly".
    """
    return Scalings(0.0, 1.0, 1 / math.hypot(sigma, 1))


def edm(sigma: float) -> Scalings:
    """The network names a mixture of picture and noise of unit variance; data deviates by 0.5.

    Source: Karras et al. 2022, arXiv:2206.00364, table 1, column "Ours", σ_data = 0.5.
    """
    return _preconditioned(sigma, data=0.5, sign=1.0)


def edm_v(sigma: float) -> Scalings:
    """EDM's mixture with v's sign; data deviates by 1 (CosXL).

    Source: Karras et al. 2022, arXiv:2206.00364, table 1, column "Ours", σ_data = 1, output negated; as
    published with Stability AI's CosXL checkpoints ("edm_vpred" tensors).
    """
    return _preconditioned(sigma, data=1.0, sign=-1.0)


def _preconditioned(sigma: float, *, data: float, sign: float) -> Scalings:
    """EDM's factors for data of a given standard deviation."""
    total = math.hypot(sigma, data)
    return Scalings((data / total) ** 2, sign * sigma * data / total, 1 / total)


PREDICTIONS: Mapping[str, Prediction] = MappingProxyType(
    {"epsilon": eps, "v": v, "x0": x0, "edm": edm, "edm_v": edm_v}
)
"""Every prediction type by the name a request or a file's metadata uses."""


def prediction(name: str) -> Prediction:
    """The prediction type of a name.

    Raises:
        UnknownName: there is none.
    """
    if name not in PREDICTIONS:
        raise UnknownName("prediction", name, PREDICTIONS)
    return PREDICTIONS[name]
