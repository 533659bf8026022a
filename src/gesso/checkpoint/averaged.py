"""The averaged weights that training checkpoints carry beside the raw ones.

Source: LitEma in CompVis/stable-diffusion: the average of `model.X.Y` is stored as `model_ema.XY`.
"""

from collections.abc import Mapping

from gesso.checkpoint.entry import Entry
from gesso.errors import TensorMismatch

__all__ = ["has_average", "with_average"]

PREFIX = "model_ema."


def has_average(names: Mapping[str, Entry]) -> bool:
    """Whether there are averaged weights."""
    return any(name.startswith(f"{PREFIX}diffusion_model") for name in names)


def with_average(entries: Mapping[str, Entry]) -> dict[str, Entry]:
    """The same tensors, the averaged ones in place of the raw ones.

    Raises:
        TensorMismatch: there are none, or not one for every weight.
    """
    promoted = {name: entry for name, entry in entries.items() if not name.startswith(PREFIX)}
    missing: list[str] = []
    for name, raw in promoted.items():
        if not name.startswith("model.diffusion_model."):
            continue
        average = entries.get(PREFIX + name.removeprefix("model.").replace(".", ""))
        if average is None or average.shape != raw.shape:
            missing.append(name)
        else:
            promoted[name] = average
    if missing or not has_average(entries):
        raise TensorMismatch(
            f"every weight must have an average in {PREFIX}*, however: {len(missing)} have none"
            + (f", such as {missing[0]!r}" if missing else ""),
            hint="use the weights as they are, without averages",
        )
    return promoted
