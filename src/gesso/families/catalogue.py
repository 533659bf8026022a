"""Every family gesso can name: one line each."""

from gesso.families.family import Family
from gesso.families.sd1 import ALT, SD1, ZERO123
from gesso.families.sd2 import LOTUS, SD2, UNCLIP, UPSCALER
from gesso.families.sdxl import REFINER, SDXL

__all__ = ["FAMILIES"]

FAMILIES: tuple[Family, ...] = (SD1, SD2, SDXL, REFINER, UNCLIP, UPSCALER, LOTUS, ALT, ZERO123)
