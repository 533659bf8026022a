import ast
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import gesso

SOURCES = Path(gesso.__file__).parent
FILES = sorted(path for path in SOURCES.rglob("*.py") if path.name not in {"__init__.py", "__main__.py"})


def exported(path: Path) -> list[str]:
    found: list[str] = []
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
            found = ast.literal_eval(node.value)
    return found


@pytest.mark.parametrize("name", gesso.__all__)
def test_every_name_is_there_when_it_is_used(name: str) -> None:
    assert getattr(gesso, name) is getattr(import_module(gesso._HOMES[name]), name)


def test_the_names_are_told_once_and_in_order() -> None:
    assert gesso.__all__ == sorted(gesso._HOMES)


def test_other_names_are_not_there() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'pain'"):
        gesso.pain  # noqa: B018


def test_importing_gesso_imports_nothing_of_it() -> None:
    code = "import sys, gesso; print([name for name in sys.modules if name.startswith('gesso.')])"
    run = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": str(SOURCES.parent)},
    )
    assert run.stdout == "[]\n"


@pytest.mark.parametrize(
    "path",
    sorted(path for path in SOURCES.rglob("*.py") if path.stem not in {"__init__", "__main__"}),
    ids=lambda path: str(path.relative_to(SOURCES)),
)
def test_what_a_file_offers_is_listed_and_defined(path: Path) -> None:
    names = exported(path)
    module = import_module(".".join(("gesso", *path.relative_to(SOURCES).with_suffix("").parts)))
    assert names
    assert len(set(names)) == len(names)
    assert all(hasattr(module, name) for name in names)
