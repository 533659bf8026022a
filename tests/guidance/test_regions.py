import pytest
import torch

from gesso.guidance.regions import maps, merged


def test_what_counts_adds_up_to_one_everywhere() -> None:
    areas = [torch.rand(1, 1, 4, 5), torch.rand(1, 1, 4, 5).round()]
    found = maps(areas, 0.3)
    torch.testing.assert_close(sum(found), torch.ones(1, 1, 4, 5))
    assert (found[0][areas[0] + areas[1] > 0] == 0.3).all()


def test_where_there_is_no_region_the_prompt_is_alone() -> None:
    area = torch.zeros(1, 1, 2, 2)
    area[..., 0] = 1
    base, region = torch.randn(1, 4, 2, 2), torch.randn(1, 4, 2, 2)
    found = merged([base, region], maps([area], 0.5))
    assert torch.equal(found[..., 1], base[..., 1])
    torch.testing.assert_close(found[..., 0], (base + region)[..., 0] / 2)


@pytest.mark.parametrize("weight", [1.0, 0.3, 7.0])
def test_one_region_over_everything_is_itself_to_the_bit(weight: float) -> None:
    base, region = torch.randn(1, 4, 2, 2), torch.randn(1, 4, 2, 2)
    assert torch.equal(merged([base, region], maps([torch.full((1, 1, 2, 2), weight)], 0.0)), region)
