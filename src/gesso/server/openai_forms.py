"""What clients of OpenAI's Images API send, read into one form for each call.

Source: OpenAI's API specification of 2026-08-21, CreateImageRequest, CreateImageEditRequest and
CreateImageVariationRequest: fields, ranges and defaults. Fields of ours are marked so.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypeVar, cast

from fastapi import Request as HttpRequest
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from gesso.server.refusals import Refused
from gesso.server.renditions import PictureFormat
from gesso.server.sent import from_base64

__all__ = ["Edit", "Form", "Generation", "Received", "Variation", "received", "validated"]

SMALLEST, LARGEST = 16, 4096
"""Sides of pictures that are handed out, in pixels."""


def _sized(text: str) -> str:
    if text != "auto" and not all(SMALLEST <= int(side) <= LARGEST for side in text.split("x")):
        raise ValueError(f"each side must have {SMALLEST} to {LARGEST} pixels")
    return text


Dimensions = Annotated[
    str, Field(pattern=r"^(auto|[1-9][0-9]{1,3}x[1-9][0-9]{1,3})$"), AfterValidator(_sized)
]
_Form = TypeVar("_Form", bound="Form")


class Form(BaseModel):
    """What all calls have."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    model: str | None = Field(default=None, max_length=512)
    n: int = Field(default=1, ge=1, le=10)
    size: Dimensions = "auto"
    """Any width x height from 16 to 4096; auto is the picture's own, or what the model paints best."""
    response_format: Literal["url", "b64_json"] | None = None
    user: str | None = Field(default=None, max_length=512)
    """Without effect."""
    safety_identifier: str | None = Field(default=None, max_length=512)
    """Without effect."""
    seed: int | None = Field(default=None, ge=0, lt=2**64)
    """Ours: the first picture's seed."""
    steps: int | None = Field(default=None, ge=1, le=150)
    """Ours: planned denoising steps."""
    guidance_scale: float | None = Field(default=None, ge=0, le=100)
    """Ours: classifier-free guidance scale."""
    negative_prompt: str = Field(default="", max_length=32_000)
    """Ours: what to keep away from."""

    @property
    def wanted(self) -> tuple[int, int] | None:
        """Width and height in pixels; None for auto."""
        if self.size == "auto":
            return None
        width, _, height = self.size.partition("x")
        return int(width), int(height)


class Generation(Form):
    """Pictures from words."""

    prompt: str = Field(min_length=1, max_length=32_000)
    quality: Literal["auto", "standard", "hd", "low", "medium", "high"] = "auto"
    """low takes half the model's steps, medium three quarters, high and hd half more."""
    style: Literal["vivid", "natural"] = "vivid"
    """natural takes three quarters of the model's guidance scale."""
    background: Literal["auto", "opaque"] = "auto"
    moderation: Literal["auto", "low"] = "auto"
    """Without effect: nothing is moderated."""
    output_format: Annotated[
        PictureFormat, BeforeValidator(lambda name: "jpeg" if name == "jpg" else name)
    ] = "png"
    output_compression: int | None = Field(default=None, ge=0, le=100)
    stream: bool = False
    partial_images: int = Field(default=0, ge=0, le=3)
    prompt_upsampling: Literal[False] = False
    """Ours: prompts are never rewritten."""


class Edit(Generation):
    """Pictures painted into or over another."""

    input_fidelity: Literal["low", "high"] = "low"
    """How much of the picture stays where there is no mask: low paints 3/4 anew, high half."""
    mask_paint: Literal["transparent", "opaque", "white", "black"] = "transparent"
    """Ours: which of the mask's pixels mean "paint"."""


class Variation(Form):
    """Pictures like another."""


@dataclass
class Received:
    """A body, taken apart.

    Args:
        fields: everything but files.
        images: picture files, in order.
        mask: the mask's file.
    """

    fields: dict[str, Any] = field(default_factory=dict[str, Any])
    images: list[bytes] = field(default_factory=list[bytes])
    mask: bytes | None = None


async def received(http: HttpRequest) -> Received:
    """A request's body: JSON, or a form with files.

    Raises:
        Refused: it is neither.
    """
    if http.headers.get("content-type", "").startswith(("multipart/", "application/x-www-form-urlencoded")):
        return await _from_form(http)
    try:
        body = await http.json()
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise Refused(400, "We could not parse the JSON body of your request.", "invalid_json")
    return _from_json(cast(dict[str, Any], body))


def validated(form: type[_Form], fields: Mapping[str, Any]) -> _Form:
    """The form, filled in; null is the same as nothing.

    Raises:
        Refused: a field is missing, unknown or has a value that it cannot have.
    """
    try:
        return form.model_validate({name: each for name, each in fields.items() if each is not None})
    except ValidationError as error:
        first = error.errors()[0]
    name = str(first["loc"][0]) if first["loc"] else ""
    match first["type"]:
        case "extra_forbidden":
            raise Refused(400, f"Unknown parameter: '{name}'.", "unknown_parameter", name)
        case "missing":
            raise Refused(400, f"Missing required parameter: '{name}'.", "missing_required_parameter", name)
        case _:
            said = str(first["input"])[:100]
            raise Refused(400, f"Invalid value: '{said}'. {first['msg']}.", "invalid_value", name)


async def _from_form(http: HttpRequest) -> Received:
    found = Received()
    async with http.form(max_files=18, max_fields=100, max_part_size=2**20) as form:
        for name, value in form.multi_items():
            if isinstance(value, str):
                found.fields[name] = value
            elif name in {"image", "image[]"}:
                found.images.append(await value.read())
            elif name == "mask":
                found.mask = await value.read()
            else:
                found.fields[name] = None
    return found


def _from_json(body: dict[str, Any]) -> Received:
    """Pictures stand in JSON as data: addresses."""
    found = Received({name: each for name, each in body.items() if name not in {"images", "mask"}})
    images = body.get("images")
    if images is not None:
        each_in = cast(list[Any], images) if isinstance(images, list) else [None]
        found.images = [_pictured(each, "images") for each in each_in[:16]]
    if body.get("mask") is not None:
        found.mask = _pictured(body["mask"], "mask")
    return found


def _pictured(value: object, param: str) -> bytes:
    address = cast(dict[str, object], value).get("image_url") if isinstance(value, dict) else None
    if not isinstance(address, str) or not address.startswith("data:"):
        raise Refused(
            400, "Pictures must be data: addresses; others are not fetched.", "invalid_value", param
        )
    return from_base64(address)
