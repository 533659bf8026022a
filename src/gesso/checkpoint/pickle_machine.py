"""A reader of pickles that runs nothing: every call a pickle asks for is only written down.

Python's own unpickler imports and calls whatever a file names. This one has the same stack, marks and memo,
but a name stays a name and a call becomes an `Inert` note of what was asked. What a few harmless names mean
is decided by the reader's owner, through `Meaning`.

Source: Python's pickletools, which documents every opcode; their decoding is taken from there.
"""

import pickletools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import IO, Protocol, cast

from gesso.errors import BrokenFile

__all__ = ["Global", "Inert", "Machine", "Meaning", "Rationed"]

LONGEST_RUN = 2_000_000
"""Opcodes in one file: a training checkpoint of the largest family has about 400,000."""
LONGEST_VALUE = 1 << 26
LONGEST_PICKLE = 1 << 28


@dataclass(frozen=True, slots=True)
class Global:
    """The name of a Python object that a pickle refers to."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


# Neither compared nor printed by content: a hostile pickle nests these without end.
@dataclass(slots=True, eq=False, repr=False)
class Inert:
    """A call that was asked for and not made, with all that was to be put into its result."""

    name: str
    args: object = ()
    entries: dict[object, object] = field(default_factory=dict[object, object])
    members: list[object] = field(default_factory=list[object])
    state: object = None


class Meaning(Protocol):
    """What names and references mean to the owner of the file."""

    def call(self, name: Global, args: tuple[object, ...]) -> object:
        """The value of a call, without making it."""
        ...

    def reference(self, found: object) -> object:
        """The value of a persistent id."""
        ...


class Rationed:
    """The part of a stream that a pickle may read.

    Args:
        stream: a file, standing at the pickle's first byte.
        length: how many bytes there are for it.
    """

    def __init__(self, stream: IO[bytes], length: int) -> None:
        self._stream = stream
        self._left = min(length, LONGEST_PICKLE)

    def read(self, count: int) -> bytes:
        """The next bytes, fewer at the end."""
        # A lying length must not make room for what is not there.
        if count > LONGEST_VALUE:
            raise BrokenFile(
                f"a value in a pickle must be at most {LONGEST_VALUE} bytes long, "
                f"however: {count} are announced at byte {self.tell()}"
            )
        found = self._stream.read(min(count, self._left))
        self._left -= len(found)
        return found

    def readline(self) -> bytes:
        """The rest of the line, cut off where the pickle's part ends."""
        found = self._stream.readline(min(LONGEST_VALUE, self._left))
        self._left -= len(found)
        return found

    def tell(self) -> int:
        """The byte that comes next."""
        return self._stream.tell()


class Machine:
    """The stack, the marks and the memo of one pickle.

    Args:
        meaning: what names mean.
    """

    def __init__(self, meaning: Meaning) -> None:
        self.meaning = meaning
        self.imports: dict[str, None] = {}
        self.steps = 0
        self._clear()

    def _clear(self) -> None:
        self.stack: list[object] = []
        self.marks: list[int] = []
        self.memo: dict[int, object] = {}

    def load(self, stream: Rationed) -> object:
        """The value of the pickle that starts here.

        Raises:
            BrokenFile: it is not a pickle, or one made to exhaust the reader.
        """
        self._clear()
        position = stream.tell()
        try:
            for opcode, argument, at in pickletools.genops(cast("IO[bytes]", stream)):
                position = at or position
                self._step()
                if opcode.name != "STOP":
                    OPCODES[opcode.name](self, argument)
            return self.pop()
        except (ValueError, IndexError, TypeError, OverflowError, Warning) as error:
            raise BrokenFile(
                f"a pickle must be well formed, however: {str(error)[:120]} (near byte {position})"
            ) from None

    def _step(self) -> None:
        self.steps += 1
        if self.steps > LONGEST_RUN:
            raise BrokenFile(f"a pickle must take at most {LONGEST_RUN} steps, however: this one takes more")

    def pop(self) -> object:
        """The value on top of the stack, above the last mark."""
        if len(self.stack) <= (self.marks[-1] if self.marks else 0):
            raise IndexError("the stack is empty")
        return self.stack.pop()

    def top(self) -> object:
        """The same, left where it is."""
        self.stack.append(value := self.pop())
        return value

    def pop_mark(self) -> list[object]:
        """All values above the last mark."""
        if not self.marks:
            raise IndexError("there is no mark")
        start = self.marks.pop()
        values = self.stack[start:]
        del self.stack[start:]
        return values

    def push(self, value: object) -> None:
        """Put a value on the stack."""
        self.stack.append(value)

    def name(self, module: object, name: object) -> Global:
        """Write down that a name was asked for."""
        if not isinstance(module, str) or not isinstance(name, str):
            raise TypeError("the name of a global is not text")
        self.imports[f"{module}.{name}"] = None
        return Global(module, name)

    def call(self, function: object, args: object) -> object:
        """Write down a call."""
        if not isinstance(args, tuple):
            raise TypeError("the arguments of a call are no tuple")
        known = cast("tuple[object, ...]", args)
        if isinstance(function, Global):
            return self.meaning.call(function, known)
        return Inert(function.name if isinstance(function, Inert) else "?", known)


