"""Forms of OpenAI's Images API as requests of ours."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt
from pathlib import Path

from PIL import Image

from gesso.request import Mask, Request, Source
from gesso.server.catalogue import Entry
from gesso.server.openai_forms import Edit, Form, Generation, Received, Variation
from gesso.server.refusals import Refused
from gesso.server.renditions import Rendition
from gesso.server.sent import Sent

__all__ = ["Wish", "edit", "fitted", "generation", "variation"]

STEPS: Mapping[str, float] = {"low": 0.5, "medium": 0.75, "high": 1.5, "hd": 1.5}
"""What a quality makes of the model's steps."""
NATURAL = 0.75
"""What the natural style makes of the model's guidance scale."""
STRENGTH = {"low": 0.75, "high": 0.5}
"""What is painted anew of a picture without a mask, by input fidelity."""


@dataclass(frozen=True)
class Wish:
    """What to paint, and how to hand it out."""

    request: Request
    rendition: Rendition


def generation(form: Generation, model: Entry) -> Wish:
    """Pictures from words, painted at a size that suits the model and handed out at the one asked for."""
    size = form.wanted
    request = _request(form, model).model_copy(
        update={"prompt": form.prompt, "size": fitted(size, model.size)}
    )
    return Wish(request, _rendition(form, size))


def edit(form: Edit, model: Entry, body: Received, sent: Sent) -> Wish:
    """A picture painted into where its mask, or its own transparency, says so; else painted over."""
    image = _only(body, sent)
    source = Source(image=sent.keep_image(image), strength=STRENGTH[form.input_fidelity])
    mask = _mask(form, body, sent, image)
    if mask is not None:
        large = image.width * image.height > 2 * model.size[0] * model.size[1]
        source = source.model_copy(update={"mask": mask, "strength": 1.0, "only_masked": large})
    update = {
        "prompt": form.prompt,
        "source": source,
        "size": None if mask else fitted(image.size, model.size),
    }
    request = _request(form, model).model_copy(update=update)
    return Wish(request, _rendition(form, form.wanted or image.size))


def variation(form: Variation, model: Entry, body: Received, sent: Sent) -> Wish:
    """Pictures that have much of another."""
    image = _only(body, sent)
    update = {
        "source": Source(image=sent.keep_image(image), strength=STRENGTH["low"]),
        "size": fitted(image.size, model.size),
    }
    request = _request(form, model).model_copy(update=update)
    return Wish(request, Rendition(form.wanted or image.size))


def fitted(size: tuple[int, int] | None, best: tuple[int, int]) -> tuple[int, int]:
    """The size to paint at: about as many pixels as the model knows, in the aspect that is asked for."""
    if size is None:
        return best
    area, known = size[0] * size[1], best[0] * best[1]
    scale = 1.0 if 0.6 * known <= area <= 1.6 * known else sqrt(known / area)
    grid = max(8, min(64, min(best) // 64 * 8))
    width, height = (max(grid, round(side * scale / grid) * grid) for side in size)
    return width, height


def _request(form: Form, model: Entry) -> Request:
    steps, cfg = form.steps, form.guidance_scale
    if isinstance(form, Generation):
        if steps is None and form.quality in STEPS:
            steps = max(1, round(model.steps * STEPS[form.quality]))
        if cfg is None and form.style == "natural":
            cfg = max(1.0, model.cfg * NATURAL)
    # a client's prompt is words, whatever it looks like: nothing in it orders files or choices
    return Request(
        negative=form.negative_prompt, dialect="plain", count=form.n, seed=form.seed, steps=steps, cfg=cfg
    )


def _rendition(form: Generation, size: tuple[int, int] | None) -> Rendition:
    return Rendition(
        size, form.output_format, form.output_compression if form.output_format != "png" else None
    )


def _only(body: Received, sent: Sent) -> Image.Image:
    if not body.images:
        raise Refused(400, "Missing required parameter: 'image'.", "missing_required_parameter", "image")
    if len(body.images) > 1:
        raise Refused(400, "There must be one image, however: there are several.", "unsupported", "image")
    return sent.opened(body.images[0])


def _mask(form: Edit, body: Received, sent: Sent, image: Image.Image) -> Mask | None:
    if body.mask is None:
        clear = image.mode == "RGBA" and image.getchannel("A").getextrema() != (255, 255)
        return Mask(paint="transparent") if clear else None
    mask = sent.opened(body.mask)
    if mask.size != image.size:
        raise Refused(
            400,
            f"A mask must have its image's size, however: {mask.size} and {image.size}.",
            "invalid_value",
            "mask",
        )
    if form.mask_paint in {"transparent", "opaque"} and mask.mode != "RGBA":
        raise Refused(
            400,
            "A mask must have transparency (or say mask_paint), however: it has none.",
            "invalid_value",
            "mask",
        )
    name: Path = sent.keep_image(mask)
    return Mask(image=name, paint=form.mask_paint)
