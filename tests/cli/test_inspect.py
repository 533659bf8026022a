import hashlib
import json
from pathlib import Path

import pytest

from gesso.checkpoint.file import Checkpoint
from gesso.cli.main import main
from gesso.families.autoencoder_plan import tiny_decoder_shapes
from gesso.families.blueprint import SD1, checkpoint_shapes
from tests.headers import families, tiny, write_header

KINDS = families()


def written(tmp_path: Path, label: str) -> str:
    return str(write_header(tmp_path / "x.safetensors", KINDS[label][0]))


@pytest.mark.parametrize("label", KINDS)
def test_every_family_is_told_in_words_and_as_json(
    label: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, (_, name, prediction) = written(tmp_path, label), KINDS[label]
    assert main(["inspect", path]) == 0
    words = capsys.readouterr().out
    assert main(["inspect", path, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert words.startswith(f"{path}: {found['title']}")
    assert name.startswith(found["family"])
    assert found["decisions"]["prediction"].startswith(prediction)
    assert all(line in words for line in found["evidence"])
    assert found["paints"] == ("cannot paint" not in words)


def test_only_the_header_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("tensors were read")

    monkeypatch.setattr(Checkpoint, "tensors", forbidden)
    assert main(["inspect", written(tmp_path, "sdxl")]) == 0
    assert "6.94 GB" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "fault"),
    [(b"", "empty"), (b"\xff" * 64, "header"), (b"\x80\x02K\x01.", "x.safetensors")],
)
def test_a_broken_file_is_one_line(
    content: bytes, fault: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    assert main(["inspect", str(path)]) == 3
    said = capsys.readouterr()
    assert said.out == ""
    assert fault in said.err
    assert "Traceback" not in said.err


def test_a_missing_file_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(tmp_path / "none.safetensors")]) == 3
    assert "No such file" in capsys.readouterr().err


def test_an_unknown_family_names_the_nearest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_header(tmp_path / "x.safetensors", {"joint_blocks.0.x_block.attn.qkv.weight": (8, 8)})
    assert main(["inspect", str(path)]) == 3
    assert "the nearest is" in capsys.readouterr().err


def test_the_users_word_decides(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, "sd2")
    assert main(["inspect", path, "--prediction", "epsilon"]) == 0
    assert "epsilon (by user" in capsys.readouterr().out
    assert main(["inspect", path, "--prediction", "velocity"]) == 2
    assert main(["inspect", path, "--family", "sdxl"]) == 3
    assert "label_emb" in capsys.readouterr().err


def test_hashes_are_told_where_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_header(tmp_path / "x.safetensors", checkpoint_shapes(tiny(SD1)))
    assert main(["inspect", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["hashes"] == {}
    assert main(["inspect", str(path), "--hashes", "--json"]) == 0
    hashes = json.loads(capsys.readouterr().out)["hashes"].values()
    assert hashlib.sha256(path.read_bytes()).hexdigest() in hashes


def test_an_adapter_is_held_against_a_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k"
    header = {f"{name}.lora_down.weight": (4, 768), f"{name}.lora_up.weight": (640, 4)}
    path = str(write_header(tmp_path / "a.safetensors", header))
    assert main(["inspect", path]) == 0
    assert "an adapter made for sd1\n  modules: 1 (1 of LoRA)" in capsys.readouterr().out
    model = str(write_header(tmp_path / "m.safetensors", KINDS["sdxl"][0]))
    assert main(["inspect", path, "-m", model, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["model"], found["applied"]) == ("sdxl", 0)
    assert list(found["left_out"]) == [f"{name}.lora_down.weight"]
    assert main(["inspect", path, "--family", "sd1"]) == 3
    other = str(write_header(tmp_path / "b.safetensors", {"thing": (4, 4)}))
    assert main(["inspect", other]) == 3


def test_a_file_of_one_part_is_said_to_be_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(write_header(tmp_path / "taesd_decoder.safetensors", tiny_decoder_shapes()))
    assert main(["inspect", path]) == 0
    assert "tiny decoder: 4 channels" in capsys.readouterr().out
    assert main(["inspect", path, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["use"] == "--vae"
    assert main(["inspect", path, "--family", "sd1"]) == 3
