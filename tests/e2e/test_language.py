"""Who reads Chinese reads all of `flipbot doctor`, of a refusal and of a configuration's errors in it."""

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from flipbot.arguments import main
from tests.e2e import conftest
from tests.e2e.conftest import ENVIRONMENT, quick

CHINESE = {**ENVIRONMENT, "LANG": "zh_CN.UTF-8", "LC_ALL": "zh_CN.UTF-8"}
WORDS = re.compile(r"(?<![\w./-])[a-z]{2,}( [a-z]{2,}){2,}")  # three words of English in a row: no name has as many


@pytest.fixture(autouse=True)
def reader(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody who reads Chinese."""
    secrets = ("DISCORD_TOKEN", "TELEGRAM_TOKEN", "FLIPBOT_PASSWORD")
    spoken: Mapping[str, str] = {name: value for name, value in CHINESE.items() if name not in secrets}
    monkeypatch.setattr(conftest, "ENVIRONMENT", spoken)
    monkeypatch.setenv("LC_ALL", CHINESE["LC_ALL"])


def chinese(text: str) -> str:
    assert WORDS.search(re.sub("`[^`]+`", "", text)) is None, text  # commands are quoted so
    assert any("\u4e00" <= c <= "\u9fff" for c in text), text
    return text


def one_sentence(done: "subprocess.CompletedProcess[str]") -> str:
    lines = done.stderr.splitlines()
    assert (done.returncode, len(lines)) == (2, 1), done.stderr
    assert lines[0].endswith(("。", "？"))
    return chinese(lines[0])


def test_the_doctor_speaks_chinese(tmp_path: Path) -> None:
    done = quick("doctor", "--data-dir", tmp_path / "data", "-c", config(tmp_path, "[web]\nport = 0\n"))
    lines = chinese(done.stdout).splitlines()
    assert (done.returncode, done.stderr) == (0, "")
    assert lines[0] == f"正常 配置文件：{tmp_path / 'config.toml'}。"
    assert lines.pop() == "一切就绪。" and lines[-2].startswith("注意 没有启用 Discord：缺少令牌")
    assert all(line.startswith(("正常 ", "注意 ")) for line in lines if line[0] not in "┏┃┡│├└ ")
    assert "tiny 在 CPU 上的内存规划" in done.stdout
    assert "它能理解：夜幕降临；" in done.stdout


def test_what_is_wrong_with_a_machine_is_said_in_chinese(tmp_path: Path) -> None:
    text = """
        [model]
        name = "framepack"
        device = "cuda:9"
        attention = "sage"
        [web]
        host = "0.0.0.0"
        [media]
        min_free_mib = 9000000
        [service]
        metrics = "9108"
        [discord]
        token_file = "/nothing/here"
        [telegram]
        token = "none"
    """
    done = quick("doctor", "--data-dir", tmp_path / "data", "-c", config(tmp_path, text))
    assert done.returncode == 1
    lines = chinese(done.stdout).splitlines()
    wrong = [line for line in lines if line.startswith("问题 ")]
    assert lines[-1] == f"有 {len(wrong)} 处需要解决：见标有“问题”的各行。"
    for said in ("[model] device 是 cuda:9，但是", "[model] attention 是 sage，但是", "flipbot download -c "):
        assert any(said in line for line in wrong), wrong
    for said in (
        "config.toml：service.metrics：",
        "config.toml：discord.token_file：",
        "空闲空间达到 9000000 MiB",
        "没有这个文件或文件夹",
        "需要密码",
        "Telegram 不认识这个令牌",
    ):
        assert any(said in line for line in wrong), wrong


def test_a_wrong_key_is_one_chinese_sentence(tmp_path: Path) -> None:
    file = config(tmp_path, '[model]\nnam = "x"\n')
    assert one_sentence(quick("queue", "--once", "-c", file)) == (
        f"flipbot: {file}：model.nam：没有这个键；是不是想写“name”？"
    )


def test_help_is_chinese_to_the_last_word(tmp_path: Path) -> None:
    """Of every command, be it argparse that says it."""
    named = re.findall(r"^    ([a-z]+)\b", quick("--help").stdout, re.MULTILINE)
    assert {"run", "doctor", "bench"} <= {*named}
    for name in [None, *(name for name in named if name != "bench")]:
        done = quick(*filter(None, [name]), "--help")
        assert (done.returncode, done.stderr) == (0, "")
        text = chinese(" ".join(done.stdout.split()))
        assert text.startswith("用法：flipbot") and "显示这份帮助并退出" in text
        assert [word for word in ("usage", "options:", "positional") if word in text] == []


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("--nope", "flipbot：错误：无法识别的参数：--nope"),
        ("nope", "flipbot：错误：没有 nope 这个命令；完整列表见 flipbot --help"),
        ("animat", "flipbot：错误：没有 animat 这个命令；是不是想写“animate”？"),
        ("bench vrma", "flipbot bench：错误：没有 vrma 这项测量；是不是想写“vram”？"),
        ("first", "flipbot first：错误：缺少以下参数：JOB"),
        ("cancel", "flipbot cancel：错误：缺少以下参数：JOB"),
        ("animate --extend x", "flipbot animate：错误：参数 --extend：'x' 不是整数"),
        ("pause --server", "flipbot pause：错误：参数 --server：需要一个值"),
        ("animate --mod x", "flipbot animate：错误：选项 --mod 有歧义，可能是 --model, --models-dir"),
        ("queue --once=3", "flipbot queue：错误：参数 --once：这个选项不带值，但给出了 '3'"),
    ],
)
def test_wrong_arguments_are_said_in_chinese(typed: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(typed.split())
    told = capsys.readouterr().err
    assert (ended.value.code, told.splitlines()[-1][: len(says)]) == (2, says)
    assert told.startswith("用法：flipbot") and "REASON" not in told.splitlines()[-1]


def test_what_the_engine_refuses_is_one_chinese_sentence(photo: Path, tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    order = ("animate", photo, "fog", "--model", nowhere, "--data-dir", tmp_path / "data")
    assert f"没有文件夹 {nowhere}；" in one_sentence(quick(*order))
    assert "没有名为 wan 的模型可供下载" in one_sentence(quick("download", "wan"))


def config(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "config.toml"
    file.write_text(text)
    return file
