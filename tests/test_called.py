"""What flipbot tells people to type works as it is pasted."""

import argparse
import os
import shlex
import sys
from pathlib import Path

import pytest

from bot.words import Reader, say, translate
from flipbot.arguments import arguments
from flipbot.called import COMMANDS, Called, called, program_of
from gen.errors import CheckpointMissing

ODD = "/films/{of} Ann's"


def test_hints_carry_what_the_command_was_called_with() -> None:
    reader = Reader("en", Called(".venv/bin/flipbot", ("-c", "my.toml", "--data-dir", ODD)).command)
    said = say(reader, "terminal.go_on", job=7)
    words = shlex.split(said.removesuffix(" makes it longer."))
    assert words == [".venv/bin/flipbot", "animate", "-c", "my.toml", "--data-dir", ODD, "--extend", "7"]
    assert arguments().parse_args(words[1:]).extend == 7
    missing = translate(reader, CheckpointMissing(name="tiny", where="/flipbot film/tiny").said())
    assert "`.venv/bin/flipbot download -c my.toml" in missing and "(/flipbot film/tiny)" in missing


def test_a_hint_says_where_checkpoints_are_to_those_who_look_for_them() -> None:
    args = arguments().parse_args(["run", "--models-dir", "/big/disk"])
    reader = Reader("en", called(args, "flipbot").command)
    missing = translate(reader, CheckpointMissing(name="framepack", where="x").said())
    assert "`flipbot download --models-dir /big/disk framepack`" in missing
    assert "flipbot resume goes on" in say(reader, "terminal.paused")


def test_what_people_wrote_is_no_hint() -> None:
    reader = Reader("en", Called("x/flipbot").command)
    assert say(reader, "terminal.paused_because", reason="flipbot run is slow").startswith(
        "Paused: flipbot run is slow. No new section is started; x/flipbot resume"
    )


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_hint_stands_in_every_language(language: str) -> None:
    reader = Reader(language, Called("flipbot", ("--data-dir", "var/demo")).command)
    assert "flipbot animate --data-dir var/demo --extend 7" in say(reader, "terminal.go_on", job=7)
    assert "flipbot resume --data-dir var/demo" in say(reader, "terminal.paused")
    assert reader == language


def test_every_command_that_hints_name_takes_the_options() -> None:
    for name in COMMANDS:
        rest = {
            "first": ["1"],
            "ban": ["page:1"],
            "unban": ["page:1"],
            "cancel": ["1"],
            "move": ["x"],
            "download": ["x"],
        }
        args = arguments().parse_args([name, "-c", "c.toml", "--data-dir", "d", *rest.get(name, [])])
        assert called(args, "flipbot").command(name) == f"flipbot {name} -c c.toml --data-dir d"


def test_the_program_is_named_as_it_was_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "a b" / "flipbot"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", os.defpath)
    assert program_of(str(program)) == shlex.quote(str(program))
    monkeypatch.setenv("PATH", str(program.parent))
    assert program_of(str(program)) == "flipbot"
    assert program_of("/x/flipbot/__main__.py") == f"{shlex.quote(sys.executable)} -m flipbot"
    assert program_of("/x/pytest/__main__.py") == "flipbot"
    assert called(argparse.Namespace(), "/x/pytest") == Called("flipbot", ())
