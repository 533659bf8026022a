import os
import subprocess
import sys
from pathlib import Path

import pytest

import gesso.errors
from gesso.cli import main as module
from gesso.cli.main import EXIT_CODES, main
from gesso.errors import Cancelled, CheckpointError, GessoError, RequestError, ResourceError
from tests.headers import families, write_header

SOURCES = Path(gesso.errors.__file__).parents[1]
HEAVY = ("torch", "numpy", "PIL", "scipy", "tokenizers", "safetensors", "rich", "jaxtyping")
LOADED = f"""
import sys
from gesso.cli.main import main
code = main(sys.argv[1:])
heavy = [name for name in {HEAVY} if name in sys.modules]
sys.stderr.write(f"{{code}} {{heavy}} {{len(sys.modules)}}")
"""
BOUND = 480
"""Modules that starting may load: about 340, as Python and pydantic differ in their versions."""


def test_help_says_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    said = capsys.readouterr().out
    assert all(command in said for command in ("generate", "inspect", "replay"))


@pytest.mark.parametrize("arguments", [[], ["paint"], ["generate", "--colour", "red"], ["inspect"]])
def test_what_is_no_command_is_a_usage_error(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert "gesso" in capsys.readouterr().err


def test_the_surroundings_fill_in_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("GENERATE", "INSPECT", "FILE", "FAMILY"):
        monkeypatch.setenv(name, "nonsense")
    path = write_header(tmp_path / "x.safetensors", families()["sd1"][0])
    assert main(["inspect", str(path)]) == 0
    assert "Stable Diffusion 1.x" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["--help"], ["generate", "--help"], ["inspect", "FILE"]])
def test_starting_loads_nothing_heavy(arguments: list[str], tmp_path: Path) -> None:
    path = write_header(tmp_path / "x.safetensors", families()["sdxl"][0])
    command = [str(path) if each == "FILE" else each for each in arguments]
    run = subprocess.run(
        [sys.executable, "-c", LOADED, *command],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": str(SOURCES)},
    )
    code, heavy, loaded = run.stderr.split(" ")
    assert (code, heavy) == ("0", "[]")
    assert int(loaded) < BOUND


def test_every_error_has_an_exit_code() -> None:
    bases = {RequestError: 2, CheckpointError: 3, ResourceError: 5, Cancelled: 130}
    for name in gesso.errors.__all__:
        kind = getattr(gesso.errors, name)
        found = next((code for each, code in EXIT_CODES if issubclass(kind, each)), 1)
        expected = next((code for base, code in bases.items() if issubclass(kind, base)), None)
        if name in {"Unsupported", "DoesNotFit", "AdapterError"}:
            expected = 4
        assert found == (expected or 1), name


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (GessoError("it must hold, however: no"), 1, "gesso: it must hold, however: no\n"),
        (Cancelled("asked to stop", hint="later"), 130, "gesso: asked to stop\n       later\n"),
        (KeyboardInterrupt(), 130, "gesso: cancelled\n"),
        (SystemExit("no such thing"), 2, "gesso: no such thing\n"),
        (SystemExit(None), 0, ""),
    ],
)
def test_an_error_is_one_line_its_hint_another(
    error: BaseException,
    code: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(module.CliApp, "run", fail)
    assert main([]) == code
    assert capsys.readouterr().err == said


def test_without_arguments_the_command_line_is_read(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["gesso", "inspect", "--help"])
    assert main() == 0
    assert "checkpoint" in capsys.readouterr().out
