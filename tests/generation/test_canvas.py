from dataclasses import astuple

from hypothesis import given
from hypothesis import strategies as st

from gesso.generation.canvas import Box, Growth, Stage, border_stages, cutting, masked_stage, working_size

SIDES = st.integers(1, 3000)
SIZES = st.tuples(SIDES, SIDES)
NATIVE = st.tuples(*[st.integers(8, 128).map(lambda cells: cells * 8)] * 2)
GROWN = st.integers(0, 1500)
GROWTHS = st.builds(Growth, GROWN, GROWN, GROWN, GROWN)


@st.composite
def boxes(draw: st.DrawFn, canvas: tuple[int, int] = (777, 512)) -> Box:
    left, top = (draw(st.integers(0, side - 1)) for side in canvas)
    return Box(left, top, draw(st.integers(left + 1, canvas[0])), draw(st.integers(top + 1, canvas[1])))


def mirrored(box: Box, width: int) -> Box:
    return Box(width - box.right, box.top, width - box.left, box.bottom)


def flipped(box: Box, height: int) -> Box:
    return Box(box.left, height - box.bottom, box.right, height - box.top)


@given(painted=boxes(), padding=st.integers(0, 100), aspect=NATIVE)
def test_a_cutting_lies_in_the_picture_and_shows_all_that_is_painted(
    painted: Box, padding: int, aspect: tuple[int, int]
) -> None:
    box = cutting(painted, (777, 512), padding, aspect)
    assert 0 <= box.left <= painted.left
    assert painted.right <= box.right <= 777
    assert 0 <= box.top <= painted.top
    assert painted.bottom <= box.bottom <= 512


@given(painted=boxes(), padding=st.integers(0, 100), aspect=NATIVE)
def test_a_mirrored_mask_gives_the_mirrored_cutting(
    painted: Box, padding: int, aspect: tuple[int, int]
) -> None:
    box = cutting(painted, (777, 512), padding, aspect)
    assert cutting(mirrored(painted, 777), (777, 512), padding, aspect) == mirrored(box, 777)
    assert cutting(flipped(painted, 512), (777, 512), padding, aspect) == flipped(box, 512)


@given(painted=boxes((300, 300)), padding=st.integers(0, 50), aspect=NATIVE)
def test_where_there_is_room_a_cutting_has_the_aspect_asked_for(
    painted: Box, padding: int, aspect: tuple[int, int]
) -> None:
    middle = Box(*(side + 50_000 for side in astuple(painted)))
    width, height = cutting(middle, (100_000, 100_000), padding, aspect).size
    assert abs(width * aspect[1] - height * aspect[0]) <= 2 * max(aspect)


@given(box=SIZES, native=NATIVE, enlarge=st.booleans())
def test_a_working_size_is_on_the_grid_and_not_much_larger_than_the_model_paints(
    box: tuple[int, int], native: tuple[int, int], enlarge: bool
) -> None:
    width, height = working_size(box, native, 8, enlarge=enlarge)
    assert width % 8 == height % 8 == 0
    assert width >= 8
    assert height >= 8
    small = min(box) * (native[0] * native[1] / (box[0] * box[1])) ** 0.5
    if small > 32 and min(box) > 32:
        assert width * height <= 2.7 * native[0] * native[1]


@given(cells=st.tuples(st.integers(1, 64), st.integers(1, 64)))
def test_what_is_on_the_grid_and_small_enough_is_painted_as_it_is(cells: tuple[int, int]) -> None:
    size = cells[0] * 8, cells[1] * 8
    assert working_size(size, (512, 512), 8) == size


def test_a_small_cutting_is_painted_larger_for_detail() -> None:
    stage = masked_stage(Box(100, 100, 164, 164), (512, 512), (512, 512), 8, padding=32)
    assert stage.box == Box(68, 68, 196, 196)
    assert stage.size == (512, 512)


