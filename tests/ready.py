"""A folder whose database is made already: else each test waits for all migrations, one after the other."""

import functools
import tempfile
from pathlib import Path

from sqlalchemy import text

from db.connect import Database
from db.sqlite import migrate

NAME = "flipbot.db"


def ready(folder: Path) -> Path:
    """The folder, with an empty database of today's schema in it; one that is there stays as it is."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / NAME).exists():
        (folder / NAME).write_bytes(_made())
    return folder


@functools.cache
def _made() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / NAME
        migrate(path)
        return path.read_bytes()


def count_on_from(db: Database, number: int) -> None:
    """The next job has this number, as if there had been so many before."""
    with db.transaction() as tx:
        tx.execute(text("INSERT INTO sqlite_sequence VALUES ('job', :seq)"), {"seq": number - 1})
