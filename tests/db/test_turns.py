import asyncio
import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from makers import LEASE_MS, PLAN, PLENTY, Clock, ask, made
from sqlalchemy import func, select

from db import flows, jobs, operators, people, requests, sections, turns
from db.connect import Database
from db.errors import DayUsed
from db.models import Flow, Job, Ledger, Platform, Section, State, Tick
from db.turns import BEGUN, EVERY, GAP, STARTED, Line, choose, due, elapse, rank, turn
from tests.ready import ready


def served(line: Line, n: int) -> list[int]:
    """The films of the next n sections."""
    taken = []
    for _ in range(n):
        film = line.take()
        assert film is not None
        taken.append(film)
        line.made(film)
    return taken


def test_a_first_second_never_waits_behind_a_long_film() -> None:
    line = Line()
    line.join(1, 10, 50)
    assert served(line, 5) == [10] * 5
    line.join(2, 20, 2)
    assert served(line, 2) == [20, 20]
    assert served(line, 1) == [10]


def test_twenty_films_of_one_person_do_not_outrank_anothers_first() -> None:
    line = Line()
    for film in range(20):
        line.join(1, film, 10)
    served(line, 6)
    line.join(2, 99, 3)
    assert 99 in served(line, 2)


def test_no_more_than_four_films_of_one_person_wait_to_go_on() -> None:
    line = Line()
    for film in range(9):
        line.join(1, film, 3)
    begun: set[int] = set()
    for _ in range(27):
        begun |= set(served(line, 1))
        assert len(begun & line.films.keys()) <= BEGUN + 1
    assert line.take() is None


def test_weight_is_a_share_of_the_turns() -> None:
    line = Line()
    line.join(1, 10, 900, weight=1.0)
    line.join(2, 20, 900, weight=3.0)
    got = served(line, 600)
    finished_first = got.count(20) / len(got)
    assert finished_first > 0.6  # the film of the heavier one is due long before


def test_what_an_operator_puts_first_is_first_whoever_waits() -> None:
    hurried = turn(1e6, 1.0, rank(3, 900, hurried=True))
    assert hurried < turn(0.0, 100.0, rank(0, 1))
    assert choose([(rank(3, 9, hurried=True), 7)], [(STARTED, n) for n in range(BEGUN)]) == (
        rank(3, 9, hurried=True),
        7,
    )


def test_a_rank_says_what_is_due() -> None:
    assert [due(rank(0, 9)), due(rank(1, 9)), due(rank(8, 9)), due(rank(2, 9, hurried=True))] == [0, 8, 1, 7]


@given(
    now=st.floats(0, 100),
    flow=st.lists(st.tuples(st.floats(0.01, 50), st.floats(0.1, 10)), min_size=1, max_size=6),
    sections=st.floats(0.01, 30),
)
def test_virtual_time_serves_exactly_what_was_served(
    now: float, flow: list[tuple[float, float]], sections: float
) -> None:
    leaving = sorted((now + last, weight) for last, weight in flow)
    after, weight, left = elapse(now, sum(w for _, w in flow), sections, leaving)
    got = sum(w * (min(last, after) - now) for last, w in leaving)
    assert got == pytest.approx(sections - left, rel=1e-6, abs=1e-6)
    # Who leaves at that very moment may be counted or not: a last bit decides it, and a moment later nothing does.
    least, most = (sum(w for last, w in leaving if last > after + edge) for edge in (1e-6, -1e-6))
    assert least - 1e-6 <= weight <= most + 1e-6
    assert left == pytest.approx(0, abs=1e-9) or after >= leaving[-1][0]


USERS = ("ann", "bob", "cem")
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), st.sampled_from(USERS), st.integers(1, 5)),
        st.tuples(st.just("work"), st.integers(1, 3), st.none()),
        st.tuples(st.sampled_from(["cancel", "hurry", "crash", "later", "forget"]), st.integers(0, 9), st.none()),
        st.tuples(st.sampled_from(["take back", "forget at work"]), st.sampled_from([0, 300, 5000]), st.none()),
        st.tuples(st.sampled_from(["pause", "resume"]), st.sampled_from(["one", "all"]), st.none()),
        st.tuples(st.just("model"), st.sampled_from(["tiny@1", "tiny@2"]), st.none()),
    ),
    max_size=25,
)


@settings(max_examples=12, deadline=None)
@given(steps=STEPS)
def test_whatever_happens_the_line_is_what_its_rows_say(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, Any, Any]]
) -> None:
    """After every step: each job's rank and each flow's head, turn and service are those of their rows; the weight of
    virtual time is that of the flows before their end; the ledger holds what the sections took, and what was taken
    back of them."""

    async def live() -> None:
        clock = Clock()
        async with Database.open(data_dir=ready(tmp_path_factory.mktemp("line")), clock=clock, steady=clock) as db:
            for n, step in enumerate(steps):
                await happen(db, clock, n, *step)
                await check(db)

    asyncio.run(live())


