"""Every call that the OpenAPI document describes, with made-up values: no answer may be the server's fault.

python -m benchmarks.fuzz --examples 200      (needs schemathesis)
"""

import argparse
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import schemathesis
from PIL import Image
from schemathesis.core.result import Ok
from starlette.types import ASGIApp

from gesso.generation.pictures import Texts, write_picture
from gesso.server.app import application
from gesso.server.settings import Settings, folders
from gesso.workers.job import Job
from gesso.workers.painter import Advanced, Drawn, Happening
from gesso.workers.table import JobTable
from gesso.workers.worker import Rhythm, Worker

__all__ = ["Hasty", "tried"]

SLOW = (hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.filter_too_much)

HERE = {"host": "127.0.0.1"}
"""Without keys a request must name this machine."""
PATIENCE = 120
"""Seconds that an answer may take."""
RHYTHM = Rhythm(idle=0.005, progress=0.0, preview=0.0, reserve=0)


class Hasty:
    """Paints one grey picture, however many are wanted."""

    loaded = ()

    def paint(self, job: Job) -> Iterator[Happening]:
        """A step and a picture."""
        yield Advanced(1, lambda: Image.new("RGB", (8, 8)))
        image = Image.new("RGB", job.request.size or (8, 8), "grey")
        yield Drawn(job.request, image.size, lambda file: write_picture(image, file, Texts()))


def tried(settings: Settings, examples: int) -> Iterator[tuple[str, str]]:
    """What went wrong, by call.

    Args:
        examples: how often each call is made.
    """
    worker = Worker("fuzz", JobTable.at(settings.address), Hasty(), settings.places, RHYTHM)
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        yield from _calls(application(settings, crew=False), examples)
    finally:
        worker.leaving.set()
        thread.join()


def _calls(app: ASGIApp, examples: int) -> Iterator[tuple[str, str]]:
    document = schemathesis.openapi.from_asgi("/openapi.json", app, headers=HERE)
    for each in document.get_all_operations():
        if not isinstance(each, Ok):
            yield "the document", str(each.err())
            continue
        operation = each.ok()

        @hypothesis.settings(
            max_examples=examples,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[hypothesis.Phase.generate],
            suppress_health_check=SLOW,
        )
        @hypothesis.given(operation.as_strategy())
        def right(case: schemathesis.Case[Any]) -> None:
            answer = case.call(headers=HERE, timeout=PATIENCE)
            assert answer.status_code < 500, f"{answer.status_code}: {case.as_curl_command()}: {answer.text}"

        try:
            right()
        except AssertionError as error:
            yield operation.label, str(error)


def main() -> None:
    """Try all calls and print what went wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=100)
    examples: int = parser.parse_args().examples
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(folders(Path(folder) / "library", Path(folder) / "data"))
        faults = list(tried(settings, examples))
    for label, fault in faults:
        print(f"{label}: {fault}")
    print(f"{len(faults)} calls with faults, {examples} tries each, {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
