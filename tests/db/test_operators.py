import pytest
from makers import LEASE_MS, PLENTY, Clock, ask, made

from db import jobs, operators, people, requests, sections
from db.connect import Database
from db.errors import Banned, DayUsed, Draining, Duplicate, NoSuchJob, TooSoon
from db.models import Platform, State
from db.operators import OwnLimits
from db.requests import DAY_MS, TWIN_MS, Limits, free_at

HOUR_MS = 3_600_000
OPEN = {"queued_per_user": 99, "queued_per_chat": 99, "queued_in_all": 99}


async def deeds(db: Database) -> list[tuple[str, str, str, str, str]]:
    return [(d.by, d.action, d.scope, d.target, d.reason) for d in reversed(await operators.audit(db))]


async def test_while_paused_nothing_is_claimed_and_the_section_under_way_is_finished(db: Database) -> None:
    await requests.submit(db, ask(), PLENTY)
    claim = await jobs.claim(db, "w", LEASE_MS)
    assert claim
    await operators.pause(db, "terminal", "the card is too hot")
    assert (await operators.state(db)).reason == "the card is too hot"
    assert (await sections.record(db, claim, made(0))).job.done == 1
    assert await jobs.claim(db, "w", LEASE_MS) is None
    assert (await requests.submit(db, ask("b"), PLENTY)).state == State.QUEUED  # it may come into line
    await operators.resume(db, "terminal")
    assert await jobs.claim(db, "w", LEASE_MS)
    assert await deeds(db) == [
        ("terminal", "pause", "all", "", "the card is too hot"),
        ("terminal", "resume", "all", "", ""),
    ]


async def test_a_paused_server_lets_the_others_through(db: Database) -> None:
    here = await requests.submit(db, ask("a", server_id="one"), PLENTY)
    there = await requests.submit(db, ask("b", server_id="two"), PLENTY)
    await operators.pause(db, "discord:1", scope="one")
    late = await requests.submit(db, ask("c", server_id="one"), PLENTY)
    assert (await operators.state(db, "one")).paused and not (await operators.state(db, "two")).paused
    claim = await jobs.claim(db, "w", LEASE_MS)
    assert claim and claim.job.id == there.id
    assert await jobs.claim(db, "w", LEASE_MS) is None
    await operators.resume(db, "discord:1", scope="one")
    assert {(await jobs.claim(db, f"{n}", LEASE_MS)).job.id for n in range(2)} == {here.id, late.id}  # type: ignore[union-attr]


async def test_while_draining_nothing_is_taken_in_and_the_line_is_finished(db: Database) -> None:
    await requests.submit(db, ask("a", sections=1), PLENTY)
    await operators.drain(db, "terminal", "moving house")
    with pytest.raises(Draining, match="moving house"):
        await requests.submit(db, ask("b"), PLENTY)
    assert await requests.submit(db, ask("a"), PLENTY)  # it is in already
    claim = await jobs.claim(db, "w", LEASE_MS)
    assert claim and (await sections.record(db, claim, made(0))).job.state == State.DONE
    await operators.resume(db, "terminal")
    await requests.submit(db, ask("b"), PLENTY)


async def test_what_closes_more_without_a_reason_keeps_the_one_that_was_given(db: Database) -> None:
    await operators.pause(db, "terminal", "too hot")
    await operators.drain(db, "terminal")
    state = await operators.state(db)
    assert (state.kind, state.reason) == ("shut", "too hot")
    await operators.drain(db, "terminal", "moving house")
    assert (await operators.state(db)).reason == "moving house"
    await operators.resume(db, "terminal")
    await operators.drain(db, "terminal")
    state = await operators.state(db)
    assert (state.kind, state.reason) == ("draining", "")


async def test_the_servers_that_are_closed_are_listed_the_last_first(db: Database, clock: Clock) -> None:
    await operators.pause(db, "terminal", "for all")
    for server in ("one", "two", "three"):
        clock.forward(1)
        await operators.drain(db, "terminal", server, scope=server)
    await operators.resume(db, "terminal", scope="two")
    found = await operators.gates(db)
    assert [(server, gate.kind, gate.reason) for server, gate in found.items()] == [
        ("three", "draining", "three"),
        ("one", "draining", "one"),
    ]


async def test_what_an_operator_puts_first_has_every_turn_until_it_is_finished(db: Database) -> None:
    for key in "abc":
        await requests.submit(db, ask(key, user_id=key, sections=2), PLENTY)
    last = await requests.submit(db, ask("d", user_id="a", sections=5), PLENTY)
    assert (await operators.prioritise(db, "discord:9", last.id)).hurried
    for n in range(5):
        claim = await jobs.claim(db, "w", LEASE_MS)
        assert claim and claim.job.id == last.id
        await sections.record(db, claim, made(n))
    assert await deeds(db) == [("discord:9", "prioritise", "all", f"{last.id}", "")]
    with pytest.raises(NoSuchJob):
        await operators.prioritise(db, "discord:9", 99)


