from math import prod

from gesso.families.vision_plan import VisionPlan, open_vision_shapes, vision_shapes


def test_the_published_sizes_have_the_published_numbers_of_parameters() -> None:
    for plan, millions in ((VisionPlan(), 632.1), (VisionPlan(1664, 48, 8192, 14, 224, 1280), 1844.9)):
        for shapes in (vision_shapes(plan), open_vision_shapes(plan)):
            assert round(sum(map(prod, shapes.values())) / 1e6, 1) == millions
