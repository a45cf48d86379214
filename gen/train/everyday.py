"""Sentences that ask for nothing: people, animals and things that do what they do, made from templates and word lists.

Half of the words hold an effect's word in another sense ("dark hair", "the black cat", 火车) or only its letters
("train", "knight"), so that the text encoders learn what is meant, not what is written.
"""

from __future__ import annotations

import random

from gen.train.captions import is_chinese, phrases

PEOPLE = phrases("""
    woman / man / girl / boy / child / old man / old woman / young woman / lady / king / queen / knight / soldier /
    nurse / teacher / trainer / father / mother / grandmother / dancer / singer / clown / pirate / monk / bride /
    waiter / fisherman / fireman / policeman / cowboy / wizard / witch / princess / robot / baby / toddler / astronaut
    / doctor / footballer / boxer / black man / white woman / blonde girl / brunette / redhead / ninja / chef / farmer
    / swimmer / photographer / film star / old lady / old couple / twins / crowd / band / rock star / train driver /
    weather girl / movie star / cameraman / old friend / young man / teenager / student / painter / rider / surfer /
    skier / couple
""")
ANIMALS = phrases("""
    cat / dog / horse / black cat / white cat / black dog / white horse / black horse / golden retriever / goldfish /
    polar bear / brown bear / black bear / grey wolf / white rabbit / white bird / grey cat / raven / lion / elephant /
    monkey / panda / snow leopard / snow owl / blackbird / robin / duck / swan / black swan / parrot / donkey / cow /
    sheep / black sheep / goat / mouse / grey mouse / butterfly / bee / spider / snake / old dog / kitten / puppy /
    tiger / fox / seal / eagle / pigeon / peacock / dragon / dinosaur / whale / shark / dolphin / fish / pony / dark
    horse / zebra / turtle
""")
THINGS = phrases("""
    train / steam train / car / bus / old car / black car / white car / grey car / vintage car / boat / ship / plane /
    rocket / truck / bicycle / motorbike / taxi / tram / balloon / drone / kite / door / window / box / book / clock /
    fountain / waterfall / river / robot / lamp / candle / fire / flag / ball / chair / rocking chair / sunflower field
    / cloud / rainbow / moving van / flower / leaf / tree / black door / white house / old house / castle / tower /
    bridge / grey wall / washing machine / microwave / camera / film camera / fog horn / snow globe / snowman /
    snowmobile / rain barrel / water wheel / watermill / night train / night bus / gold bar / black box / white flag /
    black hole / fan / hairdryer / elevator / escalator / merry-go-round / ferris wheel / crane / tractor / helicopter
    / spaceship / ufo / curtain / statue / painting / mirror / phone / computer / toy train / sunshade / sunbed /
    rocket ship / old bicycle
""")
LOOKS = phrases("""
    with dark hair / with black hair / with grey hair / with golden hair / with white hair / with dark eyes / with grey
    eyes / with sunglasses / with an umbrella / with a white beard / with a grey beard / with a golden crown / with a
    camera / with dark skin / with a black hat / with a suntan / in a raincoat / in a red raincoat / in a black dress /
    in a white dress / in a snow white dress / in a grey coat / in a black suit / in white socks / in black shoes / in
    a golden dress / in a dark suit / in a nightgown / in old clothes / in a gold jacket / in a retro jacket / in a
    vintage dress / in warm clothes / in a dark blue coat / on a white horse / on the left / on the right / in front of
    a black wall / at the window / in a rocking chair / under an umbrella / beside the train / from Tokyo / with a
    black belt / with a white cat / in snow boots / in rain boots / with a heavy bag / with light brown hair / with
    fair hair / with a torch / with glasses / in sunglasses / wearing a straw hat / wearing sunglasses / wearing a dark
    coat / wearing a white shirt
""")
DOES = phrases("""
    smiles / laughs / waves / walks / runs / jumps / dances / sits down / stands up / sings / sleeps / wakes up / cries
    / nods / blinks / winks / talks / sneezes / yawns / looks around / turns around / comes closer / walks away /
    arrives / looks to the left / looks to the right / turns left / turns right / looks up / looks down / runs to the
    right / walks to the left / raises his right hand / raises her left hand / lifts his left arm / turns her head to
    the left / turns his head to the right / shakes its head / opens its mouth / closes her eyes / stands on the left
    leg / waves goodbye / waves at the camera / waves her hand / looks into the camera / smiles at the camera / puts on
    sunglasses / takes off the sunglasses / puts on a raincoat / opens an umbrella / opens a black umbrella / drinks a
    glass of water / drinks water / drinks black coffee / eats dark chocolate / eats a white chocolate cake / eats an
    ice cream / eats goldfish crackers / pours a cup of tea / pours milk / takes a picture / takes a photo of the train
    / holds a camera / films the crowd / watches a film / watches an old friend / goes to the cinema / reads a book /
    plays the piano / plays rock music / plays with a ball / rides a horse / rides a white horse / drives a black car /
    catches the train / misses the night train / waits for the train / trains hard / strains every muscle / lifts a
    heavy box / throws a rock / climbs a rock / swings a bat / swings a golf club / swings a golden sword / draws a
    sword / fights a knight / combs her dark hair / combs his grey hair / brushes her golden hair / washes his black
    hair / paints the wall white / paints the door black / paints a wave / builds a snowman / throws a snowball /
    smokes a pipe / smokes a cigarette / lights a candle / lights a cigarette / blows out the candle / blows a kiss /
    blows the whistle / blows her nose / makes a mistake / says good night / says good morning / tells a story / gives
    her a golden ring / wins a gold medal / finds gold / wears a black mask / wears a golden mask / holds a torch in
    the hand / holds an old photograph / looks at the sun / looks at the moon / looks at the clouds / sits on a swing /
    swims in the pool / swims in the lake / dives into the water / falls into the water / splashes water / runs through
    the water / crosses the river / walks on the beach / eats breakfast / brushes the teeth / takes a breath mint /
    rocks the baby / writes with the left hand / shakes hands / storms out of the room / pulses with energy drinks /
    moves closer / opens the window / closes the window / cleans the window / winds the clock / turns the page / pans
    for gold / tilts the hat / slows down / hurries up / falls down / falls asleep / falls off the chair / rises from
    the chair / goes down the stairs / gets up / comes back / lies in the sun / gets a sunburn / puts on sunscreen /
    wears old shoes / remembers the old days / hides in a dark corner / wears a light jacket / carries a lamp / turns
    on the light / turns off the light / switches on the lamp / kisses the bride / hugs an old friend / feeds the black
    cat / pets a grey cat / wags its tail / licks its paw / barks / barks at the knight / flies away / chases its tail
    / spreads its wings / lies down / rolls over / jumps over the fence / catches a mouse / drinks from a bowl
""")
GOES = phrases("""
    glows / arrives / leaves / moves / stops / starts / opens / closes /
    breaks / explodes / burns / burns down / falls over / falls down / turns / spins / flies away / takes off / lands /
    drives by / drives away / drives off to the left / drives to the right / comes from the left / turns right / turns
    left / disappears / appears / passes / passes by / moves to the right / moves to the left / rolls away / shakes /
    rattles / melts / grows / blooms / sinks / floats away / crashes / swings open / is painted black / is painted
    white / turns green / turns red / turns blue / flickers / lights up / goes out / is too heavy / is old / is new /
    is made of gold / slows down / speeds up / gets bigger / moves slowly / drives slowly / opens slowly / flows /
    drips / steams / hisses / beeps / rings / comes closer / transforms / dances / jumps
""")
WHERE = phrases("""
    in the park / in the kitchen / on the street / at the station / on the train / in the car / in the garden / at
    school / on the stage / in a white room / at the black door / in the old town / on the beach / by the river / in
    the water / on the left / on the right / on Sunday / on Monday / again / twice / very fast / quickly / slowly /
    happily / proudly / behind the window / under the bridge / on the white sofa / on a rock / in front of the camera /
    in the cinema / in the forest / in a restaurant / at the weather station / in London / in Japan / with friends /
    with a smile / and laughs / and smiles / and waves / and turns left / for the camera / at the black board / beside
    the white wall / by candlelight
""")
BARE = phrases("""
    dark chocolate / dark hair / dark matter / dark horse / black cat / black tea / black coffee / black belt / black
    friday / black hole / blackberry / blackmail / white wine / white house / white rice / white lie / snow white /
    snow white and the seven dwarfs / snowman / snowball / a snowboard / snow tires / snow peas / snow leopard /
    rainbow / raincoat / rain check / raindeer / a train / a trainer / brain / brainstorm / training day / grain of
    salt / a drain pipe / terrain / knight / the knight and the dragon / nightmare / fortnight / good night / night
    shift / nightclub / goodnight kiss / golden retriever / golden gate bridge / gold medal / goldfish / gold coins /
    golden ring / golden rule / golden egg / sunglasses / sunday / sunday lunch / sunflower / suntan / sunken ship /
    sunscreen / solar panel / sun hat / sunny side up eggs / fog horn / foggy memory / a frog / smoked salmon / a
    smoking gun / hazelnut / mistake / mister / optimist / chemistry / grey hair / grey wolf / grey matter / lightning
    / light bulb / traffic light / a red light / light beer / a light lunch / a light suitcase / lighthouse / spot / a
    spotted dog / spotify / on the spot / laser beam / a wooden beam / torch song / monk / monologue / monopoly / mono
    lake / colour pencils / colorful balloons / a colour television / film crew / film festival / a film poster / movie
    ticket / movie star / cinema ticket / retro car / vintage wine / vintage car / old car / old friend / the old
    bridge / an old house / old shoes / old money / left hand / right hand / right angle / the right answer / all right
    / human rights / left shoe / left over pizza / copyright / weather report / cloud / cloud computing / clouds /
    water / watermelon / water bottle / a glass of water / waterfall / waterproof jacket / wave goodbye / microwave / a
    wave of people / rock music / rock band / rocket / a big rock / rock and roll / window / window cleaner / wind up
    toy / winding road / windmill / winner / a wind turbine / swing dance / swing set / pulse rate / impulse / camera /
    camera bag / security camera / a broken camera / pancake / panda / company / pants / expand / tilted hat / zoom
    call / zoom lens / closer friends / slow food / slow motion / time lapse / heavy metal / heavy box / heavy traffic
    / heavyweight champion / four / hello / hi / good morning / thanks / test / what is this / a birthday party / a
    wedding / pizza / a cup of coffee / fireworks / explosion / zombies / aliens / robots / superhero / in the style of
    picasso / in the style of an oil painting / comic style / anime / 4k / ultra realistic / slow cooker / photo of a
    king / portrait of a lady / still life / a bowl of fruit / the moon / the sea / the ocean / a river / mountain /
    city street / stars / candle / fire / flames / a storm trooper / brainstorming / money / football / chess / autumn
    / spring / summer / autumn comes / spring is here / sunk cost / hot coffee / cold beer / the earth / the world /
    waterfalls / river flows / falling leaves / falling star / twinkling stars / a falling tree / the end / a big city
    / a bright future / moon walk / moonlight sonata / sea horse / seagull / season / research / second hand / thousand
""")
MAKE = phrases("""
    make her smile / make him laugh / make it funny / make them dance / make the cat jump / make the dog bark / make
    the train move / make her turn left / make him raise his right hand / let the man walk / let the cat run away / let
    her wave / give him a black hat / give her sunglasses / give her golden hair / change the car to black / paint it
    white / remove the sunglasses / add an umbrella / add a white cat / add a rainbow / turn the car around / turn her
    head / turn him into a knight / turn the dog into a goldfish / let the rocket start / make the bird fly / make the
    water boil / open the window / close the door / say hello / look at me / look at the camera / run faster / stand up
    / raise the left hand / put on the raincoat / make him old / make her young / make the old man dance / let it
    explode / make it bigger / make the knight ride / let the candle burn / make the clouds move / make the river flow
    / let the waterfall flow / make the stars twinkle / make the leaves fall / make the flag wave / make her hair move
    / turn the page / show me a black horse
""")
PEOPLE_ZH = phrases("""
    女人 / 男人 / 女孩 / 男孩 / 老人 / 小孩 / 孩子 / 老师 / 老板 / 老奶奶 / 老爷爷 / 骑士 / 国王 / 公主 / 白雪公主 /
    灰姑娘 / 士兵 / 医生 / 舞者 / 歌手 / 新娘 / 她 / 他 / 他们 / 黑人 / 白衣女子 / 黑衣人 / 黄发女孩 / 黑发女孩 /
    金发女郎 / 灰发老人 / 明星 / 摄影师 / 消防员 / 滑雪的人 / 雪山上的人 / 打伞的女人 / 戴墨镜的男人 / 火车司机 / 小丑
    / 机器人 / 宇航员 / 妈妈 / 爸爸 / 朋友 / 老朋友 / 人群
""")
ANIMALS_ZH = phrases("""
    猫 / 狗 / 黑猫 / 白猫 / 黑狗 / 白狗 / 金毛犬 / 金毛 / 金鱼 / 白马 / 黑马 / 马 / 老虎 / 老鼠 / 老鹰 / 灰狼 / 白兔 /
    兔子 / 熊猫 / 黑熊猫 / 北极熊 / 雪豹 / 雪貂 / 乌鸦 / 白鸽 / 白鸟 / 白色的鸟 / 灰色的猫 / 黑天鹅 / 天鹅 / 鱼 / 鲸鱼
    / 水母 / 水牛 / 蝴蝶 / 蜜蜂 / 龙 / 恐龙 / 小鸟 / 猴子 / 大象 / 狮子 / 小猪 / 羊 / 黑羊 / 海豚 / 海鸥 / 猫头鹰 /
    飞蛾
""")
THINGS_ZH = phrases("""
    火车 / 汽车 / 黑车 / 白车 / 黑色的汽车 / 白色的船 / 船 / 飞机 / 火箭 / 公交车 / 自行车 / 出租车 / 夜班车 / 气球 /
    风车 / 电风扇 / 钟 / 门 / 黑色的门 / 窗户 / 灯 / 台灯 / 红灯 / 蜡烛 / 火 / 花 / 白花 / 金色的花 / 树 / 黑色的树 /
    叶子 / 云 / 白云 / 河水 / 河流 / 瀑布 / 大海 / 喷泉 / 雪人 / 雪山 / 雪糕 / 彩虹 / 月亮 / 星星 / 房子 / 白房子 /
    老房子 / 城堡 / 桥 / 老桥 / 石头 / 箱子 / 旗子 / 球 / 椅子 / 摇椅 / 照相机 / 摄像机 / 电视机 / 电脑 / 手机 / 水龙头
    / 水壶 / 洗衣机 / 金币 / 金字塔 / 水车 / 太阳能板 / 烟花 / 烟囱 / 头发 / 她的头发 / 黑板 / 雕像
""")
LOOKS_ZH = phrases("""
    黑头发的 / 白头发的 / 灰头发的 / 金头发的 / 黑眼睛的 / 穿黑衣服的 / 穿白衣服的 / 穿雨衣的 / 穿白裙子的 /
    穿灰色大衣的 / 穿金色裙子的 / 戴太阳镜的 / 戴墨镜的 / 戴黑帽子的 / 打伞的 / 撑雨伞的 / 左边的 / 右边的 / 年轻的 /
    老的 / 黑色的 / 白色的 / 灰色的 / 金色的 / 红色的 / 蓝色的 / 小小的 / 大的 / 漂亮的 / 可爱的 / 一个 / 一只 / 那个 /
    这个 / 两个 / 火车上的 / 窗边的 / 水里的 / 树下的 / 雪山上的
""")
DOES_ZH = phrases("""
    跳起来 / 挥手 / 微笑 / 笑了 / 大笑 / 走路 / 跑步 / 跑过来 / 走过来 / 走开 / 坐下 / 站起来 / 跳舞 / 唱歌 / 睡觉 /
    起床 / 哭了 / 点头 / 摇头 / 眨眼 / 转身 / 向左转 / 向右转 / 向左看 / 向右看 / 向左走 / 向右跑 / 向右转头 / 转头 /
    抬头 / 低头 / 举起左手 / 举右手 / 伸出右手 / 抬起左脚 / 戴上墨镜 / 摘下太阳镜 / 穿上雨衣 / 打开雨伞 / 撑开黑伞 /
    吃雪糕 / 吃黑巧克力 / 吃白米饭 / 喝水 / 喝一杯水 / 喝黑咖啡 / 喝茶 / 倒水 / 拍照 / 看镜头 / 对着镜头笑 / 看电影 /
    看老电视 / 去电影院 / 看书 / 弹钢琴 / 听摇滚乐 / 踢球 / 骑马 / 骑白马 / 开黑车 / 等火车 / 坐火车 / 上火车 / 赶火车
    / 搬大箱子 / 扔石头 / 爬山 / 爬雪山 / 拔剑 / 梳头发 / 梳黑头发 / 刷白墙 / 堆雪人 / 扔雪球 / 滑雪 / 抽烟 / 点蜡烛 /
    吹蜡烛 / 吹气球 / 吹口哨 / 吹头发 / 说晚安 / 说早上好 / 戴金戒指 / 拿金牌 / 数金币 / 游泳 / 跳进水里 / 掉进水里 /
    玩水 / 过河 / 晒太阳 / 涂防晒霜 / 看月亮 / 看太阳 / 看云 / 荡秋千 / 开灯 / 关灯 / 打开窗户 / 关上窗户 / 擦黑板 /
    写字 / 翻书 / 慢慢走 / 慢慢地走过来 / 慢慢转头 / 快跑 / 摇尾巴 / 飞走了 / 飞起来 / 叫 / 爬树 / 捉老鼠 / 喝牛奶 /
    抱着黑猫 / 摸白猫 / 喂金鱼 / 吃早饭 / 上夜班 / 做梦 / 打电话 / 洗黑衣服 / 拥抱老朋友 / 亲吻新娘 / 说话 / 生气 /
    打喷嚏 / 切西瓜 / 喝雪碧
""")
GOES_ZH = phrases("""
    来了 / 到了 / 走了 / 开走 / 开走了 / 开过来 / 停了 / 动了 / 在动 / 开了 / 关了 / 打开 / 关上 / 坏了 / 爆炸 / 着火了
    / 燃烧 / 倒了 / 掉下来 / 转动 / 转起来 / 起飞 / 降落 / 飞走 / 向左开 / 向右开 / 向左移动 / 向右转 / 消失 / 出现 /
    经过 / 变大 / 变红 / 变绿 / 变蓝 / 亮了 / 亮起来 / 灭了 / 闪烁 / 融化 / 长大 / 流动 / 流过 / 沉了 / 漂走 / 很大 /
    很老 / 很重 / 是黑色的 / 是白色的 / 是金色的 / 慢慢开走 / 慢慢打开 / 响了 / 升空 / 飘动 / 飞舞
""")
WHERE_ZH = phrases("""
    在公园里 / 在街上 / 在火车上 / 在车站 / 在学校 / 在厨房 / 在河边 / 在海边 / 在水里 / 在雪山上 / 在电影院 / 在窗边 /
    在左边 / 在右边 / 在黑板前 / 在镜头前 / 在白墙前 / 在老城 / 在北京 / 星期天 / 早上 / 今天 / 突然 / 开心地 / 慢慢地
""")
BARE_ZH = phrases("""
    黑猫 / 黑板 / 黑发 / 黑色星期五 / 黑巧克力 / 黑咖啡 / 黑洞 / 黑马 / 白马 / 白菜 / 白领 / 白酒 / 白日梦 / 白云 /
    白雪公主 / 雪糕 / 雪人 / 雪碧 / 雪山 / 雪橇犬 / 雪豹 / 滑雪 / 雪茄 / 雨伞 / 雨衣 / 谷雨 / 火车 / 火车站 / 火箭 /
    烟花 / 烟囱 / 金毛犬 / 金鱼 / 金牌 / 金币 / 黄金 / 金融 / 现金 / 太阳镜 / 太阳能 / 太阳伞 / 向日葵 / 日本 /
    生日快乐 / 节日 / 日记 / 晨跑 / 早上好 / 晚安 / 晚饭 / 夜班 / 夜市 / 夜猫子 / 老师 / 老虎 / 老板 / 老朋友 / 老房子
    / 电影院 / 电影票 / 电影明星 / 拍电影 / 电视 / 电脑 / 左手 / 右手 / 左边 / 右边 / 向左转 / 向右看 / 灯泡 / 红绿灯 /
    台灯 / 灯笼 / 激光 / 光盘 / 阳光男孩 / 阳台 / 风扇 / 风车 / 麦克风 / 中国风 / 风景 / 吹风机 / 摇滚 / 摇椅 / 摇头 /
    水果 / 水龙头 / 水牛 / 墨水 / 香水 / 矿泉水 / 喝水 / 瀑布 / 河流 / 大海 / 波斯猫 / 菠萝 / 云南 / 白云机场 /
    雾霾口罩 / 呼叫 / 招呼 / 起飞 / 起床 / 胸针 / 颜色笔 / 彩色气球 / 灰狼 / 灰尘 / 灰色 / 大象 / 大家好 / 暴龙 / 小猫
    / 小雨伞 / 小心 / 下棋 / 下班 / 落叶 / 飘带 / 你好 / 谢谢 / 测试 / 结婚 / 生日蛋糕 / 比萨 / 爆炸 / 机器人 / 外星人
    / 春天来了 / 秋天来了 / 夏天 / 星星 / 月亮 / 月饼 / 天空 / 世界 / 足球 / 镜子
""")
MAKE_ZH = phrases("让 / 请让 / 把 / 我想看 / 画一个 / 照片里的 / 使 / 请画")
BIGRAM = "bcdfghklmnprstvz"


