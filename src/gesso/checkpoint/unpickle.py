"""Checkpoints written by torch.save, read without running their code.

Both containers are a pickle that describes tensors and, beside it, their numbers: a zip archive since torch
1.6, before that one after the other in a row. Either way the numbers lie in the file as they are, so tensors
are found there and mapped like those of any other file.

Source: torch/serialization.py, `_save`, `_legacy_save`, `_legacy_load`.
"""

import struct
import zipfile
from collections.abc import Callable, Mapping
from typing import cast

from gesso.checkpoint.entry import ITEM_SIZES, Entry, Header, Source, brief
from gesso.checkpoint.pickle_machine import Machine, Rationed
from gesso.checkpoint.state_dict import Found, find_tensors
from gesso.checkpoint.torch_pickle import Storage, StoredTensor, TorchMeaning
from gesso.errors import BrokenFile, CheckpointError

__all__ = ["is_legacy", "read_legacy", "read_zip"]

LEGACY_NUMBER = 0x1950A86A20F9469CFC6C
LEGACY_STARTS = (LEGACY_NUMBER.to_bytes(10, "little"), str(LEGACY_NUMBER).encode())
ZIP_ERRORS = (
    zipfile.BadZipFile,
    NotImplementedError,
    struct.error,
    ValueError,
    OverflowError,
    OSError,
    EOFError,
    Warning,
)

Place = Callable[[Storage], tuple[int, int]]
"""Where a storage's numbers lie: first byte and length in bytes."""


def read_zip(source: Source) -> Header:
    """Where every tensor lies in a torch.save archive.

    Raises:
        BrokenFile: the archive or its pickle contradicts itself.
        UnsafeFile: its tensors could only be had by running its code.
    """
    members = _members(source)
    root = _root(members)
    _check_byte_order(source, members.get(f"{root}byteorder"))
    start, length = _stored(source, members[f"{root}data.pkl"])
    source.stream.seek(start)
    machine = Machine(TorchMeaning())
    found = find_tensors(machine.load(Rationed(source.stream, length)), tuple(machine.imports))

    def place(storage: Storage) -> tuple[int, int]:
        member = members.get(f"{root}data/{storage.key}")
        if member is None:
            raise BrokenFile(f"the archive must hold data/{storage.key}, however: it is missing")
        return _stored(source, member)

    return _header("zip pickle", source, found, place)


def _members(source: Source) -> dict[str, zipfile.ZipInfo]:
    try:
        with zipfile.ZipFile(source.stream) as archive:
            return {member.filename: member for member in archive.infolist()}
    except ZIP_ERRORS as error:
        if not zipfile.is_zipfile(source.stream):
            need = max(_announced(source), source.size + 1)
            raise BrokenFile(
                "the archive must have its table at the end, however: it is truncated, "
                f"have {source.size} bytes, need at least {need}",
                hint="download or copy it again",
            ) from None
        raise BrokenFile(f"the file must be a whole zip archive, however: {str(error)[:80]}") from None


def _announced(source: Source) -> int:
    """How many bytes the pickle at the start of a cut off archive says there are."""
    meaning = TorchMeaning()
    try:
        name, extra = struct.unpack("<2H", source.read(0, 30, "the first member")[26:])
        source.stream.seek(30 + name + extra)
        Machine(meaning).load(Rationed(source.stream, source.size))
    except BrokenFile:
        return 0
    return sum(storage.count * ITEM_SIZES[storage.dtype] for storage in meaning.storages.values())


def _root(members: Mapping[str, zipfile.ZipInfo]) -> str:
    roots = [name.removesuffix("data.pkl") for name in members if name.endswith("/data.pkl")]
    roots = [root for root in roots if root.count("/") == 1]
    if len(roots) == 1:
        return roots[0]
    inside = next((name for name in members if name.endswith((".ckpt", ".safetensors", ".pt", ".pth"))), "")
    raise BrokenFile(
        f"a torch archive must have one folder with a data.pkl, however: it has {len(roots)}",
        hint=f"unpack it first: it holds {inside}" if inside else "",
    )


def _check_byte_order(source: Source, member: zipfile.ZipInfo | None) -> None:
    if member is None:
        return
    start, length = _stored(source, member)
    order = source.read(start, min(length, 16), "the byte order")
    if order != b"little":
        raise CheckpointError(
            f"numbers must be stored little-endian, however: the byte order is {order!r}",
            hint="save the file again on an ordinary machine",
        )


