import pytest
import torch

from gesso.conditioning.conditioning import Conditioning, cat


def told(rows: int, *, vector: bool = True, concat: bool = True) -> Conditioning:
    return Conditioning(
        torch.randn(rows, 77, 8),
        torch.randn(rows, 5) if vector else None,
        torch.randn(rows, 4, 2, 3) if concat else None,
    )


@pytest.mark.parametrize("vector", [True, False])
@pytest.mark.parametrize("concat", [True, False])
def test_a_batch_holds_every_row_in_order_and_only_the_parts_there_are(vector: bool, concat: bool):
    one, two = told(1, vector=vector, concat=concat), told(2, vector=vector, concat=concat)
    both = cat([one, two])
    assert len(both) == 3
    assert both.context.equal(torch.cat([one.context, two.context]))
    assert (both.vector is None, both.concat is None) == (not vector, not concat)
    if both.vector is not None and one.vector is not None:
        assert both.vector[0].equal(one.vector[0])


def test_rows_are_repeated_one_after_the_other():
    both = told(2)
    many = both.repeated(3)
    assert len(many) == 6
    assert many.context[2].equal(both.context[0])
    assert many.context[3].equal(both.context[1])
    assert many.vector is not None
    assert many.concat is not None
    assert (many.vector.shape, many.concat.shape) == ((6, 5), (6, 4, 2, 3))


def test_every_part_changes_its_type():
    half = told(1).to(dtype=torch.bfloat16)
    assert {part.dtype for part in (half.context, half.vector, half.concat) if part is not None} == {
        torch.bfloat16
    }
    assert told(1, vector=False).to(dtype=torch.float16).vector is None


def test_rows_know_their_roles() -> None:
    one = told(1)
    other = Conditioning(one.context, one.vector, one.concat, ("negative",))
    both = cat([one, other])
    assert both.roles == ("prompt", "negative")
    assert both.repeated(2).to(dtype=torch.float64).roles == ("prompt", "prompt", "negative", "negative")
