"""The step of diffusers' training scripts, with peft's LoRA, at full size on random latents and contexts.

Source: the order of things in diffusers 0.42, examples/text_to_image, train_text_to_image.py and
train_text_to_image_lora_sdxl.py, with --mixed_precision bf16; the same layers are changed as gesso changes.
"""

import time
from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from diffusers import DDPMScheduler, UNet2DConditionModel
from diffusers.training_utils import cast_training_params
from peft import LoraConfig
from torch import Tensor
from torch.nn import functional

from benchmarks.diffusers_folder import write
from benchmarks.parity import CASES

__all__ = ["full", "lora"]

CHANGED = ("to_q", "to_k", "to_v", "to_out.0", "ff.net.0.proj", "ff.net.2", "proj_in", "proj_out")
"""The layers that gesso's LoRA changes, in diffusers' words."""
CELLS = 64
WORDS = 77


def lora(path: Path, steps: int, recompute: bool) -> list[float]:
    """SDXL with a LoRA of rank 8 on a frozen base in bfloat16: seconds of each step."""
    unet = _unet(path, torch.bfloat16).requires_grad_(False)
    unet.add_adapter(
        LoraConfig(r=8, lora_alpha=8, init_lora_weights="gaussian", target_modules=list(CHANGED))
    )
    cast_training_params([unet], dtype=torch.float32)
    return _timed(unet, steps, recompute)


def full(path: Path, steps: int, recompute: bool) -> list[float]:
    """The whole UNet in float32, computing in bfloat16: seconds of each step."""
    return _timed(_unet(path, torch.float32).requires_grad_(True), steps, recompute)


def _unet(path: Path, dtype: torch.dtype) -> UNet2DConditionModel:
    folder = write(path.stem, CASES[path.stem], path.parent / f"{path.stem}-config")
    unet = UNet2DConditionModel.from_single_file(
        str(path), config=str(folder), subfolder="unet", torch_dtype=dtype, local_files_only=True
    )
    return unet.to(memory_format=torch.channels_last)


def _timed(unet: UNet2DConditionModel, steps: int, recompute: bool) -> list[float]:
    if recompute:
        unet.enable_gradient_checkpointing()
    unet.train()
    trained = [each for each in unet.parameters() if each.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-4, betas=(0.9, 0.99), weight_decay=1e-2)
    noising = DDPMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
    seconds: list[float] = []
    for _ in range(steps):
        began = time.perf_counter()
        _step(unet, trained, optimizer, noising.add_noise)
        seconds.append(time.perf_counter() - began)
    return seconds


def _step(
    unet: UNet2DConditionModel,
    trained: Iterable[Tensor],
    optimizer: torch.optim.Optimizer,
    noisy: Callable[[Tensor, Tensor, Tensor], Tensor],
) -> None:
    latents = torch.randn(1, 4, CELLS, CELLS)
    noise, t = torch.randn_like(latents), torch.randint(0, 1000, (1,))
    context, added = torch.randn(1, WORDS, unet.config.cross_attention_dim), None
    if unet.config.addition_embed_type == "text_time":
        added = {"text_embeds": torch.randn(1, 1280), "time_ids": torch.full((1, 6), 512.0)}
    mixed = torch.autocast("cpu", torch.bfloat16)
    with mixed:
        answer = unet(noisy(latents, noise, t), t, context, added_cond_kwargs=added).sample
    loss = functional.mse_loss(answer.float(), noise)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(list(trained), 1.0)
    optimizer.step()
    optimizer.zero_grad()
