"""The levers: what is changed of a request, and of how the model is loaded, to paint with less work."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["LEVERS", "Lever"]


@dataclass(frozen=True)
class Lever:
    """One way to save.

    Args:
        fields: of a request, over the model's own choices.
        tiny: decoded by the tiny decoder.
        quantize: what weights are rounded to.
    """

    fields: Mapping[str, Any] = field(default_factory=dict[str, Any])
    tiny: bool = False
    quantize: str = "none"


def _caching(**rule: float) -> Lever:
    return Lever({"shortcuts": {"caching": rule}})


def _guided(start: float, stop: float) -> Lever:
    return Lever({"guidance": {"interval": (start, stop)}})


LEVERS: Mapping[str, Lever] = {
    "the model's own choice": Lever(),
    "12 steps": Lever({"steps": 12}),
    "10 steps": Lever({"steps": 10}),
    "8 steps": Lever({"steps": 8}),
    "8 steps, uni_pc": Lever({"steps": 8, "sampler": "uni_pc"}),
    "8 steps, kl_optimal": Lever({"steps": 8, "schedule": "kl_optimal"}),
    "guidance until 3/4": _guided(0.0, 0.75),
    "guidance until 1/2": _guided(0.0, 0.5),
    "guidance from 1/8 to 3/4": _guided(0.125, 0.75),
    "caching every 2": _caching(every=2),
    "caching every 3": _caching(every=3),
    "caching every 2, depth 1": _caching(every=2, depth=1),
    "caching, threshold 0.1": _caching(threshold=0.1),
    "caching, threshold 0.2": _caching(threshold=0.2),
    "token merging 0.25": Lever({"shortcuts": {"token_merging": 0.25}}),
    "token merging 0.5": Lever({"shortcuts": {"token_merging": 0.5}}),
    "tiny decoder": Lever(tiny=True),
    "int8 weights": Lever(quantize="int8"),
    "int4 weights": Lever(quantize="int4"),
    "6 steps": Lever({"steps": 6}),
    "5 steps": Lever({"steps": 5}),
    "4 steps": Lever({"steps": 4}),
    "6 steps, caching every 2": Lever({"steps": 6, "shortcuts": {"caching": {"every": 2}}}),
    "6 steps, guidance until 1/2": Lever({"steps": 6, "guidance": {"interval": (0.0, 0.5)}}),
    "10 steps, caching every 2": Lever({"steps": 10, "shortcuts": {"caching": {"every": 2}}}),
    "8 steps, caching every 2": Lever({"steps": 8, "shortcuts": {"caching": {"every": 2}}}),
    "8 steps, caching every 3": Lever({"steps": 8, "shortcuts": {"caching": {"every": 3}}}),
    "8 steps, caching every 2, guidance until 3/4": Lever(
        {"steps": 8, "guidance": {"interval": (0.0, 0.75)}, "shortcuts": {"caching": {"every": 2}}}
    ),
    "10 steps, guidance until 3/4": Lever({"steps": 10, "guidance": {"interval": (0.0, 0.75)}}),
}
