"""A PostgreSQL of its own for a benchmark or a test, with no port open to other machines."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager

__all__ = ["found", "serving"]


def found() -> bool:
    """Whether this machine has a PostgreSQL server."""
    return all(map(shutil.which, ("initdb", "postgres", "pg_ctl")))


@contextmanager
def serving(port: int, *, durable: bool = True) -> Generator[str]:
    """A server with an empty database, gone afterwards; yields the address as SQLAlchemy writes it.

    Args:
        durable: whether changes are flushed to the disk.
    """
    with tempfile.TemporaryDirectory() as name:
        user = _user()
        if user is not None:
            shutil.chown(name, user)

        def told(*command: str) -> None:
            subprocess.run(command, check=True, user=user, stdout=subprocess.DEVNULL, cwd=name)

        data = f"{name}/data"
        told("initdb", "--pgdata", data, "--username=gesso", "--auth=trust", "--no-sync", "--encoding=UTF8")
        options = f"-p {port} -c fsync={'on' if durable else 'off'}"
        options += f" -c listen_addresses=127.0.0.1 -c unix_socket_directories={name}"
        told("pg_ctl", "--pgdata", data, "--wait", "--log", f"{name}/log", "--options", options, "start")
        try:
            yield f"postgresql+psycopg://gesso@127.0.0.1:{port}/postgres"
        finally:
            told("pg_ctl", "--pgdata", data, "--wait", "--mode", "immediate", "stop")


def _user() -> str | None:
    """As whom it runs, where this is root: PostgreSQL refuses to be."""
    if os.getuid():
        return None
    known = {each.pw_name for each in pwd.getpwall()}
    return "postgres" if "postgres" in known else "nobody"
