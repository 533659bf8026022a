import gzip
from pathlib import Path

import pytest

from gesso.checkpoint.container import read_file
from gesso.errors import BrokenFile, CheckpointError
from tests.files import safetensors

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 4265380512\n"
STAND_INS = {
    "empty": (b"", "the file is empty (0 bytes)"),
    "git-LFS pointer": (POINTER, "git-LFS pointer"),
    "HTML": (b"\n <!DOCTYPE html><html>Log in</html>", "an HTML page"),
    "XML": (b"\xef\xbb\xbf<?xml version='1.0'?><Error/>", "an HTML page"),
    "plain text": (b"Access denied\r\n", "plain text, 'Access denied"),
    "GGUF": (b"GGUF\x03\x00\x00\x00" + bytes(64), "GGUF"),
    "gzip": (gzip.compress(b"tensors"), "gzip"),
    "picture": (b"\x89PNG\r\n\x1a\n" + bytes(64), "a PNG picture"),
    "tar": (b"sys_info".ljust(257, b"\0") + b"ustar".ljust(300, b"\0"), "tar archive"),
    "another pickle": (b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00}.", "torch's magic number is missing"),
    "zeros": (bytes(4096), "at least 2 bytes long, however: bytes 0 to 7 say 0"),
}


@pytest.mark.parametrize("kind", STAND_INS)
def test_what_is_saved_as_a_checkpoint_by_mistake(kind: str, tmp_path: Path) -> None:
    content, words = STAND_INS[kind]
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(BrokenFile) as found:
        read_file(path)
    assert words in str(found.value)
    assert str(found.value).startswith(f"{path}: ")
    assert path.read_bytes() == content


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="however: No such file"):
        read_file(tmp_path / "nothing.ckpt")
    with pytest.raises(CheckpointError, match="must be readable"):
        read_file(tmp_path)


def test_the_name_decides_nothing(tmp_path: Path) -> None:
    path = tmp_path / "model.ckpt"
    path.write_bytes(safetensors({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}, bytes(4)))
    header, size = read_file(path)
    assert header.container == "safetensors"
    assert size == path.stat().st_size


def test_a_pickle_header_byte_may_start_a_safetensors_length(tmp_path: Path) -> None:
    header = b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'.ljust(0x280)
    path = tmp_path / "model.safetensors"
    path.write_bytes(safetensors(header, bytes(4)))
    assert path.read_bytes().startswith(b"\x80\x02")
    assert list(read_file(path)[0].entries) == ["a"]
