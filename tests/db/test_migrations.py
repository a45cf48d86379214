import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine

from db.connect import Database
from db.errors import DatabaseNewer, DatabaseUnusable
from db.models import Base


def schema(path: Path) -> dict[str, str]:
    """Every table and index as SQLite knows it, constraints included, without white space."""
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    return {name: re.sub(r"[\s\"]+", "", sql) for name, sql in rows if not name.startswith(("alembic", "sqlite"))}


def terms(sql: str) -> list[str]:
    """A table's columns and constraints, whose order does not matter."""
    return sorted(re.split(r",(?![^()]*\))", sql))


async def test_the_steps_lead_to_the_tables_of_the_models(tmp_path: Path) -> None:
    async with Database.open(data_dir=tmp_path):
        pass
    fresh = tmp_path / "fresh.db"
    engine = create_engine(f"sqlite:///{fresh}")
    Base.metadata.create_all(engine)
    engine.dispose()
    migrated, models = schema(tmp_path / "flipbot.db"), schema(fresh)
    assert migrated.keys() == models.keys()
    for name in models:
        assert terms(migrated[name]) == terms(models[name]), name


async def test_alembic_finds_no_difference_to_the_models(tmp_path: Path) -> None:
    async with Database.open(data_dir=tmp_path):
        pass
    engine = create_engine(f"sqlite:///{tmp_path / 'flipbot.db'}")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
    engine.dispose()


async def test_opening_again_changes_nothing(tmp_path: Path) -> None:
    async with Database.open(data_dir=tmp_path):
        pass
    before = schema(tmp_path / "flipbot.db")
    async with Database.open(data_dir=tmp_path):
        pass
    assert schema(tmp_path / "flipbot.db") == before


async def test_a_database_of_a_newer_flipbot_is_refused_and_left_alone(tmp_path: Path) -> None:
    async with Database.open(data_dir=tmp_path):
        pass
    with closing(sqlite3.connect(tmp_path / "flipbot.db")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    before = schema(tmp_path / "flipbot.db")
    with pytest.raises(DatabaseNewer, match=r"was made by a newer flipbot \(schema 9999\): update flipbot"):
        async with Database.open(data_dir=tmp_path):
            pass
    assert schema(tmp_path / "flipbot.db") == before


async def test_another_programs_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "flipbot.db")) as connection, connection:
        connection.execute("CREATE TABLE bookmarks (url)")
    with pytest.raises(DatabaseUnusable, match="it belongs to another program"):
        async with Database.open(data_dir=tmp_path):
            pass
    assert list(schema(tmp_path / "flipbot.db")) == ["bookmarks"]


async def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "flipbot.db").write_bytes(b"no database at all " * 100)
    with pytest.raises(DatabaseUnusable, match="file is not a database"):
        async with Database.open(data_dir=tmp_path):
            pass
    async with Database.open("sqlite:///other.db", data_dir=tmp_path):  # and its lock was given back
        pass
