"""Pictures of depth: what the network sees of them, and what paints again from the picture alone."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gesso.cli.main import main
from gesso.errors import RequestError
from gesso.generation.canvas import Box
from gesso.generation.controlling import View, view
from gesso.generation.depth import depth_map
from gesso.generation.generate import paint
from gesso.model import Model, load
from gesso.request import Mask, Request, Shown, Source
from tests.models import save_model


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("models") / "depth.safetensors", "sd2-depth")


@pytest.fixture(scope="module")
def model(file: Path) -> Model:
    return load(file, device="cpu", dtype="float32")


def ramp(path: Path, *, deep: bool = False) -> Path:
    """Near to the right."""
    row = np.linspace(0, 65535 if deep else 255, 64)
    Image.fromarray(np.tile(row, (64, 1)).astype(np.uint16 if deep else np.uint8)).save(path)
    return path


@pytest.mark.parametrize("deep", [False, True])
def test_depth_is_spread_over_what_the_network_knows(deep: bool, tmp_path: Path) -> None:
    found = depth_map(Shown(image=ramp(tmp_path / "d.png", deep=deep)), view((64, 64)), (8, 8))
    assert found.shape == (1, 1, 8, 8)
    assert (float(found.min()), float(found.max())) == (-1.0, 1.0)
    assert bool((found[..., 1:] > found[..., :-1]).all())
    # sixteen bits are all read
    assert len(set(found[0, 0, 0].tolist())) == 8


def test_a_part_is_spread_by_itself(tmp_path: Path) -> None:
    shown = Shown(image=ramp(tmp_path / "d.png"))
    found = depth_map(shown, View((64, 64), Box(0, 0, 32, 64)), (8, 4))
    assert found.shape == (1, 1, 8, 4)
    assert float(found.max()) == 1.0


def test_where_all_is_equally_near_all_is_far(tmp_path: Path) -> None:
    Image.new("L", (64, 64), 9).save(tmp_path / "flat.png")
    found = depth_map(Shown(image=tmp_path / "flat.png"), view((64, 64)), (8, 8))
    assert torch.equal(found, torch.full((1, 1, 8, 8), -1.0))


def test_depth_matters_and_so_do_words_and_source(model: Model, tmp_path: Path) -> None:
    depth = ramp(tmp_path / "d.png")
    Image.open(depth).transpose(Image.Transpose.ROTATE_90).save(tmp_path / "r.png")
    Image.linear_gradient("L").convert("RGB").resize((64, 64)).save(tmp_path / "p.png")
    mask = Image.new("L", (64, 64))
    mask.paste(255, (16, 16, 48, 48))
    mask.save(tmp_path / "m.png")
    request = Request(prompt="a cat", seed=1, steps=2, sampler="euler", depth=Shown(image=depth))
    edit = Source(image=tmp_path / "p.png", mask=Mask(image=tmp_path / "m.png"))
    changes: list[dict[str, object]] = [
        {},
        {"depth": Shown(image=tmp_path / "r.png")},
        {"prompt": "a dog"},
        {"source": Source(image=tmp_path / "p.png")},
        {"source": edit},
    ]
    found = {paint(model, request.model_copy(update=each)).images[0].tobytes() for each in changes}
    assert len(found) == len(changes)


def test_the_picture_knows_its_depth(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    depth, out = ramp(tmp_path / "d.png"), tmp_path / "x.png"
    told = ["generate", "-m", str(file), "a cat", "--depth", str(depth), "--out", str(out)]
    assert main([*told, "--device", "cpu", "--dtype", "float32"]) == 0
    assert main(["replay", str(out), "--out", str(tmp_path / "again.png")]) == 0
    assert capsys.readouterr().out == "the same pixels\n"
    ramp(depth, deep=True)
    assert main(["replay", str(out), "--out", str(tmp_path / "again.png")]) == 2
    assert "has changed" in capsys.readouterr().err


def test_files_that_are_no_picture(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(b"no picture")
    with pytest.raises(RequestError, match="depth must be a picture"):
        depth_map(Shown(image=tmp_path / "x.png"), view((64, 64)), (8, 8))