def _stored(source: Source, member: zipfile.ZipInfo) -> tuple[int, int]:
    """First byte and length of an uncompressed member."""
    if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1:
        raise BrokenFile(
            f"members of a torch archive must be stored uncompressed, however: {member.filename!r} is not",
            hint="unpack the archive and pack it again without compression",
        )
    header = source.read(member.header_offset, 30, f"the member {member.filename!r}")
    if header[:4] != b"PK\x03\x04":
        raise BrokenFile(f"a member must start at byte {member.header_offset}, however: {header[:4]!r}")
    name, extra = struct.unpack("<2H", header[26:])
    start = member.header_offset + 30 + name + extra
    if start + member.file_size > source.size:
        raise BrokenFile(
            f"the member {member.filename!r} must lie inside the file, however: it is truncated, "
            f"have {source.size} bytes, need {start + member.file_size}"
        )
    return start, member.file_size


def is_legacy(start: bytes) -> bool:
    """Whether a file starts with the pickled number that torch put first, in any pickle protocol."""
    return any(number in start[:32] for number in LEGACY_STARTS)


def read_legacy(source: Source) -> Header:
    """Where every tensor lies in a file of torch before 1.6: five pickles, then the storages.

    Raises:
        BrokenFile: the pickles or the storages contradict themselves.
        UnsafeFile: its tensors could only be had by running its code.
    """
    meaning = TorchMeaning()
    machine = Machine(meaning)
    source.stream.seek(0)
    stream = Rationed(source.stream, source.size)
    number, version, system, root, keys = (machine.load(stream) for _ in range(5))
    if number != LEGACY_NUMBER or version != 1001:
        raise BrokenFile(f"the file must follow torch's version 1001, however: {brief(version)}")
    if isinstance(system, dict) and cast("dict[object, object]", system).get("little_endian") is False:
        raise CheckpointError("numbers must be stored little-endian, however: they are big-endian")
    found = find_tensors(root, tuple(machine.imports))
    places = _legacy_places(source, meaning, keys)

    def place(storage: Storage) -> tuple[int, int]:
        key, first = storage.root or (storage.key, 0)
        if key not in places:
            raise BrokenFile(f"the file must list storage {key!r}, however: it is missing")
        start, length = places[key]
        skipped = first * ITEM_SIZES[storage.dtype]
        return start + skipped, length - skipped

    return _header("legacy pickle", source, found, place)


def _legacy_places(source: Source, meaning: TorchMeaning, keys: object) -> dict[str, tuple[int, int]]:
    at = source.stream.tell()
    places: dict[str, tuple[int, int]] = {}
    for key in cast("list[object]", keys) if isinstance(keys, list) else []:
        if not isinstance(key, str) or key not in meaning.storages:
            raise BrokenFile(f"every storage must belong to a tensor, however: {brief(key)} does not")
        count = int.from_bytes(source.read(at, 8, f"the length of storage {key!r}"), "little", signed=True)
        length = count * ITEM_SIZES[meaning.storages[key].dtype]
        if count < 0 or at + 8 + length > source.size:
            raise BrokenFile(
                f"storage {key!r} at byte {at} must lie inside the file, however: it is truncated, "
                f"have {source.size} bytes, need {at + 8 + length}"
            )
        places[key] = (at + 8, length)
        at += 8 + length
    return places


def _header(container: str, source: Source, found: Found, place: Place) -> Header:
    places: dict[Storage, tuple[int, int]] = {}
    entries: dict[str, Entry] = {}
    for name, tensor in found.tensors.items():
        if tensor.storage not in places:
            places[tensor.storage] = place(tensor.storage)
        entries[name] = _entry(source, name, tensor, places[tensor.storage])
    return Header(container, entries, {}, found.extras, found.imports, found.unsafe)


def _entry(source: Source, name: str, tensor: StoredTensor, place: tuple[int, int]) -> Entry:
    start, length = place
    item = ITEM_SIZES[tensor.dtype]
    expected = tensor.storage.count * ITEM_SIZES[tensor.storage.dtype]
    if length < expected:
        raise BrokenFile(
            f"the storage of {name!r} must hold all its numbers, "
            f"however: have {length} bytes, need {expected}"
        )
    entry = Entry(source.path, tensor.dtype, tensor.shape, start + tensor.offset * item, tensor.strides)
    if entry.end > start + length or entry.count * item > source.size:
        raise BrokenFile(
            f"{name!r} must lie inside its storage of {length} bytes, "
            f"however: it needs {entry.end - start} for {brief(list(tensor.shape))}"
        )
    return entry.row_major()
