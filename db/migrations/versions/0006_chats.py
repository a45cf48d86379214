"""What the chats need to be posted to.

Why: a message has a way of its own (sent, deleted, sent again), the film that stands in it, and a ping at its end; a
chat has a rate and may be out of reach.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

NUMBERS = ("message_ms", "edited_ms", "media_ms")


def _platform() -> sa.Column[str]:
    kinds = sa.Enum(
        *("terminal", "page", "discord", "telegram"),
        name="platform",
        native_enum=False,
        create_constraint=True,
        length=16,
    )
    return sa.Column("platform", kinds, nullable=False, primary_key=True)


def upgrade() -> None:
    """Add the columns and the tables."""
    columns: list[sa.Column[Any]] = [
        sa.Column("server_id", sa.String(100), nullable=False, server_default=""),
        sa.Column("thread_id", sa.String(100)),
        sa.Column("reply_to", sa.String(100)),
        sa.Column("delivery", sa.String(16), nullable=False, server_default="new"),
        sa.Column("sends", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("sent_revision", sa.Integer(), nullable=False, server_default="0"),
        *(sa.Column(name, sa.BigInteger(), nullable=False, server_default="0") for name in NUMBERS),
        sa.Column("shown_hash", sa.String(64)),
        sa.Column("shown_media", sa.String(100)),
        sa.Column("plain", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("notice", sa.String(16), nullable=False, server_default="none"),
    ]
    for column in columns:
        op.add_column("canvas", column)
    begun = sa.text("notice IN ('due', 'begun')")
    op.create_index("ix_canvas_notice", "canvas", ["job_id"], sqlite_where=begun, postgresql_where=begun)
    op.create_index("ix_canvas_message", "canvas", ["platform", "chat_id", "message_id"])
    op.create_table(
        "chat",
        _platform(),
        sa.Column("chat_id", sa.String(100), nullable=False, primary_key=True),
        sa.Column("sent_ms", sa.JSON(), nullable=False),
        sa.Column("frozen_until_ms", sa.BigInteger(), nullable=False),
        sa.Column("slow_until_ms", sa.BigInteger(), nullable=False),
        sa.Column("limit_bytes", sa.BigInteger()),
        sa.Column("unreachable", sa.String(200)),
    )
