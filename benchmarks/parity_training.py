"""Training beside diffusers: the same step from the same pixels, words, noise and times.

    pip install peft    # which diffusers' loader of LoRAs needs
    python -m benchmarks.parity_training --folder runs/parity-training

For SD 1.x (epsilon), SD 2.x (v) and SDXL, at reduced width, in float32: the loss and the gradient of every
tensor of the UNet, with and without min-SNR, against the step of diffusers' training scripts
(examples/text_to_image); then a LoRA trained here, loaded by diffusers' own loader, and a picture painted
with it on both sides. Exits with 1 where a loss or a gradient is further off than TOLERANCE of its maximum,
or a pixel by more than 1 of 255.
"""

import argparse
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import DDPMScheduler
from diffusers.training_utils import compute_snr
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional

from benchmarks import parity_oracle
from benchmarks.diffusers_folder import KINDS
from benchmarks.parity import by_sixty_four, eight
from benchmarks.parity_cases import Case, weights
from benchmarks.parity_picture import difference, paint_gesso, paint_oracle
from benchmarks.random_checkpoint import PLANS
from gesso.conditioning.tokenizer import Tokenizer
from gesso.families.blueprint import CheckpointPlan, ClipPlan, OpenClipPlan, checkpoint_shapes
from gesso.sampling.levels import TrainedLevels
from gesso.training.job import Finished, Job
from gesso.training.lesson import Batch, Painting
from gesso.training.loop import Turn
from gesso.training.objective import Noised
from gesso.training.recipe import TimeRules, Training
from gesso.training.setup import Ready, opened

TOLERANCE = 1e-5
SIDE = 64
CAPTIONS = ("a lighthouse at dusk", "two boats, oil on canvas")
UNET, VAE = "model.diffusion_model.", "first_stage_model."


def reduced(plan: CheckpointPlan) -> CheckpointPlan:
    """The published layout, narrow, with the published vocabulary.

    The second text encoder is twice as wide as the first: diffusers tells them apart by that.
    """
    texts = tuple((prefix, _narrow(text, 64 * number)) for number, (prefix, text) in enumerate(plan.texts, 1))
    widths = [text.width for _, text in texts]
    unet = replace(
        plan.unet,
        width=64,
        depths=tuple(min(1, depth) for depth in plan.unet.depths),
        middle=None if plan.unet.middle is None else min(1, plan.unet.middle),
        context=sum(widths),
        vector=None if plan.unet.vector is None else widths[-1] + 6 * 256,
    )
    return replace(plan, unet=unet, autoencoder=replace(plan.autoencoder, width=32), texts=texts)


def _narrow(text: ClipPlan | OpenClipPlan, width: int) -> ClipPlan | OpenClipPlan:
    projection = {} if text.projection is None else {"projection": width}
    return replace(text, width=width, layers=3, **projection)


