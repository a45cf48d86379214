"""People, and what the chats must remember.

Why: consent, language and defaults of a person; reports; messages to be taken out of a chat; updates kept before they
are confirmed; questions whose answer may come after a restart; and what a front-end registered with its platform.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _platform(*, primary_key: bool = False) -> sa.Column[str]:
    kinds = sa.Enum(
        *("terminal", "page", "discord", "telegram"),
        name="platform",
        native_enum=False,
        create_constraint=True,
        length=16,
    )
    return sa.Column("platform", kinds, nullable=False, primary_key=primary_key)


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "person",
        _platform(primary_key=True),
        sa.Column("user_id", sa.String(100), primary_key=True),
        sa.Column("consent", sa.Integer(), nullable=False),
        sa.Column("consent_ms", sa.BigInteger()),
        sa.Column("language", sa.String(35)),
        sa.Column("seconds", sa.Double()),
        sa.Column("quality", sa.String(40)),
        sa.Column("notify", sa.String(8), nullable=False),
        sa.Column("spoiler", sa.Boolean(), nullable=False),
        sa.Column("shut", sa.Integer(), nullable=False),
        sa.Column("changed_ms", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("notify IN ('ping', 'silent', 'off')", name="notify"),
    )
    op.create_table(
        "report",
        sa.Column("id", ID, primary_key=True),
        sa.Column("job_id", ID, sa.ForeignKey("job.id"), nullable=False),
        _platform(),
        sa.Column("user_id", sa.String(100)),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("resolved_ms", sa.BigInteger()),
        sa.Column("resolved_by", sa.String(100)),
        sa.UniqueConstraint("job_id", "platform", "user_id"),
        sa.CheckConstraint("(resolved_ms IS NULL) = (resolved_by IS NULL)", name="resolved"),
        sqlite_autoincrement=True,
    )
    unresolved = sa.text("resolved_ms IS NULL")
    op.create_index("ix_report_job_id", "report", ["job_id"])
    op.create_index("ix_report_open", "report", ["id"], sqlite_where=unresolved, postgresql_where=unresolved)
    op.create_table(
        "removal",
        sa.Column("id", ID, primary_key=True),
        _platform(),
        sa.Column("chat_id", sa.String(100), nullable=False),
        sa.Column("message_id", sa.String(100), nullable=False),
        sa.Column("not_before_ms", sa.BigInteger(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.UniqueConstraint("platform", "chat_id", "message_id"),
        sa.CheckConstraint("tries >= 0", name="counts"),
        sqlite_autoincrement=True,
    )
    _inbox()
    op.create_table(
        "question",
        sa.Column("id", ID, primary_key=True),
        sa.Column("key", sa.String(200), nullable=False),
        _platform(),
        sa.Column("user_id", sa.String(100), nullable=False),
        sa.Column("chat_id", sa.String(100), nullable=False),
        sa.Column("message_id", sa.String(100)),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("about", sa.JSON(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.UniqueConstraint("key"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_question_user", "question", ["platform", "user_id"])
    op.create_index("ix_question_created_ms", "question", ["created_ms"])
    op.create_table(
        "memo",
        sa.Column("name", sa.String(100), primary_key=True),
        sa.Column("value", sa.String(), nullable=False),
    )


def _inbox() -> None:
    op.create_table(
        "inbox",
        sa.Column("id", ID, primary_key=True),
        sa.Column("key", sa.String(100), nullable=False),
        _platform(),
        sa.Column("user_id", sa.String(100)),
        sa.Column("content", sa.String()),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.UniqueConstraint("key"),
        sqlite_autoincrement=True,
    )
    unhandled = sa.text("content IS NOT NULL")
    op.create_index("ix_inbox_open", "inbox", ["id"], sqlite_where=unhandled, postgresql_where=unhandled)
    op.create_index("ix_inbox_created_ms", "inbox", ["created_ms"])