@given(canvas=SIZES, growth=GROWTHS, native=NATIVE)
def test_stages_grow_the_canvas_by_exactly_what_was_asked(
    canvas: tuple[int, int], growth: Growth, native: tuple[int, int]
) -> None:
    stages = border_stages(canvas, growth, native, 8)
    total = [sum(way) for way in zip(*(astuple(stage.growth) for stage in stages), strict=True)]
    assert (total or [0, 0, 0, 0]) == list(astuple(growth))
    for stage in stages:
        canvas = stage.growth.grown(canvas)
        assert sum(1 for way in astuple(stage.growth) if way) == 1
        assert covers(stage, canvas)
        assert max(astuple(stage.growth)) <= max(native) // 2


def covers(stage: Stage, canvas: tuple[int, int]) -> bool:
    """Whether what is added lies in the part that is seen, which lies on the canvas."""
    left, up, right, down = astuple(stage.growth)
    box = stage.box
    near = (not left or box.left == 0) and (not up or box.top == 0)
    far = (not right or box.right == canvas[0]) and (not down or box.bottom == canvas[1])
    along = box.size[1] == canvas[1] if left or right else box.size[0] == canvas[0]
    wide = box.size[0] >= max(left, right) and box.size[1] >= max(up, down)
    inside = 0 <= box.left < box.right <= canvas[0] and 0 <= box.top < box.bottom <= canvas[1]
    return near and far and along and wide and inside


def placed(canvas: tuple[int, int], growth: Growth, native: tuple[int, int]) -> set[tuple[Box, Box]]:
    """What every stage adds and what it sees, by where it lies around the source."""
    found: set[tuple[Box, Box]] = set()
    left = top = 0
    size = canvas
    for stage in border_stages(canvas, growth, native, 8):
        size = stage.growth.grown(size)
        left, top = left + stage.growth.left, top + stage.growth.up
        new = Box(0, 0, *size)
        match astuple(stage.growth):
            case (by, 0, 0, 0):
                new = Box(0, 0, by, size[1])
            case (0, by, 0, 0):
                new = Box(0, 0, size[0], by)
            case (0, 0, by, 0):
                new = Box(size[0] - by, 0, *size)
            case (0, 0, 0, by):
                new = Box(0, size[1] - by, *size)
            case _:
                raise AssertionError("one side a stage")
        found.add((moved(new, left, top), moved(stage.box, left, top)))
    return found


def moved(box: Box, left: int, top: int) -> Box:
    return Box(box.left - left, box.top - top, box.right - left, box.bottom - top)


@given(canvas=SIZES, growth=GROWTHS, native=NATIVE)
def test_no_side_is_special(canvas: tuple[int, int], growth: Growth, native: tuple[int, int]) -> None:
    width, height = canvas
    found = placed(canvas, growth, native)
    across = placed(canvas, Growth(growth.right, growth.up, growth.left, growth.down), native)
    over = placed(canvas, Growth(growth.left, growth.down, growth.right, growth.up), native)
    assert across == {(mirrored(new, width), mirrored(seen, width)) for new, seen in found}
    assert over == {(flipped(new, height), flipped(seen, height)) for new, seen in found}


@given(canvas=SIZES, growth=GROWTHS, native=NATIVE)
def test_what_is_added_covers_the_border_once_corners_included(
    canvas: tuple[int, int], growth: Growth, native: tuple[int, int]
) -> None:
    width, height = growth.grown(canvas)
    added = [new for new, _ in placed(canvas, growth, native)]
    assert sum(box.size[0] * box.size[1] for box in added) == width * height - canvas[0] * canvas[1]


def test_stages_can_be_read() -> None:
    stage = border_stages((512, 512), Growth(left=300), (512, 512), 8)[0]
    assert stage.text() == "grow 256 left, in 512x512 at 0,0"
    assert masked_stage(Box(0, 0, 9, 9), (100, 100), (64, 64), 8, padding=None).text().endswith("as 88x88")
