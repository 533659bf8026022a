"""A part of a checkpoint as OpenVINO reads it.

python -m gesso.bench.converting CASE PART OUT
"""

import json
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gesso.bench.converted import ADDED, KINDS
from gesso.bench.figures import Case

__all__ = ["convert", "main"]

TRACED = 16
"""Latent cells along a side while the network is traced; its real size is told apart."""


class Positional(nn.Module):
    """A network called by position and in float32, whatever it computes in: what tracing can follow.

    Args:
        network: diffusers'.
        call: calls it and finds the answer's tensor.
    """

    def __init__(self, network: Any, call: Callable[..., Tensor]) -> None:
        super().__init__()
        self.network, self.call = network, call

    def forward(self, *given: Tensor) -> Tensor:
        """The answer; a time stays in float32, as everywhere."""
        dtype = self.network.dtype
        return self.call(self.network, *(each.to(dtype) if each.dim() else each for each in given)).float()


def _denoised(unet: Any, x: Tensor, t: Tensor, words: Tensor, *more: Tensor) -> Tensor:
    return unet(x, t, words, added_cond_kwargs=dict(zip(ADDED, more, strict=False)), return_dict=False)[0]


def _decoded(vae: Any, latents: Tensor) -> Tensor:
    return vae.decode(latents, return_dict=False)[0]


CALLS: dict[str, Callable[..., Tensor]] = {"unet": _denoised, "vae": _decoded}


def _examples(part: str, settings: Any) -> tuple[Tensor, ...]:
    """What a part is called with: both rows of guidance, or one picture's latents."""
    if part == "vae":
        return (torch.randn(1, 4, TRACED, TRACED),)
    words = torch.randn(2, 77, settings.cross_attention_dim)
    told = (torch.randn(2, 4, TRACED, TRACED), torch.tensor(500.0), words)
    if settings.addition_embed_type is None:
        return told
    pooled = settings.projection_class_embeddings_input_dim - 6 * settings.addition_time_embed_dim
    return (*told, torch.randn(2, pooled), torch.randn(2, 6))


def convert(case: Case, part: str, out: Path) -> None:
    """Write one part for the case's size of picture.

    Args:
        part: "unet" or "vae".
    """
    runtime: Any = import_module("openvino")
    kind: Any = getattr(import_module("diffusers"), KINDS[part])
    network = kind.from_single_file(
        str(case.file),
        config=str(case.config),
        subfolder=part,
        local_files_only=True,
        torch_dtype=getattr(torch, case.dtype),
    ).eval()
    given = _examples(part, network.config)
    side = case.size // 8
    shapes = [(each.shape[0], 4, side, side) if each.dim() == 4 else tuple(each.shape) for each in given]
    with torch.no_grad():
        found = runtime.convert_model(Positional(network, CALLS[part]), example_input=given, input=shapes)
    out.parent.mkdir(exist_ok=True)
    # halved constants would blur the frequencies that times are told by
    runtime.save_model(found, str(out), compress_to_fp16=False)


def main(arguments: Sequence[str]) -> None:
    """Convert what is asked for: a case as JSON, a part and the file to write."""
    told, part, out = arguments
    convert(Case.read(json.loads(told)), part, Path(out))


if __name__ == "__main__":
    main(sys.argv[1:])
