"""What people may ask the tiny checkpoint for: every effect in many phrasings, and sentences that ask for none."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from gen.train.effects import DEGREES

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
        midnight / a dark blue night settles over the scene / 夜幕降临 / 天黑了 / 夜晚来临 /
        变成夜晚 / 黑夜降临 / 入夜 / 从白天到黑夜 / 月夜 / 深夜 / 夜色笼罩
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
        雾霭 / 白雾弥漫 / 烟雾缭绕 / 云雾 / 被雾笼罩
    """),
    "snow": _phrases("""
        snow falls / it snows / snow / snowfall / it starts to snow / snowflakes drift down /
        gentle snow is falling / snowflakes / it begins snowing / snowing / white flakes fall
        from the sky / winter snow / let it snow / make it snow / soft snow comes down / 下雪 /
        下雪了 / 雪花飘落 / 飘雪 / 雪落下来 / 开始下雪 / 冬天的雪 / 小雪 / 雪
    """),
    "rain": _phrases("""
        rain falls / it rains / rain / rainfall / it starts to rain / raindrops / a rain shower /
        raining / it begins to rain / drizzle / rain comes down / rainy weather / let it rain / make it rain /
        wet rainy day / 下雨 / 下雨了 / 雨落下 / 雨滴 / 开始下雨 / 小雨 / 细雨 / 阵雨 / 雨
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
        灰度 / 色彩褪去
    """),
    "flicker": _phrases("""
        old film flicker / an old film / old movie / vintage film / flickering old film / silent movie / sepia
        film with flicker / retro film look / like an old movie / antique film / an old flickering movie /
        sepia / 1920s film / old cinema / vintage movie / film projector flicker / make it look like an old
        film / 老电影 / 旧电影 / 老胶片闪烁 / 复古电影 / 胶片 / 怀旧电影 / 默片 / 老电影闪烁 / 复古 / 旧胶片 /
        像老电影一样 / 泛黄的老电影
    """),
    "ripples": _phrases("""
        water ripples / ripples on the water / waves run through the picture / seen through water / under water /
        the water ripples / gentle waves / a rippling reflection / it ripples like water / reflections on water /
        wavy water / the picture ripples / ripples spread / light on rippling water / ripple / underwater light /
        waves on the sea / 水波荡漾 / 泛起涟漪 / 涟漪 / 水波 / 波光粼粼 / 水面波动 / 水下 / 像水面一样波动 /
        水中倒影 / 水面荡漾
    """),
    "sway": _phrases("""
        gentle sway / it sways / swaying in the wind / swaying gently / the wind blows / sways from side to side /
        swaying / a breeze moves it / rocking gently / rocks from side to side / sway / trees sway in the wind /
        in a gentle breeze / a light wind / it swings to and fro / 轻轻摇摆 / 摇摆 / 随风摇摆 / 微风吹拂 / 摇晃 /
        左右摇晃 / 风吹 / 轻轻摇晃 / 摇曳 / 随风摇曳
    """),
    "breathing": _phrases("""
        it breathes / breathing / breathes gently / a deep breath / it swells and shrinks / gentle breathing /
        breathing in and out / the chest rises and falls / pulsing / it pulses / pulsates / grows and shrinks /
        breathe / it breathes in and out / 呼吸 / 轻轻呼吸 / 深呼吸 / 一呼一吸 / 起伏 / 胸口起伏 / 脉动 / 呼吸起伏
    """),
    "pan_left": _phrases("""
        the camera pans left / pan left / pan to the left / the camera moves left / camera left / the camera moves
        to the left / panning left / the camera glides to the left / the view moves left / the camera turns left /
        left pan / 镜头左移 / 镜头向左 / 镜头向左移动 / 向左平移 / 相机左移 / 镜头向左平移 / 画面向左移
    """),
    "pan_right": _phrases("""
        the camera pans right / pan right / pan to the right / the camera moves right / camera right / the camera
        moves to the right / panning right / the camera glides to the right / the view moves right / the camera
        turns right / right pan / 镜头右移 / 镜头向右 / 镜头向右移动 / 向右平移 / 相机右移 / 镜头向右平移 / 画面向右移
    """),
    "pan_up": _phrases("""
        the camera pans up / pan up / tilt up / the camera moves up / camera up / the camera looks up / panning up /
        the camera rises / the view moves up / the camera tilts upwards / upward pan / the camera goes up / 镜头上移 /
        镜头向上 / 镜头向上移动 / 向上平移 / 相机上移 / 镜头上升 / 画面向上移
    """),
    "pan_down": _phrases("""
        the camera pans down / pan down / tilt down / the camera moves down / camera down / the camera looks down /
        panning down / the camera sinks / the view moves down / the camera tilts downwards / downward pan /
        the camera goes down / 镜头下移 / 镜头向下 / 镜头向下移动 / 向下平移 / 相机下移 / 镜头下降 / 画面向下移
    """),
    "zoom_in": _phrases("""
        zoom in / the camera zooms in / zooming in / the camera comes closer / closer / push in / the camera moves
        forward / dolly in / the camera moves in / a zoom in on it / move closer / the picture grows / 镜头推近 /
        推进 / 放大 / 拉近 / 镜头拉近 / 镜头推进 / 靠近
    """),
    "zoom_out": _phrases("""
        zoom out / the camera zooms out / zooming out / the camera moves away / farther away / pull out / the camera
        moves back / dolly out / the camera pulls back / a zoom out / move away / the picture shrinks / 镜头拉远 /
        拉远 / 缩小 / 镜头后退 / 镜头后拉 / 远离 / 镜头远离
    """),
    "snow_heavy": _phrases("""
        heavy snow / heavy snowfall / it snows heavily / a snowstorm / blizzard / a blizzard / thick snow / a lot of
        snow / heavy snow falls / snow falls heavily / a heavy snowstorm / strong snowfall / dense snow / 大雪 /
        大雪纷飞 / 暴风雪 / 暴雪 / 鹅毛大雪 / 漫天飞雪 / 下大雪 / 下大雪了
    """),
    "rain_heavy": _phrases("""
        heavy rain / pouring rain / a downpour / the rain pours / a rainstorm / it rains heavily / heavy rain falls /
        rain falls heavily / it pours / torrential rain / strong rain / a lot of rain / a cloudburst / a storm of rain /
        大雨 / 倾盆大雨 / 暴雨 / 下大雨 / 下大雨了 / 瓢泼大雨 / 暴风雨
    """),
    CALM: _phrases("""
        calm / nothing happens / a still picture / stay still / keep it as it is / a quiet moment / no change /
        hold / peaceful / static shot / gentle / something beautiful / animate this / make it move / bring it
        to life / a video / cinematic / wow / a woman smiles / the man waves his hand / a cat jumps / the dog
        runs / she dances / he talks to the camera / a car drives by / the girl dances gracefully, with clear
        movements, full of charm / birds fly / the flower opens / people walk / 平静 /
        什么都不变 / 静止 / 保持不变 / 安静 / 让它动起来 / 一个视频 / 她在跳舞 / 猫跳起来 / 狗在跑 / 人们走路 /
        微笑 / 电影感 / 鸟在飞
    """),
}

