"""What kind of file this is, told from its first bytes, never from its name."""

from pathlib import Path

from gesso.checkpoint.entry import Header, Source
from gesso.checkpoint.safetensors_header import read_safetensors
from gesso.checkpoint.unpickle import is_legacy, read_legacy, read_zip
from gesso.errors import BrokenFile, CheckpointError

__all__ = ["read_file", "read_header"]

LARGE_FILE_POINTER = b"version https://git-lfs"
WEB_PAGES = (b"<!doctype", b"<html", b"<head", b"<?xml", b"<body", b"<script")
FOREIGN = {
    b"GGUF": "GGUF (quantised)",
    b"\x1f\x8b": "gzip",
    b"7z\xbc\xaf": "7-Zip",
    b"Rar!": "RAR",
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"\x89HDF": "HDF5 (Keras)",
}


def read_file(path: Path) -> tuple[Header, int]:
    """A file's header, and its length in bytes.

    Raises:
        CheckpointError: there is no such file, it cannot be read, or it is broken or unsafe; names the file.
    """
    try:
        with path.open("rb") as stream:
            size = stream.seek(0, 2)
            return read_header(Source(path, stream, size)), size
    except OSError as error:
        raise CheckpointError(f"{path} must be readable, however: {error.strerror}") from None
    except CheckpointError as error:
        raise type(error)(f"{path}: {error}", hint=error.hint) from None


def read_header(source: Source) -> Header:
    """Read the header of whichever container this is.

    Raises:
        BrokenFile: it is none, or a broken one.
        UnsafeFile: a pickle whose tensors could only be had by running its code.
    """
    if source.size == 0:
        raise BrokenFile("a checkpoint must hold tensors, however: the file is empty (0 bytes)")
    start = source.read(0, min(source.size, 512), "the first bytes")
    if start.startswith(b"PK"):
        return read_zip(source)
    if is_legacy(start):
        return read_legacy(source)
    _refuse_stand_ins(start)
    if start[257:262] == b"ustar":
        raise BrokenFile(
            "a checkpoint must be .safetensors or a torch pickle, however: this is a tar archive",
            hint="unpack it, or save it again with torch 0.2 or newer",
        )
    if start[:1] == b"\x80" and start[8:9] != b"{":
        raise BrokenFile(
            "a pickle must be one that torch.save wrote, however: torch's magic number is missing"
        )
    return read_safetensors(source)


def _refuse_stand_ins(start: bytes) -> None:
    """Things that are saved under a checkpoint's name by mistake."""
    if start.startswith(LARGE_FILE_POINTER):
        raise BrokenFile(
            "a checkpoint must hold tensors, however: this is a git-LFS pointer, not the file it stands for",
            hint="fetch the file itself: git lfs pull",
        )
    if start.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(WEB_PAGES):
        raise BrokenFile(
            "a checkpoint must hold tensors, however: this is an HTML page",
            hint="the download link led to a web page, perhaps one asking to log in",
        )
    for magic, kind in FOREIGN.items():
        if start.startswith(magic):
            raise BrokenFile(f"a checkpoint must be .safetensors or a torch pickle, however: this is {kind}")
    if all(byte in b"\t\r\n" or 32 <= byte < 127 for byte in start):
        shown = start[:40].decode("ascii")
        raise BrokenFile(f"a checkpoint must hold tensors, however: this is plain text, {shown!r}")
