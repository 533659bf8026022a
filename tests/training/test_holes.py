"""A model that paints learns to fill holes, and is found to be an inpainting model afterwards."""

from pathlib import Path

import torch

from gesso.checkpoint.file import Checkpoint
from gesso.families.identify import identify
from gesso.generation.latents import Scene, kept
from gesso.model import Model
from gesso.training.holes import beside, drawn, fills, widen
from gesso.training.job import Finished
from tests.training import made

PIXELS = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_holes_are_rectangles_or_everything_and_the_generator_s_alone() -> None:
    many = torch.cat([drawn(PIXELS, torch.Generator().manual_seed(i)) for i in range(100)])
    assert set(many.unique().tolist()) == {0.0, 1.0}
    assert all(each.any() for each in many)
    whole = sum(bool(each.all()) for each in many) / len(many)
    assert 0.2 < whole < 0.45
    assert torch.equal(many[:3], drawn(PIXELS, torch.Generator().manual_seed(0)))


def test_a_widened_network_gives_what_it_gave(files: dict[str, Path]) -> None:
    model = made.opened_model(files["sd1"])
    unet, x = model.networks["unet"], torch.randn(1, 4, 4, 4)
    told = (torch.tensor([5.0]), torch.randn(1, 77, 64))
    with torch.no_grad():
        before = unet(x, *told)
        assert not fills(model)
        widen(model)
        assert fills(model)
        torch.testing.assert_close(unet(torch.cat([x, torch.randn(1, 5, 4, 4)], dim=1), *told), before)


def test_each_picture_is_shown_as_in_painting(models: dict[str, Model]) -> None:
    holes = drawn(PIXELS, torch.Generator().manual_seed(1))
    found = beside(models["sd1"], PIXELS, holes)
    for i in range(3):
        alone = kept(models["sd1"], Scene((4, 4), PIXELS[i : i + 1], holes[i : i + 1]))
        torch.testing.assert_close(found[i : i + 1], alone)


def test_a_model_that_paints_becomes_one_that_fills(files: dict[str, Path], tmp_path: Path) -> None:
    made.album(tmp_path / "p", 2)
    asked = {"kind": "full", "inpainting": True}
    events = made.carried_out(
        made.recipe(files["sd1"], tmp_path / "p", tmp_path / "run", subject=asked, run={"steps": 1})
    )
    assert isinstance(events[-1], Finished)
    file = Checkpoint.open(events[-1].file)
    assert identify(file).name == "sd1-inpainting"
    weight = dict(file.tensors(["model.diffusion_model.input_blocks.0.0.weight"]))
    assert all(bool(each[:, 4:].any()) for each in weight.values())
    # and goes on learning as one
    again = made.recipe(events[-1].file, tmp_path / "p", tmp_path / "more", run={"steps": 1})
    assert isinstance(made.carried_out(again)[-1], Finished)