def _push(machine: Machine, value: object) -> None:
    machine.push(value)


def _nothing(machine: Machine, argument: object) -> None:
    """Frames, protocol numbers and read-only marks change nothing."""


def _mark(machine: Machine, _: object) -> None:
    machine.marks.append(len(machine.stack))


def _pop(machine: Machine, _: object) -> None:
    if machine.marks and machine.marks[-1] == len(machine.stack):
        machine.marks.pop()
    else:
        machine.pop()


def _append(machine: Machine, _: object) -> None:
    value = machine.pop()
    _extend(machine.top(), [value])


def _appends(machine: Machine, _: object) -> None:
    values = machine.pop_mark()
    _extend(machine.top(), values)


def _extend(target: object, values: list[object]) -> None:
    members = target.members if isinstance(target, Inert) else target
    if not isinstance(members, list):
        raise TypeError(f"values are put into a {type(target).__name__}")
    cast("list[object]", members).extend(values)


def _setitem(machine: Machine, _: object) -> None:
    value = machine.pop()
    key = machine.pop()
    _set(machine.top(), [key, value])


def _setitems(machine: Machine, _: object) -> None:
    values = machine.pop_mark()
    _set(machine.top(), values)


def _set(target: object, values: list[object]) -> None:
    entries = target.entries if isinstance(target, Inert) else target
    if not isinstance(entries, dict):
        raise TypeError(f"items are put into a {type(target).__name__}")
    cast("dict[object, object]", entries).update(_pairs(values))


def _pairs(values: list[object]) -> dict[object, object]:
    if len(values) % 2:
        raise ValueError("a key has no value")
    return {_key(key): value for key, value in zip(values[::2], values[1::2], strict=True)}


def _key(key: object) -> object:
    """Keys whose hash a hostile pickle can make slow, or that have none, become notes."""
    if isinstance(key, str | bytes | bool | None) or (isinstance(key, int) and abs(key) < 1 << 60):
        return key
    return Inert("key", (key,))


def _dict(machine: Machine, _: object) -> None:
    machine.push(_pairs(machine.pop_mark()))


def _list(machine: Machine, _: object) -> None:
    machine.push(machine.pop_mark())


def _tuple(machine: Machine, _: object) -> None:
    machine.push(tuple(machine.pop_mark()))


def _short_tuple(count: int) -> "Operation":
    def operation(machine: Machine, _: object) -> None:
        machine.push(tuple(reversed([machine.pop() for _ in range(count)])))

    return operation


def _fresh(kind: type) -> "Operation":
    # Sets become lists: hashing nested members could take forever.
    return lambda machine, _: machine.push(kind())


def _constant(value: object) -> "Operation":
    return lambda machine, _: machine.push(value)


def _duplicate(machine: Machine, _: object) -> None:
    machine.push(machine.top())


def _get(machine: Machine, place: object) -> None:
    if place not in machine.memo:
        raise ValueError(f"nothing was remembered as number {place}")
    machine.push(machine.memo[cast("int", place)])


