"""What is worked out again is the same to the bit, and less is kept meanwhile."""

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from gesso.model import Model
from gesso.networks.unet import Block
from gesso.training.recipe import SubjectRules
from gesso.training.recomputing import KINDS, recomputing
from gesso.training.subjects.low_rank import LowRank


def step(model: Model, subject: LowRank, kind: str) -> tuple[list[Tensor], int]:
    """Gradients of one call of the UNet, and how many numbers it keeps for them."""
    subject.module.zero_grad()
    draws, kept = torch.Generator().manual_seed(0), list[int]()

    def keep(tensor: Tensor) -> Tensor:
        kept.append(tensor.numel())
        return tensor

    x, context = torch.randn(1, 4, 8, 8, generator=draws), torch.randn(1, 77, 64, generator=draws)
    with subject.learning(), recomputing(model.networks.values(), kind):
        with saved_tensors_hooks(keep, lambda each: each):
            loss = model.networks["unet"](x, torch.tensor([50.0]), context).square().mean()
        loss.backward()
    return [weight.grad.clone() for weight in subject.module.parameters() if weight.grad is not None], sum(
        kept
    )


def test_gradients_are_the_same_and_less_is_kept(models: dict[str, Model], tmp_path: Path) -> None:
    subject = LowRank(models["sd1"], SubjectRules(rank=2), torch.Generator().manual_seed(1))
    found = {kind: step(models["sd1"], subject, kind) for kind in KINDS}
    for kind in ("attention", "blocks"):
        for one, other in zip(found["nothing"][0], found[kind][0], strict=True):
            assert torch.equal(one, other)
    assert found["blocks"][1] < found["attention"][1] < found["nothing"][1]


@pytest.mark.parametrize("kind", KINDS)
def test_modules_are_as_they_were_afterwards(models: dict[str, Model], kind: str) -> None:
    unet = models["sd1"].networks["unet"]
    with recomputing([unet, unet], kind):
        changed = [each for each in unet.modules() if "forward" in vars(each)]
        assert bool(changed) is (kind != "nothing")
        assert kind != "blocks" or all(isinstance(each, Block) for each in changed)
    assert not [each for each in unet.modules() if "forward" in vars(each)]
