"""The sampling step under way: for people's eyes only, overwritten, and gone when the section is recorded."""

from sqlalchemy import select

from db import rows
from db.connect import Database, reads, writes
from db.models import Progress
from db.query import load_held, put


@writes
def report(db: Database, claim: rows.Claim, n: int, step: int, of: int, phase: str, preview: bytes | None) -> None:
    """Say how far section n is: step `step` of `of`, in a phase such as "sampling"; preview is a small JPEG.

    raises: LeaseLost
    """
    with db.transaction(lightly=True) as tx:
        job = load_held(tx, claim, db.steady())
        told = {"n": n, "step": step, "of": of, "phase": phase, "preview": preview, "at_ms": db.now()}
        put(tx, Progress, {"job_id": job.id}, told)


@reads
def of(db: Database, job_id: int) -> rows.Progress | None:
    """How far the section under way is; None where none is."""
    with db.reading() as tx:
        row = tx.execute(select(*Progress.__table__.columns).where(Progress.job_id == job_id)).first()
    return None if row is None else rows.Progress(**row._mapping)
