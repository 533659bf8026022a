"""What is stored: whatever fits."""

import pytest
import torch

from gesso.errors import OutOfMemory
from gesso.families.autoencoder_plan import AutoencoderPlan, autoencoder_shapes
from gesso.networks.autoencoder import Autoencoder
from gesso.networks.links import Attend, Link, Size, decoding
from gesso.networks.storage_plan import StoragePlan, storage_plan, whole_bytes

LATENTS = Size((4,), 512, 512)
GIB = 2**30


def links() -> list[Link]:
    with torch.device("meta"):
        return decoding(Autoencoder(autoencoder_shapes(AutoencoderPlan())))


def planned(room: float, size: Size = LATENTS) -> StoragePlan:
    return storage_plan(links(), size, 2, int(room * GIB))


def test_where_all_fits_nothing_is_done_twice() -> None:
    plan = planned(20)
    assert all(plan.stored)
    assert set(plan.runs) == {1}


def test_a_picture_of_4096_decodes_within_5_gib() -> None:
    plan = planned(5)
    assert plan.taken <= 5 * GIB
    assert sum(plan.runs) < 2 * len(plan.runs)


@pytest.mark.parametrize("room", [1.5, 2, 3, 4, 5, 6, 8, 12])
def test_what_is_taken_fits_and_more_room_is_less_work(room: float) -> None:
    less, more = planned(room), planned(room * 1.3)
    assert less.taken <= room * GIB
    assert sum(more.runs) <= sum(less.runs)


@pytest.mark.parametrize("room", [1.5, 2, 3, 5])
def test_maps_beside_attention_leave_room_for_its_keys_and_values(room: float) -> None:
    plan, chain = planned(room), links()
    at = next(index for index, link in enumerate(chain) if isinstance(link, Attend))
    keys = chain[at].kept(plan.sizes[at - 1]) * 2
    held = max((i for i in range(at) if plan.stored[i]), default=None)
    assert (0 if held is None else plan.sizes[held].numbers * 2) + keys <= plan.taken


def test_too_little_room_says_how_much_it_takes() -> None:
    with pytest.raises(OutOfMemory, match=r"must have \d+ MiB"):
        planned(0.1)


def test_the_whole_takes_several_of_the_largest_maps() -> None:
    assert whole_bytes(links(), LATENTS, 2) == 6 * 256 * 4096**2 * 2


def test_large_maps_are_kept_in_pieces_that_go_back_to_the_system() -> None:
    mapped = 32 * 2**20
    assert planned(2).slab > mapped
    assert planned(0.5, Size((4,), 64, 64)).slab < 2**29 // 16
