"""Latents are worked out once, and are what painting from a picture starts from."""

from pathlib import Path

import pytest
import torch

from gesso.errors import NotFinite
from gesso.generation.latents import encoded
from gesso.model import Model
from gesso.training.data.buckets import fit
from gesso.training.data.latents import Latents, look
from gesso.training.data.pictures import gathered
from gesso.training.data.store import Store
from gesso.training.data.views import views
from gesso.training.recipe import BucketRules, CaptionRules, PictureSet
from tests.training.made import picture


def test_a_view_s_latents_are_the_autoencoder_s_and_kept(models: dict[str, Model], tmp_path: Path) -> None:
    picture(tmp_path / "p" / "a.png", (48, 32))
    picture(tmp_path / "m" / "a.png", (48, 32), seed=2)
    kind = PictureSet.model_validate(
        {"folder": tmp_path / "p", "masks": tmp_path / "m", "hints": tmp_path / "m", "flip": True}
    )
    (each,) = gathered([kind], CaptionRules())
    shown = views(kind, fit(each.size, BucketRules(), (32, 32)), each.digest)
    latents = Latents(models["sd1"], Store(tmp_path / "store"))
    for view in shown:
        seen = latents(each, view, each.digest)
        expected = encoded(models["sd1"], view.pixels(each.opened()))
        torch.testing.assert_close(seen.moments.mean, expected)
        assert seen.mask is not None
        assert seen.mask.shape[2:] == seen.moments.mean.shape[2:]
        assert seen.hint is not None
        assert 0 <= float(seen.hint.min()) <= float(seen.hint.max()) <= 1
    assert len(list((tmp_path / "store").rglob("*.safetensors"))) == 2


def test_an_autoencoder_that_overflows_is_told_with_the_file(
    models: dict[str, Model], tmp_path: Path
) -> None:
    picture(tmp_path / "a.png")
    (each,) = gathered([PictureSet.model_validate({"folder": tmp_path})], CaptionRules())
    latents = Latents(models["sd1"], Store(tmp_path / "store"))
    view = views(each.kind, fit(each.size, BucketRules(), (32, 32)), each.digest)[0]
    weight = models["sd1"].vae.get_parameter("quant_conv.bias")
    before = weight.data
    weight.data = torch.full_like(before, float("nan"))
    try:
        with pytest.raises(NotFinite, match=r"a\.png"):
            latents(each, view, each.digest)
    finally:
        weight.data = before


def test_pictures_that_look_alike_have_nearly_the_same_signs() -> None:
    one = torch.rand(1, 3, 72, 72, generator=torch.Generator().manual_seed(0))
    one = torch.nn.functional.interpolate(one[:, :, ::8, ::8], (72, 72), mode="bilinear")
    other = torch.rand(1, 3, 72, 72, generator=torch.Generator().manual_seed(1))
    assert int((look(one) != look(one * 0.8 + 0.1)).sum()) <= 3
    assert int((look(one) != look(other)).sum()) > 10
