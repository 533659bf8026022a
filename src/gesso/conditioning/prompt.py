"""The prompt language's one tree: which words, how strongly, at which steps, in which compositions.

Every dialect is read into a Tree and written from one; at a number of steps it becomes a timeline of what the
network is told.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from gesso.errors import RequestError

__all__ = [
    "Break",
    "Cycle",
    "Extra",
    "Node",
    "Part",
    "Prompt",
    "Segment",
    "Share",
    "Span",
    "Switch",
    "Told",
    "Tree",
    "blended",
    "merged",
    "scaled",
    "timeline",
    "walk",
]

Places = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Segment:
    """Words said equally strongly; weight 1 is as they are, 0 not at all.

    Args:
        embedding: the text is the name of an embedding (textual inversion), not words.
        places: where in the prompt each character stood; empty if unknown.
    """

    text: str
    weight: float = 1.0
    embedding: bool = False
    places: Places = field(default=(), compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Break:
    """Here a new window begins."""

    places: Places = field(default=(), compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Switch:
    """Nodes until a step, others after it.

    Args:
        when: as it was written: with a point a share of the steps, without one a step's number.
    """

    before: "tuple[Node, ...]"
    after: "tuple[Node, ...]"
    when: str
    places: Places = field(default=(), compare=False, repr=False)

    def step(self, steps: int, earlier: int = 0) -> int:
        """The last step, counted from 1, that is told `before`; 0 or less for none.

        Args:
            earlier: steps of the pass before this one; 0 in the first. Shares of the second pass run from
                1 to 2, and step numbers go on counting.

        Source: AUTOMATIC1111/stable-diffusion-webui, prompt editing: int(share · steps), at most `steps`.
        """
        value = float(self.when)
        if "." in self.when:
            value = (value - (1.0 if earlier else 0.0)) * steps
        else:
            value -= earlier
        return int(max(-1.0, min(float(steps), value)))


@dataclass(frozen=True, slots=True)
class Cycle:
    """Choices that take turns, a step each."""

    choices: "tuple[tuple[Node, ...], ...]"
    places: Places = field(default=(), compare=False, repr=False)


Node = Segment | Break | Switch | Cycle


@dataclass(frozen=True, slots=True)
class Share:
    """Nodes whose context is mixed with others' in this proportion."""

    nodes: tuple[Node, ...]
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Part:
    """What one estimate is made from.

    Args:
        shares: usually one; several are mixed as contexts.
        weight: of the estimate among the composition's others.
        normed: whether the shares' weights are brought to a sum of 1.
    """

    shares: tuple[Share, ...]
    weight: float = 1.0
    normed: bool = True


