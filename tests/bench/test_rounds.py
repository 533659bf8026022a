from pathlib import Path

import pytest

from gesso.bench import rounds as module
from gesso.bench.figures import Case, Figures
from gesso.bench.programs import PROGRAMS, Program
from gesso.bench.rounds import ceilings, fresh, rounds
from gesso.errors import GessoError, UnknownName
from tests.models import save_model

CASE = Case(Path("folder/model.safetensors"), 64, 2, config=Path("folder/config"))
FIGURES = Figures(1.0, 0.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0)


def test_a_run_in_its_own_process_gives_its_figures(tmp_path: Path) -> None:
    case = Case(save_model(tmp_path / "model.safetensors", "sd1"), 64, 2)
    assert fresh("gesso", case).total_s > 0


def test_a_run_that_fails_says_how(tmp_path: Path) -> None:
    with pytest.raises(GessoError, match=r"must run to be measured, however: .*nothing"):
        fresh("gesso", Case(tmp_path / "nothing", 64, 2))


def test_programs_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    anyone, nobody = (Program(lambda _, yes=yes: yes, PROGRAMS["gesso"].measure) for yes in (True, False))
    monkeypatch.setattr(module, "PROGRAMS", {"a": anyone, "b": anyone, "c": nobody})
    monkeypatch.setattr(module, "fresh", lambda name, _: asked.append(name) or FIGURES)
    told: list[str] = []
    found = rounds(CASE, "abc", 2, lambda name, _: told.append(name))
    assert asked == told == ["a", "b", "a", "b"]
    assert found == {"a": [FIGURES] * 2, "b": [FIGURES] * 2}
    assert rounds(CASE, "a", 1) == {"a": [FIGURES]}


def test_only_known_programs_can_be_measured() -> None:
    with pytest.raises(UnknownName, match="blender"):
        rounds(CASE, ["blender"], 1)


def test_ceilings_are_asked_of_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, ...]] = []
    monkeypatch.setattr(module, "answer", lambda *told: asked.append(told) or '{"copy": 2.0}')
    assert ceilings("float32") == {"copy": 2.0}
    assert ceilings("float16", "cuda") == {"copy": 2.0}
    assert asked == [("gesso.bench.ceilings", "float32", "cpu"), ("gesso.bench.ceilings", "float16", "cuda")]


def test_every_run_finds_the_checkpoint_in_the_systems_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "folder").mkdir()
    files = [tmp_path / "file.safetensors", tmp_path / "folder" / "a.bin", tmp_path / "folder" / "b.bin"]
    for each in files:
        each.write_bytes(b"12345")
    asked: list[str] = []
    opened = Path.open

    def watched(path: Path, *how: object, **more: object) -> object:
        asked.append(path.name)
        return opened(path, *how, **more)  # pyright: ignore[reportArgumentType, reportCallIssue]

    monkeypatch.setattr(Path, "open", watched)
    monkeypatch.setattr(module, "fresh", lambda name, _: asked.append(name) or FIGURES)
    for place in (files[0], tmp_path / "folder"):
        rounds(Case(place, 64, 2), ["gesso"], 2)
    assert asked[:4] == ["file.safetensors", "gesso"] * 2
    assert sorted(asked[4:6]) == sorted(asked[7:9]) == ["a.bin", "b.bin"]
    assert asked[6] == asked[9] == "gesso"
