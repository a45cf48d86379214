"""Links: a token opens one film for a while, and only its hash is kept."""

import pytest
from makers import PLENTY, Clock, ask
from sqlalchemy import select

from db import links, people, requests
from db.connect import Database
from db.errors import NoSuchJob
from db.models import Link


async def test_a_link_opens_its_film_until_it_expires(db: Database, clock: Clock) -> None:
    job = await requests.submit(db, ask(), PLENTY)
    other = await requests.submit(db, ask("other"), PLENTY)
    token, second = await links.make(db, job.id, 60), await links.make(db, other.id, 120)
    assert len(token) == 32
    assert token != second
    assert await links.job_of(db, token) == job.id
    assert await links.job_of(db, second) == other.id
    assert await links.job_of(db, token[:-1]) is None
    clock.forward(60_000)
    assert await links.job_of(db, token) is None
    assert await links.job_of(db, second) == other.id


async def test_only_the_hash_is_kept_and_what_expired_goes(db: Database, clock: Clock) -> None:
    job = await requests.submit(db, ask(), PLENTY)
    token = await links.make(db, job.id, 60)
    with db.reading() as tx:
        kept = tx.execute(select(*Link.__table__.columns)).one()
    assert token not in str(kept)
    clock.forward(61_000)
    await links.make(db, job.id, 60)
    with db.reading() as tx:
        assert len(tx.execute(select(Link.token_sha)).all()) == 1


async def test_links_go_with_their_film(db: Database) -> None:
    job = await requests.submit(db, ask(), PLENTY)
    token = await links.make(db, job.id, 60)
    await people.forget_job(db, job.id)
    assert await links.job_of(db, token) is None
    with pytest.raises(NoSuchJob):
        await links.make(db, job.id, 60)


@pytest.mark.parametrize("token", ["", "x" * 10_000, "\udcff", "…", "' OR 1=1 --"])
async def test_what_is_no_token_opens_nothing(db: Database, token: str) -> None:
    assert await links.job_of(db, token) is None
