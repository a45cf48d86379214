"""A queue that moves: from SQLite to PostgreSQL and back nothing is lost and nothing is another."""

from pathlib import Path

import pytest
from makers import LEASE_MS, PLENTY, Clock, ask, made
from test_people import dump

from db import jobs, moving, operators, people, requests, sections, workers
from db.connect import Database
from db.errors import NotEmpty
from db.media import Media, media_foreign, media_tidy
from db.models import Platform, State


async def fill(db: Database, media: Media) -> None:
    """Films that are done, begun, waiting, and one made from another; a person; files of some of them."""
    picture = media.put(b"picture")
    for n in range(3):
        await requests.submit(db, ask(f"{n}", sections=2, user_id=f"{n}", picture=picture), PLENTY)
    for _ in range(3):
        claim = await jobs.claim(db, "w", LEASE_MS)
        assert claim
        name = f"{claim.job.id} {claim.job.done}"
        files = {kind: media.put(f"{kind} {name}".encode()) for kind in ("latents", "clip", "tail", "film")}
        await sections.record(db, claim, made(claim.job.done, name, **files))
    await people.accept(db, Platform.TELEGRAM, "ann", 1)


@pytest.mark.parametrize("way", ["to PostgreSQL and back", "to another file"])
async def test_everything_arrives_and_films_go_on(
    db: Database, tmp_path: Path, clock: Clock, way: str, request: pytest.FixtureRequest
) -> None:
    source, target = Media(tmp_path / "media"), Media(tmp_path / "new media")
    await fill(db, source)
    before, told = dump(db), []
    url = "" if way == "to another file" else request.getfixturevalue("server").fresh()
    async with Database.open(url, data_dir=tmp_path / "new", clock=clock) as new:
        await moving.need_empty(new)
        assert await moving.copy_files(source, target, db, lambda *done: told.append(done)) == 0
        count = await moving.copy_rows(db, new)
        assert dump(new) == before and count == sum(map(len, before.values())) > 15
        assert told[-1] == (13, 13)
        assert {path.name for path in target.root.glob("??/*")} == {path.name for path in source.root.glob("??/*")}
        with pytest.raises(NotEmpty, match="already: move to a database that is new"):
            await moving.copy_rows(db, new)
        with pytest.raises(NotEmpty):
            await moving.need_empty(new)
        if url:
            async with Database.open(data_dir=tmp_path / "back", clock=clock) as back:
                await moving.copy_rows(new, back)
                assert dump(back) == before
        fresh = await requests.submit(new, ask("fresh", user_id="new"), PLENTY)  # numbers go on where they were
        assert fresh.id == max(row["id"] for row in before["job"]) + 1
        while claim := await jobs.claim(new, "w", LEASE_MS):
            await sections.record(new, claim, made(claim.job.done, f"{claim.job.id}"))
        assert {job.state for job in await jobs.recent(new, 9)} == {State.DONE}


@pytest.mark.parametrize("same", [False, True])
async def test_what_somebody_tried_out_there_goes_and_the_place_stays_its_own(
    db: Database, tmp_path: Path, clock: Clock, same: bool
) -> None:
    source = Media(tmp_path / "media")
    target = source if same else Media(tmp_path / "new media")
    async with Database.open(data_dir=tmp_path / "new", clock=clock) as new:
        if not same:
            await media_tidy(new, target, 3600)
        await fill(db, source)
        for each in (db, new):
            await operators.pause(each, "owner", "not yet")
            await workers.here(each, "here:1", "small@1", works=True)
        await media_tidy(db, source, 3600)
        await moving.copy_files(source, target, db, lambda *_: None)
        await moving.copy_rows(db, new, same_store=same)
        assert [each.name for each in await workers.all_of(new)] == ["here:1"], (
            "of who is there, the other says nothing"
        )
        assert len(await operators.audit(new)) == 1
        assert await media_foreign(new, target) is None
        assert await media_tidy(new, target, 3600) == 0


async def test_files_that_are_there_are_not_copied_again_and_missing_ones_are_counted(
    db: Database, tmp_path: Path
) -> None:
    source, target = Media(tmp_path / "media"), Media(tmp_path / "new media")
    await fill(db, source)
    first, second, *_ = sorted(path.name for path in source.root.glob("??/*"))
    target.put(source.read(first))
    age = target.path(first).stat().st_mtime_ns
    source.drop(second)
    assert await moving.copy_files(source, target, db, lambda *_: None) == 1
    assert target.path(first).stat().st_mtime_ns == age and not target.exists(second)
    assert list((target.root / "tmp").iterdir()) == []
