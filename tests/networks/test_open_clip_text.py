"""The OpenCLIP text encoder agrees with transformers' and is exactly what the file's tensors say."""

import pytest
import torch

from benchmarks import parity_gesso
from benchmarks.parity_cases import inputs, tokens
from gesso.families.text_plan import OpenClipPlan, open_clip_shapes
from gesso.networks.open_clip_text import OpenClipText
from tests.references.networks_cases import CASES, by_sixteen
from tests.references.networks_said import assert_agree, recorded, weights

SMALL = OpenClipPlan(width=32, layers=2, positions=9, vocabulary=50, projection=24)


@pytest.mark.parametrize("case", ["v2", "xl", "refiner"])
def test_every_state_agrees_with_transformers(case: str) -> None:
    tensors = weights(open_clip_shapes(dict(CASES[case].plan.texts)["open."]))
    with torch.no_grad():
        assert_agree(parity_gesso.text(CASES[case], "open.", tensors, inputs(CASES[case])), recorded(case))


@pytest.mark.parametrize("plan", [OpenClipPlan(), OpenClipPlan(projection=None), SMALL])
def test_it_has_the_files_tensors_and_no_others(plan: OpenClipPlan) -> None:
    shapes = open_clip_shapes(plan)
    with torch.device("meta"):
        network = OpenClipText(shapes, by_sixteen)
    assert {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()} == shapes
    assert (network.positions, network.vocabulary) == (plan.positions, plan.vocabulary)


def test_a_file_without_logit_scale_is_complete() -> None:
    shapes = open_clip_shapes(SMALL)
    del shapes["logit_scale"]
    assert OpenClipText(shapes, by_sixteen).state_dict().keys() == shapes.keys()


def test_the_pooled_prompt_is_as_wide_as_the_projection() -> None:
    network = OpenClipText(open_clip_shapes(SMALL), by_sixteen)
    network.load_state_dict(weights(open_clip_shapes(SMALL)))
    states = network(tokens(SMALL.positions, SMALL.vocabulary))
    assert states.pooled.shape == (2, 24)
    assert [state.shape for state in states.hidden] == [(2, 9, 32)] * 3
