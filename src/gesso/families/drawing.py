"""Drawings: networks without memory, and the tensors of a file that fill them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gesso.checkpoint.file import Checkpoint
from gesso.checkpoint.landing import Ground
from gesso.checkpoint.shapes import Shapes
from gesso.errors import TensorMismatch
from gesso.families.family import TextPart
from gesso.families.roundable import roundable
from gesso.runtime.quantized import Grid, fitting

__all__ = ["Drawing", "filled", "must_match", "read"]


@dataclass(frozen=True)
class Drawing:
    """A network without memory, and the tensors that will fill it.

    Args:
        network: on the meta device.
        tensors: name in the network → name in the file.
        scales: name in the network → name in the file of the number that its 8-bit weight is multiplied by.
        text: how a text encoder is read.
        grids: what its weights may be rounded to; none leaves them.
    """

    network: nn.Module
    checkpoint: Checkpoint
    tensors: Mapping[str, str]
    scales: Mapping[str, str]
    text: TextPart | None = None
    grids: tuple[Grid, ...] = ()


def filled(drawing: Drawing, device: torch.device, dtype: torch.dtype) -> nn.Module:
    """The network with its weights in, ready for use."""
    state = read(drawing, drawing.tensors, device, dtype)
    drawing.network.load_state_dict(state, strict=True, assign=True)
    return drawing.network.eval().requires_grad_(requires_grad=False)


def read(
    drawing: Drawing,
    names: Iterable[str],
    device: torch.device,
    dtype: torch.dtype,
    ground: Ground | None = None,
) -> dict[str, Tensor]:
    """Some of the network's weights by their names in it.

    Args:
        ground: where those go that change in main memory; None takes fresh memory.
    """
    local = {drawing.tensors[own]: own for own in names}
    wanted = [drawing.scales[own] for own in local.values() if own in drawing.scales]
    scales = dict(drawing.checkpoint.tensors(wanted, dtype=dtype, device=device))
    rounded = roundable(drawing.network) if drawing.grids else frozenset[str]()

    def finish(name: str, tensor: Tensor) -> Tensor:
        own = local[name]
        whole = tensor * scales[drawing.scales[own]] if own in drawing.scales else tensor
        return fitting(whole, drawing.grids) if own in rounded else whole

    found = drawing.checkpoint.tensors(
        local, dtype=dtype, device=device, channels_last=True, ground=ground, finish=finish
    )
    return {local[name]: tensor for name, tensor in found}


def must_match(part: str, network: nn.Module, found: Shapes) -> None:
    """Check that tensors are exactly the ones that a network has.

    Raises:
        TensorMismatch: some are missing, unexpected or of another shape; names the first.
    """
    expected = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    missing = [name for name in expected if name not in found]
    extra = [name for name in found if name not in expected]
    other = [name for name in expected if name in found and expected[name] != found[name]]
    if missing or extra or other:
        raise TensorMismatch(
            f"the file must hold exactly the tensors of its {part}, however: {len(missing)} are missing, "
            f"{len(extra)} unexpected and {len(other)} of another shape, such as "
            f"{', '.join([*missing, *extra, *other][:5])}"
        )
