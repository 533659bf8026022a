import copyreg
import pickle
import sys
import types
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from gesso.checkpoint.entry import Source
from gesso.checkpoint.file import Checkpoint
from gesso.checkpoint.unpickle import read_legacy, read_zip
from gesso.errors import BrokenFile, CheckpointError, UnsafeFile
from tests.files import (
    LEGACY_HEAD,
    Counted,
    named,
    number,
    program,
    stored,
    tensor,
    text,
    torch_legacy,
    torch_zip,
)

MAKE = named("os", "mkdir")
EXTENSION = 0x6E


def reduce(function: bytes, *args: bytes) -> bytes:
    return function + b"(" + b"".join(args) + b"tR"


def import_os() -> bytes:
    return reduce(named("builtins", "__import__"), text("os"))


# Each pushes one value; Python's own unpickler makes the folder while it does.
PAYLOADS: dict[str, Callable[[str], bytes]] = {
    "REDUCE": lambda canary: reduce(MAKE, text(canary)),
    "STACK_GLOBAL": lambda canary: reduce(text("os") + text("mkdir") + b"\x93", text(canary)),
    "INST": lambda canary: b"(" + text(canary) + b"ios\nmkdir\n",
    "OBJ": lambda canary: b"(" + MAKE + text(canary) + b"o",
    "eval": lambda canary: reduce(named("builtins", "eval"), text(f"__import__('os').mkdir({canary!r})")),
    "exec": lambda canary: reduce(named("builtins", "exec"), text(f"import os; os.mkdir({canary!r})")),
    "getattr chain": lambda canary: reduce(
        reduce(named("builtins", "getattr"), import_os(), text("mkdir")), text(canary)
    ),
    "dotted name": lambda canary: (
        b"\x80\x04" + reduce(text("posixpath") + text("os.mkdir") + b"\x93", text(canary))
    ),
    "memo": lambda canary: MAKE + b"q\xc80" + reduce(b"h\xc8", text(canary)),
    "setstate": lambda canary: (
        reduce(named("types", "SimpleNamespace"))
        + b"}"
        + text("__setstate__")
        + MAKE
        + b"sb"
        + text(canary)
        + b"b"
    ),
    "EXT1": lambda canary: reduce(b"\x82" + bytes([EXTENSION]), text(canary)),
    "EXT2": lambda canary: reduce(b"\x83" + EXTENSION.to_bytes(2, "little"), text(canary)),
    "EXT4": lambda canary: reduce(b"\x84" + EXTENSION.to_bytes(4, "little"), text(canary)),
    "map": lambda canary: reduce(
        named("builtins", "list"), reduce(named("builtins", "map"), MAKE, b"](" + text(canary) + b"e")
    ),
    "as an argument of a known call": lambda canary: reduce(
        named("collections", "OrderedDict"), b"](" + text("a") + reduce(MAKE, text(canary)) + b"\x86e"
    ),
    "pathlib": lambda canary: reduce(
        named("pathlib", "Path.mkdir"), reduce(named("pathlib", "Path"), text(canary))
    ).replace(named("pathlib", "Path.mkdir"), b"\x80\x04" + text("pathlib") + text("Path.mkdir") + b"\x93"),
    "nested pickle": lambda canary: reduce(
        named("pickle", "loads"), b"C" + bytes([len(inner := reduce(MAKE, text(canary)) + b".")]) + inner
    ),
    "NEWOBJ": lambda canary: reduce(
        named("builtins", "list"), named("builtins", "map") + MAKE + b"](" + text(canary) + b"e\x86\x81"
    ),
    "NEWOBJ_EX": lambda canary: (
        named("functools", "partial") + MAKE + text(canary) + b"\x86}\x92q\xca0" + reduce(b"h\xca")
    ),
    "storage": lambda canary: reduce(
        named("torch.storage", "_load_from_bytes"),
        b"B"
        + len(inner := torch_legacy(reduce(MAKE, text(canary)) + b".", {})).to_bytes(4, "little")
        + inner,
    ),
}


