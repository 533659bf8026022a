"""Folders and tar files are the same to whoever reads them."""

import io
import tarfile
from pathlib import Path

import pytest

from gesso.errors import RequestError
from gesso.training.data.shelf import shelf


def filled(folder: Path) -> Path:
    folder.mkdir()
    for name in ("b.txt", "a.png", ".hidden"):
        (folder / name).write_bytes(name.encode())
    (folder / "inner").mkdir()
    return folder


def test_a_folder_and_its_tar_hold_the_same(tmp_path: Path) -> None:
    folder = filled(tmp_path / "pictures")
    with tarfile.open(tmp_path / "shard.tar", "w") as archive:
        for name in ("b.txt", "a.png"):
            content = (folder / name).read_bytes()
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    both = shelf(folder), shelf(tmp_path / "shard.tar")
    for each in both:
        assert each.names == ("a.png", "b.txt")
        assert [each.read(name) for name in each.names] == [b"a.png", b"b.txt"]


@pytest.mark.parametrize("name", ["nothing", "notes.txt", "broken.tar"])
def test_what_is_neither_is_refused(tmp_path: Path, name: str) -> None:
    for each in ("notes.txt", "broken.tar"):
        (tmp_path / each).write_bytes(b"x" * 600)
    with pytest.raises(RequestError, match="must be"):
        assert shelf(tmp_path / name).names
