from pathlib import Path

from sqlalchemy import inspect

from gesso.workers.schema import METADATA, opened


def test_what_is_committed_is_on_the_disk(tmp_path: Path) -> None:
    engine = opened(f"sqlite:///{tmp_path / 'jobs.db'}")
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
    assert set(inspect(engine).get_table_names()) == set(METADATA.tables)
    opened(f"sqlite:///{tmp_path / 'jobs.db'}")
