"""The tensors in what a training program saved, whatever it wrapped around them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from gesso.checkpoint.pickle_machine import Inert
from gesso.checkpoint.torch_pickle import StoredTensor
from gesso.errors import BrokenFile, UnsafeFile

__all__ = ["Found", "find_tensors"]

WRAPPERS = (
    "state_dict",
    "model_state_dict",
    "params_ema",
    "params",
    "model",
    "module",
    "network",
    "weights",
    "string_to_param",
)
"""Names under which trainers keep the tensors: Lightning, torch examples, BasicSR, timm, DeepSpeed, A1111."""


@dataclass(frozen=True)
class Found:
    """The tensors by name, the plain values beside them, and the calls that stand in a tensor's place."""

    imports: tuple[str, ...]
    tensors: dict[str, StoredTensor] = field(default_factory=dict[str, StoredTensor])
    extras: dict[str, object] = field(default_factory=dict[str, object])
    unsafe: dict[str, str] = field(default_factory=dict[str, str])


def find_tensors(root: object, imports: tuple[str, ...]) -> Found:
    """Look through the wrappers.

    Args:
        root: what the pickle holds.
        imports: the names it asked for.

    Raises:
        UnsafeFile: there are no tensors except behind calls.
        BrokenFile: there are none at all.
    """
    found = Found(imports)
    # Wrappers nest two or three deep; a hostile pickle may contain itself.
    for _ in range(5):
        items = _items(root)
        inner = next((name for name in WRAPPERS if _items(items.get(name))), None)
        wrapped = _items(items[inner]) if inner else {}
        _sort(items, found)
        if inner is None or len(wrapped) < len(found.tensors):
            break
        found.tensors.clear()
        found.unsafe.clear()
        root = items[inner]
    if not found.tensors:
        _sort_groups(_items(root), found)
    if not found.tensors:
        _refuse(root, found)
    return found


def _sort_groups(items: Mapping[object, object], found: Found) -> None:
    """Several networks side by side, each under a name of its own: IP-Adapters, or hypernetworks by width."""
    for name, group in items.items():
        for place, network in _networks(name, group):
            _sort({f"{place}.{each}": value for each, value in _items(network).items()}, found)


def _networks(name: object, group: object) -> Iterator[tuple[str, object]]:
    if isinstance(name, str):
        yield name, group
    elif isinstance(name, int) and isinstance(group, tuple | list):
        members = cast("tuple[object, ...] | list[object]", group)
        yield from ((f"{name}.{index}", network) for index, network in enumerate(members))


def _items(value: object) -> Mapping[object, object]:
    if isinstance(value, Inert):
        return value.entries
    return cast("dict[object, object]", value) if isinstance(value, dict) else {}


def _sort(items: Mapping[object, object], found: Found) -> None:
    for name, value in items.items():
        if not isinstance(name, str):
            continue
        if isinstance(value, StoredTensor):
            found.tensors[_checked(name)] = value
        elif "." in name and isinstance(value, tuple | list):
            found.tensors.update(_numbered(_checked(name), cast("tuple[object, ...] | list[object]", value)))
        elif isinstance(value, Inert) and "." in name:
            found.unsafe[name] = value.name
        elif isinstance(value, str | int | float | bool) and _printable(value):
            found.extras[name] = value


def _numbered(name: str, values: Sequence[object]) -> dict[str, StoredTensor]:
    """Several tensors under one name, as Fooocus keeps rounded ones; none unless all are tensors."""
    tensors = {f"{name}.{i}": each for i, each in enumerate(values) if isinstance(each, StoredTensor)}
    return tensors if len(tensors) == len(values) else {}


def _checked(name: str) -> str:
    try:
        name.encode()
    except UnicodeEncodeError:
        raise BrokenFile(f"names must be text, however: {name!r} is not") from None
    return name


def _printable(value: str | int | float) -> bool:
    return len(value) < 10_000 if isinstance(value, str) else isinstance(value, float) or abs(value) < 1 << 64


def _refuse(root: object, found: Found) -> None:
    blame = root.name if isinstance(root, Inert) else next(iter(found.unsafe.values()), "")
    if blame:
        raise UnsafeFile(
            f"tensors must be readable without running code, however: they would be made by {blame[:80]!r}",
            hint="ask for the file as .safetensors, or save its state_dict() alone",
        )
    raise BrokenFile("a checkpoint must hold tensors, however: the pickle has none in any known place")
