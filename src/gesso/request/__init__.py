"""The Request: everything that decides the pixels, apart from the model file."""

from gesso.request.following import FollowUp
from gesso.request.guidance import (
    Blend,
    FreeUShape,
    GuidanceShape,
    Perturbation,
    Projection,
    Region,
    Threshold,
    Variation,
    Windows,
)
from gesso.request.parts import Interval, OptionValue, Part, PortablePath, Share, Shown, Size
from gesso.request.reference import Reference
from gesso.request.request import MicroConditions, Request
from gesso.request.shortcuts import Caching, Shortcuts
from gesso.request.source import Extend, Growth, Mask, Source, Upscaler
from gesso.request.uses import ControlUse, EmbeddingUse, ImagePrompt, LoraUse, Refiner

__all__ = [
    "Blend",
    "Caching",
    "ControlUse",
    "EmbeddingUse",
    "Extend",
    "FollowUp",
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
    "Shortcuts",
    "Shown",
    "Size",
    "Source",
    "Threshold",
    "Upscaler",
    "Variation",
    "Windows",
]
