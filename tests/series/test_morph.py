import pytest

from gesso.errors import RequestError
from gesso.request import Blend, Request, Variation
from gesso.series.morph import morph


def test_frames_lead_evenly_from_one_end_to_the_other() -> None:
    found = morph(Request(prompt="a cat", seed=1), "a dog", 7, 3)
    assert [each.blend for each in found] == [Blend(prompt="a dog", share=share) for share in (0, 0.5, 1)]
    assert [each.variation for each in found] == [Variation(seed=7, strength=share) for share in (0, 0.5, 1)]
    assert {(each.prompt, each.seed) for each in found} == {("a cat", 1)}


def test_what_does_not_change_stays() -> None:
    request = Request(seed=1, variation=Variation(seed=3))
    assert {each.variation for each in morph(request, "a dog", None, 2)} == {request.variation}
    assert {each.blend for each in morph(request, None, 7, 2)} == {None}


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ((None, None, 3), "must lead somewhere"),
        (("a dog", None, 1), "2 to 1000 frames, however: 1"),
        (("a dog", None, 1001), "2 to 1000 frames, however: 1001"),
    ],
)
def test_a_way_that_is_none_is_refused(told: tuple[str | None, int | None, int], said: str) -> None:
    with pytest.raises(RequestError, match=said):
        morph(Request(seed=1), *told)


def test_a_frame_is_one_picture() -> None:
    with pytest.raises(RequestError, match="count is 2"):
        morph(Request(count=2), "a dog", None, 3)
