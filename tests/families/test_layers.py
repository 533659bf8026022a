"""Names of a layer's tensors."""

from gesso.families.layers import weights


def test_a_bias_is_as_long_as_the_weight_has_outputs() -> None:
    assert dict(weights("conv", 8, 4, 3, 3)) == {"conv.weight": (8, 4, 3, 3), "conv.bias": (8,)}


def test_a_layer_without_bias_has_one_tensor() -> None:
    assert dict(weights("to_q", 8, 4, bias=False)) == {"to_q.weight": (8, 4)}
