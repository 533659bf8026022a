"""Forms of AUTOMATIC1111's web UI as requests of ours."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from PIL import Image, ImageOps

from gesso.generation.hires_text import heard
from gesso.generation.infotext import Infotext, parse
from gesso.request import ControlUse, Mask, Refiner, Request, Source, Variation
from gesso.server.a1111_forms import Img2Img, Txt2Img, Unit
from gesso.server.catalogue import Catalogue, Entry
from gesso.server.refusals import Refused
from gesso.server.sent import Sent, from_base64

__all__ = ["MODULES", "Desk", "sampling"]

FILLS = ("blur", "original", "noise", "nothing")
"""Masked content by its number."""
MODES = ("balanced", "prompt", "control")
MODE_NAMES = ("Balanced", "My prompt is more important", "ControlNet is more important")
RESIZES = ("stretch", "crop", "fill")
RESIZE_NAMES = ("Just Resize", "Crop and Resize", "Resize and Fill")
MODULES: Mapping[str, str] = {
    "canny": "canny",
    "lineart_standard": "lineart",
    "lineart_standard (from white bg & black line)": "lineart",
    "scribble_xdog": "scribble",
    "softedge": "softedge",
    "blur_gaussian": "blur",
    "tile_resample": "tile",
    "t2ia_color_grid": "colours",
    "invert": "invert",
    "invert (from white bg & black line)": "invert",
    "threshold": "threshold",
    "shuffle": "shuffle",
}
"""Preprocessors' labels, and our annotators."""
THRESHOLDS: Mapping[str, tuple[str, ...]] = {"canny": ("low", "high"), "threshold": ("at",)}
"""What an annotator's threshold_a and threshold_b are called."""


