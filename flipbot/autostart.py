"""flipbot autostart: what makes the system start Flipbot by itself, and again where it ended."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import escape

from rich.console import Console

from bot import terminal, words
from flipbot.called import quoted
from flipbot.settings import file_of_settings, settings_of

ENVIRONMENT = "%h/.config/flipbot.env"  # as systemd names the home folder


def command_autostart(args: argparse.Namespace, console: Console, locale: str) -> int:
    """flipbot autostart: the file on stdout, what to do with it on stderr"""
    settings = settings_of(args)
    command = [sys.executable, "-P", "-m", "flipbot", args.part]
    if (file := file_of_settings(args)) is not None:
        command += ["-c", str(file.absolute())]
    if args.data_dir:
        command += ["--data-dir", str(settings.data_dir.absolute())]
    name, kind = f"flipbot-{args.part}" if args.part != "run" else "flipbot", kind_of(sys.platform)
    made = {"linux": unit, "macos": agent, "windows": task}[kind](command, Path.cwd(), name)
    sys.stdout.write(made)
    sys.stdout.flush()
    terminal.tell(console, words.say(locale, f"terminal.autostart_{kind}", name=name, what=args.part))
    return terminal.DONE


def kind_of(platform: str) -> str:
    """The systems that are told apart. platform: sys.platform's"""
    return {"win32": "windows", "darwin": "macos"}.get(platform, "linux")


def unit(command: Sequence[str], folder: Path, name: str) -> str:
    """A systemd unit. Exit code 2 is a mistake in the configuration, which trying again does not mend.

    What the kernel ends for want of memory is the engine's process, which the service starts again by itself.
    source: the manual pages systemd.service(5), systemd.syntax(7), systemd.kill(5)
    """
    program, *words = command
    return f"""[Unit]
Description=Flipbot ({name}): a picture becomes a film, second by second
StartLimitIntervalSec=0

[Service]
Type=exec
ExecStart={" ".join([specified(f'"{program}"'), *(systemd_word(word) for word in words)])}
WorkingDirectory={specified(str(folder))}
EnvironmentFile=-{ENVIRONMENT}
Restart=always
RestartSec=5
RestartPreventExitStatus=2
KillMode=mixed
TimeoutStopSec=60
OOMPolicy=continue

[Install]
WantedBy=default.target
"""


def specified(text: str) -> str:
    """A text with no specifier of systemd's in it. Of a program's own path nothing else is read."""
    return text.replace("%", "%%")


def systemd_word(word: str) -> str:
    """A word of a command line, as systemd reads it: one word, in which nothing stands for anything else."""
    kept = word.replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$")
    return f'"{specified(kept)}"'


def agent(command: Sequence[str], folder: Path, name: str) -> str:
    """A launchd agent. source: the manual page launchd.plist(5)"""
    given = "\n".join(f"    <string>{escape(word)}</string>" for word in command)
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>Label</key>
  <string>{escape(name)}</string>
  <key>ProgramArguments</key>
  <array>
{given}
  </array>
  <key>WorkingDirectory</key>
  <string>{escape(str(folder))}</string>
  <key>RunAtLoad</key>
  <true/>
  <key>KeepAlive</key>
  <true/>
</dict>
</plist>
"""


def task(command: Sequence[str], folder: Path, name: str) -> str:
    """A batch file, which starts it again until it ends with a mistake in the configuration or is closed."""
    ended = "if %errorlevel% equ 2 pause & exit /b 2"
    line = quoted(command).replace("%", "%%")
    folded = str(folder).replace("%", "%%")
    return os.linesep.join(
        [
            "@echo off",
            f"title {name}",
            f'cd /d "{folded}"',
            ":again",
            line,
            ended,
            "timeout /t 5 >nul",
            "goto again",
            "",
        ]
    )
