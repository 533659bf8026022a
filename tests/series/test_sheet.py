import numpy as np
import pytest
from PIL import Image

from gesso.series.sheet import sheet

COLOURS = ("red", "lime", "blue", "yellow", "magenta", "cyan")


def found(paper: Image.Image, colour: str) -> tuple[int, int, int, int]:
    """Left, top, width and height of what has a colour."""
    pixels = np.asarray(paper)
    rows, columns = np.nonzero((pixels == np.asarray(Image.new("RGB", (1, 1), colour))[0, 0]).all(axis=-1))
    size = (columns.max() - columns.min() + 1, rows.max() - rows.min() + 1)
    assert len(rows) == size[0] * size[1]
    return int(columns.min()), int(rows.min()), int(size[0]), int(size[1])


@pytest.mark.parametrize("labels", [("", ""), ("steps 10", "a very long label of many words that wraps")])
def test_every_picture_is_there_whole_and_in_its_place(labels: tuple[str, str]) -> None:
    sizes = [(40, 60), (70, 30), (40, 30)]
    pictures = [Image.new("RGB", sizes[i % 3], colour) for i, colour in enumerate(COLOURS)]
    paper = sheet([pictures[:3], pictures[3:]], [labels[0]] * 3, [labels[1]] * 2, labels[0])
    boxes = [found(paper, colour) for colour in COLOURS]
    assert [box[2:] for box in boxes] == [picture.size for picture in pictures]
    assert boxes[0][0] < boxes[1][0] < boxes[2][0]
    assert boxes[0][1] == boxes[1][1] < boxes[3][1]
    assert [box[0] for box in boxes[:3]] == [box[0] for box in boxes[3:]]


def test_labels_take_room_and_leave_ink() -> None:
    picture = Image.new("RGB", (64, 64), "red")
    bare, labelled = sheet([[picture]], [""], [""]), sheet([[picture]], ["cfg 3"], ["steps 9"], "seed 1")
    assert bare.size == (64, 64)
    assert labelled.width > 64
    left, top, _, _ = found(labelled, "red")
    assert np.asarray(labelled)[:top].min() < 128
    assert np.asarray(labelled)[:, :left].min() < 128
