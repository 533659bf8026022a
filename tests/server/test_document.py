"""The OpenAPI document, tried out by schemathesis."""

from pathlib import Path

import pytest

from tests.server.serving import settings_in

pytest.importorskip("schemathesis")


def test_nothing_that_the_document_allows_is_the_servers_fault(tmp_path: Path) -> None:
    from benchmarks.fuzz import tried

    assert dict(tried(settings_in(tmp_path, runs=tmp_path / "runs"), examples=2)) == {}
