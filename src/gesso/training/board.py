"""Curves for TensorBoard, written as a run's events pass by."""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

from gesso.errors import Unsupported
from gesso.training.loop import Progress
from gesso.training.validation import Validated

__all__ = ["must_be_there", "on_board"]

Event = TypeVar("Event")


def must_be_there() -> None:
    """Refuse where TensorBoard is missing.

    Raises:
        Unsupported: it comes with the extra `train`.
    """
    if find_spec("tensorboard") is None:
        raise Unsupported(
            "curves must have TensorBoard to be written for, however: it is not installed",
            hint="it comes with the extra: pip install gesso[train]",
        )


def on_board(events: Iterator[Event], folder: Path, step: int) -> Iterator[Event]:
    """The same events; losses, rates and validations among them are written.

    Args:
        folder: of event files, made where it is missing.
        step: steps done before; what was written of later ones is dropped.
    """
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(folder), purge_step=step + 1) as board:
        for event in events:
            if isinstance(event, Progress):
                first = event.step - len(event.losses) + 1
                for i, loss in enumerate(event.losses):
                    board.add_scalar("loss", loss, first + i)
                board.add_scalar("rate", event.rate, event.step)
                board.add_scalar("seconds of a step", event.seconds / len(event.losses), event.step)
            found = getattr(event, "validation", None)
            if isinstance(found, Validated):
                board.add_scalar("validation", found.loss, found.step)
                for i, band in enumerate(found.bands):
                    board.add_scalar(f"validation by noise/band {i + 1}", band, found.step)
            yield event
