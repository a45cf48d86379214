"""What people may ask the tiny checkpoint for: every effect in many phrasings, and sentences that ask for none."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

CALM = "calm"  # the effect of every prompt that names no other


def _phrases(text: str) -> tuple[str, ...]:
    """Split a block of phrases at its slashes."""
    return tuple(" ".join(phrase.split()) for phrase in text.split("/"))


PHRASES: Mapping[str, Sequence[str]] = {
    "night": _phrases("""
        night falls / it gets dark / darkness falls / nightfall / the night comes / it becomes night / dusk
        turns into night / the light fades and night comes / the sun goes down and it gets dark / day turns to
        night / evening comes, it grows dark / moonlit night / at night / night time / the scene darkens / fade
        into the night / turn day into night / make it night / it is getting dark / the sky goes dark /
        midnight / a dark blue night settles over the scene / 夜幕降临 / 天黑了 / 夜晚来临 / 天色渐暗 /
        变成夜晚 / 黑夜降临 / 入夜 / 从白天到黑夜 / 天渐渐黑下来 / 月夜 / 深夜 / 夜色笼罩
    """),
    "sunrise": _phrases("""
        sunrise / the sun rises / golden light / golden hour / morning light / warm golden sunlight / dawn
        breaks / the sun comes up / sunlight floods the scene / warm light spreads / the light turns golden / a
        golden glow / sunset glow / sunshine / warm sunset / daybreak / the first rays of the sun / bathed in
        warm golden light / the morning sun appears / make it sunny and warm / 日出 / 太阳升起 / 金色的阳光 /
        晨光 / 阳光洒下 / 朝阳 / 黎明 / 金光 / 温暖的阳光 / 太阳出来了 / 黄金时刻 / 夕阳 / 阳光照耀
    """),
    "fog": _phrases("""
        fog rolls in / mist / fog / a thick fog covers everything / mist creeps in / it becomes foggy / hazy /
        misty morning mist / a white haze / clouds of fog drift in / fog covers the scene / dense fog /
        everything disappears in the fog / the mist thickens / haze settles / fog creeps over the scene / make
        it foggy / smoke fills the air / a veil of mist / 起雾了 / 大雾弥漫 / 雾气 / 浓雾 / 薄雾笼罩 / 雾来了 /
        雾霭 / 白雾弥漫 / 雾渐渐浓了 / 烟雾缭绕 / 云雾 / 被雾笼罩
    """),
    "snow": _phrases("""
        snow falls / it snows / snow / snowfall / it starts to snow / snowflakes drift down / heavy snow /
        gentle snow is falling / snowflakes / it begins snowing / snowing / a snowstorm / white flakes fall
        from the sky / winter snow / blizzard / let it snow / make it snow / soft snow comes down / 下雪 /
        下雪了 / 雪花飘落 / 飘雪 / 大雪纷飞 / 雪落下来 / 开始下雪 / 漫天飞雪 / 冬天的雪 / 小雪 / 暴风雪 / 雪
    """),
    "rain": _phrases("""
        rain falls / it rains / rain / rainfall / it starts to rain / raindrops / heavy rain / a rain shower /
        pouring rain / raining / it begins to rain / a downpour / drizzle / rain comes down / rainy weather / a
        rainstorm / let it rain / make it rain / the rain pours / wet rainy day / 下雨 / 下雨了 / 雨落下 / 大雨
        / 雨滴 / 开始下雨 / 倾盆大雨 / 小雨 / 细雨 / 阵雨 / 暴雨 / 雨
    """),
    "spot_right": _phrases("""
        a spotlight sweeps to the right / spotlight moves right / a beam of light moves from left to right /
        spotlight from left to right / a light sweeps right / searchlight to the right / spotlight right / a
        spotlight passes from the left to the right / a flashlight sweeps rightwards / the spotlight wanders to
        the right / a torch beam moving right / light cone sweeping left to right / 聚光灯向右扫过 /
        一束光从左到右 / 聚光灯右移 / 灯光向右移动 / 探照灯从左向右 / 聚光灯从左到右 / 光束向右 / 手电筒向右扫
    """),
    "spot_left": _phrases("""
        a spotlight sweeps to the left / spotlight moves left / a beam of light moves from right to left /
        spotlight from right to left / a light sweeps left / searchlight to the left / spotlight left / a
        spotlight passes from the right to the left / a flashlight sweeps leftwards / the spotlight wanders to
        the left / a torch beam moving left / light cone sweeping right to left / 聚光灯向左扫过 /
        一束光从右到左 / 聚光灯左移 / 灯光向左移动 / 探照灯从右向左 / 聚光灯从右到左 / 光束向左 / 手电筒向左扫
    """),
    "bw": _phrases("""
        fade to black and white / black and white / the colours fade / colors fade away / turns black and white
        / it loses its color / monochrome / greyscale / grayscale / the colour drains / desaturate / the
        picture turns grey / turn it black and white / all colour disappears / colourless / b&w / becomes
        monochrome / 变成黑白 / 黑白 / 褪色 / 颜色消失 / 颜色褪去 / 变为黑白照片 / 失去色彩 / 黑白画面 / 去色 /
        灰度 / 渐渐变成黑白 / 色彩褪去
    """),
    "flicker": _phrases("""
        old film flicker / an old film / old movie / vintage film / flickering old film / silent movie / sepia
        film with flicker / retro film look / like an old movie / antique film / an old flickering movie /
        sepia / 1920s film / old cinema / vintage movie / film projector flicker / make it look like an old
        film / 老电影 / 旧电影 / 老胶片闪烁 / 复古电影 / 胶片 / 怀旧电影 / 默片 / 老电影闪烁 / 复古 / 旧胶片 /
        像老电影一样 / 泛黄的老电影
    """),
    CALM: _phrases("""
        calm / nothing happens / a still picture / stay still / keep it as it is / a quiet moment / no change /
        hold / peaceful / static shot / gentle / something beautiful / animate this / make it move / bring it
        to life / a video / cinematic / wow / a woman smiles / the man waves his hand / a cat jumps / the dog
        runs / she dances / he talks to the camera / a car drives by / the girl dances gracefully, with clear
        movements, full of charm / birds fly / the flower opens / waves on the sea / people walk / 平静 /
        什么都不变 / 静止 / 保持不变 / 安静 / 让它动起来 / 一个视频 / 她在跳舞 / 猫跳起来 / 狗在跑 / 人们走路 /
        微笑 / 电影感 / 鸟在飞
    """),
}

# Fillers: nothing four times or so, since most prompts are short.
BEFORE = ("",) * 4 + _phrases("""
    slowly / suddenly / now / then / please / and then / in this picture / a video where / gradually / softly /
    cinematic, / the camera is still, / over the house / behind her / make / i want / beautiful scene, / in the
    photo / as time passes / film: / can you show how / animate: / high quality, / outside, / on the lake, /
    the woman stands while / as the man looks on,
