"""What the terminal shows while a model learns."""

from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from gesso.runtime.memory import readable, resident
from gesso.training.data.audit import Audit
from gesso.training.data.audit_page import audit_page
from gesso.training.job import Audited, Finished, Happening, Job, Started, Written
from gesso.training.loop import Progress as Steps
from gesso.training.report import report

__all__ = ["followed", "summary"]

COLUMNS = (
    TextColumn("{task.description}"),
    BarColumn(),
    TextColumn("{task.completed:.0f}/{task.total}"),
    TextColumn("{task.fields[left]}"),
)


def followed(job: Job, *, only_look: bool = False, quiet: bool = False) -> list[Path]:
    """Carry a job out, telling what happens; the files that were written."""
    console = Console(stderr=True, quiet=quiet)
    with Progress(*COLUMNS, console=console, transient=True) as bar:
        showing = Showing(job, bar, bar.add_task("looking at pictures", total=None, left=""))
        showing.look()
        if only_look or job.stopped:
            return [job.recipe.out / "audit.html"]
        for event in job.carried_out():
            showing.show(event)
    return showing.files


class Showing:
    """A progress line, and what is printed above it."""

    def __init__(self, job: Job, bar: Progress, task: TaskID) -> None:
        self.job = job
        self.bar = bar
        self.task = task
        self.files: list[Path] = []

    def look(self) -> None:
        """The audit: printed in short, written in full."""
        audit = Audit()
        try:
            for audit in self.job.look():
                self.bar.update(self.task, completed=len(audit.rows))
        finally:
            if self.job.ranks.first:
                self._page(audit)

    def _page(self, audit: Audit) -> None:
        page = self.job.recipe.out / "audit.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(audit_page(self.job.recipe, audit), encoding="utf-8")
        self.bar.console.print(f"{summary(audit)}\n{page}", highlight=False, soft_wrap=True)

    def show(self, event: Happening) -> None:
        """One event."""
        match event:
            case Audited():
                pass
            case Started(step, parameters, batches, needs):
                total = self.job.recipe.run.steps
                self.bar.update(self.task, description="learning", total=total, completed=step, left="")
                self.bar.console.print(
                    f"{parameters:,} numbers to learn, {batches} batches a round, steps {step} to {total}",
                    highlight=False,
                )
                self.bar.console.print(needs.text(), highlight=False)
            case Steps(step=step):
                self.bar.update(self.task, completed=step, left=self._pace(event))
            case Written():
                self.written(event)
            case Finished(file):
                self.files.append(file)
                self.bar.console.print(str(file), highlight=False, soft_wrap=True)

    def written(self, event: Written) -> None:
        """A file is there, with all that goes with it."""
        self.files.append(event.file)
        found = event.validation
        loss = "" if found is None else f"  validation {found.loss:.5f}"
        self.bar.console.print(f"{event.file}{loss}", highlight=False, soft_wrap=True)
        page = self.job.recipe.out / "report.html"
        page.write_text(report(self.job), encoding="utf-8")

    def _pace(self, event: Steps) -> str:
        recipe = self.job.recipe
        each = event.seconds / len(event.losses)
        pictures = recipe.batch * recipe.run.accumulate / each
        left = (recipe.run.steps - event.step) * each
        held = resident()
        memory = "" if held is None else f"  {readable(held)}"
        return f"loss {event.loss:.4f}  {pictures:.2f} pictures/s  {left:.0f} s left{memory}"


def summary(audit: Audit) -> str:
    """The audit in a few lines."""
    rows, roles = audit.rows, ("train", "prior", "validation")
    counts = ", ".join(f"{n} {role}" for role in roles if (n := sum(row.role == role for row in rows)))
    buckets = len({row.bucket for row in rows})
    cut = sum(bool(row.cut) for row in rows)
    cropped = max((row.cropped for row in rows), default=0.0)
    lines = [f"{len(rows)} pictures ({counts}) in {buckets} sizes, cropped by {cropped:.0%} at most"]
    if cut:
        lines.append(f"{cut} captions are longer than is read")
    lines += [f"{row.file}: {note}" for row in rows for note in row.notes][:10]
    lines += [f"refused: {problem}" for problem in audit.problems[:10]]
    return "\n".join(lines)
