"""Controlling: the control models a request names, opened for its models and set to work on a scene."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from gesso.annotators.network import drawn, network_options
from gesso.annotators.table import annotated
from gesso.checkpoint.hashes import sha256
from gesso.control.acting import Acting, Guide, HeadGuide, Strength
from gesso.control.hint import Fit, as_hint, as_region, fitted
from gesso.control.load import load_control
from gesso.errors import AdapterError, RequestError
from gesso.generation.canvas import Box, Stage, grown
from gesso.generation.editing import check_hash, open_picture, picture_hash
from gesso.generation.latents import Scene, as_image, kept
from gesso.generation.plan import within_steps
from gesso.model import Model
from gesso.request import ControlUse
from gesso.sampling.levels import Sigmas

__all__ = ["MARKED", "OpenControl", "View", "open_controls", "set_to_work", "view"]

Size = tuple[int, int]
MARKED = "inpaint"
"""The one annotator that needs more than a picture: it marks what is painted."""


@dataclass(frozen=True)
class OpenControl:
    """A control model, opened.

    Args:
        use: with its files' hashes.
        guides: its network, by the model that it fits.
        picture: what it is shown; None for what is painted into.
        region: where it acts; None everywhere.
    """

    use: ControlUse
    guides: Mapping[str, Guide]
    picture: Image.Image | None
    region: Image.Image | None


@dataclass(frozen=True)
class View:
    """Which part of the finished picture is being painted.

    Args:
        canvas: the finished picture's width and height.
        box: the part.
    """

    canvas: Size
    box: Box

    def part(self, picture: Image.Image, size: Size, fit: Fit) -> Image.Image:
        """What a picture of the whole canvas shows of the part, at a size."""
        whole = fitted(picture, self.canvas, fit)
        part = whole.crop((self.box.left, self.box.top, self.box.right, self.box.bottom))
        return part if part.size == size else part.resize(size, Image.Resampling.LANCZOS)


def view(size: Size, stages: Sequence[Stage] = (), turn: int = 0) -> View:
    """What is painted of the finished picture: all of it, or a stage's part.

    Args:
        size: of the picture before any stage.
        stages: all of them; none where the picture is painted whole.
        turn: which of them.
    """
    if not stages:
        return View(size, Box(0, 0, *size))
    canvas = grown(size, stages)
    left = sum(each.growth.left for each in stages[turn + 1 :])
    up = sum(each.growth.up for each in stages[turn + 1 :])
    box = stages[turn].box
    return View(canvas, Box(box.left + left, box.top + up, box.right + left, box.bottom + up))


def open_controls(
    models: Mapping[str, Model], uses: Sequence[ControlUse], notes: list[str]
) -> tuple[OpenControl, ...]:
    """Open the control models of a request.

    Args:
        models: "base", and "refiner" where there is one; a control model must fit one of them.
        notes: gets what does not apply.

    Raises:
        AdapterError: a file cannot be used, or is not the one the request was made with.
        RequestError: a picture cannot be read, or is not the one the request was made with.
    """
    return tuple(_opened(use, models, notes) for use in uses)


def _opened(use: ControlUse, models: Mapping[str, Model], notes: list[str]) -> OpenControl:
    digest = sha256(use.model)
    if use.sha256 not in {None, digest}:
        raise AdapterError(
            f"{use.model} must be the file the request was made with, however: its hash differs",
            hint=f"wanted: sha256 {use.sha256}",
        )
    guides: dict[str, Guide] = {}
    refusals: list[AdapterError] = []
    for name, model in models.items():
        try:
            guides[name] = load_control(use.model, model, use.kind)
        except AdapterError as error:
            refusals.append(error)
            notes.append(f"{use.model.name}: does not act on the {name}, {model.identity.name}")
    if not guides:
        raise refusals[0]
    found: dict[str, object] = {"sha256": digest, "pooled": use.pooled}
    if use.pooled is None:
        # no tensor tells: the published file is known by its name alone, as in sd-webui-controlnet
        found["pooled"] = "shuffle" in use.model.name.lower()
    for field, path in (("image", use.image), ("region", use.region), ("annotator", use.annotator_file)):
        if path is not None:
            found[f"{field}_sha256"] = picture_hash(path, f"controls.{field}")
    if use.annotator_file is not None:
        check_hash(use.annotator_file, use.annotator_sha256, "controls.annotator_file")
    picture = None if use.image is None else open_picture(use.image, use.image_sha256, "controls.image")
    region = None if use.region is None else open_picture(use.region, use.region_sha256, "controls.region")
    return OpenControl(use.model_copy(update=found), guides, picture, region)


def set_to_work(
    models: Mapping[str, Model], opened: Sequence[OpenControl], scene: Scene, seen: View, sigmas: Sigmas
) -> dict[str, tuple[Acting, ...]]:
    """What acts on each model while a scene is painted.

    Args:
        models: "base", and "refiner" where there is one.
        sigmas: noise levels of the whole run.

    Raises:
        RequestError: a control model has no picture to be shown, or its factors are not as many as it adds.
    """
    found: dict[str, list[Acting]] = {}
    for each in opened:
        for name, guide in each.guides.items():
            size = (scene.latent[1] * guide.scale, scene.latent[0] * guide.scale)
            if isinstance(guide, HeadGuide):
                shown = _kept(each, models[name], scene)
            else:
                shown = _shown(each, scene, seen, size)
            found.setdefault(name, []).append(_acting(each, guide, shown, (seen, size), sigmas))
    return {name: tuple(controls) for name, controls in found.items()}


def _acting(
    each: OpenControl, guide: Guide, shown: Tensor, place: tuple[View, Size], sigmas: Sigmas
) -> Acting:
    use, (seen, size) = each.use, place
    region = None
    if each.region is not None:
        region = as_region(seen.part(each.region.convert("L"), size, use.resize))
    strength = Strength(_layers(use, guide), region, pooled=bool(use.pooled))
    return Acting(
        guide, shown, strength, within_steps(use.start, use.end, sigmas), prompted=use.mode == "control"
    )


def _layers(use: ControlUse, guide: Guide) -> tuple[float, ...]:
    count = len(guide.soft)
    if use.layers is not None and len(use.layers) != count:
        raise RequestError(
            f"controls.layers must be {count} factors for {use.model.name}, however: there are "
            f"{len(use.layers)}"
        )
    plain = (1.0,) * count if use.mode == "balanced" else guide.soft
    return tuple(use.weight * factor for factor in use.layers or plain)


def _shown(each: OpenControl, scene: Scene, seen: View, size: Size) -> Float[Tensor, "1 3 H W"]:
    picture = each.picture
    if picture is not None:
        picture = seen.part(picture.convert("RGB"), size, each.use.resize)
    elif scene.pixels is not None:
        picture = fitted(as_image(scene.pixels), size, "stretch")
    else:
        raise RequestError(
            f"{each.use.model.name} must be shown a picture, however: none is named or painted into",
            hint="name it in controls.image",
        )
    if each.use.annotator == MARKED:
        return _masked(as_hint(picture), scene, each.use)
    if each.use.annotator_file is not None:
        picture = drawn(picture, each.use.annotator_file, network_options(each.use.annotator_options))
    if each.use.annotator is not None:
        picture = annotated(picture, each.use.annotator, each.use.annotator_options)
    return as_hint(picture)


def _kept(each: OpenControl, model: Model, scene: Scene) -> Float[Tensor, "1 c h w"]:
    """What an inpaint head is shown: the mask, and the latents of what is kept."""
    if scene.hole is None or each.picture is not None or each.use.annotator or each.use.annotator_file:
        raise RequestError(
            f"{each.use.model.name} must go with a mask, and with no picture of its own, however: "
            + ("nothing is painted into" if scene.hole is None else "one is named, or made")
        )
    return kept(model, scene)


def _masked(hint: Float[Tensor, "1 3 H W"], scene: Scene, use: ControlUse) -> Float[Tensor, "1 3 H W"]:
    """A hint whose pixels to be painted are marked.

    Source: lllyasviel/ControlNet-v1-1, inpaint: -1 where the mask is above a half; 0 for unions.
    """
    if scene.hole is None:
        raise RequestError("annotator inpaint must go with a mask, however: nothing is painted into")
    value = float(use.annotator_options.get("masked", 0.0 if use.kind else -1.0))
    hole = torch.nn.functional.interpolate(scene.hole, hint.shape[-2:], mode="nearest")
    return torch.where(hole > 0.5, value, hint)
