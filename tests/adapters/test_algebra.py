"""Each algebra against the formula of its paper, written once more by hand."""

import pytest
import torch
from torch import Tensor

from gesso.adapters.algebra import ALGEBRAS, decomposed

DRAW = torch.Generator().manual_seed(1)


def draw(*shape: int) -> Tensor:
    return torch.randn(shape, generator=DRAW, dtype=torch.float64)


def added(weight: Tensor, tensors: dict[str, Tensor]) -> Tensor:
    return ALGEBRAS[frozenset(tensors) - {"alpha"}].delta(tensors, weight)


def assert_same(found: Tensor, wanted: Tensor) -> None:
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-6)


def test_lora_of_a_linear_layer() -> None:
    w, down, up = draw(6, 5), draw(2, 5), draw(6, 2)
    wanted = torch.tensor(
        [[sum(up[o, r] * down[r, i] for r in range(2)) for i in range(5)] for o in range(6)]
    )
    assert_same(added(w, {"down": down, "up": up}), wanted.double())


def test_lora_of_a_convolution_is_two_convolutions() -> None:
    w, down, up, x = draw(6, 5, 3, 3), draw(2, 5, 3, 3), draw(6, 2, 1, 1), draw(1, 5, 7, 7)
    delta = added(w, {"down": down, "up": up})
    wanted = torch.conv2d(torch.conv2d(x, down, padding=1), up)
    assert_same(torch.conv2d(x, delta, padding=1), wanted)


def test_a_tucker_core_is_three_convolutions() -> None:
    w, down, mid, up, x = (
        draw(6, 5, 3, 3),
        draw(2, 5, 1, 1),
        draw(3, 2, 3, 3),
        draw(6, 3, 1, 1),
        draw(1, 5, 7, 7),
    )
    delta = added(w, {"down": down, "mid": mid, "up": up})
    wanted = torch.conv2d(torch.conv2d(torch.conv2d(x, down), mid, padding=1), up)
    assert_same(torch.conv2d(x, delta, padding=1), wanted)


def loha() -> dict[str, Tensor]:
    return {
        "hada_w1_a": draw(6, 2), "hada_w1_b": draw(2, 45), "hada_w2_a": draw(6, 2), "hada_w2_b": draw(2, 45),
    }  # fmt: skip


def test_loha() -> None:
    t = loha()
    wanted = (t["hada_w1_a"] @ t["hada_w1_b"]) * (t["hada_w2_a"] @ t["hada_w2_b"])
    assert_same(added(draw(6, 5, 3, 3), t), wanted.view(6, 5, 3, 3))


def test_loha_with_cores() -> None:
    t = {
        "hada_w1_a": draw(2, 6), "hada_w1_b": draw(2, 5), "hada_t1": draw(2, 2, 3, 3),
        "hada_w2_a": draw(2, 6), "hada_w2_b": draw(2, 5), "hada_t2": draw(2, 2, 3, 3),
    }  # fmt: skip
    halves = []
    for i in (1, 2):
        a, b, core = t[f"hada_w{i}_a"], t[f"hada_w{i}_b"], t[f"hada_t{i}"]
        halves.append(
            sum(
                a[p, :, None, None, None] * b[q, None, :, None, None] * core[p, q]
                for p in range(2)
                for q in range(2)
            )
        )
    assert_same(added(draw(6, 5, 3, 3), t), halves[0] * halves[1])


