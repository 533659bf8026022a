"""Layers from tensor names and shapes."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gesso.errors import TensorMismatch
from gesso.networks.structure import conv, count, group_norm, linear, under


@given(st.integers(1, 4096))
def test_groups_divide_any_width_and_are_at_most_32(width: int) -> None:
    with torch.device("meta"):
        norm = group_norm({"norm.weight": (width,)}, "norm", 1e-6)
    assert width % norm.num_groups == 0
    assert norm.num_groups <= 32
    assert norm.num_groups == 32 or width % 32


@given(st.sets(st.integers(0, 40)))
def test_the_count_reaches_past_the_highest_index(indices: set[int]) -> None:
    shapes = {f"block.{i}.weight": (1,) for i in indices} | {
        "block.norm.weight": (1,),
        "blocks.99.bias": (1,),
    }
    assert count(shapes, "block") == max(indices, default=-1) + 1


def test_under_keeps_what_starts_with_the_prefix_and_drops_it() -> None:
    assert under({"a.b": (1,), "a.c.d": (2,), "ab": (3,)}, "a.") == {"b": (1,), "c.d": (2,)}


def test_a_layer_has_a_bias_where_the_file_has_one() -> None:
    assert linear({"to_q.weight": (2, 3)}, "to_q").bias is None
    assert linear({"to_q.weight": (2, 3), "to_q.bias": (2,)}, "to_q").bias is not None


def test_a_convolution_keeps_the_size_whatever_its_kernel() -> None:
    for kernel in (1, 3, 5):
        layer = conv({"conv.weight": (2, 3, kernel, kernel)}, "conv")
        assert layer(torch.zeros(1, 3, 6, 7)).shape == (1, 2, 6, 7)


@pytest.mark.parametrize("shape", [(2,), (2, 3, 1, 1), (0, 3)])
def test_a_tensor_of_the_wrong_shape_is_named(shape: tuple[int, ...]) -> None:
    with pytest.raises(TensorMismatch, match=r"to_q\.weight"):
        linear({"to_q.weight": shape}, "to_q")
