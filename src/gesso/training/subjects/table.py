"""Which subject a recipe asks for."""

import torch

from gesso.errors import RequestError
from gesso.model import Model
from gesso.training.recipe import Training
from gesso.training.subjects.base import Subject
from gesso.training.subjects.control import Control
from gesso.training.subjects.low_rank import LowRank
from gesso.training.subjects.new_word import NewWord
from gesso.training.subjects.tiny import Tiny
from gesso.training.subjects.whole import Whole

__all__ = ["BOTH_WAYS", "subject_of", "trains_text"]

BOTH_WAYS = ("encoder", "quant_conv", "post_quant_conv", "decoder")
"""What an autoencoder is made of, in the order it is called; the latter half is the way back."""


def subject_of(recipe: Training, model: Model) -> Subject:
    """A recipe's subject, on a model loaded for it.

    Raises:
        RequestError: the recipe asks for what this model cannot have.
    """
    rules, generator = recipe.subject, torch.Generator().manual_seed(recipe.run.seed)
    fresh = generator if rules.fresh else None
    match rules.kind:
        case "full" | "decoder" | "autoencoder":
            return Whole(model, _parts(recipe, model), fresh)
        case "words":
            if not model.identity.text:
                raise RequestError("a new word must have a text encoder to hear it, however: there is none")
            return NewWord(model, rules.word or recipe.title, rules, generator)
        case "control":
            return Control(model, generator)
        case "tiny":
            return Tiny(model, rules, generator)
        case "lora" | "loha" | "lokr":
            return LowRank(model, rules, generator)


def trains_text(recipe: Training) -> bool:
    """Whether what captions become changes while the recipe runs."""
    rules = recipe.subject
    return rules.kind == "words" or (rules.text and rules.kind in {"full", "lora", "loha", "lokr"})


def _parts(recipe: Training, model: Model) -> tuple[str, ...]:
    """Networks that are trained whole, or modules in them."""
    if recipe.subject.of_pixels:
        ways = BOTH_WAYS if recipe.subject.kind == "autoencoder" else BOTH_WAYS[2:]
        return tuple(f"vae.{way}" for way in ways)
    texts = [part.name for part in model.identity.text] if recipe.subject.text else []
    return (*(["unet"] if recipe.subject.unet else []), *texts)
