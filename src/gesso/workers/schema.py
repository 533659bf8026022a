"""The job table's columns, and how its database is opened: SQLite by default, any other by its address."""

from enum import StrEnum
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Connection,
    Double,
    Engine,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    create_engine,
    event,
)

__all__ = ["JOBS", "KEYS", "METADATA", "PREFERENCES", "Writing", "opened"]

METADATA = MetaData()

JOBS = Table(
    "jobs",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("owner", String(64), nullable=False),
    Column("model", String(512), nullable=False),
    Column("request", JSON, nullable=False),
    Column("total", Integer, nullable=False),
    Column("fingerprint", String(64)),
    Column("state", String(16), nullable=False),
    Column("position", Double, nullable=False),
    Column("accepted", Double, nullable=False),
    Column("started", Double),
    Column("ended", Double),
    Column("worker", String(128)),
    Column("lease", Double),
    Column("cancelling", Boolean, nullable=False),
    Column("crashes", Integer, nullable=False),
    Column("done", Integer, nullable=False),
    Column("preview", Integer, nullable=False),
    Column("pictures", JSON, nullable=False),
    Column("skipped", Integer, nullable=False),
    Column("skipping", Integer),
    Column("notes", JSON, nullable=False),
    Column("reason", String(2000)),
    Column("revision", Integer, nullable=False),
    Index("jobs_by_state", "state", "position"),
    Index("jobs_by_owner", "owner", "started"),
    Index("jobs_by_time", "accepted"),
    Index("jobs_by_fingerprint", "fingerprint"),
)
"""One row for each job. `lease` is until when its worker's word holds; the rest is as in `Job`."""

KEYS = Table(
    "keys",
    METADATA,
    Column("name", String(64), primary_key=True),
    Column("hash", String(64), nullable=False, unique=True),
    Column("scopes", JSON, nullable=False),
    Column("created", Double, nullable=False),
)
"""Keys of those who may ask, by the SHA-256 of their text."""

PREFERENCES = Table(
    "preferences",
    METADATA,
    Column("owner", String(64), primary_key=True),
    Column("name", String(64), primary_key=True),
    Column("value", JSON, nullable=False),
)
"""What an owner set for his own later asks."""


class Writing(StrEnum):
    """How surely a change is on the disk when its transaction ends: the word is SQLite's for it."""

    SURELY = "FULL"
    SOON = "NORMAL"
    """With the next sure change, or a little later. A change that a power cut may undo, such as a step."""


def opened(address: str) -> Engine:
    """The database at an address, with its tables.

    A transaction writes if its engine has the execution option `writing`, which says how surely.

    Args:
        address: as SQLAlchemy writes it, such as sqlite:///jobs.db or postgresql+psycopg://host/gesso.
    """
    engine = create_engine(address)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _durable)
        event.listen(engine, "begin", _begin)
    if engine.dialect.name == "postgresql":
        event.listen(engine, "begin", _begin_in_postgres)
    METADATA.create_all(engine)
    return engine


def _durable(connection: Any, _record: object) -> None:
    """A write-ahead log.

    Source: SQLAlchemy's documentation on pysqlite's transactions, which the driver must leave alone for
    `BEGIN IMMEDIATE`.
    """
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "busy_timeout=30000"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    """Those who will write take the lock first, so that nobody reads what is about to change.

    Source: https://sqlite.org/pragma.html#pragma_synchronous.
    """
    writing: Writing | None = connection.get_execution_options().get("writing")
    if writing is not None:
        connection.exec_driver_sql(f"PRAGMA synchronous={writing}")
    connection.exec_driver_sql("BEGIN" if writing is None else "BEGIN IMMEDIATE")


def _begin_in_postgres(connection: Connection) -> None:
    """A change that a power cut may undo need not wait for the disk.

    Source: https://www.postgresql.org/docs/current/wal-async-commit.html.
    """
    if connection.get_execution_options().get("writing") is Writing.SOON:
        connection.exec_driver_sql("SET LOCAL synchronous_commit = off")
