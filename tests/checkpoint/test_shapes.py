from gesso.checkpoint.shapes import Shapes

NAMES = {"a.0.weight": (1,), "a.11.weight": (2,), "a.2.3.bias": (3,), "b.weight": (4,), "a.x": ()}


def test_under_strips_the_prefix_and_drops_the_rest() -> None:
    under = Shapes(NAMES).under("a.")
    assert dict(under) == {"0.weight": (1,), "11.weight": (2,), "2.3.bias": (3,), "x": ()}
    assert dict(under.under("2.")) == {"3.bias": (3,)}


def test_count_is_one_more_than_the_highest_number() -> None:
    shapes = Shapes(NAMES)
    assert [shapes.count(name) for name in ("a", "a.2", "b", "nothing", "")] == [12, 4, 0, 0, 0]


def test_count_is_not_led_astray_by_what_only_looks_like_a_number() -> None:
    shapes = Shapes({"a.²": (), "a.1e3": (), f"a.{'9' * 5000}": (), "a.-4": ()})
    assert shapes.count("a") == 0


def test_it_is_a_mapping_with_a_short_name() -> None:
    shapes = Shapes(NAMES)
    assert len(shapes) == 5
    assert "b.weight" in shapes
    assert repr(shapes) == "Shapes(5 tensors)"
