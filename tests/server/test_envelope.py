from pathlib import Path

from tests.server.serving import client_of, settings_in


def test_every_answer_is_numbered_and_tells_browsers_to_stay_here(tmp_path: Path) -> None:
    client = client_of(settings_in(tmp_path))
    ids = set[str]()
    for path, headers in (
        ("/api/health", {}),
        ("/nothing", {}),
        ("/api/health", {"origin": "http://evil.example"}),
    ):
        answer = client.get(path, headers=headers)
        ids.add(answer.headers["x-request-id"])
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert len(ids) == 3
