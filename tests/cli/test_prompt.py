import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gesso.cli.main import main
from tests.models import save_model


def test_a_prompt_is_shown_step_by_step(capsys: pytest.CaptureFixture[str]):
    assert main(["prompt", "a [cat:dog:0.5] AND b :-0.5", "--steps", "4", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(each["from"], each["until"]) for each in found["spans"]] == [(1, 2), (3, 4)]
    assert [told["weight"] for told in found["spans"][0]["told"]] == [1, -0.5]
    assert found["spans"][1]["told"][0]["shares"][0]["tokens"] == [2]
    assert found["lints"] == []


def test_lints_and_windows_are_for_reading_too(capsys: pytest.CaptureFixture[str]):
    assert main(["prompt", "a (cat BREAK b <lora:x:0.8>"]) == 0
    out = capsys.readouterr().out
    assert "(a" not in out
    assert "3-3: ( is never closed" in out
    assert "[2 + 1 tokens]" in out
    assert "lora: x 0.8" in out


def test_a_prompt_is_converted_or_refused(capsys: pytest.CaptureFixture[str]):
    assert main(["prompt", "a ((cat:1.5):2)", "--to", "comfy"]) == 0
    assert capsys.readouterr().out == "a (cat:3.0)\n"
    assert main(["prompt", "a AND b", "--to", "comfy"]) == 4
    assert "cannot say AND" in capsys.readouterr().err


def test_every_choice_can_be_listed(capsys: pytest.CaptureFixture[str]):
    assert main(["prompt", "{a|b} c", "--every"]) == 0
    assert capsys.readouterr().out == "a c\nb c\n"


def test_a_model_s_own_vocabulary_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = save_model(tmp_path / "sd1.safetensors", "sd1")
    assert main(["prompt", "lighthouse", "-m", str(path), "--json"]) == 0
    (span,) = json.loads(capsys.readouterr().out)["spans"]
    assert sum(span["told"][0]["shares"][0]["tokens"]) >= 1


def test_reading_prompts_needs_no_torch():
    program = "import sys; from gesso.cli.main import main; main(['prompt', 'a [b:c:3]']); "
    program += "sys.exit('torch' in sys.modules)"
    surroundings = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    assert (
        subprocess.run(
            [sys.executable, "-c", program], check=False, capture_output=True, env=surroundings
        ).returncode
        == 0
    )


def test_what_a_library_does_not_have_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "loras").mkdir()
    (tmp_path / "loras" / "Ink.safetensors").touch()
    assert main(["prompt", "a <lora:ink:1> <lora:inc:1>", "--library", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "16-27: there is no lora 'inc': nothing is painted" in out
    assert "'ink'" not in out
