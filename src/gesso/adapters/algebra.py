"""The algebras of adapters: what each kind of file adds to a weight at strength 1.

All are read off the checkpoint's own weight W, so that several adapters add up in any order.

Words of the files: `up` and `down` lead from and to the rank, `mid` is a small convolution between them (a
Tucker decomposition), `hada_` is LoHa, `lokr_` is LoKr, `oft_` is OFT.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor

__all__ = ["ALGEBRAS", "Algebra", "decomposed", "low_rank", "unrounded"]

Tensors = Mapping[str, Tensor]
"""Role → tensor, in float32."""


@dataclass(frozen=True)
class Algebra:
    """One kind of adapter.

    Args:
        delta: its tensors and the weight → what is added, before alpha.
        rank: the role whose first size is the rank that alpha is divided by, or whose smallest; None where
            alpha means nothing or something else.
    """

    name: str
    delta: Callable[[Tensors, Tensor], Tensor]
    rank: str | None = None

    def divisor(self, t: Tensors) -> int | None:
        """What alpha is divided by; None where it is no numerator."""
        if self.rank is None or self.rank not in t:
            return None
        sizes = t[self.rank].shape
        # GLoRA's two editions lay their factors out the other way round
        return min(sizes[:2]) if self.rank == "glora_a1" else sizes[0]


def low_rank(t: Tensors, weight: Tensor) -> Tensor:
    """LoRA and LoCon: ΔW = up · down, or up · mid · down.

    Source: Hu et al. 2021, arXiv:2106.09685, eq. 3; with `mid`, Yeh et al. 2023, arXiv:2309.14859, section 3.
    """
    up, down = t["up"].flatten(1), t["down"].flatten(1)
    if "mid" not in t:
        return _as(up @ down, weight)
    return _as(torch.einsum("m n h w, o m, n i -> o i h w", t["mid"], up, down), weight)


def hadamard(t: Tensors, weight: Tensor) -> Tensor:
    """LoHa: ΔW = (w1a · w1b) ∘ (w2a · w2b), each with a core of its own for convolutions.

    Source: Hyeon-Woo et al. 2021, arXiv:2108.06098, eq. 2 and proposition 2.
    """
    first, second = (_factors(t, f"hada_w{i}", f"hada_t{i}") for i in (1, 2))
    return _as(first * second, weight)


def kronecker(t: Tensors, weight: Tensor) -> Tensor:
    """LoKr: ΔW = w1 ⊗ w2, each whole or factored.

    Source: Yeh et al. 2023, arXiv:2309.14859, section 3; LyCORIS, `lokr.py`.
    """
    first = _factors(t, "lokr_w1", "")
    second = _factors(t, "lokr_w2", "lokr_t2")
    first = first.reshape(*first.shape, *[1] * (second.ndim - first.ndim))
    return _as(torch.kron(first.contiguous(), second.contiguous()), weight)


def full(t: Tensors, weight: Tensor) -> Tensor:
    """The difference itself; norms have this too."""
    return _as(t["diff"], weight)


def stepped(t: Tensors, weight: Tensor) -> Tensor:
    """The difference rounded to 256 steps between its lowest and its highest number.

    Source: lllyasviel/Fooocus, `inpaint_v26.fooocus.patch`: three tensors for each of the network's.
    """
    return _as(unrounded(t["steps"], t["lowest"], t["highest"]), weight)


def unrounded(steps: Tensor, lowest: Tensor, highest: Tensor) -> Tensor:
    """Numbers from their steps, 0…255."""
    return steps / 255.0 * (highest - lowest) + lowest


def scaled(t: Tensors, weight: Tensor) -> Tensor:
    """IA³: ΔW = W ∘ v, v going along the inputs or the outputs.

    Source: Liu et al. 2022, arXiv:2205.05638, section 3.3; LyCORIS, `ia3.py`, which keeps v - 1.
    """
    rows, columns = weight.shape[:2]
    whole = (1, columns) if bool(t["on_input"]) else (rows, 1)
    return weight * t["ia3"].reshape(*whole, *[1] * (weight.ndim - 2))


def rotated(t: Tensors, weight: Tensor) -> Tensor:
    """OFT: ΔW = Rᵀ W - W, R rotating blocks of outputs: R = (I + Q)(I - Q)⁻¹, Q skew; BOFT by its blocks.

    Source: Qiu et al. 2023, arXiv:2306.07280, section 4, with its constraint on the norm of Q as
    kohya-ss/sd-scripts, `oft.py`, keeps it: alpha times the number of outputs; LyCORIS, `diag_oft.py`.
    """
    if "oft_diag" not in t and t["oft_blocks"].ndim == 4:
        return butterfly(t, weight)
    turn = t["oft_diag"] if "oft_diag" in t else _turns(t, weight)
    split = weight.flatten(1).unflatten(0, turn.shape[:2])
    after = torch.einsum("k n m, k n i -> k m i", turn, split).reshape(weight.shape)
    return _rescaled(t, after) - weight


def _turns(t: Tensors, weight: Tensor) -> Tensor:
    """Blocks of rotations: Cayley's transform of skew matrices."""
    blocks = t["oft_blocks"]
    q = blocks - blocks.transpose(-1, -2)
    if "alpha" in t:
        q = _constrained(q, t["alpha"] * weight.shape[0])
    eye = torch.eye(blocks.shape[-1], device=q.device, dtype=q.dtype)
    return (eye + q) @ torch.linalg.inv(eye - q)


def _rescaled(t: Tensors, after: Tensor) -> Tensor:
    if "rescale" not in t:
        return after
    return after * t["rescale"].reshape(-1, *[1] * (after.ndim - 1))


