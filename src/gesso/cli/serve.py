"""`gesso serve`: the queue with its doors, until it is told to stop."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ByteSize, Field

from gesso.cli.generate import environment_library
from gesso.errors import RequestError

if TYPE_CHECKING:
    from gesso.server.settings import Settings

__all__ = ["Serve"]


GRACE = 5
"""Seconds that answers under way may still take when the server is told to stop."""


class Serve(BaseModel, use_attribute_docstrings=True):
    """Serve a page, the OpenAI Images API and the A1111 API over one queue that survives anything."""

    library: Path | None = Field(default_factory=environment_library)
    """Folder of checkpoints, LoRAs and the rest; unless given, what GESSO_LIBRARY names, or models."""
    data: Path = Path("serve")
    """Folder for the queue, for pictures that are sent and those that are painted."""
    host: str = "127.0.0.1"
    """Address to listen on. Others than this machine's own need a key (gesso keys add NAME)."""
    port: int = Field(default=7860, ge=1, le=65535)
    """Port to listen on."""
    model: str = ""
    """The checkpoint that is meant where none is named; the built-in one unless given."""
    aliases: dict[str, str] = {}
    """Other names of checkpoints, each NAME=CHECKPOINT; dall-e-3 and its kin mean --model unless given."""
    device: list[str] = ["auto"]
    """The device of each worker: auto, cpu, cuda:0, cuda:1 …"""
    dtype: str = "auto"
    """auto, float32, bfloat16 or float16."""
    kernels: str = "auto"
    """auto, the fastest for this machine, or plain, torch's own."""
    quantize: str = "none"
    """none, int8 or int4: what weights are rounded to, so that they take a half or a quarter."""
    keep: ByteSize = ByteSize(8 * 2**30)
    """Bytes of models that each worker keeps loaded."""
    database: str | None = None
    """Another address of the queue, such as postgresql+psycopg://host/gesso, which several servers share."""
    ray: str | None = None
    """A Ray cluster whose machines paint, such as auto or ray://HOST:10001; it needs --database."""
    workers: int = Field(default=1, ge=1)
    """How many workers there are for each --device; on a cluster each takes one GPU, or one CPU."""
    origins: list[str] = []
    """Other web sites whose pages may ask, such as https://chat.example.org."""
    runs: Path = Path("runs")
    """Folder of training runs, whose curves the page shows; those in the library are shown too."""
    days: float = Field(default=30.0, gt=0)
    """Days after which finished jobs and their pictures go."""
    room: ByteSize = ByteSize(20 * 2**30)
    """The most bytes of finished pictures; the oldest go first."""

    def cli_cmd(self) -> None:
        """Serve until told to stop."""
        try:
            import uvicorn

            from gesso.server.app import application
        except ImportError as error:
            raise RequestError(
                f"serving must have its libraries, however: {error.name} is missing",
                hint='pip install "gesso[server]"',
            ) from error
        app = application(self.settings())
        sys.stderr.write(f"gesso serves at http://{self.host}:{self.port}\n")
        # whoever follows a job would keep the server from leaving for as long as the job lasts
        uvicorn.run(
            app,
            host=self.host,
            port=self.port,
            log_level="warning",
            server_header=False,
            timeout_graceful_shutdown=GRACE,
        )

    def settings(self) -> "Settings":
        """What the server is told."""
        from gesso.server.settings import Settings, folders
        from gesso.workers.keeping import Keeping
        from gesso.workers.painter import Machine

        return Settings(
            folders(self.library or Path("models"), self.data),
            host=self.host,
            port=self.port,
            machines=tuple(
                Machine(each, self.dtype, int(self.keep), kernels=self.kernels, quantize=self.quantize)
                for each in self.device
                for _ in range(self.workers)
            ),
            database=self.database,
            ray=self.ray,
            model=self.model,
            aliases=self.aliases,
            origins=tuple(self.origins),
            runs=self.runs,
            keeping=Keeping(self.days * 86400.0, int(self.room)),
        )
