"""What a prompt names beside words: `<lora:name:0.8>`, taken out and returned as data."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gesso.conditioning.prompt import Extra, Places
from gesso.errors import RequestError

__all__ = ["Source", "find", "named_files", "taken_out", "weights"]

_EXTRA = re.compile(r"<(lora|lyco|hypernet):([^<>]*)>")
_FILES = (".safetensors", ".pt", ".ckpt", ".bin")


@dataclass(frozen=True, slots=True)
class Source:
    """Text of which each character knows where in the prompt it stood."""

    text: str
    places: Places

    @staticmethod
    def of(text: str) -> "Source":
        """A whole prompt."""
        return Source(text, tuple(range(len(text))))

    def part(self, start: int, end: int) -> "Source":
        """From one character up to, without, another."""
        return Source(self.text[start:end], self.places[start:end])


def taken_out(text: str) -> tuple[Source, tuple[Extra, ...]]:
    """The prompt without its extras, and these.

    Source: AUTOMATIC1111/stable-diffusion-webui, extra networks: <kind:name:value:…:key=value>.
    """
    source, extras, kept = Source.of(text), list[Extra](), list[Source]()
    end = 0
    for found in _EXTRA.finditer(text):
        kept.append(source.part(end, found.start()))
        end = found.end()
        extras.append(_extra(found, source.places[found.start() : end]))
    kept.append(source.part(end, len(text)))
    words = Source(
        "".join(each.text for each in kept), tuple(place for each in kept for place in each.places)
    )
    return words, tuple(extras)


def _extra(found: re.Match[str], places: Places) -> Extra:
    name, *values = found[2].split(":")
    return Extra(
        found[1],
        name.strip(),
        tuple(value.strip() for value in values if "=" not in value),
        tuple(_keyed(value) for value in values if "=" in value),
        places,
    )


def _keyed(value: str) -> tuple[str, str]:
    key, _, said = value.partition("=")
    return key.strip(), said.strip()


def weights(extra: Extra) -> tuple[float, float]:
    """How strongly a LoRA acts on the text encoder and on the UNet.

    Raises:
        RequestError: a weight is not a number.

    Source: AUTOMATIC1111/stable-diffusion-webui: first the text encoder (1 unless given), then the UNet (the
    same unless given); also as te= and unet=.
    """
    named = dict(extra.named)
    text = _number(extra, named.get("te") or next(iter(extra.values), "1"))
    unet = named.get("unet") or (extra.values[1] if len(extra.values) > 1 else None)
    return text, text if unet is None else _number(extra, unet)


def _number(extra: Extra, said: str) -> float:
    try:
        return float(said)
    except ValueError as error:
        raise RequestError(
            f"the weights of <{extra.kind}:{extra.name}> must be numbers, however: {said!r}"
        ) from error


def find(name: str, folder: Path) -> Path | None:
    """The file in or below a library folder whose name without its ending is this; None if there is none."""
    return next(_named(name, folder), None)


def named_files(folder: Path) -> list[Path]:
    """Every file in or below a library folder that a prompt may name."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in _FILES)


def _named(name: str, folder: Path) -> Iterator[Path]:
    files = named_files(folder)
    paths = {path: path.relative_to(folder) for path in files}
    yield from (
        path
        for path in files
        if name in {path.stem, paths[path].as_posix(), paths[path].with_suffix("").as_posix()}
    )
    yield from (path for path in files if path.stem.casefold() == name.casefold())
