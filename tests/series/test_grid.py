from pathlib import Path

import pytest

from gesso.errors import RequestError
from gesso.request import Request
from gesso.series.grid import grid


def test_every_combination_is_there_once() -> None:
    found = grid(None, Request(prompt="a cat", seed=1), "steps=1-3", "cfg=2,4", "seed=5,6")
    asked = {(each.request.steps, each.request.cfg, each.request.seed) for each in found.cells}
    assert asked == {(steps, cfg, seed) for steps in (1, 2, 3) for cfg in (2.0, 4.0) for seed in (5, 6)}
    assert len(found.cells) == 12
    for each in found.cells:
        assert each.request == Request(
            prompt="a cat", steps=each.place[0] + 1, cfg=2.0 * (each.place[1] + 1), seed=5 + each.place[2]
        )


def test_one_seed_is_drawn_for_all_cells() -> None:
    seeds = {each.request.seed for each in grid(None, Request(), "steps=1-3").cells}
    assert len(seeds) == 1
    assert None not in seeds


def test_models_and_fields_vary_together() -> None:
    found = grid(Path("a"), Request(), "model=a,b", "steps=1,2")
    assert [(str(each.model), each.request.steps) for each in found.cells] == [
        ("a", 1), ("b", 1), ("a", 2), ("b", 2),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("x", "y"), [("steps=1,2", "steps=3"), ("count=1,2", ""), ("steps=1-200", "cfg=1-99[99]"), ("cfg=-1", "")]
)
def test_grids_that_cannot_be_are_refused(x: str, y: str) -> None:
    with pytest.raises(RequestError, match="however"):
        grid(None, Request(), x, y, "seed=1-9")


def test_a_cell_is_one_picture() -> None:
    with pytest.raises(RequestError, match="count is 2"):
        grid(None, Request(count=2), "steps=1,2")
