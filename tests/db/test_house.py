import logging
import os
from pathlib import Path

import pytest
from makers import LEASE_MS, PLENTY, Clock, ask, made

from db import jobs, requests, sections
from db.connect import Database
from db.errors import DiskFull
from db.house import DAY_MS, keep_house
from db.media import Media


@pytest.fixture
def media(tmp_path: Path) -> Media:
    return Media(tmp_path / "media")


async def done(db: Database, key: str) -> int:
    """A film that has just ended."""
    job = await requests.submit(db, ask(key, sections=1), PLENTY)
    claim = await jobs.claim(db, "w", LEASE_MS)
    assert claim
    await sections.record(db, claim, made(0, key))
    return job.id


async def latents(db: Database, job_id: int) -> str:
    return (await sections.of(db, job_id))[0].latents


async def test_what_ended_longer_ago_than_it_is_kept_is_forgotten(db: Database, clock: Clock, media: Media) -> None:
    old = await done(db, "old")
    clock.forward(2 * DAY_MS)
    young = await done(db, "young")
    clock.forward(6 * DAY_MS)
    await keep_house(db, media, 0, 0)
    assert await latents(db, old), "0 is for ever"
    await keep_house(db, media, 0, 7)
    assert not await latents(db, old) and await latents(db, young)
    await keep_house(db, media, 7, 0)
    assert [job.id for job in await jobs.recent(db, 9)] == [young] and await latents(db, young)


async def test_a_disk_too_full_to_forget_anything_is_swept_all_the_same(
    db: Database, media: Media, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def full(*_: object) -> int:
        raise DiskFull(media.root)

    monkeypatch.setattr(requests, "expire", full)
    kept, orphan = media.put(b"kept"), media.put(b"orphan")
    await requests.submit(db, ask(picture=kept), PLENTY)
    os.utime(media.path(orphan), (1, 1))
    with caplog.at_level(logging.INFO):
        assert await keep_house(db, media, 7, 7) is None
    assert media.exists(kept) and not media.exists(orphan)
    assert [record.getMessage() for record in caplog.records if record.name == "flipbot.house"] == [
        f"nothing expired: {DiskFull(media.root)}",
        "swept files=1",
    ]
