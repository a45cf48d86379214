"""Every sentence in every language: the same keys, the same fields, nothing that looks broken."""

import re
import string
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.fetching import sentence
from bot.words import LANGUAGES, clean, duration, pick, say, why
from db.models import Reason
from gen.errors import DownloadFailed, GenError, NoRoom

BOT = Path(__file__).parents[2] / "bot"
ENGLISH = LANGUAGES["en"]


def fields(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_every_sentence_with_the_same_fields(language: str) -> None:
    words = LANGUAGES[language]
    assert list(words) == list(ENGLISH)
    assert {key: fields(text) for key, text in words.items()} == {key: fields(text) for key, text in ENGLISH.items()}


@pytest.mark.parametrize("language", LANGUAGES)
def test_sentences_are_plain(language: str) -> None:
    for key, text in LANGUAGES[language].items():
        assert text == text.strip(), key
        assert not set(text) & set("!！—–"), key
        assert "  " not in text, key
        assert all(name.isidentifier() for name in fields(text)), key
        if key.startswith(("refused.", "failed.", "note.")):
            assert text.endswith((".", "。")), key


def test_every_sentence_that_the_bot_names_is_there() -> None:
    kinds = "refused|note|failed|state|headline|eta|page|terminal|model"
    named = {
        (path.name, key)
        for path in [*BOT.glob("*.py"), *(BOT.parent / "flipbot").glob("*.py")]
        for key in re.findall(rf'"((?:{kinds})\.[a-z_]+)"', path.read_text(encoding="utf-8"))
        if not key.endswith((".css", ".js"))
    }
    assert len(named) > 20
    assert {(name, key) for name, key in named if key not in ENGLISH} == set()


def test_the_page_names_every_label_it_has() -> None:
    sources = [*BOT.glob("page*.py"), *(BOT / "assets").glob("*.html")]
    named = " ".join(path.read_text(encoding="utf-8") for path in sources)
    assert [key for key in ENGLISH if key.startswith("page.") and key not in named] == []
    in_templates = set(re.findall(r"\$\{(page\.[a-z_]+)\}", named))
    assert in_templates
    assert in_templates <= set(ENGLISH)


def test_chinese_is_chinese() -> None:
    joints = {"list.two", "quality.typed"}
    untouched = {key for key, text in LANGUAGES["zh"].items() if not any("\u4e00" <= c <= "\u9fff" for c in text)}
    assert untouched == {"page.title"} | joints


def test_an_untrained_checkpoint_is_named_in_the_agreed_words() -> None:
    assert say("en", "model.untrained") == "untrained test checkpoint: shows the machinery, not pictures"


def test_facts_fill_the_sentence() -> None:
    said = say("en", "refused.seconds", got=61.25, longest=60.0)
    assert said == "A film can be up to 60 s long; you asked for 61.2."
    assert say("zh", "headline.queued", place=3) == "排在第 3 位"


def test_a_quality_to_choose_is_said_as_it_is_called_and_as_it_is_typed() -> None:
    known = ["standard", "draft", "ours"]
    assert "one of these: standard, draft, ours." in say("en", "refused.quality", got="x", qualities=known)
    assert "可选：标准（standard）、草稿（draft）、ours。" in say("zh", "refused.quality", got="x", qualities=known)


def test_a_missing_fact_does_not_cost_the_sentence() -> None:
    assert say("en", "failed.checkpoint_corrupt") == (
        "A file of the model is damaged: ?. Delete it and run flipbot download again."
    )


def test_what_a_language_lacks_is_said_in_english() -> None:
    assert say("tlh", "state.done") == "ready"


def test_a_key_nobody_has_is_a_mistake_of_ours() -> None:
    with pytest.raises(KeyError):
        say("en", "refused.of_nothing")


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_unknown_reason_is_still_a_sentence(language: str) -> None:
    assert "brand_new" in why(language, "brand_new", {})
    assert why(language, None, {})
    assert "vae.safetensors" in why(language, "checkpoint_corrupt", {"file": "vae.safetensors"})


@pytest.mark.parametrize("kind", [DownloadFailed, *DownloadFailed.__subclasses__()])
def test_what_keeps_a_download_from_ending_is_said_in_every_language(kind: type[DownloadFailed]) -> None:
    facts = {"needed": 40.4, "free": 3.0 / 7} if kind is NoRoom else {}
    facts |= {name: f"<{name}>" for name in fields(kind.text) - set(facts)}  # type: ignore[misc]
    error = kind(**facts)
    assert sentence("en", kind.reason, facts, error.said()) == str(error)
    other = sentence("zh", kind.reason, facts, error.said())
    assert other != str(error)
    assert all(f"<{name}>" in other for name in fields(kind.text) if name not in ("needed", "free"))
    assert sentence("zh", "brand_new", {}, "As it is.") == "As it is."


REASONS = {str(reason) for reason in Reason} | {kind.reason for kind in GenError.__subclasses__()}


@pytest.mark.parametrize("reason", sorted(REASONS))
def test_every_reason_a_job_can_fail_for_has_its_own_sentence(reason: str) -> None:
    assert f"failed.{reason}" in ENGLISH


@pytest.mark.parametrize(
    ("tags", "language"),
    [
        ("", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("en-GB,zh;q=0.9", "en"),
        ("de-DE,de;q=0.9,zh-TW;q=0.5,en;q=0.3", "zh"),
        ("zh;q=0,en", "en"),
        ("zh;q=much", "en"),
        (["zh-CN"], "zh"),
        (["zh_Hans_CN.UTF-8"], "zh"),
        ("*", "en"),
        ("xx" * 10_000, "en"),
    ],
)
def test_the_language_follows_the_reader(tags: str | list[str], language: str) -> None:
    assert pick(tags) == language


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 s"), (-3, "0 s"), (39.6, "40 s"), (89, "89 s"), (90, "2 min"), (600, "10 min"), (4800, "80 min"),
     (5400, "1 h 30 min"), (86400, "24 h 0 min")],
)  # fmt: skip
def test_time_is_said_as_people_say_it(seconds: float, said: str) -> None:
    assert duration("en", seconds) == said


@settings(deadline=None)
@given(st.text(), st.integers(1, 50))
def test_cleaned_text_stays_on_its_line(text: str, limit: int) -> None:
    shown = clean(text, limit)
    assert len(shown) <= limit
    assert len(shown.splitlines()) <= 1
    assert not set(shown) & set("\x1b\u202e\u200b\x00\x07\u2066")
    assert clean(shown, limit) == shown


@settings(deadline=None)
@given(st.text(max_size=30), st.dictionaries(st.text(min_size=1, max_size=8), st.text() | st.integers() | st.floats()))
def test_no_reason_and_no_fact_breaks_a_sentence(reason: str, facts: Mapping[str, object]) -> None:
    assert why("zh", reason, facts)


@settings(deadline=None)
@given(st.text())
def test_a_brace_in_somebodys_text_stays_a_brace(text: str) -> None:
    assert say("en", "refused.quality", got="{qualities} {0}" + text, qualities="draft").count("{qualities} {0}") == 1
