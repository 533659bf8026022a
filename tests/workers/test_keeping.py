import os
from pathlib import Path

from gesso.request import Request, Source
from gesso.workers.keeping import Keeping, tidied
from gesso.workers.places import Places
from gesso.workers.table import JobTable, Listing
from tests.workers.fakes import Clock, entry, table_in


def over(table: JobTable, places: Places, size: int) -> str:
    job = table.submit(entry())
    table.cancel(job.id)
    places.folder(job.id).mkdir(parents=True)
    (places.folder(job.id) / "0.png").write_bytes(bytes(size))
    return job.id


def test_the_oldest_go_first_by_age_and_by_bytes(tmp_path: Path) -> None:
    clock, places = Clock(), Places(tmp_path, tmp_path)
    table = JobTable(table_in(tmp_path).engine, clock=clock)
    old = over(table, places, 10)
    clock.now += 1000
    large, small = over(table, places, 100), over(table, places, 10)
    waiting = table.submit(entry()).id
    assert tidied(table, places, Keeping(age=500, room=1000)) == 1
    assert tidied(table, places, Keeping(age=500, room=50)) == 1
    assert {job.id for job in table.listed(Listing())} == {small, waiting}
    assert [places.folder(job).exists() for job in (old, large, small)] == [False, False, True]


def test_sent_pictures_stay_as_long_as_a_job_uses_them(tmp_path: Path) -> None:
    table, places = table_in(tmp_path), Places(tmp_path, tmp_path)
    assert tidied(table, places, Keeping()) == 0
    places.uploads.mkdir()
    names = [f"{digit * 64}.png" for digit in "ab"]
    for name in names:
        (places.uploads / name).touch()
        os.utime(places.uploads / name, (0, 0))
    source = Source(image=Path("uploads") / names[0])
    table.submit(entry().model_copy(update={"request": Request(source=source)}))
    tidied(table, places, Keeping())
    assert [each.name for each in places.uploads.iterdir()] == [names[0]]
