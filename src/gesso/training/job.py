"""A training job: from a recipe to files, in events; broken off at any point, it goes on where it was."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

from torch import Tensor

from gesso.errors import NotFinite, RequestError
from gesso.training.board import on_board
from gesso.training.data.audit import Audit
from gesso.training.loop import Progress, Run, Saved, Turn, train
from gesso.training.needs import Needs, check
from gesso.training.power_files import keep
from gesso.training.previews import previewed
from gesso.training.ranks import ALONE, Ranks, all_there
from gesso.training.recipe import Training
from gesso.training.record import Record
from gesso.training.setup import Ready, Setup, saving
from gesso.training.sharding import gathered
from gesso.training.states import States
from gesso.training.validation import Validated, standing_in, validated

__all__ = ["Audited", "Finished", "Happening", "Job", "Started", "Written"]


@dataclass(frozen=True)
class Audited:
    """Every picture was looked at."""

    audit: Audit


@dataclass(frozen=True)
class Started:
    """The run begins, or goes on.

    Args:
        step: steps done before.
        parameters: how many numbers are trained.
        batches: in a round through all pictures.
        needs: the memory that is held from the first step to the last.
    """

    step: int
    parameters: int
    batches: int
    needs: Needs


@dataclass(frozen=True)
class Written:
    """What was learnt so far is written.

    Args:
        file: what `generate` takes.
        validation: None without pictures for it.
        previews: pictures painted with the file.
    """

    step: int
    file: Path
    validation: Validated | None = None
    previews: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Finished:
    """The run is at its end."""

    file: Path


Happening = Audited | Started | Progress | Written | Finished


@dataclass
class Job:
    """A recipe being carried out.

    Args:
        stop: set it to end after the step in progress, with everything saved.
        ranks: the processes that learn together; the first writes and tells.
    """

    setup: Setup
    stop: Event | None = None
    ranks: Ranks = ALONE
    audit: Audit = field(default_factory=Audit)

    @property
    def recipe(self) -> Training:
        """What is carried out, complete."""
        return self.setup.recipe

    @property
    def losses(self) -> Record:
        """The loss of every step."""
        return Record(self.recipe.out / "losses.jsonl")

    @property
    def measured(self) -> Record:
        """The validation of every saved file."""
        return Record(self.recipe.out / "validation.jsonl")

    def file(self, step: int) -> Path:
        """What was learnt up to a step."""
        return self.recipe.out / f"step-{step:08}" / f"{self.recipe.title}.safetensors"

    def look(self) -> Iterator[Audit]:
        """Look at every picture, before anything is learnt; no further when the job is to stop.

        Raises:
            RequestError: pictures are not what they must be; nothing was learnt.
        """
        for audit in self.setup.audit():
            self.audit = audit
            yield audit
            if self.stopped:
                return

    @property
    def stopped(self) -> bool:
        """Whether it is to stop."""
        return self.stop is not None and self.stop.is_set()

    def carried_out(self) -> Iterator[Happening]:
        """Learn, from the beginning or from where the run was broken off.

        Raises:
            OutOfMemory: it cannot fit; says what would.
        NotFinite: a loss overflowed; names the step and the files; the last saved state is as it was.
        """
        yield Audited(self.audit)
        ready = self.setup.ready(self.audit)
        states = States(self.recipe.out / "states", self.recipe.run.keep)
        needed = check(ready, self.ranks)
        run = Run(ready.subject.module, self.recipe.run, ranks=self.ranks)
        self.ranks.rows(self.recipe.batch)
        if self.ranks.first:
            self._keep_recipe()
        run.resume(states)
        if self.ranks.first:
            self.losses.back_to(run.step)
            self.measured.back_to(run.step)
            yield Started(run.step, _count(run), len(ready.album.order), needed)
        if self.ranks.any(self.ranks.first and run.step > 0 and not self._written(run.step)):
            yield from self._write(ready, run)
        events = self._learn(ready, run, states)
        if self.recipe.tensorboard and self.ranks.first:
            events = on_board(events, self.recipe.out / "tensorboard", run.step)
        yield from events
        if run.step == self.recipe.run.steps and self.ranks.first:
            last = self.recipe.out / f"{self.recipe.title}.safetensors"
            beside = last.with_name(f".{last.name}.part")
            shutil.copyfile(self.file(run.step), beside)
            beside.replace(last)
            yield Finished(last)

    def _learn(self, ready: Ready, run: Run, states: States) -> Iterator[Happening]:
        events = train(run, self._loss(ready, run), states, self.stop)
        while True:
            with ready.learning():
                event = next(events, None)
            if event is None:
                return
            if isinstance(event, Saved):
                yield from self._write(ready, run)
                continue
            if not self.ranks.first:
                continue
            first = event.step - len(event.losses) + 1
            self.losses.add({"step": first + i, "loss": each} for i, each in enumerate(event.losses))
            yield event

    def _loss(self, ready: Ready, run: Run) -> "_Loss":
        return _Loss(ready, run)

    def _write(self, ready: Ready, run: Run) -> Iterator[Written]:
        """Write what was learnt, measure it, paint with it; where every process has a part, all take part."""
        if not self.ranks.first and not self.recipe.run.shard:
            return
        path, model = self.file(run.step), self.setup.model
        with all_there(self.ranks.size):
            learnt = gathered(run.weights, self.ranks)
        if self.ranks.first:
            path.parent.mkdir(parents=True, exist_ok=True)
            keep(run.powers, run.step, self.recipe)
            ready.subject.write(path, learnt, saving(self.recipe, run.step))
        with all_there(self.ranks.size):
            found = self._measured(ready, run)
        if not self.ranks.first:
            return
        if found is not None:
            self.measured.add([{"step": run.step, "loss": found.loss, "bands": found.bands}])
        use = ready.subject.use(path)
        pictures = tuple(previewed(self.recipe, model, use, path.parent))
        self._forget()
        yield Written(run.step, path, found, pictures)

    def _measured(self, ready: Ready, run: Run) -> Validated | None:
        kept_back = self.audit.of("validation")
        if not kept_back:
            return None
        with standing_in(run.network, run.weights), ready.subject.learning():
            return validated(run.step, kept_back, ready.album, ready.lesson, self.recipe)

    def _written(self, step: int) -> bool:
        """Whether all that goes with a saved state is there."""
        measured = not self.audit.of("validation") or any(row["step"] == step for row in self.measured.rows())
        pictures = len(self.recipe.previews.prompts)
        there = (self.file(step).with_name(f"preview-{i}.png").is_file() for i in range(pictures))
        return self.file(step).is_file() and measured and all(there)

    def _forget(self) -> None:
        """Delete saved files that are neither among the newest nor the best."""
        if self.recipe.keep is None:
            return
        best = min(self.measured.rows(), key=lambda row: row["loss"], default={"step": -1})["step"]
        folders = sorted(self.recipe.out.glob("step-" + "[0-9]" * 8))
        for old in folders[: -self.recipe.keep]:
            if int(old.name.removeprefix("step-")) != best:
                shutil.rmtree(old)

    def _keep_recipe(self) -> None:
        """Write down the recipe; another one's run is not gone on with.

        Raises:
            RequestError: the folder is of a run that learns something else.
        """
        path = self.recipe.out / "recipe.json"
        self.recipe.out.mkdir(parents=True, exist_ok=True)
        if path.is_file():
            before = Training.model_validate_json(path.read_text(encoding="utf-8"))
            if before.subject != self.recipe.subject or before.model != self.recipe.model:
                raise RequestError(
                    f"a run that goes on must train the same subject on the same model, however: {path} says "
                    "otherwise",
                    hint="name another folder: --out",
                )
        path.write_text(self.recipe.model_dump_json(indent=2) + "\n", encoding="utf-8")


@dataclass(frozen=True)
class _Loss:
    """A batch's loss; one that is not finite is told with its files."""

    ready: Ready
    run: Run

    def __call__(self, turn: Turn) -> Tensor:
        batch = self.ready.album.batch(turn)
        noised = self.ready.lesson.draws(batch, turn.generator)
        share = self.run.ranks.rows(len(batch.files))
        batch, noised = batch.rows(share), noised.rows(share)
        loss = (self.ready.lesson.losses(batch, noised) * batch.weights).mean()
        if not loss.isfinite():
            raise NotFinite(
                f"the loss must be finite, however: it is {float(loss.detach())} in step {self.run.step}, on "
                f"{', '.join(batch.files)}",
                hint="the last saved state is as it was; lower run.rate, or look at these files",
            )
        return loss


def _count(run: Run) -> int:
    return sum(weight.numel() for weight in run.network.parameters())
