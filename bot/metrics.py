"""What Prometheus may know of the queue: read from the rows at each scrape, with no names, prompts or ids of people."""

import logging
from typing import Final

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, generate_latest

from bot.errors import Refused
from db import jobs
from db.connect import Database
from db.models import State
from db.rows import Numbers

log = logging.getLogger("flipbot.metrics")

PATH: Final = "/metrics"


def exposition(numbers: Numbers) -> bytes:
    """The numbers in Prometheus's text format."""
    registry = CollectorRegistry()

    def gauge(name: str, says: str, value: float) -> None:
        Gauge(f"flipbot_{name}", says, registry=registry).set(value)

    by_state = Gauge("flipbot_jobs", "Jobs by state.", ["state"], registry=registry)
    for state in State:
        by_state.labels(state.value).set(numbers.jobs.get(state.value, 0))
    gauge("sections_waiting", "Sections of open jobs that are not made yet.", numbers.sections_left)
    gauge("people_waiting", "People who have a job that can have a turn.", numbers.people)
    gauge("oldest_first_second_seconds", "How long the oldest job without a first second waits.", numbers.oldest_s)
    gauge("paused", "1 while an operator paused everything.", numbers.paused)
    gauge("away", "1 while no machine makes films: it is not the hour, or each is at something else.", numbers.away)
    gauge("draining", "1 while nothing is taken in.", numbers.draining)
    pace = Gauge("flipbot_section_seconds", "Of the last nine sections, the median.", ["shape"], registry=registry)
    for shape, ms in numbers.pace_ms.items():
        pace.labels(shape).set(ms / 1000)
    for name, says, total in (
        ("sections", "Sections made.", numbers.sections_made),
        ("gpu_seconds", "GPU time of sections made, and of those taken back.", numbers.gpu_ms / 1000),
    ):
        Counter(f"flipbot_{name}", says, registry=registry).inc(total)
    return generate_latest(registry)


class Metrics:
    """Serves them at http://host:port/metrics."""

    def __init__(self, db: Database, host: str, port: int) -> None:
        self.db, self.host, self.port = db, host, port
        app = web.Application()
        app.add_routes([web.get(PATH, self._scrape)])
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)

    async def start(self) -> str:
        """Serve from now on; returns the address. raises: Refused, where the port is taken."""
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self.host, self.port).start()
        except OSError as error:
            await self._runner.cleanup()
            raise Refused("refused.metrics", host=self.host, port=self.port) from error
        host, port = self._runner.addresses[0][:2]
        log.info("metrics at http://%s:%d%s", host, port, PATH)
        return f"http://{f'[{host}]' if ':' in host else host}:{port}{PATH}"

    async def stop(self) -> None:
        """Close the port."""
        await self._runner.cleanup()

    async def _scrape(self, request: web.Request) -> web.Response:
        body = exposition(await jobs.numbers(self.db))
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})
