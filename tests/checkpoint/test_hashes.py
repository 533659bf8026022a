import hashlib
import os
from pathlib import Path

import pytest
import torch

from gesso.checkpoint.hashes import auto_v1, auto_v3, by_name, sha256, short_hash
from gesso.checkpoint.write import save
from gesso.errors import BrokenFile, CheckpointError


def test_the_whole_file_and_its_first_digits(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    # Source: FIPS 180-4's example for "abc".
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert sha256(path, tmp_path / "cache") == known
    assert short_hash(path, tmp_path / "cache") == known[:10]


def test_the_earliest_hash_sees_64_kib_one_mib_into_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a"
    inside = os.urandom(0x10000)
    path.write_bytes(bytes(0x100000) + inside + b"after")
    assert auto_v1(path) == hashlib.sha256(inside).hexdigest()[:8]
    path.write_bytes(b"before" + bytes(0x100000 - 6) + inside)
    assert auto_v1(path) == hashlib.sha256(inside).hexdigest()[:8]


def test_metadata_does_not_change_the_third_hash(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save(path, tensors := {"a": torch.arange(9)})
    plain, whole = auto_v3(path), sha256(path, tmp_path / "cache")
    save(path, tensors, metadata={"title": "changed"})
    assert auto_v3(path) == plain == hashlib.sha256(tensors["a"].numpy().tobytes()).hexdigest()[:12]
    assert sha256(path, tmp_path / "cache") != whole


@pytest.mark.parametrize("content", [b"", b"abc", (1 << 40).to_bytes(8, "little")])
def test_only_safetensors_have_a_third_hash(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(BrokenFile, match=r"must be \.safetensors"):
        auto_v3(tmp_path / "a")


def test_a_hash_is_looked_up_until_the_file_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    found = sha256(path)
    (kept,) = (tmp_path / "cache" / "gesso" / "hashes").iterdir()
    kept.write_text("f" * 64)
    assert sha256(path) == "f" * 64
    os.utime(path, ns=(1, 1))
    assert sha256(path) == found


def test_a_damaged_or_unwritable_cache_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    found = sha256(path, tmp_path / "cache")
    (kept,) = (tmp_path / "cache").iterdir()
    kept.write_text("half")
    assert sha256(path, tmp_path / "cache") == found
    (tmp_path / "file").write_text("")
    assert sha256(path, tmp_path / "file" / "cache") == found


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="must be readable"):
        sha256(tmp_path / "nothing")


def test_every_hash_goes_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    save(path, {"a": torch.arange(9)})
    assert set(by_name(path)) == {"SHA256", "AutoV1", "AutoV2", "AutoV3"}
    assert by_name(path)["SHA256"].startswith(by_name(path)["AutoV2"])
    path.write_bytes(b"\xff" * 64)
    assert "AutoV3" not in by_name(path)
