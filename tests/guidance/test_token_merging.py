from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gesso.conditioning.conditioning import Conditioning
from gesso.denoiser import Call
from gesso.guidance.token_merging import TokenMerging, matched
from gesso.networks.attention import Attention
from gesso.networks.structure import under
from tests.references.networks_cases import by_sixteen

SIDES = st.tuples(st.integers(1, 7), st.integers(1, 7))


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@given(SIDES, st.floats(0, 0.75), st.integers(0, 99))
def test_every_token_has_one_place(size: tuple[int, int], share: float, seed: int) -> None:
    count = size[0] * size[1]
    x = torch.randn(2, count, 8, generator=seeded(seed))
    found = matched(x, size, share, seeded(seed))
    for row in range(2):
        places = torch.cat([found.apart[row], found.joined[row]])
        assert sorted(places.tolist()) == [*range(count)]
    kept = -(-size[0] // 2) * -(-size[1] // 2)
    assert found.joined.shape[1] == min(int(share * count), count - kept)
    assert bool((found.keepers < kept).all())
    # tokens that look on their own find their own
    spread = found.spread(found.merged(x))
    assert torch.equal(
        spread.gather(1, found.apart[:, kept:, None].expand(-1, -1, 8)), found.merged(x)[:, kept:]
    )


def test_nothing_merged_is_nothing_changed() -> None:
    x = torch.randn(1, 24, 8, generator=seeded())
    found = matched(x, (4, 6), 0.0, seeded())
    assert torch.equal(found.spread(found.merged(x)), x)


def test_the_likest_are_merged_and_averaged() -> None:
    # two kinds of tokens, in halves: whoever is merged meets its own kind
    x = torch.zeros(1, 32, 4)
    x[:, :16, 0], x[:, 16:, 1] = 1.0, 2.0
    found = matched(x, (8, 4), 0.75, seeded())
    assert torch.equal(found.spread(found.merged(x)), x)


@pytest.mark.parametrize("share", [0.25, 0.5])
def test_fewer_tokens_look_and_all_are_told(share: float) -> None:
    shapes = {name: (16, 16) for name in ("to_q.weight", "to_k.weight", "to_v.weight", "to_out.0.weight")}
    layer = Attention(under({**shapes, "to_out.0.bias": (16,)}, ""), by_sixteen).requires_grad_(False)
    x = torch.randn(2, 24, 16, generator=seeded())
    plain, looked = layer(x, x), list[int]()
    handle = layer.to_q.register_forward_hook(lambda _, args, __: looked.append(args[0].shape[1]))
    told = Conditioning(torch.zeros(2, 7, 24))
    ask = partial(Call, layer, torch.zeros(2, 4, 4, 6), torch.ones(2), cond=told)
    with TokenMerging([layer], share).during(ask(sigma=1.0)):
        first = layer(x, x)
    with TokenMerging([layer], share).during(ask(sigma=1.0)):
        second = layer(x, x)
        layer(x, torch.cat([x, x], 1))
    handle.remove()
    assert looked == [24 - int(24 * share)] * 3
    assert first.shape == plain.shape
    assert torch.equal(first, second)
    assert not torch.allclose(first, plain)
    assert torch.equal(layer(x, x), plain)
