"""Projections are told by their tensors; what they say is held against diffusers in tests/control."""

import pytest
import torch

from benchmarks.image_prompt_cases import KINDS, Kind, adapter_shapes
from gesso.errors import TensorMismatch
from gesso.networks.image_projection import EveryPatch, FromFace, FromPooled, Resampler, image_projection
from gesso.networks.structure import under
from tests.references.image_prompt_cases import ADAPTERS, plan, seen
from tests.references.networks_said import weights

CLASSES = {"plain": FromPooled, "plus": Resampler, "full": EveryPatch, "face": FromFace}


@pytest.mark.parametrize("kind", KINDS)
def test_its_kind_and_sizes_are_told_by_its_tensors(kind: Kind) -> None:
    shapes = dict(under(adapter_shapes(plan("xl", kind), {}), "image_proj."))
    network = image_projection(shapes)
    assert type(network) is CLASSES[kind]
    assert {name: tuple(each.shape) for name, each in network.state_dict().items()} == shapes
    inputs, tokens, _ = ADAPTERS[kind]
    assert (network.inputs, network.outputs) == (inputs, plan("xl", kind).context)
    network.load_state_dict(weights(shapes))
    with torch.no_grad():
        told = network(seen(kind))
    assert told.shape == (2, tokens or seen(kind).shape[1], network.outputs)


def test_the_order_of_patches_does_not_matter_to_a_resampler() -> None:
    shapes = dict(under(adapter_shapes(plan("v1", "plus"), {}), "image_proj."))
    network = image_projection(shapes)
    network.load_state_dict(weights(shapes))
    patches = seen("plus")
    with torch.no_grad():
        told, turned = network(patches), network(patches.flip(1))
    torch.testing.assert_close(told, turned, atol=1e-5, rtol=0)


@pytest.mark.parametrize("shapes", [{}, {"conv.weight": (3, 3)}])
def test_another_kind_is_refused(shapes: dict[str, tuple[int, ...]]) -> None:
    with pytest.raises(TensorMismatch, match="known kind"):
        image_projection(shapes)
