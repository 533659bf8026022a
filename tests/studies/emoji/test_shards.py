"""Shards: what is written is what training reads."""

from pathlib import Path

import numpy as np

from gesso.training.data.pictures import gathered
from gesso.training.recipe import CaptionRules, PictureSet
from studies.emoji.shards import write


def test_training_reads_the_pictures_and_all_their_captions(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (8, 8, 3), np.uint8) for _ in range(3)]
    write(tmp_path / "a.tar", [(each, (f"picture {i}", "a picture")) for i, each in enumerate(pictures)])
    found = gathered([PictureSet(folder=tmp_path / "a.tar")], CaptionRules())
    for i, (picture, shown) in enumerate(zip(pictures, found, strict=True)):
        assert np.array_equal(np.asarray(shown.opened()), picture)
        assert [each.text for each in shown.wordings] == [f"picture {i}", "a picture"]
    assert not list(tmp_path.glob(".*"))
