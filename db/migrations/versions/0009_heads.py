"""Each flow knows its next job.

Why: which of somebody's films goes on depends on how many of them wait to; so it is decided once, when the line
changes, and a claim only looks it up.
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add it, as the line stands."""
    op.add_column("flow", sa.Column("head", sa.BigInteger().with_variant(sa.Integer(), "sqlite")))
    first = "SELECT id FROM job WHERE flow_id = flow.id AND rank IS NOT NULL ORDER BY rank, id LIMIT 1"
    op.execute(sa.text(f"UPDATE flow SET head = ({first}) WHERE turn IS NOT NULL"))


def downgrade() -> None:
    """Take it away again."""
    op.drop_column("flow", "head")
