import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from makers import LEASE_MS, PLENTY, Clock, ask, made, sha

from db import canvases, chats, inbox, jobs, operators, people, removals, reports, requests, sections
from db.connect import Database
from db.errors import LeaseLost, NoSuchJob
from db.media import media_keep
from db.models import Base, Platform, State
from db.rows import At
from tests.ready import ready

TELEGRAM = Platform.TELEGRAM


def dump(db: Database) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table."""
    with db.reading() as tx:
        found = {
            table.name: tx.execute(table.select().order_by(*table.primary_key)).all()
            for table in Base.metadata.sorted_tables
        }
    return {name: [dict(row._mapping) for row in rows] for name, rows in found.items()}


def says(rows: object, text: str) -> bool:
    return text in json.dumps(rows, default=str)


async def film(db: Database, key: str, user: str, picture: str, done: int = 1, **changes: Any) -> int:
    """A job of somebody with so many of its two sections, shown in a message."""
    who = {"platform": TELEGRAM, "user_id": user, "chat_id": f"chat of {user}", "prompt": f"{user} dances"}
    job = await requests.submit(db, ask(key, sections=2, picture=sha(picture), **who | changes), PLENTY)
    await canvases.create(db, job.id, TELEGRAM, f"chat of {user}", f"message {job.id}")
    for n in range(done):
        claim = await jobs.claim(db, "w", LEASE_MS)
        assert claim and claim.job.id == job.id
        await sections.record(db, claim, made(n, key))
    return job.id


async def test_of_a_stranger_everything_is_the_default(db: Database) -> None:
    person = await people.get(db, TELEGRAM, "ann")
    assert (person.consent, person.consent_ms, person.language, person.seconds, person.notify) == (
        0,
        None,
        None,
        None,
        "ping",
    )
    assert dump(db)["person"] == []


async def test_consent_is_kept_with_its_version_and_its_time(db: Database, clock: Clock) -> None:
    first = await people.accept(db, TELEGRAM, "ann", 1)
    assert (first.consent, first.consent_ms) == (1, clock.ms)
    clock.forward(5)
    assert await people.accept(db, TELEGRAM, "ann", 1) == first
    newer = await people.accept(db, TELEGRAM, "ann", 2)
    assert (newer.consent, newer.consent_ms) == (2, clock.ms)
    assert await people.accept(db, TELEGRAM, "ann", 1) == newer
    assert (await people.get(db, Platform.DISCORD, "ann")).consent == 0


async def test_preferences_change_one_by_one(db: Database) -> None:
    await people.prefer(db, TELEGRAM, "ann", language="zh", seconds=3.5)
    person = await people.prefer(db, TELEGRAM, "ann", notify="off", seconds=None, spoiler=True)
    assert (person.language, person.seconds, person.notify, person.spoiler) == ("zh", None, "off", True)
    with pytest.raises(TypeError, match="not consent"):
        await people.prefer(db, TELEGRAM, "ann", consent=9)


async def test_the_second_time_a_chat_is_shut_its_waiting_jobs_are_cancelled(db: Database) -> None:
    begun = await film(db, "begun", "ann", "a")
    waiting = await film(db, "waiting", "ann", "b", done=0)
    group = await film(db, "group", "ann", "c", done=0, chat_id="group")
    others = await film(db, "others", "bob", "d", done=0)
    assert await people.shut_out(db, TELEGRAM, "ann", "chat of ann") == 1
    assert (await jobs.get(db, waiting)).state == State.QUEUED
    assert await people.shut_out(db, TELEGRAM, "ann", "chat of ann") == 2
    assert (await jobs.get(db, waiting)).state == State.CANCELLED
    assert {(await jobs.get(db, job)).state for job in (begun, group, others)} == {State.QUEUED}
    await people.let_in(db, TELEGRAM, "ann")
    assert (await people.get(db, TELEGRAM, "ann")).shut == 0


async def test_a_worker_at_a_forgotten_job_hears_that_it_is_lost(db: Database) -> None:
    job = await film(db, "a", "ann", "a", done=0)
    claim = await jobs.claim(db, "w", LEASE_MS)
    assert claim and claim.job.id == job
    assert (await people.forget(db, TELEGRAM, "ann")).jobs == (job,)
    with pytest.raises(LeaseLost):
        await jobs.renew(db, claim, LEASE_MS)
    with pytest.raises(LeaseLost):
        await sections.record(db, claim, made(0))


async def test_one_film_is_deleted_and_its_message_has_to_go(db: Database) -> None:
    first, second = await film(db, "a", "ann", "a", done=2), await film(db, "b", "ann", "a", done=0)
    await reports.report(db, first, TELEGRAM, "bob", "mine")
    gone = await people.forget_job(db, first)
    assert gone.jobs == (first,)
    assert sha("a latents 0") in gone.files and sha("a film 1") in gone.files
    assert sha("a") not in gone.files  # the other film began with that picture too
    with pytest.raises(NoSuchJob):
        await jobs.get(db, first)
    assert (await jobs.get(db, second)).state == State.QUEUED
    assert [(r.chat_id, r.message_id) for r in await removals.due(db, TELEGRAM)] == [
        ("chat of ann", f"message {first}")
    ]
    with pytest.raises(NoSuchJob):
        await people.forget_job(db, first)


async def test_a_film_that_has_ended_is_not_deleted_as_one_that_grows(db: Database) -> None:
    job = await film(db, "a", "ann", "a", done=2)
    assert await people.forget_job(db, job, growing=True) == people.Forgotten(jobs=(), files=())
    assert (await jobs.get(db, job)).state == State.DONE
    other = await film(db, "b", "ann", "a", done=0)
    assert (await people.forget_job(db, other, growing=True)).jobs == (other,)


async def test_every_message_that_showed_something_of_a_film_has_to_go(db: Database) -> None:
    job, other = await film(db, "a", "ann", "a"), await film(db, "b", "ann", "b", done=0)
    await canvases.create(db, job, TELEGRAM, "group", "shown again")
    await canvases.move(db, job, "chat of ann")
    await canvases.shown(db, job, 1, "in the end")
    await canvases.beside(db, [job], TELEGRAM, "group", "details")
    for _ in range(2):
        await canvases.beside(db, [job, other], TELEGRAM, "group", "history")
    await people.forget_job(db, job)
    assert sorted((r.chat_id, r.message_id) for r in await removals.due(db, TELEGRAM)) == [
        ("chat of ann", "in the end"),
        ("chat of ann", f"message {job}"),
        ("group", "details"),
        ("group", "history"),
        ("group", "shown again"),
    ]
    assert [row["job_id"] for row in dump(db)["shown"]] == [other]


async def test_what_shows_a_film_that_was_just_deleted_goes_at_once(db: Database) -> None:
    job, other = await film(db, "a", "ann", "a"), await film(db, "b", "ann", "b", done=0)
    await people.forget_job(db, job)
    (canvas,) = await removals.due(db, TELEGRAM)
    await removals.done(db, canvas.id)
    await removals.later(db, TELEGRAM, "group", "history", 30_000)
    await canvases.beside(db, [job, other], TELEGRAM, "group", "history")
    assert [r.message_id for r in await removals.due(db, TELEGRAM)] == ["history"]


async def test_a_message_that_came_too_late_to_be_the_films_goes_with_it(db: Database) -> None:
    job = await film(db, "a", "ann", "a")
    assert not await canvases.placed(db, job, At(message_id="late"))
    await people.forget_job(db, job)
    assert {r.message_id for r in await removals.due(db, TELEGRAM)} == {f"message {job}", "late"}


async def test_an_expired_film_leaves_no_row_of_what_showed_it(db: Database, clock: Clock) -> None:
    job = await film(db, "a", "ann", "a", done=2)
    await canvases.beside(db, [job], TELEGRAM, "group", "details")
    clock.forward(1)
    assert await requests.expire(db, clock.ms) == 1
    assert dump(db)["shown"] == [] and await removals.due(db, TELEGRAM) == []


async def test_a_removal_is_tried_until_it_is_done(db: Database, clock: Clock) -> None:
    await people.forget_job(db, await film(db, "a", "ann", "a"))
    (removal,) = await removals.due(db, TELEGRAM)
    await removals.put_off(db, removal.id, 1000)
    assert await removals.due(db, TELEGRAM) == []
    clock.forward(1000)
    assert [r.tries for r in await removals.due(db, TELEGRAM)] == [1]
    await removals.done(db, removal.id)
    await removals.done(db, removal.id)
    assert dump(db)["removal"] == []


async def test_a_report_is_one_for_each_person_and_film(db: Database, clock: Clock) -> None:
    job = await film(db, "a", "ann", "a")
    first, new = await reports.report(db, job, TELEGRAM, "bob", "that is me")
    assert new and (first.job_id, first.user_id, first.reason, first.created_ms) == (job, "bob", "that is me", clock.ms)
    assert await reports.report(db, job, TELEGRAM, "bob", "again") == (first, False)
    await reports.told(db, first.id)
    clock.forward(1)
    await reports.told(db, first.id)
    first = replace(first, told_ms=clock.ms - 1)
    other, _ = await reports.report(db, job, TELEGRAM, "cid", "")
    assert other.told_ms is None
    assert [r.id for r in await reports.newest(db)] == [other.id, first.id]
    solved = await reports.resolve(db, first.id, "mod")
    assert solved and (solved.resolved_by, solved.resolved_ms) == ("mod", clock.ms)
    assert await reports.resolve(db, first.id, "another") == solved
    assert [r.id for r in await reports.newest(db)] == [other.id]
    assert [r.id for r in await reports.newest(db, unresolved=False)] == [other.id, first.id]
    assert await reports.resolve(db, 77, "mod") is None
    with pytest.raises(NoSuchJob):
        await reports.report(db, 77, TELEGRAM, "bob", "")


async def test_what_was_delivered_twice_is_handled_once(db: Database, clock: Clock) -> None:
    assert (
        await inbox.receive(db, TELEGRAM, [("1:7", "ann", "hello"), ("1:8", None, "there"), ("1:7", "ann", "x")]) == 2
    )
    assert await inbox.receive(db, TELEGRAM, [("1:7", "ann", "hello")]) == 0
    first, second = await inbox.unhandled(db, TELEGRAM)
    assert (first.content, second.content, first.tries) == ("hello", "there", 0)
    assert [await inbox.tried(db, first.id), await inbox.tried(db, first.id)] == [0, 1]
    await inbox.handled(db, first.id)
    assert [letter.id for letter in await inbox.unhandled(db, TELEGRAM)] == [second.id]
    assert await inbox.receive(db, TELEGRAM, [("1:7", "ann", "hello")]) == 0
    assert await inbox.unhandled(db, Platform.DISCORD) == []
    clock.forward(inbox.KEPT_MS + 1)
    await inbox.receive(db, TELEGRAM, [("1:9", None, "later")])
    assert [row["key"] for row in dump(db)["inbox"]] == ["1:8", "1:9"]  # what is not handled stays


async def test_a_question_waits_for_its_answer(db: Database) -> None:
    asked = await inbox.ask(db, "q1", TELEGRAM, "ann", "chat", "prompt", {"file": "f"})
    assert await inbox.ask(db, "q1", TELEGRAM, "ann", "chat", "prompt", {"file": "other"}) == asked
    await inbox.asked(db, asked.id, "55")
    found = await inbox.question(db, TELEGRAM, chat_id="chat", message_id="55")
    assert found and (found.kind, found.about, found.message_id) == ("prompt", {"file": "f"}, "55")
    assert await inbox.question(db, TELEGRAM, question_id=asked.id) == found
    assert await inbox.questions(db, TELEGRAM, "ann", "prompt") == [found]
    await inbox.answered(db, asked.id)
    assert await inbox.question(db, TELEGRAM, question_id=asked.id) is None


async def test_a_memo_is_kept_under_its_name(db: Database) -> None:
    assert await inbox.memo(db, "commands") is None
    await inbox.remember(db, "commands", "a")
    await inbox.remember(db, "commands", "b")
    assert await inbox.memo(db, "commands") == "b"


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["film", "film", "child", "report", "wish", "letter", "question", "prefer", "shown", "chat"]),
        st.sampled_from(["ann", "bob", "cid"]),
        st.sampled_from(["ann", "bob", "cid"]),
        st.integers(0, 2),
    ),
    max_size=14,
)


async def lived(db: Database, steps: list[tuple[str, str, str, int]]) -> None:
    """Three people who use everything, each step by one of them about another one's film."""
    made_by: dict[str, list[int]] = {"ann": [], "bob": [], "cid": []}
    for n, (what, who, whom, k) in enumerate(steps):
        theirs = made_by[whom]
        if what == "film":
            job = await film(db, f"{n} {who}", who, f"picture {k}", done=0)  # pictures are shared
            made_by[who].append(job)
        elif what == "child" and theirs:
            made_by[who].append(await film(db, f"{n} {who}", who, f"picture {k}", done=0, parent_id=theirs[-1]))
        elif what == "report" and theirs:
            report, _ = await reports.report(db, theirs[-1], TELEGRAM, who, f"{who} objects")
            if k:
                await reports.resolve(db, report.id, whom)
        elif what == "wish" and theirs:
            await requests.wish(db, theirs[-1], "cancel", who)
        elif what == "letter":
            await inbox.receive(db, TELEGRAM, [(f"1:{n}", who, f"{who} writes")])
        elif what == "question":
            await inbox.ask(db, f"q{n}", TELEGRAM, who, f"chat of {who}", "prompt", {"said": f"{who}?"})
        elif what == "shown" and theirs:
            await canvases.beside(db, theirs[-2:], TELEGRAM, f"chat of {whom}", f"list {n}")
        elif what == "chat":
            await chats.change(db, TELEGRAM, who, sent_ms=[n])
        elif what == "prefer":
            await people.prefer(db, TELEGRAM, who, seconds=float(k))
    for _ in range(4):
        claim = await jobs.claim(db, "w", LEASE_MS)
        if claim:
            await sections.record(db, claim, made(claim.job.done, claim.job.user_id))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