def cases() -> dict[str, Case]:
    """What is compared."""
    cells = (SIDE // 8, SIDE // 8)
    return {
        "sd-v1": Case(reduced(PLANS["sd-v1"]), eight, by_sixty_four, cells),
        "sd-v2": Case(reduced(PLANS["sd-v2"]), by_sixty_four, by_sixty_four, cells),
        "sdxl-base": Case(reduced(PLANS["sdxl-base"]), by_sixty_four, by_sixty_four, cells, sizes=6),
    }


def written(family: str, case: Case, folder: Path) -> Path:
    """A random checkpoint of the reduced layout."""
    path = folder / f"{family}.safetensors"
    shapes = {name: shape for name, shape in checkpoint_shapes(case.plan).items() if name != "alphas_cumprod"}
    tensors = weights(shapes, shapes)
    if case.plan.schedule:
        tensors["alphas_cumprod"] = torch.tensor(TrainedLevels.scaled_linear().alphas_cumprod)
    named = {"sd-v2": {"modelspec.prediction_type": "v"}}
    save_file(tensors, path, named.get(family))
    return path


def recipe(path: Path, folder: Path, **fields: Any) -> Training:
    """Two pictures, one of them wider than its bucket, so that SDXL is told of a cut."""
    pictures = folder / "pictures"
    pictures.mkdir(exist_ok=True)
    numbers = np.random.default_rng(3)
    for i, caption in enumerate(CAPTIONS):
        drawn = Image.fromarray(numbers.integers(0, 255, (8, 8 + 2 * i, 3), dtype=np.uint8))
        drawn.resize((SIDE + 16 * i, SIDE), Image.Resampling.BICUBIC).save(pictures / f"{i}.png")
        (pictures / f"{i}.txt").write_text(caption)
    base: dict[str, Any] = {
        "model": path,
        "data": [{"folder": pictures}],
        "size": (SIDE, SIDE),
        "buckets": {"enabled": False},
        "batch": 2,
        "dtype": "float32",
        "device": "cpu",
    }
    return Training.model_validate(base | fields)


def ready(asked: Training) -> Ready:
    """A run before its first step."""
    setup = opened(asked)
    *_, audit = setup.audit()
    return setup.ready(audit)


def ours(each: Ready, batch: Batch, noised: Noised) -> tuple[Tensor, dict[str, Tensor]]:
    """gesso's loss, and the gradient of every tensor of the UNet."""
    with each.subject.learning():
        loss = each.lesson.losses(batch, noised).mean()
        loss.backward()
    network = each.setup.model.networks["unet"]
    return loss.detach(), {
        name: weight.grad for name, weight in network.named_parameters() if weight.grad is not None
    }


class Theirs:
    """diffusers' and transformers' networks, and a training step as diffusers' scripts write it."""

    def __init__(self, family: str, case: Case, path: Path) -> None:
        tensors = load_file(path)
        self.family = family
        self.case = case
        self.unet = parity_oracle.unet_network(case, _under(tensors, UNET)).requires_grad_(True)
        self.vae = parity_oracle.autoencoder_network(case, _under(tensors, VAE))
        self.texts = {
            prefix: parity_oracle.text_network(case, prefix, _under(tensors, prefix))
            for prefix, _ in case.plan.texts
        }
        self.scheduler = DDPMScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            num_train_timesteps=1000,
            prediction_type=KINDS[family].prediction,
        )

    def step(
        self, batch: Batch, pixels: Tensor, noised: Noised, gamma: float | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss, and the gradients under gesso's names."""
        self.unet.zero_grad()
        with torch.no_grad():
            posterior = self.vae.encode(pixels).latent_dist
            # the first numbers of the turn's generator are those of the sample
            unit = torch.randn(posterior.mean.shape, generator=_generator())
            latents = (posterior.mean + posterior.std * unit) * KINDS[self.family].scale
            context, added = self._told(batch)
        noisy = self.scheduler.add_noise(latents, noised.noise, noised.t)
        target = noised.noise
        if self.scheduler.config.prediction_type == "v_prediction":
            target = self.scheduler.get_velocity(latents, noised.noise, noised.t)
        answer = self.unet(noisy, noised.t, context, added_cond_kwargs=added).sample
        loss = functional.mse_loss(answer.float(), target.float(), reduction="none").mean(dim=(1, 2, 3))
        if gamma is not None:
            snr = compute_snr(self.scheduler, noised.t)
            weights = torch.stack([snr, gamma * torch.ones_like(snr)], dim=1).min(dim=1)[0]
            loss = (
                loss * weights / (snr + 1 if self.scheduler.config.prediction_type == "v_prediction" else snr)
            )
        loss = loss.mean()
        loss.backward()
        return loss.detach(), {name: weight.grad for name, weight in self.unet.named_parameters()}

    def _told(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor] | None]:
        states, pooled = [], None
        for prefix, network in self.texts.items():
            said = network(input_ids=self._ids(batch, prefix), output_hidden_states=True)
            if self.family == "sd-v1":
                states.append(said.last_hidden_state)
            elif self.family == "sd-v2":
                inner = getattr(network, "text_model", network)
                states.append(inner.final_layer_norm(said.hidden_states[-2]))
            else:
                states.append(said.hidden_states[-2])
                pooled = getattr(said, "text_embeds", pooled)
        if pooled is None:
            return states[0], None
        sizes = [[*each.original, *each.crop, *each.target] for each in batch.sizes]
        return torch.cat(states, dim=-1), {"text_embeds": pooled, "time_ids": torch.tensor(sizes).float()}

    def _ids(self, batch: Batch, prefix: str) -> Tensor:
        words = Tokenizer()
        plan = dict(self.case.plan.texts)[prefix]
        # OpenCLIP fills up with 0, CLIP with its end mark
        fill = 0 if isinstance(plan, OpenClipPlan) else words.end
        rows = [[words.begin, *words(caption), words.end] for caption in batch.captions]
        return torch.tensor([row + [fill] * (77 - len(row)) for row in rows])


