import pytest
import torch

from gesso.errors import RequestError, UnknownName
from gesso.sampling.noise import STREAMS, SeededNoise
from gesso.sampling.philox import cuda_randn

SHAPE = (4, 6, 5)
SIGMAS = (14.6, 3.0, 0.5, 0.03, 0.0)


def noise(*seeds: int, stream: str = "cpu") -> SeededNoise:
    return SeededNoise(seeds, SHAPE, SIGMAS, stream=stream)


def test_the_cpu_stream_is_torchs() -> None:
    generator = torch.Generator().manual_seed(42)
    drawn = noise(42)
    for _ in range(3):
        assert torch.equal(drawn.draw(), torch.randn((1, *SHAPE), generator=generator))


def test_the_cuda_stream_counts_its_draws() -> None:
    drawn = noise(42, stream="cuda")
    for draw in range(3):
        assert torch.equal(drawn.draw(), cuda_randn((1, *SHAPE), 42, draw))


@pytest.mark.parametrize("stream", STREAMS)
def test_an_image_of_a_batch_is_the_one_its_seed_gives_alone(stream: str) -> None:
    seeds = (5, 6, 2**64 - 1)
    batch, alone = noise(*seeds, stream=stream), [noise(seed, stream=stream) for seed in seeds]
    for _ in range(2):
        assert torch.equal(batch.draw(), torch.cat([each.draw() for each in alone]))
        together = batch.between(3.0, 0.5)
        assert torch.equal(together, torch.cat([each.between(3.0, 0.5) for each in alone]))
        batch, alone = noise(*seeds, stream=stream), [noise(seed, stream=stream) for seed in seeds]


@pytest.mark.parametrize("stream", STREAMS)
def test_increments_are_unit_gaussian_whatever_their_length(stream: str) -> None:
    wide = SeededNoise((1,), (4, 64, 64), SIGMAS, stream=stream)
    for sigma, sigma_next in [(14.6, 3.0), (3.0, 2.99), (0.5, 0.03)]:
        assert wide.between(sigma, sigma_next).std().item() == pytest.approx(1, abs=0.03)


def test_increments_do_not_move_the_draws() -> None:
    one, other = noise(1), noise(1)
    other.between(3.0, 0.5)
    assert torch.equal(one.draw(), other.draw())


def test_noise_comes_in_the_type_asked_for() -> None:
    narrow = SeededNoise((1,), SHAPE, SIGMAS, dtype=torch.bfloat16)
    assert narrow.draw().dtype == narrow.between(3.0, 0.5).dtype == torch.bfloat16


def test_an_unknown_stream_is_refused() -> None:
    with pytest.raises(UnknownName, match="gpu"):
        noise(1, stream="gpu")


@pytest.mark.parametrize("seeds", [(), (-1,), (1, 2**64)])
def test_seeds_out_of_range_are_refused(seeds: tuple[int, ...]) -> None:
    with pytest.raises(RequestError, match="seeds"):
        noise(*seeds)


@pytest.mark.parametrize("name", STREAMS)
def test_every_stream_names_its_source(name: str) -> None:
    assert "Source:" in (STREAMS[name].__doc__ or "")
