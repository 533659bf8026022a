"""The tensors of an adapter file, sorted by the module they change and the role they play in it.

Source: the files that kohya-ss/sd-scripts, LyCORIS, diffusers, peft and Fooocus write.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

__all__ = ["ENDINGS", "Grouped", "grouped"]

ROLES: dict[str, str] = {
    ".lora_up.weight": "up",
    ".lora_down.weight": "down",
    ".lora_mid.weight": "mid",
    ".lora_B.weight": "up",
    ".lora_A.weight": "down",
    ".lora.up.weight": "up",
    ".lora.down.weight": "down",
    "_lora.up.weight": "up",
    "_lora.down.weight": "down",
    ".lora_linear_layer.up.weight": "up",
    ".lora_linear_layer.down.weight": "down",
    ".alpha": "alpha",
    ".lora.alpha": "alpha",
    "_lora.alpha": "alpha",
    ".lora_linear_layer.alpha": "alpha",
    ".dora_scale": "dora",
    ".lora_magnitude_vector": "magnitude",
    ".lora_magnitude_vector.weight": "magnitude",
    ".hada_w1_a": "hada_w1_a",
    ".hada_w1_b": "hada_w1_b",
    ".hada_w2_a": "hada_w2_a",
    ".hada_w2_b": "hada_w2_b",
    ".hada_t1": "hada_t1",
    ".hada_t2": "hada_t2",
    ".lokr_w1": "lokr_w1",
    ".lokr_w1_a": "lokr_w1_a",
    ".lokr_w1_b": "lokr_w1_b",
    ".lokr_w2": "lokr_w2",
    ".lokr_w2_a": "lokr_w2_a",
    ".lokr_w2_b": "lokr_w2_b",
    ".lokr_t2": "lokr_t2",
    **{f".{name}.weight": f"glora_{name}" for name in ("a1", "a2", "b1", "b2")},
    ".oft_blocks": "oft_blocks",
    ".oft_diag": "oft_diag",
    ".rescale": "rescale",
    ".diff": "diff",
    ".diff_b": "bias",
    ".w_norm": "diff",
    ".b_norm": "bias",
    **{f".weight.{i}": role for i, role in enumerate(("steps", "lowest", "highest"))},
    **{f".bias.{i}": f"bias_{role}" for i, role in enumerate(("steps", "lowest", "highest"))},
    ".weight": "ia3",
    ".on_input": "on_input",
    ".scalar": "scalar",
}
"""How a tensor's name ends, and what it is to its module; the longest ending counts."""

ENDINGS = {role: ending for ending, role in reversed(ROLES.items())}
"""How the tensors of new files end, by role: as kohya's and LyCORIS's do, which come first above."""

IGNORED = (".rank_dropout", ".module_dropout", ".dropout", ".lora_dropout", "position_ids")
"""Endings of what only training needs."""

_ADAPTER = re.compile(r"\.(lora_A|lora_B|lora_magnitude_vector)\.[^.]+\.weight$")
_ENDINGS = sorted(ROLES, key=len, reverse=True)


@dataclass
class Grouped:
    """Tensors by module.

    Args:
        modules: module → role → the tensor's name in the file.
        ignored: names that only training needs.
        unknown: names that no known kind of adapter has.
    """

    modules: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    ignored: list[str] = field(default_factory=list[str])
    unknown: list[str] = field(default_factory=list[str])


def grouped(names: Iterable[str]) -> Grouped:
    """Sort the names of a file; every one of them ends up in exactly one place."""
    found = Grouped()
    names = frozenset(names)
    for name in sorted(names):
        # peft puts the adapter's own name in between: lora_A.default.weight
        plain = _ADAPTER.sub(r".\1.weight", name)
        ending = next((each for each in _ENDINGS if plain.endswith(each)), None)
        if name.endswith(IGNORED):
            found.ignored.append(name)
        elif ending is None or (ending == ".weight" and not _is_ia3(plain, names)):
            found.unknown.append(name)
        else:
            _put(found, plain.removesuffix(ending), ROLES[ending], name)
    return found


def _is_ia3(name: str, names: frozenset[str]) -> bool:
    """Whether a plain `.weight` is what IA³ calls its factors: only beside its flag."""
    return f"{name.removesuffix('.weight')}.on_input" in names


def _put(found: Grouped, module: str, role: str, name: str) -> None:
    roles = found.modules.setdefault(module, {})
    if role in roles:
        found.unknown.append(name)
    else:
        roles[role] = name
