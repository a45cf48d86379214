"""What the text encoders learn from, and how the shipped ones read what they never heard."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest
import torch

from gen.bench.tiny import SHIPPED
from gen.train import denied
from gen.train.captions import CALM, MORE, PHRASES, caption, is_chinese
from gen.train.effects import EFFECTS
from gen.train.everyday import everyday
from gen.train.text import ASKS, Text, misread, other_sentences, readings, train_text
from gen.train.unheard import ASKED


@pytest.fixture(scope="module")
def shipped() -> Text:
    return Text(SHIPPED)


def test_what_is_measured_is_never_trained_on() -> None:
    unheard = {prompt.lower() for prompts in ASKED.values() for prompt in prompts}
    said = {phrase.lower() for phrases in (PHRASES, MORE) for some in phrases.values() for phrase in some}
    assert not unheard & said
    assert not unheard & {sentence.lower() for sentence in other_sentences()}
    chinese = sum(map(is_chinese, unheard))
    assert (len(unheard) - chinese, chinese) >= (60, 40)


def test_what_is_denied_is_not_the_wish(shipped: Text) -> None:
    draw, unheard = random.Random(4), {prompt.lower() for prompts in ASKED.values() for prompt in prompts}
    wishes = [draw.choice(list(denied.THINGS)) for _ in range(200)]
    made = [denied.beside(effect, draw) for effect in wishes]
    assert all(denied.kind_of(other) != denied.kind_of(effect) for effect, (other, _) in zip(wishes, made, strict=True))
    beside, alone = [prompt for _, prompt in made], [denied.alone(draw) for _ in wishes]
    affirmed = [denied.affirmed(draw) for _ in wishes]
    assert not unheard & {prompt.lower() for prompt in (*beside, *alone, *(prompt for _, prompt in affirmed))}
    for wanted, prompts in (
        (wishes, beside),
        ([CALM] * len(alone), alone),
        ([effect for effect, _ in affirmed], [prompt for _, prompt in affirmed]),
    ):
        read = readings(shipped, prompts)
        assert sum(found == (effect, effect) for found, effect in zip(read, wanted, strict=True)) >= 0.9 * len(wanted)


def test_no_phrase_asks_for_two_effects() -> None:
    said = [(phrase, effect) for all_ in (PHRASES, MORE) for effect, some in all_.items() for phrase in some]
    assert len({phrase for phrase, _ in said}) == len(set(said))


def test_words_of_effects_are_heard_in_other_senses() -> None:
    sentences = other_sentences()
    for word in (
        "dark hair",
        "black cat",
        "train",
        "knight",
        "golden retriever",
        "raincoat",
        "left hand",
        "sunglasses",
    ):
        assert sum(word in sentence.lower() for sentence in sentences) >= 20
    for word in ("火车", "黑猫", "雨伞", "雪糕", "金毛", "白马"):
        assert sum(word in sentence for sentence in sentences) >= 20


def test_days_are_made_the_same_every_time_and_differ_within() -> None:
    made = everyday(random.Random(3), 200, 100, 50)
    assert made == everyday(random.Random(3), 200, 100, 50)
    assert len(made) == len(set(made))


def test_a_whole_phrase_asks_and_its_letters_do_not() -> None:
    assert ASKS.search("and then it rains, they say")
    assert not ASKS.search("a trainer restrains the knight")


def test_the_shipped_encoders_read_what_they_never_heard(shipped: Text) -> None:
    """Bars a little below what docs/training-log.md says of them."""
    wrong = misread(shipped)
    nothing = sum(effect == CALM for effect, _, _ in wrong) / len(ASKED[CALM])
    asked = sum(effect != CALM for effect, _, _ in wrong) / sum(
        len(ASKED[effect]) for effect in ASKED if effect != CALM
    )
    assert nothing < 0.2
    assert asked < 0.2


def test_the_shipped_encoders_read_captions(shipped: Text) -> None:
    draw = random.Random(8)
    effects = [effect for effect in EFFECTS if effect in ASKED] * 10
    read = readings(shipped, [caption(effect, draw) for effect in effects])
    assert sum(found == (effect, effect) for found, effect in zip(read, effects, strict=True)) >= 0.97 * len(effects)


def test_what_stands_behind_a_prompt_changes_nothing(shipped: Text) -> None:
    with torch.inference_mode():
        alone, beside = shipped.pooled(["snow falls"]), shipped.pooled(["snow falls", "a much longer prompt " * 5])
        assert torch.allclose(alone[0], beside[0], atol=1e-5)


def test_training_on_begins_at_what_was_learned(tmp_path: Path) -> None:
    for part in ("tokenizer", "tokenizer_2", "text_encoder", "text_encoder_2"):
        shutil.copytree(SHIPPED / part, tmp_path / part)
    assert train_text(tmp_path, 0, on=True) > 0.97
    assert [path.name for path in tmp_path.iterdir() if path.suffix] == []
