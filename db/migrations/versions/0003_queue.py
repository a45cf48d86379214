"""Fair turns, limits, and the operator's hand.

Why: whose turn is next is decided per person, by virtual time, through one index; a day's GPU time is a sum over rows;
pausing, draining, bans, a server's own limits and what operators did are rows too.
"""

import hashlib

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables, and put what waits in line anew."""
    _turns()
    _operators()
    _line_up(op.get_bind())


def _turns() -> None:
    op.create_table(
        "flow",
        sa.Column("id", ID, primary_key=True),
        sa.Column("who", sa.String(64), nullable=False),
        sa.Column("weight", sa.Double(), nullable=False),
        sa.Column("served", sa.Double(), nullable=False),
        sa.Column("last", sa.Double(), nullable=False),
        sa.Column("turn", sa.Double()),
        sa.Column("asked_ms", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("weight > 0", name="weight"),
        sa.UniqueConstraint("who"),
        sqlite_autoincrement=True,
    )
    waiting = sa.text("turn IS NOT NULL")
    op.create_index("ix_flow_turn", "flow", ["turn", "id"], sqlite_where=waiting, postgresql_where=waiting)
    op.create_index("ix_flow_last", "flow", ["last"])
    op.create_table(
        "tick",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("time", sa.Double(), nullable=False),
        sa.Column("weight", sa.Double(), nullable=False),
        sa.Column("sections", sa.BigInteger(), nullable=False),
        sa.Column("gpu_ms", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("id = 1", name="one"),
    )
    op.create_table(
        "ledger",
        sa.Column("id", ID, primary_key=True),
        sa.Column("flow_id", ID, nullable=False),
        sa.Column("gpu_ms", sa.Integer(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_ledger_day", "ledger", ["flow_id", "at_ms"])
    op.create_index("ix_ledger_at_ms", "ledger", ["at_ms"])
    for table in ("request", "job"):
        op.add_column(table, sa.Column("server_id", sa.String(100), server_default="", nullable=False))
    op.add_column("job", sa.Column("flow_id", ID))
    op.add_column("job", sa.Column("shape", sa.String(200), server_default="", nullable=False))
    op.add_column("job", sa.Column("rank", sa.Integer()))
    op.add_column("job", sa.Column("hurried", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.drop_index("ix_job_turn", "job")
    op.create_index("ix_job_state", "job", ["state", "id"])
    ranked = sa.text("rank IS NOT NULL")
    op.create_index("ix_job_turn", "job", ["flow_id", "rank", "id"], sqlite_where=ranked, postgresql_where=ranked)
    later = sa.text("state = 'queued' AND not_before_ms > 0")
    op.create_index("ix_job_wake", "job", ["not_before_ms"], sqlite_where=later, postgresql_where=later)


def _operators() -> None:
    kinds = sa.Enum(
        *("terminal", "page", "discord", "telegram"),
        name="platform",
        native_enum=False,
        create_constraint=True,
        length=16,
    )
    op.create_table(
        "gate",
        sa.Column("scope", sa.String(100), primary_key=True),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.Column("draining", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("by", sa.String(200), nullable=False),
        sa.Column("since_ms", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "ban",
        sa.Column("id", ID, primary_key=True),
        sa.Column("platform", kinds, nullable=False),
        sa.Column("user_id", sa.String(100), nullable=False),
        sa.Column("scope", sa.String(100), nullable=False),
        sa.Column("until_ms", sa.BigInteger()),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("by", sa.String(200), nullable=False),
        sa.Column("since_ms", sa.BigInteger(), nullable=False),
        sa.UniqueConstraint("platform", "user_id", "scope"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "server_limits",
        sa.Column("server_id", sa.String(100), primary_key=True),
        sa.Column("limits", sa.JSON(), nullable=False),
        sa.Column("by", sa.String(200), nullable=False),
        sa.Column("since_ms", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "audit",
        sa.Column("id", ID, primary_key=True),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("by", sa.String(200), nullable=False),
        sa.Column("action", sa.String(20), nullable=False),
        sa.Column("scope", sa.String(100), nullable=False),
        sa.Column("target", sa.String(200), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_audit_at_ms", "audit", ["at_ms"])


def _line_up(tx: sa.Connection) -> None:
    """Give everybody who has a job open a flow that starts now; what waits has its turn by the sections left."""
    text = sa.text
    tx.execute(text("INSERT INTO tick (id, time, weight, sections, gpu_ms) VALUES (1, 0, 0, 0, 0)"))
    open_ = "state IN ('received', 'queued', 'running')"
    people = tx.execute(text(f"SELECT platform, user_id, sum(sections - done) FROM job WHERE {open_} GROUP BY 1, 2"))
    for platform, user, left in list(people):
        who = hashlib.sha256(f"{platform}:{user}".encode()).hexdigest()
        new = "INSERT INTO flow (who, weight, served, last, asked_ms) VALUES (:who, 1, 0, :left, 0)"
        tx.execute(text(new), {"who": who, "left": float(left)})
        mine = f"UPDATE job SET flow_id = (SELECT id FROM flow WHERE who = :who) WHERE {open_}"
        theirs = {"who": who, "platform": platform, "user": user}
        tx.execute(text(f"{mine} AND platform = :platform AND user_id = :user"), theirs)
    tx.execute(text("UPDATE tick SET weight = (SELECT count(*) FROM flow)"))
    rank = "sections - done + CASE WHEN done > 0 THEN 1000000 ELSE 0 END"
    tx.execute(text(f"UPDATE job SET rank = {rank} WHERE state = 'queued' AND not_before_ms = 0"))
    head = "SELECT min(rank) FROM job WHERE flow_id = flow.id AND rank IS NOT NULL"
    due = f"SELECT CASE WHEN ({head}) > 1000000 THEN ({head}) - 1000000 ELSE 1 END"
    tx.execute(text(f"UPDATE flow SET turn = ({due}) WHERE ({head}) IS NOT NULL"))
