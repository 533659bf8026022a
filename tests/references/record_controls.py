"""Record what diffusers says of small control models, and which tensors it gives them.

    python -m tests.references.record_controls

Inputs and weights come from names (benchmarks/parity_cases.py), so only the outputs are stored.
"""

import json

import torch
from safetensors.torch import save_file
from torch import Tensor

from benchmarks import control_oracle
from gesso.families.unet_plan import unet_shapes
from tests.references.controls_cases import CONTROLS, HINT, ControlCase, control_inputs
from tests.references.networks_said import HERE, weights


def said(control: ControlCase) -> dict[str, Tensor]:
    """Every output of a case."""
    unet = weights(unet_shapes(control.case.plan.unet))
    given = control_inputs(control)
    if control.adapter is not None:
        return control_oracle.adapter(control.case, unet, control.adapter, given)
    return control_oracle.control_net(control.case, unet, HINT, given, control.kind)


def shapes(control: ControlCase) -> dict[str, tuple[int, ...]]:
    """The control model's tensors."""
    if control.adapter is not None:
        return control_oracle.adapter_shapes(control.adapter)
    return control_oracle.control_net_shapes(control.case, HINT, control.kind[1] if control.kind else 0)


if __name__ == "__main__":
    found: dict[str, Tensor] = {}
    with torch.no_grad():
        for name, control in CONTROLS.items():
            found |= {f"{name}/{key}": tensor.contiguous() for key, tensor in said(control).items()}
    save_file(found, HERE / "controls.safetensors")
    named = {name: shapes(control) for name, control in CONTROLS.items()}
    (HERE / "controls.json").write_text(json.dumps(named) + "\n", "utf-8")
