"""The built-in model's form: the layout of Stable Diffusion 1, small."""

from typing import Literal

import torch
from torch import nn

from gesso.families.blueprint import (
    AutoencoderPlan,
    CheckpointPlan,
    ClipPlan,
    UNetPlan,
    autoencoder_shapes,
    clip_shapes,
    unet_shapes,
)
from gesso.families.family import HeadRule
from gesso.networks.autoencoder import Autoencoder
from gesso.networks.clip_text import ClipText
from gesso.networks.initialise import initialise
from gesso.networks.unet import UNet
from gesso.sampling.levels import TrainedLevels

SIDE = 64  # pixels
HEADS = HeadRule(count=4)
TEXT = ClipPlan(width=256, layers=3, positions=32, vocabulary=8192)
PLAN = CheckpointPlan(
    UNetPlan(width=64, multipliers=(1, 2, 3), blocks=1, depths=(0, 1, 1), middle=1, context=TEXT.width),
    AutoencoderPlan(width=32, multipliers=(1, 2, 4), blocks=1, attention=False),
    (("cond_stage_model.transformer.", TEXT),),
    schedule=True,
)
# The last level is pure noise, so that a sampler's start holds no hint of the picture's mean colour.
LEVELS = TrainedLevels.scaled_linear().zero_terminal_snr()


def new(part: Literal["unet", "autoencoder", "text"], seed: int) -> nn.Module:
    """One of the networks with its first random weights."""
    network: nn.Module
    if part == "unet":
        network = UNet(unet_shapes(PLAN.unet), HEADS)
    elif part == "autoencoder":
        network = Autoencoder(autoencoder_shapes(PLAN.autoencoder))
    else:
        network = ClipText(clip_shapes(TEXT), HEADS, "quick_gelu")
    initialise(network, torch.Generator().manual_seed(seed))
    return network
