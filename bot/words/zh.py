"""Simplified Chinese."""

from typing import Final

WORDS: Final = {
    # what a thing is called
    "language.name": "简体中文",
    "duration.seconds": "{seconds} 秒",
    "duration.minutes": "{minutes} 分钟",
    "duration.hours": "{hours} 小时 {minutes} 分钟",
    "list.two": "{first}、{second}",
    "model.untrained": "未经训练的测试模型：只演示流程，画面没有意义",
    "model.line": "模型：{model}",
    # requests that are turned down: what happened, what to do
    "refused.picture_none": "还没有图片。请先添加一张再试。",
    "refused.picture_address": "{path} 是网址。请先把图片下载下来，再给出文件名。",
    "refused.picture_gone": "那部影片的图片已不在这里，请另选一张图片。",
    "refused.picture_missing": "{path} 处没有文件。请检查文件名后再试。",
    "refused.picture_folder": "{path} 是一个文件夹。请指定其中的一张图片。",
    "refused.picture_unreadable": "无法读取 {path}。请确认它是普通文件，并且你有权打开它。",
    "refused.picture_too_big": "这个文件有 {got_mib} MiB，上限是 {limit_mib} MiB。请换一张小一些的图片。",
    "refused.picture_empty": "这个文件是空的（0 字节）。请重新保存或发送图片。",
    "refused.picture_unknown": "无法识别这个文件的图片格式。请发送 JPEG、PNG、WebP、AVIF、GIF、BMP 或 TIFF。",
    "refused.picture_too_heavy": "打开这张图片需要的内存或时间太多。请缩小后另存为 JPEG 或 PNG。",
    "refused.picture_damaged": "这张图片已损坏或不完整。请重新保存或发送。",
    "refused.picture_too_many_pixels": (
        "这张图片是 {width}×{height}，即 {got} 百万像素，上限是 {limit}。请换一张小一些的。"
    ),
    "refused.picture_too_small": "这张图片是 {width}×{height} 像素，短边至少需要 {least} 像素。请换一张大一些的。",
    "refused.picture_too_long": "这张图片是 {width}×{height}，长边超过短边的 {limit} 倍。请裁剪后再试。",
    "refused.picture_heic": "这里不能读取 HEIC 图片。请在 iPhone 上以 JPEG 格式共享，或发送截图。",
    "refused.picture_avif": "这里不能读取 AVIF 图片。请发送 JPEG 或 PNG。",
    "refused.prompt_too_long": "提示词有 {got} 个字符，上限是 {limit}。请缩短一些。",
    "refused.prompt_too_late": "提示词提到第 {got} 秒，但影片只有 {seconds} 秒。请加长影片，或把时间提前。",
    "refused.blocked_word": "你的提示词里有这里不允许的词。请换一种说法再试。",
    "refused.seconds": "影片最长 {longest} 秒，你要求的是 {got} 秒。",
    "refused.seconds_none": "影片必须长于 0 秒，你要求的是 {got} 秒。请写一个数字，例如 5，最多 {longest}。",
    "refused.seconds_no_number": "{got} 不是一个秒数。请写一个数字，例如 5 或 2.5，最多 {longest}。",
    "refused.seed": "种子必须是 0 到 {limit} 之间的整数。你给的是 {got}。",
    "refused.quality": "没有名为 {got} 的画质。可选：{qualities}。",
    "refused.unknown_model": "没有名为 {name} 的模型。可选：{known}，或一个文件夹。",
    "refused.unsuited": "这个模型做不了这样的影片：{why} 请更改设置后再试。",
    "refused.disk_full": "磁盘只剩 {free_mib} MiB，新影片需要 {need_mib} MiB。请等有空间后再试。",
    "refused.queue_full": "已有 {got} 部影片在排队，上限是 {limit} 部。请等其中一部完成后再试。",
    "refused.queue_full_user": "你已有 {got} 部影片在排队，上限是 {limit} 部。请取消一部，或等它完成。",
    "refused.queue_full_chat": "这个聊天已有 {got} 部影片在排队，上限是 {limit} 部。请等其中一部完成后再试。",
    # 现在不行：数字，以及什么时候可以
    "refused.queue_full_until": "已有 {got} 部影片在排队，上限是 {limit} 部。大约 {wait}后可以提交下一部。",
    "refused.queue_full_user_until": (
        "你有 {got} 部影片在排队，上限是 {limit} 部。大约 {wait}后其中一部完成，就可以提交下一部；取消一部也可以。"
    ),
    "refused.queue_full_chat_until": (
        "这个聊天已有 {got} 部影片在排队，上限是 {limit} 部。大约 {wait}后可以提交下一部。"
    ),
    "refused.too_soon": "每 {limit_s} 秒最多提交一部影片。{wait}后可以提交下一部。",
    "refused.day_used": "每人 24 小时内有 {limit_s} 秒显卡时间，你已用了 {got_s} 秒。{wait}后可以再提交。",
    "refused.duplicate": "你刚刚提交过完全相同的影片，就是影片 {job}。换个种子就会得到不同的影片。",
    "refused.draining": "目前不接收新影片。已在排队的会做完，请稍后再试。",
    "refused.draining_because": "目前不接收新影片：{reason}。已在排队的会做完。",
    "refused.banned": "你不能在这里提交影片：{reason}。请联系管理者。",
    "refused.banned_until": "你在 {until} 之前（还有 {wait}）不能在这里提交影片：{reason}。",
    "ban.no_reason": "没有说明原因",
    "refused.port_in_use": "{host} 的端口 {port} 已被占用。请在 [web] port 中换一个，填 0 则自动选择。",
    "refused.address": "无法在 {host}:{port} 打开页面。请检查配置中 [web] 的 host 和 port。",
    "refused.output_folder": "没有文件夹 {path}。请先建立它，或把影片存到别处。",
    "refused.output_is_folder": "{path} 是一个文件夹。请给影片一个文件名，例如 film.mp4。",
    "refused.output_kind": "影片是 MP4，不能存成 {path}。请把它命名为 {name}。",
    "refused.output_no_file": "{path} 不是可以替换成影片的文件。请另取一个名字，例如 film.mp4。",
    "refused.output_is_picture": "{path} 就是图片本身。请给影片另取一个名字，例如 film.mp4。",
    "refused.output_unwritable": "无法写入 {path}。请把影片存到别处。",
    "refused.upload_too_big": "上传内容超过 {limit_mib} MiB。请换一张小一些的图片。",
    "refused.upload_broken": "上传的内容不完整，或格式不对。请再试一次。",
    "refused.field_too_big": "有一栏的内容太长了。请缩短后再试。",
    "refused.data_dir": "数据文件夹 {path} 无法使用：{why}。请用 --data-dir 选择另一个文件夹。",
    "refused.no_copy": "--from 指定的文件夹 {path} 不存在。",
    "refused.licence": "你没有接受许可，因此没有下载任何内容。",
    "refused.licence_unasked": "需要先接受许可，但这里无法询问。请在阅读之后加上 --accept-licence。",
    "refused.several_models": (
        "{at} 正在用模型 {served} 连接这个数据库，而这里是 {got}："
        "请让两边的 [model] name 和版本相同，或者先结束那一个。"
    ),
    "refused.model_changed": (
        "这里的模型从 {served}（同一数据库上的其他进程仍在使用）换成了 {got}，"
        "这个进程就此结束。请让所有进程使用同一版本，再重新启动它。"
    ),
    "refused.worker_media": (
        "这个进程的文件保存在 {place}，那里没有其他进程的任何文件："
        "请把各处的 [media] url 设为相同，指向大家都能访问的存储桶或文件夹。"
    ),
    "refused.move_nowhere": ("{path} 里写的就是现在的数据库：请在其中的 [database] url 写上另一个。"),
    "refused.other_model": "这里正在运行的服务使用的是 {served}，不是 {got}。请先停止它，或者不要加 --model。",
    "refused.served_size": "这里正在运行一个服务，它按自己的尺寸制作影片。请先停止它，或者不要加 --size。",
    "refused.no_such_page": "这个地址没有内容。可以从首页继续。",
    "refused.no_such_job": "这里没有这部影片：可能已被删除，或属于别人。",
    "refused.latents_gone": "这部影片太旧，接着做所需的数据已不再保留。可以从头重新生成。",
    "refused.no_film_yet": "还没有可看的影片。第一秒完成后再来吧。",
    "refused.film_gone": "这部影片的文件已经不在这里了。想看的话请重新制作。",
    "refused.job_over": "这部影片已经结束，不需要再停止。",
    "refused.ended_meanwhile": "这部影片在取消之前已经结束，所以没有删除任何内容。要删除请点“详情”。",
    "chat.is_now": "影片 {job}：{state}",
    # making a film again, longer or otherwise
    "refused.not_yours": "只有提交这部影片的人或这里的管理员才能这样做。",
    "refused.still_growing": "这部影片还在生成。请等它完成，或先让它到此为止。",
    "refused.film_is_whole": "这部影片已经完成。可以增加秒数、修改提示词或换个种子。",
    "refused.made_backwards": "这部影片是从结尾往前生成的，只能换种子或换提示词整部重做。",
    "refused.made_by_other_model": "这部影片由 {made} 生成，而现在运行的是 {loaded}。请重新发送图片来制作新影片。",
    "refused.long_enough": "这部影片已有 {got} 秒，上限是 {longest} 秒，所以不能再延长。",
    "refused.too_long_to_extend": "加长后影片将有 {got} 秒，而上限是 {longest} 秒。请少加几秒。",
    "refused.steer_over": "这部影片已经结束或即将结束。可以延长它来决定接下来发生什么。",
    "refused.steer_too_late": "最后一段已经在生成了。等影片完成后可以再延长。",
    "refused.method": "这个地址不能这样使用。请回到首页再试。",
    "refused.wrong_host": "这个页面只在自己的地址上应答。请打开 {url}。",
    "refused.wrong_origin": "这个请求来自另一个网站，因此没有执行。请打开 {url} 再试。",
    "refused.too_busy": "现在正在处理的图片太多了。请过几秒再试。",
    "refused.end_picture": "模型 {model} 不能以指定的图片结尾。请去掉结尾图片，或改用 framepack。",
    "refused.takes_no_jobs": "这台机器只制作影片，不接受请求。请到前端所在的机器上提交。",
    "refused.not_allowed": "你不能在这里这样做。请检查令牌是否正确。",
    "refused.managers_only": "只有能管理此服务器的人才能这样做。",
    "refused.request": "浏览器发来的内容无法理解。请刷新页面再试。",
    "refused.trouble": "这边出了问题，已经记录下来。请稍后再试。",
    # beside a result
    "note.first_frame_used": "这是一张动图，只使用它的第一帧。",
    "note.text_unmade": "这段提示词离下一段变化或结尾太近，没有用上：{text}。请让每段变化至少持续两秒。",
    # what a job does now
    "state.received": "已收到",
    "state.queued": "排队中",
    "state.running": "制作中",
    "state.done": "已完成",
    "state.stopped": "已停止",
    "state.failed": "失败",
    "state.cancelled": "已取消",
    "headline.received": "正在检查你的图片",
    "headline.next": "排在第 1 位，下一个就开始",
    "headline.queued": "排在第 {place} 位",
    "headline.paused": "已暂停。什么都不会丢，之后会自动继续",
    "headline.paused_because": "已暂停：{why}。什么都不会丢，之后会自动继续",
    "headline.again": "已完成 {seconds_done} / {seconds_total} 秒，等待下一轮",
    "headline.warming": "正在准备",
    "headline.loading": "正在加载模型",
    "headline.reading": "正在读取提示词和图片",
    "headline.first": "正在绘制第一秒",
    "headline.growing": "已完成 {seconds_done} / {seconds_total} 秒",
    "headline.finishing": "已完成 {seconds_done} / {seconds_total} 秒，正在写入文件",
    "headline.stopping": "到此停止，保留已完成的部分",
    "headline.cancelling": "正在取消",
    "headline.done": "影片完成了：{seconds_done} 秒",
    "headline.stopped": "停在 {seconds_done} 秒，这就是你的影片",
    "headline.cancelled": "已取消",
    "headline.failed": "这部影片没能完成",
    "headline.failed_kept": "这部影片没能完成，已保留 {seconds_done} 秒",
    "eta.first": "大约 {first}后出现第一秒，{left}后全部完成",
    "eta.next": "大约 {next}后继续，{left}后全部完成",
    "eta.left": "大约还要 {left}",
    # 聊天中的任务消息：各行文字、按钮、完成时的提醒
    "chat.checking": "正在检查你的图片……",
    "chat.ready": "{when}完成",
    "chat.first": "{when}出现第一秒",
    "chat.next": "{when}出现下一秒",
    "chat.goes_on": "{when}继续",
    "chat.watch": "七天内可在这里观看：{link}",
    "chat.clock": "世界时 {clock}",
    "chat.in": "{left}后",
    "chat.paused": "队列已暂停：{reason}。你的位置（第 {place} 位）会保留。",
    "chat.paused_plain": "稍后会继续",
    "chat.restarted": "机器人重启过，现在从这里继续。",
    "chat.parent": "基于影片 {job}",
    "chat.asked_in": "来自 {place} 的请求",
    "chat.from_its_end": "从结尾开始制作，所以先出现最后一秒。",
    "chat.stopped_by": "由 {person} 停止",
    "chat.cancelled_by": "由 {person} 取消",
    "chat.seed": "种子 {seed}",
    "chat.took": "用时 {took}",
    "chat.ai": "AI 生成动画",
    "chat.job": "影片 {job}",
    "chat.job_yours": "影片 {job}（你的）",
    "chat.too_big": "影片超过了此聊天允许的大小（{limit_mib} MiB），所以这里没有附上影片。",
    "chat.ping_ready": "{person}，你的 {seconds} 秒影片已经完成。",
    "chat.ping_failed": "{person}，你的影片没能完成。",
    "chat.woken": "这条消息里的影片继续生成。",
    "chat.cancel_sure": "要取消影片 {job} 吗？已完成 {seconds} 秒。",
    "chat.cancel_keep": "取消，保留 {seconds} 秒",
    "chat.cancel_delete": "取消并删除",
    "chat.cancel_not": "不取消",
    "chat.not_cancelled": "影片 {job} 没有取消。",
    "chat.button.stop": "到此为止",
    "chat.button.cancel": "取消",
    "chat.button.steer": "改变接下来的内容",
    "chat.button.seed": "换个种子",
    "chat.button.edit": "修改提示词",
    "chat.button.extend": "延长 {seconds} 秒",
    "chat.button.details": "详情",
    "chat.button.again": "再来一次",
    "chat.button.retry": "重试",
    "chat.button.report": "报告问题",
    "quality.draft": "草稿",
    "quality.standard": "标准",
    "quality.best": "最佳",
    "quality.typed": "{called}（{name}）",
    # why a job failed: what happened, what to do
    "failed.out_of_memory": "显存不够了。请换低一些的画质，或关闭其他占用显卡的程序。",
    "failed.checkpoint_missing": "这台机器上没有这个模型。请运行 flipbot download 获取。",
    "failed.checkpoint_incomplete": "模型不完整，缺少 {file}。请再次运行 flipbot download。",
    "failed.checkpoint_corrupt": "模型文件 {file} 已损坏。请删除它，再运行 flipbot download。",
    "failed.unknown_model": "没有名为 {name} 的模型。配置中可以填写：{known}。",
    # 内存计划
    "failed.memory_taken": "其他程序占用了模型需要的内存（{need} GiB {kind}）。请稍后重新制作。",
    "failed.too_little_memory": "这台机器的内存放不下这个模型：需要 {need} GiB {kind}，可用 {have} GiB。"
    "请机主运行 flipbot doctor 查看内存计划。",
    "failed.bad_precision": "这台机器不能使用精度 {precision}：{why}。",
    "failed.device_missing": "找不到设备 {device}。请运行 flipbot doctor 查看这台机器的情况。",
    "failed.download_failed": "模型下载失败：{what}。请再次运行 flipbot download，它会从中断处继续。",
    "failed.lora_unusable": "配置中的 LoRA 无法使用：{file}（{why}）。",
    "failed.attention_missing": "注意力内核 {name} 在这里无法使用：{why}。请运行 flipbot doctor 查看。",
    "failed.sampling_not_supported": "这个模型不支持这种生成顺序。请去掉结尾图片再试。",
    "failed.picture_unreadable": "图片无法再次打开。请重新发送。",
    "failed.picture_held_back": (
        "机器人会先检查图片再制作影片，这张图片没有通过。检查可能有误：请换一张图片，或询问管理者。"
    ),
    "failed.film_held_back": ("机器人会先检查影片再展示，接下来的一秒没有通过。检查可能有误：请换一个种子或描述。"),
    "failed.check_unusable": "图片在制作影片之前需要检查，但现在无法检查：{file}{why}。请运行 flipbot doctor。",
    "failed.disk_full": "磁盘已满。请腾出空间，然后重新制作。",
    "failed.encoder_failed": "影片无法写入文件。请再试一次，并查看 flipbot doctor。",
    "failed.text_encoder_died": "无法读取提示词：负责的进程两次中途退出，可能内存不足。请运行 flipbot doctor 查看。",
    "failed.nan_latents": "画面在绘制时崩坏了。请换一个种子；如果仍然如此，请看 flipbot doctor 的说明。",
    "failed.worker_crashed": "引擎在同一处停止了三次。请换一个种子，或换低一些的画质。",
    "failed.size_not_supported": "这个模型做不了这个尺寸。请换一种画质。",
    "failed.bad_plan": "这个模型做不了这样的影片。请换一些设置。",
    "failed.other_model": "这部影片由 {made} 生成，而现在运行的是 {loaded}。请重新发送图片。",
    "failed.limit_too_small": "{seconds} 秒的影片无法压缩到这里允许的 {limit_mib} MiB 以内。",
    "failed.sections_missing": "这部影片前面的一部分已不在磁盘上。请重新制作。",
    "failed.section_lost": "这部影片已完成的部分在磁盘上一再损坏。请检查磁盘。",
    # 机器的故障
    "headline.no_room": "等待中：磁盘已满，有空间后会自动继续",
    "headline.held_up": "等待中：磁盘暂时无法写入，稍后会自动继续",
    "headline.media_away": "等待中：存放影片的地方暂时没有响应，稍后会自动继续",
    "headline.database_away": "等待中：队列的数据库暂时没有响应，稍后会自动继续",
    "headline.continuing": "磁盘上一段已完成的内容损坏了，正从最后完好的一段继续",
    "headline.engine_again": "引擎停止了，正在重新启动；不会丢失任何内容",
    "headline.smaller": "内存不够，正用更省内存的方式重试",
    "headline.engine_away": "等待中：制作影片的机器出了问题，解决后会自动继续",
    "headline.memory_taken": "等待中：制作影片的机器内存正被其他程序占用，释放后会自动继续",
    "headline.resting": "等待中：现在不是制作影片的时段",
    "headline.in_use": "等待中：制作影片的机器正在用于别的事情，之后会自动继续",
    "headline.model_gone": "等待中：模型文件暂时不全，补齐后会自动继续",
    "headline.other_model": "等待中：需要模型 {model}，它现在没有运行；运行后会自动继续",
    "failed.service_died": "制作这一段时，整个服务停止了 {deaths} 次。请换低一些的画质，或缩短影片。",
    "failed.disk_failed": "磁盘无法使用。请检查磁盘，然后重新制作。",
    "failed.machine_short": "这台机器没有更多的内存或可打开的文件了。请稍后重新制作。",
    "failed.database_away": "连接不上队列的数据库。请检查数据库服务器，然后重新制作。",
    "failed.database_busy": "队列被另一个程序锁住了。请结束那个程序，然后重新制作。",
    "failed.media_away": "存放影片的地方没有响应。请重新制作。",
    "refused.media_away": "存放图片和影片的地方没有响应。不会丢失任何内容；请过一分钟再试。",
    "refused.held_up": "暂时无法保存任何内容：磁盘或队列没有响应。请过一分钟再试。",
    "trouble.disk": "磁盘快满了：影片会等到有空间再继续。",
    "failed.engine_failed": "引擎没能做出这部影片。请再试一次，并查看 flipbot doctor。",
    "failed.worker_lost": "引擎没有反应了。请再试一次，并查看 flipbot doctor。",
    "failed.internal": "这边出了问题，已经记录下来。请再试一次。",
    "failed.cancelled": "影片在完成之前被取消了。",
    "failed.unknown": "发生了意外的情况（{reason}）。请再试一次，如果仍然如此，请告诉管理者。",
    "failed_here.out_of_memory": "显存不够了。请换低一些的画质或缩短影片；如果仍然如此，请告诉管理者。",
    "failed_here.nan_latents": "画面在绘制时崩坏了。请换一个种子；如果仍然如此，请告诉管理者。",
    "failed_here.engine": "这部影片没能做出来。请再试一次；如果仍然如此，请告诉管理者。",
    "failed_here.model": "模型现在无法使用。请告诉管理者。",
    "failed_here.machine": "按现在的设置，这台机器无法运行这个模型。请告诉管理者。",
    "failed_here.disk_full": "磁盘已满。请告诉管理者。",
    "failed_here.disk": "磁盘无法使用。请告诉管理者。",
    "failed_here.no_worker": "现在没有机器在生成影片，影片会等到有机器为止。",
    "failed_here.database": "队列没有响应。请告诉管理者。",
    # Discord：命令、选项及其说明、表单、回答
    "refused.permissions": "我不能在 {channel} 发布：缺少 {missing}。请让管理员开启，或换一个频道。",
    "refused.adults_only": "这部影片是在年龄限制频道里制作的，不能在其他频道显示。",
    "refused.channel": "此服务器在 {channels} 生成影片。请到那里发送请求。",
    "refused.picture_fetch": "无法从 Discord 取得图片。请再发送一次。",
    "refused.picture_host": "只能使用上传到 Discord 的图片。请直接附上图片。",
    "refused.no_picture_there": "那条消息里没有图片。请选择附有图片的消息。",
    "refused.no_film_there": "那条消息没有显示我的影片。请选择影片所在的消息。",
    "refused.operators_only": "只有运行这台机器的人可以这样做。请联系他们。",
    "discord.name.animate": "动画",
    "discord.name.queue": "队列",
    "discord.name.cancel": "取消",
    "discord.name.history": "历史",
    "discord.name.settings": "设置",
    "discord.name.help": "帮助",
    "discord.name.privacy": "隐私",
    "discord.name.forget_me": "忘记我",
    "discord.name.studio": "工作室",
    "discord.name.status": "状态",
    "discord.name.pause": "暂停",
    "discord.name.now": "立即",
    "discord.name.resume": "继续",
    "discord.name.drain": "收尾",
    "discord.name.priority": "优先",
    "discord.name.ban": "封禁",
    "discord.name.unban": "解封",
    "discord.name.limits": "限额",
    "discord.name.channels": "频道",
    "discord.name.config": "配置",
    "discord.name.image": "图片",
    "discord.name.prompt": "提示词",
    "discord.name.seconds": "秒数",
    "discord.name.quality": "画质",
    "discord.name.seed": "种子",
    "discord.name.end_image": "结尾图片",
    "discord.name.spoiler": "剧透",
    "discord.name.deliver": "发送到",
    "discord.name.job": "影片",
    "discord.name.reason": "原因",
    "discord.name.user": "用户",
    "discord.name.hours": "小时",
    "discord.name.notify": "提醒",
    "discord.name.language": "语言",
    "discord.name.user_jobs": "每人数量",
    "discord.name.channel": "频道",
    "discord.name.delete_cancels": "删除即取消",
    "discord.name.keep_cancelled": "保留已取消",
    "discord.name.role": "身份组",
    "discord.name.allowed": "允许",
    "discord.menu.animate": "让图片动起来",
    "discord.menu.report": "举报影片",
    "discord.about.animate": "把图片变成影片，在这里一秒一秒地生成",
    "discord.about.queue": "正在生成和等待中的影片",
    "discord.about.cancel": "取消你的一部影片",
    "discord.about.history": "你最近的影片，可以再次显示",
    "discord.about.settings": "你的默认值、提醒方式和语言",
    "discord.about.help": "使用方法",
    "discord.about.privacy": "保存哪些关于你的内容，保存多久",
    "discord.about.forget_me": "删除保存的关于你的一切",
    "discord.about.studio": "给管理此服务器的人",
    "discord.about.status": "工作室现在的状态",
    "discord.about.pause": "不再开始新的内容；排队位置保留",
    "discord.about.now": "正在制作的这一秒也放弃，以后重新制作",
    "discord.about.resume": "继续",
    "discord.about.drain": "不再接收新影片；完成队列中的影片",
    "discord.about.studio_cancel": "取消任何人的影片",
    "discord.about.priority": "让这部影片排到最前",
    "discord.about.ban": "不再允许某人在这里生成影片",
    "discord.about.unban": "重新允许",
    "discord.about.limits": "此服务器上每人的限额",
    "discord.about.channels": "可以在哪些频道生成影片",
    "discord.about.config": "当前配置和最近的操作",
    "discord.about.server_prompt": "没有写提示词时使用的提示词；填 - 则用机器人自己的",
    "discord.about.delete_cancels": "删除生成中影片的消息时，是否一并取消影片",
    "discord.about.keep_cancelled": "取消影片后，已完成的部分是否留在消息里",
    "discord.about.role": "只对拥有此身份组的人有效；一个人有多个时，以最宽松的为准",
    "discord.about.image": "影片开头的图片",
    "discord.about.prompt": "想让画面发生什么：起雾了 | 3秒：夜幕降临",
    "discord.about.seconds": "影片长度（秒）",
    "discord.about.quality": "画质越高越慢",
    "discord.about.seed": "同样的数字得到同样的影片",
    "discord.about.end_image": "影片结尾的图片",
    "discord.about.spoiler": "点击之前隐藏",
    "discord.about.deliver": "在哪里显示影片",
    "discord.about.job": "影片编号",
    "discord.about.reason": "原因",
    "discord.about.user": "哪位用户",
    "discord.about.hours": "封禁多少小时；不填则永久",
    "discord.about.notify": "长影片完成后怎样提醒你",
    "discord.about.language": "机器人与你交流的语言",
    "discord.about.user_jobs": "每人在队列中的影片数",
    "discord.about.server_seconds": "影片最长多少秒",
    "discord.about.channel": "要更改的频道",
    "discord.about.allowed": "是否允许在那里生成影片",
    "discord.choice.here": "这里",
    "discord.choice.dm": "私信",
    "discord.choice.ping": "提醒我",
    "discord.choice.silent": "静默提醒",
    "discord.choice.off": "不提醒",
    "discord.form.which": "哪张图片？",
    "discord.form.prompt": "想让画面发生什么？",
    "discord.form.seconds": "秒数",
    "discord.form.quality": "画质",
    "discord.form.seed": "种子",
    "discord.modal.edit": "修改提示词",
    "discord.modal.edit.prompt": "想让画面发生什么？",
    "discord.modal.steer": "接下来会发生什么？",
    "discord.modal.steer.prompt": "从这里开始",
    "discord.modal.report": "举报这部影片",
    "discord.modal.report.reason": "有什么问题？",
    "discord.permission.view_channel": "查看频道",
    "discord.permission.send_messages": "发送消息",
    "discord.permission.send_messages_in_threads": "在子区内发送消息",
    "discord.permission.attach_files": "附加文件",
    "discord.permission.read_message_history": "读取消息历史",
    "discord.to_dm": "影片会通过私信发给你。",
    "discord.accept": "我同意",
    "discord.terms": (
        "第一次生成之前请确认：你有权使用这张图片，图中没有未经同意的真人，也没有色情内容。影片会标明由 "
        "AI 生成。详情：/privacy"
    ),
    "discord.accepted": "谢谢。请再次发送你的请求。",
    "discord.cancel_drops": (
        "要取消影片 {job} 吗？按此服务器的设置，已完成的 {seconds} 秒会从消息里移除，但在删除之前仍会保存；"
        "按影片下方的“到此为止”则会留在消息里。"
    ),
    "discord.sure_cancel": "取消影片",
    "discord.delete": "删除这部影片",
    "discord.deleted": "影片已删除。",
    "discord.steered": "已记下：影片 {job} 尚未开始的部分会按照新的提示词生成。",
    "discord.reported": "谢谢。管理员会查看。",
    "discord.report": "影片 {job} 被 {user} 举报（属于 {owner}）。{link}",
    "discord.cancelled": "影片 {job} 已取消。",
    "discord.cancelled_keeps": "影片 {job} 已取消。已完成的 {seconds} 秒会留在消息里；可以在那里的“详情”中删除。",
    "discord.cancelled_drops": (
        "影片 {job} 已取消。已完成的 {seconds} 秒会从消息里移除，但仍会保存；可以在那里的“详情”中删除。"
    ),
    "discord.no_films": "你在这里还没有影片。请用 /animate 开始。",
    "discord.history": "选择一部影片，在这里再次显示。",
    "discord.more": "还有 {count} 部",
    "discord.settings": (
        "除非另外说明，你的影片长 {seconds} 秒，画质为{quality}。长影片完成时：{notify}。语言：{language}。"
        "更改方法：在 /settings 中填写秒数（seconds）、画质（quality）、提醒（notify）或语言（language）。"
    ),
    "discord.help": (
        "**/animate**：附上图片，写上想要的变化，影片就会在消息里逐秒生成。\n"
        "用竖线和时间开始下一段变化：`起雾了 | 3秒：夜幕降临`\n"
        "**到此为止**保留已完成的部分，**改变接下来的内容**改写剩余部分，**延长**从结尾继续。\n"
        "聊天中的任何图片：在消息菜单的“应用”里选择“让图片动起来”。\n"
        "**/queue**、**/cancel**、**/history**、**/settings**、**/privacy**、**/forget-me**"
    ),
    "discord.privacy": (
        "保存的内容：你的用户 ID、图片和提示词、由此生成的影片、你的设置，以及你接受条款的时间。"
        "它们只用于制作你的影片和防止滥用，由机器人的主人保管，绝不用于训练。\n"
        "**/forget-me** 会删除全部内容，包括消息。只有封禁会保留；你用过的显卡时间会不记名地保留一天。"
        "删除单部影片：详情，删除这部影片。"
    ),
    "discord.forget": "全部删除",
    "discord.forget_sure": "这会删除你的影片、图片和设置，并移除相关消息，无法恢复。",
    "discord.forgotten": "与你有关的内容已全部删除，包括 {count} 部影片。",
    "discord.status.open": "开放：正在接收并生成影片。",
    "discord.status.paused": "已暂停。",
    "discord.status.paused_because": "已暂停：{reason}",
    "discord.status.draining": "不再接收新影片。",
    "discord.status.draining_because": "不再接收新影片：{reason}",
    "discord.status.shut": "已暂停，也不再接收新影片。",
    "discord.status.shut_because": "已暂停，也不再接收新影片：{reason}",
    "discord.status.queue": "{running} 部正在生成，{waiting} 部等待中",
    "discord.paused": "已暂停。排队位置保留；/studio resume 继续。",
    "discord.resumed": "已继续。",
    "discord.drained": "不再接收新影片；队列中的影片会完成。",
    "discord.prioritised": "影片 {job} 已排到最前。",
    "discord.banned": "{user} 不能再生成影片。",
    "discord.unbanned": "{user} 可以再次生成影片。",
    "discord.limits": "此服务器的限额：{limits}",
    "discord.limits_role": "{role} 的限额：{limits}",
    "limit.none": "没有单独的限额",
    "limit.queued_per_user": "每人同时 {value} 部影片",
    "limit.queued_per_chat": "每个聊天同时 {value} 部影片",
    "limit.gpu_seconds_per_day": "每天 {value} 秒计算时间",
    "limit.cooldown_s": "两部影片之间间隔 {value} 秒",
    "limit.longest_seconds": "影片最长 {value} 秒",
    "discord.channels_all": "所有频道都可以生成影片。",
    "discord.channels": "可以生成影片的频道：{channels}",
    "discord.server_prompt": "没有写提示词的影片使用：{prompt}",
    "discord.delete_cancels": "删除正在生成的影片的消息，就会取消这部影片。",
    "discord.delete_keeps": "影片的消息被删除后，影片仍会完成，并重新发出。",
    "discord.keeps_cancelled": "取消影片后，已完成的部分会留在消息里。",
    "discord.drops_cancelled": "取消影片后，影片会从消息里移除，但在删除之前仍会保存。",
    "discord.config": "影片最长 {longest} 秒，每人排队 {per_user} 部，画质：{qualities}",
    # the page
    "page.title": "Flipbot",
    "page.tagline": "让一张图片，一秒一秒变成影片。",
    "page.home": "新影片",
    "page.skip": "跳到正文",
    "page.drop": "把图片拖到这里，粘贴，或选择文件",
    "page.drop_hint": "JPEG、PNG、WebP 等格式，最大 {limit_mib}\u00a0MiB",
    "page.choose": "选择图片",
    "page.another": "换一张",
    "page.no_picture": "这个文件无法显示为图片：可能已损坏，或者不是图片。请换一张。",
    "page.stays": "仍使用之前选的图片。",
    "page.prompt": "想让画面发生什么？",
    "page.prompt_placeholder": "起雾了 | 3秒：夜幕降临",
    "page.prompt_hint": "留空则是轻柔的动态。用“| 3秒：”开始下一段变化。",
    "page.examples": "试试这些",
    "page.seconds": "秒数",
    "page.seconds_hint": "最多 {longest}",
    "page.seed": "种子",
    "page.seed_hint": "留空则随机",
    "page.quality": "画质",
    "page.start": "开始制作",
    "page.sending": "正在发送图片",
    "page.films": "你的影片",
    "page.no_films": "这里还是空的，你的影片会出现在这里。",
    "page.stop": "到此为止",
    "page.stop_hint": "{stop}：保留已完成的部分",
    "page.cancel": "取消",
    "page.cancel_sure": "取消并保留已完成的部分？",
    "page.download": "下载",
    "page.share": "AI 生成动画",
    "page.preview": "正在绘制的下一秒",
    "page.step": "第 {step} 步，共 {of} 步",
    "page.film": "你的影片",
    "page.original": "最初的图片",
    "page.settings": "{seconds} 秒，种子 {seed}",
    "page.no_prompt": "轻柔的动态",
    "page.offline": "与 Flipbot 的连接断开了，正在重试。",
    "page.paused": "Flipbot 已暂停。新的影片会保留排队位置，稍后制作。",
    "page.paused_because": "Flipbot 已暂停：{reason}。新的影片会保留排队位置，稍后制作。",
    # 机器人自己发给管理者的
    "alarm.waits": "现在没有在制作影片。{what}。排队中的影片：{count}。flipbot doctor 会说明该怎么办。",
    "alarm.fails": "最近 {count} 部影片都因同一原因失败。{why}flipbot doctor 会说明详情。",
    "alarm.over": "影片又开始制作了。",
    "page.resting": "影片只在特定时段制作，大约 {wait}后继续。新的影片会保留排队位置，到时制作。",
    "page.in_use": "制作影片的机器正在用于别的事情。新的影片会保留排队位置，稍后制作。",
    "page.shut": "Flipbot 已暂停，也不接收新影片。请稍后再试。",
    "page.shut_because": "Flipbot 已暂停，也不接收新影片：{reason}。请稍后再试。",
    "page.untrained": "这是{sentence}。",
    "page.back": "回到首页",
    # the page: the password, going on with a film, the gallery, links, the owner's window
    "refused.password_needed": (
        "别人也能访问 {host} 上的页面，因此需要密码。"
        '请设置 [web] password 或 FLIPBOT_PASSWORD，或改为 host = "127.0.0.1"。'
    ),
    "refused.password_needed_public": (
        "别人也能通过 {url} 访问页面，因此需要密码。请设置 [web] password 或 FLIPBOT_PASSWORD，或将 public_url 留空。"
    ),
    "refused.guests_alone": (
        "[web] guest_password 只在设有 [web] password 时才能用来让访客登录。请两个都设置，或将 guest_password 留空。"
    ),
    "refused.guests_own": "[web] password 与 guest_password 相同，这样每位访客都会成为所有者。请改掉其中一个。",
    "refused.owner_only": "这里只对所有者开放。请先退出，再用所有者的密码登录。",
    "refused.wrong_password": "密码不对，请再试一次。",
    "refused.no_password": "这里需要密码。请在配置中设置 [web] password，然后重新启动 Flipbot。",
    "refused.sign_in": "请先登录。",
    "refused.form_expired": "这个表单已过期，或不是来自本页面。请刷新页面再试。",
    "refused.too_often": "一分钟内尝试的次数太多了。请稍等再试。",
    "refused.streams_yours": "你已经同时在看 {limit} 部正在生成的影片，这是上限。请关闭其中一些页面。",
    "refused.streams_full": "现在观看的人太多。本页会自动重试。",
    "refused.no_public_url": "这里的影片没有链接。管理者可以在配置中设置 [web] public_url。",
    "refused.link_over": "这个链接已经不再指向任何影片。请向对方要一个新的。",
    "page.nav": "页面",
    "page.gallery": "你的影片",
    "page.all_films": "查看全部影片",
    "page.more": "更多影片",
    "page.none_found": "没有找到包含这段文字的影片。",
    "page.search": "搜索提示词",
    "page.find": "搜索",
    "page.remix": "再用一次",
    "page.delete": "删除",
    "page.delete_sure": "确定永久删除？",
    "page.sign_in": "登录",
    "page.sign_out": "退出登录",
    "page.signed_out": "已退出登录。在这个浏览器里制作的影片仍留在这里：重新登录就能看到。",
    "page.language": "简体中文",
    "page.languages": "语言",
    "page.password": "密码",
    "page.details": "更多设置",
    "page.camera": "拍照",
    "page.end": "结尾图片",
    "page.end_hint": "影片以它结束",
    "page.keep_end": "未选择其他图片时，仍以原来的结尾图片结束",
    "page.end_left": "那部影片以指定的图片结束；模型 {model} 做不到这一点。",
    "page.moment": "添加下一段变化",
    "page.moment_unit": "秒：",
    "page.steer": "改变接下来的内容",
    "page.next_text": "接下来会发生什么？",
    "page.do_steer": "就这样改",
    "page.steered": "还没开始的部分会按照新的提示词生成。",
    "page.extend": "延长 {seconds} 秒",
    "page.longer": "延长，并换一段提示词",
    "page.longer_hint": "留空则照原样继续。",
    "page.longer_seconds": "再加几秒",
    "page.do_longer": "延长影片",
    "page.redo": "重做最后一秒",
    "page.finish": "把它做完",
    "page.another_film": "再做一版",
    "page.new_seed": "换个种子",
    "page.edit": "修改提示词",
    "page.do_edit": "用这段提示词制作",
    "page.copy": "复制设置",
    "page.copied": "已复制：",
    "page.link": "影片链接",
    "page.link_copied": "已复制，一周内有效：",
    "page.link_hint": "一周之内，拿到这个链接的人都能看到影片。",
    "page.link_label": "链接",
    "page.back_to_film": "回到影片",
    "admin.title": "服务",
    "admin.open": "开放",
    "admin.paused": "已暂停：不再开始新的一段",
    "admin.draining": "正在收尾：不再接收新影片",
    "admin.shut": "已暂停并收尾：不再开始新的一段，也不接收新影片",
    "admin.server": "服务器 {server}",
    "admin.open_films": "等待或制作中：{count} 部",
    "admin.reason": "原因（大家都会看到）",
    "admin.pause": "暂停",
    "admin.pause_now": "立即暂停",
    "admin.resume": "重新开放",
    "admin.resume_both": "两者都解除",
    "admin.drain": "收尾",
    "admin.machine": "这台机器",
    "admin.model": "模型",
    "admin.memory": "内存",
    "admin.memory_of": "Flipbot 占用 {got} GiB，空闲 {free} GiB",
    "admin.disk": "影片和文件",
    "admin.disk_of": "{got} GiB，剩余 {free} GiB",
    "admin.films": "{state}的影片",
    "admin.engines": "显卡与内存规划",
    "admin.no_engine": "尚未载入模型，制作第一部影片时才会载入。",
    "admin.no_gpu": "没有显卡，由处理器计算",
    "admin.precision": "精度",
    "admin.blocks": "模块",
    "admin.all_blocks": "全部 {blocks} 个常驻内存",
    "admin.some_blocks": "{blocks} 个中有 {resident} 个常驻显存，每一步传输 {streamed} GiB",
    "admin.vram": "显存",
    "admin.ram": "内存",
    "admin.planned": "计划使用 {planned} GiB（上限 {limit} GiB），实测最多 {seen} GiB",
    "admin.to_come": "计划使用 {planned} GiB（上限 {limit} GiB）",
    "admin.loaded": "载入时间",
    "admin.freed": "释放时间",
    "admin.plan": "内存用在哪里",
    "admin.part.blocks": "常驻的模块",
    "admin.part.slots": "给传输中模块的空间",
    "admin.part.tables": "提示词的数据表",
    "admin.part.embedders": "嵌入层与输出层",
    "admin.part.vae": "图像解码器（VAE）",
    "admin.part.once": "采样与解码（峰值）",
    "admin.uptime": "已运行",
    "admin.queue": "排队中的影片（按轮次）",
    "admin.empty": "没有影片在排队。",
    "admin.nothing": "还没有。",
    "admin.film": "影片",
    "admin.who": "用户",
    "admin.yours": "你的",
    "admin.text": "提示词",
    "admin.parts": "段数",
    "admin.what_now": "状态",
    "admin.left": "剩余时间",
    "admin.do": "操作",
    "admin.when": "时间",
    "admin.why": "原因",
    "admin.what": "操作",
    "admin.target": "对象",
    "admin.first": "优先",
    "admin.sessions": "登录会话",
    "admin.sessions_hint": "结束所有浏览器中的全部会话，包括你自己的和所有访客的。",
    "admin.sign_out": "在所有设备上退出",
    "admin.section_s": "每段用时（秒）",
    "admin.in_line": "最近 24 小时内排队影片的最大数量",
    "admin.sampling": "采样",
    "admin.decode": "解码",
    "admin.encode": "写入",
    "admin.failures": "最近的失败",
    "admin.audit": "管理记录",
    "admin.bans": "封禁",
    "admin.ban": "封禁",
    "admin.ban_sure": "封禁一天？",
    "admin.unban": "解除封禁",
    "admin.platform": "平台",
    "admin.user": "对方的 ID",
    "admin.days": "多长时间",
    "admin.day": "一天",
    "admin.week": "一周",
    "admin.month": "30 天",
    "admin.forever": "永久",
    "admin.everywhere": "所有地方",
    "admin.until": "直到 {until}",
    "admin.by": "操作者：{by}",
    "admin.doctor": "体检",
    "admin.examine": "检查这台机器",
    "admin.did.pause": "暂停",
    "admin.did.pause_now": "立即暂停",
    "admin.did.resume": "重新开放",
    "admin.did.drain": "收尾",
    "admin.did.prioritise": "设为优先",
    "admin.did.cancel": "取消",
    "admin.did.ban": "封禁",
    "admin.did.unban": "解除封禁",
    "admin.did.limits": "设置限额",
    # telegram
    "telegram.command.animate": "制作影片：附上图片，或回复一张图片",
    "telegram.command.queue": "正在制作和等待中的影片",
    "telegram.command.cancel": "取消你的一部影片",
    "telegram.command.history": "你最近的影片",
    "telegram.command.settings": "时长、画质、语言、通知",
    "telegram.command.help": "使用说明",
    "telegram.command.privacy": "保存哪些数据、保存多久",
    "telegram.command.forgetme": "删除与你有关的一切",
    "telegram.command.start": "开始",
    "telegram.command.status": "队列状态",
    "telegram.command.pause": "暂停队列：/pause 原因，或 /pause now 原因",
    "telegram.command.resume": "继续",
    "telegram.command.drain": "做完等待中的，不再接收新的",
    "telegram.command.ban": "封禁某人：回复其消息，或 /ban ID 小时 原因",
    "telegram.command.unban": "解除封禁",
    "telegram.command.limits": "当前的限额",
    "telegram.description": (
        "发一张图片给我，告诉我想要的变化：我会把它变成一部逐秒生成的影片。"
        "所有影片都由某人家里的一块显卡制作，所以可能需要排队。"
    ),
    "telegram.short_description": "一张图片，一秒一秒变成影片。",
    "telegram.start": (
        "发一张图片给我，并在说明文字中写上想要的变化。影片会在同一条消息里逐秒生成。\n"
        "以文件形式发送可保留完整画质。/help 有更多说明，/privacy 说明保存哪些数据。"
    ),
    "telegram.help": (
        "发送一张图片并附上文字，例如：起雾了 | 3秒：夜幕降临\n"
        "文字末尾可以设置时长（最长 {longest} 秒）、种子和画质，也可以让影片点击后才显示：起雾了 5s seed=42 "
        "q=draft 剧透\n"
        "可选的画质：{qualities}。\n"
        "以文件形式发送可保留完整画质。\n"
        "在群组里，用 /animate@{bot} 加文字回复一张图片。\n"
        "影片下方的按钮：到此为止、改变接下来的内容、换个种子、延长。\n"
        "/queue /cancel /history /settings /privacy /forgetme"
    ),
    "telegram.examples": "这个模型能理解：{examples}",
    "telegram.privacy": (
        "保存的内容：你的 Telegram 用户 ID（不是手机号码），你的图片、提示词和影片，你的设置，"
        "以及你接受条款的时间。它们只用于制作你的影片和防止滥用，由机器人的主人保管，绝不用于训练。/forgetme "
        "会删除这一切，包括带有你影片的消息。只有封禁会保留；你用过的显卡时间会不记名地保留一天。"
    ),
    "telegram.privacy_days": "影片和图片会在 {days} 天后自动删除。",
    "telegram.terms": (
        "条款：我只会使用我有权使用的图片；未经本人同意，不使用真人图片；不含色情内容，不伤害任何人。"
        "影片会标明由 AI 制作。"
    ),
    "telegram.terms_ask": "你接受吗？我只问这一次。",
    "telegram.accepted": "谢谢，已开始处理你的影片。",
    "telegram.refused_terms": "好的，不会保存任何内容。",
    "telegram.ask_prompt": "想让画面发生什么？",
    "telegram.write_prompt": "请回复想要的变化。",
    "telegram.write_edit": "请回复新的提示词，我会用同一张图片制作一部新影片。",
    "telegram.write_steer": "请回复接下来想要的变化。",
    "telegram.write_report": "请回复这部影片有什么问题。",
    "telegram.placeholder": "起雾了 | 3秒：夜幕降临",
    "telegram.text_please": "这里需要文字，请用文字回复。",
    "telegram.album_taken": "这是一个相册，我只用其中一张：带说明文字的那张。",
    "telegram.album_first": "这是一个相册，我用第一张图片。",
    "telegram.send_a_picture": "发一张图片给我，并在说明文字中写上想要的变化。",
    "telegram.no_picture": "这里没有图片。发送图片时在说明文字中写上此命令，或用它回复一张图片。",
    "telegram.no_picture_group": "这里没有图片。请用此命令回复一张图片。",
    "telegram.as_yourself": "我看不出你是谁。请以你本人的身份发送，而不是以群组或频道的身份。",
    "telegram.no_picture_there": "那条消息里没有图片。请回复一条带图片的消息。",
    "telegram.picture_gone": "Telegram 不再提供这张图片，请重新发送。",
    "telegram.no_such_command": "没有这个命令，/help 列出了所有命令。",
    "telegram.queued": "影片 {job} 已在排队。",
    "telegram.steered": "接下来的部分会按照你的提示词生成（影片 {job}）。",
    "telegram.delete_sure": "影片和它的文件将永久删除。再按一次即删除。",
    "telegram.deleted": "已删除。",
    "telegram.not_yours": "只有提交这部影片的人和管理员可以这样做。",
    "telegram.question_over": "这个确认已失效，请重新操作。",
    "telegram.question_not_yours": "这个按钮是给别人的。",
    "telegram.button_unknown": "这个按钮来自另一个版本。用 /history 查看你的影片。",
    "telegram.queue_empty": "没有影片在排队。发一张图片给我吧。",
    "telegram.queue_title": "排队中：{films}",
    "telegram.queue_more": "还有 {films} 部",
    "telegram.nothing_to_cancel": "你没有正在排队或制作的影片。",
    "telegram.cancel_which": "哪一部影片？",
    "telegram.history_empty": "这里还没有你的影片。发一张图片给我吧。",
    "telegram.history_title": "你最近的影片：{films} 部。按一下即可查看。",
    "telegram.settings_title": "你的设置。按一下即可更改。",
    "telegram.setting.seconds": "时长",
    "telegram.setting.quality": "画质",
    "telegram.setting.notify": "影片完成时",
    "telegram.setting.language": "语言",
    "telegram.setting.spoiler": "影片",
    "telegram.spoiler.on": "点击后才显示",
    "telegram.spoiler.off": "直接显示",
    "telegram.notify.ping": "通知我",
    "telegram.notify.silent": "静默",
    "telegram.notify.off": "不通知",
    "telegram.auto": "与你的 Telegram 相同",
    "telegram.forget_sure": "这里与你有关的一切都将删除：影片、图片、提示词、设置。此操作无法撤销。",
    "telegram.forgotten": "已删除 {films} 部影片，相关消息很快会消失。",
    "telegram.report_thanks": "谢谢。管理这个机器人的人会看到。",
    "telegram.reported": "影片 {job} 被举报：{reason}",
    "telegram.report_removed": "影片 {job} 被举报，已删除。",
    "telegram.report_kept": "影片 {job} 被举报，予以保留。",
    "telegram.copy_seed": "复制种子 {seed}",
    "telegram.button.plain": "轻柔的动态",
    "telegram.button.write": "写提示词",
    "telegram.button.accept": "接受",
    "telegram.button.refuse": "不接受",
    "telegram.button.delete": "删除",
    "telegram.button.report": "举报",
    "telegram.button.close": "关闭",
    "telegram.button.forget": "全部删除",
    "telegram.button.show": "查看",
    "telegram.button.hide": "删除影片",
    "telegram.button.letbe": "没有问题",
    "telegram.wrong_token": (
        "Telegram 不认识这个令牌。请从 @BotFather 重新复制到 TELEGRAM_TOKEN 或 [telegram] token。"
    ),
    "telegram.conflict": "另一个程序正用同一个令牌接收这个机器人的消息，请停止那一个。",
    "telegram.status": "{state}。排队中：{films}。",
    "telegram.state.open": "队列开放",
    "telegram.state.paused": "队列已暂停",
    "telegram.state.draining": "队列不再接收新影片",
    "telegram.state.shut": "队列已暂停，也不再接收新影片",
    "telegram.ban_whom": "封禁谁？回复其消息，或写出其 ID：/ban 1234567 24 原因",
    "telegram.banned": "{person} 已被封禁。",
    "telegram.unbanned": "{person} 可以再次制作影片。",
    "telegram.not_banned": "{person} 没有被封禁。",
    "telegram.limits_where": "群组的限额要在该群组里设置。",
    "telegram.limits_how": "请写 /limits 2 10s（每人同时的影片数、最长时长），或 /limits off。",
    "telegram.limits_here": "在此群组：{limits}",
    "telegram.limits": (
        "同时等待或制作中：每人 {user} 部，每个聊天 {chat} 部，总共 {all} 部。"
        "影片最长 {longest} 秒，图片最大 {image_mib} MiB。"
    ),
    # the terminal
    "terminal.section": "第 {n} 段，共 {of} 段",
    "terminal.section_step": "第 {n} 段，共 {of} 段；第 {step} 步，共 {steps} 步",
    "terminal.saved": "{seconds} 秒的影片已保存到 {path}（影片 {job}，种子 {seed}）",
    "terminal.saved_part": "{of} 秒中的 {seconds} 秒已保存到 {path}（影片 {job}，种子 {seed}），其余仍在排队。",
    "terminal.kept": "已停止。完成的 {seconds} 秒保存在 {path}（影片 {job}，种子 {seed}）",
    "terminal.go_on": "用 flipbot animate --extend {job} 可以把它延长。",
    "terminal.no_films": "还没有在终端里请求过影片。请给出影片的编号，flipbot queue 会显示编号。",
    "terminal.film_lost": "影片 {job} 的文件已不在数据文件夹里。",
    "terminal.cancelled": "已取消。还没有完成的部分，因此没有保留任何内容。",
    "terminal.elsewhere": "这里已有服务在运行，由它来制作影片。",
    "terminal.stopping": "正在停止，已完成的部分会保留。再按一次 Ctrl-C 立即退出。",
    "terminal.leaving": "立即退出。",
    "terminal.page": "页面在 {url}。按 Ctrl-C 停止。",
    # 管理
    "refused.metrics": "无法在 {host}:{port} 提供指标。请在 [service] metrics 中换一个地址。",
    "refused.person": (
        "“{got}”不是用户。请写 discord:ID 或 telegram:ID（ID 是数字），或 page:ID（ID 见 /admin 页面）。"
    ),
    "refused.lasting": "“{got}”不是时长。请写 30m、12h 或 7d，不写就是永久。",
    "refused.not_banned": "{who} 在那里没有被封禁。",
    "refused.film_number": "“{got}”不是影片编号。运行 flipbot queue 可以看到编号。",
    "refused.number": "“{got}”不是影片编号。用 /queue 和 /history 可以看到编号。",
    "refused.film_ended": "影片 {job} 已经结束。",
    "refused.server": "“{got}”不是服务器。请写它的数字 ID。",
    "terminal.paused": "已暂停：不开始新的部分。用 flipbot resume 继续。",
    "terminal.paused_because": "已暂停：{reason}。不开始新的部分，用 flipbot resume 继续。",
    "terminal.autostart_linux": (
        "用 systemd：\n"
        "mkdir -p ~/.config/systemd/user\n"
        "flipbot autostart {what} > ~/.config/systemd/user/{name}.service\n"
        "systemctl --user daemon-reload && systemctl --user enable --now {name}\n"
        "loginctl enable-linger # 无人登录时也运行\n"
        "若有令牌，写入 ~/.config/flipbot.env，每行一个：DISCORD_TOKEN=…\n"
        "日志：journalctl --user -u {name} -f"
    ),
    "terminal.autostart_macos": (
        "用 launchd：\n"
        "flipbot autostart {what} > ~/Library/LaunchAgents/{name}.plist\n"
        "launchctl load ~/Library/LaunchAgents/{name}.plist\n"
        "若有令牌，在配置里用 token_file 指明。"
    ),
    "terminal.autostart_windows": (
        "按 Win+R 输入 shell:startup，会打开登录时启动的文件夹。把它写入其中的 {name}.cmd：\n"
        "flipbot autostart {what} > {name}.cmd\n"
        "若有令牌，在配置里用 token_file 指明。"
    ),
    "terminal.resting": "{opens} 起重新制作影片，以 {machine} 的时钟为准（[model] hours）。",
    "terminal.in_use": "{machine} 现在让给 {program}（[model] yields_to），它结束后影片继续制作。",
    "terminal.draining": "正在收尾：不接收新影片。用 flipbot resume 重新接收。",
    "terminal.draining_because": "正在收尾：{reason}。不接收新影片，用 flipbot resume 重新接收。",
    "terminal.shut": "已暂停并收尾：不开始新的部分，也不接收新影片。用 flipbot resume 同时解除。",
    "terminal.shut_because": "已暂停并收尾：{reason}。不开始新的部分，也不接收新影片，用 flipbot resume 同时解除。",
    "terminal.server_paused": (
        "服务器 {server} 已暂停：在 flipbot resume --server {server} 之前，它的影片都不会继续。"
    ),
    "terminal.server_paused_because": (
        "服务器 {server} 已暂停：{reason}。在 flipbot resume --server {server} 之前，它的影片都不会继续。"
    ),
    "terminal.server_draining": (
        "服务器 {server} 正在收尾：在 flipbot resume --server {server} 之前，不再接收它的新影片。"
    ),
    "terminal.server_draining_because": (
        "服务器 {server} 正在收尾：{reason}。在 flipbot resume --server {server} 之前，不再接收它的新影片。"
    ),
    "terminal.server_shut": (
        "服务器 {server} 已暂停并收尾：在 flipbot resume --server {server} 之前，它的影片不会继续，也不接收新影片。"
    ),
    "terminal.server_shut_because": (
        "服务器 {server} 已暂停并收尾：{reason}。"
        "在 flipbot resume --server {server} 之前，它的影片不会继续，也不接收新影片。"
    ),
    "terminal.server_open": "服务器 {server} 已开放：它的影片正常制作，也接收新影片。",
    "terminal.server_open_only": "服务器 {server} 本身已重新开放，但以下限制对所有服务器仍然有效：",
    "terminal.did_resume": "已开放：正常制作，也接收新影片。",
    "terminal.did_first": "影片 {job} 现在排在最前面。",
    "terminal.did_ban": "{who} 已在所有地方被永久封禁。",
    "terminal.did_ban_until": "{who} 已在所有地方被封禁，直到 {until}。",
    "terminal.server_ban": "{who} 已在服务器 {server} 上被永久封禁。",
    "terminal.server_ban_until": "{who} 已在服务器 {server} 上被封禁，直到 {until}。",
    "terminal.did_unban": "{who} 已解除封禁。",
    "terminal.more": "还有 {more} 部",
    "terminal.column_left": "剩余时间",
    "terminal.column_at": "时刻",
    "terminal.column_by": "操作者",
    "terminal.column_action": "操作",
    "terminal.column_scope": "范围",
    "terminal.column_target": "对象",
    "terminal.column_reason": "原因",
    "terminal.queue_empty": "没有影片在排队。",
    "terminal.no_service": "这里没有服务在运行，所以没有影片在制作。运行 flipbot run 来启动。",
    "terminal.no_worker": (
        "这里没有 worker 在运行，影片会一直等待：请用 flipbot run 代替 flipbot front，它两样都做；"
        "用 PostgreSQL 时，可以在其他机器上运行 flipbot worker。"
    ),
    "terminal.cancelled_job": "影片 {job} 已取消。",
    "terminal.no_picture": "请给出影片开头的图片，或用 --extend 指定一部影片。",
    "terminal.extend_keeps": "延长的影片保持原来的设置：请去掉 {options}。",
    "terminal.no_such_job": "没有影片 {job}。",
    "terminal.moving_files": ("正在复制文件"),
    "terminal.moved": ("已复制 {rows} 行。以后请用 -c {path} 启动 flipbot；原来的内容保持不变，不再增加。"),
    "terminal.move_missing": ("有 {count} 个文件在原处已经不存在。"),
    "terminal.no_database": (
        "还没有数据库 {path}，运行 flipbot run 才会创建。如果你的服务使用别的数据文件夹，"
        "请用 --data-dir 指定该文件夹，或用 -c 指定它的配置文件。"
    ),
    "terminal.not_served": "{path} 上没有服务在运行，此操作在服务下次启动时生效。",
    "terminal.no_folder": "没有数据文件夹 {path}，所以那里没有影片在排队。",
    "terminal.audit_empty": "还没有管理操作。",
    "terminal.option_empty": "{option} 是空的。请给出值，或去掉这个选项。",
    "terminal.service_stopped": "服务刚刚停止。运行 flipbot run 来启动；排队的影片都会保留。",
    "terminal.service_silent": "服务没有响应。请稍等片刻，或重新启动服务。",
    "terminal.process_silent": "服务（进程 {process}）没有响应。请稍等片刻，或重新启动服务。",
    "terminal.service_gone": (
        "服务在制作影片 {job} 时停止了。再次运行 flipbot run 后会继续，用 flipbot film {job} 可以保存已完成的部分。"
    ),
    "terminal.column_job": "影片",
    "terminal.column_from": "来自",
    "terminal.column_prompt": "提示词",
    "terminal.column_done": "段数",
    "terminal.column_state": "状态",
    "terminal.setting_up": "正在准备模型，只需要一次。",
    # flipbot download
    "terminal.licence": "这些权重采用 {licence}（{at}）。该许可不适用于{where}：身在这些地区的人不得使用。",
    "terminal.licence_where": "欧盟、英国和韩国",
    "terminal.licence_ask": "你接受这份许可，并且不在上述地区吗？[y/N]",
    "terminal.download_plan": "{model}：约 {gib} GiB，存放到 {path}。已有的文件会保留，按 Ctrl-C 不会丢失任何内容。"
    "这台机器能否运行它，可以先用 flipbot doctor --model {model} 查看。",
    "terminal.download_asking": "正在查询文件列表",
    "terminal.download_checking": "正在校验 {file}",
    "terminal.download_done": "{model} 已完整存放在 {path}：共 {gib} GiB，其中本次下载 {fetched} GiB。",
    "terminal.download_skipped": "以下文件的内容从不会被读取，因此没有下载：{files}",
    "terminal.download_unread": "{file} 中有 {count} 个权重从不会被读取；文件只能整个下载。",
    "terminal.download_unproven": "副本中有 {count} 个文件没有已知的哈希值；已完整读取并记录了它们的哈希值。",
    "terminal.download_moved": "之前使用的提交已不在模型库中：现已改用 {repos} 的最新提交，"
    "本机上内容相同的文件予以保留。",
    "terminal.download_stopped": "已停止。已下载的部分会保留；再次运行同一命令即可继续。",
    "download.checkpoint_incomplete": "模型不完整：缺少 {file}。请再次运行同一命令，去掉 `--from` 或换一份副本。",
    "download.checkpoint_corrupt": "模型不完整：{file} 不能使用（{why}）。请再次运行同一命令，"
    "去掉 `--from` 或换一份副本。",
    "download.disk_full": "磁盘已满（{where}）。已下载的部分会保留；腾出空间后，再次运行同一命令即可继续。",
    # flipbot doctor
    "doctor.fine": "正常",
    "doctor.note": "注意",
    "doctor.miss": "问题",
    "doctor.config": "配置文件：{path}。",
    "doctor.no_config": "这里没有 {name}：全部使用默认值。",
    "doctor.ready": "一切就绪。",
    "doctor.one_miss": "有 1 处需要解决：见标有“{mark}”的那一行。",
    "doctor.misses": "有 {count} 处需要解决：见标有“{mark}”的各行。",
    "doctor.service": "{path} 上有服务正在运行（进程 {process}）。",
    "doctor.discord": "Discord 认识这个令牌（{name}）。邀请链接：{url}",
    "doctor.discord_off": "没有启用 Discord：缺少令牌（DISCORD_TOKEN 或 [discord] token_file）。",
    "doctor.discord_token": "Discord 不接受这个令牌：请到开发者门户的 Bot 页面，用 Reset Token 重新生成并复制。",
    "doctor.discord_away": "无法连接 Discord（{url}，{why}）：请检查网络后再试。",
    "doctor.telegram": "Telegram 认识这个机器人：@{name}。",
    "doctor.telegram_private": "Telegram 认识这个机器人：@{name}，隐私模式已开启。",
    "doctor.telegram_off": "没有启用 Telegram：缺少令牌（TELEGRAM_TOKEN 或 [telegram] token_file）。",
    "doctor.telegram_away": "从这里无法连接 Telegram（{why}），因此没有验证令牌。",
    "doctor.away_name": "无法解析它的域名",
    "doctor.away_refused": "连接被拒绝",
    "doctor.away_certificate": "这台机器不信任它的证书",
    "doctor.away_time": "没有及时回应",
    "doctor.away_answer": "看不懂它的回应",
    "doctor.away_broken": "连接失败",
    "doctor.page": "页面可以在 {host} 的端口 {port} 打开。",
    "doctor.metrics": "监控指标可以在 {host} 的端口 {port} 打开。",
}

