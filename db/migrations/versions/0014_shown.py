"""Every message that shows something of a job is known, and whether a report was passed on.

Why: what is deleted has to go out of the chats wherever it stands, not only in the message that showed it last; and a
report is told until it was heard.
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table and the column; reports that are there were told as well as could be."""
    kinds = sa.Enum(
        *("terminal", "page", "discord", "telegram"),
        name="platform",
        native_enum=False,
        create_constraint=True,
        length=16,
    )
    op.create_table(
        "shown",
        sa.Column("job_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("platform", kinds, nullable=False),
        sa.Column("chat_id", sa.String(100), nullable=False),
        sa.Column("message_id", sa.String(100), nullable=False),
        sa.PrimaryKeyConstraint("job_id", "platform", "chat_id", "message_id", name="pk_shown"),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name="fk_shown_job_id"),
    )
    op.add_column("report", sa.Column("told_ms", sa.BigInteger()))
    op.execute(sa.text("UPDATE report SET told_ms = created_ms"))


def downgrade() -> None:
    """Take them away again."""
    op.drop_column("report", "told_ms")
    op.drop_table("shown")
