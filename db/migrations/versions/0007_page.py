"""What the page needs: films in fragments for a player that goes on while they grow, and links to films.

Why: a player takes a growing film in fragments, one for each section's clip and one for the provisional frames; and a
film is shown to who has its link, of which only the hash is kept.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the columns and the table."""
    op.add_column("job", sa.Column("fragment_end", sa.String(64)))
    op.create_index("ix_job_fragment_end", "job", ["fragment_end"])
    op.add_column("section", sa.Column("fragment", sa.String(64)))
    op.create_index("ix_section_fragment", "section", ["fragment"])
    op.create_table(
        "link",
        sa.Column("token_sha", sa.String(64), primary_key=True),
        sa.Column("job_id", ID, sa.ForeignKey("job.id"), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("until_ms", sa.BigInteger(), nullable=False),
    )
    op.create_index("ix_link_job_id", "link", ["job_id"])
    op.create_index("ix_link_until_ms", "link", ["until_ms"])


def downgrade() -> None:
    """Forget them; the files are swept."""
    op.drop_table("link")
    with op.batch_alter_table("section") as section:
        section.drop_index("ix_section_fragment")
        section.drop_column("fragment")
    with op.batch_alter_table("job") as job:
        job.drop_index("ix_job_fragment_end")
        job.drop_column("fragment_end")
