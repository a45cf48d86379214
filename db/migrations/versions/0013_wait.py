"""A job knows how many sections had been made when its last one was.

Why: who has waited longest to go on gets a turn now and then.
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add it; those that wait now have waited since now."""
    op.add_column("job", sa.Column("since", sa.BigInteger(), nullable=False, server_default="0"))
    op.execute(sa.text("UPDATE job SET since = (SELECT sections FROM tick)"))
    begun = sa.text("rank >= 1000000")
    op.create_index("ix_job_wait", "job", ["since", "id"], sqlite_where=begun, postgresql_where=begun)


def downgrade() -> None:
    """Take it away again."""
    op.drop_index("ix_job_wait", "job")
    op.drop_column("job", "since")
