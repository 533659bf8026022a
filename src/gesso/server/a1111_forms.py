"""What clients of AUTOMATIC1111's web UI send.

Source: AUTOMATIC1111/stable-diffusion-webui, modules/api/models.py: fields and defaults;
Mikubill/sd-webui-controlnet, ControlNetUnit. What is not told here has no effect on pictures, or none that
gesso has words for; fields that would change a picture otherwise are refused.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

__all__ = ["Base64Image", "Batch", "Extras", "Img2Img", "NamedImage", "Txt2Img", "Unit"]

Off = Literal[False] | None
"""What gesso does not do, and refuses when it is asked for."""


class Tolerant(BaseModel):
    """Null is the same as nothing; fields without a meaning here are let be."""

    model_config = ConfigDict(extra="ignore")

    @field_validator("*", mode="wrap")
    @classmethod
    def _null(cls, value: Any, handler: Any, info: Any) -> Any:
        default = cls.model_fields[info.field_name].get_default(call_default_factory=True)
        return default if value is None else handler(value)


class Unit(Tolerant):
    """One control model with its picture."""

    enabled: bool = False
    module: str = "none"
    model: str = "None"
    weight: float = 1.0
    image: str | dict[str, Any] | None = None
    input_image: str | None = None
    resize_mode: str | int = "Crop and Resize"
    control_mode: str | int = "Balanced"
    guidance_start: float = 0.0
    guidance_end: float = 1.0
    threshold_a: float = -1.0
    threshold_b: float = -1.0

    @property
    def picture(self) -> str | None:
        """The picture's base64 text."""
        image = self.image.get("image") if isinstance(self.image, dict) else self.image
        return image or self.input_image or None


class Txt2Img(Tolerant):
    """Pictures from words."""

    prompt: str = Field(default="", max_length=32_000)
    negative_prompt: str = Field(default="", max_length=32_000)
    styles: list[str] = []
    seed: int = -1
    subseed: int = -1
    subseed_strength: float = Field(default=0.0, ge=0, le=1)
    seed_resize_from_h: int = -1
    seed_resize_from_w: int = -1
    sampler_name: str = ""
    sampler_index: str = ""
    scheduler: str = ""
    batch_size: int = Field(default=1, ge=1, le=100)
    n_iter: int = Field(default=1, ge=1, le=100)
    steps: int | None = Field(default=None, ge=1, le=150)
    cfg_scale: float | None = Field(default=None, ge=0, le=100)
    width: int | None = Field(default=None, ge=8, le=8192)
    height: int | None = Field(default=None, ge=8, le=8192)
    tiling: bool = False
    restore_faces: Off = False
    eta: float | None = None
    s_churn: float | None = None
    s_noise: float | None = None
    override_settings: dict[str, Any] = {}
    refiner_checkpoint: str = ""
    refiner_switch_at: float = Field(default=0.8, ge=0, le=1)
    enable_hr: bool = False
    denoising_strength: float = Field(default=0.75, ge=0, le=1)
    hr_scale: float = Field(default=2.0, gt=0, le=16)
    hr_upscaler: str = Field(default="Latent", max_length=512)
    hr_second_pass_steps: int = Field(default=0, ge=0, le=150)
    hr_resize_x: int = Field(default=0, ge=0, le=8192)
    hr_resize_y: int = Field(default=0, ge=0, le=8192)
    hr_checkpoint_name: str = ""
    hr_sampler_name: str = ""
    hr_scheduler: str = ""
    hr_prompt: str = Field(default="", max_length=32_000)
    hr_negative_prompt: str = Field(default="", max_length=32_000)
    hr_cfg: float | None = Field(default=None, ge=0, le=100)
    """Forge's."""
    script_name: str = ""
    script_args: list[Any] = []
    alwayson_scripts: dict[str, Any] = {}
    send_images: bool = True


class Img2Img(Txt2Img):
    """Pictures painted over or into another."""

    init_images: list[str] = []
    resize_mode: Literal[0, 1, 2, 3] = 0
    mask: str | None = None
    mask_blur: float = Field(default=4.0, ge=0, le=256)
    inpainting_fill: Literal[0, 1, 2, 3] = 0
    inpaint_full_res: bool = True
    inpaint_full_res_padding: int = Field(default=0, ge=0, le=4096)
    inpainting_mask_invert: Literal[0, 1] = 0


class Base64Image(Tolerant):
    """A picture."""

    image: str = ""


class Extras(Base64Image):
    """A picture to enlarge."""

    resize_mode: Literal[0, 1] = 0
    upscaling_resize: float = Field(default=2.0, gt=0, le=16)
    upscaling_resize_w: int = Field(default=512, ge=1, le=16384)
    upscaling_resize_h: int = Field(default=512, ge=1, le=16384)
    upscaler_1: str = "None"
    gfpgan_visibility: float = Field(default=0.0, le=0)
    codeformer_visibility: float = Field(default=0.0, le=0)


class NamedImage(Tolerant):
    """A picture with its file's name."""

    data: str = ""
    name: str = ""


class Batch(Extras):
    """Several pictures to enlarge."""

    imageList: list[NamedImage] = Field(default=[], max_length=100)  # noqa: N815 - the web UI's own name
