"""Which family an adapter file was made for, as far as its header tells: for messages, not for decisions."""

from collections.abc import Mapping

from gesso.checkpoint.file import Checkpoint
from gesso.families.catalogue import FAMILIES

__all__ = ["UNKNOWN", "made_for"]

UNKNOWN = "an unknown family"

CONTEXTS: Mapping[int, str] = {768: "sd1", 1024: "sd2", 2048: "sdxl", 1280: "sdxl-refiner"}
"""Width of the context that a family's cross-attention reads."""
_LOOKING = ("attn2_to_k", "attn2.to_k", "attn2_to_v", "attn2.to_v", "attn2.processor.to_k")
_INPUTS = ("down.weight", "lora_A.weight", "hada_w1_b", ".diff", ".weight.0")
_TOLD: tuple[tuple[str, str], ...] = (
    ("sdxl_base", "sdxl"),
    ("sd_v1", "sd1"),
    ("sd_v2", "sd2"),
    ("stable-diffusion-v1", "sd1"),
    ("stable-diffusion-v2", "sd2"),
)
"""How kohya-ss/sd-scripts (`ss_base_model_version`) and ModelSpec name families."""


def made_for(file: Checkpoint) -> str:
    """The family's name, or UNKNOWN."""
    told = f"{file.metadata.get('ss_base_model_version')} {file.metadata.get('modelspec.architecture')}"
    architectures = ((family.architecture, family.name) for family in FAMILIES)
    found = _by_context(file)
    found = found or next((name for text, name in (*_TOLD, *architectures) if text in told), None)
    if found is None and any(name.startswith(("lora_te2_", "text_encoder_2.")) for name in file.shapes):
        found = "sdxl"
    return found or UNKNOWN


def _by_context(file: Checkpoint) -> str | None:
    for name, shape in file.shapes.items():
        if any(each in name for each in _LOOKING) and name.endswith(_INPUTS) and len(shape) > 1:
            return CONTEXTS.get(shape[1])
    return None
