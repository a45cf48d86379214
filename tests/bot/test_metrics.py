from pathlib import Path

import pytest
from aiohttp import ClientSession
from prometheus_client.parser import text_string_to_metric_families

from bot.errors import Refused
from bot.metrics import Metrics
from db import absences, jobs, operators, requests, sections
from db.config import ServiceConfig
from db.connect import Database
from db.errors import ConfigError
from db.models import Platform
from db.requests import Ask, Limits
from db.sections import Made
from tests.ready import ready

PLAN = {"model": "still@1", "width": 96, "height": 64, "steps": 2}


async def test_prometheus_reads_the_queue_in_numbers_and_nothing_of_people(tmp_path: Path) -> None:
    async with Database.open(data_dir=ready(tmp_path)) as db:
        for key in "ab":
            ask = Ask(
                key=key, platform=Platform.PAGE, user_id="secret-ann", chat_id="page", locale="en", picture="0" * 64,
                prompt="secret text", settings={}, plan=PLAN, sections=3,
            )  # fmt: skip
            await requests.submit(db, ask, Limits(queued_per_user=9, queued_per_chat=9, queued_in_all=9))
        claim = await jobs.claim(db, "w", 60_000)
        assert claim
        times = {"sampling_ms": 1500, "decode_ms": 400, "encode_ms": 100}
        await sections.record(
            db, claim, Made(n=0, latents="1" * 64, clip=None, tail=None, film="2" * 64, frames=1, **times)
        )
        await operators.pause(db, "terminal")
        await absences.goes(db, "home:1", "hours", {}, None)
        metrics = Metrics(db, "127.0.0.1", 0)
        url = await metrics.start()
        async with ClientSession() as session, session.get(url) as response:
            text = await response.text()
        await metrics.stop()
    found = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert found[("flipbot_jobs", "queued")] == 2
    assert found[("flipbot_jobs", "done")] == 0
    assert found[("flipbot_sections_waiting",)] == 5
    assert found[("flipbot_people_waiting",)] == 1
    assert found[("flipbot_paused",)] == found[("flipbot_away",)] == 1
    assert found[("flipbot_sections_total",)] == 1
    assert found[("flipbot_gpu_seconds_total",)] == pytest.approx(1.9)
    assert found[("flipbot_section_seconds", "still@1 96x64 2")] == pytest.approx(2.0)
    assert "secret" not in text


async def test_a_port_that_is_taken_is_one_sentence(tmp_path: Path) -> None:
    async with Database.open(data_dir=ready(tmp_path)) as db:
        first = Metrics(db, "127.0.0.1", 0)
        port = int((await first.start()).split(":")[2].split("/")[0])
        with pytest.raises(Refused) as refused:
            await Metrics(db, "127.0.0.1", port).start()
        assert refused.value.key == "refused.metrics"
        await first.stop()


def test_where_metrics_are_is_a_host_and_a_port() -> None:
    assert ServiceConfig().metrics_at() is None
    assert ServiceConfig(metrics="127.0.0.1:9108").metrics_at() == ("127.0.0.1", 9108)
    assert ServiceConfig(metrics="[::1]:0").metrics_at() == ("::1", 0)
    for wrong in ("9108", ":9108", "host", "host:", "host:x", "host:70000"):
        with pytest.raises(ConfigError, match='expected "HOST:PORT"'):
            ServiceConfig(metrics=wrong).metrics_at()
