"""Record what OpenCV's Canny finds in a picture made from a name.

    python -m tests.references.record_canny

Needs opencv-python-headless, which nothing else here does; recorded with 5.0.0.
"""

import cv2
import numpy as np
import torch
from safetensors.torch import save_file

from tests.references.canny_cases import THRESHOLDS, picture
from tests.references.networks_said import HERE

if __name__ == "__main__":
    found = {
        f"{low} {high}": cv2.Canny(np.ascontiguousarray(picture()), low, high) for low, high in THRESHOLDS
    }
    save_file({name: torch.from_numpy(edges) for name, edges in found.items()}, HERE / "canny.safetensors")
