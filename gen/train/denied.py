"""What is not wanted: "no rain", 不要下雪. Alone it asks for nothing; beside a wish it changes nothing.

Each effect stands in the forms in which it is denied: as a thing, as what something does, as a look.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence

from gen.train.captions import caption, is_chinese, phrases
from gen.train.effects import DEGREES

THINGS: Mapping[str, Sequence[str]] = {
    "night": phrases("night / darkness / nightfall"),
    "sunrise": phrases("sunrise / sunlight / sunshine / golden light / golden glow"),
    "fog": phrases("fog / mist / haze / smoke / thick fog"),
    "snow": phrases("snow / snowfall / snowflakes / heavy snow / snowstorm"),
    "rain": phrases("rain / raindrops / rainfall / heavy rain / drizzle / downpour / thunderstorm"),
    "spot_right": phrases("spotlight / searchlight / light beam"),
    "bw": phrases("black and white / black and white photo"),
    "flicker": phrases("flicker / film grain / old film effect"),
    "ripples": phrases("ripples / waves / ripples on the water"),
    "sway": phrases("wind / breeze / swaying / wind in the grass"),
    "breathing": phrases("breathing / pulsing"),
}
NOT = phrases("""
    no {} / no {} / no {} / no {} please / please no {} / there is no {} / there's no {} / without {} / without {} /
    without any {} / no more {} / never any {} / not any {} / free of {} / i do not want {} / i don't want any {} /
    don't show {} / skip the {} / not {}
""")
SOME = phrases("""
    there is {} / there's {} / with {} / some {} / much {} / {} please / i want {} / show {} / just {} / only {} /
    i want some {} / more {} / then there is {} / {} all over the place / a picture with {}
""")
DOES: Mapping[str, Sequence[str]] = {
    "night": phrases("it / get dark / the night / fall / it / become night / the sky / turn dark"),
    "sunrise": phrases("the sun / rise / the sun / come up / the light / turn golden"),
    "fog": phrases("fog / roll in / it / get foggy / the mist / creep in"),
    "snow": phrases("it / snow / snow / fall / it / start to snow"),
    "rain": phrases("it / rain / rain / fall / it / start to rain / it / pour"),
    "spot_left": phrases("the spotlight / move / the searchlight / sweep left"),
    "bw": phrases("it / turn black and white / the colours / fade / it / become grey"),
    "flicker": phrases("it / flicker / the film / flicker"),
    "ripples": phrases("the water / ripple / the lake / ripple"),
    "sway": phrases("the grass / sway / the wind / blow / the trees / sway"),
    "breathing": phrases("it / breathe / she / breathe / the picture / breathe"),
}
DOES_NOT = phrases("""
    {0} does not {1} / {0} doesn't {1} / {0} won't {1} / {0} will not {1} / {0} never {1}s / don't let {0} {1} /
    do not let {0} {1} / {0} must not {1} / {0} should not {1} / don't make {0} {1}
""")
DOES_SO = phrases("let {0} {1} / {0} will {1} / {0} should {1} / {0} must {1} / i want that {0} {1}s")
LOOKS: Mapping[str, Sequence[str]] = {
    "night": phrases("dark / night"),
    "sunrise": phrases("golden / sunny"),
    "fog": phrases("foggy / misty / hazy"),
    "snow": phrases("snowing / snowy"),
    "rain": phrases("raining / rainy"),
    "bw": phrases("black and white / grey / monochrome"),
    "flicker": phrases("flickering / an old film"),
    "sway": phrases("windy / swaying"),
    "breathing": phrases("breathing"),
}
IS_NOT = phrases("""
    it is not {} / it's not {} / it isn't {} / not {} / don't make it {} / do not make it {} / never {} / it stops
    being {} / not so {}