@dataclass(frozen=True)
class Desk:
    """Makes requests of forms.

    Args:
        settings: what the owner set for himself; a form's own settings go before them.
    """

    catalogue: Catalogue
    sent: Sent
    settings: Mapping[str, Any]

    def model(self, form: Txt2Img) -> Entry:
        """The checkpoint that a form means."""
        settings = {**self.settings, **form.override_settings}
        name = str(settings.get("sd_model_checkpoint") or "")
        return self.catalogue.entry(name.partition(" [")[0]) if name else self.catalogue.default()

    def painting(self, form: Txt2Img, model: Entry) -> Request:
        """Pictures from words."""
        if form.script_name:
            raise Refused(
                422, f"Script '{form.script_name[:100]}' not found", "script_not_found", "script_name"
            )
        said = {**self.settings, **form.override_settings}
        skip = said.get("CLIP_stop_at_last_layers")
        sampler, schedule = sampling(form.sampler_name or form.sampler_index, form.scheduler)
        fields: dict[str, Any] = {
            "prompt": form.prompt,
            "negative": form.negative_prompt,
            "styles": tuple(form.styles),
            "styles_file": "styles.csv" if form.styles else None,
            "size": _size(form, model),
            "seed": None if form.seed < 0 else form.seed % 2**64,
            "count": form.batch_size * form.n_iter,
            "steps": form.steps,
            "sampler": sampler,
            "schedule": schedule,
            "cfg": form.cfg_scale,
            "clip_skip": skip if isinstance(skip, int) and skip > 1 else None,
            "seamless": "both" if form.tiling else None,
            "controls": tuple(self._controls(form)),
        }
        if form.subseed_strength > 0:
            fields["variation"] = Variation(seed=max(0, form.subseed), strength=form.subseed_strength)
        if form.seed_resize_from_w > 0 and form.seed_resize_from_h > 0:
            fields["noise_size"] = (form.seed_resize_from_w, form.seed_resize_from_h)
        if form.refiner_checkpoint not in {"", "None"}:
            fields["refiner"] = Refiner(
                model=self._file(form.refiner_checkpoint), start=form.refiner_switch_at
            )
        return Request.model_validate(fields)

    def enlarged(self, form: Txt2Img, model: Entry) -> Request:
        """Pictures from words, painted again larger if the form says so."""
        request = self.painting(form, model)
        if not form.enable_hr:
            return request
        resize = f"{form.hr_resize_x}x{form.hr_resize_y}"
        told = {
            **({"Hires upscale": str(form.hr_scale)} if resize == "0x0" else {"Hires resize": resize}),
            "Hires upscaler": form.hr_upscaler,
            "Hires steps": str(form.hr_second_pass_steps),
            "Hires prompt": form.hr_prompt,
            "Hires negative prompt": form.hr_negative_prompt,
        }
        steps, strength = form.steps or model.steps, form.denoising_strength
        follow = heard(Infotext(steps=steps, size=request.size, strength=strength, others=told))
        if follow is None:
            raise Refused(422, "a larger size must be one that can be painted", "invalid_value", "hr_scale")
        sampler, schedule = sampling(_unlike_first(form.hr_sampler_name), _unlike_first(form.hr_scheduler))
        other = _unlike_first(form.hr_checkpoint_name)
        update = {
            "model": self._file(other) if other else None,
            "sampler": sampler,
            "schedule": schedule,
            "cfg": form.hr_cfg,
        }
        return request.model_copy(update={"then": (follow.model_copy(update=update),)})

    def _file(self, title: str) -> Path:
        """A checkpoint's file by the name that a request gives it."""
        places = self.sent.places
        return places.named(places.model(self.catalogue.entry(title.partition(" [")[0]).name))

    def repainting(self, form: Img2Img, model: Entry) -> Request:
        """Pictures painted over another, or into it where the mask is."""
        if len(form.init_images) != 1:
            raise Refused(404, "Init image not found: there must be one", "no_image", "init_images")
        base = self.painting(form, model)
        image = self.sent.opened(from_base64(form.init_images[0]))
        width, height = form.width or image.width, form.height or image.height
        size = (max(8, width // 8 * 8), max(8, height // 8 * 8))
        source = Source(
            image=self.sent.keep_image(_resized(image, size, form.resize_mode)),
            # what the web UI calls 0 repaints nothing; ours begins above it
            strength=max(form.denoising_strength, 1e-6),
        )
        if form.mask:
            source = source.model_copy(update=self._masked(form, size))
        return base.model_copy(update={"source": source, "size": None if form.mask else size})

    def _masked(self, form: Img2Img, size: tuple[int, int]) -> dict[str, Any]:
        mask = self.sent.opened(from_base64(form.mask or "")).convert("L")
        name = self.sent.keep_image(_resized(mask, size, form.resize_mode))
        return {
            "mask": Mask(
                image=name, paint=("white", "black")[form.inpainting_mask_invert], blur=form.mask_blur
            ),
            "fill": FILLS[form.inpainting_fill],
            "only_masked": form.inpaint_full_res,
            "padding": form.inpaint_full_res_padding,
        }

    def _controls(self, form: Txt2Img) -> list[ControlUse]:
        units: list[Any] = []
        for name, said in form.alwayson_scripts.items():
            args = cast(dict[str, Any], said).get("args") if isinstance(said, dict) else None
            if name.casefold() == "controlnet":
                units += args or []
            elif args and args[0] is not False:
                raise Refused(
                    422, f"always on script {name[:100]} not found", "script_not_found", "alwayson_scripts"
                )
        found = [Unit.model_validate(each) for each in units if isinstance(each, dict)]
        return [self._control(each) for each in found if each.enabled and each.model != "None"]

    def _control(self, unit: Unit) -> ControlUse:
        fields: dict[str, Any] = {
            "model": Path(unit.model.partition(" [")[0]),
            "weight": unit.weight,
            "start": unit.guidance_start,
            "end": unit.guidance_end,
            "mode": _choice(unit.control_mode, MODE_NAMES, MODES, "control_mode"),
            "resize": _choice(unit.resize_mode, RESIZE_NAMES, RESIZES, "resize_mode"),
        }
        if unit.picture:
            fields["image"] = self.sent.keep(from_base64(unit.picture))
        if unit.module.casefold() not in {"none", ""}:
            fields |= _annotated(unit)
        return ControlUse(**fields)


def sampling(sampler: str, schedule: str) -> tuple[str | None, str | None]:
    """Our names of a sampler and a schedule; None for the model's own.

    Older clients name the schedule behind the sampler.

    Raises:
        Refused: there is no such sampler or schedule.
    """
    chosen = "" if schedule.casefold() in {"", "automatic"} else f", Schedule type: {schedule}"
    told = parse(f"x\nSteps: 1, Seed: 1, Sampler: {sampler or 'Euler'}{chosen}")
    if sampler and told.sampler is None:
        raise Refused(400, "Sampler not found", "sampler_not_found", "sampler_name")
    if chosen and told.schedule is None:
        raise Refused(400, "Scheduler not found", "scheduler_not_found", "scheduler")
    return told.sampler if sampler else None, told.schedule


def _unlike_first(name: str) -> str:
    """What the second pass has of its own; nothing where it is as in the first."""
    return "" if name.startswith("Use same ") else name


def _annotated(unit: Unit) -> dict[str, Any]:
    name = MODULES.get(unit.module.casefold())
    if name is None:
        raise Refused(422, f"preprocessor {unit.module[:100]} not found", "module_not_found", "module")
    said = zip(THRESHOLDS.get(name, ()), (unit.threshold_a, unit.threshold_b), strict=False)
    return {"annotator": name, "annotator_options": {key: int(value) for key, value in said if value >= 0}}


def _choice(said: str | int, names: tuple[str, ...], ours: tuple[str, ...], param: str) -> str:
    """One of a few, by its number or name."""
    if isinstance(said, int) and 0 <= said < len(ours):
        return ours[said]
    if said in names:
        return ours[names.index(str(said))]
    raise Refused(
        422, f"{param} must be one of {', '.join(names)}, however: {str(said)[:100]}", "invalid_value", param
    )


def _size(form: Txt2Img, model: Entry) -> tuple[int, int]:
    """The web UI, too, takes what is left of a size by eights."""
    width, height = form.width or model.size[0], form.height or model.size[1]
    return width // 8 * 8, height // 8 * 8


def _resized(image: Image.Image, size: tuple[int, int], mode: int) -> Image.Image:
    """The picture in that size: stretched, cut, or whole with a border of its edge's colours."""
    match mode:
        case 1:
            return ImageOps.fit(image, size)
        case 2:
            return ImageOps.pad(image, size)
        case _:
            return image.resize(size)