@pytest.fixture
def _extension() -> Iterator[None]:
    copyreg.add_extension("os", "mkdir", EXTENSION)
    yield
    copyreg.remove_extension("os", "mkdir", EXTENSION)
    copyreg._extension_cache.pop(EXTENSION, None)


PLACES: dict[str, Callable[[bytes, bytes], bytes]] = {
    "beside the tensors": lambda good, evil: program(text("w"), good, text("callback"), evil),
    "outside the wrapper": lambda good, evil: program(
        text("callbacks"), evil, text("state_dict"), b"}(" + text("w") + good + b"u"
    ),
    "before the dictionary": lambda good, evil: b"\x80\x02" + evil + b"0" + program(text("w"), good)[2:],
    "as a key": lambda good, evil: program(evil, number(1), text("w"), good),
    "in a persistent id": lambda good, evil: program(text("w"), good, text("x"), evil + b"Q"),
    "as the hooks of a tensor": lambda good, evil: program(
        text("w"), good.replace(named("collections", "OrderedDict") + b")R", evil)
    ),
    "as the state of a dictionary": lambda good, evil: (
        b"\x80\x02" + named("collections", "OrderedDict") + b")R(" + text("w") + good + b"u" + evil + b"b."
    ),
}


def containers(place: str, evil: bytes) -> Iterator[bytes]:
    yield torch_zip(PLACES[place](tensor(stored()), evil), {"0": bytes(16)})
    yield torch_legacy(PLACES[place](tensor(stored(legacy=True)), evil), {"0": bytes(16)})


