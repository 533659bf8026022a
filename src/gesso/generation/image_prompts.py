"""A request's image prompts as controls of one model: their files opened, their pictures seen."""

from collections.abc import Callable, Mapping
from math import inf
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from gesso.adapters.blocks import block_of, block_weights
from gesso.adapters.site import Site, Target
from gesso.checkpoint.file import Checkpoint
from gesso.checkpoint.hashes import sha256
from gesso.control.image_adapter import ImageAdapter, open_image_adapter, sites
from gesso.control.image_prompt import STYLES, ImagePromptControl
from gesso.errors import AdapterError, DoesNotFit, RequestError, Unsupported
from gesso.families.drawing import filled
from gesso.families.vision import VisionEncoder, vision_drawing
from gesso.generation.seeing import as_seen, looked_at, read_picture
from gesso.model import Model
from gesso.networks.clip_vision import VisionStates
from gesso.request import ImagePrompt, Request
from gesso.sampling.levels import Sigmas

__all__ = ["check_image_prompts", "image_prompts", "named_image_prompts", "span"]


def named_image_prompts(request: Request) -> Request:
    """The request with every file of its image prompts named by its hash.

    Raises:
        AdapterError: a file is not the one that the request was made with.
    """
    return request.model_copy(update={"image_prompts": tuple(map(_named, request.image_prompts))})


def _named(use: ImagePrompt) -> ImagePrompt:
    hashes = {path.as_posix(): sha256(path) for path in use.files}
    for path, wanted in use.sha256.items():
        if hashes.get(path, wanted) != wanted:
            raise AdapterError(
                f"{path} must be the file the request was made with, however: its hash differs",
                hint=f"wanted: sha256 {wanted}",
            )
    return use.model_copy(update={"sha256": hashes})


def check_image_prompts(request: Request, target: Target) -> None:
    """Refuse, from headers alone, image prompts that cannot fit a model.

    Raises:
        AdapterError: a file cannot be used.
    """
    for use in request.image_prompts:
        _opened(use, target)


def _opened(use: ImagePrompt, target: Target) -> ImageAdapter:
    if use.adapter is None:
        raise RequestError(
            "an image prompt must name an IP-Adapter, however: it has none",
            hint="give one with --image-adapter",
        )
    return open_image_adapter(use.adapter, target.parts["unet"], target.name)


def image_prompts(model: Model, request: Request, sigmas: Sigmas) -> tuple[ImagePromptControl, ...]:
    """Controls for all image prompts of a resolved request.

    Args:
        sigmas: the noise levels of the whole run.

    Raises:
        RequestError: a picture cannot be read, or an encoder is missing.
        AdapterError: an adapter or its encoder does not fit.
    """
    if not request.image_prompts or model.identity.variant.shown == "image_prompts":
        # a model that needs them looks at them by itself
        return ()
    encoders: dict[Path, VisionEncoder] = {}
    target = Target.of(model)
    return tuple(_control(model, target, use, sigmas, encoders) for use in request.image_prompts)


def _control(
    model: Model, target: Target, use: ImagePrompt, sigmas: Sigmas, encoders: dict[Path, VisionEncoder]
) -> ImagePromptControl:
    adapter = _opened(use, target)
    seen, blank = _looked(use, adapter, model, encoders)
    if use.combine == "average":
        seen, blank = seen.mean(0, keepdim=True), blank[:1]
    told = adapter.tokens(torch.cat((blank, seen)), model.device, model.dtype)
    # pictures side by side: the tokens of one behind those of another
    tokens = told.unflatten(0, (2, -1)).flatten(1, 2)
    mask = None if use.mask is None else _mask(use.mask).to(model.device)
    weight = _weights(use, target)
    return ImagePromptControl(
        tuple(adapter.keys_values(tokens)), weight, span(use.start, use.end, sigmas), mask
    )


def span(start: float, end: float, sigmas: Sigmas) -> tuple[float, float]:
    """The noise levels at which two shares of a run begin; its ends reach all there are."""
    steps = len(sigmas) - 1
    highest = inf if start == 0.0 else sigmas[round(start * steps)]
    return highest, 0.0 if end == 1.0 else sigmas[round(end * steps)]


