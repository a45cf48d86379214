"""How often things went wrong at a job.

Why: a service that dies again and again at one section must not do so for ever, a disk that loses every section
neither, and a job that ran out of memory is tried once more with a smaller memory plan.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

COUNTS = ("deaths", "losses", "tighter")


def upgrade() -> None:
    """Add the three counts."""
    for name in COUNTS:
        op.add_column("job", sa.Column(name, sa.Integer(), nullable=False, server_default="0"))


def downgrade() -> None:
    """Forget them."""
    for name in COUNTS:
        op.drop_column("job", name)
