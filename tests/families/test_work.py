"""Counted from shapes alone, as torch counts it while the network runs."""

from collections.abc import Callable

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from gesso.checkpoint.shapes import Shapes
from gesso.conditioning.conditioning import Conditioning
from gesso.denoiser import Call
from gesso.families.autoencoder_plan import tiny_decoder_shapes
from gesso.families.blueprint import CheckpointPlan, checkpoint_shapes
from gesso.families.work import decoder_work, largest_looking, tiny_decoder_work, unet_work
from gesso.guidance.token_merging import TokenMerging
from gesso.networks.attention import Attention
from gesso.networks.autoencoder import Autoencoder
from gesso.networks.tiny_autoencoder import TinyDecoder
from gesso.networks.unet import UNet, within
from tests.headers import SD1, SDXL, SDXL_REFINER
from tests.models import PLANS

BLOCKS = frozenset({"input_blocks.1", "output_blocks.6", "output_blocks.7"})
"""Of the tiny SD 1.x UNet those that look where the picture is largest."""


def part(plan: CheckpointPlan, prefix: str) -> Shapes:
    found = checkpoint_shapes(plan)
    return Shapes(
        {name.removeprefix(prefix): shape for name, shape in found.items() if name.startswith(prefix)}
    )


def unet(plan: CheckpointPlan) -> Shapes:
    return part(plan, "model.diffusion_model.")


def vae(plan: CheckpointPlan) -> Shapes:
    return part(plan, "first_stage_model.")


@pytest.mark.parametrize("latent", [(8, 8), (9, 14)])
@pytest.mark.parametrize("family", ["sd1", "sdxl", "sdxl-refiner"])
def test_a_unet_as_torch_counts_it(family: str, latent: tuple[int, int]) -> None:
    shapes = unet(PLANS[family])
    label = shapes.get("label_emb.0.0.weight")
    context = next(shape for name, shape in shapes.items() if name.endswith("attn2.to_k.weight"))[-1]
    with torch.device("meta"), torch.inference_mode(), FlopCounterMode(display=False) as counter:
        network = UNet(shapes, lambda width: max(1, width // 8))
        told = (torch.empty(1, 4, *latent), torch.empty(1), torch.empty(1, 5, context))
        network(*told, None if label is None else torch.empty(1, label[1]))
    assert unet_work(shapes, latent, tokens=5) == counter.get_total_flops()


@pytest.mark.parametrize("latent", [(8, 8), (9, 7)])
def test_merged_tokens_as_torch_counts_them(latent: tuple[int, int]) -> None:
    shapes = unet(PLANS["sd1"])
    with torch.device("meta"), torch.inference_mode(), FlopCounterMode(display=False) as counter:
        network = UNet(shapes, lambda width: max(1, width // 8))
        layers = [network.get_submodule(f"{block}.1.transformer_blocks.0.attn1") for block in BLOCKS]
        x, cond = torch.empty(1, 4, *latent), Conditioning(torch.empty(1, 5, 64))
        call = Call(network, x, torch.empty(1), 1.0, cond)
        merging = TokenMerging([each for each in layers if isinstance(each, Attention)], 0.5)
        with merging.during(call):
            network(x, call.t, cond.context)
    assert largest_looking(shapes) == BLOCKS
    assert unet_work(shapes, latent, tokens=5, merged=0.5) == counter.get_total_flops()


@pytest.mark.parametrize("depth", [1, 3])
def test_what_lies_within_as_torch_counts_it(depth: int) -> None:
    shapes = unet(PLANS["sd1"])
    counts: list[int] = []

    def inner(found: int, _: torch.Tensor, compute: Callable[[], torch.Tensor]) -> torch.Tensor:
        if found != depth:
            return compute()
        before = counter.get_total_flops()
        made = compute()
        counts.append(counter.get_total_flops() - before)
        return made

    with torch.device("meta"), torch.inference_mode(), FlopCounterMode(display=False) as counter:
        network = UNet(shapes, lambda width: max(1, width // 8))
        with within(network, inner):
            network(torch.empty(1, 4, 8, 8), torch.empty(1), torch.empty(1, 5, 64))
    assert counts == [unet_work(shapes, (8, 8), tokens=5, depth=depth)]


@pytest.mark.parametrize("latent", [(8, 8), (3, 5)])
def test_a_decoder_as_torch_counts_it(latent: tuple[int, int]) -> None:
    shapes = vae(PLANS["sd1"])
    with torch.device("meta"), torch.inference_mode(), FlopCounterMode(display=False) as counter:
        Autoencoder(shapes).decode(torch.empty(1, 4, *latent))
    assert decoder_work(shapes, latent) == counter.get_total_flops()


def test_a_tiny_decoder_as_torch_counts_it() -> None:
    shapes = Shapes(tiny_decoder_shapes())
    with torch.device("meta"), torch.inference_mode(), FlopCounterMode(display=False) as counter:
        TinyDecoder(shapes).decode(torch.empty(1, 4, 6, 5))
    assert tiny_decoder_work(shapes, (6, 5)) == counter.get_total_flops()


@pytest.mark.parametrize(
    ("plan", "side", "tflop"),
    [(SD1, 64, 0.803), (SD1, 96, 2.148), (SDXL, 128, 6.761), (SDXL_REFINER, 128, 7.286)],
)
def test_what_published_models_take(plan: CheckpointPlan, side: int, tflop: float) -> None:
    assert unet_work(unet(plan), (side, side)) / 1e12 == pytest.approx(tflop, abs=5e-4)
    assert decoder_work(vae(plan), (128, 128)) / 1e12 == pytest.approx(10.47, abs=5e-3)
