"""The judge: what it is shown of two objects, and that it is right only where it should be."""

import pytest
import torch

from studies.emoji.judge import Judge, halves, judge
from studies.emoji.scenes import Scene


@pytest.mark.parametrize("stacked", [False, True])
def test_two_objects_are_shown_one_by_one(stacked: bool) -> None:
    picture = torch.zeros(3, 64, 64)
    picture[:, :32] = 1.0  # above
    picture[0, :, :32] += 2.0  # and red to the left
    first, second = halves(picture, Scene((1, 2), stacked=stacked))
    assert first.shape == second.shape == picture.shape
    assert bool((first[1, 0] == 1).all())
    assert float(second[1, 0, 0]) == (0.0 if stacked else 1.0)
    assert float(second[0, -1, 0]) == (2.0 if stacked else 0.0)


def test_one_object_is_shown_whole() -> None:
    picture = torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(0))
    assert all(torch.equal(part, picture) for part in halves(picture, Scene((1, 1))))


class Seer(Judge):
    """Sees object 1 where a picture is light, else object 2."""

    def logits(self, pictures: torch.Tensor) -> tuple[torch.Tensor, ...]:
        shown = torch.zeros(len(pictures), 72)
        shown[:, 1] = pictures.mean(dim=(1, 2, 3))
        shown[:, 2] = -shown[:, 1]
        return shown, *(torch.zeros(len(pictures), count) for count in (3, 23, 3))


def test_two_objects_may_be_right_and_in_the_wrong_places() -> None:
    picture = torch.full((1, 3, 64, 64), -1.0)
    picture[..., :32] = 1.0
    for things, there, placed in (((1, 2), 1.0, 1.0), ((2, 1), 1.0, 0.0), ((1, 3), 0.0, 0.0)):
        found = judge(Seer(), picture, [Scene(things)])
        assert (float(found.thing), float(found.place)) == (there, placed)