async def test_nothing_of_a_forgotten_person_is_left_and_nothing_of_anybody_else_is_touched(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, str, str, int]]
) -> None:
    async with Database.open(data_dir=ready(tmp_path_factory.mktemp("lived")), clock=Clock()) as db:
        await lived(db, steps)
        before, files = dump(db), await media_keep(db)
        shown = [*before["canvas"], *before["shown"]]
        messages = {row["message_id"] for row in shown if row["chat_id"] == "chat of ann"}
        gone = await people.forget(db, TELEGRAM, "ann")
        after = dump(db)
        assert {row["message_id"] for row in after.pop("removal")} == messages
        assert not says(after, "ann")
        theirs = set(gone.jobs)
        assert theirs == {row["id"] for row in before["job"] if row["user_id"] == "ann"}
        for table, rows in before.items():
            if table in ("removal", "flow", "tick"):  # what was in line is not any more
                continue
            kept = [row for row in rows if not of_ann(table, row, before)]
            assert [untouched(row) for row in after[table]] == [untouched(row) for row in kept], table
        assert set(gone.files) == files - await media_keep(db)  # what others' rows name is still named
        assert (await people.forget(db, TELEGRAM, "ann")).jobs == ()


def of_ann(table: str, row: dict[str, Any], before: dict[str, list[dict[str, Any]]]) -> bool:
    """Whether a row belongs to ann, and not only names her."""
    hers = {job["id"] for job in before["job"] if job["user_id"] == "ann"}
    if table in ("section", "canvas", "shown", "progress", "report"):
        return row["job_id"] in hers
    if table == "chat":
        return bool(row["chat_id"] == "ann")
    return row.get("user_id") == "ann"


