from pathlib import Path

from gesso.server.services import Services
from gesso.server.views import view
from gesso.workers.job import Picture, State
from gesso.workers.table import Turn
from tests.server.serving import settings_in
from tests.workers.fakes import entry


def test_what_is_left_and_what_is_to_be_seen(tmp_path: Path) -> None:
    of = Services.of(settings_in(tmp_path))
    job = of.table.submit(entry(count=2))
    queued = view(job, of, 3)
    assert (queued.ahead, queued.left, queued.preview, queued.pictures) == (3, None, None, ())
    running = of.table.claim(Turn("w"))
    assert running is not None
    assert view(running, of).left is None
    now = of.table.clock()
    shown = view(running.model_copy(update={"started": now - 30, "done": 3, "preview": 2}), of)
    assert shown.left is not None
    assert 9.9 < shown.left < 11
    assert shown.preview == f"/api/jobs/{job.id}/preview?2"
    picture = Picture(file="0.png", seed=5, prompt="a hat", size=(8, 8))
    done = view(running.model_copy(update={"state": State.DONE, "pictures": (picture,)}), of)
    assert done.preview is None
    assert done.pictures[0].url.startswith(f"/pictures/{job.id}/0.png?")