@pytest.mark.usefixtures("_extension")
@pytest.mark.parametrize("kind", PAYLOADS)
def test_payloads_are_live_and_never_run(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    evil = PAYLOADS[kind]("canary")
    path, canary = tmp_path / "model.ckpt", tmp_path / "canary"
    for place in PLACES:
        for content in containers(place, evil):
            path.write_bytes(content)
            checkpoint = Checkpoint.open(path)
            assert [found.tolist() for _, found in checkpoint.tensors(["w"])] == [[0.0] * 4]
            assert any(
                "mkdir" in name
                or "extension" in name
                or name.startswith(("builtins.", "pickle.", "torch.st"))
                for name in checkpoint.imports
            )
    assert not canary.exists()
    pickle.loads(b"\x80\x02" + evil + b".")
    assert canary.exists()


@pytest.mark.parametrize("kind", PAYLOADS)
def test_a_tensor_that_only_a_call_could_make(kind: str, tmp_path: Path) -> None:
    evil = PAYLOADS[kind](str(tmp_path / "canary")[-200:])
    path = tmp_path / "model.ckpt"
    path.write_bytes(
        torch_zip(program(text("w"), tensor(stored()), text("v.weight"), evil), {"0": bytes(16)})
    )
    checkpoint = Checkpoint.open(path)
    assert "v.weight" not in checkpoint.shapes
    if "v.weight" in checkpoint.header.unsafe:
        with pytest.raises(UnsafeFile, match=r"'v\.weight' must be a tensor"):
            list(checkpoint.tensors(["v.weight"]))
    path.write_bytes(torch_zip(b"\x80\x02" + evil + b".", {}))
    with pytest.raises(CheckpointError, match=r"without running code|has none"):
        Checkpoint.open(path)
    assert [each.name for each in tmp_path.iterdir()] == ["model.ckpt"]


def test_the_first_pickles_of_a_legacy_file_are_no_safer(tmp_path: Path) -> None:
    evil = reduce(MAKE, text(str(tmp_path / "canary")))
    path = tmp_path / "model.ckpt"
    parts = [pickle.dumps(0x1950A86A20F9469CFC6C, 2), pickle.dumps(1001, 2)]
    path.write_bytes(parts[0] + b"\x80\x02" + evil + b"." * 2)
    with pytest.raises(CheckpointError):
        Checkpoint.open(path)
    path.write_bytes(
        b"".join(parts) + b"\x80\x02" + evil + b"." + pickle.dumps({}, 2) + b"\x80\x02" + evil + b"."
    )
    with pytest.raises(CheckpointError):
        Checkpoint.open(path)
    assert not (tmp_path / "canary").exists()


def nested() -> dict[str, Any]:
    base = torch.arange(60, dtype=torch.float32).view(6, 10)
    return {
        "base": base,
        "rows": base[2:4],
        "columns": base[:, 1:9:3],
        "turned": base.t(),
        "half": torch.randn(3, 4).half(),
        "brain": torch.randn(3).bfloat16(),
        "counts": torch.arange(5),
        "truth": torch.tensor([True, False]),
        "single": torch.tensor(2.5),
        "none": torch.zeros(0, 3),
        "repeated": torch.tensor([1.0, 2.0]).expand(3, 2),
        "parameter": torch.nn.Parameter(torch.randn(2, 2)),
        "double": torch.randn(2, dtype=torch.float64),
        "eight": torch.randn(4).to(torch.float8_e4m3fn),
    }


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("wrap", [dict, lambda x: {"state_dict": OrderedDict(x), "global_step": 7}])
def test_what_torch_saved_is_what_is_read(
    wrap: Callable[[dict[str, Any]], dict[str, Any]], legacy: bool, protocol: int, tmp_path: Path
) -> None:
    path = tmp_path / "model.pt"
    saved = nested()
    torch.save(wrap(saved), path, pickle_protocol=protocol, _use_new_zipfile_serialization=not legacy)
    checkpoint = Checkpoint.open(path)
    found = dict(checkpoint.tensors(checkpoint.shapes))
    assert checkpoint.container == ("legacy pickle" if legacy else "zip pickle")
    assert found.keys() == saved.keys()
    for name, tensor_ in saved.items():
        assert found[name].dtype == tensor_.dtype
        assert found[name].shape == tensor_.shape
        assert torch.equal(found[name].double(), tensor_.detach().double()), name


@pytest.mark.parametrize("legacy", [False, True])
def test_agrees_with_torchs_own_reader(legacy: bool, tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    network = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 3), torch.nn.BatchNorm2d(3))
    torch.save(network.state_dict(), path, _use_new_zipfile_serialization=not legacy)
    theirs = torch.load(path, weights_only=True)
    checkpoint = Checkpoint.open(path)
    ours = dict(checkpoint.tensors(checkpoint.shapes))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


@pytest.mark.parametrize("legacy", [False, True])
def test_training_checkpoints_full_of_foreign_classes(
    legacy: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = types.ModuleType("made_up_lightning")

    class ModelCheckpoint:
        def __init__(self) -> None:
            self.best = torch.tensor(0.5)

    ModelCheckpoint.__module__, ModelCheckpoint.__qualname__ = module.__name__, "ModelCheckpoint"
    module.ModelCheckpoint = ModelCheckpoint
    path = tmp_path / "last.ckpt"
    weights = {"model.diffusion_model.out.2.weight": torch.randn(4, 3, 3, 3)}
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, module.__name__, module)
        saved = {
            "epoch": 3,
            "global_step": 470_000,
            "pytorch-lightning_version": "1.4.2",
            "state_dict": OrderedDict(weights),
            "callbacks": {
                ModelCheckpoint: {"monitor": "loss", "best": torch.tensor(1.0)},
                "other": ModelCheckpoint(),
            },
            "optimizer_states": [{"state": {0: {"exp_avg": torch.zeros(3)}}, "param_groups": [{"lr": 1e-4}]}],
        }
        torch.save(saved, path, _use_new_zipfile_serialization=not legacy)
    checkpoint = Checkpoint.open(path)
    assert "made_up_lightning.ModelCheckpoint" in checkpoint.imports
    assert checkpoint.extras == {"epoch": 3, "global_step": 470_000, "pytorch-lightning_version": "1.4.2"}
    ((name, found),) = checkpoint.tensors(checkpoint.shapes)
    assert torch.equal(found, weights[name])


