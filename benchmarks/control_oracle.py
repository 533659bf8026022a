"""What diffusers says of control models: the UNet's answer with one at work, and the control's own."""

from collections.abc import Mapping
from typing import Any

import torch
from diffusers import T2IAdapter
from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint
from diffusers.models.controlnets.controlnet import ControlNetModel
from diffusers.models.controlnets.controlnet_union import ControlNetUnionModel
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor, nn

from benchmarks.parity_cases import Case, weight
from benchmarks.parity_oracle import filled, prefixed, unet_config

__all__ = ["adapter", "adapter_shapes", "control_net", "control_net_shapes"]

Tensors = Mapping[str, Tensor]
Shapes = dict[str, tuple[int, ...]]


def _control_config(case: Case, hint: tuple[int, ...]) -> dict[str, Any]:
    config = {**unet_config(case), "conditioning_embedding_out_channels": hint}
    for name in ("out_channels", "up_block_types"):
        del config[name]
    return config


def _control(case: Case, hint: tuple[int, ...], kinds: int) -> nn.Module:
    config = _control_config(case, hint)
    if not kinds:
        return ControlNetModel(**config)
    width = case.plan.unet.width
    return ControlNetUnionModel(
        **config, num_control_type=kinds, num_trans_channel=width, num_proj_channel=width
    )


def control_net_shapes(case: Case, hint: tuple[int, ...], kinds: int = 0) -> Shapes:
    """The tensors of a ControlNet as diffusers names them; a union's with some kinds."""
    with torch.device("meta"):
        return shapes_of(_control(case, hint, kinds))


def shapes_of(network: nn.Module) -> Shapes:
    """Names and sizes."""
    return {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}


def _vector(given: Tensors) -> dict[str, Tensor] | None:
    return {"text_embeds": given["pooled"], "time_ids": given["sizes"]} if "sizes" in given else None


def _unet(case: Case, tensors: Tensors) -> Any:
    config = unet_config(case)
    with torch.device("meta"):
        empty = UNet2DConditionModel(**config)
    return filled(empty, convert_ldm_unet_checkpoint(prefixed("model.diffusion_model.", tensors), config))


def control_net(
    case: Case, unet: Tensors, hint: tuple[int, ...], given: Tensors, kind: tuple[int, int] | None = None
) -> dict[str, Tensor]:
    """The UNet's answer with a ControlNet of random weights, and what that adds in the middle.

    Args:
        unet: the UNet's weights under the checkpoint's names.
        hint: widths of the hint's block.
        kind: of a union, the picture's kind and how many there are.
    """
    kinds = 0 if kind is None else kind[1]
    names = control_net_shapes(case, hint, kinds)
    with torch.device("meta"):
        empty = _control(case, hint, kinds)
    network = filled(empty, {name: weight(name, shape) for name, shape in names.items()})
    told: dict[str, Any] = {"added_cond_kwargs": _vector(given), "return_dict": False}
    if kind is None:
        told["controlnet_cond"] = given["hint"]
    else:
        flags = torch.zeros(len(given["x"]), kinds)
        flags[:, kind[0]] = 1.0
        told |= {"controlnet_cond": [given["hint"]], "control_type": flags, "control_type_idx": [kind[0]]}
    down, middle = network(given["x"], given["t"], given["context"], **told)
    answer = _unet(case, unet)(
        given["x"],
        given["t"],
        given["context"],
        added_cond_kwargs=_vector(given),
        down_block_additional_residuals=down,
        mid_block_additional_residual=middle,
    )
    return {"answer": answer.sample, "middle": middle}


def _adapter(config: Mapping[str, Any]) -> nn.Module:
    return T2IAdapter(**config)


def adapter_shapes(config: Mapping[str, Any]) -> Shapes:
    """The tensors of a T2I-Adapter as diffusers names them."""
    with torch.device("meta"):
        return shapes_of(_adapter(config))


def adapter(case: Case, unet: Tensors, config: Mapping[str, Any], given: Tensors) -> dict[str, Tensor]:
    """The UNet's answer with a T2I-Adapter of random weights, and the last feature."""
    with torch.device("meta"):
        empty = _adapter(config)
    names = adapter_shapes(config)
    network = filled(empty, {name: weight(name, shape) for name, shape in names.items()})
    features = network(given["hint"])
    answer = _unet(case, unet)(
        given["x"],
        given["t"],
        given["context"],
        added_cond_kwargs=_vector(given),
        down_intrablock_additional_residuals=[each.clone() for each in features],
    )
    return {"answer": answer.sample, "middle": features[-1]}
