"""Model: a checkpoint's networks with their weights in, ready to paint."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gesso.checkpoint.file import Checkpoint
from gesso.checkpoint.shapes import Shapes
from gesso.denoiser import Denoiser
from gesso.errors import TensorMismatch, Unsupported
from gesso.families.facts import Decision
from gesso.families.identify import Identity, identify
from gesso.families.probe import probe_prediction
from gesso.networks.autoencoder import Autoencoder
from gesso.networks.clip_text import ClipText
from gesso.networks.open_clip_text import OpenClipText
from gesso.networks.unet import UNet
from gesso.runtime.device import choose_device, choose_dtype
from gesso.sampling.levels import ContinuousLevels, NoiseLevels, TrainedLevels
from gesso.sampling.prediction import PREDICTIONS

__all__ = ["Model", "builtin", "load"]

STANDARD_TABLE_TOLERANCE = 5e-3
"""A stored noise table this close to the published one is a rounded copy of it (half precision keeps 3 digits)."""


@dataclass(eq=False)
class Model:
    """A checkpoint's networks with their weights in.

    Args:
        identity: what the file is.
        networks: "unet", "vae", and each text encoder by its part's name.
        denoiser: the UNet as an estimate of clean latents.
        device: where the weights are.
        dtype: what the networks compute in.
    """

    identity: Identity
    networks: Mapping[str, nn.Module]
    denoiser: Denoiser
    device: torch.device
    dtype: torch.dtype

    @cached_property
    def vae(self) -> Autoencoder:
        """The autoencoder."""
        return cast(Autoencoder, self.networks["vae"])

    @property
    def path(self) -> Path:
        """The checkpoint file."""
        return self.identity.checkpoint.path

    def latents(self, unscaled: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """The autoencoder's latents as the denoiser expects them."""
        space = self.identity.facts.latent
        if space.mean is None or space.std is None:
            return unscaled * space.scale
        return (unscaled - _channels(space.mean, unscaled)) / _channels(space.std, unscaled) * space.scale

    def unscaled(self, latents: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """The denoiser's latents as the autoencoder expects them: the inverse of `latents`."""
        space = self.identity.facts.latent
        if space.mean is None or space.std is None:
            return latents / space.scale
        return latents / space.scale * _channels(space.std, latents) + _channels(space.mean, latents)


def load(
    path: Path | str | None = None,
    *,
    device: str = "auto",
    dtype: str = "auto",
    prediction: str | None = None,
    vae: Path | str | None = None,
    ema: bool = False,
) -> Model:
    """Load a checkpoint file: its family is found, its networks are built and filled, nothing is downloaded.

    Args:
        path: the file; None loads the built-in checkpoint.
        device: "auto", "cpu", "cuda", "cuda:1", "mps".
        dtype: "auto" (what the device does fast), "float32", "bfloat16", "float16".
        prediction: what the network predicts, where the file's own evidence must be overruled.
        vae: a file whose autoencoder is used instead; needed where the file carries none.
        ema: use a training checkpoint's averaged weights.

    Raises:
        CheckpointError: the file is broken, unsafe, of no known family, or its tensors are not exactly those needed.
        Unsupported: the file is recognised, but gesso cannot paint with it.
        ResourceError: no such device, or not enough memory.
    """
    identity = identify(Checkpoint.open(path or builtin()), ema=ema, prediction=prediction)
    if identity.variant.unsupported:
        raise Unsupported(
            f"{identity.checkpoint.path.name} must be a model that paints from words, however: it is "
            f"{identity.name}, and {identity.variant.unsupported}"
        )
    place = choose_device(device)
    kind = choose_dtype(dtype, place)
    networks = _networks(identity, Path(vae) if vae else None, place, kind)
    identity = _asked_the_network(identity, networks["unet"], place, kind)
    denoiser = Denoiser(
        networks["unet"],
        PREDICTIONS[identity.facts.prediction.value],
        noise_levels(identity),
        kind,
    )
    return Model(identity, networks, denoiser, place, kind)


def builtin() -> Path:
    """The checkpoint that comes with gesso."""
    return Path(__file__).with_name("builtin") / "emoji.safetensors"


def _networks(
    identity: Identity, vae: Path | None, device: torch.device, dtype: torch.dtype
) -> dict[str, nn.Module]:
    if identity.account.unknown:
        names = identity.account.unknown
        raise TensorMismatch(
            f"every tensor must belong to a part of {identity.family.name}, however: {len(names)} do not, "
            f"such as {', '.join(names[:5])}"
        )
    checkpoint, prefixes = identity.checkpoint, identity.prefixes
    sources = {part: (checkpoint, prefixes[part]) for part, names in identity.account.used.items() if names}
    if vae is not None:
        sources["vae"] = _vae_source(vae)
    missing = [part for part in identity.missing if part not in sources]
    if missing:
        raise TensorMismatch(
            f"{checkpoint.path.name} must carry unet, vae and text encoder, however: {', '.join(missing)} not found",
            hint="name a file for the autoencoder: --vae FILE" if missing == ["vae"] else "",
        )
    return {
        part: _filled(part, identity, source, prefix, device, dtype)
        for part, (source, prefix) in sources.items()
    }


def _vae_source(path: Path) -> tuple[Checkpoint, str]:
    """A file that carries an autoencoder, perhaps among other things."""
    from gesso.checkpoint.layouts import original

    view, _ = original(Checkpoint.open(path))
    return view, "first_stage_model."


def _filled(
    part: str,
    identity: Identity,
    checkpoint: Checkpoint,
    prefix: str,
    device: torch.device,
    dtype: torch.dtype,
) -> nn.Module:
    """One network, built without memory and filled tensor by tensor."""
    names = [name for name in identity.account.used.get(part, ()) if name in checkpoint.shapes]
    if checkpoint is not identity.checkpoint:
        names = [name for name in checkpoint.shapes if name.startswith(prefix)]
    shapes = Shapes({name.removeprefix(prefix): checkpoint.shapes[name] for name in names})
    with torch.device("meta"):
        network = _built(part, identity, shapes)
    expected = dict(network.state_dict())
    _must_match(part, {name: tuple(tensor.shape) for name, tensor in expected.items()}, shapes)
    state = {
        name.removeprefix(prefix): _laid_out(tensor)
        for name, tensor in checkpoint.tensors(names, dtype=dtype, device=device)
    }
    network.load_state_dict(state, strict=True, assign=True)
    return network.eval().requires_grad_(requires_grad=False)


def _built(part: str, identity: Identity, shapes: Shapes) -> nn.Module:
    if part == "unet":
        return UNet(shapes, identity.facts.heads)
    if part == "vae":
        return Autoencoder(shapes)
    text = next(each for each in identity.text if each.name == part)
    # every published text encoder has 64 channels a head; a narrow one may state its number
    heads = identity.facts.heads if identity.facts.heads_by == "metadata" else (lambda width: width // 64)
    if text.prefix.endswith("transformer."):
        return ClipText(shapes, heads, text.activation)
    return OpenClipText(shapes, heads)


def _must_match(part: str, expected: Mapping[str, tuple[int, ...]], found: Shapes) -> None:
    missing = [name for name in expected if name not in found]
    extra = [name for name in found if name not in expected]
    other = [name for name in expected if name in found and expected[name] != found[name]]
    if missing or extra or other:
        first = ", ".join([*missing, *extra, *other][:5])
        raise TensorMismatch(
            f"the file must hold exactly the tensors of its {part}, however: {len(missing)} are missing, "
            f"{len(extra)} unexpected and {len(other)} of another shape, such as {first}"
        )


def _laid_out(tensor: Tensor) -> Tensor:
    """Convolution kernels with their channels last, the order in which convolutions are fastest."""
    if tensor.ndim == 4 and tensor.shape[-1] > 1:
        return tensor.contiguous(memory_format=torch.channels_last)
    return tensor


def _asked_the_network(
    identity: Identity, unet: nn.Module, device: torch.device, dtype: torch.dtype
) -> Identity:
    """For families that leave their prediction type open, ask the network itself."""
    if not identity.family.ambiguous or identity.facts.prediction.by != "family":
        return identity
    name, correlation = probe_prediction(unet, identity.checkpoint.shapes, device, dtype)
    because = f"the network's answer to pure noise correlates {correlation:.2f} with it"
    facts = replace(identity.facts, prediction=Decision(name, "probe", because))
    return replace(identity, facts=facts)


def noise_levels(identity: Identity) -> NoiseLevels:
    """The noise levels a file was trained on."""
    facts = identity.facts
    if facts.levels.value == "continuous":
        return ContinuousLevels(*facts.sigma_range)
    levels = TrainedLevels.scaled_linear()
    stored = _stored_table(identity.checkpoint)
    if stored is not None:
        own = TrainedLevels.from_alphas_cumprod(stored)
        worst = max(abs(a / b - 1) for a, b in zip(own.sigmas, levels.sigmas, strict=True))
        levels = levels if worst < STANDARD_TABLE_TOLERANCE else own
    return levels.zero_terminal_snr() if facts.levels.value == "zero terminal SNR" else levels


def _stored_table(checkpoint: Checkpoint) -> list[float] | None:
    """The file's own noise table, unless it is absent, of another length, or stored too coarsely to be used."""
    if checkpoint.shapes.get("alphas_cumprod") != (1000,):
        return None
    if checkpoint.dtypes["alphas_cumprod"] not in {"F32", "F64"}:
        return None
    ((_, table),) = checkpoint.tensors(["alphas_cumprod"])
    values = [float(value) for value in table]
    falling = all(1 > a > b > 0 for a, b in zip(values, values[1:], strict=False))
    return values if falling else None


def _channels(values: tuple[float, ...], like: Tensor) -> Tensor:
    return torch.tensor(values, dtype=like.dtype, device=like.device).view(1, -1, 1, 1)
