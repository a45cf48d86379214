"""A job may be steered.

Why: while a film grows, what happens next can be given another prompt; the request keeps the one it came with.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the prompt that holds now."""
    op.add_column("job", sa.Column("steered", sa.String()))


def downgrade() -> None:
    """Forget it."""
    op.drop_column("job", "steered")
