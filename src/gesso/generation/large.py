"""Large pictures through the autoencoder: whole where that fits into memory, else in bands."""

import torch
from jaxtyping import Float
from torch import Tensor

from gesso.model import Model, type_of
from gesso.networks.autoencoder import Moments
from gesso.networks.banded import banded_decode, banded_encode, whole_decode, whole_encode
from gesso.networks.tiny_autoencoder import TinyDecoder, TinyEncoder
from gesso.runtime.heap import give_back
from gesso.runtime.kept import taken
from gesso.runtime.memory import available, readable

__all__ = ["decode", "encode", "fits", "present", "room"]

CAUTION = 0.9
"""How much of what the system calls free is counted on: other programs go on meanwhile."""


def decode(
    model: Model, unscaled: Float[Tensor, "b c h w"], *, whole: bool = False
) -> tuple[Float[Tensor, "b p H W"], tuple[str, ...]]:
    """Pixels of latents as the decoder expects them, and a note where they were decoded in bands.

    Args:
        whole: never in bands, whatever it takes.

    Raises:
        OutOfMemory: not even bands fit.
    """
    space, network = room(model), model.decoder
    unscaled = unscaled.to(type_of(network))
    if whole or space is None or _takes(model, unscaled) <= space:
        # what the denoiser left is of other sizes
        give_back()
        return network.decode(unscaled), ()
    tiny = isinstance(network, TinyDecoder)
    pixels = network.banded(unscaled, space) if tiny else banded_decode(network, unscaled, space)
    return pixels, (f"decoded in bands, to take no more than {readable(space)}",)


def fits(model: Model, cells: tuple[int, int]) -> bool:
    """Whether a picture of so many latent cells, height and width, can be decoded whole."""
    space = room(model)
    kind = type_of(model.decoder)
    latents = torch.empty((1, model.identity.latent_channels, *cells), dtype=kind, device="meta")
    return space is None or _takes(model, latents) <= space


def _takes(model: Model, latents: Float[Tensor, "b c h w"]) -> int:
    network = model.decoder
    return (
        network.whole_bytes(latents) if isinstance(network, TinyDecoder) else whole_decode(network, latents)
    )


def encode(model: Model, pixels: Float[Tensor, "b p H W"]) -> Moments:
    """What the autoencoder says of a picture, of any size.

    Raises:
        OutOfMemory: not even bands fit.
    """
    space, network = room(model), model.encoder
    pixels = pixels.to(type_of(network))
    # a tiny encoder takes little; there is no encoding in bands for it
    if isinstance(network, TinyEncoder) or space is None or whole_encode(network, pixels) <= space:
        return network.encode(pixels)
    return banded_encode(network, pixels, space)


def room(model: Model) -> int | None:
    """Bytes that work may take beside the model's weights; None where neither user nor system says."""
    free = available(model.device)
    rooms = [] if free is None else [int(free * CAUTION)]
    if model.memory is not None:
        rooms.append(max(0, model.memory - present(model)))
    return min(rooms, default=None)


def present(model: Model) -> int:
    """Bytes of the model's weights that are in memory, which those that wait in their file are not."""
    weights = (each for network in model.networks.values() for each in network.parameters())
    return sum(taken(each) for each in weights if not each.is_meta)