def generalised(t: Tensors, weight: Tensor) -> Tensor:
    """GLoRA: ΔW = W A + B, both of low rank.

    Source: Chavan et al. 2023, arXiv:2306.07967, eq. 10 without its biases; LyCORIS, `glora.py`, whose older
    files hold A as a2 · a1 and B as b2 · b1, its newer ones as a1 · a2 and b1 · b2.
    """
    a1, a2, b1, b2 = (t[f"glora_{name}"].flatten(1) for name in ("a1", "a2", "b1", "b2"))
    if (b1.shape[0], b2.shape[1]) != (weight.shape[0], weight[0].numel()):
        a1, a2, b1, b2 = a2, a1, b2, b1
    inside = torch.einsum("o i ..., i j -> o j ...", weight, a1 @ a2)
    return inside + _as(b1 @ b2, weight)


def butterfly(t: Tensors, weight: Tensor) -> Tensor:
    """BOFT: ΔW = R_m … R_1 W - W, each R rotating blocks of outputs that lie farther apart than the last's.

    Source: Liu et al. 2023, arXiv:2311.06243, section 4; the order of outputs as LyCORIS, `boft.py`, has it.
    """
    blocks = t["oft_blocks"]
    half = blocks.shape[-1] // 2
    after = weight.flatten(1)
    for level, turn in enumerate(_turns(t, weight)):
        stride = 2**level * half
        mixed = after.unflatten(0, (-1, 2, stride)).transpose(1, 2).flatten(0, 2)
        mixed = torch.einsum("k n m, k m i -> k n i", turn, mixed.unflatten(0, (-1, 2 * half))).flatten(0, 1)
        after = mixed.unflatten(0, (-1, stride, 2)).transpose(1, 2).flatten(0, 2)
    return _rescaled(t, after.reshape(weight.shape)) - weight


def decomposed(weight: Tensor, delta: Tensor, magnitude: Tensor) -> Tensor:
    """DoRA: ΔW = m (W + Δ) / ‖W + Δ‖ - W, the norm taken for every output or for every input.

    Args:
        magnitude: [out], [out 1 ...] or [1 in ...].

    Source: Liu et al. 2024, arXiv:2402.09353, eq. 5; both axes as LyCORIS and peft write them.
    """
    whole = weight + delta
    by_output = magnitude.ndim == 1 or magnitude.shape[0] == weight.shape[0]
    axes = [axis for axis in range(weight.ndim) if axis != (0 if by_output else 1)]
    norm = whole.square().sum(dim=axes, keepdim=True).sqrt()
    return magnitude.reshape(norm.shape) / norm.clamp_min(torch.finfo(norm.dtype).tiny) * whole - weight


def _constrained(q: Tensor, most: Tensor) -> Tensor:
    norm = q.norm()
    # an alpha of 0 is LyCORIS's word for no constraint
    return q * torch.where((most > 0) & (norm > most), most / norm, torch.ones_like(norm))


def _factors(t: Tensors, name: str, core: str) -> Tensor:
    """A matrix or kernel: whole, as a product, or around a core."""
    if name in t:
        return t[name]
    a, b = t[f"{name}_a"], t[f"{name}_b"]
    if core in t:
        return torch.einsum("i j h w, i o, j n -> o n h w", t[core], a, b)
    return a @ b


def _as(delta: Tensor, weight: Tensor) -> Tensor:
    """In the weight's own shape; outputs must agree, inputs may be laid out otherwise."""
    if delta.shape[:1] != weight.shape[:1] or delta.numel() != weight.numel():
        raise ValueError(f"{tuple(delta.shape)} for {tuple(weight.shape)}")
    return delta.reshape(weight.shape)


def _table() -> dict[frozenset[str], Algebra]:
    lora, loha = Algebra("LoRA", low_rank, "down"), Algebra("LoHa", hadamard, "hada_w1_b")
    ia3, oft, whole = Algebra("IA3", scaled), Algebra("OFT", rotated), Algebra("full", full)
    hada = [f"hada_w{i}_{side}" for i in (1, 2) for side in "ab"]
    found = {
        frozenset({"up", "down"}): lora,
        frozenset({"up", "down", "mid"}): lora,
        frozenset(hada): loha,
        frozenset({*hada, "hada_t1", "hada_t2"}): loha,
        frozenset({"diff"}): whole,
        frozenset({"steps", "lowest", "highest"}): Algebra("Fooocus", stepped),
        frozenset({"ia3", "on_input"}): ia3,
        frozenset({"glora_a1", "glora_a2", "glora_b1", "glora_b2"}): Algebra(
            "GLoRA", generalised, "glora_a1"
        ),
        frozenset({"oft_blocks"}): oft,
        frozenset({"oft_blocks", "rescale"}): oft,
        frozenset({"oft_diag"}): oft,
        frozenset({"oft_diag", "rescale"}): oft,
    }
    w1 = {frozenset({"lokr_w1"}): None, frozenset({"lokr_w1_a", "lokr_w1_b"}): "lokr_w1_b"}
    split = frozenset({"lokr_w2_a", "lokr_w2_b"})
    w2 = {frozenset({"lokr_w2"}): None, split: "lokr_w2_b", split | {"lokr_t2"}: "lokr_w2_b"}
    for (first, rank), (second, other) in product(w1.items(), w2.items()):
        found[first | second] = Algebra("LoKr", kronecker, rank or other)
    return found


ALGEBRAS = _table()
"""Which algebra a module's tensors are of, by their roles."""
