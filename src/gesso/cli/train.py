"""`gesso train`: a model learns from pictures what a recipe says."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

from pydantic import AliasChoices, Field, model_validator
from pydantic_settings import CliImplicitFlag, CliPositionalArg

from gesso.training.recipe import Training, read_recipe

if TYPE_CHECKING:
    from gesso.training.job import Job

__all__ = ["Train"]


class Train(Training):
    """Learn from pictures: LoRA and its kin, new words, whole models, ControlNets. Broken off, it goes on."""

    file: CliPositionalArg[Path | None] = None
    """The recipe, in TOML. Every field of it is also an option, which counts more."""
    model: Annotated[Path | None, Field(validation_alias=AliasChoices("m", "model"))] = None
    """The checkpoint to start from; unless given, the built-in one."""
    look: CliImplicitFlag[bool] = False
    """Look at the pictures, say what the loss would see, and learn nothing."""
    dry_run: CliImplicitFlag[bool] = False
    """Print the recipe, complete, and do nothing."""
    compare: CliImplicitFlag[bool] = False
    """Rank the run's saved files by their validation, best first, and do nothing else."""
    averaged: float | None = Field(default=None, ge=0.01, le=0.25)
    """Write what was learnt, averaged over this share of the run, made of what run.widths kept."""
    workers: int | None = Field(default=None, ge=1)
    """Learn by so many workers of a Ray cluster, which see the same folders; needs the extra `cluster`."""
    json_output: Annotated[CliImplicitFlag[bool], Field(validation_alias="json")] = False
    """Print what was written as JSON."""

    @model_validator(mode="before")
    @classmethod
    def _over_the_recipe(cls, value: object) -> object:
        """What the recipe says, under what the options say."""
        given = cast(dict[str, Any], value)
        if isinstance(value, dict) and given.get("file"):
            return _over(read_recipe(Path(given["file"])), given)
        return value

    def recipe(self) -> Training:
        """The recipe alone."""
        return Training.model_validate({name: getattr(self, name) for name in Training.model_fields})

    def cli_cmd(self) -> None:
        """Learn, or only say what would be learnt."""
        from gesso.training.compare import ranked
        from gesso.training.job import Job
        from gesso.training.loop import stop_on_signals
        from gesso.training.ranks import together
        from gesso.training.setup import opened

        if self.compare:
            sys.stdout.write(ranked(self.recipe()) + "\n")
            return
        if self.workers and not (self.dry_run or self.look or self.averaged):
            self._on_cluster(self.workers)
            return
        setup = opened(self.recipe())
        if self.averaged is not None:
            from gesso.training.power_files import averaged

            sys.stdout.write(f"{averaged(setup, self.averaged)}\n")
            return
        if self.dry_run:
            sys.stdout.write(setup.recipe.model_dump_json(indent=2) + "\n")
            return
        with stop_on_signals() as stop, together(setup.model.device) as ranks:
            self._follow(Job(setup, stop, ranks))

    def _on_cluster(self, workers: int) -> None:
        from gesso.training.cluster import learn_on_cluster

        recipe = self.recipe()
        learn_on_cluster(recipe, workers)
        sys.stdout.write(f"{recipe.out / recipe.title}.safetensors\n")

    def _follow(self, job: "Job") -> None:
        from gesso.cli.learning import followed

        files = followed(job, only_look=self.look, quiet=self.json_output or not job.ranks.first)
        if self.json_output and job.ranks.first:
            sys.stdout.write(json.dumps([str(each) for each in files], indent=2) + "\n")


def _over(recipe: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Both, the second counting more, table by table."""
    both = dict(recipe)
    for name, value in given.items():
        below = both.get(name)
        if isinstance(below, dict) and isinstance(value, dict):
            both[name] = _over(cast(dict[str, Any], below), cast(dict[str, Any], value))
        else:
            both[name] = value
    return both
