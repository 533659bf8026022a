"""The image encoders agree with transformers' and are exactly what the file's tensors say."""

import pytest
import torch

from gesso.families.vision import vision_activation, vision_heads
from gesso.families.vision_plan import VisionPlan, open_vision_shapes, vision_shapes
from gesso.networks.clip_vision import ClipVision, OpenClipVision, VisionStates
from tests.references.image_prompt_cases import VISION, square
from tests.references.networks_said import assert_agree, recorded_in, weights

LAYOUTS = {"": (ClipVision, vision_shapes), "open ": (OpenClipVision, open_vision_shapes)}


def said(layout: str) -> VisionStates:
    kind, shapes = LAYOUTS[layout]
    network = kind(shapes(VISION), vision_heads, vision_activation(VISION.width))
    network.load_state_dict(weights(shapes(VISION)))
    with torch.no_grad():
        return network(square())


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_state_agrees_with_transformers(layout: str) -> None:
    states, oracle = said(layout), recorded_in("vision")
    named = {"first": states.hidden[0], "penultimate": states.hidden[-2], "last": states.hidden[-1]}
    named["pooled"] = states.pooled
    assert len(states.hidden) == VISION.layers + 1
    assert_agree({f"{layout}{name}": each for name, each in named.items()}, oracle)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("plan", [VisionPlan(), VisionPlan(1664, 48, 8192, 14, 224, 1280), VISION])
def test_it_has_the_files_tensors_and_no_others(layout: str, plan: VisionPlan) -> None:
    kind, shapes = LAYOUTS[layout]
    with torch.device("meta"):
        network = kind(shapes(plan), vision_heads, "gelu")
    assert {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()} == shapes(plan)
    assert (network.side, network.width, network.pooled_width) == (plan.side, plan.width, plan.projection)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_openai_encoders_think_by_another_function(layout: str) -> None:
    kind, shapes = LAYOUTS[layout]
    outputs: list[torch.Tensor] = []
    for activation in ("gelu", "quick_gelu"):
        network = kind(shapes(VISION), vision_heads, activation)
        network.load_state_dict(weights(shapes(VISION)))
        with torch.no_grad():
            outputs.append(network(square()).pooled)
    assert 0 < float((outputs[0] - outputs[1]).abs().max()) < 0.2 * float(outputs[0].abs().max())
