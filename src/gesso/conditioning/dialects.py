"""The prompt dialects by name: reading, writing, and converting between them."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Literal

from gesso.conditioning import a1111, comfy, compel
from gesso.conditioning.prompt import (
    Break,
    Node,
    Part,
    Prompt,
    Segment,
    Share,
    Switch,
    Tree,
    timeline,
    walk,
)
from gesso.errors import UnknownName, Unsupported

__all__ = ["DIALECTS", "Dialect", "convert", "dialect", "parse", "unsayable", "words"]

Ability = Literal["weights", "negative weights", "windows", "schedules", "compositions", "mixtures", "extras"]


@dataclass(frozen=True)
class Dialect:
    """One way to write prompts.

    Args:
        parse: text and the names of known embeddings → tree; takes any text.
        render: tree → text that parses to it.
        says: what can be said in it beside words.
        emphasis: how weights act by default, by the name of an emphasis.
        cut: how prompts that do not fit into a window are cut, by default.
    """

    parse: Callable[[str, Collection[str]], Tree]
    render: Callable[[Tree], str]
    says: frozenset[Ability]
    emphasis: str
    cut: Literal["comma", "group", "full"]


def _plain(text: str, embeddings: Collection[str] = ()) -> Tree:
    del embeddings
    places = tuple(range(len(text)))
    return Tree((Part((Share((Segment(text, places=places),) if text else ()),)),))


def _plainly(tree: Tree) -> str:
    return "".join(node.text for node in walk(tree) if isinstance(node, Segment))


DIALECTS: dict[str, Dialect] = {
    "a1111": Dialect(
        a1111.parse,
        a1111.render,
        frozenset({"weights", "negative weights", "windows", "schedules", "compositions", "extras"}),
        "original",
        "comma",
    ),
    "comfy": Dialect(
        comfy.parse, comfy.render, frozenset({"weights", "negative weights"}), "interpolate", "group"
    ),
    "compel": Dialect(
        compel.parse, compel.render, frozenset({"weights", "windows", "mixtures"}), "remove", "full"
    ),
    "plain": Dialect(_plain, _plainly, frozenset(), "original", "comma"),
}


def dialect(name: str) -> Dialect:
    """A dialect by its name.

    Raises:
        UnknownName: there is no such dialect.
    """
    if name not in DIALECTS:
        raise UnknownName("dialect", name, DIALECTS)
    return DIALECTS[name]


def parse(text: str, name: str = "a1111", embeddings: Collection[str] = ()) -> Tree:
    """Read a prompt in a dialect. Every text is a prompt.

    Args:
        embeddings: names of known embeddings, where words can be names.

    Raises:
        UnknownName: there is no such dialect.
    """
    return dialect(name).parse(text, embeddings)


def words(text: str, name: str = "a1111") -> Prompt:
    """A prompt's words as its first estimate is told them at the first of many steps."""
    return timeline(parse(text, name), 1000)[0].told[0].shares[0][0]


def convert(text: str, source: str, target: str, embeddings: Collection[str] = ()) -> str:
    """The same prompt in another dialect: the same words, weights and windows.

    How weights act is no part of a text. A converted prompt paints the same picture where the emphasis is
    kept too, which is what `Request.emphasis` is for.

    Raises:
        UnknownName: there is no such dialect.
        Unsupported: the target has no words for something in this prompt; lists what, and where.
    """
    tree = parse(text, source, embeddings)
    missing = [f"{what} ({_where(places)})" for what, places in unsayable(tree, target)]
    if missing:
        raise Unsupported(
            f"the {target} dialect must be able to say the whole prompt, however: it cannot say "
            f"{'; '.join(missing)}",
            hint=_ELSEWHERE.get(target, ""),
        )
    return dialect(target).render(tree)


_ELSEWHERE = {
    "comfy": "in ComfyUI these are nodes: Combine for AND, Concat for BREAK, SetTimestepRange for schedules, "
    "LoraLoader for LoRAs"
}


def _where(places: tuple[int, ...]) -> str:
    return f"at {places[0] + 1}" if places else "somewhere"


def unsayable(tree: Tree, target: str) -> Iterator[tuple[str, tuple[int, ...]]]:
    """What a dialect cannot say of a tree, in words, and the places in the prompt it was read from."""
    says = dialect(target).says
    if len(tree.parts) > 1 and "compositions" not in says:
        yield "AND", ()
    if any(len(part.shares) > 1 for part in tree.parts) and "mixtures" not in says:
        yield "a mixture of contexts", ()
    if "extras" not in says:
        yield from ((f"<{extra.kind}:{extra.name}>", extra.places) for extra in tree.extras)
    for node in walk(tree):
        need = _need(node)
        if need and need not in says:
            yield _named(node), node.places


def _need(node: Node) -> Ability | None:
    match node:
        case Segment(weight=1.0, embedding=False):
            return None
        case Segment():
            return "negative weights" if node.weight < 0 else "weights"
        case Break():
            return "windows"
        case _:
            return "schedules"


def _named(node: Node) -> str:
    match node:
        case Segment(embedding=True):
            return f"the embedding {node.text!r}"
        case Segment():
            return f"the weight {node.weight:g}"
        case Break():
            return "a window of its own"
        case Switch():
            return "a schedule"
        case _:
            return "words that take turns"
