"""Films as a chat can take them.

Why: a chat takes files up to a limit; what is made to fit it outlives a restart, and nobody makes it twice.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "rendition",
        sa.Column("id", ID, primary_key=True),
        sa.Column("job_id", ID, sa.ForeignKey("job.id"), nullable=False),
        sa.Column("film", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("limit_bytes", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("sha", sa.String(64)),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("duration_ms", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(100)),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.UniqueConstraint("job_id", "film", "kind", "limit_bytes"),
        sa.CheckConstraint("kind IN ('preview', 'final', 'poster')", name="kind"),
        sa.CheckConstraint("state IN ('wanted', 'ready', 'failed')", name="state"),
        sa.CheckConstraint("(state = 'ready') = (sha IS NOT NULL)", name="ready"),
        sa.CheckConstraint("state <> 'ready' OR bytes <= limit_bytes", name="fits"),
        sa.CheckConstraint("(state = 'failed') = (reason IS NOT NULL)", name="failed"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_rendition_film", "rendition", ["film"])
    op.create_index("ix_rendition_sha", "rendition", ["sha"])
    wanted = sa.text("state = 'wanted'")
    op.create_index("ix_rendition_wanted", "rendition", ["id"], sqlite_where=wanted, postgresql_where=wanted)


def downgrade() -> None:
    """Forget them; their files are swept."""
    op.drop_table("rendition")