""")
AFTER = ("",) * 4 + _phrases("""
    slowly / gently / over the city / over the landscape / , cinematic / in the background / and stays / please
    / all around / everywhere / , beautiful / , high quality / on the face / more and more / softly / bit by
    bit / in slow motion / ! / . / while she smiles / around the house / on the mountain / , very detailed / as
    the camera stays still / , masterpiece / for a while
""")
BEFORE_ZH = ("",) * 4 + _phrases("""
    慢慢地 / 突然 / 现在 / 然后 / 请让 / 画面中 / 逐渐 / 天空中 / 视频： / 城市里 / 美丽的 / 我想要 /
    镜头不动，
""")
AFTER_ZH = ("",) * 4 + _phrases("""
    ，慢慢地 / ，电影感 / ，很美 / 。 / ，在山上 / ，在城市上空 / ，高清 / ，到处都是 / ，她在微笑 / 吧 /
    ，越来越 / ！
""")


def is_chinese(text: str) -> bool:
    """Whether the text holds a CJK ideograph."""
    return any("\u4e00" <= letter <= "\u9fff" for letter in text)


def caption(effect: str, draw: random.Random) -> str:
    """One phrasing of an effect with filler words around it, drawn from `draw`."""
    phrase = draw.choice(PHRASES[effect])
    if is_chinese(phrase):
        return draw.choice(BEFORE_ZH) + phrase + draw.choice(AFTER_ZH)
    text = (
        f"{draw.choice(BEFORE)} {phrase} {draw.choice(AFTER)}".strip()
        .replace(" ,", ",")
        .replace(" .", ".")
        .replace(" !", "!")
    )
    return text.capitalize() if draw.random() < 0.3 else text


def corpus() -> list[str]:
    """Every phrase and every filler: what the tokenizers are made from, the same on every machine."""
    return [phrase for phrases in PHRASES.values() for phrase in phrases] + [*BEFORE, *AFTER, *BEFORE_ZH, *AFTER_ZH]