# Fillers: nothing four times or so, since most prompts are short.
BEFORE = ("",) * 4 + _phrases("""
    suddenly / now / then / please / and then / in this picture / a video where / softly /
    cinematic, / the camera is still, / over the house / behind her / make / i want / beautiful scene, / in the
    photo / as time passes / film: / can you show how / animate: / high quality, / outside, / on the lake, /
    the woman stands while / as the man looks on,
""")
AFTER = ("",) * 4 + _phrases("""
    over the city / over the landscape / , cinematic / in the background / and stays / please
    / all around / everywhere / , beautiful / , high quality / on the face / more and more / softly / ! / . /
    while she smiles / around the house / on the mountain / , very detailed /
    as the camera stays still / , masterpiece / for a while
""")
BEFORE_ZH = ("",) * 4 + _phrases("""
    突然 / 现在 / 然后 / 请让 / 画面中 / 天空中 / 视频： / 城市里 / 美丽的 / 我想要 /
    镜头不动，
""")
AFTER_ZH = ("",) * 4 + _phrases("""
    ，电影感 / ，很美 / 。 / ，在山上 / ，在城市上空 / ，高清 / ，到处都是 / ，她在微笑 / 吧 /
    ，越来越 / ！
""")

SLOWLY_BEFORE = _phrases("slowly / very slowly / gradually / little by little / in slow motion,")
SLOWLY_AFTER = _phrases("slowly / very slowly / gradually / bit by bit / in slow motion / , slowly / little by little")
SLOWLY_ZH = ("慢慢地", "缓缓地", "渐渐", "逐渐", "缓慢地", "慢慢", "渐渐地")
SLOWLY_AFTER_ZH = ("，慢慢地", "，缓缓地", "，慢慢的", "，逐渐地")


def is_chinese(text: str) -> bool:
    """Whether the text holds a CJK ideograph."""
    return any("\u4e00" <= letter <= "\u9fff" for letter in text)


def caption(effect: str, draw: random.Random) -> str:
    """One phrasing of an effect with filler words around it, drawn from `draw`."""
    kind, degree = DEGREES.get(effect, (effect, ""))
    slowly = degree == "slowly"
    phrase = draw.choice(PHRASES[kind if slowly else effect])
    if is_chinese(phrase):
        if slowly:
            first = draw.random() < 0.7
            phrase = draw.choice(SLOWLY_ZH) + phrase if first else phrase + draw.choice(SLOWLY_AFTER_ZH)
        return draw.choice(BEFORE_ZH) + phrase + draw.choice(AFTER_ZH)
    if slowly:
        first = draw.random() < 0.5
        phrase = f"{draw.choice(SLOWLY_BEFORE)} {phrase}" if first else f"{phrase} {draw.choice(SLOWLY_AFTER)}"
    text = f"{draw.choice(BEFORE)} {phrase} {draw.choice(AFTER)}".strip()
    for mark in ",.!":
        text = text.replace(f" {mark}", mark)
    return text.capitalize() if draw.random() < 0.3 else text


def corpus() -> list[str]:
    """Every phrase and every filler: what the tokenizers are made from, the same on every machine."""
    return [phrase for phrases in PHRASES.values() for phrase in phrases] + [
        *(*BEFORE, *AFTER, *BEFORE_ZH, *AFTER_ZH),
        *(*SLOWLY_BEFORE, *SLOWLY_AFTER, *SLOWLY_ZH, *SLOWLY_AFTER_ZH),
    ]