def test_a_whole_module_is_refused_with_its_name(tmp_path: Path) -> None:
    torch.save(torch.nn.Linear(2, 2), tmp_path / "model.pt")
    with pytest.raises(UnsafeFile, match=r"torch\.nn\.modules\.linear\.Linear"):
        Checkpoint.open(tmp_path / "model.pt")


GOOD = program(text("w"), tensor(stored()))
HALVES = program(text("w"), tensor(stored(), shape=number(8) + b"\x85"))
LEGACY = program(text("w"), tensor(stored(legacy=True)))
BROKEN_ZIPS = {
    "cut": (torch_zip(GOOD, {"0": bytes(16)})[:-30], "truncated, have"),
    "cut early": (
        torch_zip(program(text("w"), tensor(stored(count=999))), {"0": bytes(3996)})[:800],
        "need at least 3996",
    ),
    "cut in the pickle": (torch_zip(GOOD, {})[:60], "truncated, have 60 bytes, need at least 61"),
    "only the signature": (b"PK\x03\x04" + bytes(8), "truncated, have 12 bytes, need at least 13"),
    "storage missing": (torch_zip(GOOD, {}), "must hold data/0, however: it is missing"),
    "storage short": (torch_zip(GOOD, {"0": bytes(12)}), "have 12 bytes, need 16"),
    "tensor past its storage": (torch_zip(HALVES, {"0": bytes(16)}), "inside its storage of 16 bytes"),
    "repeated beyond the file": (
        torch_zip(
            program(
                text("w"), tensor(stored(), shape=number(1 << 30) + b"\x85", strides=number(0) + b"\x85")
            ),
            {"0": bytes(16)},
        ),
        "inside its storage",
    ),
    "compressed": (torch_zip(GOOD, {"0": bytes(16)}, compression=zipfile.ZIP_DEFLATED), "uncompressed"),
    "big-endian": (torch_zip(GOOD, {"0": bytes(16)}, extra={"byteorder": b"big"}), "byte order is b'big'"),
    "empty pickle": (torch_zip(b"", {}), "well formed"),
    "empty archive": (b"PK\x05\x06" + bytes(18), "it has 0"),
    "no tensors": (torch_zip(program(text("w"), number(1)), {}), "has none"),
}
BROKEN_LEGACY = {
    "another version": (
        pickle.dumps(0x1950A86A20F9469CFC6C, 2)
        + pickle.dumps(1002, 2)
        + pickle.dumps({}, 2)
        + LEGACY
        + b"].",
        "torch's version 1001, however: 1002",
    ),
    "big-endian": (
        LEGACY_HEAD[: LEGACY_HEAD.rindex(b"\x80")]
        + pickle.dumps({"little_endian": False}, 2)
        + LEGACY
        + b"].",
        "big-endian",
    ),
    "cut": (torch_legacy(LEGACY, {"0": bytes(16)})[:-3], "it is truncated, have"),
    "cut in the pickles": (torch_legacy(LEGACY, {"0": bytes(16)})[:60], "well formed"),
    "cut before a length": (torch_legacy(LEGACY, {"0": bytes(16)})[:-20], "the length of storage '0'"),
    "storage not listed": (torch_legacy(LEGACY, {}), "must list storage '0'"),
    "storage of nobody": (
        torch_legacy(LEGACY, {"0": bytes(16), "1": b""}),
        "belong to a tensor, however: '1'",
    ),
    "storage short": (torch_legacy(LEGACY, {"0": bytes(12)}), "have 12 bytes, need 16"),
    "negative length": (
        torch_legacy(LEGACY, {"0": b""}).removesuffix(bytes(8)) + b"\xff" * 8,
        "must lie inside the file",
    ),
}


