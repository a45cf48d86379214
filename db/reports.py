"""Reports: somebody thinks that a film should not be here, and a moderator looks at it."""

from sqlalchemy import ColumnElement, insert, select, update

from db import rows
from db.connect import Database, reads, writes
from db.models import Platform, Report
from db.query import load_job

_REPORT = (
    *(Report.id, Report.job_id, Report.platform, Report.user_id, Report.reason),
    *(Report.created_ms, Report.resolved_ms, Report.resolved_by, Report.told_ms),
)


@writes
def report(db: Database, job_id: int, platform: Platform, user_id: str, reason: str) -> tuple[rows.Report, bool]:
    """Somebody objects to a film. Once for each person and film: the first reason stays.

    returns: the report, and whether it is new
    raises:  NoSuchJob
    """
    with db.transaction() as tx:
        load_job(tx, job_id)
        mine = (Report.job_id == job_id, Report.platform == platform, Report.user_id == user_id)
        known = tx.execute(select(*_REPORT).where(*mine)).first()
        if known is not None:
            return rows.Report(**known._mapping), False
        said = {"job_id": job_id, "platform": platform, "user_id": user_id, "reason": reason}
        made = insert(Report).values(**said, created_ms=db.now()).returning(*_REPORT)
        return rows.Report(**tx.execute(made).one()._mapping), True


@writes
def told(db: Database, report_id: int) -> None:
    """Everybody who is to hear of it has. Saying it twice harms nothing."""
    with db.transaction(quiet=True) as tx:
        tx.execute(update(Report).where(Report.id == report_id, Report.told_ms.is_(None)).values(told_ms=db.now()))


@reads
def newest(db: Database, most: int = 25, *, unresolved: bool = True) -> list[rows.Report]:
    """The latest reports, newest first; unresolved: only those that nobody has looked at."""
    which: list[ColumnElement[bool]] = [Report.resolved_ms.is_(None)] if unresolved else []
    with db.reading() as tx:
        found = tx.execute(select(*_REPORT).where(*which).order_by(Report.id.desc()).limit(most))
        return [rows.Report(**row._mapping) for row in found]


@writes
def resolve(db: Database, report_id: int, by: str) -> rows.Report | None:
    """A moderator has looked at it; the first one counts. None where there is no such report (any more)."""
    with db.transaction() as tx:
        mine = update(Report).where(Report.id == report_id, Report.resolved_ms.is_(None))
        tx.execute(mine.values(resolved_ms=db.now(), resolved_by=by))
        row = tx.execute(select(*_REPORT).where(Report.id == report_id)).first()
        return None if row is None else rows.Report(**row._mapping)