def _under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    # transformers makes the positions anew
    names = [name for name in tensors if name.startswith(prefix) and not name.endswith("position_ids")]
    return {name.removeprefix(prefix): tensors[name] for name in names}


def _generator() -> torch.Generator:
    return torch.Generator().manual_seed(17)


def steps(family: str, case: Case, folder: Path) -> Iterator[tuple[str, float]]:
    """Differences of loss and gradients, as shares of their maximum."""
    path = written(family, case, folder)
    theirs = Theirs(family, case, path)
    # min-SNR only weighs times of little noise
    for weighting, gamma, last in (("none", None, 999), ("min_snr", 5.0, 160)):
        rules = {"subject": {"kind": "full"}, "objective": {"weighting": weighting}}
        each = ready(recipe(path, folder, out=folder / f"{family}-full", **rules))
        batch = each.album.batch(Turn(0, torch.Generator().manual_seed(0)))
        assert isinstance(each.lesson, Painting)
        noised = each.lesson.draws(batch, _generator(), TimeRules(last=last))
        loss, gradients = ours(each, batch, noised)
        by_file = {entry.picture.file: entry for entry in each.album.entries}
        shown = [by_file[file] for file in batch.files]
        pixels = torch.cat([entry.views[0].pixels(entry.picture.opened()) for entry in shown])
        expected, wanted = theirs.step(batch, pixels, noised, gamma)
        yield f"{weighting}: loss", float((loss - expected).abs() / expected)
        named = parity_oracle.unet_named(case, gradients)
        largest = max(float(each.abs().max()) for each in wanted.values())
        worst = max(float((named[name] - each).abs().max()) for name, each in wanted.items())
        yield f"{weighting}: {len(wanted)} gradients", worst / largest


def lora(family: str, case: Case, folder: Path) -> int:
    """Of a picture painted with a LoRA trained here: the largest difference, of 255."""
    shutil.rmtree(folder / f"{family}-lora", ignore_errors=True)
    asked = recipe(
        folder / f"{family}.safetensors",
        folder,
        out=folder / f"{family}-lora",
        subject={"kind": "lora", "rank": 4, "conv_rank": 2, "text": True},
        run={"steps": 3, "rate": 3e-2, "warmup": 0, "average": 0.0},
        save_dtype="float32",
    )
    job = Job(opened(asked))
    for _ in job.look():
        pass
    *_, last = job.carried_out()
    assert isinstance(last, Finished)
    paint_gesso(family, folder)
    (folder / f"{family}-gesso.png").replace(folder / f"{family}-plain.png")
    paint_gesso(family, folder, last.file)
    paint_oracle(family, case, folder, last.file)
    plain, changed = (np.asarray(Image.open(folder / f"{family}-{each}.png")) for each in ("plain", "gesso"))
    assert (plain != changed).any(), "the LoRA must change the picture"
    return difference(family, folder)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, default=Path("runs/parity-training"))
    parser.add_argument("--families", nargs="*", default=list(cases()))
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    good = True
    for family in asked.families:
        case = cases()[family]
        for name, apart in steps(family, case, asked.folder):
            good &= apart <= TOLERANCE
            print(f"{family:10} {name:28} {apart:.1e}", flush=True)
        apart = lora(family, case, asked.folder)
        good &= apart <= 1
        print(f"{family:10} {'a picture with a LoRA':28} {apart} of 255", flush=True)
    sys.exit(not good)


if __name__ == "__main__":
    main()
