import torch

from gesso.guidance.timing import stepwise


def test_the_noise_level_tells_the_step() -> None:
    sigmas = (8.0, 4.0, 2.0, 1.0, 0.0)
    denoise = stepwise([(1, lambda x, _: x + 1), (3, lambda x, _: x + 2), (4, lambda x, _: x + 3)], sigmas)
    found = [
        float(denoise(torch.zeros(1, 1, 1, 1), sigma))
        for sigma in (9.0, 8.0, 6.0, 4.0, 3.0, 2.0, 1.5, 1.0, 0.5, 0.0)
    ]
    assert found == [1, 1, 1, 2, 2, 2, 2, 3, 3, 3]