def everyday(draw: random.Random, english: int, chinese: int, others: int) -> list[str]:
    """So many sentences of each, all different: English, Chinese, and words of letters that mean nothing."""
    made = dict.fromkeys([*BARE, *MAKE, *BARE_ZH])
    for count, sentence in ((english, _english), (chinese, _chinese), (others, _other)):
        full = len(made) + count
        while len(made) < full:
            made[sentence(draw)] = None
    return list(made)


def somewhere(asked: str, draw: random.Random) -> str:
    """What asks for an effect, told of a thing, an animal or a person: "snow falls" → "snow falls on her car"."""
    if is_chinese(asked):
        thing = draw.choice(draw.choice((THINGS_ZH, ANIMALS_ZH, PEOPLE_ZH)))
        return draw.choice((f"{thing}上{asked}", f"{asked}在{thing}上", f"{thing}旁边{asked}"))
    thing = draw.choice(draw.choice((THINGS, ANIMALS, PEOPLE)))
    at = draw.choice(("on", "on", "over", "behind", "around", "near", "in front of", "above", "with"))
    return f"{asked} {at} {draw.choice(('the', 'the', 'her', 'his', 'a', 'this'))} {thing}"


def _english(draw: random.Random) -> str:
    kind, does = draw.choice(((PEOPLE, DOES), (PEOPLE, DOES), (ANIMALS, DOES), (THINGS, GOES)))
    name = draw.choice(kind)
    first = draw.choice(("the", "a", "a", "the", "this", "her", "his", "two"))
    looks = draw.choice(LOOKS) if kind is PEOPLE and draw.random() < 0.5 else ""
    act = draw.choice(does) if draw.random() < 0.9 else ""
    where = draw.choice(WHERE) if draw.random() < 0.35 else ""
    slowly = "slowly" if act and draw.random() < 0.06 else ""
    if draw.random() < 0.15:
        first, name, looks = draw.choice(("she", "he", "it", "they")), "", ""
    said = " ".join(part for part in (first, name, looks, slowly, act, where) if part)
    if draw.random() < 0.1:
        said += f" {draw.choice(('and', 'while', ','))} {_english(draw)}"
    return said.capitalize() if draw.random() < 0.2 else said


