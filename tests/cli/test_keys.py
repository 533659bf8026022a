from pathlib import Path

import pytest

from gesso.cli.main import main


def test_keys_are_made_listed_and_removed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = ["--data", str(tmp_path)]
    assert main(["keys", "add", "ann", "--scopes", "paint,manage", *data]) == 0
    assert capsys.readouterr().out.startswith("gesso-")
    assert main(["keys", "list", *data]) == 0
    assert capsys.readouterr().out == "ann: paint, manage\n"
    assert main(["keys", "remove", "ann", *data]) == 0
    assert main(["keys", "remove", "ann", *data]) == 2
    assert "must be there" in capsys.readouterr().err
