"""Hours in which films are made: "22:00-08:00", "Mon-Fri 18:00-24:00, Sat-Sun 00:00-24:00"; by a local clock. Pure."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY = 24 * 60  # minutes
_SPAN = re.compile(
    r"(?:(?P<first>[a-z]{3})(?:-(?P<last>[a-z]{3}))?\s+)?(?P<begin>\d{1,2}:\d\d)\s*-\s*(?P<end>\d{1,2}:\d\d)", re.ASCII
)


@dataclass(frozen=True)
class Span:
    """Hours of some days. days: on which they begin, 0 Monday to 6 Sunday

    begin:   minutes after midnight, 0 to 1439
    minutes: how long they last, 1 to 1440; past midnight, if need be
    """

    days: frozenset[int]
    begin: int
    minutes: int


def hours_of(text: str) -> tuple[Span, ...]:
    """The spans that a text names; none, where it is empty. raises: ValueError."""
    return tuple(_span(part.strip().casefold()) for part in text.split(",")) if text.strip() else ()


def _span(text: str) -> Span:
    found = _SPAN.fullmatch(text)
    if found is None:
        raise ValueError(text)
    first, last = (
        DAYS.index(found[name] or usual) for name, usual in (("first", "mon"), ("last", found["first"] or "sun"))
    )
    days = frozenset((first + n) % 7 for n in range((last - first) % 7 + 1))
    begin, end = _minutes(found["begin"]), _minutes(found["end"])
    if begin == DAY:
        raise ValueError(text)
    return Span(days, begin, (end - begin) % DAY or DAY)


def _minutes(text: str) -> int:
    hours, minutes = map(int, text.split(":"))
    if minutes >= 60 or hours * 60 + minutes > DAY:
        raise ValueError(text)
    return hours * 60 + minutes


def opens(spans: Sequence[Span], at: datetime) -> datetime | None:
    """When films are made again; None where they are now. at: by the local clock, as what comes out"""
    begins = sorted(_begins(spans, at))
    if not spans or any(begin <= at < end for begin, end in begins):
        return None
    return next(begin for begin, _ in begins if begin > at)


def _begins(spans: Sequence[Span], at: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Begin and end of what was begun yesterday, and what begins within a week from then."""
    for ahead in range(-1, 8):
        midnight = datetime.combine(at.date() + timedelta(days=ahead), time())
        for span in spans:
            if midnight.weekday() in span.days:
                begin = midnight + timedelta(minutes=span.begin)
                yield begin, begin + timedelta(minutes=span.minutes)
