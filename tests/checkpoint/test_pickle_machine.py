import io
import pickle
from collections.abc import Callable

import pytest

from gesso.checkpoint import pickle_machine
from gesso.checkpoint.pickle_machine import Global, Inert, Machine, Rationed
from gesso.errors import BrokenFile
from tests.files import named, number, text


class Notes:
    """A meaning under which nothing means anything."""

    def call(self, name: Global, args: tuple[object, ...]) -> object:
        return Inert(str(name), args)

    def reference(self, found: object) -> object:
        return Inert("reference", (found,))


def load(content: bytes) -> object:
    return Machine(Notes()).load(Rationed(io.BytesIO(content), len(content)))


PLAIN = {
    "numbers": [0, 1, -1, 255, 65536, 2**31, -(2**40), 2**100, -(2**2000), 0.0, -1.5, 1e300],
    "text": ["", "a", "ü\n", "x" * 300, "\\u0041", "'\""],
    "constants": [None, True, False],
    "bytes": [b"", b"\x00\xff", b"x" * 300],
    "nested": {"a": [1, (2, (3,)), {"b": ()}], "c": {1: (1, 2, 3, 4)}, True: None},
    "empty": [[], {}, ()],
    "long": [list(range(3000)), {str(i): i for i in range(3000)}, tuple(range(20))],
}


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("kind", [kind for kind in PLAIN if kind != "bytes"])
def test_plain_values_are_what_python_reads(kind: str, protocol: int) -> None:
    assert load(pickle.dumps(PLAIN[kind], protocol)) == PLAIN[kind]


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_bytes_are_what_python_reads(protocol: int) -> None:
    assert load(pickle.dumps(PLAIN["bytes"], protocol)) == PLAIN["bytes"]


def test_sharing_and_self_reference_survive() -> None:
    shared: list[object] = [1]
    shared.append(shared)
    found = load(pickle.dumps({"a": shared, "b": shared}))
    assert isinstance(found, dict)
    assert found["a"] is found["b"]
    assert found["a"][1] is found["a"]


def test_values_and_marks_can_be_taken_back() -> None:
    assert load(b"N(0(NN1" + text("a") + b"\x86.") == (None, "a")
    assert load(text("a") + b"2\x86.") == ("a", "a")


def test_sets_become_lists() -> None:
    assert load(pickle.dumps({7}, 4)) == [7]
    assert load(pickle.dumps(frozenset({7}), 4)) == [7]


CALL = named("somewhere", "thing")
CALLS: dict[str, tuple[bytes, object]] = {
    "REDUCE": (CALL + text("x") + b"\x85R", ("x",)),
    "STACK_GLOBAL": (text("somewhere") + text("thing") + b"\x93" + text("x") + b"\x85R", ("x",)),
    "NEWOBJ": (CALL + text("x") + b"\x85\x81", ("x",)),
    "INST": (b"(" + text("x") + b"isomewhere\nthing\n", ("x",)),
    "OBJ": (b"(" + CALL + text("x") + b"o", ("x",)),
    "NEWOBJ_EX": (CALL + text("x") + b"\x85}\x92", (("x",), {})),
}


@pytest.mark.parametrize("kind", CALLS)
def test_calls_are_written_down(kind: str) -> None:
    content, args = CALLS[kind]
    found = load(content + b".")
    assert isinstance(found, Inert)
    assert found.name == "somewhere.thing"
    assert found.args == args


def test_what_is_put_into_a_call_is_kept_with_it() -> None:
    content = CALL + b")R" + text("k") + number(1) + b"s" + number(2) + b"a" + text("state") + b"b."
    found = load(content)
    assert isinstance(found, Inert)
    assert (found.entries, found.members, found.state) == ({"k": 1}, [2], "state")


def test_names_are_written_down_in_order() -> None:
    machine = Machine(Notes())
    content = CALL + b"0" + text("a") + text("b") + b"\x930" + b"(icopyreg\nfoo\n0\x82\x05."
    machine.load(Rationed(io.BytesIO(content), len(content)))
    assert list(machine.imports) == ["somewhere.thing", "a.b", "copyreg.foo", "copyreg extension.5"]