async def test_an_operator_cancels_anybodys_film(db: Database) -> None:
    job = await requests.submit(db, ask(), PLENTY)
    ended = await operators.cancel(db, "discord:9", job.id, "not here")
    assert (ended.state, ended.wish_by) == (State.CANCELLED, "discord:9")
    await operators.cancel(db, "discord:9", job.id)
    assert await deeds(db) == [("discord:9", "cancel", "all", f"{job.id}", "not here")]


async def test_a_film_that_is_done_is_not_cancelled(db: Database) -> None:
    await requests.submit(db, ask(sections=1), PLENTY)
    claim = await jobs.claim(db, "w", LEASE_MS)
    assert claim
    done = (await sections.record(db, claim, made(0))).job
    assert await operators.cancel(db, "discord:9", done.id) == done
    assert await jobs.get(db, done.id) == done and await deeds(db) == []


async def test_a_ban_says_until_when_and_why_and_ends_by_itself(db: Database, clock: Clock) -> None:
    until = clock.ms + HOUR_MS
    await operators.ban(db, "discord:9", Platform.PAGE, "ann", until, "spam")
    with pytest.raises(Banned, match="spam") as refused:
        await requests.submit(db, ask(), PLENTY)
    assert refused.value.until_ms == until
    await requests.submit(db, ask("b", user_id="bob"), PLENTY)
    clock.forward(HOUR_MS)
    await requests.submit(db, ask(), PLENTY)
    assert await operators.bans(db) == []


async def test_a_ban_of_one_server_holds_there_alone_and_can_be_lifted(db: Database) -> None:
    await operators.ban(db, "discord:9", Platform.DISCORD, "ann", None, "", "one")
    here = {"platform": Platform.DISCORD, "server_id": "one"}
    with pytest.raises(Banned):
        await requests.submit(db, ask("a", **here), PLENTY)
    await requests.submit(db, ask("a", **here | {"server_id": "two"}), PLENTY)
    assert await operators.unban(db, "discord:9", Platform.DISCORD, "ann", "one")
    assert not await operators.unban(db, "discord:9", Platform.DISCORD, "ann", "one")
    await requests.submit(db, ask("b", **here), PLENTY)
    assert [deed[1:4] for deed in await deeds(db)] == [("ban", "one", "discord:ann"), ("unban", "one", "discord:ann")]


async def test_bans_are_listed_the_newest_first(db: Database) -> None:
    for user in ("ann", "bob", "cem"):
        await operators.ban(db, "terminal", Platform.PAGE, user, scope="one" if user == "bob" else "all")
    assert [ban.user_id for ban in await operators.bans(db)] == ["cem", "bob", "ann"]
    assert [ban.user_id for ban in await operators.bans(db, "all")] == ["cem", "ann"]


async def test_a_ban_outlives_that_somebody_is_forgotten_and_their_name_goes_out_of_the_audit(db: Database) -> None:
    for user in ("ann", "bob"):
        await operators.ban(db, "page:mod", Platform.PAGE, user, None)
    await people.forget(db, Platform.PAGE, "ann")
    assert [deed[0::3] for deed in await deeds(db)] == [("page:mod", ""), ("page:mod", "page:bob")]
    await people.forget(db, Platform.PAGE, "mod")
    assert await operators.banned(db, Platform.PAGE, "ann")
    assert await deeds(db) == [("", "ban", "all", "", ""), ("", "ban", "all", "page:bob", "")]


async def test_a_days_gpu_time_is_a_sum_that_no_forgetting_resets(db: Database, clock: Clock) -> None:
    limits = Limits(**OPEN, gpu_seconds_per_day=2)
    job = await requests.submit(db, ask("a"), limits)
    first = clock.ms
    for n in range(3):  # 0.9 s each
        claim = await jobs.claim(db, "w", LEASE_MS)
        assert claim
        await sections.record(db, claim, made(n))
        clock.forward(1000)
    with pytest.raises(DayUsed) as refused:
        await requests.submit(db, ask("b"), limits)
    assert refused.value.facts == {"got_s": 2, "limit_s": 2, "until_ms": first + DAY_MS}
    await people.forget_job(db, job.id)
    with pytest.raises(DayUsed):
        await requests.submit(db, ask("b"), limits)
    await requests.submit(db, ask("c", user_id="bob"), limits)
    clock.forward(first + DAY_MS - clock.ms)
    await requests.submit(db, ask("b"), limits)


