"""A film for whoever has its link: /w/TOKEN, which nobody can guess or list, and which expires. Live while it grows."""

from typing import TYPE_CHECKING

from aiohttp import web

from bot import page_html as html
from bot.errors import Refused
from bot.page_guard import locale_of
from db import links
from db.errors import NoSuchJob
from db.rows import Job

if TYPE_CHECKING:
    from bot.page import Page

TOKEN = "{token:[A-Za-z0-9_-]{32}}"


class Watch:
    """The addresses under /w/, served where the page has a public address."""

    def __init__(self, page: "Page") -> None:
        self.page = page

    def routes(self) -> list[web.RouteDef]:
        """Each shows one film and nothing that changes it."""
        at = f"/w/{TOKEN}"
        return [
            web.get(at, self._show),
            web.get(f"{at}/events", self._events),
            web.get(f"{at}/film/{{name}}", self._film),
            web.get(f"{at}/film.mp4", self._newest),
            web.get(f"{at}/part/{{n:[0-9]{{1,4}}}}", self._part),
            web.get(f"{at}/end/{{name}}", self._end),
            web.get(f"{at}/picture/{{name}}", self._picture),
            web.get(f"{at}/preview/{{name}}", self._preview),
        ]

    async def _job(self, request: web.Request) -> Job:
        if self.page.public_url:
            token, db = request.match_info["token"], self.page.db
            job_id = await self.page.once.ask(("link", token), lambda: links.job_of(db, token))
            try:
                if job_id is not None:
                    return await self.page.job(job_id)
            except NoSuchJob:  # deleted between the two looks
                pass
        raise Refused("refused.link_over")

    async def _show(self, request: web.Request) -> web.Response:
        """The film's page, with the tags by which a chat shows a player."""
        job, locale = await self._job(request), locale_of(request)
        base = f"/w/{request.match_info['token']}"
        state = await self.page.state(job, locale, base)
        head = html.open_graph(locale, job, self.page.public_url + base)
        response = self.page.html(request, state["title"], html.watch(locale, job, state, base), head=head)
        response.headers["X-Robots-Tag"] = "noindex, nofollow"
        response.headers["Referrer-Policy"] = "no-referrer"  # the address is the secret
        return response

    async def _events(self, request: web.Request) -> web.StreamResponse:
        return await self.page.stream(request, self._job, request.match_info["token"])

    async def _film(self, request: web.Request) -> web.StreamResponse:
        return await self.page.film(request, await self._job(request))

    async def _newest(self, request: web.Request) -> web.StreamResponse:
        """The film as it is now, under an address that stays: what a chat's player asks for."""
        job = await self._job(request)
        if job.film is None:
            raise Refused("refused.no_film_yet")
        headers = {"Content-Type": "video/mp4", "Cache-Control": "no-cache"}
        return await self.page.file(job.film, headers)

    async def _part(self, request: web.Request) -> web.StreamResponse:
        return await self.page.part(request, await self._job(request))

    async def _end(self, request: web.Request) -> web.StreamResponse:
        return await self.page.end(request, await self._job(request))

    async def _picture(self, request: web.Request) -> web.StreamResponse:
        return await self.page.picture(request, await self._job(request))

    async def _preview(self, request: web.Request) -> web.Response:
        return await self.page.preview(await self._job(request))
