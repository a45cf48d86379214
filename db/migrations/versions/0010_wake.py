"""Those who wait for a time are found by it alone.

Why: the index was there, but SQLite looked through all that is queued instead, at every claim.
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Build the index for a condition that no other index fits; who has ended waits for nothing."""
    op.drop_index("ix_job_wake", "job")
    op.execute(sa.text("UPDATE job SET not_before_ms = 0 WHERE finished_ms IS NOT NULL"))
    later = sa.text("not_before_ms > 0")
    op.create_index("ix_job_wake", "job", ["not_before_ms"], sqlite_where=later, postgresql_where=later)


def downgrade() -> None:
    """As it was."""
    op.drop_index("ix_job_wake", "job")
    later = sa.text("state = 'queued' AND not_before_ms > 0")
    op.create_index("ix_job_wake", "job", ["not_before_ms"], sqlite_where=later, postgresql_where=later)
