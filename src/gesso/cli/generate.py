"""`gesso generate`: paint pictures from words."""

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import AliasChoices, ByteSize, Field
from pydantic_settings import CliImplicitFlag, CliPositionalArg

from gesso.cli.following import Following
from gesso.errors import RequestError
from gesso.request import ImagePrompt, Refiner, Request, Source

if TYPE_CHECKING:
    from gesso.model import Model

__all__ = ["Generate", "environment_library"]


def environment_library() -> Path | None:
    """The folder that the environment names as the user's library."""
    named = os.environ.get("GESSO_LIBRARY")
    return Path(named) if named else None


class Generate(Request, Following):
    """Paint pictures from words with a checkpoint file (without one, with the built-in checkpoint)."""

    prompt: CliPositionalArg[str] = ""
    """What to paint. `(word:1.2)` weighs, `BREAK` starts a new window of tokens."""
    model: Annotated[Path | None, Field(validation_alias=AliasChoices("m", "model"))] = None
    """The checkpoint file."""
    library: Path | None = Field(default_factory=environment_library)
    """Folder in which the prompt's names find their files; unless given, what GESSO_LIBRARY names."""
    image: Path | None = None
    """A picture to start from: short for --source.image."""
    strength: float | None = Field(default=None, ge=0.0, le=1.0)
    """How much of it is painted anew: short for --source.strength."""
    image_adapter: Path | None = None
    """An IP-Adapter file for every image prompt that names none: short for --image-prompts' adapter."""
    image_encoder: Path | None = None
    """The CLIP image encoder for every image prompt that names none."""
    refiner_from: float | None = Field(default=None, gt=0.0, lt=1.0)
    """Where the refiner takes over: short for --refiner.start."""
    out: Path = Path("pictures")
    """Folder for the pictures, or a file name ending in .png, .jpg or .webp."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1 or mps."""
    dtype: str = "auto"
    """auto, float32, bfloat16 or float16."""
    kernels: str = "auto"
    """auto, the fastest for this machine, or plain, torch's own."""
    quantize: str = "none"
    """none, int8 or int4: what weights are rounded to, so that they take a half or a quarter."""
    prediction: str | None = None
    """What the network predicts, where the file's own evidence must be overruled: epsilon, v, x0, edm."""
    vae: Path | None = None
    """A file whose autoencoder is used instead; a tiny decoder or encoder (TAESD) replaces one half."""
    text_encoders: tuple[Path, ...] = ()
    """Files whose text encoders are used instead, each with one or several."""
    lender: Path | None = None
    """A checkpoint of the same family that lends the parts this one lacks."""
    ema: CliImplicitFlag[bool] = False
    """Use a training checkpoint's averaged weights."""
    memory: ByteSize | None = None
    """What the process may take, such as 4GiB: weights wait in the file, decoding goes in bands."""
    json_output: Annotated[CliImplicitFlag[bool], Field(validation_alias="json")] = False
    """Print what was painted as JSON."""
    keep: CliImplicitFlag[bool] = False
    """Save the pictures as well that something follows on."""
    costs: CliImplicitFlag[bool] = False
    """Write into each picture what painting it took; files then differ from one run to the next."""
    dry_run: CliImplicitFlag[bool] = False
    """Print the plan with an estimate of time and memory; paint nothing."""

    def request(self) -> Request:
        """The request alone, with the short forms put where they belong."""
        fields = {name: getattr(self, name) for name in Request.model_fields}
        if self.image is not None:
            fields["source"] = (self.source or Source()).model_copy(update={"image": self.image})
        if self.strength is not None:
            fields["source"] = _with(fields["source"], "strength", self.strength, "--strength", "--image")
        fields["image_prompts"] = self._image_prompts()
        if self.refiner_from is not None:
            fields["refiner"] = _with(
                fields["refiner"], "start", self.refiner_from, "--refiner-from", "--refiner"
            )
        fields["then"] = (*self.follow_ups(), *self.then)
        return Request(**fields)

    def _image_prompts(self) -> tuple[ImagePrompt, ...]:
        """The image prompts with the files put in that are given once for all."""
        shared = {"adapter": self.image_adapter, "encoder": self.image_encoder}
        if any(shared.values()) and not self.image_prompts:
            raise RequestError(
                "--image-adapter and --image-encoder must come with --image-prompts, however: there are none"
            )
        return tuple(
            each.model_copy(update={name: path for name, path in shared.items() if not getattr(each, name)})
            for each in self.image_prompts
        )

    def cli_cmd(self) -> None:
        """Paint, or print the plan."""
        request = self.request()
        if self.dry_run:
            self._print_plan(request)
            return
        from gesso.cli.progress import follow
        from gesso.generation.fitting import check
        from gesso.generation.generate import generate

        check(request, self.model, ema=self.ema)
        with follow(quiet=self.json_output, keep=self.keep, costs=self.costs) as progress:
            progress.loading(self.model)
            model = self._opened(weights=_paints(request))
            files = progress.painting(generate(model, request), model, self.out)
        if self.json_output:
            sys.stdout.write(json.dumps(files, indent=2) + "\n")

    def _print_plan(self, request: Request) -> None:
        from gesso.generation.estimate import estimate

        found = estimate(self._opened(weights=False), request)
        sys.stdout.write((found.model_dump_json(indent=2) if self.json_output else found.text()) + "\n")

    def _opened(self, *, weights: bool) -> "Model":
        from gesso.model import load

        return load(
            self.model,
            device=self.device,
            dtype=self.dtype,
            kernels=self.kernels,
            quantize=self.quantize,
            prediction=self.prediction,
            vae=self.vae,
            text_encoders=self.text_encoders,
            lender=self.lender,
            ema=self.ema,
            weights=weights,
            memory=None if self.memory is None else int(self.memory),
        )


def _paints(request: Request) -> bool:
    """Whether anything is painted at all, or a picture only resized."""
    sources = (request.source, *(each.source for each in request.then))
    return any(each is None or each.strength > 0.0 for each in sources)


def _with(part: Source | Refiner | None, field: str, value: float, flag: str, needs: str) -> object:
    if part is None:
        raise RequestError(f"{flag} must come with {needs}, however: it was given alone")
    return part.model_copy(update={field: value})
