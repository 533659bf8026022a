"""The folder of configurations that lets diffusers read a single checkpoint file without a hub.

    python -m benchmarks.diffusers_folder sd-v1 configs/sd-v1

Source: the configurations published beside the models, in diffusers' and transformers' own words.
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel

from benchmarks.parity_cases import Case
from benchmarks.parity_oracle import autoencoder_config, text_config, unet_config
from gesso.conditioning.tokenizer import table
from gesso.families.blueprint import OpenClipPlan

__all__ = ["KINDS", "write"]


@dataclass(frozen=True)
class Kind:
    """What diffusers must be told of one layout beyond its plan."""

    pipeline: str
    prediction: str
    scale: float


KINDS = {
    "sd-v1": Kind("StableDiffusionPipeline", "epsilon", 0.18215),
    "sd-v2": Kind("StableDiffusionPipeline", "v_prediction", 0.18215),
    "sdxl-base": Kind("StableDiffusionXLPipeline", "epsilon", 0.13025),
    "sdxl-refiner": Kind("StableDiffusionXLImg2ImgPipeline", "epsilon", 0.13025),
}


def write(family: str, case: Case, folder: Path) -> Path:
    """Write the folder, unless it is there; returns it."""
    if (folder / "model_index.json").exists():
        return folder
    kind = KINDS[family]
    with torch.device("meta"):
        UNet2DConditionModel(**unet_config(case)).save_config(folder / "unet")
        scaled: dict[str, Any] = {
            **autoencoder_config(case),
            "scaling_factor": kind.scale,
            "force_upcast": False,
        }
        AutoencoderKL(**scaled).save_config(folder / "vae")
    scheduler(kind).save_config(folder / "scheduler")
    index = {
        "_class_name": kind.pipeline,
        "_diffusers_version": "0.30.0",
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
        "scheduler": ["diffusers", "DDIMScheduler"],
        **texts(case, folder),
    }
    if kind.pipeline == "StableDiffusionPipeline":
        none = [None, None]
        index |= {"safety_checker": none, "feature_extractor": none, "image_encoder": none}
        index |= {"requires_safety_checker": False}
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder


def scheduler(kind: Kind) -> DDIMScheduler:
    """The trained noise levels in diffusers' words."""
    return DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        prediction_type=kind.prediction,
    )


def texts(case: Case, folder: Path) -> dict[str, list[str | None]]:
    """Text encoders and tokenizers; a refiner's only one is its second."""
    index: dict[str, list[str | None]] = {"text_encoder": [None, None], "tokenizer": [None, None]}
    first_is_second = len(case.plan.texts) == 1 and case.plan.unet.vector is not None
    for number, (prefix, plan) in enumerate(case.plan.texts):
        suffix = "_2" if number or first_is_second else ""
        config = text_config(case, prefix)
        if isinstance(plan, OpenClipPlan) and case.plan.unet.vector is None:
            # SD 2.x reads the last block but one: the published copy has lost the last
            config.num_hidden_layers -= 1
        config.save_pretrained(folder / f"text_encoder{suffix}")
        tokenizer(folder / f"tokenizer{suffix}", "!" if isinstance(plan, OpenClipPlan) else "<|endoftext|>")
        kind = "CLIPTextModelWithProjection" if suffix else "CLIPTextModel"
        index |= {
            f"text_encoder{suffix}": ["transformers", kind],
            f"tokenizer{suffix}": ["transformers", "CLIPTokenizer"],
        }
    return index


def tokenizer(folder: Path, pad: str) -> None:
    """The published vocabulary in transformers' two files."""
    folder.mkdir(parents=True, exist_ok=True)
    words, merges = table()
    end = "<|endoftext|>"
    special = {"bos_token": "<|startoftext|>", "eos_token": end, "unk_token": end, "pad_token": pad}
    (folder / "vocab.json").write_text(json.dumps(words))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(map(" ".join, merges)) + "\n")
    (folder / "special_tokens_map.json").write_text(json.dumps(special))
    config = {"model_max_length": 77, "tokenizer_class": "CLIPTokenizer", **special}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))


def main() -> None:
    """The command line."""
    from benchmarks.parity import CASES

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("family", choices=KINDS)
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    print(write(arguments.family, CASES[arguments.family], arguments.folder))


if __name__ == "__main__":
    main()