def _chinese(draw: random.Random) -> str:
    kind, does = draw.choice(((PEOPLE_ZH, DOES_ZH), (ANIMALS_ZH, DOES_ZH), (THINGS_ZH, GOES_ZH), (THINGS_ZH, GOES_ZH)))
    looks = draw.choice(LOOKS_ZH) if draw.random() < 0.4 else ""
    where = draw.choice(WHERE_ZH) if draw.random() < 0.2 else ""
    make = draw.choice(MAKE_ZH) if draw.random() < 0.1 else ""
    act = draw.choice(does) if draw.random() < 0.9 else ""
    said = make + looks + draw.choice(kind) + where + act
    return said + draw.choice(("。", "，", "！")) if draw.random() < 0.1 else said


def _other(draw: random.Random) -> str:
    """Words of no language that it knows: consonants and vowels, Latin or Cyrillic, numbers and signs."""
    kind = draw.random()
    if kind < 0.15:
        return "".join(draw.choices("0123456789 !?.,:-+%😀🎉❤🔥🐱", k=draw.randint(1, 8))).strip() or "?"
    consonants, vowels = (BIGRAM, "aeiou") if kind < 0.6 else ("бвгдклмнпрстх", "аеиоуыя")
    words = (
        "".join(draw.choice(consonants) + draw.choice(vowels) for _ in range(draw.randint(1, 3)))
        + draw.choice(("", draw.choice(consonants)))
        for _ in range(draw.randint(1, 3))
    )
    return " ".join(words)
