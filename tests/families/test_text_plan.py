"""Text encoders of other sizes."""

from gesso.families.text_plan import ClipPlan, OpenClipPlan, clip_shapes, open_clip_shapes


def test_a_clip_projection_is_a_linear_layer() -> None:
    name = "text_projection.weight"
    assert clip_shapes(ClipPlan(width=64, projection=32))[name] == (32, 64)
    assert name not in clip_shapes(ClipPlan(width=64))


def test_an_open_clip_projection_is_a_matrix_the_other_way_round() -> None:
    name = "text_projection"
    assert open_clip_shapes(OpenClipPlan(width=64, projection=32))[name] == (64, 32)
    assert name not in open_clip_shapes(OpenClipPlan(width=64, projection=None))


def test_layers_are_as_many_as_asked() -> None:
    clip, opened = clip_shapes(ClipPlan(layers=3)), open_clip_shapes(OpenClipPlan(layers=3))
    assert sum(name.endswith("fc1.bias") for name in clip) == 3
    assert sum(name.endswith("c_fc.bias") for name in opened) == 3