""")
IS_SO = phrases("now it is {} / now it's {} / it is {} again / it's so {} / let it be {} / it looks {}")
CHINESE: Mapping[str, Sequence[str]] = {
    "night": phrases("天黑 / 夜晚 / 变黑 / 入夜"),
    "sunrise": phrases("日出 / 阳光 / 太阳升起"),
    "fog": phrases("起雾 / 雾 / 大雾 / 雾气"),
    "snow": phrases("下雪 / 雪 / 雪花 / 大雪"),
    "rain": phrases("下雨 / 雨 / 大雨 / 雨滴"),
    "spot_right": phrases("聚光灯 / 探照灯"),
    "bw": phrases("黑白 / 变成黑白 / 黑白照片"),
    "flicker": phrases("闪烁 / 老电影效果"),
    "ripples": phrases("波纹 / 涟漪 / 水波"),
    "sway": phrases("风 / 摇摆 / 刮风"),
    "breathing": phrases("呼吸"),
}
NOT_ZH = phrases("不要{} / 别{} / 没有{} / 不{} / 没{} / 不要有{} / 请不要{} / 不会{} / 没有一点{} / 千万别{} / 不再{}")
SO_ZH = phrases("要{} / 我要{} / 有{} / 会{} / 要有{} / 请要{} / 只有{} / 有一点{}")
BESIDE = phrases("{0}, {1} / {1}, {0} / {0} but {1} / {0} and {1} / {0} {1} / {1} but {0}")
BESIDE_ZH = phrases("{0}，{1} / {1}，{0} / {0}，但{1} / {1}，只要{0}")
INSTEAD = phrases(
    "{0}, not {1} / not {1} but {0} / {0} instead of {1} / no {1}, just {0} / no {1}, {0} / {0} without {1}"
)
INSTEAD_ZH = phrases("不是{1}，是{0} / 不要{1}，要{0} / 要{0}，不要{1} / 没有{1}，只有{0}")

STRONG = re.compile("heavy|downpour|storm|pour|大雨|大雪")  # an effect of its own where it is asked for


def denied(draw: random.Random, but: str = "", *, chinese: bool | None = None) -> tuple[str, str]:
    """An effect and words that deny it. but: an effect that it is not, nor a degree of it"""
    if chinese is None:
        chinese = draw.random() < 0.35
    kinds = ((CHINESE, NOT_ZH),) if chinese else ((THINGS, NOT), (THINGS, NOT), (DOES, DOES_NOT), (LOOKS, IS_NOT))
    said, forms = draw.choice(kinds)
    effect = draw.choice([name for name in said if kind_of(name) != kind_of(but)])
    return effect, in_form(draw, forms, said[effect], pairs=said is DOES)


def affirmed(draw: random.Random) -> tuple[str, str]:
    """An effect and words that ask for it, in forms like those that deny it: the "no" makes the difference."""
    said, forms = draw.choice(((THINGS, SOME), (DOES, DOES_SO), (LOOKS, IS_SO), (CHINESE, SO_ZH)))
    effect = draw.choice([name for name in said if not name.startswith("spot")])
    words = said[effect] if said is DOES else [each for each in said[effect] if not STRONG.search(each)]
    return effect, in_form(draw, forms, words, pairs=said is DOES)


def in_form(draw: random.Random, forms: Sequence[str], words: Sequence[str], *, pairs: bool) -> str:
    """One of the words in one of the forms. pairs: who and what they do stand behind one another, and go together"""
    if pairs:
        n = 2 * draw.randrange(len(words) // 2)
        return draw.choice(forms).format(*words[n : n + 2])
    return draw.choice(forms).format(draw.choice(words))


def kind_of(effect: str) -> str:
    """The effect without its degree, or its side."""
    return DEGREES.get(effect, (effect, ""))[0].split("_")[0]


def beside(effect: str, draw: random.Random) -> tuple[str, str]:
    """Another effect, and a prompt that asks for this one and denies that."""
    wish = caption(effect, draw)
    zh = is_chinese(wish)
    if draw.random() < 0.4:
        said = CHINESE if zh else THINGS
        other = draw.choice([name for name in said if kind_of(name) != kind_of(effect)])
        return other, draw.choice(INSTEAD_ZH if zh else INSTEAD).format(wish, draw.choice(said[other]))
    other, words = denied(draw, effect, chinese=zh)
    return other, draw.choice(BESIDE_ZH if zh else BESIDE).format(wish, words)


def alone(draw: random.Random) -> str:
    """A prompt that only denies: one effect or two."""
    first, words = denied(draw)
    if draw.random() < 0.2:
        zh = is_chinese(words)
        words += ("，" if zh else draw.choice((", ", " and "))) + denied(draw, first, chinese=zh)[1]
    return words.capitalize() if draw.random() < 0.2 else words
