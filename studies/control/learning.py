"""What both studies share: the built-in checkpoint held still, its objective, and batches of pairs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor

import gesso
from gesso.networks.clip_text import ClipText
from gesso.networks.unet import UNet
from gesso.runtime.device import choose_dtype
from gesso.training.loop import Loss, Turn
from gesso.training.objective import Noised, Objective
from studies.control.pairs import Pairs
from studies.emoji.data import tokens
from studies.emoji.plan import LEVELS

SILENT = 0.1  # share of captions that are left empty, for guidance

Answer = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
"""(x, t, context, rows of the pairs) → what the network with its addition answers."""


@dataclass(frozen=True)
class Learning:
    """The built-in checkpoint and what its additions learn from."""

    model: gesso.Model
    pairs: Pairs

    @staticmethod
    def of(pairs: Pairs) -> "Learning":
        """On this machine, in float32."""
        return Learning(gesso.load(dtype="float32"), pairs)

    @property
    def unet(self) -> UNet:
        """Whose weights stay as they are."""
        return cast(UNet, self.model.networks["unet"])

    def loss(self, answer: Answer, size: int) -> Loss:
        """The loss of a random batch of a size."""
        alphas = torch.tensor(LEVELS.alphas_cumprod, dtype=torch.float32)
        objective = Objective(alphas, "v")
        half = choose_dtype("auto", torch.device("cpu")) == torch.bfloat16

        def drawn(turn: Turn) -> Tensor:
            generator = turn.generator
            rows = torch.randint(len(self.pairs.latents), (size,), generator=generator)
            latents = self.pairs.latents[rows].float()
            noise = torch.randn(latents.shape, generator=generator)
            t = torch.randint(len(alphas), (size,), generator=generator)
            context = self.told(rows, torch.rand(size, generator=generator) < SILENT)
            with torch.autocast("cpu", torch.bfloat16, enabled=half):
                return objective(lambda x, t: answer(x, t, context, rows).float(), Noised(latents, noise, t))

        return drawn

    @torch.no_grad()
    def told(self, rows: Tensor, silent: Tensor) -> Float[Tensor, "b n d"]:
        """The captions of some pairs as the UNet reads them."""
        text = cast(ClipText, self.model.networks["text"])
        ids = self.pairs.tokens[rows].long()
        ids[silent] = tokens([""])[0]
        return text.final_norm(text(ids).hidden[-1])
