"""What the other rooms say in English, and the same in every other language: the same templates, the same fields.

Every template is read where it stands, so none can be forgotten: a sentence for people is made by `said`, of a literal.
"""

import ast
import copy
import json
import pickle
import string
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.words import SENTENCES, say, translate
from db import errors as of_db
from db.config import load
from db.errors import ConfigError, DbError
from db.said import Said, known, listed, of_system, packed, said, together, unpacked, written
from flipbot.settings import SECTIONS
from gen import errors as of_gen
from gen.errors import CheckpointCorrupt, GenError, TooLargeSize

ROOT = Path(__file__).parents[2]
FILES = sorted(path for room in ("flipbot", "bot", "db", "gen") for path in (ROOT / room).rglob("*.py"))
# Arguments that a person reads as a part of the sentence. Of BadPlan none is: it is said of rows that are damaged.
READ = {"why", "what", "ways", "advice", "problem", "doing", "where", "expected", "kind", "sentence"}
ERRORS = {
    name
    for room in (of_db, of_gen)
    for name, kind in vars(room).items()
    if isinstance(kind, type) and issubclass(kind, DbError | GenError)
} - {"BadPlan"}


def literals(node: ast.expr) -> list[str]:
    """The texts that an argument can be: one, or one of two."""
    if isinstance(node, ast.IfExp):
        return literals(node.body) + literals(node.orelse)
    assert isinstance(node, ast.Constant) and isinstance(node.value, str), f"no literal: {ast.unparse(node)}"
    return [node.value]


def speaks(node: ast.AST) -> bool:
    """Whether it calls `said`, but for the one call whose templates are the texts of the errors."""
    called = isinstance(node, ast.Call) and ast.unparse(node.func) == "said"
    return called and ast.unparse(node.args[0]) != "self.text"  # type: ignore[attr-defined]


def templates() -> Iterator[str]:
    """Every template of the rooms: those given to `said`, and the text of each of the engine's errors."""
    for path in FILES:
        nodes = [*ast.walk(ast.parse(path.read_text(encoding="utf-8")))]
        if path.name == "said.py" or any(isinstance(n, ast.ImportFrom) and n.module == "db.said" for n in nodes):
            yield from (text for n in nodes if isinstance(n, ast.Call) and speaks(n) for text in literals(n.args[0]))
    yield from (kind.text for kind in vars(of_gen).values() if isinstance(kind, type) and issubclass(kind, GenError))


TEMPLATES = set(templates())


def fields(template: str) -> set[tuple[str, str | None, str | None]]:
    return {(name, form, how) for _, name, form, how in string.Formatter().parse(template) if name is not None}


@pytest.mark.parametrize("language", SENTENCES)
def test_every_sentence_of_the_other_rooms_is_there_with_the_same_fields(language: str) -> None:
    there = SENTENCES[language]
    assert len(TEMPLATES) > 300
    assert {*there} - TEMPLATES == set(), "nobody says this any more"
    assert TEMPLATES - {*there} == set()
    assert {each: fields(there[each]) for each in there} == {each: fields(each) for each in there}


@pytest.mark.parametrize("language", SENTENCES)
def test_what_ends_a_sentence_ends_it_in_every_language(language: str) -> None:
    """What is put behind one (ConfigError's full stop) is so right in all of them."""
    for english, other in SENTENCES[language].items():
        assert english.endswith((".", "?")) == other.endswith(("。", "？")), english


def test_chinese_sentences_are_chinese() -> None:
    joints = {"{first} {second}", "{first}, {second}", "{first}; {second}", "{first} nor {second}"}
    joints |= {"{file}: {key}", "{where}: {problem}", "{where}: {problem}.", "{file}: {why}", ": {reason}"}
    joints |= {"SQLite {version}.", "LoRAs: {files}."}
    bare = {english for english, text in SENTENCES["zh"].items() if not any("\u4e00" <= c <= "\u9fff" for c in text)}
    assert bare <= joints
    for text in SENTENCES["zh"].values():
        assert not set("".join(plain for plain, *_ in string.Formatter().parse(text))) & set("!！—–;"), text
        assert "  " not in text


def values(node: ast.expr, names: dict[str, list[ast.expr]]) -> Iterator[ast.expr]:
    """What an argument may be, through names of its function and either side of a choice."""
    if isinstance(node, ast.IfExp):
        yield from (*values(node.body, names), *values(node.orelse, names))
    elif isinstance(node, ast.Name) and node.id in names:
        yield from names[node.id]
    else:
        yield node


def bare(node: ast.expr) -> bool:
    """Whether it is words of English that nobody could translate."""
    parts = node.values if isinstance(node, ast.JoinedStr) else [node]
    texts = [part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)]
    return any(" " in text and any(c.isalpha() for c in text) for text in texts)


def spoken(path: Path) -> Iterator[tuple[int, ast.expr]]:
    """What a finding or an error of a file is made of that a person reads, with its line."""
    for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        names: dict[str, list[ast.expr]] = {}
        for node in ast.walk(function):
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                names.setdefault(node.targets[0].id, []).append(node.value)
        for node in ast.walk(function):
            if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in {*ERRORS, "Finding"}:
                read = [*node.args, *(each.value for each in node.keywords if each.arg in READ)]
                yield from ((node.lineno, value) for each in read for value in values(each, names))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_that_a_person_reads_is_english_alone(path: Path) -> None:
    found = [f"line {line}: {ast.unparse(node)}" for line, node in spoken(path) if bare(node)]
    assert found == []


