import numpy as np
import pytest
import torch

from gesso.sampling.philox import cuda_randn, philox_4x32

ONES = "ffffffff"
# DEShawResearch/random123, tests/kat_vectors: counter, key, output
KNOWN = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    (" ".join([ONES] * 4), " ".join([ONES] * 2), "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
]


@pytest.mark.parametrize(("counter", "key", "output"), KNOWN)
def test_words_are_random123s(counter: str, key: str, output: str) -> None:
    words = np.array([[int(word, 16)] for word in counter.split()], np.uint32)
    left, right = (int(word, 16) for word in key.split())
    assert [f"{word:08x}" for word in philox_4x32(words, (left, right))[:, 0]] == output.split()


def test_elements_do_not_depend_on_one_another() -> None:
    counter = np.arange(40, dtype=np.uint32).reshape(4, 10)
    alone = [philox_4x32(counter[:, i : i + 1], (1, 2)) for i in range(10)]
    assert np.array_equal(philox_4x32(counter, (1, 2)), np.concatenate(alone, 1))


def test_the_first_numbers_of_seed_0_are_those_of_a_gpu() -> None:
    # torch.manual_seed(0); torch.randn(8, 8, device="cuda") as printed by torch 2.2 on a GPU, in published
    # lecture notes on fused kernels
    printed = """
        -0.9247 -0.4253 -2.6438  0.1452 -0.1209 -0.5797 -0.6229 -0.3284
        -1.0745 -0.3631 -1.6711  2.2655  0.3117 -0.1842  1.2866  1.1820
        -0.1271  1.2169  1.4353  1.0605 -0.4941 -1.4244 -0.7244 -1.2973
         0.0697 -0.0074  1.8969  0.6878 -0.0779 -0.8373  1.3506 -0.2879
        -0.5965 -0.3283 -0.9086 -0.8059 -0.7407 -0.0504  0.5435  1.5150
         0.0141  0.4532  1.6349  0.7124 -0.1806  1.0252 -1.4622 -0.7554
        -0.1836  0.3824  0.3918 -0.0830  0.8971 -1.1123  0.1116  0.4863
        -0.5499 -0.3231 -0.5469  0.9049  0.2837  0.1210  0.4730 -1.0823"""
    expected = torch.tensor([float(number) for number in printed.split()])
    assert torch.allclose(cuda_randn((64,), 0, 0), expected, rtol=0, atol=5.1e-5)


def test_they_are_those_of_a1111s_nv_source() -> None:
    # AUTOMATIC1111 webui, modules/rng_philox.py, its documented output for seed 0; it computes in float64
    # where a GPU rounds to float32
    expected = torch.tensor(
        [
            [-0.92466259, -0.42534415, -2.6438457, 0.14518388],
            [-0.12086647, -0.57972564, -0.62285122, -0.32838709],
            [-1.07454231, -0.36314407, -1.67105067, 2.26550497],
        ]
    )
    assert torch.allclose(cuda_randn((3, 4), 0, 0), expected, rtol=1e-6, atol=1e-6)


def test_later_draws_differ_and_large_seeds_count_whole() -> None:
    assert not torch.equal(cuda_randn((9,), 0, 0), cuda_randn((9,), 0, 1))
    assert not torch.equal(cuda_randn((9,), 1, 0), cuda_randn((9,), 2**32 + 1, 0))


def test_numbers_are_unit_gaussian() -> None:
    numbers = cuda_randn((200_000,), 3, 5).double()
    assert numbers.mean().item() == pytest.approx(0, abs=0.01)
    assert numbers.var().item() == pytest.approx(1, abs=0.015)
    assert (numbers**4).mean().item() == pytest.approx(3, abs=0.1)
