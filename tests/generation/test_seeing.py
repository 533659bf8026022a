from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from gesso.errors import RequestError
from gesso.generation.seeing import as_seen, read_embedding, read_picture
from tests.references.image_prompt_cases import photo
from tests.references.networks_said import recorded_in


def test_a_picture_is_shown_as_transformers_shows_it() -> None:
    torch.testing.assert_close(as_seen(photo(), 56), recorded_in("vision")["shown"], atol=1e-6, rtol=0)


@pytest.mark.parametrize("size", [(300, 20), (20, 300), (56, 56), (1, 1)])
def test_every_picture_becomes_a_square(size: tuple[int, int]) -> None:
    assert as_seen(Image.new("RGB", size), 56).shape == (1, 3, 56, 56)


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("words")
    for name in ("a.png", "none.png"):
        with pytest.raises(RequestError, match=r"image must be a picture, however"):
            read_picture(tmp_path / name, "image")


def test_an_embedding_is_read_from_arrays_and_tensors(tmp_path: Path) -> None:
    numbers = np.arange(6, dtype=np.float64)
    np.save(tmp_path / "e.npy", numbers)
    save_file({"face": torch.arange(6)}, tmp_path / "e.safetensors")
    for name in ("e.npy", "e.safetensors"):
        assert torch.equal(read_embedding(tmp_path / name, "image"), torch.arange(6.0)[None])
    np.save(tmp_path / "b.npy", numbers.reshape(2, 3))
    assert read_embedding(tmp_path / "b.npy", "image").shape == (2, 3)


def test_what_is_no_embedding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_text("words")
    np.save(tmp_path / "none.npy", np.zeros((0, 3)))
    np.save(tmp_path / "words.npy", np.array(["a"]))
    save_file({"a": torch.ones(1), "b": torch.ones(1)}, tmp_path / "two.safetensors")
    for name in ("a.npy", "none.npy", "words.npy", "two.safetensors", "missing.npy"):
        with pytest.raises(RequestError, match=r"image must (be|hold) .*, however"):
            read_embedding(tmp_path / name, "image")