# What the other rooms say: the English template, and the same here.
SENTENCES: Final[dict[str, str]] = {
    # 句子与句子、部分与部分之间
    "{first} {second}": "{first}{second}",
    "{first}, {second}": "{first}，{second}",
    "{first}; {second}": "{first}；{second}",
    "{first} nor {second}": "{first}，{second}",
    "or {way}": "或者{way}",
    "{file}: {why}": "{file}：{why}",
    # 系统和 SQLite 的话
    "No such file or directory": "没有这个文件或文件夹",
    "Permission denied": "没有权限",
    "Too many open files": "打开的文件太多",
    "Too many open files in system": "整个系统打开的文件太多",
    "Cannot allocate memory": "无法分配内存",
    "Is a directory": "它是一个文件夹",
    "Not a directory": "它不是文件夹",
    "Read-only file system": "文件系统是只读的",
    "No space left on device": "磁盘没有剩余空间",
    "Input/output error": "读写出错",
    "File name too long": "文件名太长",
    "file is not a database": "文件不是数据库",
    "unable to open database file": "无法打开数据库文件",
    "attempt to write a readonly database": "数据库是只读的，无法写入",
    "database disk image is malformed": "数据库文件已损坏",
    "disk I/O error": "磁盘读写出错",
    # 配置
    "configuration": "配置",
    "{file}: {key}": "{file}：{key}",
    "{where}: {problem}": "{where}：{problem}",
    "{where}: {problem}.": "{where}：{problem}。",
    "expected {expected}, got {got}": "应为{expected}，实际是 {got}",
    "expected {expected}": "应为{expected}",
    "true or false": " true 或 false",
    "a whole number": "整数",
    "a number": "数字",
    "a finite number": "有限的数字",
    "a text in quotes": "引号里的文字",
    "one of {choices}": "以下之一：{choices}",
    "a list in [ ], each {kind}": "写在 [ ] 里的列表，每一项是{kind}",
    "a list of {{ }} in [ ]": "写在 [ ] 里的 {{ }} 列表",
    "a section [{name}]": "一节 [{name}]",
    "sections [{where}.NAME]": "若干节 [{where}.名称]",
    "at least {least}": "至少 {least}",
    "{least} to {most}": " {least} 至 {most}",
    "{may} {unit}": "{may}（单位：{unit}）",
    "seconds": "秒",
    "days": "天",
    "jobs": "部影片",
    "percent": "百分比",
    "minutes": "分钟",
    'hours are written as "22:00-08:00", several with commas, with days "Mon-Fri 18:00-24:00", not as "{hours}"': (
        "hours 写作 “22:00-08:00”，多个用逗号隔开，带日期写作 “Mon-Fri 18:00-24:00”，而不是 “{hours}”"
    ),
    'yields_to names programs, such as "blender"; one of them fits every program': (
        "yields_to 里写程序名，例如 “blender”；其中一个会匹配所有程序"
    ),
    "Other programs hold too much memory now: {need} GiB of {kind} are needed ({precision}), and {have} GiB can be "
    "had. Films wait until more is free.": (
        "其他程序现在占用了太多内存：需要 {need} GiB {kind}（{precision}），而可用的只有 {have} GiB。"
        "等有足够的空闲后，影片会继续。"
    ),
    "Films are made in these hours by this machine's clock, which says {now}: {hours}.": (
        "影片在以下时段制作（以这台机器的时钟为准，现在是 {now}）：{hours}。"
    ),
    "Films wait until {opens}: it is {now} by this machine's clock, and hours are {hours}.": (
        "影片要等到 {opens}：这台机器的时钟现在是 {now}，制作时段是 {hours}。"
    ),
    "None of the programs that come before films runs now: {names}.": "优先于影片的程序现在都没有运行：{names}。",
    "{program} runs, and comes before films ([model] yields_to): they wait.": (
        "{program} 正在运行，它优先于影片（[model] yields_to）：影片等它结束。"
    ),
    "print what lets the system start Flipbot by itself, and say where it goes": (
        "打印让系统自动启动 Flipbot 的文件，并说明放在哪里"
    ),
    "what is started: run, front or worker": "启动什么：run、front 或 worker",
    "give up the sections that are under way, too; they are made again later": "正在制作的部分也放弃，以后重新制作",
    "megapixels": "百万像素",
    "a section": "一节",
    "a list": "列表",
    "one beyond 64 bits": "超出 64 位的数",
    "something else": "别的内容",
    'did you mean "{near}"?': "是不是想写“{near}”？",
    "there are {known}": "可用的有 {known}",
    "there is no such section; {hint}": "没有这一节；{hint}",
    "there is no such key; {hint}": "没有这个键；{hint}",
    "this is not TOML: {error}": "这不是 TOML：{error}",
    "cannot be read: {why}": "无法读取：{why}",
    "it is no text": "它不是文本文件",
    "it may not be written to": "没有写入权限",
    '"file:///" and a path': ' "file:///" 加路径',
    "a bucket's name of 3 to 63 small letters, digits, dots and hyphens": (
        "存储桶名（3 到 63 个小写字母、数字、点或连字符）"
    ),
    'expected "s3://BUCKET/PREFIX" and nothing else': '只能是 "s3://BUCKET/PREFIX"，不能有别的内容',
    "a plain prefix": "普通的前缀",
    'expected "https://HOST" or "http://HOST:PORT"': '应为 "https://HOST" 或 "http://HOST:PORT"',
    "a region's name": "区域的名称",
    '"sqlite:///" and a path, or "postgresql://…"': ' "sqlite:///" 加路径，或 "postgresql://…"',
    "no URL": "一个不是 URL 的值",
    'expected "sqlite:///" and a path: a queue in memory would not outlive the process': (
        '应为 "sqlite:///" 加路径：内存中的队列在进程结束后就不存在了'
    ),
    'PostgreSQL needs psycopg: install it with pip install "flipbot[postgres]"': (
        'PostgreSQL 需要 psycopg：请运行 pip install "flipbot[postgres]" 安装'
    ),
    'a bucket needs the library obstore: pip install "flipbot[s3]" (or obstore), or set a "file:///" url': (
        '存储桶需要 obstore 库：请运行 pip install "flipbot[s3]"（或安装 obstore），或改用 "file:///" 开头的 url'
    ),
    "the bucket cannot be used like that: see to region, endpoint and the AWS_… of the environment": (
        "这样无法使用存储桶：请检查 region、endpoint 和环境变量中的 AWS_…"
    ),
    "public_url has to begin with https:// (or http://), as in https://{got}": (
        "public_url 必须以 https://（或 http://）开头，例如 https://{got}"
    ),
    'of several devices each is a card with its number, named once: device = "cuda:0, cuda:1"': (
        '多个设备中的每一个都是带编号的显卡，且只写一次：device = "cuda:0, cuda:1"'
    ),
    "video_check needs image_check, the folder of what looks": "video_check 需要 image_check，即分类器所在的文件夹",
    "image_check needs check_labels, what is held back": "image_check 需要 check_labels，即哪些标签不能通过",
    "default_seconds is above longest_seconds; lower the one or raise the other": (
        "default_seconds 大于 longest_seconds；请调低前者或调高后者"
    ),
    # 数据库、磁盘和存储
    "The claim on job {job} (fence {fence}) is no longer held; nothing was written.": (
        "对影片 {job}（第 {fence} 次领取）的占用已经失效；没有写入任何内容。"
    ),
    "You have": "你",
    "This chat has": "这个聊天",
    "The queue has": "队列",
    "{whose} {got} job waiting or running and the limit is {limit}; try again when one is finished.": (
        "{whose}已有 {got} 部影片在排队，上限是 {limit}；请等它完成后再试。"
    ),
    "{whose} {got} jobs waiting or running and the limit is {limit}; try again when one is finished.": (
        "{whose}已有 {got} 部影片在排队，上限是 {limit}；请等其中一部完成后再试。"
    ),
    ": {reason}": "：{reason}",
    "No new films are taken in now{because}; those in line are finished.": (
        "目前不接收新影片{because}；已在排队的会做完。"
    ),
    "You may not ask for films here{because}.": "你不能在这里提交影片{because}。",
    "You used {got_s} s of GPU time within a day and the limit is {limit_s} s.": (
        "你在一天内用了 {got_s} 秒显卡时间，上限是 {limit_s} 秒。"
    ),
    "One film every {limit_s} s is the limit.": "每 {limit_s} 秒最多提交一部影片。",
    "This is the same film as job {job}.": "这与影片 {job} 完全相同。",
    "There is no job {job}.": "没有影片 {job}。",
    "Job {job} belongs to somebody else.": "影片 {job} 属于别人。",
    "Job {job} has {done} finished sections, and {wanted} were to be kept.": (
        "影片 {job} 只完成了 {done} 段，而要求保留 {wanted} 段。"
    ),
    "What job {job} could be gone on with is not kept any more; its film is.": (
        "影片 {job} 接着做所需的数据已不再保留；影片本身还在。"
    ),
    # the command line: what argparse says by itself
    "usage: ": "用法：",
    "options": "选项",
    "positional arguments": "位置参数",
    "show this help message and exit": "显示这份帮助并退出",
    "show program's version number and exit": "显示版本号并退出",
    "{prog}: error: {message}": "{prog}：错误：{message}",
    "argument {name}: {message}": "参数 {name}：{message}",
    "the following arguments are required: {names}": "缺少以下参数：{names}",
    "unrecognized arguments: {words}": "无法识别的参数：{words}",
    'there is no command {got}; did you mean "{near}"?': "没有 {got} 这个命令；是不是想写“{near}”？",
    "there is no command {got}; flipbot --help lists them": "没有 {got} 这个命令；完整列表见 flipbot --help",
    'there is no bench {got}; did you mean "{near}"?': "没有 {got} 这项测量；是不是想写“{near}”？",
    "there is no bench {got}; flipbot bench --help lists them": "没有 {got} 这项测量；完整列表见 flipbot bench --help",
    "invalid choice: {got} (choose from {known})": "没有 {got} 这个选择（可选：{known}）",
    "invalid int value: {got}": "{got} 不是整数",
    "ambiguous option: {got} could match {known}": "选项 {got} 有歧义，可能是 {known}",
    "ignored explicit argument {got}": "这个选项不带值，但给出了 {got}",
    "expected one argument": "需要一个值",
    " (process {pid})": "（进程 {pid}）",
    "{path} is in use by another flipbot{by}: stop that one first, or use another data directory.": (
        "{path} 正被另一个 flipbot{by}使用：请先停止它，或换一个数据文件夹。"
    ),
    "{path} was made by a newer flipbot (schema {version}): update flipbot, or use another data directory.": (
        "{path} 由更新版本的 flipbot 创建（结构版本 {version}）：请升级 flipbot，或换一个数据文件夹。"
    ),
    "{path} cannot be used as the database: {why}.": "{path} 不能用作数据库：{why}。",
    "it belongs to another program": "它属于另一个程序",
    "a row refers to one that is missing": "有一行引用了不存在的行",
    "it keeps text as {letters}: make one WITH ENCODING 'UTF8'": (
        "它的文字编码是 {letters}：请用 WITH ENCODING 'UTF8' 新建一个"
    ),
    "No room is left on the disk of {path}: free some and try again.": ("{path} 所在的磁盘已满：请腾出空间后再试。"),
    "The disk of {path} cannot be used now ({why}): look at the disk; flipbot tries again by itself.": (
        "{path} 所在的磁盘暂时无法使用（{why}）：请检查磁盘；flipbot 会自动重试。"
    ),
    "The system gives flipbot no more ({why}): raise its limits or end other programs; flipbot tries again.": (
        "系统没有更多资源可以给 flipbot（{why}）：请提高系统限制，或关闭其他程序；flipbot 会再试。"
    ),
    "{path} is locked by another program since {waited_s} s: end that one (a backup, a database browser?).": (
        "{path} 已被另一个程序锁住 {waited_s} 秒：请结束那个程序（备份程序或数据库浏览器？）。"
    ),
    "The database {place} cannot be reached ({why}): look at its server, the network between, and what its "
    "address says.": "无法连接数据库 {place}（{why}）：请检查数据库服务器、中间的网络，以及配置的地址。",
    "Films were asked for in {place} already: move to a database that is new.": (
        "{place} 里已经有人请求过影片：请迁移到全新的数据库。"
    ),
    "The media in {where} cannot be used now ({why}): {advice}; flipbot tries again by itself.": (
        "{where} 中的图片和影片暂时无法使用（{why}）：{advice}；flipbot 会自动重试。"
    ),
    "nothing of the others' is there": "那里没有其他进程的任何文件",
    "give all the same [media] url, a bucket or a folder that both see": (
        "请把各处的 [media] url 设为相同，指向大家都能访问的存储桶或文件夹"
    ),
    "it does not answer": "没有响应",
    "no credentials were found": "没有找到凭据",
    "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY": "AWS_ACCESS_KEY_ID 和 AWS_SECRET_ACCESS_KEY",
    "set {keys}": "请设置 {keys}",
    "there is no such bucket": "没有这个存储桶",
    "make it, or mend [media] url and endpoint": "请创建它，或改正 [media] 的 url 和 endpoint",
    "set this machine's clock": "请校准这台机器的时钟",
    "set [media] region to where the bucket is": "请把 [media] region 设为存储桶所在的区域",
    "it refuses us: {short}": "访问被拒绝：{short}",
    "see to {keys}, and to what they may do there": "请检查 {keys} 以及它们在那里的权限",
    "see to the network, and to [media] endpoint": "请检查网络和 [media] endpoint",
    "it gives back other bytes than it was given": "取回的内容与存入的不同",
    "see to the store": "请检查该存储",
    "{url} can be written, read, listed and deleted in; the last {size} used are kept in {root}.": (
        "{url} 可以写入、读取、列出和删除；最近用过的 {size} 保存在 {root}。"
    ),
    "Nothing in {place} is tidied away: {marker} says that it belongs to another database, or to this one at a later "
    "time (was a backup restored?). Give each database its own place ([media] url); or, where only this one uses it "
    'and what it does not know may go, put "{mark}" there.': (
        "{place} 中的文件不会被清理：{marker} 表明它属于另一个数据库，或属于这个数据库较晚的状态（是否恢复过备份？）。"
        "请给每个数据库各自的位置（[media] url）；如果只有这个数据库使用它，而且其中不认识的文件可以删除，"
        "请在那里写入“{mark}”。"
    ),
    # flipbot doctor：数据库和磁盘
    "The database in {folder} opens.": "{folder} 中的数据库可以打开。",
    "The database {place} opens ({server}).": "数据库 {place} 可以打开（{server}）。",
    "Workers on it now: {count} ({names}).": "现在有 {count} 个 worker 连接着它（{names}）。",
    "No worker is on it now: start flipbot worker on a machine with a GPU.": (
        "现在没有 worker 连接它：请在有显卡的机器上运行 flipbot worker。"
    ),
    "SQLite {version}.": "SQLite {version}。",
    "Leave its file to Flipbot alone: no other program should open it while the service runs.": (
        "服务运行时，请不要用其他程序打开它的文件。"
    ),
    "Disk: {free:.1f} GiB left.": "磁盘：剩余 {free:.1f} GiB。",
    "Films wait until {mib} MiB are free ([media] min_free_mib): free some room.": (
        "空闲空间达到 {mib} MiB 之前影片会一直等待（[media] min_free_mib）：请腾出空间。"
    ),
    # flipbot doctor：显卡和处理器
    "PyTorch {version} works with {threads} thread.": "PyTorch {version}，使用 {threads} 个线程。",
    "PyTorch {version} works with {threads} threads.": "PyTorch {version}，使用 {threads} 个线程。",
    "No GPU is used: {why} The tiny model runs well without one.": (
        "没有使用显卡：{why}tiny 模型没有显卡也能顺畅运行。"
    ),
    "[model] device is {asked}, but {why} Or set it to {instead}.": (
        "[model] device 是 {asked}，但是{why}或者把它改为 {instead}。"
    ),
    "auto or cpu": "auto 或 cpu",
    "[model] device is {asked}: {tried}": "[model] device 是 {asked}：{tried}",
    "no GPU is used.": "没有使用显卡。",
    'This machine has {count} cards, and one of them computes. [model] device = "{every}" has each make sections.': (
        '这台机器有 {count} 块显卡，只有一块在计算。设置 [model] device = "{every}" 可以让每块都制作影片。'
    ),
    "nobody has tried Flipbot on one yet.": "还没有人在这类设备上试过 Flipbot。",
    "this PyTorch cannot use one here.": "这个 PyTorch 在这里无法使用它。",
    "{why} Mend that.": "{why}请解决这个问题。",
    "there is one card, and the first is cuda:0.": "只有一块显卡，即 cuda:0。",
    "there are {count} cards, and the first is cuda:0.": "只有 {count} 块显卡，第一块是 cuda:0。",
    "its memory is full: close what else uses it.": "显存已满：请关闭占用显存的其他程序。",
    "it does not answer ({error:.120}); restart the computer.": "显卡没有响应（{error:.120}）；请重新启动电脑。",
    "it does not answer; restart the computer.": "显卡没有响应；请重新启动电脑。",
    "GPU: {name}, {free:.1f} of {total:.1f} GiB free.": "显卡：{name}，显存 {total:.1f} GiB，空闲 {free:.1f} GiB。",
    "This PyTorch is for AMD's cards: nobody has tried Flipbot on one yet.": (
        "这个 PyTorch 用于 AMD 显卡：还没有人在 AMD 显卡上试过 Flipbot。"
    ),
    "this PyTorch has no kernels for a card of compute capability {version}.": (
        "这个 PyTorch 不支持计算能力为 {version} 的显卡。"
    ),
    "PyTorch 2.14 and older for CUDA 12.6 has some for cards as old.": (
        "用于 CUDA 12.6 的 PyTorch 2.14 及更早版本支持这样的旧显卡。"
    ),
    "Install the build that pytorch.org names.": "请安装 pytorch.org 给出的版本。",
    "Films are decoded in fp32, since its convolutions in fp16 cannot be used.": (
        "由于它的 fp16 卷积不可用，影片以 fp32 解码。"
    ),
    "Compute capability {name}: no tensor cores and no bfloat16. It computes in fp16, many times slower.": (
        "计算能力 {name}：没有张量核心，也不支持 bfloat16。以 fp16 计算，速度慢很多倍。"
    ),
    "Compute capability {name}: no bfloat16. It computes in fp16, with sums between the blocks in fp32.": (
        "计算能力 {name}：不支持 bfloat16。以 fp16 计算，模块之间的累加用 fp32。"
    ),
    "Compute capability {name}: computes in bf16; fp8 saves memory, its weights are widened for each product.": (
        "计算能力 {name}：以 bf16 计算；fp8 可以节省显存，每次相乘前会把权重展开。"
    ),
    "Compute capability {name}: computes in bf16, and fp8 products where weights are kept in fp8.": (
        "计算能力 {name}：以 bf16 计算，权重存为 fp8 时直接做 fp8 乘法。"
    ),
    "cuDNN {version}: PyTorch decodes films without this one, in many times the memory. Install a later one: "
    'pip install "nvidia-cudnn-cu12>=9.15", or -cu13, as your PyTorch has it.': (
        "cuDNN {version}：PyTorch 解码影片时会绕过这个版本，占用多倍显存。请安装更新的版本："
        'pip install "nvidia-cudnn-cu12>=9.15"，或 -cu13，与你的 PyTorch 一致。'
    ),
    "this PyTorch is for AMD's cards, and sees none.": "这个 PyTorch 用于 AMD 显卡，但没有找到显卡。",
    "this PyTorch is a build for the CPU only.": "这个 PyTorch 是仅支持 CPU 的版本。",
    (
        "an NVIDIA card is here, but this PyTorch is for the processor alone: {command} puts the one for the card "
        "in its place."
    ): "这里有 NVIDIA 显卡，但这个 PyTorch 仅支持处理器：运行 {command} 可换成支持显卡的版本。",
    "no NVIDIA driver is installed.": "没有安装 NVIDIA 驱动程序。",
    "the NVIDIA driver does not answer; restart the computer.": "NVIDIA 驱动程序没有响应；请重新启动电脑。",
    "the NVIDIA driver shows no card.": "NVIDIA 驱动程序没有找到显卡。",
    "the driver and this PyTorch do not go together.": "驱动程序与这个 PyTorch 不匹配。",
    "RAM: {free:.1f} of {total:.1f} GiB free.": "内存：共 {total:.1f} GiB，空闲 {free:.1f} GiB。",
    "At least 1 GiB is needed.": "至少需要 1 GiB。",
    "Films: PyAV {version} with libx264.": "影片：PyAV {version}，带有 libx264。",
    "PyAV here cannot make H.264. Install it from its wheel: pip install --force-reinstall av.": (
        "这里的 PyAV 不能编码 H.264。请从 wheel 重新安装：pip install --force-reinstall av。"
    ),
    # flipbot doctor：注意力内核
    "Attention: {name}. {why}": "注意力内核：{name}。{why}",
    "PyTorch's own": "PyTorch 自带的",
    "It is what the configuration asks for.": "这是配置中指定的。",
    "It is the fastest of those that work here.": "这是这里可用的内核中最快的。",
    "The others need an NVIDIA card.": "其他内核需要 NVIDIA 显卡。",
    "Not {name}: {why}.": "不用 {name}：{why}。",
    "its int8 kernels need Ampere or newer": "它的 int8 内核需要 Ampere 或更新的显卡",
    "it needs Ampere or newer": "它需要 Ampere 或更新的显卡",
    "it needs Volta or newer": "它需要 Volta 或更新的显卡",
    "{needs}, this card has {has}": "{needs}，而这块显卡的计算能力是 {has}",
    "there is no card that it could run on": "没有可以运行它的显卡",
    "{package} is not installed": "没有安装 {package}",
    "{package} is there without saying its version": "{package} 已安装，但没有版本信息",
    "{package} {version} is older than {least}": "{package} {version} 低于 {least}",
    "{package} {version} cannot be loaded here ({error})": "{package} {version} 在这里无法加载（{error}）",
    "{package} {version} has no {absent}": "{package} {version} 没有 {absent}",
    "it does not run on this card ({error})": "它不能在这块显卡上运行（{error}）",
    "it computes something else on this card (off by {off:.0%})": "它在这块显卡上的计算结果不对（偏差 {off:.0%}）",
    # flipbot doctor：模型
    "Model {model} is complete.": "模型 {model} 完整。",
    "Model {model} is complete (untrained test checkpoint: shows the machinery, not pictures).": (
        "模型 {model} 完整（未经训练的测试模型：只演示流程，画面没有意义）。"
    ),
    "It understands: {texts}.": "它能理解：{texts}。",
    "Model {name}: {error}": "模型 {name}：{error}",
    "Copy the checkpoint's folder here once more, or name another one in [model] name.": (
        "请重新复制检查点的文件夹，或在 [model] name 中指定另一个。"
    ),
    "Run `flipbot download {name}`: it fetches what is absent or damaged and keeps the rest.": (
        "请运行 `flipbot download {name}`：它会下载缺少或损坏的部分，其余保留。"
    ),
    "A download stopped midway with {gib:.1f} GiB of a file; it goes on there.": (
        "上次下载中断时，一个文件已有 {gib:.1f} GiB；会从那里继续。"
    ),
    "LoRAs: {files}.": "LoRA：{files}。",
    "{file} at {weight:g}": "{file}（强度 {weight:g}）",
    "Previews: by {file}; films by the model's own decoder.": "预览：由 {file} 解码；影片由模型自己的解码器解码。",
    # flipbot doctor：内存规划
    "Memory: {why}": "内存规划：{why}",
    "It works in {precision} and takes at most {ram}.": "以 {precision} 运行，最多使用 {ram}。",
    "{most:.1f} of {limit:.1f} GiB of RAM": "{most:.1f} GiB 内存（上限 {limit:.1f} GiB）",
    "{most:.1f} of {limit:.1f} GiB of its memory": "{most:.1f} GiB 显存（上限 {limit:.1f} GiB）",
    "all blocks stay on the card": "全部模块常驻显存",
    "{stay} of {blocks} blocks stay on the card, and {gb:.1f} GB are copied to it in each step": (
        "{blocks} 个模块中有 {stay} 个常驻显存，每一步传输 {gb:.1f} GB"
    ),
    "In {precision} {where}. It takes at most {vram} and {ram}.": (
        "以 {precision} 运行，{where}。最多使用 {vram}和 {ram}。"
    ),
    "Memory plan of {model} on {machine}": "{model} 在 {machine} 上的内存规划",
    "1 GiB = 1.07 GB; by arithmetic from shapes, nothing was loaded": (
        "1 GiB = 1.07 GB；由张量形状算出，没有加载任何内容"
    ),
    "what": "内容",
    "where": "位置",
    "device": "显卡",
    "RAM": "内存",
    "VRAM": "显存",
    "RAM, travel every step": "内存，每一步传输",
    "in their file, read once a prompt": "在文件中，每个提示词读一次",
    "all {blocks} blocks, {precision}": "全部 {blocks} 个模块，{precision}",
    "{stay} of {blocks} blocks, {precision}": "{blocks} 个模块中的 {stay} 个，{precision}",
    "{blocks} blocks, {precision}": "{blocks} 个模块，{precision}",
    "{slots} slots for them": "给传输中模块的 {slots} 个空位",
    "modulation layers": "调制层",
    "their table for the prompt under way": "当前提示词的调制表",
    "their tables for {count} prompts": "{count} 个提示词的调制表",
    "refiner, time and picture projections": "文字精炼、时间和图片投影层",
    "embedders and head": "嵌入层与输出层",
    "VAE": "图像解码器（VAE）",
    "sampling, at its peak": "采样（峰值）",
    "a step cache": "步骤缓存",
    "decoding, {tiles}, {frames} frames": "解码，{tiles}，{frames} 帧",
    "tiles of {side} px": "{side} 像素的分块",
    "whole pictures": "整幅画面",
    "of {limit}": "上限 {limit}",
    "peak of the GPU's memory": "显存峰值",
    "peak of RAM": "内存峰值",
    "raise [model] {limit}": "调高 [model] {limit}",
    "close what else uses it": "关闭占用它的其他程序",
    "give WSL more of it (memory= in .wslconfig)": "给 WSL 更多内存（.wslconfig 中的 memory=）",
    "install what keeps it in 4 bits, in which it fits (pip install 'flipbot[nf4]')": (
        "安装 4 位量化组件，这样就放得下（pip install 'flipbot[nf4]'）"
    ),
    "choose a smaller model": "换一个小一些的模型",
    "bitsandbytes is not installed, or does not work on this card (pip install 'flipbot[nf4]')": (
        "没有安装 bitsandbytes，或它不能在这块显卡上使用（pip install 'flipbot[nf4]'）"
    ),
    "{card} only imitates bfloat16; say fp16 or auto": "{card} 只能模拟 bfloat16；请改为 fp16 或 auto",
    # flipbot doctor：速度
    "Speed: without a card, 1.2 s of film at {size} take {hours:.1f} hours even at {pace:g} TFLOP/s, more than most "
    "processors do. Use tiny here, or a machine with one.": (
        "速度：没有显卡时，即使处理器达到 {pace:g} TFLOP/s（大多数达不到），1.2 秒 {size} 的影片也要 {hours:.1f} 小时。"
        "请在这里使用 tiny，或换一台有显卡的机器。"
    ),
    "Speed: {step:.1f} s a step over the last {count} sections, {reached:.1f} TFLOP/s": (
        "速度：最近 {count} 段平均每步 {step:.1f} 秒，{reached:.1f} TFLOP/s"
    ),
    "{pace}. What {name} can do at most is not known here.": "{pace}。这里不知道 {name} 最快能达到多少。",
    "this machine": "这台机器",
    "{pace}, {share:.0%} of what {name} can do in 16 bits at most ({peak:.1f}).": (
        "{pace}，是 {name} 16 位计算峰值（{peak:.1f}）的 {share:.0%}。"
    ),
    "Decoding takes {decode:.0%} of the time: it needs more of the card's memory.": (
        "解码占用了 {decode:.0%} 的时间：它需要更多显存。"
    ),
    "That is normal: products of 8 bits do more.": "这是正常的：8 位乘法更快。",
    "That is normal.": "这是正常的。",
    "That is slow. It waits for weights ({gb:.1f} GB a step): more of them on the card, fp8, or more free RAM.": (
        "这偏慢。时间花在等待权重上（每步 {gb:.1f} GB）：让更多权重留在显存里、使用 fp8，或空出更多内存。"
    ),
    "That is slow. Attention is half of the work: a faster kernel ({kernels}) helps most.": (
        "这偏慢。注意力占一半的计算量：换用更快的内核（{kernels}）最有效。"
    ),
    "That is slow, and neither weights nor attention hold it back: look for a power limit, heat, or another program "
    "on the card.": "这偏慢，而且原因不在权重和注意力：请检查功率限制、温度，以及占用显卡的其他程序。",
    # 引擎的错误
    "The engine failed.": "引擎出错了。",
    "The weights of {name} are not here ({where}); fetch them with `flipbot download {name}`.": (
        "这里没有 {name} 的权重（{where}）；请运行 `flipbot download {name}` 下载。"
    ),
    "nothing of them in {folder}": "{folder} 中什么都没有",
    "no {file}": "没有 {file}",
    "There is no folder {name}; [model] name takes {known}, or the path of a checkpoint's folder.": (
        "没有文件夹 {name}；[model] name 可以填写 {known}，或检查点文件夹的路径。"
    ),
    "The checkpoint is incomplete: {file} is not there; fetch or copy it again.": (
        "检查点不完整：缺少 {file}；请重新下载或复制。"
    ),
    "The checkpoint is damaged: {file} {why}; fetch or copy it again.": (
        "检查点已损坏：{file} {why}；请重新下载或复制。"
    ),
    "There is no model {name}; known are {known}, or the path of a checkpoint's folder.": (
        "没有名为 {name} 的模型；可以填写 {known}，或检查点文件夹的路径。"
    ),
    "This checkpoint cannot sample in the order {asked}; it knows {known}.": (
        "这个检查点不支持生成顺序 {asked}；它支持 {known}。"
    ),
    "This checkpoint has no size {asked}; [model] size, and that of each quality, can be {known}.": (
        "这个检查点没有尺寸 {asked}；[model] size 和各种画质的尺寸可以是 {known}。"
    ),
    "The plan's {key} is {got}; expected was {expected}.": "计划中的 {key} 是 {got}；应为{expected}。",
    "more than 0, at most {most}": "大于 0，最多 {most}",
    "none": "空的",
    "at least one": "至少一个",
    "f1, to change a film that is made from its end": " f1，才能更改从结尾往前生成的影片",
    "This film was made by {made}, and {loaded} is loaded; only the same one can go on with it.": (
        "这部影片由 {made} 生成，而现在加载的是 {loaded}；只有同一个模型才能接着做。"
    ),
    "The picture cannot be read; try another one, as PNG or JPEG.": "无法读取图片；请换一张 PNG 或 JPEG。",
    "Encoding failed: {what}.": "编码失败：{what}。",
    "The process that reads prompts ended with status {status}, again and again; it may lack memory.": (
        "读取提示词的进程一再以状态 {status} 退出；可能内存不足。"
    ),
    "The latents of {got} earlier sections are here; {least} are needed to go on.": (
        "这里只有前面 {got} 段的数据；接着做需要 {least} 段。"
    ),
    "The file of a finished section, {file}, is gone or damaged.": "已完成的一段的文件 {file} 丢失或损坏了。",
    "The device {device} cannot be used here; say `cpu`, or look at `flipbot doctor`.": (
        "设备 {device} 在这里无法使用；请改为 `cpu`，或运行 `flipbot doctor` 查看。"
    ),
    "The memory ran out while {doing}; try a smaller size.": "{doing}时内存不够了；请换小一些的尺寸。",
    "encoding": "编码",
    "encoding the prompt": "编码提示词",
    "sampling": "采样",
    "decoding": "解码",
    "loading the transformer": "加载 transformer",
    "loading the text encoder": "加载文字编码器",
    "loading {part}": "加载 {part} ",
    "This model needs {need} GiB of {kind} even in {precision}, and {have} GiB may be taken; {ways}.": (
        "这个模型即使用 {precision} 也需要 {need} GiB {kind}，而可用的是 {have} GiB；请{ways}。"
    ),
    "At {asked} the model needs {need} GiB of {kind} even in {precision}, and {have} GiB may be taken. "
    'It fits at {fits} (write size = "{fits}" under [model]), or close what else uses the memory.': (
        "尺寸为 {asked} 时，模型即使用 {precision} 也需要 {need} GiB {kind}，而可用的是 {have} GiB。"
        '尺寸 {fits} 放得下（在 [model] 下写 size = "{fits}"），或者关闭占用内存的其他程序。'
    ),
    "[model] precision {precision} does not work here: {why}.": (
        "[model] precision {precision} 在这里无法使用：{why}。"
    ),
    "The disk is full ({where}); free some room.": "磁盘已满（{where}）；请腾出空间。",
    "Section {n} came out as no numbers (NaN); the weights or the precision do not fit this device.": (
        "第 {n} 段算出的不是数字（NaN）；权重或精度不适合这个设备。"
    ),
    "[safety] image_check cannot be used: {file} {why}. Mend that, or take it out.": (
        "[safety] image_check 无法使用：{file}{why}。请解决这个问题，或去掉这一项。"
    ),
    "The picture is held back by the owner's classifier.": "图片没有通过主人设置的分类器的检查。",
    "The section is held back by the owner's classifier.": "这一段没有通过主人设置的分类器的检查。",
    "is no image classifier's": "不是图片分类器的文件",
    "knows {labels}: name one of them in [safety] check_labels": (
        "只认识 {labels}：请在 [safety] check_labels 中写上其中之一"
    ),
    "cannot be loaded: {why}": "无法加载：{why}",
    "lacks some of its weights": "缺少一部分权重",
    "Pictures are looked at first: {labels} from {least:.0%} on is held back.": (
        "制作之前先检查图片：{labels} 达到 {least:.0%} 就不会通过。"
    ),
    "Pictures and films are looked at first: {labels} from {least:.0%} on is held back.": (
        "先检查图片和影片：{labels} 达到 {least:.0%} 就不会通过。"
    ),
    "The LoRA {file} {why}. Take it out of [model] loras, or give another file.": (
        "LoRA {file} {why}。请把它从 [model] loras 中去掉，或换一个文件。"
    ),
    "[model] attention is {name}, but {why}; set it to auto, or mend that.": (
        "[model] attention 是 {name}，但是{why}；请改为 auto，或解决这个问题。"
    ),
    "[model] preview_decoder: {file} {why}. Previews are rough ones instead; films are the same.": (
        "[model] preview_decoder：{file} {why}。预览会比较粗略；影片不受影响。"
    ),
    "A film of {seconds} s does not fit into {limit_mib} MiB, however small its picture.": (
        "无论画面多小，{seconds} 秒的影片都放不进 {limit_mib} MiB。"
    ),
    "Cancelled.": "已取消。",
    # 文件为什么不能用
    "is not there": "不存在",
    "is cut off or no safetensors file": "被截断，或不是 safetensors 文件",
    "is not readable JSON": "不是可以读取的 JSON",
    "holds no JSON object": "里面不是 JSON 对象",
    "names no weights": "没有列出任何权重",
    "has {got} bytes of {size}": "只有 {got} 字节，应为 {size} 字节",
    "was changed since it was checked": "在校验之后被改动过",
    "is another model's transformer (its config has no {key})": "是另一个模型的 transformer（其配置中没有 {key}）",
    "does not fit its config ({what}: {name})": "与其配置不符（{what}：{name}）",
    "has no usable config ({error})": "没有可用的配置（{error}）",
    "cannot be loaded ({error})": "无法加载（{error}）",
    "cannot be read ({error})": "无法读取（{error}）",
    "has no more than {count} layers": "最多只有 {count} 层",
    "has format {format!r}, this version reads 1": "的格式是 {format!r}，而这个版本只能读取格式 1",
    "lacks {error}": "缺少 {error}",
    "has a value that does not fit ({error})": "含有不合适的值（{error}）",
    "names an order that does not exist": "列出了不存在的生成顺序",
    "has a default size without buckets": "的默认尺寸没有对应的画面大小",
    "has sides not on {count} pixels": "含有不是 {count} 像素整数倍的边长",
    "has a preview matrix of another channel count": "的预览矩阵通道数不符",
    "joins parts of different channel counts": "的各部分通道数不一致",
    "has a window, fps or steps below 1": "的窗口、帧率或步数小于 1",
    "has {key} without its other half": "中的 {key} 缺少与之配对的另一半",
    "does not fit this model: it has no layer for {key}": "不适合这个模型：没有与 {key} 对应的层",
    "does not fit this model: {key} makes {rows} by {columns}": "不适合这个模型：{key} 的大小是 {rows}×{columns}",
    "has {module}.alpha with {count} values in it": "中的 {module}.alpha 含有 {count} 个值",
    "has no LoRA layers in it": "里面没有 LoRA 层",
    "has {key}, which is no part of a plain LoRA": "含有 {key}，它不属于普通的 LoRA",
    "has a header that makes no sense (lora_adapter_metadata)": "的文件头无法理解（lora_adapter_metadata）",
    "makes {made} pixels of a latent, this checkpoint needs {needed}": (
        "把一个潜变量解码成 {made} 像素，而这个检查点需要 {needed} 像素"
    ),
    "is no TAEHV for this checkpoint: {why}": "不是适合这个检查点的 TAEHV：{why}",
    "it has no {name}": "没有 {name}",
    "{name} is {got}, expected {expected}": "{name} 的形状是 {got}，应为 {expected}",
    "holds no tensors by name": "里面没有带名称的张量",
    "{file} is not a film": "{file} 不是影片",
    "{file} has no video in it": "{file} 里面没有视频",
    "{file} cannot be read ({why})": "无法读取 {file}（{why}）",
    "{file} cannot be written ({why})": "无法写入 {file}（{why}）",
    "the clip {file} was not made for {fps} frames per second": "片段 {file} 的帧率不是每秒 {fps} 帧",
    "the clip {file} has another size or other settings than the film's first": (
        "片段 {file} 的尺寸或设置与影片的第一个片段不同"
    ),
    "the clip {file} is damaged: {count} of {frames} frames are there": (
        "片段 {file} 已损坏：{frames} 帧中只有 {count} 帧"
    ),
    # flipbot download
    "The download failed: {what}.": "下载失败：{what}。",
    "it answered {status}": "它的应答是 {status}",
    "it does not accept the token": "它不接受令牌",
    "the connection broke off": "连接中断了",
    "the commit": "这个提交",
    "anything": "所需的内容",
    "There is no download called {name}; there are {known}. tiny needs none: it comes with Flipbot.": (
        "没有名为 {name} 的模型可供下载；可以下载的有：{known}。tiny 随 Flipbot 附带，无需下载。"
    ),
    "Another download is at work in {where}. Wait until it has ended, and run the same command again.": (
        "{where} 中正有另一个下载在进行。请等它结束后，再次运行同一命令。"
    ),
    "{where} cannot be reached ({why}). Run the same command again later: it goes on where it stopped.": (
        "无法连接 {where}（{why}）。请稍后再次运行同一命令，它会从中断处继续。"
    ),
    "HF_HUB_OFFLINE is set, so {where} is not asked. Unset it, and run the same command again.": (
        "已设置 HF_HUB_OFFLINE，因此不会访问 {where}。请取消该设置，然后再次运行同一命令。"
    ),
    "HF_ENDPOINT is {where}, which is no address of a hub: one begins with https:// or http://. Or unset it.": (
        "HF_ENDPOINT 的值 {where} 不是有效地址。请改为以 https:// 或 http:// 开头，或取消设置。"
    ),
    "{where} cannot be reached: ALL_PROXY, HTTPS_PROXY or HTTP_PROXY is no proxy's address. One begins with "
    "http://, https://, socks5:// or socks5h:// (socks:// is written socks5h://). Change it, or unset it.": (
        "无法连接 {where}：ALL_PROXY、HTTPS_PROXY 或 HTTP_PROXY 不是有效的代理地址。地址应以 "
        "http://、https://、socks5:// 或 socks5h:// 开头（socks:// 请写成 socks5h://）。请修改或取消该设置。"
    ),
    "{where} cannot be reached: ALL_PROXY, HTTPS_PROXY or HTTP_PROXY is a SOCKS proxy, which takes a package "
    "that is not here. Run `pip install socksio`, or unset it.": (
        "无法连接 {where}：ALL_PROXY、HTTPS_PROXY 或 HTTP_PROXY 是 SOCKS 代理，而所需的软件包尚未安装。请运行 `pip "
        "install socksio`，或取消该设置。"
    ),
    "What answers at {where} is no hub. It may be this network's login page: open {where} in a browser, log in, "
    "and run the same command again. Or HF_ENDPOINT names another server.": (
        "{where} 的应答不是模型库的应答，可能是所在网络的登录页面：请用浏览器打开 {where} 登录，"
        "然后再次运行同一命令。也可能是 HF_ENDPOINT 指向了别的服务器。"
    ),
    "The hub does not hand out {repo} to just anybody. Accept its terms on {where} with an account of yours, log "
    "in here with `hf auth login` (or set HF_TOKEN), and run the same command again.": (
        "{repo} 并不对所有人开放。请先用你的账号在 {where} 接受其条款，再在本机运行 `hf auth login`（或设置 "
        "HF_TOKEN），然后再次运行同一命令。"
    ),
    "{where} does not accept the token (HF_TOKEN, or that of `hf auth login`), and does not hand out {repo} "
    "without one. Renew it, or take it away: unset HF_TOKEN, or run `hf auth logout`.": (
        "{where} 不接受当前的令牌（HF_TOKEN 或 `hf auth login` 保存的令牌），而没有令牌就无法获取 {repo}。"
        "请更新令牌，或者去掉它：取消 HF_TOKEN，或运行 `hf auth logout`。"
    ),
    "{where} has not got {file}. It may have been moved; a copy of your own can be given with `--from DIR`.": (
        "{where} 上没有 {file}，可能已被移走。你也可以用 `--from DIR` 指定自己的副本。"
    ),
    "There is no repository {repo} on {where}, or not for everybody. It may have been moved; a copy of your own "
    "can be given with `--from DIR`.": (
        "{where} 上没有仓库 {repo}，或者它并不公开，也可能已被移走。你也可以用 `--from DIR` 指定自己的副本。"
    ),
    "In {where} is no {file} of {repo}. Run the same command without `--from` for the rest. `--from` takes a "
    "Hugging Face cache, FramePack's folder, another models folder, clones of the repositories, or a checkpoint "
    "in diffusers' layout.": (
        "{where} 中没有 {repo} 的 {file}。其余部分请去掉 `--from` 再次运行同一命令。`--from` 可以指定 Hugging Face "
        "缓存、FramePack 的程序文件夹、另一个模型文件夹、仓库的克隆，或 diffusers 格式的检查点文件夹。"
    ),
    "{file} from {where} is not what it should be: its size or its hash differs. Nothing of it was kept; run the "
    "same command again, or take another copy.": (
        "来自 {where} 的 {file} 不正确：大小或哈希值不符，没有保留其中任何内容。请再次运行同一命令，或换一份副本。"
    ),
    "There is not enough room in {where}: {needed:.1f} GiB are needed and {free:.1f} GiB are free. Free some, or "
    "set [model] models_dir to a folder on another disk.": (
        "{where} 空间不足：需要 {needed:.1f} GiB，可用 {free:.1f} GiB。请腾出空间，或把 [model] models_dir "
        "设为另一块磁盘上的文件夹。"
    ),
    "The disk of {where} takes no files of that size (is it FAT32, which ends at 4 GiB?). Set [model] models_dir "
    "to a folder on another disk, or format this one as exFAT or NTFS.": (
        "{where} 所在的磁盘不支持这么大的文件（可能是 FAT32，单个文件上限为 4 GiB）。请把 [model] models_dir "
        "设为另一块磁盘上的文件夹，或把这块磁盘格式化为 exFAT 或 NTFS。"
    ),
    # flipbot --help
    "A picture becomes a film, second by second.": "让一张图片一秒一秒变成影片。",
    "On one machine, `flipbot run` does both: `front` and `worker` exclude each other on one SQLite file.": (
        "在一台机器上请用 `flipbot run`，它两样都做：`front` 和 `worker` 不能同时使用一个 SQLite 文件。"
    ),
    "configuration file (default: config.toml here, if any)": "配置文件（默认：当前文件夹的 config.toml，如果有）",
    "folder of everything that is kept": "保存所有内容的数据文件夹",
    "checkpoint: tiny, framepack, framepack-f1, or a folder": "模型：tiny、framepack、framepack-f1，或一个文件夹",
    "the films' size, such as 192 (tiny) or 512 (framepack-f1)": "影片的尺寸，例如 192（tiny）或 512（framepack-f1）",
    "folder of downloaded checkpoints": "存放已下载模型的文件夹",
    "everything on this machine: page, queue and engine": "在这台机器上运行全部：页面、队列和引擎",
    "only what people talk to: it takes films in, another process makes them": (
        "只运行前端：接收请求，影片由另一个进程制作"
    ),
    "only the engine: it makes the films that wait": "只运行引擎：制作正在等待的影片",
    "end when nothing is left to do": "没有影片要做时结束",
    "turn one picture into a film, here in the terminal": "在终端里把一张图片变成影片",
    "the picture; not with --extend": "图片；使用 --extend 时不写",
    "what should happen": "应该发生什么",
    "go on with a film that was made in a terminal": "延长一部在终端里制作的影片",
    "length of the film": "影片的时长",
    "a whole number: the same one gives the same film": "整数：同样的数字得到同样的影片",
    "a preset of the configuration: draft, standard or best": "配置中的画质：draft、standard 或 best",
    "the picture that the film ends with": "影片结尾的图片",
    "the film (default: IMAGE's name, here)": "影片文件（默认：当前文件夹，与 IMAGE 同名）",
    "show what is in line, as it changes": "显示队列，并随时更新",
    "only as it is now": "只显示一次",
    "stop starting new sections": "暂停：不开始新的部分",
    "go on after a pause, take films in again": "结束暂停，重新接收影片",
    "take no new films in; those in line are finished": "收尾：不接收新影片，已在排队的会做完",
    "for one Discord server or Telegram group alone": "只对一个 Discord 服务器或 Telegram 群组有效",
    "what people are told": "告诉大家的原因",
    "put a film before all others": "让一部影片排在最前面",
    "its number, as `flipbot queue` shows it": "影片的编号，`flipbot queue` 会显示",
    "stop somebody from asking for films": "封禁某人",
    "lift a ban": "解除封禁",
    "discord:ID, telegram:ID, or page:ID as /admin shows it": "discord:ID、telegram:ID，或 page:ID（见 /admin 页面）",
    "on one Discord server or Telegram group alone": "只在一个 Discord 服务器或 Telegram 群组中",
    "30m, 12h or 7d (default: for ever)": "30m、12h 或 7d（默认：永久）",
    "what they are told": "告诉对方的原因",
    "show what operators did, newest first": "显示管理操作，最新的在前",
    "stop a film, whether it waits or is being made": "取消一部影片，无论是在等待还是在制作",
    "what flipbot audit says of it": "flipbot audit 中显示的原因",
    "save a film that is kept here, or what is ready of it": "保存这里的一部影片，或它已完成的部分",
    "its number (default: the last one asked for in a terminal)": "影片的编号（默认：最近一部在终端里请求的影片）",
    "the film (default: film-JOB.mp4, here)": "影片文件（默认：当前文件夹的 film-JOB.mp4）",
    "copy the queue, the people and all films to another database and media store": (
        "把队列、用户和所有影片复制到另一个数据库和存储位置"
    ),
    "configuration that says where to; the old place stays": "写明目标位置的配置；原来的内容保持不变",
    "say what works on this machine, and what to do about the rest": "检查这台机器，并说明如何解决问题",
    "fetch the weights of a large model; it goes on where it stopped": "下载大模型的权重；会从中断处继续",
    "framepack or framepack-f1": "framepack 或 framepack-f1",
    "take the files from a copy here": "从本机的副本中取得文件",
    "the licence is read and accepted": "已阅读并接受许可",
    "measure": "测量性能",
    "Measure; each prints a small table.": "测量性能；每一项都输出一个小表格。",
    "what to measure": "测量什么",
    "its options: flipbot bench NAME --help": "它的选项：flipbot bench NAME --help",
}
