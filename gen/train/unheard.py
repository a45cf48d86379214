"""Prompts that the text encoders are measured on and never trained on: written by hand, English and Chinese.

`python -m gen.train unheard --checkpoint gen/checkpoints/tiny` prints what is misread, before and after a training.
No sentence of this file may be copied into captions.py or everyday.py (training drops it, should it come up by chance).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gen.train.captions import CALM, phrases

# They ask for none of the effects; many hold a word of one, or letters of such a word, that means something else here.
NOTHING = phrases("""
    the black cat jumps / a woman with dark hair smiles / the old man waves / he raises his right hand / she turns her
    head to the left / the golden retriever wags its tail / a knight rides a horse / a train arrives / the window opens
    / she puts on sunglasses / the red light turns green / a white bird flies away / the child in the grey coat laughs
    / he is straining to lift it / the goldfish swims / a rocking chair moves / the rocket takes off / she drinks a
    glass of water / the boy in the raincoat runs / a big mistake / it is Sunday / the moving clouds / waterfall / the
    river flows / the sea / fire burns / the candle flickers / lightning strikes / the stars twinkle / leaves fall from
    the tree / the coffee steams / the flower blooms / autumn comes / spring arrives / the palace burns down / the
    astronaut salutes / her eyes blink / the cat looks up / the camera orbits the subject / explosion / dance / hello /
    make it funny / zombie apocalypse / in the style of van gogh / a UFO lands / make her cry / time lapse / dark
    chocolate cake / a dog barks at the knight / gold coins fall from the sky / the nightingale sings / a greyhound
    races around the track / sunflowers turn their heads / water goes down the drain / he writes on the blackboard /
    the snowboarder does a trick / a frog hops onto the stone / the windmill turns / she bites into a watermelon /
    mistletoe hangs over the door / her left shoe is untied / Snow White eats the apple / the white knight moves to the
    right square / old friends hug each other / the lighthouse keeper sneezes / he plays rock music / an old photograph
    of my parents / she slowly opens her eyes / the bride in a snow white dress turns around / he strokes his grey
    beard / the trainer blows a whistle / black coffee, please / the dark knight draws his sword / she waves goodbye
    from the train / a heavy suitcase / the goldsmith polishes a golden ring / a lightbulb explodes / the film director
    claps
""")
NOTHING_ZH = phrases("""
    黑猫跳起来 / 老人挥手 / 她向左转头 / 他举起右手 / 火车来了 / 花开了 / 云在动 / 河水流动 / 雪人 / 白色的鸟飞走了 /
    金毛犬摇尾巴 / 灯亮了 / 蜡烛燃烧 / 秋天来了 / 汽车开走 / 星星闪烁 / 让她笑 / 打开窗户 / 跳舞 /
    夜莺唱歌 / 他撑起雨伞 / 小女孩吃雪糕 / 黑头发的女人微笑 / 他戴上太阳镜 / 黑巧克力蛋糕 / 金鱼游来游去 / 骑士拔出剑 /
    孩子在放风筝 / 老师在黑板上写字 / 她喝了一杯水 / 光头男人点头 / 穿雨靴的男孩跑过来 / 黑熊爬树 / 翻开日历 /
    老虎慢慢走过来 / 白雪公主吃苹果 / 金色的戒指 / 他用左手写字 / 电影院门口排队 / 一只灰色的兔子 / 月饼很好吃
""")

# They say what is not to come.
DENIED = phrases("""
    no rain at all / the sky stays clear and it never rains / there isn't any fog here / a day without wind / please
    don't let it get dark / it does not snow today / no snow in this picture, please / he waits without a spotlight /
    the lake lies there without ripples / this is not an old film / no fog on the mountain / not a single snowflake
    falls / don't turn it black and white / i said no rain / nothing sways, there is no wind / the night never comes /
    the sun does not come up today / it will not rain on her / 今天没有下雨 / 拜托别弄成黑白的 / 一点风也没有 /
    山上没有雾 / 天不会黑 / 不要让它下雪 / 湖面没有波纹 / 今天没有阳光
""")

# They ask for an effect in other words than those of captions.py.
ASKED: Mapping[str, Sequence[str]] = {
    CALM: (*NOTHING, *NOTHING_ZH, *DENIED),
    "night": phrases("""
        the sun has set behind the houses / It's getting late and the sky turns black / nighttime with stars / sunset,
        then darkness / the day ends and it gets dark outside / the sky above her turns black / let darkness fall over
        the town / darkness comes over the valley / 夜晚就要来了 / 日落西山 / 让天黑下来 / 太阳下山了 / 天色变暗 /
        night falls over the town, no rain / no snow, night comes down / 夜幕降临，没有雨
    """),
    "night_slowly": phrases("the sky slowly grows dark / night slowly falls over the lake / 天慢慢黑下来"),
    "sunrise": phrases("""
        beautiful sunrise over the mountains / sun comes up behind the hills / warm evening sun / golden sunshine on her
        face / the sun is rising / the valley lights up in gold / 早晨的阳光照进来 / 太阳从山后升起 /
        the sun rises and there is no fog / no rain any more, golden light / 日出，没有雾
    """),
    "sunrise_slowly": phrases("a slow sunrise / the sun slowly rises over the valley / 太阳缓缓地从海上升起"),
    "fog": phrases("""
        mist covers the valley / foggy / it gets foggy / fog rolls in from the right / the valley fills with fog / a
        wall of fog comes closer / 山里起了大雾 / 雾越来越浓 /
        fog rolls in, but no rain / 起雾了，没有下雨
    """),
    "fog_slowly": phrases("""
        Fog slowly creeps in from the left / fog gradually creeps across the field / mist slowly fills the room /
        雾慢慢地飘过来
    """),
    "snow": phrases("""
        It is snowing / snow starts falling gently / christmas snow / snow is coming down on the roofs / a little snow /
        天空下起了雪 / 雪花慢慢飘落 /
        it snows, no wind / not rain but snow / 下雪了，没有风
    """),
    "snow_heavy": phrases("lots of snow / a heavy snow storm / it is snowing very hard / 雪下得特别大 / 好大的雪"),
    "rain": phrases("""
        it's raining / rainy day / a light rain begins / rain is falling on the street / 外面下着雨 / 天空下起了雨 /
        no snow, just rain / rain falls, but it does not get dark / 下雨了，但不下雪
    """),
    "rain_heavy": phrases("""
        thunderstorm with heavy rain / it rains cats and dogs / it is raining very hard / 下大雨啦 / 雨下得很大
    """),
    "spot_right": phrases("a spotlight moves from left to right / 聚光灯从左往右移动"),
    "spot_left": phrases("light beam sweeping left / a searchlight goes from right to left / 聚光灯从右往左移动"),
    "bw": phrases("""
        make it monochrome / as a B&W photo / like a black and white photograph / the colours drain away / 黑白照片 /
        make it black and white, without film grain / 变成黑白，不要闪烁
    """),
    "flicker": phrases("""
        old movie effect / vintage film look / like a silent film from 1920 / as if on old film / 老电影的感觉
    """),
    "ripples": phrases("""
        the lake ripples / ripples run over the pond / 水面泛起涟漪 / 湖面上有波纹 /
        the water ripples though there is no rain
    """),
    "sway": phrases("""
        the tall grass sways in the wind / trees swaying in the breeze / wind blows / the wind moves the grass /
        微风吹过草地 /
        the grass sways, it is not raining / 草随风摇摆，没有雨
    """),
    "breathing": phrases("""
        the portrait breathes / breathe very slowly / the photo is breathing / 画面在呼吸 / 慢慢呼吸
    """),
}