@pytest.mark.parametrize("second", ["whole", "factored", "core"])
@pytest.mark.parametrize("first", ["whole", "factored"])
def test_lokr(first: str, second: str) -> None:
    t = {"lokr_w1": draw(2, 3)} if first == "whole" else {"lokr_w1_a": draw(2, 2), "lokr_w1_b": draw(2, 3)}
    if second == "whole":
        t["lokr_w2"] = draw(4, 5, 3, 3)
    elif second == "factored":
        t |= {"lokr_w2_a": draw(4, 2), "lokr_w2_b": draw(2, 45)}
    else:
        t |= {"lokr_w2_a": draw(2, 4), "lokr_w2_b": draw(2, 5), "lokr_t2": draw(2, 2, 3, 3)}
    w1 = t.get("lokr_w1", t.get("lokr_w1_a", draw(1)) @ t.get("lokr_w1_b", draw(1)))
    if second == "core":
        w2 = torch.zeros(4, 5, 3, 3, dtype=torch.float64)
        for p in range(2):
            for q in range(2):
                outer = t["lokr_w2_a"][p][:, None, None, None] * t["lokr_w2_b"][q][None, :, None, None]
                w2 += outer * t["lokr_t2"][p, q]
    else:
        w2 = t["lokr_w2"] if second == "whole" else (t["lokr_w2_a"] @ t["lokr_w2_b"]).view(4, 5, 3, 3)
    wanted = torch.empty(8, 15, 3, 3, dtype=torch.float64)
    for o in range(8):
        for i in range(15):
            wanted[o, i] = w1[o // 4, i // 5] * w2[o % 4, i % 5]
    assert_same(added(draw(8, 15, 3, 3), t), wanted)


def test_full_and_ia3() -> None:
    w, diff = draw(6, 5), draw(6, 5)
    assert_same(added(w, {"diff": diff}), diff)
    rows, columns = draw(6), draw(5)
    assert_same(added(w, {"ia3": rows, "on_input": torch.tensor(0)}), torch.diag(rows) @ w)
    assert_same(added(w, {"ia3": columns, "on_input": torch.tensor(1)}), w @ torch.diag(columns))


@pytest.mark.parametrize("alpha", [None, 0.0, 0.05, 1e9])
def test_oft_turns_blocks_of_outputs(alpha: float | None) -> None:
    w, blocks = draw(6, 5), draw(2, 3, 3)
    q = blocks - blocks.mT
    if alpha and q.norm() > alpha * 6:
        q = q * alpha * 6 / q.norm()
    turn = torch.block_diag(*[(torch.eye(3) + each) @ torch.linalg.inv(torch.eye(3) - each) for each in q])
    torch.testing.assert_close(turn @ turn.T, torch.eye(6).double(), rtol=0, atol=1e-9)
    t = {"oft_blocks": blocks} | ({} if alpha is None else {"alpha": torch.tensor(alpha)})
    assert_same(added(w, t) + w, turn.T @ w)


def test_oft_may_scale_outputs() -> None:
    w, turn, scale = draw(6, 5), draw(2, 3, 3), draw(6, 1)
    wanted = scale * (torch.block_diag(*turn).T @ w)
    assert_same(added(w, {"oft_diag": turn, "rescale": scale}) + w, wanted)


@pytest.mark.parametrize("kernel", [(), (3, 3)])
def test_dora_sets_the_length_of_every_output_or_input(kernel: tuple[int, ...]) -> None:
    w, delta = draw(6, 5, *kernel), draw(6, 5, *kernel)
    ones = [1] * len(kernel)
    by_output, by_input = draw(6).abs(), draw(5).abs()
    for magnitude in (by_output, by_output.view(6, 1, *ones)):
        after = w + decomposed(w, delta, magnitude)
        assert_same(after.flatten(1).norm(dim=1), by_output)
        assert_same(
            after.flatten(1) / by_output[:, None],
            (w + delta).flatten(1).div((w + delta).flatten(1).norm(dim=1)[:, None]),
        )
    after = w + decomposed(w, delta, by_input.view(1, 5, *ones))
    assert_same(after.transpose(0, 1).flatten(1).norm(dim=1), by_input)


@pytest.mark.parametrize(
    "tensors", [{"down": (2, 4), "up": (6, 2)}, {"down": (2, 5), "up": (5, 2)}, {"diff": (5, 6)}]
)
def test_another_size_is_noticed(tensors: dict[str, tuple[int, ...]]) -> None:
    with pytest.raises((ValueError, RuntimeError)):
        added(draw(6, 5), {role: draw(*shape) for role, shape in tensors.items()})


@pytest.mark.parametrize("shape", [(6, 5), (6, 5, 3, 3), (6, 6)])
def test_glora_in_both_editions(shape: tuple[int, ...]) -> None:
    w, (out, into) = draw(*shape), shape[:2]
    b_up, b_down = draw(out, 2), draw(2, *shape[1:])
    a_up, a_down = draw(into, 2), draw(2, into)
    wanted = torch.einsum("oi...,ij->oj...", w, a_up @ a_down) + (b_up @ b_down.flatten(1)).view(shape)
    newer = {"glora_a1": a_up, "glora_a2": a_down, "glora_b1": b_up, "glora_b2": b_down}
    older = {"glora_a1": a_down, "glora_a2": a_up, "glora_b1": b_down, "glora_b2": b_up}
    for tensors in (newer, older):
        assert_same(added(w, tensors), wanted)
        assert ALGEBRAS[frozenset(tensors)].divisor(tensors) == 2


def test_boft_turns_pairs_of_outputs_farther_and_farther_apart() -> None:
    """Eight outputs in three levels of blocks of two are a butterfly: worked out pair by pair."""
    w, blocks = draw(8, 5), draw(3, 4, 2, 2)
    wanted = w.clone()
    for level in range(3):
        half, before = 2**level, wanted.clone()
        pairs = [(start + i, start + i + half) for start in range(0, 8, 2 * half) for i in range(half)]
        for block, (first, second) in zip(blocks[level], pairs, strict=True):
            q = block[0, 1] - block[1, 0]
            cos, sin = (1 - q * q) / (1 + q * q), 2 * q / (1 + q * q)
            wanted[first] = cos * before[first] + sin * before[second]
            wanted[second] = cos * before[second] - sin * before[first]
    assert_same(added(w, {"oft_blocks": blocks}), wanted - w)
    assert_same((w + added(w, {"oft_blocks": blocks})).norm(dim=0), w.norm(dim=0))


def test_boft_with_a_rescale_and_a_constraint() -> None:
    w, blocks, rescale = draw(8, 3, 2, 2), draw(2, 2, 4, 4), draw(8, 1, 1, 1)
    plain = w + added(w, {"oft_blocks": blocks})
    assert_same(added(w, {"oft_blocks": blocks, "rescale": rescale}), plain * rescale - w)
    held = added(w, {"oft_blocks": blocks, "alpha": torch.tensor(1e-9, dtype=torch.float64)})
    assert held.abs().max() < 1e-6
