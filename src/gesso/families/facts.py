"""Facts that neither names nor shapes show, each with the rule that decided it.

The order is always the same: the user's word, the file's metadata, marker tensors, a behaviour probe (only
when the weights are loaded and only for families that are ambiguous), the file's name, the family's rule.
"""

import json
from dataclasses import asdict, dataclass, replace
from math import inf, nan
from typing import Literal, get_args

from pydantic import TypeAdapter

from gesso.checkpoint.file import Checkpoint
from gesso.errors import BrokenFile, UnknownName
from gesso.families.family import Defaults, Family, HeadRule, LatentSpace, PredictionName
from gesso.families.few_steps import few_steps

__all__ = ["Decision", "Facts", "Rule", "called", "predictions", "resolve"]

Rule = Literal["user", "metadata", "marker tensors", "probe", "name", "family"]

_METADATA_NAMES = {
    "v": "v",
    "v_prediction": "v",
    "epsilon": "epsilon",
    "eps": "epsilon",
    "x0": "x0",
    "sample": "x0",
}

PLAYGROUND = LatentSpace(
    scale=0.5,
    mean=(-1.6574, 1.886, -1.383, 2.5155),
    std=(8.4927, 5.9022, 6.5498, 5.2299),
    narrow=False,
)
"""Playground v2.5's latent space. Source: its published vae/config.json (latents_mean, latents_std)."""


@dataclass(frozen=True)
class Decision:
    """A value, the rule that decided it, and what that rule saw."""

    value: str
    by: Rule
    because: str


@dataclass(frozen=True)
class Facts:
    """What shapes cannot tell about a file.

    Args:
        levels: "trained", "zero terminal SNR" or "continuous".
        sigma_range: lowest and highest noise level where levels are continuous.
    """

    prediction: Decision
    levels: Decision
    heads: HeadRule
    heads_by: Rule
    latent: LatentSpace
    latent_by: Rule
    defaults: Defaults
    defaults_by: Rule
    sigma_range: tuple[float, float] = (0.002, 80.0)


def predictions() -> tuple[str, ...]:
    """Names of the prediction types."""
    return get_args(PredictionName)


def resolve(checkpoint: Checkpoint, family: Family, prediction: str | None) -> Facts:
    """Decide what shapes cannot tell, from the user's word, metadata, markers and the family's rule.

    Raises:
        UnknownName: the user named no known prediction type.
        BrokenFile: the file states something that is not what its name says.
    """
    heads = _stated(checkpoint, "gesso.num_heads")
    scale = _stated(checkpoint, "gesso.latent_scale")
    playground = "edm_mean" in checkpoint.shapes
    latent = PLAYGROUND if playground else family.latent
    defaults, defaults_by = _defaults(checkpoint, family.defaults)
    return Facts(
        prediction=_prediction(checkpoint, family, prediction),
        levels=_levels(checkpoint),
        heads=HeadRule(count=int(heads)) if heads else family.heads,
        heads_by="metadata" if heads else "family",
        latent=replace(latent, scale=scale) if scale else latent,
        latent_by="metadata" if scale else ("marker tensors" if playground else "family"),
        defaults=defaults,
        defaults_by=defaults_by,
        sigma_range=(0.002, 120.0) if "edm_vpred.sigma_max" in checkpoint.shapes else (0.002, 80.0),
    )


def _prediction(checkpoint: Checkpoint, family: Family, asked: str | None) -> Decision:
    if asked is not None:
        name = _METADATA_NAMES.get(asked, asked)
        if name not in predictions():
            raise UnknownName("prediction", asked, predictions())
        return Decision(name, "user", "asked for")
    for key in ("modelspec.prediction_type", "modelspec.predict_key"):
        stated = checkpoint.metadata.get(key, "")
        if stated in _METADATA_NAMES:
            return Decision(_METADATA_NAMES[stated], "metadata", f"{key} = {stated}")
    for marker, value in (("edm_vpred.sigma_max", "edm_v"), ("edm_mean", "edm"), ("v_pred", "v")):
        if marker in checkpoint.shapes:
            return Decision(value, "marker tensors", f"{marker} is there")
    because = (
        "could also be another: loading asks the network" if family.ambiguous else f"every {family.name}"
    )
    return Decision(family.prediction, "family", because)


def _levels(checkpoint: Checkpoint) -> Decision:
    for marker in ("edm_vpred.sigma_max", "edm_mean"):
        if marker in checkpoint.shapes:
            return Decision("continuous", "marker tensors", f"{marker} is there")
    if "ztsnr" in checkpoint.shapes:
        return Decision("zero terminal SNR", "marker tensors", "ztsnr is there")
    return Decision("trained", "family", "the published table")


def _stated(checkpoint: Checkpoint, key: str) -> float | None:
    """A number above 0 that the file states, or None."""
    text = checkpoint.metadata.get(key)
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = nan
    if not 0 < value < inf:
        raise BrokenFile(f"metadata {key} must be a number above 0, however: {text!r}")
    return value


def _defaults(checkpoint: Checkpoint, family: Defaults) -> tuple[Defaults, Rule]:
    """The file's own defaults over the family's, or those of the way in which it was distilled."""
    text = checkpoint.metadata.get("gesso.defaults")
    if text:
        try:
            own = TypeAdapter(Defaults).validate_python({**asdict(family), **json.loads(text)})
        except (TypeError, ValueError) as error:
            raise BrokenFile(f"metadata gesso.defaults must be defaults as JSON, however: {error}") from error
        return own, "metadata"
    kind = few_steps(called(checkpoint))
    return (family, "family") if kind is None else (kind.over(family), "name")


def called(checkpoint: Checkpoint) -> tuple[str, ...]:
    """What people call a file: its name, its title, and what a training program was told to call it."""
    stated = (checkpoint.metadata.get(key, "") for key in ("modelspec.title", "ss_output_name"))
    return (checkpoint.path.stem, *stated)
