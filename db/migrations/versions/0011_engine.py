"""What computes is in the rows: its memory plan, and what it was seen to take.

Why: the owner's window shows it, and the machine that computes may be another one than that of the page.
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add it, with nothing known yet."""
    op.create_table(
        "engine",
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("model", sa.String(200), nullable=False),
        sa.Column("plan", sa.JSON(), nullable=False),
        sa.Column("vram", sa.BigInteger(), nullable=False),
        sa.Column("ram", sa.BigInteger(), nullable=False),
        sa.Column("loaded_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_engine"),
    )
    op.create_index("ix_engine_loaded_ms", "engine", ["loaded_ms"])


def downgrade() -> None:
    """Take it away again."""
    op.drop_table("engine")
