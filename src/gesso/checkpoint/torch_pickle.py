"""What the few names in an honest checkpoint mean: how torch and NumPy write tensors into a pickle.

Source: torch/_utils.py and torch/serialization.py (the arguments of `_rebuild_*` and of persistent ids).
"""

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast

from gesso.checkpoint.entry import TORCH_NAMES, brief, check_shape
from gesso.checkpoint.pickle_machine import Global, Inert
from gesso.errors import BrokenFile

__all__ = ["Storage", "StoredTensor", "TorchMeaning"]

STORAGES: Mapping[str, str] = {
    "DoubleStorage": "F64",
    "FloatStorage": "F32",
    "HalfStorage": "F16",
    "BFloat16Storage": "BF16",
    "LongStorage": "I64",
    "IntStorage": "I32",
    "ShortStorage": "I16",
    "CharStorage": "I8",
    "ByteStorage": "U8",
    "BoolStorage": "BOOL",
    "ComplexFloatStorage": "C64",
    "ComplexDoubleStorage": "C128",
    "UntypedStorage": "U8",
}
DTYPES: Mapping[str, str] = {f"torch.{name}": dtype for dtype, name in TORCH_NAMES.items()}
NUMBERS: Mapping[str, str] = dict(
    b1="?", i1="b", u1="B", i2="h", i4="i", u4="I", i8="q", u8="Q", f2="e", f4="f", f8="d"
)
"""NumPy's type codes in the letters of struct."""
MOST_COPIED = 1 << 28


@dataclass(frozen=True, slots=True)
class Storage:
    """A run of numbers kept beside the pickle.

    Args:
        key: its name there.
        dtype: what its numbers are; "U8" for plain bytes.
        count: how many.
        root: the storage it is a part of, and the number at which it starts there; only in very old files.
    """

    key: str
    dtype: str
    count: int
    root: tuple[str, int] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class StoredTensor:
    """A tensor that is still a description: which numbers of which storage.

    Args:
        storage: where its numbers are.
        dtype: what they are.
        offset: its first number.
        shape: its size.
        strides: steps between neighbours, in numbers.
    """

    storage: Storage
    dtype: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class TorchMeaning:
    """Tensors, dictionaries and numbers are understood; any other call stays a note of it.

    Attributes:
        storages: every storage that was referred to, by its name in the file.
    """

    def __init__(self) -> None:
        self.storages: dict[str, Storage] = {}
        self._copied = 0

    def call(self, name: Global, args: tuple[object, ...]) -> object:
        """The value of a call, without making it."""
        known = CALLS.get(str(name))
        if known:
            self._spend(args)
        try:
            value = known(args) if known else None
        except (IndexError, TypeError, ValueError, struct.error):
            value = None
        return Inert(str(name), args) if value is None else value

    def _spend(self, args: tuple[object, ...]) -> None:
        """Copying one remembered list again and again would exhaust memory."""
        value = args[0] if args else None
        self._copied += (
            len(value) if isinstance(value, str) else 64 * len(value) if isinstance(value, list) else 0
        )
        if self._copied > MOST_COPIED:
            raise BrokenFile(f"a pickle must copy at most {MOST_COPIED} bytes, however: this one copies more")

    def reference(self, found: object) -> object:
        """The storage that a persistent id stands for."""
        if not isinstance(found, tuple):
            return Inert("a persistent id", (found,))
        match cast("tuple[object, ...]", found):
            case ("storage", Global() as kind, str(key), _, int(count)):
                return self._storage(kind, key, count, None)
            case ("storage", Global() as kind, str(key), _, int(count), None):
                return self._storage(kind, key, count, None)
            case ("storage", Global() as kind, str(key), _, int(), (str(part), int(start), int(count))):
                return self._storage(kind, part, count, (key, start))
            case ("module", Global(), _, _) as module:
                return module[1]
            case other:
                return Inert("a persistent id", other)

    def _storage(self, kind: Global, key: str, count: int, root: tuple[str, int] | None) -> object:
        dtype = STORAGES.get(kind.name)
        if dtype is None or kind.module not in ("torch", "torch.cuda", "torch.storage"):
            return Inert(str(kind), (key, count))
        if count < 0 or (root and root[1] < 0):
            raise BrokenFile(f"storage {brief(key)} must have a length from 0, however: {brief(count)}")
        storage = Storage(key, dtype, count, root)
        self.storages[root[0] if root else key] = storage
        return storage


