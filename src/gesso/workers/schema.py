"""The job table's columns, and how its database is opened: SQLite by default, any other by its address."""

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

__all__ = ["JOBS", "KEYS", "METADATA", "PREFERENCES", "opened"]

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


def opened(address: str) -> Engine:
    """The database at an address, with its tables; SQLite's is written through to the disk at every commit.

    Args:
        address: as SQLAlchemy writes it, such as sqlite:///jobs.db or postgresql+psycopg://host/gesso.
    """
    engine = create_engine(address)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _durable)
        event.listen(engine, "begin", _begin)
    METADATA.create_all(engine)
    return engine


def _durable(connection: Any, _record: object) -> None:
    """Write-ahead log, flushed to the disk at every commit.

    Source: https://sqlite.org/pragma.html#pragma_synchronous; SQLAlchemy's documentation on pysqlite's
    transactions, which the driver must leave alone for `BEGIN IMMEDIATE`.
    """
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=30000"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    """Those who will write take the lock first, so that nobody reads what is about to change."""
    writing = connection.get_execution_options().get("writing")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")
