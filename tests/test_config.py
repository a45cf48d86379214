import dataclasses
import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.config import Role, TelegramConfig, WebConfig
from db.config import MediaConfig, ServiceConfig, load
from db.connect import is_shared
from db.errors import ConfigError
from flipbot.arguments import arguments, main
from flipbot.checkup import doctor_command, where_we_are
from flipbot.settings import SECTIONS, naming, settings_of
from gen.config import ModelConfig, Quality, VideoConfig

EXAMPLE = Path(__file__).parent.parent / "config.example.toml"


def refusal(tmp_path: Path, text: str | bytes) -> str:
    """The sentence with which a file of that text is refused, without the folder it lies in."""
    file = tmp_path / "config.toml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError) as caught:
        load(file, SECTIONS)
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(str(tmp_path) + "/")


def uncommented() -> str:
    return re.sub(r"^#(?=[\[a-z_])", "", EXAMPLE.read_text(), flags=re.MULTILINE)


def test_the_example_without_its_comment_signs_is_the_default(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(uncommented())
    assert load(tmp_path / "config.toml", SECTIONS) == load(None, SECTIONS)


def test_the_example_as_it_is_changes_nothing() -> None:
    assert load(EXAMPLE, SECTIONS) == load(None, SECTIONS)
    assert all(table == {} for table in tomllib.loads(EXAMPLE.read_text()).values())


def test_the_example_shows_every_section_and_every_key() -> None:
    shown = tomllib.loads(uncommented())
    for name, kind in SECTIONS.items():
        assert set(shown[name]) == {field.name for field in dataclasses.fields(kind)}
    assert set(shown["video"]["qualities"]) == set(VideoConfig().qualities)


def test_the_example_states_range_unit_and_choices_above_each_key() -> None:
    above: dict[str, str] = {}
    section, comments = "", ""
    for line in EXAMPLE.read_text().splitlines():
        if header := re.fullmatch(r"\[(\w+)\]", line):
            section, comments = header[1], ""
        elif setting := re.match(r"#(\w+) = ", line):
            above[f"{section}.{setting[1]}"], comments = comments, ""
        else:
            comments = comments + line if line else ""
    fields = [(name, field) for name, kind in SECTIONS.items() for field in dataclasses.fields(kind)]
    for name, field in (each for each in fields if each[1].name not in ("qualities", "roles")):
        said = field.metadata
        facts = (said["least"], said["most"], *said["choices"], said["unit"].lower())
        text = above[f"{name}.{field.name}"].lower()
        assert all(str(fact) in text for fact in facts if fact not in (None, "")), (name, field.name, text)


def test_every_key_is_explained() -> None:
    for kind in (*SECTIONS.values(), Quality, Role):
        for field in dataclasses.fields(kind):
            assert field.metadata["doc"].endswith("."), (kind, field.name)


def test_what_the_file_says_is_taken_and_the_rest_is_default(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(
        '[web]\nport = 0\n[model]\nname = "framepack"\n[video]\nlongest_seconds = 9\n'
    )
    config = load(tmp_path / "config.toml", SECTIONS)
    assert config["web"] == WebConfig(port=0) and config["service"] == ServiceConfig()
    assert config.of(ModelConfig).name == "framepack"
    assert config.of(VideoConfig).longest_seconds == 9.0


def test_a_preset_of_the_file_changes_or_joins_those_that_are_known(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(
        '[video.qualities.draft]\nsize = "96"\n[video.qualities.quick]\nstep_cache = "fast"\n'
    )
    qualities = load(tmp_path / "config.toml", SECTIONS).of(VideoConfig).qualities
    assert list(qualities) == ["draft", "standard", "best", "quick"]
    assert qualities["draft"] == Quality(steps_percent=60, size="96", step_cache="fast")
    assert qualities["quick"] == Quality(step_cache="fast")


def test_a_preset_without_a_size_has_that_of_the_model() -> None:
    some = VideoConfig(qualities={"draft": Quality(size="96"), "standard": Quality(), "best": Quality()})
    assert some.sizes(ModelConfig()) == ("96", "")
    assert some.sizes(ModelConfig(size="384")) == ("96", "384")


def test_a_model_may_compute_on_several_devices() -> None:
    assert ModelConfig().devices == ("auto",)
    assert ModelConfig(device="cuda:1,cuda:0").devices == ("cuda:1", "cuda:0")
    assert ModelConfig(device="cuda:0, cpu, cpu").devices == ("cuda:0", "cpu", "cpu"), "a processor may be several"


def test_presets_are_shares_of_the_checkpoints_own_steps() -> None:
    steps = {name: [quality.steps(own) for own in (1, 8, 25)] for name, quality in VideoConfig().qualities.items()}
    assert steps == {"draft": [1, 5, 15], "standard": [1, 8, 25], "best": [2, 12, 38]}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[web]\nprot = 1", 'config.toml: web.prot: there is no such key; did you mean "port"?'),
        ("[wbe]\nport = 1", 'config.toml: wbe: there is no such section; did you mean "web"?'),
        (
            "[web]\nzzz = 1",
            "config.toml: web.zzz: there is no such key; there are host, port, password, password_file, "
            "guest_password, guest_password_file, public_url",
        ),
        ("port = 1", "config.toml: port: there is no such section; there are"),
        ("web = 1", "config.toml: web: expected a section [web], got 1"),
        ('[web]\nport = "80"', 'config.toml: web.port: expected a whole number, got "80"'),
        ("[web]\nport = true", "config.toml: web.port: expected a whole number, got true"),
        ("[web]\nport = 1.5", "config.toml: web.port: expected a whole number, got 1.5"),
        ("[web]\nport = [1]", "config.toml: web.port: expected a whole number, got a list"),
        ("[web.port]", "config.toml: web.port: expected a whole number, got a section"),
        ("[web]\nhost = 1", "config.toml: web.host: expected a text in quotes, got 1"),
        ("[web]\nport = 65536", "config.toml: web.port: expected 0 to 65535, got 65536"),
        ("[web]\nport = -1", "config.toml: web.port: expected 0 to 65535, got -1"),
        ('[web]\npublic_url = "films.example.org"', "as in https://films.example.org"),
        ("[video]\nlongest_seconds = nan", "config.toml: video.longest_seconds: expected 1 to 600 seconds, got nan"),
        ("[video]\nlongest_seconds = inf", "config.toml: video.longest_seconds: expected 1 to 600 seconds, got inf"),
        ("[video]\nlongest_seconds = 2", "config.toml: video: default_seconds is above longest_seconds"),
        (
            '[model]\nprecision = "fp7"',
            'config.toml: model.precision: expected one of "auto", "fp32", "bf16", "fp16", "fp8", "nf4", got "fp7"',
        ),
        ('[model]\ndevice = "cuda, cuda:1"', "config.toml: model: of several devices each is a card with its number"),
        ('[model]\ndevice = "cuda:1, cuda:1"', "config.toml: model: of several devices each is a card"),
        ('[model]\ndevice = "cuda:0, auto"', "config.toml: model: of several devices each is a card"),
        ('[model]\ndevice = "cuda:0,"', "config.toml: model: of several devices each is a card"),
        ("[safety]\nvideo_check = true", "config.toml: safety: video_check needs image_check"),
        ('[safety]\nimage_check = "a"\ncheck_labels = []', "config.toml: safety: image_check needs check_labels"),
        ("[video]\nqualities = 3", "config.toml: video.qualities: expected sections [video.qualities.NAME], got 3"),
        ("[video.qualities]\nfast = 3", "config.toml: video.qualities.fast: expected a section"),
        (
            "[video.qualities.x]\nstep_cahce = 1",
            'video.qualities.x.step_cahce: there is no such key; did you mean "step',
        ),
        (f"[web]\nport = {'9' * 400}", "config.toml: web.port: expected a whole number, got one beyond 64 bits"),
        (f"[web]\nport = {'9' * 9000}", "config.toml: this is not TOML: "),
        (f"[web]\nport = 0x{'f' * 9000}", "config.toml: web.port: expected a whole number, got one beyond 64 bits"),
        (f"[video]\nlongest_seconds = {'9' * 400}", "longest_seconds: expected a number, got one beyond 64 bits"),
        (  # what 0.1 wanted there
            "[video.qualities.x]\nstep_cache = 0.15",
            'x.step_cache: expected one of "", "none", "careful", "fast", "teacache", "first-block", got 0.15',
        ),
        ("[web", "config.toml: this is not TOML: "),
        (b"[web]\nhost = '\xff'", "config.toml: this is not TOML: "),
    ],
)
def test_a_mistake_is_one_sentence_naming_file_key_and_what_was_expected(
    tmp_path: Path, text: str | bytes, sentence: str
) -> None:
    assert sentence in refusal(tmp_path, text)


def test_a_file_as_windows_editors_write_it_is_read(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_bytes("[web]\r\nport = 81\r\n".encode("utf-8-sig"))
    assert load(file, SECTIONS).of(WebConfig).port == 81
    (tmp_path / "token").write_bytes("geheim\r\n".encode("utf-8-sig"))
    assert TelegramConfig(token_file=str(tmp_path / "token")).secret() == "geheim"


def test_a_file_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    for path, why in ((tmp_path / "none.toml", "No such file or directory"), (tmp_path, "Is a directory")):
        with pytest.raises(ConfigError, match=f"{re.escape(str(path))}: cannot be read: {why}"):
            load(path, SECTIONS)


def test_the_data_folder_is_looked_up_when_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    service = ServiceConfig()
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert service.folder() == tmp_path / "flipbot"
    assert not service.folder().exists()
    monkeypatch.setenv("HOME", str(tmp_path))
    assert ServiceConfig(data_dir="~/films").folder() == tmp_path / "films"
    assert ServiceConfig(data_dir="films").folder() == Path.cwd() / "films"


def test_media_and_models_lie_in_the_data_folder_unless_they_are_told_elsewhere(tmp_path: Path) -> None:
    assert MediaConfig().folder(tmp_path) == tmp_path / "media"
    assert MediaConfig(url="file:///srv/a%20b").folder(tmp_path) == Path("/srv/a b")
    assert ModelConfig().folder(tmp_path) == tmp_path / "models"
    assert ModelConfig(models_dir="/srv/models").folder(tmp_path) == Path("/srv/models")


@pytest.mark.parametrize("url", ["s3://bucket/films", "/srv/films", "file://host/films", "films"])
def test_a_media_url_that_is_no_file_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(ConfigError, match=r"media\.url: expected .file:///. and a path"):
        MediaConfig(url=url).folder(tmp_path)


def test_a_media_url_of_another_kind_is_refused_without_its_secret(tmp_path: Path) -> None:
    for url, got in (("s3a://key:secret@films/x", ', got "s3a://…".'), ("key:secret@films", ".")):
        with pytest.raises(ConfigError) as refused:
            MediaConfig(url=url).folder(tmp_path)
        assert str(refused.value) == f'configuration: media.url: expected "file:///" and a path{got}'


@given(st.text(max_size=80))
def test_any_text_is_read_or_refused_in_one_sentence(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    file = tmp_path_factory.getbasetemp() / "any.toml"
    file.write_text(text, "utf-8", errors="surrogatepass")
    try:
        load(file, SECTIONS)
    except ConfigError as error:
        assert "any.toml" in str(error)


def test_a_list_has_one_kind_of_values(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[telegram]\noperators = [7, 8]\n")
    assert load(tmp_path / "config.toml", SECTIONS).of(TelegramConfig).operators == (7, 8)
    wrong = refusal(tmp_path, "[telegram]\noperators = 7\n")
    assert wrong == "config.toml: telegram.operators: expected a list in [ ], each a whole number, got 7."
    wrong = refusal(tmp_path, '[telegram]\noperators = [7, "ann"]\n')
    assert wrong == 'config.toml: telegram.operators: expected a whole number, got "ann".'


def test_a_token_is_never_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert refusal(tmp_path, "[telegram]\ntoken = 123456789\n") == (
        "config.toml: telegram.token: expected a text in quotes, got something else."
    )
    assert "geheim" not in repr(TelegramConfig(token="geheim"))
    assert TelegramConfig(token=" geheim\n").secret() == "geheim"
    (tmp_path / "token").write_text("from a file\n")
    assert TelegramConfig(token="geheim", token_file=str(tmp_path / "token")).secret() == "from a file"
    with pytest.raises(ConfigError, match=r"^configuration: telegram.token_file: cannot be read: No such file"):
        TelegramConfig(token_file=str(tmp_path / "none")).secret()
    monkeypatch.setenv("TELEGRAM_TOKEN", "from the environment")
    assert TelegramConfig(token="geheim").secret() == "from the environment"
    assert TelegramConfig().secret() == "from the environment"


def test_a_list_of_small_sections_is_read_and_checked(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('[model]\nloras = [{ file = "a.safetensors", weight = 0.5 }, { file = "/b.safetensors" }]\n')
    model = load(file, SECTIONS).of(ModelConfig)
    assert model.lora_files(Path("/m")) == [("/m/a.safetensors", 0.5), ("/b.safetensors", 1.0)]
    for text, sentence in (
        ("[1]", r"model\.loras: expected a list of \{ \} in \[ \]"),
        ("[{ file = 1 }]", r"model\.loras\[0\]\.file: expected a text"),
        ("[{ weight = 99 }]", r"loras\[0\]\.weight: expected -10 to 10"),
    ):
        file.write_text(f"[model]\nloras = {text}\n")
        with pytest.raises(ConfigError, match=sentence):
            load(file, SECTIONS)


@pytest.mark.parametrize(
    ("text", "says"),
    [("[database]\nurl = 'mysql://x'", "database.url: expected"), ("[media]\nurl = 's3://fi/x'", "a bucket's name")],
)
def test_what_is_found_wrong_later_names_the_file(
    tmp_path: Path, text: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "later.toml"
    file.write_text(text)
    asked = ["move", "-c", str(tmp_path / "none.toml"), "--data-dir", str(tmp_path), str(file)]
    (tmp_path / "none.toml").write_text("")
    (tmp_path / "flipbot.db").touch()
    assert main(asked) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"flipbot: {file}: ") and says in said
    with pytest.raises(ConfigError, match=r"later\.toml: [a-z]+\.url: "), naming(file):
        settings = settings_of(arguments().parse_args(["run", "-c", str(file)]))
        is_shared(settings.database.url)
        settings.open_media()


def test_the_page_s_doctor_examines_the_settings_of_its_service(tmp_path: Path) -> None:
    file = tmp_path / "other.toml"
    file.write_text('[model]\nsize = "192"\n')
    started = ["run", "-c", str(file), "--data-dir", str(tmp_path / "data"), "--model", "tiny"]
    settings = settings_of(arguments().parse_args(started))
    examined = settings_of(arguments().parse_args(doctor_command(settings)[4:]))
    named = dataclasses.replace(settings.model, models_dir=str(settings.models_dir))
    assert examined == dataclasses.replace(settings, model=named)
    assert examined.model.size == "192"
    (tmp_path / "flipbot").mkdir()  # as a clone lies where a service is started
    asked, where = [*doctor_command(settings), "--help"], {**os.environ, **where_we_are()}
    said = subprocess.run(asked, cwd=tmp_path, env=where, capture_output=True, text=True, check=True).stdout
    assert said.startswith("usage: flipbot doctor")
