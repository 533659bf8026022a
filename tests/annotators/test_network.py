"""Networks of one's own: what is seen, what is drawn, and where something is found."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from PIL import Image, ImageDraw

from gesso.annotators.network import NetworkOptions, drawn, network_options
from gesso.errors import CheckpointError, RequestError, ResourceError, UnknownName
from tests.onnx_files import detector, mean_of_channels, saved


def slope(width: int = 96, height: int = 64) -> Image.Image:
    return Image.fromarray(np.tile(np.linspace(60, 180, width, dtype=np.uint8), (height, 1))).convert("RGB")


@pytest.mark.parametrize("scale", ["imagenet", "unit", "signed"])
def test_a_map_is_stretched_from_black_to_white_at_the_size_of_the_picture(
    tmp_path: Path, scale: str
) -> None:
    made = drawn(slope(), mean_of_channels(tmp_path / "a.onnx"), NetworkOptions(scale=scale, side=96))
    levels = np.asarray(made)[32, :, 0].astype(int)
    assert (made.mode, made.size) == ("RGB", (96, 64))
    assert (levels[0], levels[-1]) == (0, 255)
    assert (np.diff(levels) >= 0).all()


def test_a_file_says_its_own_size_and_type(tmp_path: Path) -> None:
    half = mean_of_channels(tmp_path / "half.onnx", (32, 32), TensorProto.FLOAT16)
    assert drawn(slope(), half, NetworkOptions()).size == (96, 64)


def test_three_channels_are_colours_and_one_value_is_black(tmp_path: Path) -> None:
    same = saved(tmp_path / "same.onnx", [helper.make_node("Identity", ["seen"], ["said"])], {})
    picture = Image.new("RGB", (64, 64), (255, 0, 0))
    assert drawn(picture, same, NetworkOptions(scale="unit")).getpixel((9, 9)) == (255, 0, 0)
    plain = mean_of_channels(tmp_path / "plain.onnx")
    assert drawn(picture, plain, NetworkOptions()).getpixel((9, 9)) == (0, 0, 0)


def expected(size: tuple[int, int], *boxes: tuple[int, int, int, int]) -> Image.Image:
    page = Image.new("RGB", size)
    for left, top, right, bottom in boxes:
        ImageDraw.Draw(page).rectangle((left, top, right - 1, bottom - 1), fill="white")
    return page


FOUND = np.array(  # center, size, face, hand
    [[16, 8, 8, 8, 0.9, 0.0], [40, 20, 16, 8, 0.0, 0.6], [50, 50, 8, 8, 0.1, 0.2]]
)
CORNERS = np.array(  # corners, score, kind
    [[[12, 4, 20, 12, 0.9, 0], [32, 16, 48, 24, 0.6, 1], [46, 46, 54, 54, 0.2, 1]]]
)
FACE, HAND = (24, 8, 40, 24), (64, 32, 96, 48)


@pytest.mark.parametrize("answer", [FOUND.T[None], CORNERS], ids=["scores", "corners"])
@pytest.mark.parametrize(
    ("options", "boxes"),
    [
        (NetworkOptions(), (FACE, HAND)),
        (NetworkOptions(score=0.7), (FACE,)),
        (NetworkOptions(kind="hand"), (HAND,)),
        (NetworkOptions(score=0.95), ()),
    ],
)
def test_what_a_detector_finds_is_white(
    tmp_path: Path, answer: np.ndarray, options: NetworkOptions, boxes: tuple[tuple[int, int, int, int], ...]
) -> None:
    made = drawn(slope(128, 64), detector(tmp_path / "d.onnx", answer), options)
    assert np.array_equal(np.asarray(made), np.asarray(expected((128, 64), *boxes)))


def test_a_detector_that_names_nothing_finds_objects(tmp_path: Path) -> None:
    answer = np.float32([[[16], [8], [8], [8], [0.9]]])
    made = drawn(slope(128, 64), detector(tmp_path / "d.onnx", answer, "?"), NetworkOptions(kind="object"))
    assert np.array_equal(np.asarray(made), np.asarray(expected((128, 64), FACE)))


def test_what_a_detector_does_not_know_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="foot"):
        drawn(slope(), detector(tmp_path / "d.onnx", CORNERS), NetworkOptions(kind="foot"))
    with pytest.raises(CheckpointError, match=r"answers with \[1, 3\]"):
        drawn(slope(), detector(tmp_path / "d.onnx", np.zeros((1, 3))), NetworkOptions())


def test_files_that_are_no_such_network_are_refused(tmp_path: Path) -> None:
    torn = tmp_path / "torn.onnx"
    torn.write_bytes(b"no network")
    flat = saved(
        tmp_path / "flat.onnx",
        [helper.make_node("ReduceMean", ["seen"], ["said"], axes=[1, 2, 3], keepdims=0)],
        {},
    )
    wide = saved(tmp_path / "wide.onnx", [helper.make_node("Concat", ["seen", "seen"], ["said"], axis=1)], {})
    two = saved(
        tmp_path / "two.onnx",
        [helper.make_node("Add", ["seen", "other"], ["said"])],
        {"other": np.zeros((1, 5, 1, 1), np.float32)},
    )
    for path in (tmp_path / "none.onnx", torn, flat, wide, two):
        with pytest.raises(CheckpointError, match="must"):
            drawn(slope(), path, NetworkOptions())


def test_a_network_that_takes_no_picture_is_refused(tmp_path: Path) -> None:
    grey = helper.make_graph(
        [helper.make_node("Identity", ["seen"], ["said"])],
        "network",
        [helper.make_tensor_value_info("seen", TensorProto.FLOAT, [1, 1, 8, 8])],
        [helper.make_tensor_value_info("said", TensorProto.FLOAT, None)],
    )
    onnx.save(
        helper.make_model(grey, opset_imports=[helper.make_opsetid("", 17)], ir_version=9),
        tmp_path / "g.onnx",
    )
    with pytest.raises(CheckpointError, match=r"takes \[1, 1, 8, 8\]"):
        drawn(slope(), tmp_path / "g.onnx", NetworkOptions())


def test_options_are_checked() -> None:
    assert network_options({"score": 0.5, "side": 640}) == NetworkOptions(score=0.5, side=640)
    for chosen in ({"sure": 1}, {"scale": "percent"}, {"side": 8}, {"side": "wide"}, {"score": 2}):
        with pytest.raises(RequestError, match=next(iter(chosen))):
            network_options(chosen)


def test_without_the_library_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    with pytest.raises(ResourceError) as caught:
        drawn(slope(), tmp_path / "a.onnx", NetworkOptions())
    assert "gesso[onnx]" in caught.value.hint
