"""T2I-Adapters in both namings are one network, for any size of picture."""

import pytest
import torch

from benchmarks.parity_cases import weight
from gesso.networks.t2i_adapter import T2IAdapter, t2i_names
from tests.references.controls_cases import control_shapes


def built(name: str) -> T2IAdapter:
    theirs = control_shapes(name)
    names = t2i_names(theirs)
    network = T2IAdapter({own: theirs[old] for own, old in names.items()})
    network.load_state_dict({own: weight(own, theirs[old]) for own, old in names.items()}, strict=True)
    return network


@pytest.mark.parametrize("name", ["adapter", "adapter grey", "adapter light"])
def test_features_halve_with_the_unet(name: str) -> None:
    found = built(name)(torch.rand(1, 3, 72, 104))
    assert [each.shape[-2:] for each in found] == [(9, 13), (5, 7), (3, 4), (2, 2)]
    assert built(name).widths == tuple(each.shape[1] for each in found)


def test_those_for_sdxl_fold_16_pixels_and_halve_once() -> None:
    found = built("adapter xl")(torch.rand(1, 3, 72, 104))
    assert [each.shape[-2:] for each in found] == [(5, 7), (5, 7), (3, 4), (3, 4)]


def test_the_originals_names_stay() -> None:
    names = {"conv_in.weight": (32, 192, 3, 3), "body.2.in_conv.weight": (64, 32, 1, 1)}
    assert t2i_names(names) == {name: name for name in names}
