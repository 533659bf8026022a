import pytest
import torch

from gesso.errors import NoDevice, UnknownName
from gesso.runtime.device import DTYPES, choose_device, choose_dtype


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch):
    """A machine with that many CUDA devices, and MPS or not."""

    def has(cuda: int = 0, mps: bool = False, capability: tuple[int, int] = (8, 0)) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: cuda)
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)

    return has


@pytest.mark.parametrize(
    ("cuda", "mps", "kind"), [(0, False, "cpu"), (0, True, "mps"), (2, True, "cuda"), (1, False, "cuda")]
)
def test_auto_is_the_fastest_kind_there_is(machine, cuda: int, mps: bool, kind: str):
    machine(cuda, mps)
    assert choose_device().type == kind


def test_a_device_is_named_by_kind_and_number(machine):
    machine(2)
    assert choose_device("cuda:1") == torch.device("cuda", 1)
    assert choose_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", ["cuda", "cuda:0", "mps"])
def test_a_device_that_is_absent_is_refused(machine, name: str):
    machine()
    with pytest.raises(NoDevice, match=name):
        choose_device(name)


def test_a_number_too_high_is_refused(machine):
    machine(2)
    with pytest.raises(NoDevice, match="finds 2"):
        choose_device("cuda:2")


@pytest.mark.parametrize("name", ["", "gpu", "cuda:", "cuda:x", "cuda:-1", "AUTO"])
def test_an_unknown_device_is_refused(name: str):
    with pytest.raises(UnknownName, match="device"):
        choose_device(name)


@pytest.mark.parametrize(
    ("capability", "dtype"),
    [
        ((5, 2), torch.float32),
        ((6, 0), torch.float16),
        ((6, 1), torch.float32),
        ((7, 5), torch.float16),
        ((9, 0), torch.float16),
    ],
)
def test_cuda_paints_in_half_precision_where_that_is_fast(
    machine, capability: tuple[int, int], dtype: torch.dtype
):
    machine(1, capability=capability)
    assert choose_dtype("auto", torch.device("cuda")) == dtype


@pytest.mark.parametrize(
    ("capabilities", "dtype"),
    [
        ({"avx512_f": True}, torch.float32),
        ({"amx_bf16": True}, torch.bfloat16),
        ({"amx_bf16": False, "avx512_bf16": True}, torch.bfloat16),
        ({}, torch.float32),
    ],
)
def test_cpus_paint_in_bfloat16_only_where_they_multiply_it_themselves(
    monkeypatch: pytest.MonkeyPatch, capabilities: dict[str, bool], dtype: torch.dtype
):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    assert choose_dtype("auto", torch.device("cpu")) == dtype


def test_a_named_type_is_taken_as_it_is():
    assert choose_dtype("auto", torch.device("mps")) == torch.float16
    for name, dtype in DTYPES.items():
        assert choose_dtype(name, torch.device("cpu")) == dtype
    with pytest.raises(UnknownName, match="float15"):
        choose_dtype("float15", torch.device("cpu"))
