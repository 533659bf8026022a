"""Training on several machines by Ray Train: the same job, in processes that Ray starts and restarts.

Source: Ray Train's TorchTrainer, docs.ray.io/en/latest/train, which sets up torch's process group itself.
"""

from importlib import import_module
from typing import Any

from torch import distributed

from gesso.errors import ResourceError, Unsupported
from gesso.training.job import Job
from gesso.training.ranks import PATIENCE, Ranks
from gesso.training.recipe import Training
from gesso.training.setup import opened

__all__ = ["learn_on_cluster"]


def learn_on_cluster(recipe: Training, workers: int, retries: int = 0) -> None:
    """Carry a recipe out by so many workers of the Ray cluster that this process reaches, or of a local one.

    Args:
        recipe: its folders must be seen under the same names by every machine.
        workers: processes; each takes a device of the recipe's kind, and shares every batch.
        retries: how often a run that lost a worker is begun again, from its last saved state.

    Raises:
        Unsupported: the extra `cluster` is not installed.
        ResourceError: a worker was lost, or said what was wrong.
    """
    try:
        trains, torches = import_module("ray.train"), import_module("ray.train.torch")
    except ImportError as error:
        raise Unsupported(
            f"training on a cluster must have Ray Train, however: {error}",
            hint="it comes with the extra: pip install gesso[cluster]",
        ) from error
    trainer = torches.TorchTrainer(
        _work,
        train_loop_config={"recipe": recipe.model_dump_json()},
        torch_config=torches.TorchConfig(timeout_s=int(PATIENCE.total_seconds())),
        scaling_config=trains.ScalingConfig(num_workers=workers, use_gpu=recipe.device.startswith("cuda")),
        run_config=trains.RunConfig(
            storage_path=str((recipe.out / "ray").resolve()),
            failure_config=trains.FailureConfig(max_failures=retries),
        ),
    )
    try:
        trainer.fit()
    except trains.TrainingFailedError as error:
        raise ResourceError(
            f"all {workers} workers must go on, however: {str(error).strip().splitlines()[-1]}",
            hint="start them again: the run goes on from its last saved state",
        ) from error


def _work(config: dict[str, Any]) -> None:
    """One worker, from the audit to the end."""
    setup = opened(Training.model_validate_json(config["recipe"]))
    ranks = Ranks(distributed.get_rank(), distributed.get_world_size(), setup.model.device)
    job = Job(setup, None, ranks)
    for _ in job.look():
        pass
    for _ in job.carried_out():
        pass
