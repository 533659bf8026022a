from pathlib import Path

import pytest
import torch

from gesso.runtime import machine as module
from gesso.runtime.machine import machine, peak
from gesso.runtime.memory import resident


def test_it_says_what_numbers_depend_on() -> None:
    found = machine()
    assert found["torch"] == torch.__version__
    assert "cores of" in found["cpu"]
    assert ("gpu" in found) == torch.cuda.is_available()


def test_systems_that_say_less(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "Path", lambda _: Path("/nowhere"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a card")
    monkeypatch.delattr(module.os, "sysconf")
    found = machine()
    assert found["gpu"] == "a card"
    assert found["memory"] == "0 GiB"


def test_the_peak_is_what_was_held_at_most() -> None:
    before = peak()
    room = bytearray(2**27)
    room[:: 2**12] = b"x" * (2**27 // 2**12)
    after, now = peak(), resident()
    assert before is not None
    assert after is not None
    assert after >= max(before, now or 0) - 2**22


def test_the_unit_is_the_system_s(monkeypatch: pytest.MonkeyPatch) -> None:
    linux = peak()
    assert linux is not None
    monkeypatch.setattr(module.sys, "platform", "darwin")
    assert (peak() or 0) < linux
    monkeypatch.setattr(module.sys, "platform", "win32")
    assert peak() is None
