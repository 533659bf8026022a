"""Model: a checkpoint's networks with their weights in, ready to paint."""

from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gesso.builtin import checkpoint
from gesso.checkpoint.file import Checkpoint
from gesso.checkpoint.shapes import Shapes
from gesso.denoiser import Denoiser
from gesso.errors import UnknownName, Unsupported
from gesso.families.assembly import Named, drawings, noise_levels
from gesso.families.drawing import Drawing, filled
from gesso.families.facts import Decision
from gesso.families.family import LatentSpace
from gesso.families.identify import Identity, identify
from gesso.families.probe import probe_prediction
from gesso.families.roundable import expected
from gesso.families.waiting import Waiting
from gesso.networks.autoencoder import Autoencoder
from gesso.networks.tiny_autoencoder import TinyDecoder, TinyEncoder
from gesso.runtime.device import choose_device, choose_dtype, ranging
from gesso.runtime.gpu.graphs import Replayed
from gesso.runtime.memory import held, limit, memory_errors
from gesso.runtime.quantized import GRIDS, Grid
from gesso.sampling.prediction import PREDICTIONS
from gesso.tuned import KERNELS
from gesso.tuned_cards import CardTwins

__all__ = ["ROUNDINGS", "Model", "Origins", "builtin", "load", "sizes", "type_of"]

ROUNDINGS = ("none", *GRIDS)
"""What weights may be rounded to."""
WHOLE = 0.5
"""The most of the memory given that weights take all at once; the rest is for what is computed with them."""


@dataclass(frozen=True)
class Origins:
    """Where a model's parts came from, beside its checkpoint file.

    Args:
        vae: the file its autoencoder came from, where that is another.
        texts: the files its text encoders came from, where those are others.
        lender: the file that lent the parts the checkpoint lacks.
        ema: whether these are a training checkpoint's averaged weights.
    """

    vae: Path | None = None
    texts: tuple[Path, ...] = ()
    lender: Path | None = None
    ema: bool = False


