"""What is told of a job to whoever may see it."""

from pydantic import BaseModel, ConfigDict

from gesso.request import Request
from gesso.server.renditions import Rendition
from gesso.server.services import Services
from gesso.workers.job import Job, State

__all__ = ["JobView", "PictureView", "view"]


class PictureView(BaseModel):
    """A finished picture."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    url: str
    """Its PNG file on this server, for a while and without a key."""
    seed: int
    prompt: str
    """The words that were encoded."""
    size: tuple[int, int]


class JobView(BaseModel):
    """A job, how far it is and what came of it."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    id: str
    owner: str
    state: State
    model: str
    request: Request
    done: int
    """Steps that are done."""
    total: int
    """Steps of all pictures."""
    ahead: int
    """Queued jobs that stand before it."""
    left: float | None
    """Seconds that are left, from what its steps took so far; None before the first."""
    preview: str | None
    """Where its unfinished picture is to be seen."""
    pictures: tuple[PictureView, ...]
    notes: tuple[str, ...]
    reason: str | None
    accepted: float
    started: float | None
    ended: float | None


def view(job: Job, of: Services, ahead: int = 0) -> JobView:
    """What is told of a job."""
    pictures = tuple(
        PictureView(
            url=of.links.link(job.id, index, Rendition()), seed=each.seed, prompt=each.prompt, size=each.size
        )
        for index, each in enumerate(job.pictures)
    )
    looking = job.state is State.RUNNING and job.preview
    told = job.model_dump(include=set(JobView.model_fields) - {"request", "pictures", "preview"})
    preview = f"/api/jobs/{job.id}/preview?{job.preview}" if looking else None
    left = _left(job, of.table.clock())
    return JobView(**told, request=job.request, pictures=pictures, preview=preview, left=left, ahead=ahead)


def _left(job: Job, now: float) -> float | None:
    if job.state is not State.RUNNING or not job.done or job.started is None:
        return None
    return (now - job.started) / job.done * (job.total - job.done)
