"""The Request: everything that decides the pixels, apart from the model file."""

from gesso.request.guidance import (
    FreeUShape,
    GuidanceShape,
    Perturbation,
    Projection,
    Region,
    Threshold,
    Variation,
    Windows,
)
from gesso.request.parts import Interval, Part, PortablePath, Share, Shown, Size
from gesso.request.reference import Reference
from gesso.request.request import (
    ControlUse,
    EmbeddingUse,
    Extend,
    Growth,
    ImagePrompt,
    LoraUse,
    Mask,
    MicroConditions,
    OptionValue,
    Refiner,
    Request,
    Source,
)

__all__ = [
    "ControlUse",
    "EmbeddingUse",
    "Extend",
    "FreeUShape",
    "Growth",
    "GuidanceShape",
    "ImagePrompt",
    "Interval",
    "LoraUse",
    "Mask",
    "MicroConditions",
    "OptionValue",
    "Part",
    "Perturbation",
    "PortablePath",
    "Projection",
    "Reference",
    "Refiner",
    "Region",
    "Request",
    "Share",
    "Shown",
    "Size",
    "Source",
    "Threshold",
    "Variation",
    "Windows",
]
