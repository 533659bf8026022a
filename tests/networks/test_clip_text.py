"""The CLIP text encoder agrees with transformers' and is exactly what the file's tensors say."""

import pytest
import torch

from benchmarks import parity_gesso
from benchmarks.parity_cases import inputs, tokens
from gesso.families.text_plan import ClipPlan, clip_shapes
from gesso.networks.clip_text import ClipText, quick_gelu
from tests.references.networks_cases import CASES, by_sixteen
from tests.references.networks_said import assert_agree, recorded, weights

SMALL = ClipPlan(width=32, layers=2, positions=9, vocabulary=50)


def filled(plan: ClipPlan) -> ClipText:
    network = ClipText(clip_shapes(plan), by_sixteen, "gelu")
    network.load_state_dict(weights(clip_shapes(plan)))
    return network.requires_grad_(False)


@pytest.mark.parametrize("case", ["v1", "xl"])
def test_every_state_agrees_with_transformers(case: str) -> None:
    tensors = weights(clip_shapes(dict(CASES[case].plan.texts)["clip."]))
    with torch.no_grad():
        assert_agree(parity_gesso.text(CASES[case], "clip.", tensors, inputs(CASES[case])), recorded(case))


@pytest.mark.parametrize("plan", [ClipPlan(), ClipPlan(projection=512), ClipPlan(64, 2, 32, 8192)])
def test_it_has_the_files_tensors_and_no_others(plan: ClipPlan) -> None:
    with torch.device("meta"):
        network = ClipText(clip_shapes(plan), by_sixteen, "quick_gelu")
    assert {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()} == clip_shapes(plan)
    assert (network.positions, network.vocabulary) == (plan.positions, plan.vocabulary)


def test_no_word_knows_those_after_it() -> None:
    network = filled(SMALL)
    prompt = tokens(SMALL.positions, SMALL.vocabulary)
    other = prompt.clone()
    other[:, 5] = (other[:, 5] + 1) % SMALL.vocabulary
    before, after = network(prompt).hidden[-1], network(other).hidden[-1]
    assert torch.equal(before[:, :5], after[:, :5])
    assert not torch.equal(before[:, 5:], after[:, 5:])


def test_the_pooled_prompt_is_read_at_its_first_end() -> None:
    network = filled(SMALL)
    prompt = tokens(SMALL.positions, SMALL.vocabulary)
    states = network(prompt)
    end = prompt[0].tolist().index(SMALL.vocabulary - 1)
    assert torch.equal(states.pooled[0], network.final_norm(states.hidden[-1])[0, end])


def test_there_is_a_state_before_and_after_every_layer() -> None:
    assert len(filled(SMALL)(torch.zeros(1, 9, dtype=torch.long)).hidden) == SMALL.layers + 1


def test_quick_gelu_lies_near_gelu() -> None:
    x = torch.linspace(-8, 8, 101)
    assert float((quick_gelu(x) - torch.nn.functional.gelu(x)).abs().max()) < 0.021
