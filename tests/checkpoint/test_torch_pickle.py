import io
import pickle

import pytest

from gesso.checkpoint import torch_pickle
from gesso.checkpoint.pickle_machine import Inert, Machine, Rationed
from gesso.checkpoint.torch_pickle import Storage, StoredTensor, TorchMeaning
from gesso.errors import BrokenFile
from tests.files import named, number, program, stored, tensor, text


def load(content: bytes) -> object:
    return Machine(TorchMeaning()).load(Rationed(io.BytesIO(content), len(content)))


def test_a_tensor_is_its_description() -> None:
    found = load(tensor(stored("7", 4)) + b".")
    assert isinstance(found, StoredTensor)
    assert found.storage == Storage("7", "F32", 4)
    assert (found.dtype, found.offset, found.shape, found.strides) == ("F32", 0, (4,), (1,))


def test_parameters_and_wrapped_tensors_are_their_tensor() -> None:
    parameter = named("torch._utils", "_rebuild_parameter") + b"(" + tensor(stored()) + b"\x88NtR."
    assert isinstance(load(parameter), StoredTensor)
    inner = b"(" + stored() + number(0) + number(4) + b"\x85" + number(1) + b"\x85" + b"\x89Nt"
    function = named("torch._utils", "_rebuild_tensor_v2")
    wrapped = named("torch._tensor", "_rebuild_from_type_v2") + b"(" + function + named("torch", "Tensor")
    assert isinstance(load(wrapped + inner + b"}tR."), StoredTensor)
    itself = named("torch._tensor", "_rebuild_from_type_v2")
    assert isinstance(load(itself + b"(" + itself + named("torch", "Tensor") + b")}tR."), Inert)


def test_untyped_storages_take_the_dtype_given() -> None:
    function = named("torch._utils", "_rebuild_tensor_v3")
    args = stored(kind="UntypedStorage") + number(0) + number(4) + b"\x85" + number(1) + b"\x85" + b"\x89N"
    found = load(function + b"(" + args + named("torch", "float8_e4m3fn") + b"tR.")
    assert isinstance(found, StoredTensor)
    assert (found.dtype, found.storage.dtype) == ("F8_E4M3", "U8")
    assert isinstance(load(function + b"(" + args + named("torch", "float5") + b"tR."), Inert)


@pytest.mark.parametrize("protocol", [0, 1, 2, 4])
def test_dictionaries_and_bytes_of_every_protocol(protocol: int) -> None:
    import collections

    value = collections.OrderedDict(a=1, b=b"\xff\x00")
    assert load(pickle.dumps(value, protocol)) == {"a": 1, "b": b"\xff\x00"}
    assert load(pickle.dumps(collections.defaultdict(list, a=[1]), protocol)) == {"a": [1]}


@pytest.mark.parametrize("code", ["f8", "f4", "f2", "i8", "i4", "u1", "b1"])
def test_numpy_scalars_are_numbers(code: str) -> None:
    import numpy

    scalar = numpy.array(1, dtype=code)[()]
    assert load(pickle.dumps(scalar, 2)) == 1


def test_big_endian_numpy_scalars() -> None:
    kind = named("numpy", "dtype") + text("f4") + b"\x85R(" + number(3) + text(">") + b"tb"
    assert load(named("numpy.core.multiarray", "scalar") + kind + b"C\x04?\x80\x00\x00\x86R.") == 1.0


def test_dictionaries_made_of_dictionaries() -> None:
    assert load(named("builtins", "dict") + b"}" + text("a") + b"Ns\x85R.") == {"a": None}


def test_unknown_numbers_and_arguments_stay_notes() -> None:
    scalar = named("numpy.core.multiarray", "scalar")
    assert isinstance(load(scalar + b"NN\x86R."), Inert)
    assert isinstance(load(named("_codecs", "encode") + b"NN\x86R."), Inert)
    assert isinstance(load(named("builtins", "list") + b"N\x85R."), Inert)
    assert isinstance(load(named("collections", "OrderedDict") + b"N\x85R."), Inert)
    assert isinstance(load(named("torch._utils", "_rebuild_tensor_v2") + b")R."), Inert)
    assert isinstance(load(named("torch._utils", "_rebuild_tensor_v2") + b"(NNNNtR."), Inert)
    assert isinstance(load(stored(kind="QInt8Storage") + b"."), Inert)
    assert isinstance(load(b"(" + text("storage") + b"tQ."), Inert)
    assert isinstance(load(b"Pplain\n."), Inert)
    assert load(named("builtins", "set") + b")R.") == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (tensor(stored(), shape=number(-4) + b"\x85"), "whole numbers from 0"),
        (tensor(stored(), strides=number(-1) + b"\x85"), "whole numbers from 0"),
        (tensor(stored(), strides=b")"), "a stride per axis"),
        (tensor(stored(), shape=b"N"), "must be a list"),
        (stored(count=-1), "length from 0"),
    ],
)
def test_impossible_tensors_are_named(content: bytes, words: str) -> None:
    with pytest.raises(BrokenFile, match=words):
        load(content + b".")


def test_a_tensor_before_its_storage() -> None:
    function = named("torch._utils", "_rebuild_tensor_v2")
    args = stored() + number(-1) + number(4) + b"\x85" + number(1) + b"\x85"
    with pytest.raises(BrokenFile, match="must start inside"):
        load(function + b"(" + args + b"tR.")


def test_copying_one_list_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_pickle, "MOST_COPIED", 64 * 100)
    pairs = b"](" + (text("a") + b"N\x86") * 10 + b"e\x85q\x00"
    copy = named("collections", "OrderedDict") + b"h\x00R0"
    load(pairs + b"0" + copy * 10 + b"N.")
    with pytest.raises(BrokenFile, match="copy at most"):
        load(pairs + b"0" + copy * 11 + b"N.")


def test_modules_saved_with_their_source_are_their_class() -> None:
    content = b"(" + text("module") + named("a", "B") + text("b.py") + text("code") + b"tQ"
    assert str(load(content + b".")) == "a.B"


def test_parts_of_storages_name_their_root() -> None:
    part = b"(" + text("part") + number(2) + number(3) + b"t"
    content = b"(" + text("storage") + named("torch", "FloatStorage") + text("root") + text("cpu") + number(8)
    assert load(content + part + b"tQ.") == Storage("part", "F32", 3, ("root", 2))


def test_names_outside_tensors_are_not_resolved() -> None:
    found = load(program(text("f"), named("torch.cuda", "init")))
    assert str(found) == "{'f': Global(module='torch.cuda', name='init')}"
