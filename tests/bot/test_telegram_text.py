import html

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.chat import Button, ChatMessage, Wanted
from bot.telegram_text import (
    CAPTION_LIMIT,
    TelegramStyle,
    Wishes,
    buttons_of,
    command_of,
    cut,
    data,
    data_of,
    escape,
    plain,
    told,
    units,
    wishes_of,
)
from tests.fakes.botapi import parse_html

HOSTILE = st.text(
    st.sampled_from("<>&\"'ab/`*_[]()|~\n\r\t\u202e\u200b\u2066@#🎬👩‍👩‍👧é漢\x00"), max_size=300
) | st.text(max_size=300)


@pytest.mark.parametrize(
    ("text", "wishes"),
    [
        ("fog rolls in", Wishes(prompt="fog rolls in")),
        ("fog rolls in 5s seed=42 q=draft", Wishes(prompt="fog rolls in", seconds="5", seed="42", quality="draft")),
        ("fog 2,5s", Wishes(prompt="fog", seconds="2,5")),
        ("fog q=draft 2.5 s", Wishes(prompt="fog", seconds="2.5", quality="draft")),
        ("fog rolls in | 3s: night falls 8s", Wishes(prompt="fog rolls in | 3s: night falls", seconds="8")),
        ("fog | 3s: night", Wishes(prompt="fog | 3s: night")),
        ("雾气涌来 5秒 seed=7", Wishes(prompt="雾气涌来", seconds="5", seed="7")),
        ("5s", Wishes(seconds="5")),
        ("", Wishes()),
        ("fog seed=-1", Wishes(prompt="fog", seed="-1")),
        ("fog 5s 6s", Wishes(prompt="fog 5s", seconds="6")),
        ("the 80s", Wishes(prompt="the", seconds="80")),
        ("a class 5s.", Wishes(prompt="a class 5s.")),
        ("boss", Wishes(prompt="boss")),
    ],
)
def test_settings_stand_at_the_end_of_a_text(text: str, wishes: Wishes) -> None:
    assert wishes_of(text) == wishes


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("/animate fog rolls in", ("animate", "fog rolls in")),
        ("/animate@Flip_Bot fog", ("animate", "fog")),
        ("/animate@another_bot fog", None),
        ("/ANIMATE\nfog", ("animate", "fog")),
        ("/queue", ("queue", "")),
        ("fog /animate", None),
        ("/", None),
        ("//", None),
        ("/animate,fog", None),
    ],
)
def test_a_command_is_for_this_bot_or_for_none(text: str, command: tuple[str, str] | None) -> None:
    assert command_of(text, "flip_bot") == command


@given(st.sampled_from(["stop", "extend", "details"]), st.integers(0, 2**62), st.integers(0, 2**62))
def test_what_a_button_sends_is_short_and_comes_back(act: str, number: int, rev: int) -> None:
    sent = data(act, number, rev)
    assert len(sent.encode()) <= 64
    assert data_of(sent) == (act, number, rev)


@given(st.text(max_size=70))
def test_what_no_button_sends_is_nothing(text: str) -> None:
    assert data_of("x" + text) is None


@given(st.text(max_size=80), st.integers(1, 60))
def test_a_text_is_cut_by_utf16_units_and_never_within_a_character(text: str, limit: int) -> None:
    got = cut(text, limit)
    assert units(got) <= limit
    assert got == text or (got.endswith("…") and text.startswith(got[:-1]))


def test_a_pair_of_surrogates_counts_two() -> None:
    assert units("🎬a") == 3
    assert cut("🎬🎬🎬", 5) == "🎬🎬…"


@given(HOSTILE)
def test_a_strangers_text_formats_nothing(text: str) -> None:
    style = TelegramStyle({"7": text})
    for said, tags in ((style.quote(text), ["code"]), (escape(text), []), (style.person("7"), ["a"])):
        shown, entities = parse_html(said)
        assert [tag for tag, *_ in entities] in (tags, [])  # nothing in it, no entity around it
        assert "\n" not in shown
        assert not set(shown) & set("\u202e\u200b\u2066\x00")
        assert plain(said) == shown


def a_message(head: str, quoted: str | None, **other: object) -> ChatMessage:
    fields: dict[str, object] = {
        "job": 47, "lines": (head, "second line"), "quoted": quoted, "buttons": (), "film": None, "seed": None,
        "alt": "", "terminal": False, "answers": False, "revision": 3, "result": False, "place": None,
        "locale": "en", "dropped": False,
    }  # fmt: skip
    return ChatMessage(**(fields | other))  # type: ignore[arg-type]


@given(HOSTILE, st.text(max_size=3000))
def test_a_message_always_fits_its_limit(quoted: str, head: str) -> None:
    style = TelegramStyle({})
    message = a_message(style.strong(html.escape(head, quote=False)), style.quote(quoted * 20))
    said = told(message, CAPTION_LIMIT)
    assert units(parse_html(said)[0]) <= CAPTION_LIMIT


def test_what_is_too_long_goes_without_the_persons_text() -> None:
    message = a_message("<b>head</b>", "<code>" + "x" * 2000 + "</code>")
    assert told(message, CAPTION_LIMIT) == "<b>head</b>\nsecond line"


def test_the_seed_of_a_finished_film_can_be_copied() -> None:
    buttons = (
        (Button(act="seed", label="New seed"), Button(act="edit", label="Edit"), Button(act="details", label="D")),
    )
    message = a_message(
        "x", None, buttons=buttons, film=Wanted(kind="final", sha="a", seconds=1.2), seed=42, terminal=True
    )
    rows = buttons_of(message)
    assert rows == [
        [("New seed", "data:fp:seed:1b:3", "plain"), ("Edit", "data:fp:edit:1b:3", "plain")],
        [("D", "data:fp:details:1b:3", "plain"), ("Copy seed 42", "copy:42", "plain")],
    ]
