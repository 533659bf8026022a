"""Numbers for Prometheus, looked up in the job table when they are asked for."""

import shutil
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gesso.server.services import Services
from gesso.workers.supervisor import Supervisor

__all__ = ["exposed"]


class _House(Collector):
    """All numbers of one server."""

    def __init__(self, of: Services, crew: Supervisor | None) -> None:
        self.of = of
        self.crew = crew

    def collect(self) -> Iterable[Metric]:
        """The numbers as they are now."""
        jobs = GaugeMetricFamily("gesso_jobs", "Jobs by state.", labels=["state"])
        for state, count in self.of.table.counts().items():
            jobs.add_metric([state], count)
        yield jobs
        free = shutil.disk_usage(self.of.settings.places.data).free
        yield GaugeMetricFamily("gesso_disk_free_bytes", "Free bytes where pictures go.", value=free)
        if self.crew is not None:
            alive = self.crew.alive
            yield GaugeMetricFamily("gesso_workers", "Worker processes that live.", value=alive)
            lost = CounterMetricFamily(
                "gesso_worker_restarts", "Workers that died.", value=self.crew.restarts
            )
            yield lost


def exposed(of: Services, crew: Supervisor | None) -> bytes:
    """The numbers as Prometheus reads them."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_House(of, crew))
    return generate_latest(registry)
