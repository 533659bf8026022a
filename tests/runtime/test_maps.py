import mmap

import pytest
import torch
from torch import Tensor

from gesso.runtime import maps as module
from gesso.runtime.maps import Maps, Rows

SIZE = torch.Size((1, 4, 32, 32))
NARROW = torch.bfloat16
BYTES = SIZE.numel() * 2


@pytest.fixture
def maps(monkeypatch: pytest.MonkeyPatch) -> Maps:
    monkeypatch.setattr(module, "LARGE", BYTES)
    return Maps()


def channels_last(x: Tensor) -> bool:
    return x.is_contiguous(memory_format=torch.channels_last)


def test_maps_are_laid_side_by_side_and_in_gaps(maps: Maps) -> None:
    every = [maps.empty(SIZE, NARROW).fill_(float(i)) for i in range(4)]
    assert maps.laid == 4 * BYTES
    place = every[1].data_ptr()
    del every[1]
    every.append(maps.empty(SIZE, NARROW).fill_(4.0))
    assert every[-1].data_ptr() == place
    assert [float(each.mean()) for each in every] == [0, 2, 3, 4]
    assert all(channels_last(each) and each.dtype == NARROW and each.shape == SIZE for each in every)
    assert maps.empty(torch.Size((1, 4, 64, 32)), NARROW).data_ptr() == every[0].data_ptr() + 4 * BYTES


def test_a_map_that_is_seen_in_part_is_in_use(maps: Maps) -> None:
    seen = maps.empty(SIZE, NARROW).fill_(1.0)[:, :, 3:5]
    assert maps.empty(SIZE, NARROW).fill_(2.0).data_ptr() != seen.data_ptr()
    assert bool((seen == 1).all())


def test_what_is_given_back_is_not_used_again(maps: Maps) -> None:
    kept = maps.empty(SIZE, NARROW).fill_(1.0)
    maps.clear()
    assert maps.laid == 0
    maps.empty(SIZE, NARROW).fill_(2.0)
    assert bool((kept == 1).all())


def test_small_maps_are_the_heaps(maps: Maps) -> None:
    small = maps.empty(torch.Size((1, 4, 32, 31)), NARROW)
    assert channels_last(small)
    assert maps.laid == 0


def test_where_no_addresses_are_left_maps_are_the_heaps(maps: Maps, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RESERVED", BYTES)
    assert [channels_last(maps.empty(SIZE, NARROW)) for _ in range(2)] == [True, True]
    first = maps.empty(SIZE, NARROW)
    second = maps.empty(SIZE, NARROW)
    assert maps.laid == BYTES
    assert channels_last(second) and first.data_ptr() != second.data_ptr()


@pytest.mark.parametrize("why", ["system", "refused"])
def test_where_the_system_gives_none_maps_are_the_heaps(
    why: str, maps: Maps, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> mmap.mmap:
        raise OSError

    if why == "system":
        monkeypatch.setattr("sys.platform", "win32")
    else:
        monkeypatch.setattr(mmap, "mmap", refuse)
    assert channels_last(maps.empty(SIZE, NARROW))
    assert maps.laid == 0


def test_rows_beyond_the_edges_are_zeros() -> None:
    x = torch.arange(24.0).view(2, 1, 4, 3)
    part = Rows.of(x).part
    assert torch.equal(part(1, 1, 3), x[1:, :, 1:3])
    ends = part(0, -1, 6)
    assert torch.equal(ends[:, :, 1:5], x[:1])
    assert not ends[:, :, [0, 5, 6]].any()
