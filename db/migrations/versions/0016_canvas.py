"""No index of messages that are late.

Why: since a front-end looks after all messages of its platform that need its eye, none of its questions uses it, and
each change of a film had to keep it in step.
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take it away."""
    op.drop_index("ix_canvas_due", "canvas")


def downgrade() -> None:
    """Make it again."""
    late = sa.text("shown < wanted")
    op.create_index("ix_canvas_due", "canvas", ["not_before_ms", "job_id"], sqlite_where=late, postgresql_where=late)
