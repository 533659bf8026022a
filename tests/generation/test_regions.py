from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gesso.errors import RequestError
from gesso.generation.regions import named_regions, region_maps
from gesso.request import Region, Request


def asked(*regions: Region, base: float = 0.0) -> Request:
    return Request(prompt="x", regions=regions, regions_base=base)


def test_without_regions_there_are_no_maps() -> None:
    assert region_maps(Request(), (8, 8)) is None
    assert named_regions(Request()) == Request()


def test_a_box_covers_cells_by_the_part_that_lies_in_it() -> None:
    left = Region(prompt="a", box=(0.0, 0.0, 0.5, 1.0))
    right = Region(prompt="b", box=(0.5, 0.0, 1.0, 1.0))
    found = region_maps(asked(left, right), (2, 3))
    assert found is not None
    torch.testing.assert_close(found[1][0, 0], torch.tensor([[1.0, 0.5, 0.0]] * 2))
    torch.testing.assert_close(found[2][0, 0], torch.tensor([[0.0, 0.5, 1.0]] * 2))
    assert not found[0].any()


def test_a_mask_is_stretched_to_the_picture(tmp_path: Path) -> None:
    light = np.zeros((10, 20), np.uint8)
    light[:, :10] = 255
    Image.fromarray(light).save(tmp_path / "m.png")
    found = region_maps(asked(Region(prompt="a", mask=tmp_path / "m.png"), base=0.25), (4, 4))
    assert found is not None
    torch.testing.assert_close(found[0][0, 0, 0], torch.tensor([0.25, 0.25, 1.0, 1.0]))


@pytest.mark.parametrize("content", [None, b"not a picture"])
def test_a_mask_that_is_none_is_refused(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "m.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RequestError, match="must be a picture"):
        region_maps(asked(Region(prompt="a", mask=path)), (4, 4))
