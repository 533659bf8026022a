"""The library: a folder in which what a prompt names beside words finds its file.

A name is a file's name without its ending, or its path from the kind's folder on. `<lora:name>` is looked for
in folders named loras, Lora or LyCORIS, `<hypernet:name>` in hypernetworks, an embedding in embeddings; they
may be up to two folders down, as AUTOMATIC1111's and ComfyUI's folders are. Without a folder for LoRAs, the
library itself holds them.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import ValidationError

from gesso import builtin
from gesso.conditioning.dialects import parse
from gesso.conditioning.extras import find, named_files, weights
from gesso.conditioning.prompt import Extra, Segment, walk
from gesso.errors import RequestError, UnknownName
from gesso.generation.wording import called, spoken
from gesso.request import EmbeddingUse, LoraUse, Request

__all__ = ["files", "furnished", "names", "placed"]

FOLDERS: Mapping[str, tuple[str, ...]] = {
    "lora": ("lora", "loras", "lycoris"),
    "embedding": ("embedding", "embeddings"),
    "hypernet": ("hypernetwork", "hypernetworks"),
    "control": ("control", "controls", "controlnet", "controlnets", "t2i_adapter"),
}
KINDS: Mapping[str, str] = {"lora": "lora", "lyco": "lora", "hypernet": "hypernet"}
"""What tags name → whose folders are looked in."""
KEYS = ("te", "unet", "start", "end", "lbw")


def files(library: Path, kind: str) -> tuple[Path, ...]:
    """What a library has of a kind: "lora", "hypernet", "embedding" or "control"."""
    return tuple(dict.fromkeys(path for folder in _folders(library, kind) for path in named_files(folder)))


def names(library: Path, kind: str) -> tuple[str, ...]:
    """The same by name."""
    return tuple(dict.fromkeys(path.stem for path in files(library, kind)))


def furnished(request: Request) -> Request:
    """The request with a file for everything its prompt names; it needs no library any more.

    An adapter or control model whose path is not there is looked for by the path's name: in the library, and
    among the files that come with gesso.

    Raises:
        UnknownName: the library has no such file; says the closest.
        RequestError: there is no such library, pictures of one request name different files, or a tag asks
            for something unknown.
    """
    if request.library is not None and not request.library.is_dir():
        raise RequestError(f"the library must be a folder, however: {request.library}")
    request = placed(request)
    if request.library is None:
        return request
    extras = _extras(request)
    known = {use.named for use in request.loras}
    fresh = [extra for extra in extras if called(extra) not in known]
    loras = [_use(extra, request.library) for extra in fresh]
    words = [EmbeddingUse(file=path) for path in _words(request, request.library)]
    update = {
        "library": None,
        "loras": (*request.loras, *loras),
        "embeddings": (*request.embeddings, *words),
    }
    return request.model_copy(update=update)


def placed(request: Request) -> Request:
    """The request with paths that are there, as far as names tell."""
    where = [builtin.folder()] if request.library is None else [request.library, builtin.folder()]

    def there(path: Path, *kinds: str) -> Path:
        found = (find(path.stem, each) for kind in kinds for root in where for each in _folders(root, kind))
        return path if path.exists() else next((each for each in found if each is not None), path)

    loras = (use.model_copy(update={"file": there(use.file, "lora", "hypernet")}) for use in request.loras)
    words = (use.model_copy(update={"file": there(use.file, "embedding")}) for use in request.embeddings)
    controls = (use.model_copy(update={"model": there(use.model, "control")}) for use in request.controls)
    update = {"loras": tuple(loras), "embeddings": tuple(words), "controls": tuple(controls)}
    return request.model_copy(update=update)


def _extras(request: Request) -> tuple[Extra, ...]:
    """What the prompt names, which must be the same for every picture."""
    said = [
        parse(spoken(request, picture).prompt, request.dialect).extras for picture in range(request.count)
    ]
    if any(each != said[0] for each in said):
        raise RequestError(
            "all pictures of a request must name the same files, however: choices in braces differ",
            hint="paint them one by one, each with its own seed",
        )
    return said[0]


def _use(extra: Extra, library: Path) -> LoraUse:
    unknown = [key for key, _ in extra.named if key not in KEYS]
    if unknown:
        raise RequestError(f"<{called(extra)}> must be told {', '.join(KEYS)}, however: {unknown[0]}")
    text, unet = weights(extra)
    told = dict(extra.named)
    fields: dict[str, object] = {key: told[key] for key in ("start", "end") if key in told}
    if "lbw" in told:
        fields["blocks"] = tuple(each.strip() for each in told["lbw"].split(","))
    fields |= {"weight": unet, "text_weight": None if text == unet else text, "named": called(extra)}
    try:
        return LoraUse.model_validate({"file": _found(extra.name, library, KINDS[extra.kind]), **fields})
    except ValidationError as error:
        first = error.errors()[0]
        raise RequestError(
            f"<{called(extra)}> must be told numbers that agree, however: {first['msg']} ({first['input']!r})"
        ) from error


def _words(request: Request, library: Path) -> Iterator[Path]:
    """Files of the embeddings that prompt and negative say, unless the request has them already."""
    there = names(library, "embedding")
    have = {use.file.stem.casefold() for use in request.embeddings}
    for picture in range(request.count):
        told = spoken(request, picture)
        for text in (told.prompt, told.negative):
            for node in walk(parse(text, request.dialect, there)):
                if isinstance(node, Segment) and node.embedding and node.text.casefold() not in have:
                    have.add(node.text.casefold())
                    yield _found(node.text, library, "embedding")


def _found(name: str, library: Path, kind: str) -> Path:
    for folder in _folders(library, kind):
        path = find(name, folder)
        if path is not None:
            return path
    raise UnknownName(kind, name, names(library, kind))


def _folders(library: Path, kind: str) -> tuple[Path, ...]:
    near = (*library.glob("*/"), *library.glob("*/*/"))
    folders = tuple(sorted(path for path in near if path.name.casefold() in FOLDERS[kind]))
    return folders or ((library,) if kind == "lora" else ())
