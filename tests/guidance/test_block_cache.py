from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from gesso.conditioning.conditioning import Conditioning, Role
from gesso.denoiser import Call
from gesso.families.unet_plan import UNetPlan, unet_shapes
from gesso.guidance.block_cache import BlockCache, Due, changed, periodic
from gesso.networks.unet import UNet
from tests.references.networks_cases import eight
from tests.references.networks_said import weights

PLAN = UNetPlan(width=32, multipliers=(1, 2), blocks=1, depths=(0, 1), context=16, linear=True)
BOTH: tuple[Role, ...] = ("prompt", "negative")
X = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(1))
WORDS = torch.randn(2, 3, 16, generator=torch.Generator().manual_seed(2))


@pytest.fixture(scope="module")
def network() -> UNet:
    network = UNet(unet_shapes(PLAN), eight)
    network.load_state_dict(weights(unet_shapes(PLAN)))
    return network.requires_grad_(False)


@pytest.fixture
def ask(network: UNet) -> Callable[..., Tensor]:
    def asked(
        cache: BlockCache | None, x: Tensor, words: Tensor = WORDS, roles: tuple[Role, ...] = BOTH
    ) -> Tensor:
        call = Call(network, x, torch.ones(len(x)), 1.0, Conditioning(words, roles=roles))
        if cache is None:
            return network(x, call.t, words)
        with cache.during(call):
            return network(x, call.t, words)

    return asked


@pytest.mark.parametrize("due", [periodic(1), changed(0.0)])
def test_a_cache_that_is_never_used_changes_nothing(due: Due, ask: Callable[..., Tensor]) -> None:
    cache = BlockCache(1, due)
    for scale in (1.0, 0.9, 0.8):
        assert torch.equal(ask(cache, X * scale), ask(None, X * scale))
    assert cache.computed == 6


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_inner_blocks_run_in_every_so_many_calls(
    depth: int, network: UNet, ask: Callable[..., Tensor]
) -> None:
    cache, runs = BlockCache(depth, periodic(3)), 0

    def count(*_: object) -> None:
        nonlocal runs
        runs += 1

    blocks = (*network.input_blocks, *network.output_blocks, network.middle_block)
    handles = [next(each.children()).register_forward_hook(count) for each in blocks]
    said = [ask(cache, X * scale) for scale in (1.0, 0.99, 0.98, 0.97, 0.96)]
    for handle in handles:
        handle.remove()
    assert cache.computed == 4
    assert runs == 5 * 2 * depth + 2 * (len(blocks) - 2 * depth)
    plain = [ask(None, X * scale) for scale in (1.0, 0.99, 0.98, 0.97, 0.96)]
    same = [torch.equal(one, other) for one, other in zip(said, plain, strict=True)]
    assert same == [True, False, False, True, False]
    assert torch.equal(ask(None, X), plain[0])


def test_they_run_once_what_they_are_given_has_changed(ask: Callable[..., Tensor]) -> None:
    cache = BlockCache(2, changed(0.2))
    # small changes add up until they are too many
    for scale, computed in ((1.0, 2), (1.05, 2), (1.1, 2), (2.0, 4), (2.0, 4)):
        ask(cache, X * scale)
        assert cache.computed == computed


def test_other_rows_and_other_words_are_computed(ask: Callable[..., Tensor]) -> None:
    cache = BlockCache(2, periodic(100))
    ask(cache, X)
    ask(cache, X)
    assert cache.computed == 2
    ask(cache, X, WORDS + 1)
    assert cache.computed == 4
    ask(cache, X, WORDS + 1, ("prompt", "perturbed"))
    assert cache.computed == 6
    assert torch.equal(ask(cache, X[:1], WORDS[:1], ("prompt",)), ask(None, X[:1], WORDS[:1]))
    assert cache.computed == 7
