"""The many namings of the same checkpoints, brought back to the original one.

Source: the key prefixes that ComfyUI, A1111 and diffusers recognise, and the files themselves.
"""

from collections.abc import Callable, Mapping

from gesso.checkpoint.averaged import has_average, with_average
from gesso.checkpoint.entry import Entry
from gesso.checkpoint.file import Checkpoint
from gesso.checkpoint.rename import autoencoder_names, renamed, unet_names
from gesso.checkpoint.shapes import Shapes
from gesso.errors import TensorMismatch

__all__ = ["TINY_DECODER", "TINY_ENCODER", "original"]

TINY_DECODER = "taesd_decoder."
"""Where a tiny decoder's tensors are, as ComfyUI keeps them; the published files have them under no name."""
TINY_ENCODER = "taesd_encoder."
UNET = "model.diffusion_model."
VAE = "first_stage_model."
UNET_TOPS = ("input_blocks.", "middle_block.", "output_blocks.", "time_embed.", "label_emb.", "out.")
UNET_TOPS_OF_DIFFUSERS = (
    "conv_in.",
    "conv_out.",
    "conv_norm_out.",
    "time_embedding.",
    "add_embedding.",
    "class_embedding.",
    "down_blocks.",
    "mid_block.",
    "up_blocks.",
)
VAE_TOPS = ("encoder.", "decoder.", "quant_conv.", "post_quant_conv.", "loss.")
TEXT_TOPS = ("embeddings.", "encoder.", "final_layer_norm.")

Entries = Mapping[str, Entry]
Rule = Callable[[Entries, list[str]], Entries]
"""Renames what it recognises, and says so in the list of notes."""


def original(checkpoint: Checkpoint, *, ema: bool = False) -> tuple[Checkpoint, list[str]]:
    """The same file seen under the original names, and what was recognised on the way.

    Args:
        checkpoint: any layout; nothing is copied.
        ema: take the averaged weights of a training checkpoint instead of the raw ones.

    Raises:
        TensorMismatch: averaged weights were asked for and are not complete, or two tensors claim one name.
    """
    notes: list[str] = []
    entries: Entries = checkpoint.header.entries
    for rule in (
        _text_encoders,
        _picture_encoder,
        _unet_prefix,
        _diffusers_unet,
        _tiny_autoencoder,
        _vae_prefix,
        _diffusers_vae,
        _turbo,
        _old_text,
    ):
        entries = rule(entries, notes)
    if ema:
        entries = with_average(entries)
        notes.append("averaged weights (model_ema.) in place of the raw ones")
    elif has_average(entries):
        notes.append("averaged weights (model_ema.) are there and not used")
    return checkpoint.with_entries(entries), notes


def _under(entries: Entries, prefix: str) -> Shapes:
    return Shapes({name: entry.shape for name, entry in entries.items()}).under(prefix)


def _moved(entries: Entries, new_name: Callable[[str], str]) -> Entries:
    moved: dict[str, Entry] = {}
    for name, entry in entries.items():
        new = new_name(name)
        if new in moved:
            raise TensorMismatch(f"every tensor must have a name of its own, however: two are {new!r}")
        moved[new] = entry
    return moved


def _prefixed(entries: Entries, old: str, new: str) -> Entries:
    return _moved(entries, lambda name: new + name.removeprefix(old) if name.startswith(old) else name)


def _unet_prefix(entries: Entries, notes: list[str]) -> Entries:
    """A UNet under another name, or under none."""
    for prefix in (UNET, "diffusion_model.", "model.model.", "net.", "unet.", ""):
        tops = _tops(entries, prefix)
        if not tops:
            continue
        if prefix == UNET:
            return entries
        notes.append(f"UNet under {prefix!r}" if prefix else "UNet without a prefix")
        return _moved(
            entries,
            lambda name, prefix=prefix, tops=tops: (
                UNET + name.removeprefix(prefix) if name.startswith(tops) else name
            ),
        )
    return entries


def _tops(entries: Entries, prefix: str) -> tuple[str, ...]:
    """The names a UNet would have here, if there is one."""
    if f"{prefix}input_blocks.0.0.weight" in entries:
        return tuple(prefix + top for top in UNET_TOPS)
    if f"{prefix}down_blocks.0.resnets.0.conv1.weight" in entries:
        return tuple(prefix + top for top in UNET_TOPS_OF_DIFFUSERS)
    return ()


def _diffusers_unet(entries: Entries, notes: list[str]) -> Entries:
    if f"{UNET}down_blocks.0.resnets.0.conv1.weight" not in entries:
        return entries
    notes.append("UNet in diffusers' naming")
    names = unet_names(_under(entries, UNET))

    def new_name(name: str) -> str:
        known = renamed(name.removeprefix(UNET), names) if name.startswith(UNET) else None
        return name if known is None else UNET + known

    return _moved(entries, new_name)


