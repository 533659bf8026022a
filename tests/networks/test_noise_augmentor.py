import pytest
import torch

from gesso.networks.embeddings import sinusoids
from gesso.networks.noise_augmentor import LEVELS, NoiseAugmentor


@pytest.fixture
def augmentor() -> NoiseAugmentor:
    found = NoiseAugmentor({"data_mean": (1, 8), "data_std": (1, 8)})
    found.load_state_dict({"data_mean": torch.randn(1, 8), "data_std": torch.rand(1, 8) + 0.5})
    return found.requires_grad_(False)


@pytest.mark.parametrize(
    ("level", "kept"), [(0, 0.99995869), (1, 0.99991256), (350, 0.71845651), (999, 2.42873e-09)]
)
def test_levels_keep_what_diffusers_cosine_schedule_keeps(
    level: int, kept: float, augmentor: NoiseAugmentor
) -> None:
    vector, noise = torch.randn(2, 3, 8)
    found = augmentor(vector, level, noise)
    mean, std = augmentor.data_mean, augmentor.data_std
    wanted = ((vector - mean) / std * kept**0.5 + noise * (1 - kept) ** 0.5) * std + mean
    torch.testing.assert_close(found[:, :8], wanted, rtol=1e-5, atol=1e-5)
    assert torch.equal(found[:, 8:], sinusoids(torch.full((3,), float(level)), 8))


def test_the_last_level_is_noise_alone(augmentor: NoiseAugmentor) -> None:
    noise = torch.randn(2, 8)
    one, other = (augmentor(torch.full((2, 8), value), LEVELS - 1, noise) for value in (0.0, 1.0))
    torch.testing.assert_close(one, other, rtol=0, atol=1e-3)
