from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gesso.cli.main import main
from tests.models import save_model


def test_a_picture_grows_and_keeps_its_pixels(tmp_path: Path) -> None:
    model = save_model(tmp_path / "sd1.safetensors", "sd1")
    before = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(before).save(tmp_path / "s.png")
    out = tmp_path / "o.png"
    asked = ["outpaint", str(tmp_path / "s.png"), "--left", "40", "--down", "16", "a cat", "-m", str(model)]
    assert main([*asked, "--device", "cpu", "--dtype", "float32", "--seed", "1", "--out", str(out)]) == 0
    after = np.asarray(Image.open(out))
    assert after.shape == (80, 104, 3)
    assert np.array_equal(after[:64, 40:], before)


def test_growing_by_nothing_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["outpaint", str(tmp_path / "s.png"), "a cat"]) == 2
    assert "no side" in capsys.readouterr().err