def _weights(use: ImagePrompt, target: Target) -> Callable[[str], float]:
    unet = target.parts["unet"]
    blocks: Mapping[str, float] = {} if use.blocks is None else block_weights(use.blocks, target)
    chosen: Mapping[str, float] | None = None
    if use.takes != "all":
        # 4 resolutions have transformers from the first on, 3 only from the second
        chosen = STYLES[use.takes]["input_blocks.1.1.norm.weight" in unet]
        if not any(_block(layer) in chosen for layer in sites(unet)):
            raise Unsupported(
                f"the blocks that take {use.takes} must be there, however: {target.name} has none of "
                f"{', '.join(chosen)}",
                hint="name blocks yourself, with blocks",
            )

    def weight(layer: str) -> float:
        block = _block(layer)
        taken = 1.0 if chosen is None else chosen.get(block, 0.0)
        return use.weight * taken * blocks.get(block, 1.0)

    return weight


def _block(layer: str) -> str:
    return block_of(Site("unet", layer, ()))


def _looked(
    use: ImagePrompt, adapter: ImageAdapter, model: Model, encoders: dict[Path, VisionEncoder]
) -> tuple[Tensor, Tensor]:
    """What is known of the pictures, one row each, and of as many blank ones."""

    def look(picture: Image.Image) -> Tensor:
        encoder = _encoder(use, adapter, model, encoders)
        return _read(encoder, as_seen(picture, encoder.side), adapter, model)

    rows = looked_at(use.images, look)
    seen = torch.cat([row.to(model.device, model.dtype) for row in rows])
    wanted = adapter.projection.inputs
    if seen.shape[-1] != wanted or seen.ndim != (3 if adapter.projection.reads == "patches" else 2):
        raise DoesNotFit(
            f"{use.adapter} must be given {adapter.projection.reads} {wanted} wide, however: they are "
            f"{'x'.join(map(str, seen.shape[1:]))}"
        )
    if adapter.projection.reads != "patches":
        return seen, torch.zeros_like(seen)
    encoder = _encoder(use, adapter, model, encoders)
    grey = torch.zeros((1, 3, encoder.side, encoder.side))
    return seen, _read(encoder, grey, adapter, model).expand_as(seen)


def _encoder(
    use: ImagePrompt, adapter: ImageAdapter, model: Model, encoders: dict[Path, VisionEncoder]
) -> VisionEncoder:
    """The image encoder, checked from its header before it is read."""
    if adapter.projection.reads == "face":
        raise RequestError(
            f"{use.adapter} must be given a recognised face's embedding (.npy), "
            "however: it is given a picture"
        )
    if use.encoder is None:
        raise RequestError(
            "an image prompt must name the image encoder of its adapter, however: it has none",
            hint="give one with --image-encoder",
        )
    if use.encoder not in encoders:
        drawing = vision_drawing(Checkpoint.open(use.encoder))
        network = drawing.network
        assert isinstance(network, VisionEncoder)
        pooled = adapter.projection.reads == "pooled"
        found = network.pooled_width if pooled else network.width
        if found != adapter.projection.inputs:
            raise DoesNotFit(
                f"{use.encoder} must be the encoder that {use.adapter} was made with, "
                f"{adapter.projection.inputs} wide, however: it is {found} wide",
                hint="ViT-H is 1280 and 1024 wide, ViT-bigG 1664 and 1280, ViT-L 1024 and 768",
            )
        filled(drawing, model.device, model.dtype)
        encoders[use.encoder] = network
    return encoders[use.encoder]


def _read(encoder: VisionEncoder, pixels: Tensor, adapter: ImageAdapter, model: Model) -> Tensor:
    states: VisionStates = encoder(pixels.to(model.device, model.dtype))
    return states.pooled if adapter.projection.reads == "pooled" else states.hidden[-2]


def _mask(path: Path) -> Tensor:
    grey = np.asarray(read_picture(path, "image_prompts.mask").convert("L"), dtype=np.float32) / 255.0
    return torch.from_numpy(grey)[None, None]
