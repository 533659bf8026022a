"""`gesso annotate` makes the picture that a control model is shown."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gesso.annotators.edges import canny
from gesso.cli.main import main
from tests.onnx_files import mean_of_channels
from tests.references.canny_cases import picture


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    Image.fromarray(picture()).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def test_a_drawing_is_saved_where_it_says(
    photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "edges.png"
    options = ("--options", "low=40", "--options", "high=120")
    assert main(["annotate", str(photo), "--with", "canny", *options, "--out", str(out)]) == 0
    assert capsys.readouterr().out.strip() == str(out)
    assert np.array_equal(np.asarray(Image.open(out))[..., 0], canny(picture(), 40, 120))
    assert main(["annotate", str(photo), "--with", "blur", "--out", str(tmp_path)]) == 0
    assert (tmp_path / "photo-blur.png").exists()


def test_a_network_draws_too(photo: Path, tmp_path: Path) -> None:
    drawing = str(mean_of_channels(tmp_path / "grey.onnx"))
    assert (
        main(["annotate", str(photo), "--with", drawing, "--options", "scale=unit", "--out", str(tmp_path)])
        == 0
    )
    with Image.open(tmp_path / "photo-grey.png") as found:
        assert found.size == (130, 90)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--with", "cany"), "did you mean 'canny'"),
        (("--with", "canny", "--options", "low=much"), "type int"),
    ],
)
def test_what_is_wrong_is_said(
    photo: Path, arguments: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["annotate", str(photo), *arguments]) == 2
    assert says in capsys.readouterr().err