async def happen(db: Database, clock: Clock, n: int, what: str, of: Any, sections_: Any) -> None:
    every = await jobs.recent(db, 99)
    if what == "ask":
        where: dict[str, Any] = {"server_id": "one"} if n % 2 else {}
        where["plan"] = {**PLAN, "model": "tiny@2" if n % 5 < 2 else "tiny@1"}
        await requests.submit(db, ask(f"{n}", sections=sections_, user_id=of, weight=1.0 + n % 3, **where), PLENTY)
    elif what == "work":
        for _ in range(of):
            if claim := await jobs.claim(db, "w", LEASE_MS):
                await sections.record(db, claim, made(claim.job.done, f"{claim.job.id}"))
    elif what == "pause":
        await operators.pause(db, "terminal", scope=of)
    elif what == "resume":
        await operators.resume(db, "terminal", scope=of)
    elif what == "model":
        await jobs.run_model(db, of)
        for job in await jobs.open_jobs(db):
            assert (job.reason == "other_model") == (job.plan["model"] != of)
    elif what == "crash" and (claim := await jobs.claim(db, "w", LEASE_MS)):
        await jobs.release(db, claim, crashed=True)
    elif what == "later" and (claim := await jobs.claim(db, "w", LEASE_MS)):
        await jobs.release(db, claim, retry_in_ms=5)
        clock.forward(of)
    elif what in ("take back", "forget at work"):
        if claim := await jobs.claim(db, "w", LEASE_MS):
            clock.forward(of)
            if what == "take back":
                await requests.wish(db, claim.job.id, "cancel", claim.job.user_id)
                await jobs.end(db, claim, State.CANCELLED)
            else:
                await people.forget_job(db, claim.job.id)
    elif every:
        job = every[of % len(every)]
        if what == "cancel":
            await operators.cancel(db, "terminal", job.id)
        elif what == "hurry":
            await operators.prioritise(db, "terminal", job.id)
        elif what == "forget":
            await people.forget(db, Platform.PAGE, job.user_id)


async def check(db: Database) -> None:
    with db.reading() as tx:
        tick = tx.execute(select(Tick.time, Tick.weight, Tick.sections, Tick.gpu_ms)).one()
        gates = operators.find_state(tx, "one")
        paused_one = gates.paused and not flows.paused(tx)
        for flow in tx.execute(select(Flow.__table__)).all():
            theirs = tx.execute(select(Job.__table__).where(Job.flow_id == flow.id)).all()
            ranks = []
            for job in theirs:
                ready = job.state == "queued" and job.not_before_ms == 0 and job.reason != "other_model"
                if job.server_id != "one" or not paused_one:
                    expected = rank(job.done, job.sections, job.hurried) if ready else None
                    assert job.rank == expected or (job.server_id == "one" and job.rank is None)
                if job.rank is not None:
                    ranks.append((job.rank, job.id))
            ranks.sort()
            head = choose([r for r in ranks if r[0] < STARTED], [r for r in ranks if r[0] >= STARTED])
            assert (flow.head, flow.turn) == (
                (None, None) if head is None else (head[1], turn(flow.served, flow.weight, head[0]))
            )
        weight = tx.scalar(select(func.coalesce(func.sum(Flow.weight), 0.0)).where(Flow.last > tick.time))
        assert tick.weight == pytest.approx(weight, abs=1e-6)
        assert (tx.scalar(select(func.count()).select_from(Ledger)) or 0) >= tick.sections
        kept = tx.scalar(select(func.coalesce(func.sum(Section.gpu_ms), 0)))
        spent = tx.scalar(select(func.coalesce(func.sum(Ledger.gpu_ms), 0)))
        assert kept is not None and spent is not None and kept <= spent == tick.gpu_ms


async def work(db: Database, clock: Clock) -> str:
    """Make the next section; returns whose it was."""
    claim = await jobs.claim(db, "w", LEASE_MS)
    assert claim is not None
    clock.forward(1000)
    await sections.record(db, claim, made(claim.job.done, f"{claim.job.id}"))
    return claim.job.user_id


