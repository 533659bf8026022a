import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from gesso.checkpoint.file import Checkpoint
from gesso.cli.main import main
from gesso.denoiser import Denoiser
from gesso.generation.result import read_request
from gesso.request import Request
from tests.control.made import save_net
from tests.headers import families, write_header
from tests.models import save_model

HERE = ("--device", "cpu", "--dtype", "float32")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    names = ("sd1", "sdxl", "sdxl-refiner")
    return {name: save_model(folder / f"{name}.safetensors", name) for name in names}


@pytest.fixture
def say(files: dict[str, Path], tmp_path: Path) -> Callable[..., int]:
    """Run `gesso generate` with a tiny model, pictures going to the folder `out`."""

    def run(*arguments: str, model: str = "sd1") -> int:
        out = str(tmp_path / "out")
        return main(["generate", "--model", str(files[model]), "--out", out, *HERE, *arguments])

    return run


def painted(folder: Path) -> list[Path]:
    return sorted((folder / "out").iterdir()) if (folder / "out").exists() else []


def test_a_prompt_becomes_pictures_that_carry_their_request(
    say: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert say("a red apple", "--negative", "blurry", "--seed", "7", "--count", "2", "--cfg", "3") == 0
    first, second = painted(tmp_path)
    assert (first.name, second.name) == ("a-red-apple-7.png", "a-red-apple-8.png")
    said = capsys.readouterr()
    assert said.out == ""
    assert [line for line in said.err.splitlines() if line.endswith(".png")] == [str(first), str(second)]
    request = Request(**read_request(second))
    assert (request.prompt, request.negative, request.seed) == ("a red apple", "blurry", 8)
    assert (request.size, request.steps, request.sampler, request.cfg) == ((64, 64), 3, "euler", 3.0)


def test_json_is_all_that_is_said(
    say: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert say("a cat", "--seed", "1", "--steps", "1", "--json") == 0
    said = capsys.readouterr()
    (path,) = painted(tmp_path)
    (found,) = json.loads(said.out)
    assert found.pop("cost")["tflop"] > 0
    assert found == {"file": str(path), "seed": 1, "size": [64, 64]}
    assert said.err.strip() == ""


def test_a_dry_run_reads_no_weights_and_paints_nothing(
    say: Callable[..., int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("weights were read")

    monkeypatch.setattr(Checkpoint, "tensors", forbidden)
    assert say("a cat", "--dry-run", "--size", "1024x512", "--steps", "4", model="sdxl") == 0
    assert "1 of 1024x512" in capsys.readouterr().out
    assert say("a cat", "--dry-run", "--json", "--steps", "4", "--cfg", "1", model="sdxl") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["evaluations"], found["passes"][0][:13]) == (4, "base: 4 steps")
    assert found["seconds"] > 0
    assert painted(tmp_path) == []


@pytest.mark.parametrize(("size", "found"), [("96x64", (96, 64)), ("72", (72, 72)), ("64×80", (64, 80))])
def test_sizes(size: str, found: tuple[int, int], say: Callable[..., int], tmp_path: Path) -> None:
    assert say("a cat", "--size", size, "--steps", "1") == 0
    with Image.open(painted(tmp_path)[0]) as picture:
        assert picture.size == found


def test_the_models_short_name(files: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "out" / "cat.jpg"
    told = ["generate", "-m", str(files["sd1"]), "a cat", "--out", str(out), "--steps", "1", *HERE]
    assert main(told) == 0
    with Image.open(out) as picture:
        assert picture.format == "JPEG"


def test_a_sampler_takes_its_options(say: Callable[..., int], tmp_path: Path) -> None:
    chosen = ("--sampler", "euler_ancestral", "--sampler-options", "eta=0.5", "--schedule", "karras")
    assert say("a cat", *chosen) == 0
    request = Request(**read_request(painted(tmp_path)[0]))
    assert (request.sampler, request.schedule) == ("euler_ancestral", "karras")
    assert request.sampler_options["eta"] == 0.5


def test_a_picture_to_start_from(say: Callable[..., int], tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    Image.new("RGB", (80, 64), "teal").save(photo)
    assert say("in winter", "--image", str(photo), "--strength", "0.7") == 0
    source = Request(**read_request(painted(tmp_path)[0])).source
    assert source is not None
    assert (source.image, source.strength) == (photo, 0.7)


def test_a_refiner_takes_over(say: Callable[..., int], files: dict[str, Path], tmp_path: Path) -> None:
    refiner = ("--refiner", str(files["sdxl-refiner"]), "--refiner-from", "0.6")
    assert say("a lighthouse", *refiner, model="sdxl") == 0
    found = Request(**read_request(painted(tmp_path)[0])).refiner
    assert found is not None
    assert (found.model, found.start) == (files["sdxl-refiner"], 0.6)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--colour", "red"), "--colour"),
        (("--size", "axb"), "--size"),
        (("--size", "60x64"), "multiples of 8, however: 60x64"),
        (("--steps", "0"), "--steps"),
        (("--sampler", "eulr"), "did you mean 'euler'?"),
        (("--schedule", "karas"), "did you mean 'karras'?"),
        (("--dtype", "float33"), "did you mean 'float32'?"),
        (("--strength", "0.5"), "--strength must come with --image, however: it was given alone"),
        (("--refiner-from", "0.5"), "--refiner-from must come with --refiner, however"),
        (("--image", "missing.png"), "missing.png"),
        (("--device", "toaster"), "toaster"),
        (("--clip-skip", "9"), "clip skip"),
    ],
)
def test_what_cannot_be_asked_for_is_a_usage_error(
    arguments: tuple[str, ...],
    said: str,
    say: Callable[..., int],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert say("a cat", *arguments) == 2
    assert said in capsys.readouterr().err
    assert painted(tmp_path) == []


def test_a_broken_file_is_not_the_users_fault_but_the_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"\x10\0\0\0\0\0\0\0{")
    assert main(["generate", "-m", str(broken), "a cat"]) == 3
    stranger = write_header(tmp_path / "stranger.safetensors", {"joint_blocks.0.x": (8, 8)})
    assert main(["generate", "-m", str(stranger), "a cat"]) == 3
    assert "known families" in capsys.readouterr().err


def test_a_model_that_does_not_paint_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lotus = write_header(tmp_path / "lotus.safetensors", families()["lotus"][0])
    assert main(["generate", "-m", str(lotus), "a cat"]) == 4
    assert "depth or normals" in capsys.readouterr().err


def test_a_refiner_behind_another_family_does_not_fit(
    say: Callable[..., int], files: dict[str, Path]
) -> None:
    assert say("a cat", "--refiner", str(files["sdxl-refiner"])) == 4


def test_a_device_that_is_not_here(say: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert say("a cat", "--device", "cuda:77") == 5
    assert "--device auto" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (KeyboardInterrupt(), 130, "gesso: cancelled"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.50 GiB."), 5, "20.5 GiB more"),
        (MemoryError(), 5, "painting must fit into memory"),
    ],
)
def test_what_stops_a_step_leaves_no_file(
    error: BaseException,
    code: int,
    said: str,
    say: Callable[..., int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    steps: list[float] = []

    def second(self: Denoiser, x: torch.Tensor, sigma: float, cond: object) -> torch.Tensor:
        steps.append(sigma)
        if len(steps) == 2:
            raise error
        return x

    monkeypatch.setattr(Denoiser, "__call__", second)
    assert say("a cat", "--steps", "9") == code
    assert said in capsys.readouterr().err
    assert len(steps) == 2
    assert painted(tmp_path) == []


def test_a_folder_that_cannot_be_written_is_a_matter_of_the_machine(
    say: Callable[..., int], tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert say("a cat", "--steps", "1", "--out", str(tmp_path / "file" / "below")) == 5
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_a_control_is_named_in_both_forms_and_refused_before_loading(
    say: Callable[..., int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    net, edges = save_net(tmp_path / "net.safetensors", "sd1"), tmp_path / "edges.png"
    Image.new("RGB", (64, 64), "white").save(edges)
    assert say("a cat", "--steps", "1", "--seed", "1", "--controls", f"{net}:{edges}:0.5") == 0
    table = json.dumps({"model": str(net), "image": str(edges), "weight": 0.5})
    assert say("a cat", "--steps", "1", "--seed", "1", "--controls", table, "--json") == 0
    uses = [Request(**read_request(path)).controls for path in painted(tmp_path)]
    assert uses[0] == uses[1]
    assert uses[0][0].image_sha256

    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("weights were read")

    monkeypatch.setattr(Checkpoint, "tensors", forbidden)
    capsys.readouterr()
    assert say("a cat", "--controls", f"{net}:{edges}", model="sdxl") == 4
    assert "context of 64, the model has 128" in capsys.readouterr().err


def test_what_follows_is_painted_and_the_way_there_is_kept_if_asked_for(
    say: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = ("a cat", "--seed", "1", "--hires", "2x", "--hires-steps", "2", "--detail", "32x32+8+8")
    assert say(*told, "--keep", "--json") == 0
    assert [each["size"] for each in json.loads(capsys.readouterr().out)] == [
        [64, 64],
        [128, 128],
        [128, 128],
    ]
    last = painted(tmp_path)[2]
    assert main(["replay", str(last), "--out", str(tmp_path / "again.png")]) == 0
    with Image.open(last) as before, Image.open(tmp_path / "again.png") as after:
        assert after.tobytes() == before.tobytes()
    assert say(*told, "--dry-run") == 0
    assert capsys.readouterr().out.count("then at 128x128") == 3
