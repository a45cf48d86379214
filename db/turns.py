"""Whose turn is next. One place decides it: the claim asks `next_turn`, and a place in line is counted by `ahead`.

The order is plain: the oldest job first. A turn is one section, so this is asked again after every section.
"""

from sqlalchemy import ColumnElement, Select, and_, or_, select

from db.models import OPEN, Job, State

IS_OPEN = Job.state.in_(OPEN)


def next_turn(now_ms: int) -> Select[int]:
    """The id of the job whose section is to be made next, or no row. Jobs set aside until later are passed over."""
    ready = and_(Job.state == State.QUEUED, Job.not_before_ms <= now_ms)
    return select(Job.id).where(ready).order_by(Job.id).limit(1).correlate(None)  # ix_job_turn has them in this order


def ahead(job_id: int) -> ColumnElement[bool]:
    """The open jobs that have their turns before this one."""
    return and_(IS_OPEN, or_(Job.id < job_id, Job.state == State.RUNNING), Job.id != job_id)