def test_a_day_is_free_again_when_enough_of_it_is_a_day_old() -> None:
    assert free_at([], 10) is None
    assert free_at([(1, 4), (2, 5)], 10) is None
    assert free_at([(1, 4), (2, 6)], 10) == 1 + DAY_MS
    assert free_at([(1, 4), (2, 6), (3, 9)], 10) == 2 + DAY_MS


async def test_between_two_films_of_one_person_lies_the_cooldown(db: Database, clock: Clock) -> None:
    limits = Limits(**OPEN, cooldown_s=60)
    await requests.submit(db, ask("a"), limits)
    clock.forward(59_999)
    with pytest.raises(TooSoon) as refused:
        await requests.submit(db, ask("b"), limits)
    assert refused.value.until_ms == clock.ms + 1
    await requests.submit(db, ask("c", user_id="bob"), limits)
    clock.forward(1)
    await requests.submit(db, ask("b"), limits)


async def test_what_a_clock_that_was_ahead_wrote_down_limits_nobody(db: Database, clock: Clock) -> None:
    limits = Limits(**OPEN, gpu_seconds_per_day=1, cooldown_s=60)
    clock.forward(9 * DAY_MS)
    await requests.submit(db, ask("a", seeded=True), limits)
    for n in range(2):
        claim = await jobs.claim(db, "w", LEASE_MS)
        assert claim
        await sections.record(db, claim, made(n))
    with pytest.raises(TooSoon):
        await requests.submit(db, ask("b"), limits)
    with pytest.raises(Duplicate):
        await requests.submit(db, ask("b", seeded=True), PLENTY)
    clock.forward(-9 * DAY_MS)
    await requests.submit(db, ask("b", seeded=True), limits)
    with pytest.raises(TooSoon):
        await requests.submit(db, ask("c"), limits)


async def test_the_very_same_film_is_made_once_within_ten_minutes(db: Database, clock: Clock) -> None:
    first = await requests.submit(db, ask("a", seeded=True), PLENTY)
    with pytest.raises(Duplicate) as refused:
        await requests.submit(db, ask("b", seeded=True), PLENTY)
    assert refused.value.job == first.id
    await requests.submit(db, ask("c"), PLENTY)  # its seed was drawn: two that are alike are no mistake
    await requests.submit(db, ask("d", seeded=True, prompt="day breaks"), PLENTY)
    await requests.submit(db, ask("e", seeded=True, user_id="bob"), PLENTY)
    clock.forward(TWIN_MS)
    again = await requests.submit(db, ask("f", seeded=True), PLENTY)
    await requests.wish(db, again.id, "cancel", "ann")
    await requests.submit(db, ask("g", seeded=True), PLENTY)  # of what was cancelled nothing will come


async def test_a_servers_limits_are_kept_and_a_wrong_name_is_refused(db: Database) -> None:
    assert await operators.server_limits(db, "one") == OwnLimits(server={})
    await operators.limit_server(db, "discord:9", "one", {"queued_per_user": 2, "cooldown_s": 30})
    await operators.limit_server(db, "discord:9", "one", {"cooldown_s": 60})
    assert await operators.server_limits(db, "one") == OwnLimits(server={"cooldown_s": 60})
    await operators.limit_server(db, "me", "one", {"queued_per_user": 3}, role="77")
    theirs = await operators.server_limits(db, "one", ("77", "78"))
    assert theirs == OwnLimits(server={"cooldown_s": 60}, roles=({"queued_per_user": 3},))
    with pytest.raises(ValueError, match="not queued_in_all"):
        await operators.limit_server(db, "discord:9", "one", {"queued_in_all": 1})
    with pytest.raises(ValueError, match="from 0 on; not cooldown_s"):
        await operators.limit_server(db, "discord:9", "one", {"queued_per_user": 0, "cooldown_s": -1})
    assert [deed[1:4] for deed in await deeds(db)] == [
        ("limits", "one", ""),
        ("limits", "one", ""),
        ("limits", "one", "77"),
    ]


async def test_what_no_limit_needs_is_tidied_away(db: Database, clock: Clock) -> None:
    await requests.submit(db, ask("a", sections=1), PLENTY)
    claim = await jobs.claim(db, "w", LEASE_MS)
    assert claim
    await sections.record(db, claim, made(0))
    await operators.ban(db, "terminal", Platform.PAGE, "bob", clock.ms + 1)
    await requests.tidy(db)
    assert await rows_of(db) == (1, 1, 1)
    clock.forward(DAY_MS)
    await requests.tidy(db)
    assert await rows_of(db) == (0, 0, 0)


async def rows_of(db: Database) -> tuple[int, ...]:
    from sqlalchemy import func, select

    from db.models import Ban, Flow, Ledger

    with db.reading() as tx:
        counts = [tx.scalar(select(func.count()).select_from(table)) for table in (Flow, Ledger, Ban)]
    return tuple(count or 0 for count in counts)
