"""OpenVINO in the place of a pipeline's networks, converted once for a size."""

import json
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gesso.bench.figures import Case, Marks

if TYPE_CHECKING:
    from torch import Tensor

    Answer = Callable[..., tuple[Tensor]]

__all__ = ["ADDED", "KINDS", "converted"]

KINDS = {"unet": "UNet2DConditionModel", "vae": "AutoencoderKL"}
"""What diffusers calls a pipeline's parts."""
ADDED = ("text_embeds", "time_ids")
"""What SDXL's UNet is told beside the prompt."""
PRECISIONS = {"bfloat16": "bf16", "float32": "f32"}
"""torch's words for number types, and OpenVINO's."""


def converted(case: Case, marks: Marks) -> dict[str, Any]:
    """UNet and autoencoder that hand their work to OpenVINO, converting what has not been converted.

    Raises:
        CalledProcessError: converting failed.
    """
    return {part: _standing_in(case, part, _file(case, part, marks)) for part in KINDS}


def _file(case: Case, part: str, marks: Marks) -> Path:
    assert case.config is not None
    file = case.config / "openvino" / f"{case.file.stem}-{part}-{case.size}-{case.dtype}.xml"
    if not file.exists():
        # in a process of its own, so that what it holds is not counted as the painting's
        command = [sys.executable, "-m", "gesso.bench.converting", json.dumps(case.plain()), part, str(file)]
        with marks.preparing():
            subprocess.run(command, check=True, stdout=sys.stderr)
    return file


def _standing_in(case: Case, part: str, file: Path) -> Any:
    """diffusers' network without weights, whose answers are OpenVINO's."""
    import torch

    runtime: Any = import_module("openvino")
    kind: Any = getattr(import_module("diffusers"), KINDS[part])
    with torch.device("meta"):
        network = kind.from_config(kind.load_config(str(case.config), subfolder=part))
    # memory that is never written takes none
    network = network.to(getattr(torch, case.dtype)).to_empty(device="cpu").eval()
    options = {"INFERENCE_PRECISION_HINT": PRECISIONS[case.dtype], "PERFORMANCE_HINT": "LATENCY"}
    request = runtime.Core().compile_model(str(file), "CPU", options).create_infer_request()

    def answered(*given: "Tensor") -> "tuple[Tensor]":
        arrays = {index: each.float().contiguous().numpy() for index, each in enumerate(given)}
        return (torch.from_numpy(request.infer(arrays, share_inputs=True)[0]).to(network.dtype),)

    _turned(network, part, answered)
    return network


def _turned(network: Any, part: str, answered: "Answer") -> None:
    """Have the network's calls answered by somebody else."""

    def forward(
        sample: "Tensor", t: "Tensor", encoder_hidden_states: "Tensor", **more: Any
    ) -> "tuple[Tensor]":
        added = more.get("added_cond_kwargs") or {}
        return answered(sample, t, encoder_hidden_states, *(added[each] for each in ADDED if each in added))

    def decode(latents: "Tensor", **_: object) -> "tuple[Tensor]":
        return answered(latents)

    if part == "unet":
        network.forward = forward
    else:
        network.decode = decode
