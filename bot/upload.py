"""A form with pictures, read as it arrives: never more of it is held than is allowed."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

from aiohttp import BodyPartReader, web
from aiohttp.http_exceptions import HttpProcessingError

from bot.errors import Refused

FIELD_LIMIT: Final = 2**20  # bytes; enough for a prompt that is far too long to be told so
FIELDS_LIMIT: Final = 20
PICTURES: Final = ("picture", "end_picture")
CHUNK: Final = 2**16
UPLOAD_S: Final = 300.0
BROKEN: Final = (  # what the reader raises at what is no form
    *(ValueError, AssertionError, LookupError, RuntimeError, TimeoutError),
    *(web.RequestPayloadError, HttpProcessingError),
)


async def read_form(request: web.Request, limit: int) -> tuple[dict[str, str], dict[str, bytes]]:
    """The text fields of a multipart form, and the bytes of its pictures: of those of PICTURES that were chosen.

    limit:  bytes that a picture may have
    raises: Refused
    """
    if (request.content_length or 0) > len(PICTURES) * limit + FIELDS_LIMIT * FIELD_LIMIT:
        raise _too_big(limit)
    if request.content_type != "multipart/form-data":
        raise Refused("refused.upload_broken")
    form: dict[str, str] = {}
    pictures: dict[str, bytes] = {}
    try:
        async with asyncio.timeout(UPLOAD_S), aclosing(_parts(request)) as parts:
            async for part in parts:
                if part.name not in PICTURES:
                    told = await _read(part, FIELD_LIMIT, Refused("refused.field_too_big"))
                    form[part.name or ""] = told.decode("utf-8", "replace")
                elif (
                    got := await _read(part, limit, _too_big(limit))
                ) or part.filename:  # none where no file was chosen
                    pictures[part.name] = got
    except BROKEN as error:
        raise Refused("refused.upload_broken") from error
    return form, pictures


def _too_big(limit: int) -> Refused:
    return Refused("refused.upload_too_big", limit_mib=limit / 2**20)


async def _parts(request: web.Request) -> AsyncGenerator[BodyPartReader, None]:
    reader = await request.multipart()
    for _ in range(FIELDS_LIMIT):
        part = await reader.next()
        if part is None:
            return
        if not isinstance(part, BodyPartReader):
            raise ValueError("a form within a form")
        yield part
    raise ValueError("too many fields")


async def _read(part: BodyPartReader, limit: int, refusal: Refused) -> bytes:
    got = bytearray()
    while chunk := await part.read_chunk(CHUNK):
        got += chunk
        if len(got) > limit:
            raise refusal
    return bytes(got)
