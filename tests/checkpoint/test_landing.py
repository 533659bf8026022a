import mmap
from itertools import product

import pytest
import torch
from torch import Tensor

from gesso.checkpoint import landing
from gesso.checkpoint.landing import Desk, Ground, Landing, put

NARROW = [torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2]


def every(dtype: torch.dtype) -> Tensor:
    """Every number that a type has."""
    if dtype.itemsize == 1:
        return torch.arange(256, dtype=torch.uint8).view(dtype).repeat(256)
    return torch.arange(-(2**15), 2**15, dtype=torch.int16).view(dtype)


@pytest.mark.parametrize(
    ("narrow", "wide"), list(product(NARROW, [torch.float16, torch.bfloat16, torch.float32]))
)
def test_numbers_are_to_the_bit_what_copying_gives(narrow: torch.dtype, wide: torch.dtype) -> None:
    numbers = every(narrow)
    found = Landing(wide)(numbers)
    torch.testing.assert_close(found, numbers.to(wide), rtol=0, atol=0, equal_nan=True)
    assert (found is numbers) == (narrow == wide)


@pytest.mark.parametrize("piece", [1, 40, 2**19])
@pytest.mark.parametrize("shape", [(), (0, 3), (7,), (5, 8), (6, 4, 3, 3), (2, 20, 2, 2), (6, 4, 1, 1)])
def test_pieces_of_any_size_make_the_whole(
    shape: tuple[int, ...], piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(landing, "PIECE", piece)
    numbers = torch.randn(shape).half()
    found = Landing(torch.bfloat16, channels_last=True)(numbers)
    assert torch.equal(found, numbers.to(torch.bfloat16))
    kernels = len(shape) == 4 and shape[-1] > 1
    assert found.is_contiguous(memory_format=torch.channels_last if kernels else torch.contiguous_format)


def test_what_is_right_already_is_not_copied() -> None:
    plain, last = (
        torch.zeros(2, 3, 3, 3),
        torch.zeros(2, 3, 3, 3).contiguous(memory_format=torch.channels_last),
    )
    assert Landing()(plain) is plain
    assert Landing(torch.float32, channels_last=True)(last) is last
    assert Landing(channels_last=True)(plain).stride() == last.stride()
    assert Landing(torch.bfloat16)(numbers := torch.arange(3)) is numbers


def test_what_is_finished_is_told_its_name() -> None:
    told: list[str] = []
    landing = Landing(torch.bfloat16, finish=lambda name, tensor: told.append(name) or tensor + 1)
    assert torch.equal(landing.put("x", torch.ones(3)), torch.full((3,), 2.0).bfloat16())
    assert told == ["x"]


def test_another_device_gets_the_same_layout() -> None:
    found = Landing(torch.bfloat16, "meta", channels_last=True)(torch.zeros(2, 3, 3, 3))
    assert found.device.type == "meta"
    assert found.dtype == torch.bfloat16
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert Landing(device="meta")(torch.zeros(4)).device.type == "meta"


def test_a_desk_is_laid_once() -> None:
    desk = Desk()
    put(torch.ones(6, 2, 2, 2).half(), torch.empty(6, 2, 2, 2, dtype=torch.bfloat16), desk)
    assert desk.wide is desk.wide
    assert desk.narrow(torch.bfloat16).data_ptr() == desk.narrow(torch.float16).data_ptr()


def test_tensors_lie_on_their_ground_one_after_another_and_again() -> None:
    ground, numbers = Ground(4096), [torch.randn(shape) for shape in ((3, 5), (0,), (2, 3, 3, 3), ())]
    for _ in range(2):
        lands = Landing(torch.bfloat16, channels_last=True, ground=ground.cleared())
        found = [lands(each) for each in numbers]
        for own, each in zip(found, numbers, strict=True):
            assert torch.equal(own, each.bfloat16())
            assert own.data_ptr() % 64 == 0
    assert found[2].is_contiguous(memory_format=torch.channels_last)
    starts = [found[place].data_ptr() for place in (0, 2, 3)]
    assert starts == sorted(set(starts))


@pytest.mark.parametrize("missing", ["MAP_ANONYMOUS"])
def test_ground_on_systems_with_fewer_ways_of_mapping(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(mmap, missing)
    assert torch.equal(Landing(torch.float32, ground=Ground(64))(torch.ones(4).half()), torch.ones(4))
