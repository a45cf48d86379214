"""The first tables.

Why: requests, jobs, their sections, the messages that show them and the progress of the section under way.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
STATES = ("received", "queued", "running", "done", "stopped", "failed", "cancelled")


def _platform() -> sa.Column[str]:
    kinds = sa.Enum(
        *("terminal", "page", "discord", "telegram"),
        name="platform",
        native_enum=False,
        create_constraint=True,
        length=16,
    )
    return sa.Column("platform", kinds, nullable=False)


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "request",
        sa.Column("id", ID, primary_key=True),
        sa.Column("key", sa.String(200), nullable=False),
        _platform(),
        sa.Column("user_id", sa.String(100), nullable=False),
        sa.Column("chat_id", sa.String(100), nullable=False),
        sa.Column("locale", sa.String(35), nullable=False),
        sa.Column("picture", sa.String(64), nullable=False),
        sa.Column("end_picture", sa.String(64)),
        sa.Column("prompt", sa.String(), nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.UniqueConstraint("key"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_request_picture", "request", ["picture"])
    op.create_index("ix_request_end_picture", "request", ["end_picture"])
    _job()
    op.create_table(
        "section",
        sa.Column("job_id", ID, sa.ForeignKey("job.id"), primary_key=True),
        sa.Column("n", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("latents", sa.String(64), nullable=False),
        sa.Column("clip", sa.String(64)),
        sa.Column("frames", sa.Integer(), nullable=False),
        sa.Column("sampling_ms", sa.Integer(), nullable=False),
        sa.Column("decode_ms", sa.Integer(), nullable=False),
        sa.Column("encode_ms", sa.Integer(), nullable=False),
        sa.Column("gpu_ms", sa.Integer(), nullable=False),
        sa.Column("shape", sa.String(200), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("n >= 0 AND fence >= 1 AND frames >= 1", name="counts"),
        sa.CheckConstraint("sampling_ms >= 0 AND decode_ms >= 0 AND encode_ms >= 0 AND gpu_ms >= 0", name="times"),
    )
    op.create_index("ix_section_latents", "section", ["latents"])
    op.create_index("ix_section_clip", "section", ["clip"])
    op.create_index("ix_section_shape", "section", ["shape", "created_ms"])
    op.create_table(
        "canvas",
        sa.Column("job_id", ID, sa.ForeignKey("job.id"), primary_key=True, autoincrement=False),
        _platform(),
        sa.Column("chat_id", sa.String(100), nullable=False),
        sa.Column("message_id", sa.String(100)),
        sa.Column("wanted", sa.Integer(), nullable=False),
        sa.Column("shown", sa.Integer(), nullable=False),
        sa.Column("not_before_ms", sa.BigInteger(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.CheckConstraint("wanted >= 1 AND shown >= 0 AND shown <= wanted AND tries >= 0", name="counts"),
    )
    late = sa.text("shown < wanted")
    op.create_index("ix_canvas_due", "canvas", ["not_before_ms", "job_id"], sqlite_where=late, postgresql_where=late)
    op.create_table(
        "progress",
        sa.Column("job_id", ID, sa.ForeignKey("job.id"), primary_key=True, autoincrement=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("of", sa.Integer(), nullable=False),
        sa.Column("phase", sa.String(40), nullable=False),
        sa.Column("preview", sa.LargeBinary()),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("n >= 0 AND step >= 0", name="counts"),
    )


def _job() -> None:
    states = sa.Enum(*STATES, name="state", native_enum=False, create_constraint=True, length=16)
    op.create_table(
        "job",
        sa.Column("id", ID, primary_key=True),
        sa.Column("request_id", ID, sa.ForeignKey("request.id"), nullable=False),
        sa.Column("parent_id", ID, sa.ForeignKey("job.id")),
        _platform(),
        sa.Column("user_id", sa.String(100), nullable=False),
        sa.Column("chat_id", sa.String(100), nullable=False),
        sa.Column("plan", sa.JSON(), nullable=False),
        sa.Column("sections", sa.Integer(), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("state", states, nullable=False),
        sa.Column("wish", sa.String(8)),
        sa.Column("wish_by", sa.String(100)),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("worker", sa.String(100)),
        sa.Column("lease_until_ms", sa.BigInteger()),
        sa.Column("crashes", sa.Integer(), nullable=False),
        sa.Column("not_before_ms", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(100)),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("conditioning", sa.String(64)),
        sa.Column("tail", sa.String(64)),
        sa.Column("film", sa.String(64)),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("started_ms", sa.BigInteger()),
        sa.Column("finished_ms", sa.BigInteger()),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.CheckConstraint("sections >= 1 AND done >= 0 AND done <= sections", name="counts"),
        sa.CheckConstraint("(state = 'running') = (worker IS NOT NULL)", name="worker"),
        sa.CheckConstraint("(state = 'running') = (lease_until_ms IS NOT NULL)", name="lease"),
        sa.CheckConstraint(
            "(state IN ('done', 'stopped', 'failed', 'cancelled')) = (finished_ms IS NOT NULL)", name="finished"
        ),
        sa.CheckConstraint("state <> 'done' OR done = sections", name="done"),
        sa.CheckConstraint("state <> 'stopped' OR done >= 1", name="stopped"),
        sa.CheckConstraint("state <> 'failed' OR reason IS NOT NULL", name="failed"),
        sa.CheckConstraint("wish IN ('stop', 'cancel')", name="wish"),
        sa.CheckConstraint("fence >= 0 AND crashes >= 0 AND revision >= 1", name="risen"),
        sqlite_autoincrement=True,
    )
    for column in ("request_id", "parent_id", "conditioning", "tail", "film"):
        op.create_index(f"ix_job_{column}", "job", [column])
    op.create_index("ix_job_turn", "job", ["state", "id"])
    running = sa.text("state = 'running'")
    op.create_index("ix_job_lease", "job", ["lease_until_ms"], sqlite_where=running, postgresql_where=running)
    op.create_index("ix_job_user", "job", ["platform", "user_id", "state"])
    op.create_index("ix_job_chat", "job", ["platform", "chat_id", "state"])
    op.create_index("ix_job_finished", "job", ["finished_ms"])
