"""What people may ask the tiny checkpoint for: every effect in many phrasings, and sentences that ask for none."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from gen.train.effects import DEGREES

CALM = "calm"  # the effect of every prompt that names no other


def phrases(text: str) -> tuple[str, ...]:
    """Split a block of phrases at its slashes."""
    return tuple(" ".join(phrase.split()) for phrase in text.split("/"))


def each(subjects: str, verbs: str) -> tuple[str, ...]:
    """Every subject with every verb, both split at their slashes."""
    return tuple(f"{subject} {verb}" for subject in phrases(subjects) for verb in phrases(verbs))


PHRASES: Mapping[str, Sequence[str]] = {
    "night": phrases("""
        night falls / it gets dark / darkness falls / nightfall / the night comes / it becomes night / dusk
        turns into night / the light fades and night comes / the sun goes down and it gets dark / day turns to
        night / evening comes, it grows dark / moonlit night / at night / night time / the scene darkens / fade
        into the night / turn day into night / make it night / it is getting dark / the sky goes dark /
        midnight / a dark blue night settles over the scene / 夜幕降临 / 天黑了 / 夜晚来临 /
        变成夜晚 / 黑夜降临 / 入夜 / 从白天到黑夜 / 月夜 / 深夜 / 夜色笼罩
    """),
    "sunrise": phrases("""
        sunrise / the sun rises / golden light / golden hour / morning light / warm golden sunlight / dawn
        breaks / the sun comes up / sunlight floods the scene / warm light spreads / the light turns golden / a
        golden glow / sunset glow / sunshine / warm sunset / daybreak / the first rays of the sun / bathed in
        warm golden light / the morning sun appears / make it sunny and warm / 日出 / 太阳升起 / 金色的阳光 /
        晨光 / 阳光洒下 / 朝阳 / 黎明 / 金光 / 温暖的阳光 / 太阳出来了 / 黄金时刻 / 夕阳 / 阳光照耀
    """),
    "fog": phrases("""
        fog rolls in / mist / fog / a thick fog covers everything / mist creeps in / it becomes foggy / hazy /
        misty morning mist / a white haze / clouds of fog drift in / fog covers the scene / dense fog /
        everything disappears in the fog / the mist thickens / haze settles / fog creeps over the scene / make
        it foggy / smoke fills the air / a veil of mist / 起雾了 / 大雾弥漫 / 雾气 / 浓雾 / 薄雾笼罩 / 雾来了 /
        雾霭 / 白雾弥漫 / 烟雾缭绕 / 云雾 / 被雾笼罩
    """),
    "snow": phrases("""
        snow falls / it snows / snow / snowfall / it starts to snow / snowflakes drift down /
        gentle snow is falling / snowflakes / it begins snowing / snowing / white flakes fall
        from the sky / winter snow / let it snow / make it snow / soft snow comes down / 下雪 /
        下雪了 / 雪花飘落 / 飘雪 / 雪落下来 / 开始下雪 / 冬天的雪 / 小雪 / 雪
    """),
    "rain": phrases("""
        rain falls / it rains / rain / rainfall / it starts to rain / raindrops / a rain shower /
        raining / it begins to rain / drizzle / rain comes down / rainy weather / let it rain / make it rain /
        wet rainy day / 下雨 / 下雨了 / 雨落下 / 雨滴 / 开始下雨 / 小雨 / 细雨 / 阵雨 / 雨
    """),
    "spot_right": phrases("""
        a spotlight sweeps to the right / spotlight moves right / a beam of light moves from left to right /
        spotlight from left to right / a light sweeps right / searchlight to the right / spotlight right / a
        spotlight passes from the left to the right / a flashlight sweeps rightwards / the spotlight wanders to
        the right / a torch beam moving right / light cone sweeping left to right / 聚光灯向右扫过 /
        一束光从左到右 / 聚光灯右移 / 灯光向右移动 / 探照灯从左向右 / 聚光灯从左到右 / 光束向右 / 手电筒向右扫
    """),
    "spot_left": phrases("""
        a spotlight sweeps to the left / spotlight moves left / a beam of light moves from right to left /
        spotlight from right to left / a light sweeps left / searchlight to the left / spotlight left / a
        spotlight passes from the right to the left / a flashlight sweeps leftwards / the spotlight wanders to
        the left / a torch beam moving left / light cone sweeping right to left / 聚光灯向左扫过 /
        一束光从右到左 / 聚光灯左移 / 灯光向左移动 / 探照灯从右向左 / 聚光灯从右到左 / 光束向左 / 手电筒向左扫
    """),
    "bw": phrases("""
        fade to black and white / black and white / the colours fade / colors fade away / turns black and white
        / it loses its color / monochrome / greyscale / grayscale / the colour drains / desaturate / the
        picture turns grey / turn it black and white / all colour disappears / colourless / b&w / becomes
        monochrome / 变成黑白 / 黑白 / 褪色 / 颜色消失 / 颜色褪去 / 变为黑白照片 / 失去色彩 / 黑白画面 / 去色 /
        灰度 / 色彩褪去
    """),
    "flicker": phrases("""
        old film flicker / an old film / old movie / vintage film / flickering old film / silent movie / sepia
        film with flicker / retro film look / like an old movie / antique film / an old flickering movie /
        sepia / 1920s film / old cinema / vintage movie / film projector flicker / make it look like an old
        film / 老电影 / 旧电影 / 老胶片闪烁 / 复古电影 / 胶片 / 怀旧电影 / 默片 / 老电影闪烁 / 复古 / 旧胶片 /
        像老电影一样 / 泛黄的老电影
    """),
    "ripples": phrases("""
        water ripples / ripples on the water / waves run through the picture / seen through water / under water /
        the water ripples / gentle waves / a rippling reflection / it ripples like water / reflections on water /
        wavy water / the picture ripples / ripples spread / light on rippling water / ripple / underwater light /
        waves on the sea / 水波荡漾 / 泛起涟漪 / 涟漪 / 水波 / 波光粼粼 / 水面波动 / 水下 / 像水面一样波动 /
        水中倒影 / 水面荡漾
    """),
    "sway": phrases("""
        gentle sway / it sways / swaying in the wind / swaying gently / the wind blows / sways from side to side /
        swaying / a breeze moves it / rocking gently / rocks from side to side / sway / trees sway in the wind /
        in a gentle breeze / a light wind / it swings to and fro / 轻轻摇摆 / 摇摆 / 随风摇摆 / 微风吹拂 / 摇晃 /
        左右摇晃 / 风吹 / 轻轻摇晃 / 摇曳 / 随风摇曳
    """),
    "breathing": phrases("""
        it breathes / breathing / breathes gently / a deep breath / it swells and shrinks / gentle breathing /
        breathing in and out / the chest rises and falls / pulsing / it pulses / pulsates / grows and shrinks /
        breathe / it breathes in and out / 呼吸 / 轻轻呼吸 / 深呼吸 / 一呼一吸 / 起伏 / 胸口起伏 / 脉动 / 呼吸起伏
    """),
    "pan_left": phrases("""
        the camera pans left / pan left / pan to the left / the camera moves left / camera left / the camera moves
        to the left / panning left / the camera glides to the left / the view moves left / the camera turns left /
        left pan / 镜头左移 / 镜头向左 / 镜头向左移动 / 向左平移 / 相机左移 / 镜头向左平移 / 画面向左移
    """),
    "pan_right": phrases("""
        the camera pans right / pan right / pan to the right / the camera moves right / camera right / the camera
        moves to the right / panning right / the camera glides to the right / the view moves right / the camera
        turns right / right pan / 镜头右移 / 镜头向右 / 镜头向右移动 / 向右平移 / 相机右移 / 镜头向右平移 / 画面向右移
    """),
    "pan_up": phrases("""
        the camera pans up / pan up / tilt up / the camera moves up / camera up / the camera looks up / panning up /
        the camera rises / the view moves up / the camera tilts upwards / upward pan / the camera goes up / 镜头上移 /
        镜头向上 / 镜头向上移动 / 向上平移 / 相机上移 / 镜头上升 / 画面向上移
    """),
    "pan_down": phrases("""
        the camera pans down / pan down / tilt down / the camera moves down / camera down / the camera looks down /
        panning down / the camera sinks / the view moves down / the camera tilts downwards / downward pan /
        the camera goes down / 镜头下移 / 镜头向下 / 镜头向下移动 / 向下平移 / 相机下移 / 镜头下降 / 画面向下移
    """),
    "zoom_in": phrases("""
        zoom in / the camera zooms in / zooming in / the camera comes closer / closer / push in / the camera moves
        forward / dolly in / the camera moves in / a zoom in on it / move closer / the picture grows / 镜头推近 /
        推进 / 放大 / 拉近 / 镜头拉近 / 镜头推进 / 靠近
    """),
    "zoom_out": phrases("""
        zoom out / the camera zooms out / zooming out / the camera moves away / farther away / pull out / the camera
        moves back / dolly out / the camera pulls back / a zoom out / move away / the picture shrinks / 镜头拉远 /
        拉远 / 缩小 / 镜头后退 / 镜头后拉 / 远离 / 镜头远离
    """),
    "snow_heavy": phrases("""
        heavy snow / heavy snowfall / it snows heavily / a snowstorm / blizzard / a blizzard / thick snow / a lot of
        snow / heavy snow falls / snow falls heavily / a heavy snowstorm / strong snowfall / dense snow / 大雪 /
        大雪纷飞 / 暴风雪 / 暴雪 / 鹅毛大雪 / 漫天飞雪 / 下大雪 / 下大雪了
    """),
    "rain_heavy": phrases("""
        heavy rain / pouring rain / a downpour / the rain pours / a rainstorm / it rains heavily / heavy rain falls /
        rain falls heavily / it pours / torrential rain / strong rain / a lot of rain / a cloudburst / a storm of rain /
        大雨 / 倾盆大雨 / 暴雨 / 下大雨 / 下大雨了 / 瓢泼大雨 / 暴风雨
    """),
    CALM: phrases("""
        calm / nothing happens / a still picture / stay still / keep it as it is / a quiet moment / no change /
        hold / peaceful / static shot / gentle / something beautiful / animate this / make it move / bring it
        to life / a video / cinematic / wow / a woman smiles / the man waves his hand / a cat jumps / the dog
        runs / she dances / he talks to the camera / a car drives by / the girl dances gracefully, with clear
        movements, full of charm / birds fly / the flower opens / people walk / 平静 /
        什么都不变 / 静止 / 保持不变 / 安静 / 让它动起来 / 一个视频 / 她在跳舞 / 猫跳起来 / 狗在跑 / 人们走路 /
        微笑 / 电影感 / 鸟在飞
    """),
}

# What people say beyond the first set: whole clauses, so that words are known in more places than one. The tokenizers
# are made from the first set alone.
MORE: Mapping[str, Sequence[str]] = {
    "night": (
        *each("the sun", "sets / sinks / goes down / sets behind the hills / sinks below the horizon / is setting"),
        *each(
            "the sky / everything / the picture / the room / the valley / it",
            "turns dark / turns black / grows dark / goes dark / becomes dark / darkens / gets darker / fades to night",
        ),
        *each(
            "night / the night / darkness / the darkness / dusk / evening / nighttime / the dark night",
            "comes / arrives / approaches / sets in / falls over the village / covers the land / settles over the lake",
        ),
        *each(
            "night / the night / darkness / dark night",
            """
                falls on the cars / falls on the people / falls on everything / falls on him / falls on the animals /
                falls on the road
            """,
        ),
        *phrases("""
            starry night / a starry night sky / a night with stars / it is night / late at night / let it get dark /
            make the sky dark / after sunset it gets dark / it is late and dark / the day is over, night falls / let
            night fall / 日落 / 太阳落山 / 太阳落下去 / 天暗下来 / 天空变黑 / 天变黑 / 晚上来了 / 晚上到了 / 夜晚到了 /
            到了晚上 / 黑夜来了 / 天色已晚 / 天色暗下来 / 星空 / 夜空 / 变暗 / 天空暗了 / 让夜晚来临 / 天黑下来
        """),
    ),
    "night_slowly": (
        *each(
            "night / the night / darkness / evening",
            "slowly falls / slowly comes / gradually falls / slowly settles over the town / is slowly falling",
        ),
        *each(
            "the sky / the day / it / the valley",
            "slowly darkens / slowly gets dark / slowly turns dark / gradually grows darker / slowly turns to night",
        ),
        *phrases("""
            the sun slowly sets / the sun slowly goes down / 天慢慢变黑 / 天渐渐暗下来 / 夜晚慢慢来临 / 太阳慢慢落山 /
            夜慢慢降临 / 天渐渐黑了 / 天空慢慢变暗 / 晚上慢慢到来
        """),
    ),
    "sunrise": (
        *each(
            "the sun / the morning sun / a golden sun / sun",
            """
                rises / comes up / comes out / shines / appears / climbs over the hills / breaks through the clouds /
                rises behind the mountains / rises over the sea
            """,
        ),
        *each("sunshine / sunlight / golden light", "comes in / streams in / falls on the floor / shines on the face"),
        *each("golden / warm / bright warm / evening / early morning", "sunlight / sunshine / sun / light of the sun"),
        *phrases("""
            sunset / a sunrise / a beautiful sunrise / sunrise over the sea / a golden sunrise / sun rays / warm
            evening light / sunlight on the face / everything turns golden / everything glows in gold / the morning
            comes / it dawns / 太阳从东方升起 / 太阳从海上升起 / 早晨的太阳 / 早上的阳光 / 晨曦 / 旭日东升 / 出太阳了 /
            阳光明媚 / 傍晚的阳光 / 阳光洒在脸上 / 阳光照进窗户 / 山上日出 / 美丽的日出 / 清晨的阳光
        """),
    ),
    "sunrise_slowly": (
        *each(
            "the sun / the morning sun / sun",
            """
                slowly rises / slowly comes up / gradually rises / slowly rises behind the hills / is slowly rising /
                slowly climbs over the sea
            """,
        ),
        *phrases("""
            slow sunrise / a slow dawn / a gradual sunrise / slow daybreak / 太阳慢慢地升起来 / 太阳缓缓升起 /
            太阳渐渐出来 / 太阳慢慢从山后出来 / 缓慢的日出 / 朝阳缓缓升起
        """),
    ),
    "fog": (
        *each(
            "fog / the fog / mist / the mist / thick fog / white fog / haze",
            """
                rolls in / creeps in / comes in from the left / drifts in from the right / covers the hills / fills the
                street / hangs over the lake / comes up / gets thicker / rises / appears
            """,
        ),
        *phrases("""
            it is foggy / foggy weather / a foggy day / a foggy morning / misty / it gets misty / add fog / the valley
            is full of fog / hidden in fog / 雾起来了 / 雾越来越大 / 大雾来了 / 山间起雾 / 起大雾了 / 雾飘过来 / 有雾 /
            雾蒙蒙 / 下雾了 / 雾变浓了 / 林中起雾 / 河上起了雾
        """),
    ),
    "fog_slowly": (
        *each(
            "fog / the fog / mist / thick fog",
            """
                slowly rolls in / slowly creeps in / slowly covers the fields / gradually thickens / slowly drifts in /
                slowly comes in from the right / is slowly coming
            """,
        ),
        *phrases("""
            it slowly gets foggy / 雾慢慢升起 / 雾渐渐变浓 / 雾慢慢来了 / 雾气慢慢弥漫 / 雾渐渐笼罩 / 慢慢地雾来了 /
            大雾缓缓飘来
        """),
    ),
    "snow": (
        *each(
            "snow / the snow / light snow / soft snow",
            """
                starts falling / is falling / falls on the houses / begins to fall / falls gently / covers the garden /
                falls from the sky
            """,
        ),
        *each(
            "snow / the snow / soft snow / it snows and snow",
            """
                falls on the cars / falls on the people / falls on everything / falls on him / falls on the animals /
                falls on the road
            """,
        ),
        *phrases("""
            it's snowing / it is snowing outside / it snows a little / some snow / a snowy day / snowy weather / white
            christmas / snow in winter / add snow / winter is here, it snows / snow slowly falls / it starts snowing /
            下起了雪 / 下起雪来 / 外面下雪了 / 正在下雪 / 雪在下 / 飘着雪花 / 天上飘雪 / 下小雪了 / 雪花落下 / 雪花飞舞
            / 雪慢慢落下 / 冬天下雪
        """),
    ),
    "snow_heavy": (
        *each(
            "heavy snow / thick snow / a lot of snow",
            """
                falls on the cars / falls on the people / falls on everything / falls on him / falls on the animals /
                falls on the road
            """,
        ),
        *phrases("""
        it is snowing heavily / it snows hard / it snows a lot / a heavy snow / so much snow / very heavy snowfall /
        snow storm / a snow storm rages / tons of snow / snow falls thickly / masses of snow / it is snowing a lot / a
        wild blizzard / 雪下得很大 / 雪下得好大 / 雪越下越大 / 下着大雪 / 雪很大 / 下起了大雪 / 大雪下个不停 / 一场大雪
        / 很大的雪 / 外面下着大雪
        """),
    ),
    "rain": (
        *each(
            "rain / the rain / light rain / a soft rain",
            """
                starts / begins / is falling / falls on the roofs / starts falling / comes down / sets in / drips from
                the sky
            """,
        ),
        *each(
            "rain / the rain / light rain / it rains and rain",
            """
                falls on the cars / falls on the people / falls on everything / falls on him / falls on the animals /
                falls on the road
            """,
        ),
        *phrases("""
            it is raining / it's raining outside / it is raining a little / it rains a little / some rain / a rainy
            afternoon / rainy / rain and wet streets / raindrops fall / add rain / a light shower / it starts raining /
            下着雨 / 下起雨来 / 外面下雨了 / 正在下雨 / 雨下起来了 / 雨在下 / 雨天 / 毛毛雨 / 下起小雨 / 下起了雨 /
            天上下雨 / 雨慢慢落下 / 窗外下着小雨
        """),
    ),
    "rain_heavy": (
        *each(
            "heavy rain / strong rain / a lot of rain",
            """
                falls on the cars / falls on the people / falls on everything / falls on him / falls on the animals /
                falls on the road
            """,
        ),
        *phrases("""
        it is raining heavily / it rains hard / it rains a lot / raining cats and dogs / it is pouring / it pours with
        rain / very heavy rain / a heavy downpour / a thunderstorm / a heavy thunderstorm / rain hammers down / so much
        rain / it is raining a lot / heavy rain and storm / monsoon rain / 下着大雨 / 雨下得好大 / 雨越下越大 / 雨很大
        / 下起了大雨 / 大雨下个不停 / 一场大雨 / 很大的雨 / 外面下着大雨 / 狂风暴雨
        """),
    ),
    "spot_right": phrases("""
        spotlight / a spotlight / a spotlight appears / the spotlight moves / the spotlight goes from left to right /
        light beam sweeping right / a beam goes from left to right / a light beam moves to the right / the searchlight
        sweeps right / 聚光灯 / 聚光灯亮起 / 聚光灯从左往右扫过 / 光从左往右移动 / 探照灯向右扫 / 灯光从左往右 /
        手电筒从左照到右
    """),
    "spot_left": phrases("""
        the spotlight goes from right to left / a light beam sweeps left / a beam goes from right to left / a light
        beam moves to the left / the searchlight sweeps left / a spotlight moves from right to left /
        聚光灯从右往左扫过 / 光从右往左移动 / 探照灯向左扫 / 灯光从右往左 / 手电筒从右照到左
    """),
    "bw": phrases("""
        in black and white / a black and white photo / make it black and white / like a black and white photo / the
        colours drain out of the picture / the colour goes away / lose all colours / without colour / black & white /
        turn the picture grey / everything turns grey / slowly turns black and white / make it grey / take the colours
        away / b & w / 黑白相片 / 变黑白 / 没有颜色 / 变成灰色 / 变成黑白的 / 黑白效果 / 去掉颜色 / 慢慢变成黑白
    """),
    "flicker": phrases("""
        old film effect / old movie look / vintage movie effect / an old silent film / like a film from the 1920s / a
        silent film / 8mm film / an old newsreel / as in an old film / a 1930s movie / it looks like an old film / film
        grain and flicker / 老电影效果 / 老电影风格 / 像旧电影 / 老式电影 / 复古胶片感 / 旧电影的感觉 / 老影片
    """),
    "ripples": (
        *each("the water / the river / the pond / the sea / the surface", "ripples / is rippling / ripples gently"),
        *each("ripples / gentle ripples / small waves", "on the lake / spread over the lake / run across the water"),
        *phrases("""
            a rippling lake / waves on the water / 水面起涟漪 / 湖水荡漾 / 湖面泛起涟漪 / 水波纹 / 波纹 / 水面上有波纹
            / 水面微微波动 / 池塘泛起波纹
        """),
    ),
    "sway": (
        *each(
            "the trees / the flowers / the field / the branches / the leaves / the corn / the reeds / grass",
            "sway / sways in the wind / sway gently / move in the breeze / bend in the wind / swaying in the wind",
        ),
        *each("the wind / a soft wind / a breeze", "blows through the grass / blows over the field / blows / picks up"),
        *phrases("""
            the grass sways in the wind / the grass sways / wind in the trees / wind in the grass / windy / 草随风摇摆
            / 风吹草动 / 树在风中摇曳 / 风吹过 / 起风了 / 微风 / 花儿随风摇摆 / 风吹过麦田 / 风吹过草原 / 树叶随风摇动
        """),
    ),
    "breathing": (
        *each(
            """
            the picture / the image / everything / the scene / she / he / the woman / the man / the child / the
            animal / the face
            """,
            """
                breathes / is breathing / breathes in and out / breathes slowly / breathes deeply / pulses / pulsates
                gently
            """,
        ),
        *phrases("""
            breathe slowly / breathe deeply / take a deep breath / slow breathing / breathing slowly / inhale and
            exhale / it slowly breathes / the light pulses / 画面呼吸 / 照片在呼吸 / 呼吸着 / 缓缓呼吸 / 在呼吸 /
            吸气呼气 / 有节奏地呼吸 / 她在呼吸
        """),
    ),
}

# Fillers: nothing four times or so, since most prompts are short.
BEFORE = ("",) * 4 + phrases("""
    suddenly / now / then / please / and then / in this picture / a video where / softly /
    cinematic, / the camera is still, / over the house / behind her / make / i want / beautiful scene, / in the
    photo / as time passes / film: / can you show how / animate: / high quality, / outside, / on the lake, /
    the woman stands while / as the man looks on,