@pytest.mark.parametrize("kind", BROKEN_ZIPS | {f"legacy {kind}": None for kind in BROKEN_LEGACY})
def test_every_fault_is_named(kind: str, tmp_path: Path) -> None:
    content, words = BROKEN_ZIPS.get(kind) or BROKEN_LEGACY[kind.removeprefix("legacy ")]
    path = tmp_path / "model.ckpt"
    path.write_bytes(content)
    with pytest.raises(CheckpointError) as found:
        Checkpoint.open(path)
    assert words in str(found.value)
    assert str(path) in str(found.value)


@pytest.mark.parametrize("root", ["archive", "model", "v1-5 pruned.ckpt", "ü"])
def test_any_root_folder_will_do(root: str, tmp_path: Path) -> None:
    path = tmp_path / "model.ckpt"
    path.write_bytes(
        torch_zip(GOOD, {"0": bytes(16)}, root=root, extra={"version": b"3\n", "byteorder": b"little"})
    )
    assert dict(Checkpoint.open(path).shapes) == {"w": (4,)}


def test_an_archive_of_something_else_names_what_is_inside(tmp_path: Path) -> None:
    path = tmp_path / "model.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("folder/model.safetensors", b"")
    with pytest.raises(BrokenFile) as found:
        Checkpoint.open(path)
    assert "folder/model.safetensors" in found.value.hint


def test_a_damaged_member_is_named(tmp_path: Path) -> None:
    content = bytearray(torch_zip(GOOD, {"0": bytes(16)}))
    content[content.index(b"PK\x03\x04", 1)] = 0
    path = tmp_path / "model.zip"
    path.write_bytes(content)
    with pytest.raises(BrokenFile, match="a member must start at byte"):
        Checkpoint.open(path)


def test_a_member_that_claims_to_be_longer_than_the_file(tmp_path: Path) -> None:
    content = bytearray(torch_zip(GOOD, {"0": bytes(16)}))
    entry = content.rindex(b"PK\x01\x02")
    content[entry + 24 : entry + 28] = (1 << 20).to_bytes(4, "little")
    path = tmp_path / "model.zip"
    path.write_bytes(content)
    with pytest.raises(BrokenFile, match=r"'archive/data/0' must lie inside the file, .* need 1048"):
        Checkpoint.open(path)


def test_parts_of_storages_of_the_oldest_files(tmp_path: Path) -> None:
    part = b"(" + text("part") + number(2) + number(4) + b"t"
    storage = (
        b"("
        + text("storage")
        + named("torch", "FloatStorage")
        + text("root")
        + text("cpu")
        + number(8)
        + part
    )
    path = tmp_path / "old.pt"
    numbers = torch.arange(8.0)
    path.write_bytes(
        torch_legacy(program(text("w"), tensor(storage + b"tQ")), {"root": numbers.numpy().tobytes()})
    )
    assert dict(Checkpoint.open(path).tensors("w"))["w"].tolist() == [2, 3, 4, 5]


@pytest.mark.parametrize("legacy", [False, True])
def test_the_numbers_themselves_are_not_read(legacy: bool) -> None:
    count = 1_000_000
    good = program(text("w"), tensor(stored(count=count, legacy=legacy), number(count) + b"\x85"))
    content = (torch_legacy if legacy else torch_zip)(good, {"0": bytes(4 * count)})
    stream = Counted(content)
    header = (read_legacy if legacy else read_zip)(Source(Path("x"), stream, len(content)))
    assert header.entries["w"].shape == (count,)
    assert stream.taken < 70_000


def test_reading_imports_nothing(tmp_path: Path) -> None:
    path = tmp_path / "model.ckpt"
    path.write_bytes(
        torch_zip(
            program(text("w"), tensor(stored()), text("x"), named("antigravity", "fly")), {"0": bytes(16)}
        )
    )
    checkpoint = Checkpoint.open(path)
    assert "antigravity.fly" in checkpoint.imports
    assert "antigravity" not in sys.modules
