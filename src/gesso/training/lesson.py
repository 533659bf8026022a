"""A lesson: one batch of pictures and what the model loses on it."""

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Protocol

import torch
from jaxtyping import Float
from torch import Tensor

from gesso.conditioning.sizes import Sizes
from gesso.model import Model
from gesso.networks.autoencoder import Moments
from gesso.runtime.gpu.attention import quick_attention
from gesso.training import holes, times
from gesso.training import noise as noises
from gesso.training.objective import Noised, Objective
from gesso.training.recipe import TimeRules
from gesso.training.subjects.base import Asked, Subject
from gesso.training.telling import Telling

__all__ = ["Batch", "Decoding", "Lesson", "Painting", "Recoding"]


@dataclass(frozen=True)
class Batch:
    """Pictures of one size, as the loss sees them.

    Args:
        files: whose they are, for messages.
        captions: what is said of each.
        sizes: of each, as SDXL is told.
        moments: their latents, not yet scaled, on the model's device.
        weights: of each row's loss.
        mask: how much of each cell is learnt; None for all.
        hints: what a ControlNet is shown, 0…1.
        pixels: -1…1, where the pixels themselves are learnt.
    """

    files: tuple[str, ...]
    captions: tuple[str, ...]
    sizes: tuple[Sizes, ...]
    moments: Moments
    weights: Float[Tensor, " b"]
    mask: Float[Tensor, "b 1 h w"] | None = None
    hints: Float[Tensor, "b 3 H W"] | None = None
    pixels: Float[Tensor, "b 3 H W"] | None = None

    def rows(self, share: slice) -> "Batch":
        """Some of the pictures."""
        mask, hints, pixels = (None if x is None else x[share] for x in (self.mask, self.hints, self.pixels))
        return Batch(
            self.files[share],
            self.captions[share],
            self.sizes[share],
            Moments(self.moments.mean[share], self.moments.logvar[share]),
            self.weights[share],
            mask,
            hints,
            pixels,
        )


class Lesson(Protocol):
    """What a subject learns from a batch."""

    def draws(self, batch: Batch, generator: torch.Generator, when: TimeRules | None = None) -> Noised:
        """All that is random in a batch's loss.

        Args:
            when: the times to draw, where those are others than the recipe's.
        """
        ...

    def losses(self, batch: Batch, noised: Noised) -> Float[Tensor, " b"]:
        """The loss of every row, without the rows' weights."""
        ...


@dataclass(frozen=True)
class Painting:
    """To say what noise was put on latents.

    Args:
        mixed: the type that float32 weights compute in by autocasting; None for none.
        compiled: the UNet, compiled; None calls it as it is.
    """

    model: Model
    subject: Subject
    telling: Telling
    objective: Objective
    mixed: torch.dtype | None = None
    compiled: Callable[..., Tensor] | None = None

    def draws(self, batch: Batch, generator: torch.Generator, when: TimeRules | None = None) -> Noised:
        """Latents, noise and times, all drawn in float32 on the CPU, so that devices agree."""
        rules, mean = self.objective.rules, batch.moments.mean
        unit = torch.randn(mean.shape, generator=generator).to(mean)
        unscaled = batch.moments.sample(unit) if rules.latents == "sample" else mean
        noise = noises.drawn(mean, rules.noise, generator)
        t = times.drawn(len(mean), when or rules.times, generator).to(mean.device)
        seen = noises.perturbed(noise, rules.noise.perturbation, generator)
        beside = None
        if batch.pixels is not None:
            beside = holes.beside(self.model, batch.pixels, holes.drawn(batch.pixels, generator))
        return Noised(self.model.latents(unscaled), noise, t, seen, batch.mask, beside)

    def losses(self, batch: Batch, noised: Noised) -> Float[Tensor, " b"]:
        """Of every row."""
        with self._computing():
            cond = self.telling(batch.captions, batch.sizes).to(dtype=self.model.dtype)

            def predict(x: Float[Tensor, "b c h w"], t: Float[Tensor, " b"]) -> Float[Tensor, "b c h w"]:
                inputs = x.to(self.model.dtype)
                asked = Asked(inputs, t, cond.context, cond.vector, batch.hints)
                added = self.subject.additions(asked)
                if noised.beside is not None:
                    inputs = torch.cat([inputs, noised.beside.to(inputs)], dim=1)
                told = (inputs, t, cond.context, cond.vector)
                network = self.compiled or self.model.networks["unet"]
                return (network(*told) if added is None else network(*told, added)).float()

            return self.objective.each(predict, noised)

    @contextmanager
    def _computing(self) -> Generator[None]:
        device = self.model.device
        narrow = nullcontext() if self.mixed is None else torch.autocast(device.type, self.mixed)
        with quick_attention(device), narrow:
            yield


@dataclass(frozen=True)
class Decoding:
    """To say which pixels latents stand for: the mean absolute and squared mistake.

    Source: the reconstruction part of Rombach et al. 2022, arXiv:2112.10752, section 3.1, without its
    adversary.

    Args:
        decode: what learns: latents, not scaled, to pixels.
        mixed: the type that float32 weights compute in by autocasting; None for none.
    """

    model: Model
    decode: Callable[[Tensor], Tensor]
    mixed: torch.dtype | None = None

    def draws(self, batch: Batch, generator: torch.Generator, when: TimeRules | None = None) -> Noised:
        """Latents as the autoencoder may draw them; a decoder knows no times."""
        del when
        mean = batch.moments.mean
        noise = torch.randn(mean.shape, generator=generator).to(mean)
        return Noised(batch.moments.sample(noise), noise, torch.zeros(len(mean), dtype=torch.long))

    def losses(self, batch: Batch, noised: Noised) -> Float[Tensor, " b"]:
        """Of every row."""
        with self.computing():
            back = self.decode(noised.latents)
        return self.mistake(batch, back)

    def computing(self) -> AbstractContextManager[object]:
        """In narrower numbers, where that is asked for."""
        return nullcontext() if self.mixed is None else torch.autocast(self.model.device.type, self.mixed)

    def mistake(self, batch: Batch, back: Float[Tensor, "b 3 H W"]) -> Float[Tensor, " b"]:
        """How far pixels are from those that were shown."""
        assert batch.pixels is not None, "pixels are shown where they are learnt"
        error = back.float() - batch.pixels
        return (error.abs() + error.square()).mean(dim=(1, 2, 3))


@dataclass(frozen=True)
class Recoding(Decoding):
    """To say pictures in latents, and which pixels those stand for; latents are pulled gently to unit noise.

    Source: Rombach et al. 2022, arXiv:2112.10752, section 3.1 and appendix G (KL-regularised); the distance
    of Gaussians is Kingma & Welling 2014, arXiv:1312.6114, appendix B.
    """

    pull: float = 1e-6

    def losses(self, batch: Batch, noised: Noised) -> Float[Tensor, " b"]:
        """Of every row; the pull is per number of a picture, as the mistake is."""
        assert batch.pixels is not None, "pixels are shown where they are learnt"
        with self.computing():
            moments = self.model.vae.encode(batch.pixels)
            back = self.decode(moments.sample(noised.noise))
        mean, logvar = moments.mean.float(), moments.logvar.float()
        away = 0.5 * (mean.square() + logvar.exp() - 1 - logvar).sum(dim=(1, 2, 3))
        return self.mistake(batch, back) + self.pull * away / batch.pixels[0].numel()