def test_the_reading_finds_what_it_should(tmp_path: Path) -> None:
    file = tmp_path / "wrong.py"
    file.write_text(
        "def wrong(n):\n"
        "    why = f'it has {n} of them'\n"
        "    yield Finding(True, f'{n} are here')\n"
        "    raise errors.CheckpointCorrupt(file=f'{n} x', why=why)\n"
    )
    assert {line for line, node in spoken(file) if bare(node)} == {3, 4}
    with pytest.raises(AssertionError, match="no literal"):
        literals(ast.parse("f'{n} of them'", mode="eval").body)


def test_a_sentence_is_its_english_and_can_be_said_otherwise() -> None:
    error = CheckpointCorrupt(file="vae.safetensors", why=said("has {got} bytes of {size}", got=3, size=5))
    english = "The checkpoint is damaged: vae.safetensors has 3 bytes of 5; fetch or copy it again."
    assert (str(error), error.said(), translate("en", error.said())) == (english, english, english)
    chinese = "检查点已损坏：vae.safetensors 只有 3 字节，应为 5 字节；请重新下载或复制。"
    assert translate("zh", error.said()) == chinese
    assert translate("tlh", error.said()) == english
    assert translate("zh", english) == english, "a text that only looks like one is left alone"
    assert say("zh", "refused.unsuited", why=error.said()) == f"这个模型做不了这样的影片：{chinese} 请更改设置后再试。"


def test_sentences_are_joined_as_each_language_joins_them() -> None:
    two = together(said("That is normal."), "", said("At least 1 GiB is needed."))
    assert two == "That is normal. At least 1 GiB is needed."
    assert translate("zh", two) == "这是正常的。至少需要 1 GiB。"
    assert together() == ""
    ways = listed([said("choose a smaller model"), said("close what else uses it")])
    assert ways == "choose a smaller model, close what else uses it"
    assert translate("zh", ways) == "换一个小一些的模型，关闭占用它的其他程序"


def test_numbers_are_written_as_the_template_says() -> None:
    assert translate("zh", said("Disk: {free:.1f} GiB left.", free=2 / 3)) == "磁盘：剩余 0.7 GiB。"


def test_a_text_of_several_languages_is_shown_in_the_readers() -> None:
    text = written({"en": "fog rolls in", "zh": "起雾了"})
    assert (text, translate("zh", text), translate("en", text)) == ("fog rolls in", "起雾了", "fog rolls in")
    assert translate("zh", written({"en": "calm"})) == "calm"


@given(st.text())
def test_a_fact_stays_on_its_line_and_its_braces_stay_braces(text: str) -> None:
    shown = translate("zh", said("Not {name}: {why}.", name="{name}" + text, why=said("is not there")))
    assert shown.startswith("不用 {name}") and shown.endswith("：不存在。")
    assert not set(shown) & set("\x1b\u202e\u2066\n\r")


def test_a_sentence_can_be_copied_sent_and_kept() -> None:
    made = said("Not {name}: {why}.", name="sage", why=said("is not there"))
    for other in (copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
        assert (other, translate("zh", other)) == (made, translate("zh", made))
    assert json.loads(json.dumps({"why": made})) == {"why": "Not sage: is not there."}
    sent = unpacked(json.loads(json.dumps(packed(made))))
    assert isinstance(sent, Said)
    assert (sent, translate("zh", sent)) == (made, translate("zh", made))
    assert [unpacked(packed(each)) for each in ("plain", 3, [1], {"said": 1})] == ["plain", 3, [1], {"said": 1}]
    facts = {"why": made, "of": {"how": made}}
    again = unpacked(json.loads(json.dumps(packed(facts))))
    assert again == facts and isinstance(again["of"]["how"], Said), "all the facts of a sentence, too"
    assert packed(said("no {file}", file=Path("a"))) == {"said": "no {file}", "facts": {"file": "a"}}


def test_an_error_without_its_facts_is_still_said() -> None:
    assert TooLargeSize(asked="640").said() == "too_little_memory {'asked': '640'}"
    assert translate("zh", CheckpointCorrupt().said()) == "checkpoint_corrupt"


def test_the_usual_words_of_the_system_are_translated() -> None:
    with pytest.raises(OSError) as caught:
        (ROOT / "nothing" / "here").read_text()
    assert of_system(caught.value) == "No such file or directory"
    assert translate("zh", of_system(caught.value)) == "没有这个文件或文件夹"
    assert known("out of cheese") == "out of cheese"
    assert not isinstance(known("out of cheese"), Said)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('[model]\nnam = "x"\n', "model.nam：没有这个键；是不是想写“name”？"),
        ('[web]\nport = "a"\n', 'web.port：应为整数，实际是 "a"。'),
        ("[video]\nlongest_seconds = 0.1\n", "video.longest_seconds：应为 1 至 600（单位：秒），实际是 0.1。"),
        ("[model]\nloras = [1]\n", "model.loras：应为写在 [ ] 里的 { } 列表，实际是 列表。"),
        ("[video]\nlongest_seconds = 2\n", "video：default_seconds 大于 longest_seconds；请调低前者或调高后者。"),
    ],
)
def test_a_wrong_configuration_is_one_sentence_in_chinese(text: str, sentence: str, tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(file, SECTIONS)
    assert translate("zh", caught.value.said()) == f"{file}：{sentence}"
