from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from gesso.runtime.kept import Kept, taken


class Doubled(Kept):
    """Keeps half of every number."""

    other: Tensor

    def plain(self) -> Tensor:
        return self.other * 2


def nothing(_: Kept, __: object) -> None:
    pass


def one_more(_: Kept, __: object) -> Callable[[Tensor, Tensor], Tensor]:
    return lambda x, _: x + 1


def kept(weight: Tensor) -> Doubled:
    made = Kept.__new__(Doubled, weight)
    assert isinstance(made, Doubled)
    made.other = weight / 2
    return made


def test_whoever_reads_it_finds_the_plain_weight() -> None:
    weight = torch.arange(6.0).view(2, 3)
    found = kept(weight)
    assert isinstance(found, torch.nn.Parameter)
    readings = (found.data, found.detach(), found + 0, torch.cat((found,)), found.to(torch.float64))
    assert all(type(each) is Tensor and torch.equal(each.float(), weight) for each in readings)
    assert taken(found) == taken(weight) == weight.nbytes
    assert (found.shape, found.dtype, found.stride()) == (weight.shape, weight.dtype, weight.stride())


def test_what_it_holds_decides_how_layers_multiply(monkeypatch: pytest.MonkeyPatch) -> None:
    found = kept(torch.ones(2, 3))
    monkeypatch.setattr(Doubled, "answers", nothing)
    assert torch.equal(functional.linear(torch.ones(1, 3), found), torch.full((1, 2), 3.0))
    monkeypatch.setattr(Doubled, "answers", one_more)
    assert torch.equal(functional.linear(torch.ones(1, 3), found), torch.full((1, 3), 2.0))


def test_it_cannot_be_written_to() -> None:
    found = kept(torch.ones(2, 3))
    with torch.no_grad(), pytest.raises(TypeError, match="a doubled weight must not be written to"):
        found.mul_(2)
    with pytest.raises(TypeError, match="must not be written to"):
        found.data = torch.zeros(2, 3)


def test_a_form_must_say_what_it_is() -> None:
    bare = Kept.__new__(Kept, torch.ones(1, 1))
    for question in (bare.plain, lambda: bare.answers(functional.linear)):
        with pytest.raises(NotImplementedError):
            question()
