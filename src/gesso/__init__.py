"""gesso paints with any Stable Diffusion checkpoint file: one file in, pictures out, offline.

The names below are loaded when first used, so that `import gesso` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gesso.checkpoint.file import Checkpoint
    from gesso.families.identify import Identity, identify
    from gesso.generation.events import Event, Finished, Followed, Painted, Planned, Stepped
    from gesso.generation.generate import generate, paint
    from gesso.generation.result import Result
    from gesso.model import Model, load
    from gesso.request import Request

__all__ = [
    "Checkpoint",
    "Event",
    "Finished",
    "Followed",
    "Identity",
    "Model",
    "Painted",
    "Planned",
    "Request",
    "Result",
    "Stepped",
    "generate",
    "identify",
    "load",
    "paint",
]

_HOMES = {
    "Checkpoint": "gesso.checkpoint.file",
    "Event": "gesso.generation.events",
    "Finished": "gesso.generation.events",
    "Followed": "gesso.generation.events",
    "Identity": "gesso.families.identify",
    "Model": "gesso.model",
    "Painted": "gesso.generation.events",
    "Planned": "gesso.generation.events",
    "Request": "gesso.request",
    "Result": "gesso.generation.result",
    "Stepped": "gesso.generation.events",
    "generate": "gesso.generation.generate",
    "identify": "gesso.families.identify",
    "load": "gesso.model",
    "paint": "gesso.generation.generate",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'gesso' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
