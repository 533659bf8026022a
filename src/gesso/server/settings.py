"""What a server is told when it starts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

from gesso.workers.keeping import Keeping
from gesso.workers.painter import Machine
from gesso.workers.places import BUILTIN, Places

__all__ = ["Limits", "Settings", "folders", "loopback"]


@dataclass(frozen=True)
class Limits:
    """What one ask may take.

    Args:
        body: bytes of a request's body.
        pixels: of a picture that is sent.
        waiting: jobs that may wait.
        share: jobs of one owner that may wait.
        link: seconds for which a picture's link holds.
    """

    body: int = 64 * 2**20
    pixels: int = 40_000_000
    waiting: int = 10_000
    share: int = 1_000
    link: float = 3600.0


@dataclass(frozen=True)
class Settings:
    """What a server is told when it starts.

    Args:
        host: the address it listens on.
        machines: what each worker computes with.
        database: the job table's address; a file in the data folder unless given.
        ray: the Ray cluster on which workers are hired; on this machine unless given.
        model: the checkpoint that is meant where none is named; empty for the built-in one.
        aliases: other names of checkpoints, such as dall-e-3.
        origins: other web sites whose pages may ask.
        runs: the folder in which training runs are looked for, beside the library.
    """

    places: Places
    host: str = "127.0.0.1"
    port: int = 7860
    machines: tuple[Machine, ...] = (Machine(),)
    database: str | None = None
    ray: str | None = None
    model: str = BUILTIN
    aliases: Mapping[str, str] = field(default_factory=dict[str, str])
    origins: tuple[str, ...] = ()
    runs: Path = Path("runs")
    limits: Limits = field(default_factory=Limits)
    keeping: Keeping = field(default_factory=Keeping)

    @property
    def address(self) -> str:
        """The job table's database."""
        return self.database or f"sqlite:///{(self.places.data / 'jobs.db').absolute()}"


def loopback(host: str) -> bool:
    """Whether an address, or a name, is this machine's own and reached by nobody else."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.casefold() == "localhost"


def folders(library: Path, data: Path) -> Places:
    """The places of a server, made if they are not there."""
    for each in (library, data):
        each.mkdir(parents=True, exist_ok=True)
    return Places(library.absolute(), data.absolute())