def untouched(row: dict[str, Any]) -> dict[str, Any]:
    """A row without what may name somebody else, or refer to their film, or say that this changed."""
    if row.get("user_id") in ("ann", None):  # ann's report about somebody's film stays, without her
        row = {**row, "reason": "", "user_id": None}
    named = ("parent_id", "wish_by", "resolved_by", "revision", "wanted")
    return {name: value for name, value in row.items() if name not in named}


@pytest.mark.parametrize("operator_of", [None, TELEGRAM, Platform.DISCORD])
async def test_a_moderators_name_goes_out_of_the_message_that_shows_it(
    operator_of: Platform | None, db: Database
) -> None:
    job = await film(db, "a", "ann", "a")
    by = operators.who(operator_of or TELEGRAM, "mod")
    ended = await (operators.cancel(db, by, job) if operator_of else requests.wish(db, job, "cancel", "mod"))
    await people.forget(db, operator_of or TELEGRAM, "mod")
    after = await jobs.get(db, job)
    assert (after.state, after.wish_by) == (State.CANCELLED, "")
    assert after.revision > ended.revision


def test_every_table_that_names_a_person_is_known_to_those_who_forget() -> None:
    """Whoever adds a table with people in it has to decide what forgetting means there."""
    decided = {"request", "job", "person", "inbox", "question", "report"}
    decided |= {"ban", "gate", "server_limits", "audit"}
    named = {t.name for t in Base.metadata.sorted_tables if {"user_id", "by", "actor"} & set(t.c.keys())}
    assert named <= decided, f"db/people.py does not know {named - decided}"