def _put(machine: Machine, place: object) -> None:
    machine.memo[cast("int", place)] = machine.top()


def _memoize(machine: Machine, _: object) -> None:
    machine.memo[len(machine.memo)] = machine.top()


def _global(machine: Machine, argument: object) -> None:
    machine.push(machine.name(*str(argument).split(" ", 1)))


def _stack_global(machine: Machine, _: object) -> None:
    name = machine.pop()
    machine.push(machine.name(machine.pop(), name))


def _extension(machine: Machine, code: object) -> None:
    machine.push(machine.name("copyreg extension", str(code)))


def _reduce(machine: Machine, _: object) -> None:
    args = machine.pop()
    machine.push(machine.call(machine.pop(), args))


def _new_with_keywords(machine: Machine, _: object) -> None:
    keywords, args = machine.pop(), machine.pop()
    function = machine.pop()
    machine.push(Inert(str(function) if isinstance(function, Global) else "?", (args, keywords)))


def _instance(machine: Machine, argument: object) -> None:
    args = tuple(machine.pop_mark())
    machine.push(machine.call(machine.name(*str(argument).split(" ", 1)), args))


def _object(machine: Machine, _: object) -> None:
    function, *args = machine.pop_mark()
    machine.push(machine.call(function, tuple(args)))


def _build(machine: Machine, _: object) -> None:
    state = machine.pop()
    target = machine.top()
    if isinstance(target, Inert):
        target.state = state


def _persistent(machine: Machine, argument: object) -> None:
    machine.push(machine.meaning.reference(argument))


def _persistent_on_stack(machine: Machine, _: object) -> None:
    machine.push(machine.meaning.reference(machine.pop()))


def _buffer(machine: Machine, _: object) -> None:
    machine.push(Inert("a buffer outside the pickle"))


Operation = Callable[[Machine, object], None]

_LITERALS = (
    "INT BININT BININT1 BININT2 LONG LONG1 LONG4 STRING BINSTRING SHORT_BINSTRING BINBYTES SHORT_BINBYTES "
    "BINBYTES8 BYTEARRAY8 UNICODE SHORT_BINUNICODE BINUNICODE BINUNICODE8 FLOAT BINFLOAT"
)

OPCODES: Mapping[str, Operation] = {
    **dict.fromkeys(_LITERALS.split(), _push),
    **dict.fromkeys(("PROTO", "FRAME", "READONLY_BUFFER"), _nothing),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), _get),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), _put),
    **dict.fromkeys(("EXT1", "EXT2", "EXT4"), _extension),
    **dict.fromkeys(("REDUCE", "NEWOBJ"), _reduce),
    **dict.fromkeys(("APPENDS", "ADDITEMS"), _appends),
    **dict.fromkeys(("EMPTY_LIST", "EMPTY_SET"), _fresh(list)),
    **dict.fromkeys(("LIST", "FROZENSET"), _list),
    "NONE": _constant(None),
    "NEWTRUE": _constant(True),
    "NEWFALSE": _constant(False),
    "EMPTY_TUPLE": _constant(()),
    "EMPTY_DICT": _fresh(dict),
    "TUPLE1": _short_tuple(1),
    "TUPLE2": _short_tuple(2),
    "TUPLE3": _short_tuple(3),
    "TUPLE": _tuple,
    "APPEND": _append,
    "DICT": _dict,
    "SETITEM": _setitem,
    "SETITEMS": _setitems,
    "MARK": _mark,
    "POP": _pop,
    "POP_MARK": lambda machine, _: machine.pop_mark().clear(),
    "DUP": _duplicate,
    "MEMOIZE": _memoize,
    "GLOBAL": _global,
    "STACK_GLOBAL": _stack_global,
    "NEWOBJ_EX": _new_with_keywords,
    "INST": _instance,
    "OBJ": _object,
    "BUILD": _build,
    "PERSID": _persistent,
    "BINPERSID": _persistent_on_stack,
    "NEXT_BUFFER": _buffer,
}
"""Every opcode of protocols 0 to 5 except STOP."""
