import pytest

from gesso.checkpoint.shapes import Shapes
from gesso.families.family import Defaults, Family, HeadRule, LatentSpace, Variant
from gesso.families.signs import has, lacks

FAMILY = Family(
    name="x",
    title="X",
    architecture="x",
    signs=(has("a"), lacks("b"), has("c.")),
    variants=(Variant("base", ()),),
    latent=LatentSpace(1.0),
    heads=HeadRule(),
    defaults=Defaults(size=(64, 64)),
)


@pytest.mark.parametrize(
    ("rule", "channels", "heads"),
    [
        (HeadRule(count=8), 320, 8),
        (HeadRule(count=8), 1280, 8),
        (HeadRule(width=64), 320, 5),
        (HeadRule(width=64), 1280, 20),
        (HeadRule(width=64), 32, 1),
    ],
)
def test_heads_are_a_number_or_a_width(rule: HeadRule, channels: int, heads: int) -> None:
    assert rule(channels) == heads


def test_a_member_contradicts_no_sign() -> None:
    assert FAMILY.contradictions(Shapes({"a": (), "c.d": ()})) == []


def test_contradictions_come_in_the_order_of_the_signs() -> None:
    found = FAMILY.contradictions(Shapes({"b.weight": ()}))
    assert found == ["a is not there", "b.weight is there", "c. is not there"]