def _tensor(args: tuple[object, ...]) -> object:
    storage, offset, shape, strides = args[:4]
    return _stored(storage, None, offset, shape, strides)


def _typed_tensor(args: tuple[object, ...]) -> object:
    storage, offset, shape, strides, _, _, dtype = args[:7]
    return _stored(storage, DTYPES.get(str(dtype), ""), offset, shape, strides)


def _stored(storage: object, dtype: str | None, offset: object, shape: object, strides: object) -> object:
    if not isinstance(storage, Storage) or dtype == "":
        return None
    if type(offset) is not int or offset < 0:
        raise BrokenFile(f"a tensor must start inside storage {storage.key!r}, however: at {brief(offset)}")
    where = f"a tensor in storage {storage.key}"
    sizes, steps = check_shape(where, shape), check_shape(where, strides)
    if len(sizes) != len(steps):
        raise BrokenFile(f"{where} must have a stride per axis, however: {len(steps)} for {len(sizes)}")
    return StoredTensor(storage, dtype or storage.dtype, offset, sizes, steps)


def _first(args: tuple[object, ...]) -> object:
    """A parameter is its tensor, a shape is its tuple, a list made of a list is that list."""
    return args[0]


def _sequence(args: tuple[object, ...]) -> object:
    value = args[0] if args else []
    return cast("object", value) if isinstance(value, list | tuple) else None


def _wrapped(args: tuple[object, ...]) -> object:
    """A tensor with attributes: (the function that rebuilds it, its type, that function's arguments, ...)."""
    rebuild = {"torch._utils._rebuild_tensor_v2": _tensor, "torch._utils._rebuild_tensor_v3": _typed_tensor}
    known = rebuild.get(str(args[0]))
    return known(cast("tuple[object, ...]", args[2])) if known and isinstance(args[2], tuple) else None


def _mapping(args: tuple[object, ...]) -> object:
    if not args or isinstance(args[0], Global):
        return {}
    pairs = args[0]
    if isinstance(pairs, dict):
        return cast("object", pairs)
    if not isinstance(pairs, list):
        return None
    return {key: value for key, value in cast("list[tuple[object, object]]", pairs) if isinstance(key, str)}


def _encoded(args: tuple[object, ...]) -> object:
    """How Python 3 writes bytes in protocol 2."""
    text, encoding = args
    return text.encode("latin-1") if isinstance(text, str) and encoding == "latin1" else None


def _number(args: tuple[object, ...]) -> object:
    """A NumPy scalar: (its type, its bytes)."""
    kind, data = args
    if not isinstance(kind, Inert) or not isinstance(data, bytes):
        return None
    code = cast("tuple[object, ...]", kind.args)[0]
    order = cast("tuple[object, ...]", kind.state)[1] if isinstance(kind.state, tuple) else "<"
    return struct.unpack((">" if order == ">" else "<") + NUMBERS[str(code)], data)[0]


CALLS: Mapping[str, Callable[[tuple[object, ...]], object]] = {
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor_v3": _typed_tensor,
    "torch._utils._rebuild_parameter": _first,
    "torch._utils._rebuild_parameter_with_state": _first,
    "torch._tensor._rebuild_from_type": _wrapped,
    "torch._tensor._rebuild_from_type_v2": _wrapped,
    "torch.Size": _sequence,
    "collections.OrderedDict": _mapping,
    "collections.defaultdict": _mapping,
    "_codecs.encode": _encoded,
    "numpy.core.multiarray.scalar": _number,
    "numpy._core.multiarray.scalar": _number,
    **{f"{module}.dict": _mapping for module in ("builtins", "__builtin__")},
    **{
        f"{module}.{name}": _sequence
        for module in ("builtins", "__builtin__")
        for name in ("list", "tuple", "set", "frozenset")
    },
}
"""Names that are understood. None is imported or called: each has its meaning here."""