@pytest.mark.parametrize("how", ["cancel", "stop", "delete"])
@pytest.mark.parametrize("paced", [True, False])
async def test_who_always_takes_back_their_section_has_no_more_turns_than_others(
    db: Database, clock: Clock, how: str, paced: bool
) -> None:
    if paced:
        await requests.submit(db, ask("pace", user_id="dan", sections=1), PLENTY)
        assert await work(db, clock) == "dan"
    for user in ("mallory", "bob", "carol"):
        await requests.submit(db, ask(user, user_id=user, sections=4), PLENTY)
    had = []
    for n in range(12):
        claim = await jobs.claim(db, "w", LEASE_MS)
        assert claim is not None
        had.append(claim.job.user_id)
        clock.forward(1000)
        if claim.job.user_id != "mallory":
            await sections.record(db, claim, made(claim.job.done, f"{claim.job.id}"))
            continue
        if how == "delete":
            await people.forget_job(db, claim.job.id)
        else:
            await requests.wish(db, claim.job.id, "cancel" if how == "cancel" else "stop", "mallory")
            await jobs.end(db, claim, State.CANCELLED)
        await requests.submit(db, ask(f"again {n}", user_id="mallory", sections=4), PLENTY)
    assert had.count("mallory") <= 5 and set(had[1:3]) == {"bob", "carol"}


async def test_what_was_taken_back_counts_by_the_share_of_it_that_was_made(db: Database, clock: Clock) -> None:
    limits = replace(PLENTY, gpu_seconds_per_day=2)
    await requests.submit(db, ask("pace", user_id="dan", sections=1), PLENTY)
    await work(db, clock)
    for n, (ms, used) in enumerate([(250, 250), (0, 250), (9000, 1250), (500, 1750)]):
        await requests.submit(db, ask(f"{n}", sections=4), limits)
        claim = await jobs.claim(db, "w", LEASE_MS)
        assert claim is not None
        clock.forward(ms)
        await jobs.end(db, claim, State.CANCELLED)
        with db.reading() as tx:
            name = flows.who(Platform.PAGE, "ann")
            assert sum(each for _, each in flows.used_ms(tx, name, 0, clock())) == used
            served, time = tx.scalar(select(Flow.served).where(Flow.who == name)), tx.scalar(select(Tick.time))
            assert served == time == pytest.approx(1 + used / 1000)
    await requests.submit(db, ask("more", sections=1), limits)
    await work(db, clock)
    with pytest.raises(DayUsed):
        await requests.submit(db, ask("too much"), limits)


@pytest.mark.parametrize("trouble", ["crash", "given back", "failed", "lease", "restart", "abandoned"])
async def test_what_a_trouble_of_ours_ends_costs_nobody_anything(db: Database, clock: Clock, trouble: str) -> None:
    await requests.submit(db, ask(sections=4), PLENTY)
    claim = await jobs.claim(db, "w", LEASE_MS)
    assert claim is not None
    clock.forward(1000)
    if trouble == "crash":
        await jobs.release(db, claim, crashed=True)
    elif trouble == "given back":
        await requests.wish(db, claim.job.id, "cancel", "ann")
        await jobs.release(db, claim)
    elif trouble == "failed":
        await jobs.fail(db, claim, "internal", {})
    elif trouble == "lease":
        clock.forward(2 * LEASE_MS)
        await jobs.claim(db, "w", LEASE_MS)
    elif trouble == "restart":
        await jobs.recover(db, "w")
    else:
        await jobs.abandon(db, "w")
    with db.reading() as tx:
        assert tx.scalar(select(Flow.served)) == 0.0
        assert tx.execute(select(Tick.time, Tick.gpu_ms)).one() == (0.0, 0)
        assert flows.used_ms(tx, flows.who(Platform.PAGE, "ann"), 0, clock()) == []


def test_a_long_film_goes_on_now_and_then_though_shorter_ones_always_come() -> None:
    line = Line()
    line.join(1, 10, 200)
    assert served(line, 1) == [10]
    for film in range(60):
        line.join(2 + film % 2, 100 + film, 3)
    turns_of_it = [n for n, film in enumerate(served(line, 180), start=1) if film == 10]
    assert turns_of_it and all(n % EVERY == 0 for n in turns_of_it)
    assert all(later - earlier > GAP for earlier, later in zip([0, *turns_of_it], turns_of_it, strict=False))


def test_who_had_their_share_gets_no_turn_for_having_waited_long() -> None:
    line = Line()
    line.join(1, 10, 200)
    assert served(line, 1) == [10]
    for film in range(40):
        line.join(1, 100 + film, 2)
    line.join(2, 20, 80)
    assert 10 not in served(line, 81)


def test_when_one_that_has_waited_long_had_its_turn_the_others_of_its_flow_go_on_in_their_order() -> None:
    left = [2, 3, 11, 8, 4, 12]  # sections, of films that go on with others: as many as they are, they are begun
    line = Line(count=EVERY * GAP)
    line.flow(1, flow=turns.Flow())
    for film, sections_ in enumerate(left):
        line.hold(1, film, 1, 1 + sections_, since=0 if film == 1 else line.count)
    line.settle(1)
    assert [line.take() for _ in left] == [1, 0, 4, 3, 2, 5]


