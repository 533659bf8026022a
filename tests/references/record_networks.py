"""Record what diffusers and transformers say of the small layouts.

    python -m tests.references.record_networks

Inputs and weights come from names (benchmarks/parity_cases.py), so only the outputs are stored.
"""

import torch
from safetensors.torch import save_file
from torch import Tensor

from benchmarks import parity_oracle
from benchmarks.parity_cases import Case, inputs
from gesso.families.autoencoder_plan import autoencoder_shapes
from gesso.families.text_plan import ClipPlan, clip_shapes, open_clip_shapes
from gesso.families.unet_plan import unet_shapes
from tests.references.networks_cases import CASES
from tests.references.networks_said import HERE, weights


def text_weights(plan: object) -> dict[str, Tensor]:
    """A random text encoder."""
    return weights(clip_shapes(plan) if isinstance(plan, ClipPlan) else open_clip_shapes(plan))


def said(case: Case) -> dict[str, Tensor]:
    """Every output of a case."""
    given = inputs(case)
    outputs = parity_oracle.unet(case, weights(unet_shapes(case.plan.unet)), given)
    outputs |= parity_oracle.autoencoder(case, weights(autoencoder_shapes(case.plan.autoencoder)), given)
    for prefix, plan in case.plan.texts:
        outputs |= parity_oracle.text(case, prefix, text_weights(plan), given)
    return outputs


if __name__ == "__main__":
    with torch.no_grad():
        for name, case in CASES.items():
            outputs = {key: tensor.contiguous() for key, tensor in said(case).items()}
            save_file(outputs, HERE / f"networks_{name}.safetensors")
