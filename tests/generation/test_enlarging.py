import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from gesso.errors import CheckpointError, RequestError, ResourceError, UnknownName
from gesso.generation.enlarging import (
    FILTERS,
    check_upscaler,
    cropped,
    enlarged,
    enlarged_latents,
    in_tiles,
)
from gesso.generation.plan import LATENT
from gesso.request import Source

CPU = torch.device("cpu")


def noise(size: tuple[int, int]) -> Image.Image:
    random = np.random.default_rng(0)
    return Image.fromarray(random.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))


def doubled(pixels: Tensor) -> Tensor:
    """A network that sees one pixel beyond each: a blur, then twice the size."""
    near = functional.avg_pool2d(functional.pad(pixels, (1, 1, 1, 1), mode="reflect"), 3, 1)
    return functional.interpolate(near, scale_factor=2)


@pytest.mark.parametrize(
    ("size", "kept"), [((64, 64), (32, 96)), ((128, 64), (0, 128)), ((64, 32), (0, 128))]
)
def test_a_picture_is_cropped_around_its_middle(size: tuple[int, int], kept: tuple[int, int]) -> None:
    """The red runs with x, so that its ends tell what was kept."""
    ramp = Image.new("RGB", (128, 64))
    for x in range(128):
        ramp.paste((2 * x, 0, 0), (x, 0, x + 1, 64))
    found = cropped(ramp, size, Image.Resampling.LANCZOS)
    assert found.size == size
    reds = np.asarray(found)[5, :, 0].astype(float)
    assert reds[0] == pytest.approx(2 * kept[0], abs=6)
    assert reds[-1] == pytest.approx(2 * (kept[1] - 1), abs=6)


@pytest.mark.parametrize("upscaler", [*FILTERS, *LATENT])
def test_every_upscaler_shows_the_picture_at_its_size(upscaler: str) -> None:
    assert check_upscaler(Source.model_validate({"upscaler": upscaler})) is None
    assert enlarged(noise((20, 10)), (40, 20), upscaler, CPU).size == (40, 20)


@pytest.mark.parametrize("upscaler", LATENT)
def test_latents_of_one_value_keep_it(upscaler: str) -> None:
    found = enlarged_latents(torch.full((1, 4, 3, 5), 0.25), (6, 10), LATENT[upscaler])
    assert found.shape == (1, 4, 6, 10)
    torch.testing.assert_close(found, torch.full_like(found, 0.25))


def test_a_name_that_is_none_says_what_was_meant(tmp_path: Path) -> None:
    with pytest.raises(UnknownName) as error:
        check_upscaler(Source(upscaler=Path("lanczoz")))
    assert "did you mean 'lanczos'" in error.value.hint
    with pytest.raises(RequestError, match="is not there"):
        check_upscaler(Source(upscaler=tmp_path / "none.pth"))


def test_a_file_is_known_by_its_hash(tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    path.write_bytes(b"1")
    with pytest.raises(CheckpointError, match="must hold tensors"):
        check_upscaler(Source(upscaler=path))
    torch.save({"params_ema": {"conv.weight": torch.ones(1)}}, path)
    digest = check_upscaler(Source(upscaler=path))
    assert check_upscaler(Source(upscaler=path, upscaler_sha256=digest)) == digest
    with pytest.raises(RequestError, match="has changed"):
        check_upscaler(Source(upscaler=path, upscaler_sha256="0"))


@pytest.mark.parametrize("size", [(40, 30), (300, 30), (700, 520)])
def test_parts_that_a_network_sees_make_the_whole(size: tuple[int, int]) -> None:
    picture = noise(size)
    pixels = torch.from_numpy(np.asarray(picture) / 255.0).float().permute(2, 0, 1)[None]
    whole = (doubled(pixels)[0].permute(1, 2, 0) * 255.0).numpy()
    found = np.asarray(in_tiles(picture, doubled)).astype(np.float64)
    assert found.shape == whole.shape
    assert np.abs(found - whole).max() < 0.51


def test_a_network_is_asked_until_it_is_large_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, ...]] = []

    def network(pixels: Tensor) -> Tensor:
        asked.append(tuple(pixels.shape))
        return doubled(pixels)

    class RefusedError(Exception):
        pass

    class Loader:
        def __init__(self, device: torch.device) -> None: ...

        def load_from_state_dict(self, tensors: dict[str, Tensor]) -> object:
            if "conv.weight" not in tensors:
                raise RefusedError("unknown")
            return network

    spandrel = SimpleNamespace(ModelLoader=Loader, UnsupportedModelError=RefusedError)
    monkeypatch.setitem(sys.modules, "spandrel", spandrel)
    for name, tensor in (("net.pth", "conv.weight"), ("broken.pth", "other.weight")):
        torch.save({"params": {tensor: torch.ones(1)}}, tmp_path / name)
    found = enlarged(noise((20, 10)), (60, 30), tmp_path / "net.pth", CPU)
    assert found.size == (60, 30)
    assert asked == [(1, 3, 10, 20), (1, 3, 20, 40)]
    with pytest.raises(
        CheckpointError, match="must be an upscaling network, however: spandrel knows no such: unknown"
    ):
        enlarged(noise((20, 10)), (60, 30), tmp_path / "broken.pth", CPU)


def test_without_what_reads_it_a_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spandrel", None)
    with pytest.raises(ResourceError, match="must have spandrel") as error:
        enlarged(noise((8, 8)), (16, 16), tmp_path / "net.pth", CPU)
    assert "gesso[upscale]" in error.value.hint
