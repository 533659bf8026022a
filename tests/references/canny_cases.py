"""A picture with edges of every slope, and the thresholds they are looked for with."""

import numpy as np
from scipy import ndimage

from benchmarks.parity_cases import numbers

THRESHOLDS = ((100, 200), (40, 120), (10, 30), (200, 100))


def picture() -> np.ndarray:
    """RGB, blotches of every size."""
    rough = numbers("canny", (90, 130, 3)).numpy().astype(np.float64)
    soft = ndimage.gaussian_filter(rough, (2, 2, 0))
    return ((rough * 0.05 + soft / soft.std()) * 60 + 128).clip(0, 255).astype(np.uint8)