@dataclass(eq=False)
class Model:
    """A checkpoint's networks with their weights in.

    Args:
        identity: what the file is.
        networks: "unet", "vae", and each text encoder by its part's name; of a tiny autoencoder "encoder" and
            "decoder", which go before "vae"; "preview", a tiny decoder for unfinished pictures.
        denoiser: the UNet as an estimate of clean latents.
        device: where the weights are.
        dtype: what the networks compute in.
        origins: which other files its parts came from.
        words: new words that are attached, by text encoder: each word and the ids it stands for.
        memory: the most bytes that weights and work may take; None: what there is.
        waiting: of `networks` those whose weights stay in their files until they are needed.
        kernels: what the networks run by while they paint, one of `KERNELS`.
        quantize: what the weights of UNet and text encoders were rounded to, one of `ROUNDINGS`.
        twins: of the networks' layers, on a graphics card.
    """

    identity: Identity
    networks: Mapping[str, nn.Module]
    denoiser: Denoiser
    device: torch.device
    dtype: torch.dtype
    origins: Origins = field(default_factory=Origins)
    words: Mapping[str, Mapping[str, tuple[int, ...]]] = field(
        default_factory=dict[str, Mapping[str, tuple[int, ...]]]
    )
    memory: int | None = None
    waiting: Mapping[str, Waiting] = field(default_factory=dict[str, Waiting])
    kernels: str = "auto"
    quantize: str = "none"
    twins: CardTwins | None = None

    @contextmanager
    def present(self, *parts: str) -> Generator[None]:
        """The named parts ready for use while the block runs."""
        with ExitStack() as stack:
            for part in parts:
                if part in self.waiting:
                    stack.enter_context(self.waiting[part].present())
            yield

    def grids(self, part: str) -> tuple[Grid, ...]:
        """What a part's weights are rounded to, as far as that is faithful to them."""
        large = part == "unet" or part in {each.name for each in self.identity.text}
        return GRIDS.get(self.quantize, ()) if large else ()

    @cached_property
    def unet_sizes(self) -> Shapes:
        """The size of every parameter of the denoiser's network."""
        return sizes(self.denoiser.network)

    @cached_property
    def decoder_sizes(self) -> Shapes:
        """The size of every parameter of what makes pixels of latents."""
        return sizes(self.decoder)

    @property
    def encoder(self) -> Autoencoder | TinyEncoder:
        """What makes latents of pixels."""
        return cast(Autoencoder | TinyEncoder, self.networks.get("encoder") or self.networks["vae"])

    @property
    def decoder(self) -> Autoencoder | TinyDecoder:
        """What makes pixels of latents."""
        return cast(Autoencoder | TinyDecoder, self.networks.get("decoder") or self.networks["vae"])

    @property
    def vae(self) -> Autoencoder:
        """The whole autoencoder, where there is one."""
        return cast(Autoencoder, self.networks["vae"])

    @property
    def factor(self) -> int:
        """How many pixels wide one latent cell is."""
        return self.decoder.factor

    @property
    def path(self) -> Path:
        """The checkpoint file."""
        return self.identity.checkpoint.path

    def latents(self, encoded: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """The encoder's latents as the denoiser expects them."""
        return encoded if self.encoder.scaled else _scaled(encoded, self.identity.facts.latent)

    def unscaled(self, latents: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """The denoiser's latents as the decoder expects them."""
        return latents if self.decoder.scaled else _unscaled(latents, self.identity.facts.latent)

    def raw(self, encoded: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """The encoder's latents as the family's own autoencoder would have given them."""
        return _unscaled(encoded, self.identity.facts.latent) if self.encoder.scaled else encoded


def _scaled(latents: Tensor, space: LatentSpace) -> Tensor:
    if space.mean is None or space.std is None:
        return latents * space.scale
    return (latents - _channels(space.mean, latents)) / _channels(space.std, latents) * space.scale


def _unscaled(latents: Tensor, space: LatentSpace) -> Tensor:
    if space.mean is None or space.std is None:
        return latents / space.scale
    return latents / space.scale * _channels(space.std, latents) + _channels(space.mean, latents)


def load(  # noqa: PLR0913 - the one door for users; each choice has its default
    path: Path | str | None = None,
    *,
    device: str = "auto",
    dtype: str = "auto",
    kernels: str = "auto",
    quantize: str = "none",
    prediction: str | None = None,
    vae: Path | str | None = None,
    text_encoders: Sequence[Path | str] = (),
    lender: Path | str | None = None,
    previews: Path | str | None = None,
    ema: bool = False,
    weights: bool = True,
    memory: int | None = None,
) -> Model:
    """Load a checkpoint file: its family is found, its networks are built and filled, nothing is downloaded.

    Args:
        path: the file; None loads the built-in checkpoint.
        device: "auto", "cpu", "cuda", "cuda:1", "mps".
        dtype: "auto" (what the device does fast), "float32", "bfloat16", "float16".
        kernels: "auto" (the fastest for this machine, packed weights among them), "plain" (torch's own).
        quantize: "int8" or "int4" rounds the weights of UNet and text encoders to so few bits, as far as that
            is faithful to them; pictures then differ.
        prediction: what the network predicts, where the file's own evidence must be overruled.
        vae: a file whose autoencoder is used instead. Unless given, a file beside the checkpoint that has its
            name and ends in .vae.safetensors, .vae.pt or .vae.ckpt. A tiny half replaces its half alone.
        text_encoders: files whose text encoders are used instead, each with one or several.
        lender: a checkpoint of the same family that lends the parts this one lacks, as a UNet alone does.
        previews: a tiny decoder that shows unfinished pictures.
        ema: use a training checkpoint's averaged weights.
        weights: False leaves the networks without memory: enough to plan with and to count what painting
            will cost.
        memory: the most bytes that this process may take on the device, all in all. Weights that are large
            beside it stay in the file until they are needed.

    Raises:
        CheckpointError: the file is broken, of no known family, or not exactly the tensors needed.
        Unsupported: the file is recognised, but gesso cannot paint with it.
        ResourceError: no such device, or not enough memory.
        UnknownName: no kernels or quantization are called that.
    """
    _check(kernels, quantize)
    named = Named(_path(vae), tuple(map(Path, text_encoders)), _path(lender), _path(previews))
    identity, parts, origins = _drawn(Path(path or builtin()), named, prediction, ema=ema)
    parts = {name: _rounding(name, drawing, quantize) for name, drawing in parts.items()}
    place = choose_device(device)
    kind = choose_dtype(dtype, place)
    kinds = {name: _kind(name, identity, kind, place) for name in parts}
    if not weights:
        outline = {name: drawing.network.to(kinds[name]) for name, drawing in parts.items()}
        return replace(_model(identity, outline, (place, kind), origins), kernels=kernels, quantize=quantize)
    room = _room(place, memory)
    with memory_errors(f"loading {identity.checkpoint.path.name}"):
        waiting = _waiting(parts, place, kind, room)
        networks = _read(parts, waiting, place, kinds)
        identity = _asked(identity, networks["unet"], waiting.get("unet"), place, kind)
    made = _model(identity, networks, (place, kind), origins)
    return _on_card(replace(made, memory=room, waiting=waiting, kernels=kernels, quantize=quantize))


def _room(device: torch.device, memory: int | None) -> int | None:
    """What of the memory given is left, which the device holds this process to, where it can."""
    limit(device, memory)
    return None if memory is None else max(0, memory - held(device))


def _on_card(model: Model) -> Model:
    """The same with a graphics card's ways to run it, if it is on one."""
    if model.device.type != "cuda" or model.kernels != "auto":
        return model
    # recordings keep the memory that they work in
    records = model.memory is None
    replayed = Replayed(model.denoiser.network) if records else None
    denoiser = replace(model.denoiser, replayed=replayed)
    return replace(model, denoiser=denoiser, twins=CardTwins(records=records))


def _check(kernels: str, quantize: str) -> None:
    for what, name, known in (("kernels", kernels, KERNELS), ("quantization", quantize, ROUNDINGS)):
        if name not in known:
            raise UnknownName(what, name, known)


def _read(
    parts: Mapping[str, Drawing],
    waiting: Mapping[str, Waiting],
    device: torch.device,
    kinds: Mapping[str, torch.dtype],
) -> dict[str, nn.Module]:
    """The networks, with their weights in where those need not wait."""
    return {
        name: waiting[name].network if name in waiting else filled(drawing, device, kinds[name])
        for name, drawing in parts.items()
    }


def _kind(name: str, identity: Identity, kind: torch.dtype, device: torch.device) -> torch.dtype:
    """What a part computes in.

    An autoencoder that overflows in half precision takes as narrow a type that does not, where the device has
    one.
    """
    overflows = name == "vae" and kind is torch.float16 and not identity.facts.latent.narrow
    return ranging(device) if overflows else kind


def builtin() -> Path:
    """The checkpoint that comes with gesso."""
    return checkpoint()


def sizes(network: nn.Module) -> Shapes:
    """The size of every parameter of a network, by its name."""
    return Shapes({name: tuple(each.shape) for name, each in network.named_parameters()})


def type_of(network: nn.Module) -> torch.dtype:
    """What a network computes in."""
    return next(network.parameters()).dtype


def _drawn(
    path: Path, named: Named, prediction: str | None, *, ema: bool
) -> tuple[Identity, dict[str, Drawing], Origins]:
    identity = identify(Checkpoint.open(path), ema=ema, prediction=prediction)
    if identity.variant.unsupported:
        raise Unsupported(
            f"{path.name} must be a model that paints from words, however: it is {identity.name}, and "
            f"{identity.variant.unsupported}"
        )
    named = replace(named, vae=named.vae or _beside(path))
    parts = drawings(identity, named)
    # an encoder from another file may be laid out and read otherwise
    text = tuple(parts[each.name].text or each for each in identity.text)
    origins = Origins(named.vae, named.texts, named.lender, ema)
    return replace(identity, text=text), parts, origins


def _path(name: Path | str | None) -> Path | None:
    return Path(name) if name else None


def _beside(path: Path) -> Path | None:
    """An autoencoder file under the checkpoint's own name, as AUTOMATIC1111 and its users keep them."""
    names = (path.with_name(f"{path.stem}.vae{end}") for end in (".safetensors", ".pt", ".ckpt"))
    return next((name for name in names if name.is_file()), None)


def _model(
    identity: Identity,
    networks: Mapping[str, nn.Module],
    where: tuple[torch.device, torch.dtype],
    origins: Origins,
) -> Model:
    prediction = PREDICTIONS[identity.facts.prediction.value]
    denoiser = Denoiser(networks["unet"], prediction, noise_levels(identity), where[1])
    return Model(identity, networks, denoiser, *where, origins)


def _waiting(
    parts: Mapping[str, Drawing], device: torch.device, dtype: torch.dtype, room: int | None
) -> dict[str, Waiting]:
    """The large parts that are not needed at the same time, where all together would take too much room."""
    every = (expected(each.network, each.grids, dtype) for each in parts.values())
    if room is None or sum(every) <= room * WHOLE:
        return {}
    return {name: Waiting(drawing, device, dtype) for name, drawing in parts.items() if _large(name, drawing)}


def _large(name: str, drawing: Drawing) -> bool:
    """Whether a part is a UNet or a text encoder."""
    return name == "unet" or drawing.text is not None


def _rounding(name: str, drawing: Drawing, quantize: str) -> Drawing:
    return replace(drawing, grids=GRIDS.get(quantize, ()) if _large(name, drawing) else ())


def _asked(
    identity: Identity,
    unet: nn.Module,
    waiting: Waiting | None,
    device: torch.device,
    dtype: torch.dtype,
) -> Identity:
    """For families that leave their prediction type open, ask the network itself."""
    if not identity.family.ambiguous or identity.facts.prediction.by != "family":
        return identity
    with nullcontext() if waiting is None else waiting.flowing(0):
        name, correlation = probe_prediction(unet, identity.checkpoint.shapes, device, dtype)
    because = f"the network's answer to pure noise correlates {correlation:.2f} with the noise"
    facts = replace(identity.facts, prediction=Decision(name, "probe", because))
    return replace(identity, facts=facts)


def _channels(values: tuple[float, ...], like: Tensor) -> Tensor:
    return torch.tensor(values, dtype=like.dtype, device=like.device).view(1, -1, 1, 1)
