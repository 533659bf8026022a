import pytest

from gesso.checkpoint.averaged import has_average, with_average
from gesso.errors import TensorMismatch
from tests.files import table

RAW = {"model.diffusion_model.input_blocks.0.0.weight": (4, 4), "model.diffusion_model.out.2.bias": (4,)}
AVERAGED = {
    "model_ema.diffusion_modelinput_blocks00weight": (4, 4),
    "model_ema.diffusion_modelout2bias": (4,),
    "model_ema.decay": (),
    "model_ema.num_updates": (),
}


def test_averages_take_the_place_of_the_raw_weights() -> None:
    entries = table({**RAW, **AVERAGED, "first_stage_model.x": (1,)}).header.entries
    found = with_average(entries)
    assert has_average(entries)
    assert found.keys() == {*RAW, "first_stage_model.x"}
    for raw, averaged in zip(RAW, AVERAGED, strict=False):
        assert found[raw] is entries[averaged]
    assert found["first_stage_model.x"] is entries["first_stage_model.x"]


@pytest.mark.parametrize(
    ("averaged", "words"),
    [
        ({}, "2 have none"),
        ({"model_ema.diffusion_modelout2bias": (4,)}, "1 have none, such as 'model.diffusion_model.input"),
        (
            {**AVERAGED, "model_ema.diffusion_modelout2bias": (5,)},
            "1 have none, such as 'model.diffusion_model.out",
        ),
    ],
)
def test_averages_must_be_complete(averaged: dict[str, tuple[int, ...]], words: str) -> None:
    with pytest.raises(TensorMismatch, match=words):
        with_average(table(RAW | averaged).header.entries)
