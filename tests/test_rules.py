"""What CONTRIBUTING says of sizes and exceptions, where no linter counts."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted(path for top in ("src", "studies", "benchmarks") for path in (ROOT / top).rglob("*.py"))
EXCEPTION = re.compile(r"#\s*(?:pyright|type):\s*ignore(\[[\w, ]+\])?(.*)")


def functions(path: Path) -> Iterator[ast.FunctionDef]:
    found = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return (node for node in found if isinstance(node, ast.FunctionDef))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_stay_small(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400
    long = [each.name for each in functions(path) if (each.end_lineno or 0) - each.lineno >= 60]
    assert long == []


def test_most_functions_are_shorter_than_ten_lines() -> None:
    sizes = sorted((each.end_lineno or 0) - each.lineno + 1 for path in FILES for each in functions(path))
    assert sizes[len(sizes) // 2] <= 9
    assert sizes[len(sizes) * 95 // 100] <= 40


def test_exceptions_to_type_checking_are_few_and_give_rule_and_reason() -> None:
    found = [match for path in FILES for match in EXCEPTION.finditer(path.read_text(encoding="utf-8"))]
    assert len(found) <= 10
    for match in found:
        assert match[1], match[0]
        assert re.match(r" - \w+", match[2]), match[0]
