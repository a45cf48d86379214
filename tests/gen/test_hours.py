"""The hours in which films are made."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gen.hours import DAYS, hours_of, opens

TUESDAY = datetime(2026, 12, 1, 14, 30)  # by the clock on the wall, which has no zone

clock = st.builds("{:02}:{:02}".format, st.integers(0, 23), st.integers(0, 59))
days = st.one_of(st.just(""), st.sampled_from(DAYS), st.builds("{}-{}".format, *[st.sampled_from(DAYS)] * 2))
spans = st.lists(st.builds("{} {}-{}".format, days, clock, clock).map(str.strip), min_size=1, max_size=4)
moments = st.datetimes(datetime(2026, 1, 1), datetime(2028, 12, 31))


@pytest.mark.parametrize(
    ("hours", "opening"),
    [
        ("", None),
        ("14:00-15:00", None),
        ("14:30-15:00", None),
        ("13:00-14:30", "2026-12-02 13:00"),
        ("22:00-08:00", "2026-12-01 22:00"),
        ("20:00-15:00", None),
        ("Tue 20:00-15:00", "2026-12-01 20:00"),
        ("mon 20:00-15:00", None),
        ("Wed-Sun 00:00-24:00", "2026-12-02 00:00"),
        ("Sat-Mon 0:00-24:00", "2026-12-05 00:00"),
        ("Sat 10:00 - 12:00, Fri 9:00-9:30", "2026-12-04 09:00"),
        ("14:31-14:31", None),
        ("Tue 14:31-14:31", "2026-12-01 14:31"),
    ],
)
def test_hours_say_when_films_are_made_again(hours: str, opening: str | None) -> None:
    expected = None if opening is None else datetime.fromisoformat(opening)
    assert opens(hours_of(hours), TUESDAY) == expected


@pytest.mark.parametrize(
    "hours", ["always", "22-8", "24:00-3:00", "25:00-1:00", "1:60-2:00", "xyz 1:00-2:00", "1:00-2:00,", "Mon-Fri", "-"]
)
def test_what_are_no_hours_is_refused(hours: str) -> None:
    with pytest.raises(ValueError):
        hours_of(hours)


@given(spans, moments)
def test_when_they_open_it_is_open_and_until_then_it_is_not(written: list[str], at: datetime) -> None:
    these = hours_of(", ".join(written))
    opening = opens(these, at)
    if opening is None:
        return
    assert at < opening <= at + timedelta(days=7)
    assert opens(these, opening) is None
    for share in (0.0, 0.3, 0.99):
        assert opens(these, at + share * (opening - at)) == opening


@given(spans, moments)
def test_more_hours_never_close_what_was_open(written: list[str], at: datetime) -> None:
    few, many = (opens(hours_of(", ".join(some)), at) for some in (written[:1], written))
    assert many is None or (few is not None and many <= few)
