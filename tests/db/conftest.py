from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from makers import Clock

from db.connect import Database
from tests import postgres
from tests.ready import ready


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With --postgres what only SQLite can say is left out."""
    for item in items if config.getoption("--postgres") else ():
        if item.get_closest_marker("sqlite"):
            item.add_marker(pytest.mark.skip(reason="of SQLite alone"))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def server() -> Iterator[postgres.Server]:
    with postgres.opened() as server:
        yield server


@pytest.fixture
def url(request: pytest.FixtureRequest) -> str:
    """Of an empty database; of PostgreSQL where --postgres is given, or the test says so."""
    on_server = request.config.getoption("--postgres") or getattr(request, "param", None) == "postgres"
    return str(request.getfixturevalue("server").fresh()) if on_server else ""


@pytest.fixture
async def db(tmp_path: Path, clock: Clock, url: str) -> AsyncIterator[Database]:
    async with Database.open(url, data_dir=ready(tmp_path), clock=clock) as database:
        yield database
