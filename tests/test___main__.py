import runpy
import sys

import pytest


def test_the_package_is_a_program(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["gesso", "--help"])
    with pytest.raises(SystemExit) as left:
        runpy.run_module("gesso", run_name="__main__")
    assert left.value.code == 0
    assert "inspect" in capsys.readouterr().out


def test_importing_it_runs_nothing() -> None:
    assert callable(runpy.run_module("gesso.__main__")["main"])
