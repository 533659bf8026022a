from gesso.server.tellings import Tellings
from gesso.workers.job import Job
from tests.workers.fakes import entry


def test_each_revision_is_made_once_and_few_are_kept() -> None:
    tellings, made = Tellings(most=2), list[str]()

    def make(job: Job) -> bytes:
        made.append(f"{job.id}{job.revision}")
        return made[-1].encode()

    def told(name: str, revision: int = 0) -> bytes:
        return tellings.of(Job(**dict(entry()), id=name, position=0.0, accepted=0.0, revision=revision), make)

    assert [told("a"), told("a"), told("a", 1)] == [b"a0", b"a0", b"a1"]
    assert made == ["a0", "a1"]
    for name in ("b", "a", "c", "a", "b"):
        told(name, name == "a")
    assert made == ["a0", "a1", "b0", "c0", "b0"]