@dataclass(frozen=True, slots=True)
class Extra:
    """Something a prompt names beside words, such as `<lora:name:0.8>`.

    Args:
        kind: "lora", "hypernet" and the like.
        values: what follows the name, in order: for a LoRA the text encoder's weight, then the UNet's.
        named: the same given by key: te, unet, dyn.
    """

    kind: str
    name: str
    values: tuple[str, ...] = ()
    named: tuple[tuple[str, str], ...] = ()
    places: Places = field(default=(), compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Tree:
    """A prompt, understood: estimates to be added up, and what else it names."""

    parts: tuple[Part, ...]
    extras: tuple[Extra, ...] = ()


@dataclass(frozen=True, slots=True)
class Prompt:
    """What to paint, in blocks of segments; every BREAK starts a new block."""

    blocks: tuple[tuple[Segment, ...], ...]


@dataclass(frozen=True, slots=True)
class Told:
    """One estimate's words at one moment: prompts to be mixed, each with its proportion."""

    shares: tuple[tuple[Prompt, float], ...]
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Span:
    """What the network is told up to a step.

    Args:
        until: the last step it is told this, counted from 1.
        told: estimates to be added up.
    """

    until: int
    told: tuple[Told, ...]


def timeline(tree: Tree, steps: int, *, earlier: int = 0) -> tuple[Span, ...]:
    """What the network is told at each of a pass's steps; spans that say the same are one.

    Args:
        steps: of the pass, from 1.
        earlier: steps of the pass before it; 0 in the first.
    """
    spans: list[Span] = []
    for until in _turns(tree, steps, earlier):
        told = tuple(_told(part, until, (steps, earlier)) for part in tree.parts)
        if spans and spans[-1].told == told:
            spans.pop()
        spans.append(Span(until, told))
    return tuple(spans)


def _turns(tree: Tree, steps: int, earlier: int) -> list[int]:
    turns = {steps}
    for node in walk(tree):
        match node:
            case Switch():
                turns.add(node.step(steps, earlier))
            case Cycle():
                turns.update(range(1, steps + 1))
            case _:
                pass
    return sorted(turn for turn in turns if turn >= 1)


def walk(tree: Tree) -> Iterator[Node]:
    """Every node, also those inside of others."""
    for part in tree.parts:
        for share in part.shares:
            yield from _inside(share.nodes)


def _inside(nodes: Iterable[Node]) -> Iterator[Node]:
    for node in nodes:
        yield node
        if isinstance(node, Switch):
            yield from _inside((*node.before, *node.after))
        elif isinstance(node, Cycle):
            yield from _inside(each for choice in node.choices for each in choice)


def _told(part: Part, step: int, run: tuple[int, int]) -> Told:
    shares = tuple((_said(share.nodes, step, run), share.weight) for share in part.shares)
    total = sum(weight for _, weight in shares)
    if part.normed and len(shares) > 1 and total:
        shares = tuple((prompt, weight / total) for prompt, weight in shares)
    return Told(shares, part.weight)


def _said(nodes: tuple[Node, ...], step: int, run: tuple[int, int]) -> Prompt:
    said = tuple(_at(nodes, step, run))
    # What a schedule puts side by side is one word: [fe|]male. Without one the dialect has merged already.
    if any(isinstance(node, Switch | Cycle) for node in nodes):
        said = merged(said)
    return Prompt(_blocks(said))


def _blocks(said: tuple[Node, ...]) -> tuple[tuple[Segment, ...], ...]:
    blocks: list[list[Segment]] = [[]]
    for node in said:
        if isinstance(node, Segment):
            blocks[-1].append(node)
        else:
            blocks.append([])
    return tuple(map(tuple, blocks))


def _at(nodes: tuple[Node, ...], step: int, run: tuple[int, int]) -> Iterator[Node]:
    for node in nodes:
        match node:
            case Switch():
                yield from _at(node.before if step <= node.step(*run) else node.after, step, run)
            case Cycle():
                yield from _at(node.choices[(step - 1) % len(node.choices)], step, run)
            case _:
                yield node


def blended(one: Tree, other: Tree, share: float) -> Tree:
    """Words on the way to others: what the network reads of both is mixed.

    Args:
        share: 0 is the one as it is, 1 the other.

    Raises:
        RequestError: one of them is a composition.
    """
    if max(len(one.parts), len(other.parts)) > 1:
        raise RequestError("words must be one thing to go on to others, however: AND joins several")
    if share in {0.0, 1.0}:
        return Tree((other if share else one).parts, one.extras + other.extras)
    shares = (*_portion(one.parts[0], 1.0 - share), *_portion(other.parts[0], share))
    return Tree((Part(shares),), one.extras + other.extras)


def _portion(part: Part, share: float) -> Iterator[Share]:
    """A part's shares, so that they come to a share of the whole."""
    total = sum(each.weight for each in part.shares) or 1.0
    return (replace(each, weight=each.weight / total * share) for each in part.shares)


def scaled(node: Node, factor: float) -> Node:
    """The node with every weight in it multiplied."""
    match node:
        case Segment():
            return replace(node, weight=node.weight * factor)
        case Switch():
            before, after = (
                tuple(scaled(each, factor) for each in side) for side in (node.before, node.after)
            )
            return replace(node, before=before, after=after)
        case Cycle():
            choices = tuple(tuple(scaled(each, factor) for each in choice) for choice in node.choices)
            return replace(node, choices=choices)
        case _:
            return node


def merged(nodes: Iterable[Node]) -> tuple[Node, ...]:
    """Neighbouring words of one weight become one segment; empty ones vanish."""
    found: list[Node] = []
    for node in nodes:
        if not isinstance(node, Segment):
            found.append(node)
            continue
        last = found[-1] if found else None
        if not node.text:
            continue
        if isinstance(last, Segment) and _alike(last, node):
            found[-1] = replace(last, text=last.text + node.text, places=last.places + node.places)
        else:
            found.append(node)
    return tuple(found)


def _alike(left: Segment, right: Segment) -> bool:
    return left.weight == right.weight and not left.embedding and not right.embedding