def _tiny_autoencoder(entries: Entries, notes: list[str]) -> Entries:
    """A tiny decoder or encoder, alone in its file or both in diffusers' naming."""
    for prefix in (VAE, "vae.", ""):
        if f"{prefix}decoder.layers.2.conv.0.weight" in entries:
            notes.append("tiny autoencoder in diffusers' naming")
            return _moved(entries, lambda name, prefix=prefix: _tiny_name(name, prefix))
    for top, first, block in ((TINY_DECODER, "1.weight", "3.conv."), (TINY_ENCODER, "0.weight", "1.conv.")):
        if first in entries and f"{block}0.weight" in entries:
            notes.append(f"tiny {top.removeprefix('taesd_').removesuffix('.')} without a prefix")
            return _moved(entries, lambda name, top=top: top + name if name[:1].isdecimal() else name)
    return entries


def _tiny_name(name: str, prefix: str) -> str:
    """Diffusers numbers the decoder's layers from its first convolution, the original from a clamp before."""
    half, _, rest = name.removeprefix(prefix).partition(".layers.")
    number, _, end = rest.partition(".")
    if not name.startswith(prefix) or half not in {"encoder", "decoder"} or not number.isdecimal():
        return name
    return f"{TINY_ENCODER}{rest}" if half == "encoder" else f"{TINY_DECODER}{int(number) + 1}.{end}"


def _vae_prefix(entries: Entries, notes: list[str]) -> Entries:
    """An autoencoder under another name, or alone in its file."""
    for prefix in (VAE, "vae.", ""):
        if any(f"{prefix}{half}.conv_in.weight" in entries for half in ("encoder", "decoder")):
            break
    else:
        return entries
    if prefix == VAE:
        return entries
    notes.append(f"autoencoder under {prefix!r}" if prefix else "autoencoder without a prefix")
    tops = (prefix,) if prefix else VAE_TOPS
    return _moved(entries, lambda name: VAE + name.removeprefix(prefix) if name.startswith(tops) else name)


def _diffusers_vae(entries: Entries, notes: list[str]) -> Entries:
    shapes = _under(entries, VAE)
    levels = max(shapes.count("encoder.down_blocks"), shapes.count("decoder.up_blocks"))
    if not levels:
        return entries
    notes.append("autoencoder in diffusers' naming")
    names = autoencoder_names(levels, old=any(".proj_attn." in name for name in shapes))

    def new_name(name: str) -> str:
        known = renamed(name.removeprefix(VAE), names) if name.startswith(VAE) else None
        return name if known is None else VAE + known

    return {name: _as_convolution(name, entry) for name, entry in _moved(entries, new_name).items()}


def _as_convolution(name: str, entry: Entry) -> Entry:
    """Attention was made of 1 by 1 convolutions; diffusers made it of linear layers with the same numbers."""
    if name.startswith(VAE) and ".attn_1." in name and len(entry.shape) == 2:
        return entry.reshaped((*entry.shape, 1, 1))
    return entry


def _text_encoders(entries: Entries, notes: list[str]) -> Entries:
    """Text encoders in diffusers' naming; their inner layout stays the one they have there."""
    first = any(name.startswith("text_encoder.") for name in entries)
    second = any(name.startswith("text_encoder_2.") for name in entries)
    if not first and not second:
        return entries
    notes.append("text encoders in diffusers' naming")
    if not second:
        return _prefixed(entries, "text_encoder.", "cond_stage_model.transformer.")
    entries = _prefixed(entries, "text_encoder.", "conditioner.embedders.0.transformer.")
    # The refiner has the second encoder only, and counts it from 0.
    return _prefixed(entries, "text_encoder_2.", f"conditioner.embedders.{int(first)}.transformer.")


def _picture_encoder(entries: Entries, notes: list[str]) -> Entries:
    """What diffusers' unCLIP models see pictures with."""
    if "image_normalizer.mean" not in entries:
        return entries
    notes.append("image encoder in diffusers' naming")
    entries = _prefixed(entries, "image_encoder.", "embedder.model.")
    for theirs, ours in (("mean", "data_mean"), ("std", "data_std")):
        entries = _prefixed(entries, f"image_normalizer.{theirs}", f"noise_augmentor.{ours}")
    return entries


def _turbo(entries: Entries, notes: list[str]) -> Entries:
    """SD 2 as the second generation of training code saved it: SD-Turbo."""
    norm = entries.get("conditioner.embedders.0.model.ln_final.weight")
    alone = not any(name.startswith("conditioner.embedders.1.") for name in entries)
    if norm is None or norm.shape != (1024,) or not alone:
        return entries
    notes.append("SD 2 text encoder under 'conditioner.embedders.0.'")
    return _prefixed(entries, "conditioner.embedders.0.", "cond_stage_model.")


def _old_text(entries: Entries, notes: list[str]) -> Entries:
    """CLIP as the first files of the SD 1 line named it: without `text_model.`."""
    places = ("cond_stage_model.transformer.", *(f"conditioner.embedders.{i}.transformer." for i in (0, 1)))
    for place in places:
        if f"{place}embeddings.token_embedding.weight" in entries:
            notes.append(f"text encoder without 'text_model.' under {place!r}")
            tops = tuple(place + top for top in TEXT_TOPS)
            entries = _moved(
                entries,
                lambda name, place=place, tops=tops: (
                    f"{place}text_model.{name.removeprefix(place)}" if name.startswith(tops) else name
                ),
            )
    return entries
