from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from makers import Clock

from db.connect import Database
from tests.ready import ready


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def db(tmp_path: Path, clock: Clock) -> AsyncIterator[Database]:
    async with Database.open(data_dir=ready(tmp_path), clock=clock) as database:
        yield database
