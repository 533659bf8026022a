from pathlib import Path

from gesso.server.metrics import exposed
from gesso.server.services import Services
from gesso.workers.supervisor import Crew, Supervisor
from tests.server.serving import settings_in
from tests.workers.fakes import entry


def test_numbers_are_those_of_the_table(tmp_path: Path) -> None:
    of = Services.of(settings_in(tmp_path))
    of.table.submit(entry())
    assert b'gesso_jobs{state="queued"} 1.0' in exposed(of, None)
    assert b"gesso_workers" not in exposed(of, None)
    crew = Supervisor(Crew(of.settings.address, of.settings.places, ()), of.table)
    assert b"gesso_workers 0.0" in exposed(of, crew)
    assert b"gesso_worker_restarts_total 0.0" in exposed(of, crew)
