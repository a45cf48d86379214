"""Links to films: who has one sees that film, until it expires. Of a link's token only the hash is kept.

A token is 192 random bits. Nobody can guess or list them, and who reads the database cannot open the films.
"""

import hashlib
import secrets

from sqlalchemy import delete, insert, select

from db.connect import Database, reads, writes
from db.models import Link
from db.query import load_job

TTL_S = 7 * 24 * 3600.0


@writes
def make(db: Database, job_id: int, ttl_s: float) -> str:
    """A new link to a job, good for so many seconds; returns its token. Expired ones go. raises NoSuchJob."""
    token = secrets.token_urlsafe(24)
    with db.transaction(quiet=True) as tx:
        now = db.now()
        load_job(tx, job_id)
        tx.execute(delete(Link).where(Link.until_ms <= now))
        until = now + round(1000 * ttl_s)
        link = {"token_sha": _hash(token), "job_id": job_id, "created_ms": now, "until_ms": until}
        tx.execute(insert(Link).values(**link))
    return token


@reads
def job_of(db: Database, token: str) -> int | None:
    """The job that a token links to; None where there is no such link, or it has expired."""
    known = select(Link.job_id).where(Link.token_sha == _hash(token), Link.until_ms > db.now())
    with db.reading() as tx:
        found: int | None = tx.scalar(known)
    return found


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
