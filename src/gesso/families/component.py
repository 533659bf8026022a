"""Components: what a file is that holds one part of a model, not a model."""

from math import prod

from pydantic import BaseModel

from gesso.checkpoint.file import Checkpoint
from gesso.checkpoint.layouts import TINY_DECODER, TINY_ENCODER, original
from gesso.checkpoint.shapes import Shapes
from gesso.errors import CheckpointError
from gesso.families.towers import TowerFile, towers

__all__ = ["ComponentReport", "component"]

VAE = "first_stage_model."


class ComponentReport(BaseModel, use_attribute_docstrings=True):
    """What a file of single parts holds."""

    path: str
    """The file."""
    parts: dict[str, str]
    """Each part and what is known of it."""
    tensors: int
    """How many the file has."""
    parameters: int
    """How many numbers these have."""
    use: str
    """The option that takes such a file."""

    def text(self) -> str:
        """For reading."""
        lines = [f"{self.path}: {', '.join(self.parts)}"]
        lines += [f"  {part}: {what}" for part, what in self.parts.items()]
        lines.append(
            f"  {self.tensors} tensors, {self.parameters / 1e6:.1f} M parameters; use it with {self.use}"
        )
        return "\n".join(lines)


def component(file: Checkpoint) -> ComponentReport | None:
    """Say which parts a file holds, from its header alone; None where it holds none that is known alone."""
    shapes = original(file)[0].shapes
    parts, use = _pictures(shapes), "--vae"
    head = shapes.get("head", ())
    if len(head) == 4:
        parts, use = {"inpaint head": f"for a network whose first block is {head[0]} wide"}, "--controls"
    if not parts:
        try:
            parts, use = {_name(each): _said(each) for each in towers(file.path)}, "--text-encoders"
        except CheckpointError:
            return None
    numbers = sum(prod(shape) for shape in file.shapes.values())
    return ComponentReport(
        path=str(file.path), parts=parts, tensors=len(file.shapes), parameters=numbers, use=use
    )


def _pictures(shapes: Shapes) -> dict[str, str]:
    """Autoencoders, whole or tiny."""
    found: dict[str, str] = {}
    if f"{VAE}decoder.conv_in.weight" in shapes:
        channels = shapes[f"{VAE}decoder.conv_in.weight"][1]
        found["autoencoder"] = f"{channels} channels of latents"
    if f"{TINY_DECODER}1.weight" in shapes:
        channels = shapes[f"{TINY_DECODER}1.weight"][1]
        found["tiny decoder"] = f"{channels} channels of latents, scaled as a denoiser has them"
    if f"{TINY_ENCODER}0.weight" in shapes:
        last = f"{TINY_ENCODER}{shapes.count(TINY_ENCODER.removesuffix('.')) - 1}.weight"
        found["tiny encoder"] = f"{shapes[last][0]} channels of latents, scaled as a denoiser has them"
    return found


def _name(tower: TowerFile) -> str:
    return f"text encoder {tower.width} wide"


def _said(tower: TowerFile) -> str:
    layout = "Hugging Face's" if tower.place == "transformer." else "OpenCLIP's"
    pooled = "" if tower.projection is None else f", whole text as {tower.projection} numbers"
    return f"{tower.layers} layers in {layout} layout{pooled}"
