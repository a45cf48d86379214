"""A queue that moves: every row and every file of one database and media store, to another that is still empty."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, delete, func, insert, select, text

from db.connect import AT_ONCE, Database, reads, writes
from db.errors import NotEmpty
from db.media import OWNER, Media, fetched, in_thread, media_keep
from db.models import Away, Base, Memo, Request, Worker
from db.query import put

HERE = (Away.__table__, Worker.__table__)  # what is true of the place alone


@reads
def need_empty(db: Database) -> None:
    """Raise NotEmpty where anything was asked for there already."""
    with db.reading() as tx:
        _need_empty(tx, db)


def _need_empty(tx: Connection, db: Database) -> None:
    if tx.scalar(select(func.count()).select_from(Request)):
        raise NotEmpty(db.engines.place)


async def copy_files(source: Media, target: Media, db: Database, told: Callable[[int, int], None]) -> int:
    """Copy every file that a row names and the target does not have; returns how many rows' files are missing.

    told: called with how many of how many are done
    raises: TROUBLE
    """
    names, missing = sorted(await media_keep(db)), 0
    for n, sha in enumerate(names):
        told(n, len(names))
        if await in_thread(target, target.exists, sha):
            continue
        try:
            path = await fetched(source, sha)
        except FileNotFoundError:
            missing += 1
            continue
        await in_thread(target, _copy, path, target)
    told(len(names), len(names))
    return missing


def _copy(path: Path, target: Media) -> None:
    folder = target.workdir()
    try:
        copy = folder / path.name
        shutil.copyfile(path, copy)
        target.adopt(copy)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def copy_rows(source: Database, target: Database, *, same_store: bool = False) -> int:
    """Copy every row, in one transaction of the target; returns how many.

    What somebody who tried the target out without a film left there, goes: a ban, a pause.
    same_store: both have their files in one place; else the target's stays marked as it is
    raises: NotEmpty, TROUBLE
    """
    return await _written(target, await _read(source), same_store)


@reads
def _read(db: Database) -> list[tuple[Table, list[dict[str, Any]]]]:
    with db.reading() as tx:
        return [(table, list(_rows(tx, table))) for table in Base.metadata.sorted_tables if table not in HERE]


def _rows(tx: Connection, table: Table) -> Iterator[dict[str, Any]]:
    for row in tx.execute(select(table).order_by(*table.primary_key)):
        yield dict(row._mapping)


@writes
def _written(db: Database, tables: list[tuple[Table, list[dict[str, Any]]]], same_store: bool) -> int:
    with db.transaction() as tx:
        _need_empty(tx, db)
        owner = None if same_store else tx.scalar(select(Memo.value).where(Memo.name == OWNER))
        for table, _ in reversed(tables):
            tx.execute(delete(table))
        for table, rows in tables:
            for some in range(0, len(rows), AT_ONCE):
                tx.execute(insert(table), rows[some : some + AT_ONCE])
            if db.shared:
                _count_on(tx, table)
        if owner:
            put(tx, Memo, {"name": OWNER}, {"value": owner})
        return sum(len(rows) for _, rows in tables)


def _count_on(tx: Connection, table: Table) -> None:
    """PostgreSQL numbers rows by a sequence, which does not know of those that came with a number."""
    if (column := table.autoincrement_column) is None:
        return
    sequence = tx.scalar(text("SELECT pg_get_serial_sequence(:name, :of)"), {"name": table.name, "of": column.name})
    newest = tx.scalar(select(func.max(column)))
    if sequence and newest:
        tx.execute(text("SELECT setval(:sequence, :newest)"), {"sequence": sequence, "newest": newest})
