"""The command table, and how errors become exit codes."""

import re
import sys

from pydantic import ValidationError
from pydantic_settings import BaseSettings, CliApp, CliSubCommand, SettingsConfigDict

from gesso.cli.annotate import Annotate
from gesso.cli.batch import Batch
from gesso.cli.bench import Bench
from gesso.cli.edit import Edit
from gesso.cli.generate import Generate
from gesso.cli.grid import GridCommand
from gesso.cli.inspect import Inspect
from gesso.cli.keys import Keys
from gesso.cli.morph import Morph
from gesso.cli.outpaint import Outpaint
from gesso.cli.prompt import Prompt
from gesso.cli.replay import Replay
from gesso.cli.serve import Serve
from gesso.cli.train import Train
from gesso.cli.upscale import Upscale
from gesso.errors import (
    AdapterError,
    Cancelled,
    CheckpointError,
    GessoError,
    RequestError,
    ResourceError,
    Unsupported,
)

__all__ = ["EXIT_CODES", "Gesso", "main"]

EXIT_CODES: tuple[tuple[type[GessoError], int], ...] = (
    (Unsupported, 4),
    (AdapterError, 4),
    (RequestError, 2),
    (CheckpointError, 3),
    (ResourceError, 5),
    (Cancelled, 130),
)
"""The first class that fits decides: 2 usage, 3 bad file, 4 wrong family, 5 resources, 130 cancelled."""


class Gesso(BaseSettings):
    """gesso paints with any Stable Diffusion checkpoint: one file in, pictures out, offline."""

    model_config = SettingsConfigDict(
        cli_prog_name="gesso",
        cli_kebab_case=True,
        cli_hide_none_type=True,
        cli_avoid_json=True,
        use_attribute_docstrings=True,
    )

    generate: CliSubCommand[Generate]
    """Paint pictures from words."""
    edit: CliSubCommand[Edit]
    """Paint into a picture; what lies outside the mask keeps its bytes."""
    outpaint: CliSubCommand[Outpaint]
    """Paint around a picture, which keeps its bytes."""
    upscale: CliSubCommand[Upscale]
    """Enlarge a picture, alone or painted anew in parts."""
    annotate: CliSubCommand[Annotate]
    """Make of a picture what a control model is shown."""
    grid: CliSubCommand[GridCommand]
    """Paint every combination of values, as sheets with labels and as a page."""
    batch: CliSubCommand[Batch]
    """Paint one picture for every line of a file, or over every picture of a folder."""
    morph: CliSubCommand[Morph]
    """Paint frames on the way from one prompt or seed to another."""
    inspect: CliSubCommand[Inspect]
    """Say what a checkpoint file is, and why."""
    prompt: CliSubCommand[Prompt]
    """Show what the network is told by a prompt, and what of it will not happen."""
    train: CliSubCommand[Train]
    """Teach a model from pictures: LoRA, new words, whole models, ControlNets."""
    replay: CliSubCommand[Replay]
    """Paint a picture again from what it carries."""
    serve: CliSubCommand[Serve]
    """Serve a page and two common HTTP interfaces over one durable queue."""
    bench: CliSubCommand[Bench]
    """Measure what painting costs here, beside other programs."""
    keys: CliSubCommand[Keys]
    """Make, list and remove the keys of a server."""

    def cli_cmd(self) -> None:
        """Run the chosen command."""
        CliApp.run_subcommand(self)


def main(arguments: list[str] | None = None) -> int:
    """Run a command line; returns the exit code."""
    try:
        CliApp.run(Gesso, cli_args=_dashed(sys.argv[1:] if arguments is None else arguments))
    except ValidationError as error:
        return _usage(error)
    except GessoError as error:
        return _refused(error)
    except KeyboardInterrupt:
        sys.stderr.write("gesso: cancelled\n")
        return 130
    except SystemExit as leaving:
        return _code(leaving)
    return 0


def _dashed(arguments: list[str]) -> list[str]:
    """Options of one letter with one dash, as the parser knows them, however many were typed."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    return [re.sub(r"^--(?=\w(=|$))", "-", each) for each in arguments[:end]] + arguments[end:]


def _code(leaving: SystemExit) -> int:
    if isinstance(leaving.code, str):
        sys.stderr.write(f"gesso: {leaving.code}\n")
        return 2
    return leaving.code or 0


def _refused(error: GessoError) -> int:
    sys.stderr.write(f"gesso: {error}\n")
    if error.hint:
        sys.stderr.write(f"       {error.hint}\n")
    return next((code for kind, code in EXIT_CODES if isinstance(error, kind)), 1)


def _usage(error: ValidationError) -> int:
    for each in error.errors():
        names = [str(part).replace("_", "-") for part in each["loc"][1:] if isinstance(part, str)]
        sys.stderr.write(f"gesso: --{'.'.join(names)}: {each['msg']}, however: {each['input']!r}\n")
    return 2
