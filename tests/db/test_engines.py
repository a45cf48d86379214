"""What computes, as the rows know it."""

from makers import Clock

from db import engines
from db.connect import Database

PLAN = {"precision": "bf16", "parts": {"blocks": 7}}


async def test_a_machine_that_begins_has_nothing_loaded_and_what_gave_its_memory_back_says_when(
    db: Database, clock: Clock
) -> None:
    for name in ("home cuda:0", "home cuda:1", "homestead cpu"):
        await engines.loaded(db, name, "framepack", PLAN)
    clock.forward(1000)
    await engines.freed(db, "home cuda:1")
    freed = {each.name: each.freed_ms for each in await engines.all_of(db)}
    assert freed == {"home cuda:0": None, "home cuda:1": db.now(), "homestead cpu": None}
    clock.forward(1000)
    await engines.begins(db, "home")
    freed = {each.name: each.freed_ms for each in await engines.all_of(db)}
    assert freed == {"home cuda:0": db.now() - 2000, "home cuda:1": db.now() - 1000, "homestead cpu": None}
    await engines.loaded(db, "home cuda:1", "framepack", PLAN)
    assert (await engines.all_of(db))[0].freed_ms is None


async def test_the_most_that_was_seen_is_kept_until_a_model_is_loaded_again(db: Database, clock: Clock) -> None:
    await engines.loaded(db, "home cuda", "framepack", PLAN)
    for vram, ram in ((5, 3), (4, 9)):
        await engines.took(db, "home cuda", vram, ram)
    clock.forward(1000)
    await engines.loaded(db, "attic cpu", "tiny", PLAN)
    attic, home = await engines.all_of(db)
    assert (attic.name, attic.ram) == ("attic cpu", 0)
    assert (home.name, home.plan, home.vram, home.ram) == ("home cuda", PLAN, 5, 9)
    clock.forward(1000)
    await engines.loaded(db, "home cuda", "tiny", PLAN)
    home, attic = await engines.all_of(db)
    assert (home.model, home.vram, home.ram) == ("tiny", 0, 0)
    clock.forward(engines.KEPT_MS)
    assert await engines.all_of(db) == []
