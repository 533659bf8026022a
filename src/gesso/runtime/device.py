"""Which device computes, and in which numbers: what this machine does fast, unless told otherwise."""

from collections.abc import Callable, Mapping

import torch

from gesso.errors import NoDevice, UnknownName

__all__ = ["DTYPES", "choose_device", "choose_dtype", "ranging"]

DTYPES: dict[str, torch.dtype] = {
    "float32": torch.float32,
    "fp32": torch.float32,
    "float16": torch.float16,
    "fp16": torch.float16,
    "half": torch.float16,
    "bfloat16": torch.bfloat16,
    "bf16": torch.bfloat16,
}


def choose_device(name: str = "auto") -> torch.device:
    """The named device, or the fastest there is: CUDA, then MPS, then the CPU.

    Args:
        name: "auto", "cpu", "mps", "cuda" or "cuda:1".

    Raises:
        UnknownName: no device is called that.
        NoDevice: this machine has none.
    """
    if name == "auto":
        return torch.device(next(kind for kind, count in _COUNTS.items() if count()))
    kind, _, number = name.partition(":")
    if kind not in _COUNTS or not (number.isdecimal() or ":" not in name):
        raise UnknownName("device", name, ["auto", *_COUNTS])
    count = _COUNTS[kind]()
    if int(number or 0) >= count:
        raise NoDevice(
            f"device {name} must be on this machine, however: torch finds {count} of kind {kind}",
            hint="use --device auto for the fastest device there is",
        )
    return torch.device(name)


_COUNTS: dict[str, Callable[[], int]] = {
    "cuda": lambda: torch.cuda.device_count() if torch.cuda.is_available() else 0,
    "mps": lambda: int(torch.backends.mps.is_available()),
    "cpu": lambda: 1,
}


def choose_dtype(name: str, device: torch.device) -> torch.dtype:
    """The named number type, or the one this device is fast at and the published models still paint well in.

    Args:
        name: "auto" or one of `DTYPES`.

    Raises:
        UnknownName: no type is called that.
    """
    if name != "auto":
        if name not in DTYPES:
            raise UnknownName("dtype", name, ["auto", *DTYPES])
        return DTYPES[name]
    match device.type:
        case "cuda":
            return _cuda_dtype(torch.cuda.get_device_capability(device))
        case "mps":
            return torch.float16
        case _:
            # Older versions of torch do not tell.
            return _cpu_dtype(getattr(torch.cpu, "get_capabilities", dict[str, object])())


def ranging(device: torch.device) -> torch.dtype:
    """The narrowest type with the range of float32 that the device is fast at; half precision where none is.

    Source: CUDA C++ Programming Guide, "Arithmetic Instructions": bfloat16 from 8.0 on.
    """
    known = device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0)
    return torch.bfloat16 if known else torch.float16


def _cuda_dtype(capability: tuple[int, int]) -> torch.dtype:
    """Half precision where it is fast; as fast as bfloat16 there, and three bits finer.

    Source: CUDA C++ Programming Guide, "Arithmetic Instructions": 6.1 has half precision at 1/64 speed.
    """
    return torch.float16 if capability >= (7, 0) or capability == (6, 0) else torch.float32


def _cpu_dtype(capabilities: Mapping[str, object]) -> torch.dtype:
    """bfloat16 where the processor multiplies it itself, 8 times as fast as float32; elsewhere it is slow."""
    native = capabilities.get("amx_bf16") or capabilities.get("avx512_bf16")
    return torch.bfloat16 if native else torch.float32
