"""The tests mirror the package, file for file."""

from pathlib import Path

TESTS = Path(__file__).parent
SOURCES = TESTS.parent / "src" / "gesso"
WHOLE = {
    "test_mirror.py",
    "test_gesso.py",
    "test_builtin.py",
    "test_rules.py",
    "test_web_page.py",
    "test_security.py",
    "test_document.py",
}
"""Tests of no single file: this one, the package's front, its checkpoint, the rules, the page, all doors."""


def test_every_file_has_its_tests_and_every_test_its_file() -> None:
    sources = (path.relative_to(SOURCES) for path in SOURCES.rglob("*.py") if path.name != "__init__.py")
    tests = (path.relative_to(TESTS) for path in TESTS.rglob("test_*.py"))
    wanted = {path.with_name(f"test_{path.name}") for path in sources}
    found = {path for path in tests if path.name not in WHOLE and path.parts[0] != "studies"}
    assert found == wanted
