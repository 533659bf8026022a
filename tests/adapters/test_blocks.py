import pytest

from gesso.adapters.blocks import Strength, block_of, block_weights
from gesso.adapters.site import Site, Target
from gesso.checkpoint.shapes import Shapes
from gesso.errors import RequestError
from gesso.families.blueprint import CheckpointPlan, checkpoint_shapes
from tests.headers import SD1, SDXL

UNET = "model.diffusion_model."


def target(name: str, plan: CheckpointPlan) -> Target:
    return Target(name, name, {"unet": Shapes(checkpoint_shapes(plan)).under(UNET)}, ())


def test_lists_are_as_long_as_people_know_them() -> None:
    sd1, sdxl = target("sd1", SD1), target("sdxl", SDXL)
    looking = "BASE IN01 IN02 IN04 IN05 IN07 IN08 M00 OUT03 OUT04 OUT05 OUT06 OUT07 OUT08 OUT09 OUT10 OUT11"
    assert list(block_weights([1.0] * 17, sd1)) == looking.split()
    few = ["BASE", "IN04", "IN05", "IN07", "IN08", "M00", *(f"OUT0{i}" for i in range(6))]
    assert list(block_weights([1.0] * 12, sdxl)) == few
    assert len(block_weights([1.0] * 26, sd1)) == 26
    assert len(block_weights([1.0] * 20, sdxl)) == 20


def test_other_lists_and_names_are_refused() -> None:
    with pytest.raises(RequestError, match="17 or 26 for sd1, however: 12"):
        block_weights([1.0] * 12, target("sd1", SD1))
    with pytest.raises(RequestError, match="'IN11'"):
        block_weights({"IN11": 0.5}, target("sdxl", SDXL))
    assert block_weights({"IN04": 0.5}, target("sdxl", SDXL)) == {"IN04": 0.5}


@pytest.mark.parametrize(
    ("part", "weight", "block"),
    [
        ("unet", "input_blocks.4.1.proj_in.weight", "IN04"),
        ("unet", "middle_block.0.in_layers.2.weight", "M00"),
        ("unet", "output_blocks.11.0.in_layers.2.weight", "OUT11"),
        ("unet", "time_embed.0.weight", "BASE"),
        ("text", "text_model.encoder.layers.0.mlp.fc1.weight", "BASE"),
    ],
)
def test_every_place_is_in_a_block(part: str, weight: str, block: str) -> None:
    site = Site(part, weight, (1, 1))
    assert block_of(site) == block
    assert Strength(0.5, 0.25, {block: 2.0})(site) == (1.0 if part == "unet" else 0.5)
    assert Strength(0.5, 0.25, {"other": 2.0})(site) == (0.5 if part == "unet" else 0.25)
