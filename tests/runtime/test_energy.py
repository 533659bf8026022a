from pathlib import Path

import pytest

from gesso.runtime import energy
from gesso.runtime.energy import joules


def test_packages_are_added_and_their_parts_are_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(energy, "ZONES", tmp_path)
    assert joules() is None
    for zone, count in (("intel-rapl:0", "2500000"), ("intel-rapl:1", "500000"), ("intel-rapl:0:0", "9")):
        (tmp_path / zone).mkdir()
        (tmp_path / zone / "energy_uj").write_text(count + "\n")
    assert joules() == 3.0
    (tmp_path / "intel-rapl:1" / "energy_uj").write_text("none")
    assert joules() is None
    (tmp_path / "intel-rapl:1" / "energy_uj").unlink()
    assert joules() is None
