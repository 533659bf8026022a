from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from gesso.runtime.gpu.graphs import KEPT, Answer, Given, Replayed


class Tape:
    """Records as a card does: the same layers again, from where the inputs are to where the answer is."""

    made = 0

    def __init__(self) -> None:
        type(self).made += 1

    def __call__(self, call: Callable[..., Answer], given: Given) -> tuple[Callable[[], None], Answer]:
        answer = call(*given)

        def replay() -> None:
            again = call(*given)
            pairs = [(answer, again)] if isinstance(answer, Tensor) else zip(answer, again, strict=True)
            for place, each in pairs:
                place.copy_(each)

        return replay, answer


class Counting(nn.Module):
    """Counts its calls in Python, of which a real replay makes none."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 3)
        self.calls = 0

    def forward(self, x: Tensor, more: Tensor | None = None) -> Tensor:
        self.calls += 1
        return self.layer(x if more is None else x + more)


@pytest.fixture
def network() -> Counting:
    Tape.made = 0
    return Counting().requires_grad_(requires_grad=False)


def test_answers_are_the_networks_own_and_stay(network: Counting) -> None:
    ours = Replayed(network, recorder=Tape)
    given = [torch.randn(2, 3) for _ in range(4)]
    with ours.steady():
        answers = [ours(x, None) for x in given]
        more = [ours(x, given[0]) for x in given]
    for x, answer, other in zip(given, answers, more, strict=True):
        assert torch.equal(torch.as_tensor(answer), network(x))
        assert torch.equal(torch.as_tensor(other), network(x, given[0]))


def test_several_answers_are_kept_apart(network: Counting) -> None:
    ours = Replayed(network, lambda x: (network(x), 2 * network(x)), Tape)
    one, other = torch.randn(1, 3), torch.randn(1, 3)
    said = [ours(x) for x in (one, one, other, one)]
    for x, answers in zip((one, one, other, one), said, strict=True):
        assert torch.equal(answers[0], network(x))
        assert torch.equal(answers[1], 2 * network(x))


def test_what_is_recorded_is_recorded_once(network: Counting, monkeypatch: pytest.MonkeyPatch) -> None:
    records: list[Given] = []

    def recorder() -> Callable[..., tuple[Callable[[], None], Answer]]:
        def record(call: Callable[..., Answer], given: Given) -> tuple[Callable[[], None], Answer]:
            records.append(given)
            return (lambda: None), call(*given)

        return record

    ours = Replayed(network, recorder=recorder)
    for _ in range(3):
        with ours.steady():
            for _ in range(3):
                ours(torch.ones(2, 3))
    # the first call, and that which is recorded
    assert (network.calls, len(records)) == (2, 1)
    ours(torch.ones(1, 3))
    assert network.calls == 3, "another size is new"


def test_calls_that_come_one_by_one_are_replayed_too(network: Counting) -> None:
    ours = Replayed(network, recorder=lambda: lambda call, given: ((lambda: None), call(*given)))
    for _ in range(5):
        with ours.steady():
            ours(torch.ones(2, 3))
    assert network.calls == 2


@pytest.mark.parametrize("change", ["weights", "hook"])
def test_another_network_is_another_recording(network: Counting, change: str) -> None:
    ours = Replayed(network, recorder=Tape)
    x = torch.randn(2, 3)
    for _ in range(3):
        with ours.steady():
            ours(x)
    if change == "weights":
        network.layer.weight = nn.Parameter(torch.randn(3, 3), requires_grad=False)
    else:
        network.layer.register_forward_hook(lambda _, __, answer: -answer)
    made, calls = Tape.made, network.calls
    with ours.steady():
        assert torch.equal(torch.as_tensor(ours(x)), network(x))
    assert Tape.made == made + 1
    assert network.calls == calls + 2


def test_few_sizes_are_kept(network: Counting) -> None:
    ours = Replayed(network, recorder=lambda: lambda call, given: ((lambda: None), call(*given)))
    for rows in range(1, KEPT + 2):
        ours(torch.ones(rows, 3))
        ours(torch.ones(rows, 3))
    calls = network.calls
    ours(torch.ones(KEPT + 1, 3))
    assert network.calls == calls
    ours(torch.ones(1, 3))
    assert network.calls == calls + 1, "the first is forgotten"


def test_weights_that_the_first_call_moves_are_no_change(network: Counting) -> None:
    def moving(x: Tensor) -> Tensor:
        if network.calls == 0:
            network.layer.weight.data = network.layer.weight.data.clone()
        return network(x)

    ours = Replayed(network, moving, lambda: lambda call, given: ((lambda: None), call(*given)))
    for _ in range(4):
        with ours.steady():
            ours(torch.ones(1, 3))
    assert network.calls == 2
