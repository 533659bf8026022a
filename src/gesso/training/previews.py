"""Previews: what `generate` paints with a saved file, painted by the same code, so the same bytes."""

from collections.abc import Iterator
from pathlib import Path

from gesso.generation.events import Painted
from gesso.generation.generate import generate
from gesso.generation.result import Origin, save
from gesso.model import Model, load
from gesso.request import Request
from gesso.runtime.packing import unpack
from gesso.training.recipe import Training
from gesso.training.subjects.base import Use

__all__ = ["asked", "previewed"]


def asked(recipe: Training, use: Use) -> tuple[Request, ...]:
    """The requests of a recipe's previews, as `generate` would be given them."""
    rules = recipe.previews
    fields = {
        "negative": rules.negative,
        "size": rules.size or recipe.size,
        "steps": rules.steps,
        **use.fields(rules.hint),
    }
    known = {name: value for name, value in fields.items() if value is not None}
    return tuple(
        Request.model_validate({"prompt": prompt, "seed": rules.seed + i, **known})
        for i, prompt in enumerate(rules.prompts)
    )


def previewed(recipe: Training, base: Model, use: Use, folder: Path) -> Iterator[Path]:
    """Paint previews with a saved file; each picture's file as it is there.

    Args:
        base: the model that training began from, as it is in its file; it is so again after each picture.
    """
    requests = asked(recipe, use)
    if not requests:
        return
    model = base
    if use.model is not None or use.vae is not None:
        model = load(use.model or base.path, device=str(base.device), dtype=recipe.dtype, vae=use.vae)
    for number, request in enumerate(requests):
        # by the kernels that whoever uses the file will have
        yield _painted(model, request, folder / f"preview-{number}.png")
        for network in model.networks.values():
            unpack(network)


def _painted(model: Model, request: Request, path: Path) -> Path:
    path.unlink(missing_ok=True)
    for event in generate(model, request):
        if isinstance(event, Painted):
            save(event.image, event.request, Origin.of(model), path)
    return path
