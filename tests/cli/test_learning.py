"""What the terminal says of an audit."""

from pathlib import Path
from threading import Event

from gesso.cli.learning import followed, summary
from gesso.training.data.audit import Audit, Row
from gesso.training.job import Job
from gesso.training.setup import opened
from tests.models import save_model
from tests.training import made


def row(file: str, role: str = "train", cut: tuple[str, ...] = (), notes: tuple[str, ...] = ()) -> Row:
    return Row(file, role, 1, ("a",), (), 3, cut, (100, 80), (64, 64), 0.4, 1, notes)


def test_an_audit_in_a_few_lines() -> None:
    audit = Audit(rows=[row("a.png"), row("b.png", "prior", ("rest",), ("caption cut",))], problems=["bad"])
    first, *rest = summary(audit).splitlines()
    assert first == "2 pictures (1 train, 1 prior) in 1 sizes, cropped by 40% at most"
    assert rest == ["1 captions are longer than is read", "b.png: caption cut", "refused: bad"]


def test_a_run_stopped_while_it_looks_learns_nothing(tmp_path: Path) -> None:
    made.album(tmp_path / "p", 3)
    model = save_model(tmp_path / "sd1.safetensors", "sd1")
    stop = Event()
    stop.set()
    job = Job(opened(made.recipe(model, tmp_path / "p", tmp_path / "run")), stop)
    assert followed(job, quiet=True) == [tmp_path / "run" / "audit.html"]
    assert len(job.audit.rows) == 1
    assert not (tmp_path / "run" / "recipe.json").exists()
