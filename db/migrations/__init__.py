"""The steps from an empty file to the tables of today, one file each, applied when the database is opened."""

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect

from db.errors import DatabaseNewer, DatabaseUnusable
from db.said import said


def upgrade(connection: Connection, place: str) -> None:
    """Apply the steps that are missing, within the transaction that is open.

    place:  of the database, for the sentences
    raises: DatabaseNewer (a step is applied that is not known here), DatabaseUnusable (another program's file)
    """
    config = Config()
    config.set_main_option("script_location", "db:migrations")  # found wherever the package is installed
    config.attributes["connection"] = connection
    steps = ScriptDirectory.from_config(config)
    applied = MigrationContext.configure(connection).get_current_revision()
    if applied is None and inspect(connection).get_table_names():
        raise DatabaseUnusable(place, said("it belongs to another program"))
    if applied is not None and applied not in {step.revision for step in steps.walk_revisions()}:
        raise DatabaseNewer(place, applied)
    if applied != steps.get_current_head():
        command.upgrade(config, "head")
