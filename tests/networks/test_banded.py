"""In bands as a whole: every size, any room, every kind of autoencoder, both ways."""

import pytest
import torch
from torch import Tensor

from benchmarks.live_memory import LiveMemory
from gesso.errors import OutOfMemory
from gesso.families.autoencoder_plan import AutoencoderPlan, autoencoder_shapes
from gesso.networks.autoencoder import Autoencoder
from gesso.networks.banded import (
    banded_decode,
    banded_encode,
    decode_plan,
    encode_plan,
    whole_decode,
    whole_encode,
)
from tests.models import random_weights

PLANS = {
    "four levels": AutoencoderPlan(width=32, multipliers=(1, 1, 2, 2), blocks=1),
    "narrow": AutoencoderPlan(width=32, multipliers=(1, 2), blocks=1),
    "without attention": AutoencoderPlan(width=32, multipliers=(1, 1, 2), blocks=1, attention=False),
    "16 latents, not mixed": AutoencoderPlan(
        width=32, multipliers=(1, 2), blocks=1, latents=16, quantised=False
    ),
}
SIZES = [
    (3, 4),
    (4, 3),
    (5, 5),
    (7, 2),
    (2, 9),
    (8, 8),
    (11, 6),
    (6, 13),
    (16, 16),
    (23, 5),
    (5, 23),
    (17, 19),
]


def made(name: str, dtype: torch.dtype = torch.float32) -> Autoencoder:
    shapes = autoencoder_shapes(PLANS[name])
    network = Autoencoder(shapes)
    network.load_state_dict(random_weights(shapes))
    return network.eval().requires_grad_(requires_grad=False).to(dtype)


def latents(network: Autoencoder, size: tuple[int, int], batch: int = 1) -> Tensor:
    channels = network.decoder.conv_in.in_channels
    return torch.randn(batch, channels, *size, generator=torch.Generator().manual_seed(sum(size)))


def pixels(network: Autoencoder, size: tuple[int, int], batch: int = 1) -> Tensor:
    height, width = (side * network.factor for side in size)
    return torch.rand(batch, 3, height, width, generator=torch.Generator().manual_seed(1)) * 2 - 1


def least(plan: object, network: Autoencoder, maps: Tensor) -> int:
    """About the smallest room."""
    room = 2**14
    while True:
        try:
            plan(network, maps, room)
        except OutOfMemory:
            room = room * 5 // 4
        else:
            return room


def rooms(plan: object, network: Autoencoder, maps: Tensor) -> list[int]:
    smallest = least(plan, network, maps)
    return [smallest, smallest * 2, 2**30]


def apart(one: Tensor, other: Tensor) -> float:
    return float((one.float() - other.float()).abs().max() / other.float().abs().max())


@pytest.mark.parametrize("scale", [0.18215, 0.13025])
@pytest.mark.parametrize("size", SIZES)
def test_decoding_equals_the_whole(size: tuple[int, int], scale: float) -> None:
    network = made("narrow")
    maps = latents(network, size) / scale
    whole = network.decode(maps)
    for room in rooms(decode_plan, network, maps):
        assert apart(banded_decode(network, maps, room), whole) < 1e-5


@pytest.mark.parametrize("size", SIZES)
def test_encoding_equals_the_whole(size: tuple[int, int]) -> None:
    network = made("narrow")
    maps = pixels(network, size)
    whole = network.encode(maps)
    for room in rooms(encode_plan, network, maps):
        said = banded_encode(network, maps, room)
        assert apart(said.mean, whole.mean) < 1e-5
        assert apart(said.logvar, whole.logvar) < 1e-5


@pytest.mark.parametrize("name", PLANS)
def test_every_kind_of_autoencoder(name: str) -> None:
    network = made(name)
    maps, picture = latents(network, (7, 5), 2), pixels(network, (7, 5), 2)
    for room in rooms(decode_plan, network, maps):
        assert apart(banded_decode(network, maps, room * 2), network.decode(maps)) < 1e-5
    for room in rooms(encode_plan, network, picture):
        assert apart(banded_encode(network, picture, room * 2).mean, network.encode(picture).mean) < 1e-5


def test_the_smallest_room_is_a_test_of_doing_things_again() -> None:
    network = made("four levels")
    maps = latents(network, (16, 16))
    assert max(decode_plan(network, maps, least(decode_plan, network, maps)).runs) > 3
    assert set(decode_plan(network, maps, 2**30).runs) == {1}


@pytest.mark.parametrize("size", [(8, 8)])
def test_in_bfloat16_bands_are_no_further_from_the_exact_picture_than_the_whole(
    size: tuple[int, int],
) -> None:
    exact, network = made("four levels"), made("four levels", torch.bfloat16)
    maps = latents(network, size)
    picture = exact.decode(maps)
    off = [
        (said.float() - picture).pow(2).mean().sqrt()
        for said in (network.decode(maps.bfloat16()), banded_decode(network, maps.bfloat16(), 2**24))
    ]
    assert float(off[1]) < 1.1 * float(off[0])


@pytest.mark.parametrize("size", [(9, 13)])
def test_no_more_memory_is_held_than_the_room(size: tuple[int, int]) -> None:
    network = made("four levels")
    maps, picture = latents(network, size), pixels(network, size)
    for room in rooms(decode_plan, network, maps)[:2]:
        with LiveMemory() as memory:
            banded_decode(network, maps, room)
        assert memory.peak <= room
    for room in rooms(encode_plan, network, picture)[:2]:
        with LiveMemory() as memory:
            banded_encode(network, picture, room)
        assert memory.peak <= room


def test_the_whole_takes_at_most_what_is_said() -> None:
    network = made("four levels")
    maps, picture = latents(network, (16, 16)), pixels(network, (16, 16))
    with LiveMemory() as memory, torch.no_grad():
        network.decode(maps)
    assert memory.peak <= whole_decode(network, maps)
    with LiveMemory() as memory, torch.no_grad():
        network.encode(picture)
    assert memory.peak <= whole_encode(network, picture)


def test_too_little_room_is_refused() -> None:
    network = made("narrow")
    with pytest.raises(OutOfMemory):
        banded_decode(network, latents(network, (16, 16)), 10_000)
