"""What the terminal says of an audit."""

from gesso.cli.learning import summary
from gesso.training.data.audit import Audit, Row


def row(file: str, role: str = "train", cut: tuple[str, ...] = (), notes: tuple[str, ...] = ()) -> Row:
    return Row(file, role, 1, ("a",), (), 3, cut, (100, 80), (64, 64), 0.4, 1, notes)


def test_an_audit_in_a_few_lines() -> None:
    audit = Audit(rows=[row("a.png"), row("b.png", "prior", ("rest",), ("caption cut",))], problems=["bad"])
    first, *rest = summary(audit).splitlines()
    assert first == "2 pictures (1 train, 1 prior) in 1 sizes, cropped by 40% at most"
    assert rest == ["1 captions are longer than is read", "b.png: caption cut", "refused: bad"]
