"""LLLite changes what its layers are given, as its formula says, and is gone after."""

import torch
from torch import nn

from gesso.networks.lllite import Branch, Changing, LLLite
from tests.control.made import lite_shapes
from tests.models import random_weights

LAYERS = {"a.to_q.weight": (8, 8), "b.weight": (8, 8, 3, 3)}


def built() -> LLLite:
    shapes = lite_shapes(LAYERS)
    network = LLLite(shapes)
    network.load_state_dict(random_weights(shapes, 1), strict=True)
    return network


def test_branches_are_named_after_their_layers() -> None:
    assert built().branches().keys() == {"a_to_q", "b"}


def test_a_branch_is_its_formula() -> None:
    branch = built().branches()["a_to_q"]
    seen = branch.seen(torch.rand(1, 3, 40, 24) * 2 - 1)
    assert seen.shape == (1, 3 * 2, 6)
    x = torch.randn(2, 6, 8)
    inner = torch.relu(branch.down[0](x))
    expected = branch.up[0](torch.relu(branch.mid[0](torch.cat((seen.expand(2, -1, -1), inner), -1))))
    assert torch.allclose(branch(x, seen), expected)


def test_layers_are_changed_for_a_while() -> None:
    network = built()
    unet = nn.ModuleDict({"a": nn.ModuleDict({"to_q": nn.Linear(8, 8)}), "b": nn.Conv2d(8, 8, 3, padding=1)})
    pixels = torch.rand(1, 3, 32, 32)
    given = {"a_to_q": torch.randn(1, 4, 8), "b": torch.randn(1, 8, 2, 2)}
    layers: dict[str, nn.Module] = {"a_to_q": unet["a"]["to_q"], "b": unet["b"]}
    plain = {name: layer(given[name]) for name, layer in layers.items()}

    def change(branch: Branch, weight: float) -> Changing:
        return Changing(branch, branch.seen(pixels), torch.tensor(weight))

    changes = {name: change(branch, 0.5) for name, branch in network.branches().items()}
    with network.changing(unet, changes):
        for name, layer in layers.items():
            branch, x = network.branches()[name], given[name]
            expected = layer.forward(x + 0.5 * branch(x, branch.seen(pixels)))
            assert torch.allclose(layer(x), expected)
    assert all(torch.equal(layer(given[name]), plain[name]) for name, layer in layers.items())
