"""Compare: a run's saved files by their validation."""

from gesso.errors import RequestError
from gesso.training.recipe import Training
from gesso.training.record import Record

__all__ = ["ranked"]


def ranked(recipe: Training) -> str:
    """The saved files of a run with their losses, best first, for reading.

    Raises:
        RequestError: nothing was validated.
    """
    rows = Record(recipe.out / "validation.jsonl").rows()
    if not rows:
        raise RequestError(
            f"a run must have been validated to be compared, however: {recipe.out} has no validation.jsonl",
            hint="validation.share keeps pictures back; data.role = validation names some",
        )
    lines = [f"{'loss':>9}  {'step':>8}  {'bands, the least noisy first':<40}  file"]
    for row in sorted(rows, key=lambda each: each["loss"]):
        file = recipe.out / f"step-{row['step']:08}" / f"{recipe.title}.safetensors"
        bands = " ".join(f"{band:.4f}" for band in row["bands"])
        lines.append(
            f"{row['loss']:9.5f}  {row['step']:8}  {bands:<40}  {file if file.is_file() else 'gone'}"
        )
    return "\n".join(lines)
