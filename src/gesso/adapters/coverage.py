"""Coverage: what an adapter file is, and how much of it a model can take, tensor by tensor."""

from collections import Counter

from pydantic import BaseModel

from gesso.adapters.algebra import ALGEBRAS
from gesso.adapters.keys import grouped
from gesso.adapters.lora import fitted
from gesso.adapters.made_for import made_for
from gesso.adapters.patch import BESIDE
from gesso.adapters.site import Target
from gesso.checkpoint.file import Checkpoint

__all__ = ["Coverage", "covered", "is_adapter"]

SHOWN = 20


class Coverage(BaseModel, use_attribute_docstrings=True):
    """What an adapter file is."""

    path: str
    """The file."""
    made_for: str
    """The family it was made for, as far as can be told."""
    kinds: dict[str, int]
    """Kind of adapter → modules."""
    modules: int
    """Places that it changes."""
    ignored: int
    """Tensors that only training needs."""
    unknown: list[str]
    """Tensors that no known kind of adapter has."""
    model: str | None = None
    """The model that it was held against."""
    applied: int | None = None
    """Modules that have a place there."""
    left_out: dict[str, str] = {}
    """The first tensor of every module without a place there, and why."""

    def text(self) -> str:
        """For reading."""
        kinds = ", ".join(f"{count} of {kind}" for kind, count in self.kinds.items())
        lines = [
            f"{self.path}: an adapter made for {self.made_for}",
            f"  modules: {self.modules} ({kinds})",
            *([f"  ignored: {self.ignored} tensors that only training needs"] if self.ignored else []),
            *(f"  unknown: {name}" for name in self.unknown[:SHOWN]),
        ]
        if self.model is not None:
            lines.append(f"  on {self.model}: {self.applied} of {self.modules} modules apply")
            lines += [f"  {name}: {why}" for name, why in list(self.left_out.items())[:SHOWN]]
            more = len(self.left_out) - SHOWN
            lines += [f"  and {more} more"] if more > 0 else []
        return "\n".join(lines)


def is_adapter(file: Checkpoint) -> bool:
    """Whether any tensor of a file is an adapter's."""
    return bool(grouped(file.shapes).modules)


def covered(file: Checkpoint, target: Target | None = None) -> Coverage:
    """Say what an adapter file is, from its header alone.

    Args:
        target: the model to hold it against.
    """
    found = grouped(file.shapes)
    algebras = (ALGEBRAS.get(frozenset(roles) - BESIDE) for roles in found.modules.values())
    kinds = Counter("an unknown kind" if each is None else each.name for each in algebras)
    whole = Coverage(
        path=str(file.path),
        made_for=made_for(file),
        kinds=dict(kinds),
        modules=len(found.modules),
        ignored=len(found.ignored),
        unknown=found.unknown,
    )
    if target is None:
        return whole
    patches, problems = fitted(file, found, target)
    update = {"model": target.name, "applied": len(patches), "left_out": problems}
    return whole.model_copy(update=update)
