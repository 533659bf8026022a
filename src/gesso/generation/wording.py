"""Wording: a request's words, made out for one picture and step by step."""

from gesso.conditioning.dialects import parse
from gesso.conditioning.prompt import Extra, Part, Share, Span, Told, Tree, blended, timeline
from gesso.conditioning.styles import read_styles, styled
from gesso.conditioning.wildcards import expand
from gesso.errors import RequestError
from gesso.request import Request

__all__ = ["called", "composed", "estimates", "moments", "named_extras", "regional", "said_at", "spoken"]


def spoken(request: Request, picture: int = 0) -> Request:
    """The request with its styles applied and its choices made by the seed of one of its pictures.

    Args:
        picture: from 0.

    Raises:
        UnknownName: there is no such style.
        RequestError: the styles cannot be read, or a wildcard file cannot.
    """
    prompt, negative = request.prompt, request.negative
    if request.styles:
        if request.styles_file is None:
            raise RequestError("styles must come with --styles-file, however: it was not given")
        prompt, negative = styled(prompt, negative, read_styles(request.styles_file), request.styles)
    seed = (request.seed or 0) + picture
    said: dict[str, object] = {
        "prompt": expand(prompt, seed, request.wildcards),
        "negative": expand(negative, seed, request.wildcards),
        "styles": (),
    }
    if request.blend is not None:
        other = expand(request.blend.prompt, seed, request.wildcards)
        said["blend"] = request.blend.model_copy(update={"prompt": other})
    return request.model_copy(update=said)


def moments(request: Request, steps: int) -> tuple[tuple[Span, Told | None], ...]:
    """What the network is told, span by span: the estimates to be added up, and what to keep away from.

    Without guidance the negative is not read at all, except by a composition, which is built upon it: its
    length must not change the picture.
    """
    positive = timeline(_positive(request), steps)
    negative = timeline(_one(parse(request.negative, request.dialect)), steps)
    ends = sorted({span.until for span in (*positive, *negative)})
    found = [(Span(end, said_at(positive, end).told), said_at(negative, end).told[0]) for end in ends]
    return tuple(_merged([(span, told if _needed(request, span) else None) for span, told in found]))


def _positive(request: Request) -> Tree:
    """What the prompt says, on its way to other words where it is."""
    own = parse(request.prompt, request.dialect)
    if request.blend is None:
        return own
    return blended(own, parse(request.blend.prompt, request.dialect), request.blend.share)


def regional(request: Request, steps: int) -> tuple[tuple[Span, ...], ...]:
    """What each region is told, span by span.

    Raises:
        RequestError: a region's prompt is a composition.
    """
    found = tuple(timeline(parse(each.prompt, request.dialect), steps) for each in request.regions)
    for region, spans in zip(request.regions, found, strict=True):
        if any(composed(span) for span in spans):
            raise RequestError(f"a region must be told one thing, however: {region.prompt!r} joins several")
    return found


def estimates(request: Request, steps: int) -> tuple[int, ...]:
    """How many rows of latents each step's call takes for the prompt alone, without the negative."""
    positive = timeline(_positive(request), steps)
    return tuple(len(said_at(positive, step).told) for step in range(1, steps + 1))


def called(extra: Extra) -> str:
    """What a prompt calls a file, such as "lora:name"."""
    return f"{extra.kind}:{extra.name}"


def named_extras(request: Request) -> tuple[str, ...]:
    """What prompt and negative name beside words, such as `<lora:name>`, and the request has no file for."""
    there = {use.named for use in request.loras}
    positive, negative = _positive(request).extras, parse(request.negative, request.dialect).extras
    return (
        *(f"<{called(extra)}>" for extra in positive if called(extra) not in there),
        *(f"<{called(extra)}>" for extra in negative),
    )


def _needed(request: Request, span: Span) -> bool:
    return request.cfg != 1.0 or composed(span)


def composed(span: Span) -> bool:
    """Whether estimates are added up."""
    return tuple(each.weight for each in span.told) != (1.0,)


def said_at(spans: tuple[Span, ...], step: int) -> Span:
    """The span that a step, counted from 1, is in."""
    return next(span for span in spans if step <= span.until)


def _one(tree: Tree) -> Tree:
    """AND has no meaning in a negative: there, what it joins is said in one."""
    if len(tree.parts) == 1:
        return tree
    nodes = tuple(node for part in tree.parts for node in part.shares[0].nodes)
    return Tree((Part((Share(nodes),)),))


def _merged(found: list[tuple[Span, Told | None]]) -> list[tuple[Span, Told | None]]:
    kept: list[tuple[Span, Told | None]] = []
    for span, negative in found:
        if kept and kept[-1][0].told == span.told and kept[-1][1] == negative:
            kept.pop()
        kept.append((span, negative))
    return kept
