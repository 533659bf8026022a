"""Two Ray nodes and a PostgreSQL on one machine: jobs spread over both, one node is killed, nothing is lost.

python -m benchmarks.cluster --jobs 40 --out benchmarks/cluster.json
"""

import argparse
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from ray.cluster_utils import Cluster

from benchmarks import postgres
from benchmarks.kills import judged
from benchmarks.serving import House, free_port, keep
from gesso.workers.job import State
from gesso.workers.table import JobTable, Listing

REQUEST = {"prompt": "three strawberries", "steps": 8, "count": 2}


def main() -> None:
    """Ask, kill a node when both have worked, wait for the end, judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=40)
    parser.add_argument("--out", type=Path)
    told = parser.parse_args()
    nodes = Cluster(initialize_head=True, head_node_args=_node(0))
    first, second = (nodes.add_node(**_node(1)) for _ in range(2))
    del first
    try:
        with ExitStack() as held:
            address = held.enter_context(postgres.serving(free_port()))
            folder = held.enter_context(tempfile.TemporaryDirectory())
            options = ("--device", "cpu", "--workers", "2", "--ray", str(nodes.address))
            house = House(Path(folder), (*options, "--database", address), ready=2)
            held.callback(house.stop)
            house.start()
            table = JobTable.at(address)
            began = time.perf_counter()
            accepted = [_asked(house, seed) for seed in range(told.jobs)]
            before = _spread(table, told.jobs // 3)
            nodes.remove_node(second, allow_graceful=False)
            while table.counts()[State.QUEUED] + table.counts()[State.RUNNING]:
                time.sleep(0.2)
            found = {
                "accepted": len(accepted),
                "done by each worker when a node was killed": sorted(before.values()),
                "begun again": sum(job.crashes for job in table.listed(Listing(limit=told.jobs))),
                "seconds": round(time.perf_counter() - began, 1),
                **judged(house, accepted),
            }
            table.engine.dispose()
    finally:
        nodes.shutdown()
    keep(found, told.out)


def _node(cpus: int) -> dict[str, Any]:
    return {"num_cpus": cpus, "num_gpus": 0, "object_store_memory": 80 * 2**20, "include_dashboard": False}


def _asked(house: House, seed: int) -> dict[str, Any]:
    while not (job := house.asked("POST", "/api/jobs", {"request": {**REQUEST, "seed": seed}})):
        time.sleep(0.2)
    return {"id": job["id"], "count": REQUEST["count"]}


def _spread(table: JobTable, least: int) -> Counter[str]:
    """How many jobs each worker has done, once all together did so many and both some."""
    while True:
        done = table.listed(Listing(states=[State.DONE], limit=10_000))
        workers = Counter(job.worker or "" for job in done)
        if len(done) >= least and len(workers) > 1:
            return workers
        time.sleep(0.2)


if __name__ == "__main__":
    main()
