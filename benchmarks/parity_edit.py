"""An edit with a full-size 9-channel SD 1.x of random weights, through gesso and diffusers' inpaint pipeline.

    python -m benchmarks.parity_edit FOLDER

Says how far the latents inside the mask are apart, as a share of their largest, and how many pixels outside
the mask each side changes. The checkpoint is written into the folder, unless it is there.
"""

import argparse
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from benchmarks.parity import CASES
from benchmarks.random_checkpoint import write
from gesso.families.blueprint import SD1_INPAINTING
from gesso.generation.events import Finished, Stepped
from gesso.generation.generate import generate
from gesso.generation.planning import make_plan
from gesso.model import load
from gesso.request import Mask, Request, Source

SIDE = 256
BOX = (64, 96, 192, 224)
SEED = 11
PROMPT = "a lighthouse at dusk, oil on canvas"


def pictures(folder: Path) -> tuple[Path, Path]:
    """A source and a mask whose edges lie on the latent grid."""
    coarse = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    source, mask = folder / "edit-source.png", folder / "edit-mask.png"
    Image.fromarray(coarse).resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(source)
    drawn = Image.new("L", (SIDE, SIDE))
    drawn.paste(255, BOX)
    drawn.save(mask)
    return source, mask


def ours(checkpoint: Path, source: Path, mask: Path) -> tuple[Tensor, Image.Image, list[float]]:
    """gesso's last latents and picture, and the noise levels it took."""
    told = Source(image=source, mask=Mask(image=mask, feather=0), strength=1.0, hold=False)
    request = Request(
        prompt=PROMPT, seed=SEED, steps=4, sampler="euler", schedule="normal", cfg=1.0, source=told
    )
    model = load(checkpoint, device="cpu", dtype="float32")
    latents, picture = torch.empty(0), Image.new("RGB", (1, 1))
    for event in generate(model, request):
        if isinstance(event, Stepped):
            latents = event.step.x.clone()
        if isinstance(event, Finished):
            picture = event.result.images[0]
    return latents, picture, list(make_plan(model, request).sigmas)


def theirs(checkpoint: Path, source: Path, mask: Path, sigmas: list[float]) -> tuple[Tensor, Image.Image]:
    """diffusers' last latents and picture, over the same noise and noise levels."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    import diffusers
    from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution

    from benchmarks.diffusers_folder import write as write_folder

    # gesso takes the mean of what the autoencoder says, diffusers draws from it
    DiagonalGaussianDistribution.sample = lambda self, generator=None: self.mode()  # noqa: ARG005
    case = replace(CASES["sd-v1"], plan=SD1_INPAINTING)
    config = write_folder("sd-v1", case, checkpoint.with_suffix(".config"))
    sized = config / "unet" / "config.json"
    sized.write_text(json.dumps({**json.loads(sized.read_text()), "sample_size": 64}))
    pipe = diffusers.StableDiffusionInpaintPipeline.from_single_file(
        str(checkpoint), config=str(config), local_files_only=True, torch_dtype=torch.float32
    )
    pipe.scheduler = diffusers.EulerDiscreteScheduler.from_config(
        pipe.scheduler.config, timestep_spacing="linspace"
    )
    noise = torch.randn((1, 4, SIDE // 8, SIDE // 8), generator=torch.Generator().manual_seed(SEED))
    latents = pipe(
        prompt=PROMPT,
        image=Image.open(source),
        mask_image=Image.open(mask),
        width=SIDE,
        height=SIDE,
        strength=1.0,
        guidance_scale=1.0,
        sigmas=sigmas,
        num_inference_steps=len(sigmas) - 1,
        latents=noise,
        output_type="latent",
    ).images
    with torch.inference_mode():
        pixels = pipe.vae.decode(latents / pipe.vae.config.scaling_factor).sample
    return latents, pipe.image_processor.postprocess(pixels, output_type="pil")[0]


def changed(picture: Image.Image, source: Path, mask: Path) -> int:
    """How many pixels outside the mask differ from the source's."""
    differs = (np.asarray(picture) != np.asarray(Image.open(source))).any(axis=-1)
    return int(differs[np.asarray(Image.open(mask)) == 0].sum())


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint = folder / "sd-v1-inpainting.safetensors"
    if not checkpoint.exists():
        write(SD1_INPAINTING, checkpoint, "float16")
    source, mask = pictures(folder)
    latents, picture, sigmas = ours(checkpoint, source, mask)
    other, other_picture = theirs(checkpoint, source, mask, sigmas)
    left, top, right, bottom = (side // 8 for side in BOX)
    inside = (..., slice(top, bottom), slice(left, right))
    apart = (latents[inside] - other[inside]).abs().max() / other[inside].abs().max()
    outside = SIDE * SIDE - (BOX[2] - BOX[0]) * (BOX[3] - BOX[1])
    print(f"latents inside the mask differ by {apart:.2e} of the largest")
    print(f"pixels outside that change, of {outside}: gesso {changed(picture, source, mask)}", end="")
    print(f", diffusers {changed(other_picture, source, mask)}")


if __name__ == "__main__":
    main()