""")
AFTER = ("",) * 4 + phrases("""
    over the city / over the landscape / over the valley / on the street / outside / , cinematic / in the background /
    and stays / please / all around / everywhere / , beautiful / , high quality / on the face / more and more / softly
    / ! / . / while she smiles / around the house / on the mountain / , very detailed / as the camera stays still / ,
    masterpiece / for a while
""")
BEFORE_ZH = ("",) * 4 + phrases("""
    突然 / 现在 / 然后 / 请让 / 画面中 / 天空中 / 视频： / 城市里 / 美丽的 / 我想要 /
    镜头不动，
""")
AFTER_ZH = ("",) * 4 + phrases("""
    ，电影感 / ，很美 / 。 / ，在山上 / ，在城市上空 / ，高清 / ，到处都是 / ，她在微笑 / 吧 /
    ，越来越 / ！
""")

SLOWLY_BEFORE = phrases("slowly / very slowly / gradually / little by little / in slow motion,")
SLOWLY_AFTER = phrases("slowly / very slowly / gradually / bit by bit / in slow motion / , slowly / little by little")
SLOWLY_ZH = ("慢慢地", "缓缓地", "渐渐", "逐渐", "缓慢地", "慢慢", "渐渐地")
SLOWLY_AFTER_ZH = ("，慢慢地", "，缓缓地", "，慢慢的", "，逐渐地")


def is_chinese(text: str) -> bool:
    """Whether the text holds a CJK ideograph."""
    return any("\u4e00" <= letter <= "\u9fff" for letter in text)


def caption(effect: str, draw: random.Random) -> str:
    """One phrasing of an effect with filler words around it, drawn from `draw`."""
    kind, degree = DEGREES.get(effect, (effect, ""))
    slowly = degree == "slowly"
    if effect in MORE and draw.random() < 0.5:
        slowly, phrase = False, draw.choice(MORE[effect])  # with its degree in it
    else:
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
    return [phrase for said in PHRASES.values() for phrase in said] + [
        *(*BEFORE, *AFTER, *BEFORE_ZH, *AFTER_ZH),
        *(*SLOWLY_BEFORE, *SLOWLY_AFTER, *SLOWLY_ZH, *SLOWLY_AFTER_ZH),
    ]
