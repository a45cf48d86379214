"""A folder whose database is made already: else each test waits for all migrations, one after the other."""

import functools
import tempfile
from pathlib import Path

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
