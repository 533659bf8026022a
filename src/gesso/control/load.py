"""Loading: a control network with its weights in, some of them lent by the model's own UNet."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from gesso.control.acting import AdapterGuide, Guide, HeadGuide, LiteGuide, NetGuide
from gesso.control.base import Base
from gesso.control.file import ControlFile, Source, open_control
from gesso.control.fit import adapter_places
from gesso.errors import RequestError, UnknownName
from gesso.families.waiting import at_hand
from gesso.model import Model
from gesso.networks.control_net import ControlNet
from gesso.networks.inpaint_head import InpaintHead
from gesso.networks.lllite import LLLite
from gesso.networks.t2i_adapter import T2IAdapter

__all__ = ["KINDS", "check_kind", "load_control"]

KINDS = ("openpose", "depth", "softedge", "canny", "normal", "segment", "tile", "repaint")
"""What a union's pictures show, in the order of its embeddings; the last two only in ProMax.

Source: xinsir/controlnet-union-sdxl-1.0."""
ALSO: Mapping[str, str] = {
    **dict.fromkeys(("pose",), "openpose"),
    **dict.fromkeys(("hed", "pidi", "scribble", "ted"), "softedge"),
    **dict.fromkeys(("lineart", "anime_lineart", "mlsd"), "canny"),
    "seg": "segment",
    "inpaint": "repaint",
}
"""Other names of the same."""


def load_control(path: Path, model: Model, kind: str | None) -> Guide:
    """A control model's network for a model, filled.

    Args:
        kind: what its picture shows, for a union.

    Raises:
        AdapterError: it does not fit, or is none.
        RequestError: a union without a kind, or a kind without a union.
    """
    base = Base.of(model)
    found = open_control(path, base)
    number = check_kind(found, kind)
    network = _filled(found, model)
    if isinstance(network, ControlNet):
        return NetGuide(network, number)
    if isinstance(network, T2IAdapter):
        return AdapterGuide(network, adapter_places(base), len(base.widths) - 1)
    if isinstance(network, InpaintHead):
        return HeadGuide(network)
    assert isinstance(network, LLLite)
    return LiteGuide(network)


def check_kind(found: ControlFile, kind: str | None) -> int | None:
    """The number of the kind of picture that a file is to be shown.

    Raises:
        RequestError: a union without a kind, or a kind without a union.
    """
    kinds = found.network.kinds if isinstance(found.network, ControlNet) else 0
    name = found.file.path.name
    if not kinds:
        if kind is not None:
            raise RequestError(f"a kind must go with a union, however: {name} is a {found.what}")
        return None
    known = KINDS[:kinds]
    if kind is None:
        raise RequestError(
            f"{name} is a union and must be told what its picture shows, however: no kind is given",
            hint=f"kinds: {', '.join(known)}",
        )
    wanted = ALSO.get(kind, kind)
    if wanted not in known:
        raise UnknownName("kind", kind, known)
    return known.index(wanted)


def _filled(found: ControlFile, model: Model) -> nn.Module:
    names = [name for source in found.sources.values() for name in _names(source)]
    own = dict(found.file.tensors(names, dtype=model.dtype, device=model.device))
    lent = dict(model.networks["unet"].named_parameters())
    state = {
        name: _tensor(source, own, lent).to(model.device, model.dtype)
        for name, source in found.sources.items()
    }
    found.network.load_state_dict(state, strict=True, assign=True)
    return found.network.eval().requires_grad_(requires_grad=False)


def _names(source: Source) -> tuple[str, ...]:
    return tuple(name for name in (source.own, *(source.low_rank or ())) if name is not None)


def _tensor(source: Source, own: Mapping[str, Tensor], lent: Mapping[str, Tensor]) -> Tensor:
    """The sum of what a tensor is made of; a lent one alone stays the very same memory."""
    parts: list[Tensor] = []
    if source.own is not None:
        parts.append(own[source.own])
    if source.base is not None:
        parts.append(at_hand(lent[source.base]))
    if source.low_rank is not None:
        up, down = (own[name] for name in source.low_rank)
        parts.append((up.float().flatten(1) @ down.float().flatten(1)).view(parts[0].shape))
    if len(parts) == 1:
        return parts[0]
    return torch.stack([part.float() for part in parts]).sum(0).to(parts[0].dtype)
