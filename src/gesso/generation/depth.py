"""Depth: a picture of how near things are, as a model that is told by one sees it."""

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from gesso.errors import RequestError
from gesso.generation.controlling import View
from gesso.request import Shown

__all__ = ["depth_map"]


def depth_map(use: Shown, seen: View, latent: tuple[int, int]) -> Float[Tensor, "1 1 h w"]:
    """What a model sees of a picture of depth: the part that is painted, -1 where it is farthest, 1 nearest.

    Args:
        seen: the part.
        latent: height and width in latent cells.

    Source: Stability-AI/stablediffusion, `scripts/gradio/depth2img.py`: at the size of the latents, spread
    over -1…1.
    """
    part = seen.part(_grey(use), (latent[1], latent[0]), use.resize)
    depth = torch.from_numpy(np.array(part, dtype=np.float32))[None, None]
    low, high = depth.aminmax()
    # where nothing is nearer than anything else, all is far
    return 2.0 * (depth - low) / (high - low).clamp(min=torch.finfo(depth.dtype).tiny) - 1.0


def _grey(use: Shown) -> Image.Image:
    """As numbers, of as many bits as the file has."""
    try:
        with Image.open(use.image) as file:
            deep = file.mode.startswith(("I", "F"))
            grey = np.asarray(file if deep else file.convert("L"), dtype=np.float32)
    except (OSError, ValueError, SyntaxError) as error:
        raise RequestError(f"depth must be a picture, however: {use.image}: {error}") from error
    return Image.fromarray(grey)
