"""The report on a file: what it is, why, what it could be instead, and what is wrong with it."""

from collections import Counter
from math import prod

from pydantic import BaseModel, ConfigDict

from gesso.families.facts import Decision, called
from gesso.families.few_steps import few_steps
from gesso.families.identify import Identity

__all__ = ["PartReport", "Report", "report"]


class PartReport(BaseModel):
    """One network of a file."""

    tensors: int
    parameters: int
    dtypes: dict[str, int]
    """Number of tensors by type."""


class Report(BaseModel):
    """All that a header tells of a checkpoint file."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    path: str
    bytes: int
    container: str
    family: str
    variant: str
    title: str
    edition: str
    """A well-known width and depth, or empty."""
    paints: bool
    """Whether gesso can paint with it."""
    evidence: list[str]
    rejected: dict[str, str]
    """Every other family, with the first thing that contradicts it."""
    decisions: dict[str, str]
    """What shapes cannot tell: the value and the rule that decided it."""
    parts: dict[str, PartReport]
    ignored: dict[str, int]
    """Tensors that carry nothing a picture needs, by reason."""
    problems: list[str]
    notes: list[str]
    metadata: dict[str, str]
    imports: list[str]
    """Python names that a pickle asks for; none of them was imported."""
    hashes: dict[str, str] = {}
    """The file's hashes as programs of the field write them, where they were asked for."""

    def text(self) -> str:
        """The report for reading."""
        size = f"{self.bytes / 1e9:.2f} GB" if self.bytes > 1e8 else f"{self.bytes / 1e6:.1f} MB"
        name = self.title if self.variant == "base" else f"{self.title}, {self.variant}"
        lines = [f"{self.path}: {name}" + (f" ({self.edition})" if self.edition else "")]
        lines.append(f"  {size}, {self.container}")
        for part, each in self.parts.items():
            kinds = ", ".join(f"{count} {kind}" for kind, count in each.dtypes.items())
            lines.append(f"  {part:8} {each.parameters / 1e6:9.1f} M parameters   {kinds}")
        lines += _section("because", self.evidence)
        lines += _section("decided", [f"{key}: {value}" for key, value in self.decisions.items()])
        lines += _section("not", [f"{name}: {why}" for name, why in self.rejected.items()])
        lines += _section("ignored", [f"{count} tensors: {why}" for why, count in self.ignored.items()])
        lines += _section("noted", self.notes)
        lines += _section("asks for (not imported)", self.imports)
        lines += _section("hashes", [f"{name}: {value}" for name, value in self.hashes.items()])
        lines += _section("wrong", self.problems)
        return "\n".join(lines)


def report(identity: Identity) -> Report:
    """Put what was identified into words."""
    checkpoint = identity.checkpoint
    return Report(
        path=str(checkpoint.path),
        bytes=sum(checkpoint.sizes.values()),
        container=checkpoint.container,
        family=identity.family.name,
        variant=identity.variant.name,
        title=identity.family.title,
        edition=identity.edition,
        paints=not identity.variant.unsupported,
        evidence=list(identity.evidence),
        rejected=dict(identity.rejected),
        decisions=_decisions(identity),
        parts={part: _part(identity, names) for part, names in identity.account.used.items() if names},
        ignored=identity.account.ignored,
        problems=_problems(identity),
        notes=list(identity.notes),
        metadata={key: value[:200] for key, value in checkpoint.metadata.items()},
        imports=list(checkpoint.imports),
    )


def _section(title: str, lines: list[str]) -> list[str]:
    return [f"{title}:", *(f"  {line}" for line in lines)] if lines else []


def _decisions(identity: Identity) -> dict[str, str]:
    facts = identity.facts
    heads = facts.heads.count or f"one for every {facts.heads.width} channels"
    size = "x".join(map(str, facts.defaults.size))
    kind = few_steps(called(identity.checkpoint)) if facts.defaults_by == "name" else None
    distilled = {} if kind is None else {"paints in few steps": f"{kind.title} (by name; {kind.source})"}
    return distilled | {
        "prediction": _said(facts.prediction),
        "noise levels": _said(facts.levels),
        "attention heads": f"{heads} (by {facts.heads_by})",
        "latent scale": f"{facts.latent.scale} (by {facts.latent_by})",
        "defaults": f"{size}, {facts.defaults.steps} steps, {facts.defaults.sampler}, "
        f"{facts.defaults.schedule}, cfg {facts.defaults.cfg:g} (by {facts.defaults_by})",
    }


def _said(decision: Decision) -> str:
    return f"{decision.value} (by {decision.by}: {decision.because})"


def _part(identity: Identity, names: tuple[str, ...]) -> PartReport:
    shapes, dtypes = identity.checkpoint.shapes, identity.checkpoint.dtypes
    return PartReport(
        tensors=len(names),
        parameters=sum(prod(shapes[name]) for name in names),
        dtypes=dict(Counter(dtypes[name] for name in names)),
    )


def _problems(identity: Identity) -> list[str]:
    found: list[str] = []
    if identity.variant.unsupported:
        found.append(f"gesso cannot paint with it: {identity.variant.unsupported}")
    found += [f"the file carries no {part}" for part in identity.missing]
    if identity.account.unknown:
        names = identity.account.unknown
        found.append(f"{len(names)} tensors belong to no part, such as {', '.join(names[:5])}")
    return found
