"""Run by Alembic, never imported: applies the steps on the connection that `db.migrations.upgrade` hands it."""

from alembic import context

from db.models import Base

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True)
context.run_migrations()