def test_calls_of_calls_keep_the_first_name() -> None:
    found = load(CALL + b")R)R.")
    assert isinstance(found, Inert)
    assert found.name == "somewhere.thing"
    assert load(number(1) + b")R.").name == "?"


@pytest.mark.parametrize("content", [b"Pabc\n.", text("abc") + b"Q."])
def test_references_are_asked_of_the_owner(content: bytes) -> None:
    found = load(content)
    assert isinstance(found, Inert)
    assert found.args == ("abc",)


def test_buffers_outside_are_noted() -> None:
    assert isinstance(load(b"\x97\x98."), Inert)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "well formed"),
        (b"N", "well formed"),
        (b".", "the stack is empty"),
        (b"0.", "the stack is empty"),
        (b"\xff.", "unknown"),
        (b"h\x07.", "remembered as number 7"),
        (b"t.", "there is no mark"),
        (b"}(Nu.", "a key has no value"),
        (b"Na.", "the stack is empty"),
        (b"NNa.", "values are put into a NoneType"),
        (b"NNNs.", "items are put into a NoneType"),
        (b"NN\x93.", "the name of a global is not text"),
        (CALL + b"NR.", "no tuple"),
        (b"(o.", "well formed"),
        (b"\x8e" + (1 << 62).to_bytes(8, "little") + b".", "must be at most"),
        (b"B\xff\xff\xff\x7fabc.", "must be at most"),
        (b"X\xff\x00\x00\x00abc.", "well formed"),
        (b"I12x\n.", "well formed"),
        (b"F--\n.", "well formed"),
        (b"S'unclosed\n.", "well formed"),
        (b"S'\\z'\n\xff.", "well formed"),
    ],
)
def test_malformed_pickles_are_named(content: bytes, words: str) -> None:
    with pytest.raises(BrokenFile, match=words):
        load(content)


@pytest.mark.parametrize("protocol", range(6))
def test_every_truncation_is_broken(protocol: int) -> None:
    content = pickle.dumps({"a": [1.5, "text", (1, 2)], "b": {"c": 2**70}}, protocol)
    for end in range(len(content)):
        with pytest.raises(BrokenFile):
            load(content[:end])


def _laughs(wrap: Callable[[bytes], bytes]) -> bytes:
    return b"]q\x00" + b"".join(wrap(bytes([i])) + b"q" + bytes([i + 1]) for i in range(200)) + b"."


BOMBS = {
    "a billion laughs": _laughs(lambda place: b"h" + place + b"h" + place + b"\x86"),
    "the same as a key": _laughs(lambda place: b"h" + place + b"h" + place + b"\x86")[:-1]
    + b"}q\xfeh\xc8Ns.",
    "the same in a set": _laughs(lambda place: b"h" + place + b"h" + place + b"\x86")[:-1]
    + b"\x8f(h\xc8\x90.",
    "endless nesting": b"]" * 100_000 + b"a" * 99_999 + b".",
    "endless calls": CALL + b")R" * 100_000 + b".",
    "a list that holds itself": b"]q\x00h\x00a.",
    "a huge key": b"}\x8a\xff" + b"\x7f" * 255 + b"Ns.",
}


@pytest.mark.parametrize("kind", BOMBS)
def test_bombs_do_not_go_off(kind: str) -> None:
    assert load(BOMBS[kind]) is not None


def test_a_pickle_that_takes_too_many_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pickle_machine, "LONGEST_RUN", 1000)
    load(b"N0" * 499 + b"N.")
    with pytest.raises(BrokenFile, match="at most 1000 steps"):
        load(b"N0" * 500 + b"N.")


def test_every_opcode_is_known() -> None:
    import pickletools

    names = {opcode.name for opcode in pickletools.opcodes}
    assert names == pickle_machine.OPCODES.keys() | {"STOP"}