@pytest.mark.parametrize(("gap", "every"), [(GAP, EVERY), (4, 2)])
async def test_the_service_takes_the_very_turns_of_the_line_in_memory(
    db: Database, monkeypatch: pytest.MonkeyPatch, gap: int, every: int
) -> None:
    """A random community, once through the rows and once through `turns.Line`: the same film has every turn."""
    monkeypatch.setattr(turns, "GAP", gap)
    monkeypatch.setattr(turns, "EVERY", every)
    drawn = random.Random(3)
    line = Line()
    flow: dict[int, int] = {}  # numbered as they come, for of two that are due at once the older has its turn
    for n in range(90):
        if drawn.random() < 0.4 or not line.films:
            user, length = drawn.randrange(5), drawn.randint(1, 6)
            job = await requests.submit(db, ask(f"{n}", sections=length, user_id=f"{user}"), PLENTY)
            line.join(flow.setdefault(user, len(flow)), job.id, length)
        claim = await jobs.claim(db, "w", LEASE_MS)
        assert claim and claim.job.id == line.take()
        await sections.record(db, claim, made(claim.job.done, f"{claim.job.id}"))
        line.made(claim.job.id)


@pytest.mark.parametrize("asked", ["before", "meanwhile"])
async def test_nobody_saves_up_turns_while_their_server_is_paused(db: Database, clock: Clock, asked: str) -> None:
    await requests.submit(db, ask("long", user_id="bob", sections=200), PLENTY)
    if asked == "before":
        await requests.submit(db, ask("alice", user_id="alice", server_id="one", sections=4), PLENTY)
    await operators.pause(db, "terminal", scope="one")
    if asked == "meanwhile":
        await requests.submit(db, ask("alice", user_id="alice", server_id="one", sections=4), PLENTY)
    for _ in range(60):
        assert await work(db, clock) == "bob"
    await operators.resume(db, "terminal", scope="one")
    for n in range(20):
        await requests.submit(db, ask(f"{n}", user_id="alice", server_id="one", sections=4), PLENTY)
    await requests.submit(db, ask("carol", user_id="carol", sections=4), PLENTY)
    assert "carol" in [await work(db, clock) for _ in range(4)]


async def test_who_asks_elsewhere_while_their_server_is_paused_begins_at_now(db: Database, clock: Clock) -> None:
    await requests.submit(db, ask("long", user_id="bob", sections=200), PLENTY)
    await requests.submit(db, ask("there", user_id="alice", server_id="one", sections=4), PLENTY)
    await operators.pause(db, "terminal", scope="one")
    for _ in range(60):
        await work(db, clock)
    for n in range(20):
        await requests.submit(db, ask(f"{n}", user_id="alice", sections=4), PLENTY)
    await requests.submit(db, ask("carol", user_id="carol", sections=4), PLENTY)
    assert "carol" in [await work(db, clock) for _ in range(4)]


@pytest.mark.parametrize("why", ["put off", "at work", "elsewhere"])
async def test_who_waits_for_us_or_in_another_server_keeps_what_is_due_to_them(
    db: Database, clock: Clock, why: str
) -> None:
    """Served less than others so far, and a trouble of ours or the pause of one of their servers: they lose nothing."""
    await requests.submit(db, ask("alice", user_id="alice", server_id="one", sections=90), PLENTY)
    if why == "elsewhere":
        await requests.submit(db, ask("else", user_id="alice", server_id="two", sections=90), PLENTY)
    claim = await jobs.claim(db, "w", LEASE_MS)
    assert claim and claim.job.user_id == "alice"
    if why != "at work":
        await sections.record(db, claim, made(0, "alice"))
    for n in range(30):
        await requests.submit(db, ask(f"{n}", user_id=f"{n}", sections=1), PLENTY)
        await work(db, clock)
    before = served_of(db, "alice")
    if why == "put off":
        claim = await jobs.claim(db, "w", LEASE_MS)
        assert claim is not None
        await jobs.release(db, claim, retry_in_ms=5)
        await requests.submit(db, ask("other", user_id="other", sections=1), PLENTY)
        await work(db, clock)
        clock.forward(5)
    else:
        await operators.pause(db, "terminal", scope="one")
        await operators.resume(db, "terminal", scope="one")
    await requests.submit(db, ask("more", user_id="alice", sections=9), PLENTY)
    with db.reading() as tx:
        assert served_of(db, "alice") == before < (tx.scalar(select(Tick.time)) or 0.0)


def served_of(db: Database, user: str) -> float:
    with db.reading() as tx:
        return tx.scalar(select(Flow.served).where(Flow.who == flows.who(Platform.PAGE, user))) or 0.0
