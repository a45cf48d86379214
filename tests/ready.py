"""A folder whose database is made already: else each test waits for all migrations, one after the other."""

import asyncio
import functools
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from db.connect import migrate

NAME = "flipbot.db"


def ready(folder: Path) -> Path:
    """The folder, with an empty database of today's schema in it; one that is there stays as it is."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / NAME).exists():
        (folder / NAME).write_bytes(_made())
    return folder


@functools.cache
def _made() -> bytes:
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(1) as aside:  # a loop may be running here
        path = Path(folder) / NAME
        aside.submit(asyncio.run, migrate(path)).result()
        return path.read_bytes()
