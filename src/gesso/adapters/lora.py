"""LoRA and its kin: a file of changes to a model's weights, in any program's naming."""

import json
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from gesso.adapters.attach import Prepared, bake, prepared
from gesso.adapters.blocks import Strength
from gesso.adapters.keys import Grouped, grouped
from gesso.adapters.made_for import UNKNOWN, made_for
from gesso.adapters.patch import Loaded, Patch, Stated
from gesso.adapters.site import Target
from gesso.checkpoint.file import Checkpoint
from gesso.errors import AdapterError, DoesNotFit
from gesso.model import Model

__all__ = ["Lora", "fitted", "open_lora"]


@dataclass(frozen=True)
class Lora:
    """A file of changes that fits a model.

    Args:
        file: its tensors wait in it.
        patches: what it changes.
        family: the family it was made for, as far as can be told.
        modules: how many modules the file has.
        left_out: names of tensors that are not used, each with the reason; only where that was allowed.
        strength: how strongly it acts where.
    """

    file: Checkpoint
    patches: tuple[Patch, ...]
    family: str
    modules: int
    left_out: Mapping[str, str] = field(default_factory=dict[str, str])
    strength: Strength = field(default_factory=Strength)

    @property
    def families(self) -> frozenset[str]:
        """Names of the families it was made for."""
        return frozenset({self.family})

    def at(self, strength: Strength) -> "Lora":
        """The same file, acting as strongly as this."""
        return replace(self, strength=strength)

    def loaded(self) -> Iterator[Loaded]:
        """Its patches with their tensors, which stay mapped until they are used."""
        names = {name for patch in self.patches for name in patch.names.values()}
        tensors = dict(self.file.tensors(names))
        for patch in self.patches:
            yield Loaded(patch, {role: tensors[name] for role, name in patch.names.items()})

    def attached(self, model: Model) -> AbstractContextManager[None]:
        """On the model while the block runs; its weights are the same to the bit after it."""
        return self.prepared(model).on()

    def prepared(self, model: Model) -> Prepared:
        """Ready to be put on a model and taken off again, as often as wanted."""
        acting = any(self.strength(patch.site) for patch in self.patches)
        return prepared(model, self.loaded() if acting else (), self.strength)

    def bake(self, model: Model) -> None:
        """Written into the model's weights for good."""
        bake(model, self.loaded(), self.strength)


def open_lora(path: Path, target: Target, *, lenient: bool = False) -> Lora:
    """Open a file and find the place of every tensor of it, from headers alone.

    Args:
        target: the model it is to change.
        lenient: leave out what cannot be used instead of refusing the file.

    Raises:
        DoesNotFit: a tensor has no place in this model, or another size: names it, and both families.
        AdapterError: a tensor is of no known kind of adapter, or nothing in the file can be used.
        CheckpointError: the file is broken.
    """
    file = Checkpoint.open(path)
    sorted_ = grouped(file.shapes)
    patches, problems = fitted(file, sorted_, target)
    family = made_for(file)
    if problems and (not lenient or not patches):
        raise _refusal(file, family, target, problems)
    if not patches:
        raise AdapterError(f"{path} must be an adapter, however: it has no tensors of one")
    return Lora(file, tuple(patches), family, len(sorted_.modules), problems)


def fitted(file: Checkpoint, found: Grouped, target: Target) -> tuple[list[Patch], dict[str, str]]:
    """What of a file has a place, and the first tensor of every module that has none, with the reason."""
    problems = dict.fromkeys(found.unknown, "it is of no known kind of adapter")
    patches: list[Patch] = []
    stated = _stated(file)
    for module, names in found.modules.items():
        first = next(iter(names.values()))
        site = target.site(module)
        if site is None:
            problems[first] = f"{target.name} has no place of that name"
            continue
        patch = Patch(module, site, names, stated(module))
        problem = patch.problem(file.shapes)
        if problem is None:
            patches.append(patch)
        else:
            problems[first] = problem
    return patches, problems


def _refusal(
    file: Checkpoint, family: str, target: Target, problems: Mapping[str, str]
) -> AdapterError | DoesNotFit:
    name, reason = next(iter(problems.items()))
    kind = AdapterError if family in {target.family, UNKNOWN} else DoesNotFit
    more = f" (and {len(problems) - 1} more like it)" if len(problems) > 1 else ""
    return kind(
        f"every tensor of {file.path.name}, made for {family}, must have a place in {target.name}, however: "
        f"{name}: {reason}{more}",
        hint="lenient uses the rest of the file and says what was left out",
    )


class _Stated:
    """What diffusers and peft write beside the tensors, since their files have no alpha among them."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.settings = settings

    def __call__(self, module: str) -> Stated:
        """What is said of one module."""
        prefix = next(
            (each for each in ("unet.", "text_encoder_2.", "text_encoder.") if module.startswith(each)), ""
        )
        local = module.removeprefix("base_model.model.").removeprefix(prefix)
        pattern = cast(dict[str, float], self._said(prefix, "alpha_pattern") or {})
        alpha = next(
            (value for name, value in pattern.items() if f".{local}".endswith(f".{name}")),
            self._said(prefix, "lora_alpha"),
        )
        return Stated(None if alpha is None else float(alpha), bool(self._said(prefix, "use_rslora")))

    def _said(self, prefix: str, name: str) -> Any:
        return self.settings.get(f"{prefix}{name}", self.settings.get(name))


def _stated(file: Checkpoint) -> _Stated:
    """From the file's metadata (diffusers), or from adapter_config.json beside it (peft).

    Source: diffusers' `lora_adapter_metadata`; peft's LoraConfig.
    """
    text = file.metadata.get("lora_adapter_metadata", "")
    beside = file.path.with_name("adapter_config.json")
    if not text and file.path.name.startswith("adapter_model.") and beside.is_file():
        text = beside.read_text("utf-8")
    try:
        found = json.loads(text or "{}")
    except ValueError as error:
        raise AdapterError(f"the settings of {file.path} must be JSON, however: {error}") from error
    return _Stated(cast(dict[str, Any], found) if isinstance(found, dict) else {})
