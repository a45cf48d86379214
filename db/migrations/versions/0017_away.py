"""Machines that are not there for films alone.

Why: a card at somebody's home is theirs first. Who waits is told that films are made at certain hours, or that the
machine is at something else; and the owner sees when the card was given back.
"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table, and when an engine gave its memory back: never yet."""
    op.create_table(
        "away",
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("reason", sa.String(40), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("opens_ms", sa.BigInteger(), nullable=True),
        sa.Column("since_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_away"),
    )
    with op.batch_alter_table("engine") as engine:
        engine.add_column(sa.Column("freed_ms", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    """Take both away again."""
    with op.batch_alter_table("engine") as engine:
        engine.drop_column("freed_ms")
    op.drop_table("away")
