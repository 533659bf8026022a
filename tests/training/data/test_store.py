"""A store makes nothing twice, and takes nothing for another."""

from pathlib import Path

import pytest
import torch
from torch import nn

from gesso.errors import ResourceError
from gesso.training.data.store import Store, fingerprint


def test_what_was_made_is_kept_by_all_that_made_it(tmp_path: Path) -> None:
    store, made = Store(tmp_path), list[int]()

    def make() -> dict[str, torch.Tensor]:
        made.append(1)
        return {"x": torch.full((2,), float(len(made)))}

    first = store.get(["a", 1], make)["x"]
    assert torch.equal(Store(tmp_path).get(["a", 1], make)["x"], first)
    assert not torch.equal(store.get(["a", 2], make)["x"], first)
    assert len(made) == 2


def test_what_is_broken_is_made_anew(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.get("a", lambda: {"x": torch.ones(2)})
    (file,) = tmp_path.rglob("*.safetensors")
    file.write_bytes(file.read_bytes()[:-3])
    assert torch.equal(store.get("a", lambda: {"x": torch.zeros(2)})["x"], torch.zeros(2))


def test_a_place_that_cannot_be_written_to_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ResourceError, match="writable"):
        Store(tmp_path / "file").get("a", lambda: {"x": torch.ones(2)})


def test_a_fingerprint_tells_every_bit_and_type() -> None:
    network = nn.Linear(2, 2)
    before = fingerprint(network)
    assert fingerprint(network) == before
    assert fingerprint(nn.Linear(2, 2)) != before
    with torch.no_grad():
        network.bias[0] = torch.nextafter(network.bias[0], torch.tensor(9.0))
    assert fingerprint(network) != before
    assert fingerprint(network.bfloat16()) != fingerprint(network.float())
