from pathlib import Path

import pytest

import gesso
from gesso.bench.processes import answer
from gesso.errors import GessoError


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Says where gesso lies and what it was given, or fails."""
    lines = [
        "import gesso, sys",
        "if not sys.argv[1:]: sys.exit('no words')",
        "if sys.argv[1] != 'silence': print('first'); print(gesso.__file__, *sys.argv[1:])",
    ]
    (tmp_path / "speaking.py").write_text("\n".join(lines))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return "speaking"


def test_the_last_line_of_a_process_with_this_very_gesso(module: str) -> None:
    assert answer(module, "a", "b") == f"{gesso.__file__} a b"


@pytest.mark.parametrize(("given", "said"), [((), "no words"), (("silence",), "nothing")])
def test_a_process_that_fails_or_is_silent(module: str, given: tuple[str, ...], said: str) -> None:
    with pytest.raises(GessoError, match=f"speaking must run to be measured, however: it said '{said}'"):
        answer(module, *given)
