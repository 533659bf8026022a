"""Workers on the machines of a Ray cluster: Ray finds their places, and the queue stays what it is."""

import threading
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any

from gesso.errors import RequestError
from gesso.workers.worker import Post, work

__all__ = ["Cluster"]


@dataclass(frozen=True)
class Cluster:
    """A Ray cluster that workers are hired from.

    All its machines see the same library, data folder and database, under the same names.

    Args:
        ray: the library, connected.
    """

    ray: Any

    @staticmethod
    def at(address: str) -> "Cluster":
        """The cluster at an address, such as auto, HOST:6379 or ray://HOST:10001.

        Raises:
            RequestError: Ray is not installed, or no cluster answers.
        """
        ray = _ray()
        try:
            ray.init(address=address, log_to_driver=False, ignore_reinit_error=True)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise RequestError(f"a Ray cluster must answer at {address}, however: {error}") from error
        return Cluster(ray)

    def hire(self, post: Post) -> "_Actor":
        """A worker on whichever machine has a device for it, now or later: it works when there is one."""
        devices = {"num_gpus": 1} if post.machine.device.startswith("cuda") else {"num_cpus": 1}
        kind = self.ray.remote(max_concurrency=2, max_restarts=0, scheduling_strategy="SPREAD", **devices)
        actor = kind(_Hand).remote()
        return _Actor(self.ray, actor, actor.work.remote(post))


class _Hand:
    """What an actor does: it works, and meanwhile may be told to leave."""

    def __init__(self) -> None:
        self.leaving = threading.Event()

    def work(self, post: Post) -> None:
        work(post, self.leaving)

    def leave(self) -> None:
        self.leaving.set()


@dataclass(frozen=True)
class _Actor:
    """A worker in the cluster, as `Hired`.

    Args:
        end: what Ray answers with when it is gone, whatever the reason.
    """

    ray: Any
    actor: Any
    end: Any

    def is_alive(self) -> bool:
        return not self._gone(0)

    def terminate(self) -> None:
        self.actor.leave.remote()

    def join(self, timeout: float | None = None) -> None:
        self._gone(timeout)

    def kill(self) -> None:
        self.ray.kill(self.actor)

    def _gone(self, seconds: float | None) -> bool:
        gone, _ = self.ray.wait([self.end], timeout=seconds)
        return bool(gone)


def _ray() -> ModuleType:
    try:
        return import_module("ray")
    except ImportError as error:
        raise RequestError(
            f"a cluster must have its library, however: {error.name} is missing",
            hint='pip install "gesso[server,postgres,cluster]"',
        ) from error
