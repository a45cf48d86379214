"""The command line: what each command takes, and what is said of what went wrong."""

import argparse
import locale as system_locale
import os
import re
import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn

from rich.console import Console

import gen.bench
from bot import terminal, words
from bot.errors import Gone, Refused
from db.errors import DbError
from db.said import Said, said
from flipbot.called import called
from flipbot.checkup import command_doctor
from flipbot.download import command_download
from flipbot.making import command_animate, command_front, command_run, command_worker
from flipbot.operating import (
    command_audit,
    command_ban,
    command_cancel,
    command_film,
    command_first,
    command_gate,
    command_move,
    command_queue,
)
from gen.errors import GenError

BENCHES = {
    **gen.bench.BENCHES,
    "page": "many who watch one film grow",
    "answer": "how soon chats are answered in a burst",
}
BOT_BENCHES = ("page", "answer")  # of what people meet; the others are the engine's and the queue's
BOTH = said("On one machine, `flipbot run` does both: `front` and `worker` exclude each other on one SQLite file.")


class Help(argparse.HelpFormatter):
    """Help whose own few words are in the reader's language."""

    def __init__(self, say: Callable[[str], str], prog: str) -> None:
        super().__init__(prog)
        self.say = say

    def add_usage(self, usage: Any, actions: Any, groups: Any, prefix: str | None = None) -> None:
        """The first line."""
        super().add_usage(usage, actions, groups, self.say(said("usage: ")) if prefix is None else prefix)

    def start_section(self, heading: str | None) -> None:
        """A list of arguments."""
        known: dict[str, str] = {each: self.say(each) for each in (said("options"), said("positional arguments"))}
        super().start_section(known.get(heading, heading) if heading else heading)


class RawHelp(Help, argparse.RawDescriptionHelpFormatter):
    """The same, with lines as they were written."""


class Parser(argparse.ArgumentParser):
    """A parser that speaks the reader's language."""

    def __init__(self, say: Callable[[str], str], **settings: Any) -> None:
        super().__init__(formatter_class=partial(Help, say), add_help=False, **settings)
        self.say = say
        self.add_argument("-h", "--help", action="help", help=say(said("show this help message and exit")))

    def error(self, message: str) -> NoReturn:
        """Say what is wrong with the arguments, and end."""
        self.print_usage(sys.stderr)
        self.exit(2, self.say(said("{prog}: error: {message}", prog=self.prog, message=of_argparse(message))) + "\n")


def of_argparse(message: str) -> str:
    """What argparse says is wrong, as a sentence that can be translated where it is something usual."""
    if found := re.fullmatch("argument (.+?): (.+)", message, re.DOTALL):
        return said("argument {name}: {message}", name=found[1], message=of_argparse(found[2]))
    if found := re.fullmatch("the following arguments are required: (.+)", message):
        return said("the following arguments are required: {names}", names=found[1])
    if found := re.fullmatch("unrecognized arguments: (.+)", message, re.DOTALL):
        return said("unrecognized arguments: {words}", words=found[1])
    if found := re.fullmatch(r"invalid choice: (.+) \(choose from (.+)\)", message, re.DOTALL):
        return said("invalid choice: {got} (choose from {known})", got=found[1], known=found[2])
    if found := re.fullmatch("invalid int value: (.+)", message, re.DOTALL):
        return said("invalid int value: {got}", got=found[1])
    if found := re.fullmatch("ambiguous option: (.+) could match (.+)", message, re.DOTALL):
        return said("ambiguous option: {got} could match {known}", got=found[1], known=found[2])
    if found := re.fullmatch("ignored explicit argument (.+)", message, re.DOTALL):
        return said("ignored explicit argument {got}", got=found[1])
    return said("expected one argument") if message == "expected one argument" else message


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code: 0 done, 1 failed, 2 bad usage or bad input, 130 cancelled."""
    spoken = os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES") or os.environ.get("LANG")
    locale = words.pick([spoken or system_locale.getlocale()[0] or "en"])
    parser = arguments(locale)
    args, more = parser.parse_known_args(argv)
    if more and (args.command is not command_animate or any(word.startswith("-") for word in more)):
        getattr(args, "parser", parser).error(f"unrecognized arguments: {' '.join(more)}")
    if more:  # words of the text that stand behind an option
        args.prompt = [*args.prompt, *more]
    if args.command is None:
        parser.print_help(sys.stderr)
        return terminal.BAD_INPUT
    locale = words.Reader(locale, called(args, sys.argv[0]).command)
    console = terminal.printer(stderr=True, soft_wrap=True)
    try:
        code: int = args.command(args, console, locale)
        return code
    except Refused as refused:
        terminal.tell(console, f"flipbot: {words.say(locale, refused.key, **refused.facts)}")
        if isinstance(refused, Gone):
            return terminal.FAILED
    except (DbError, GenError) as error:
        terminal.tell(console, f"flipbot: {words.translate(locale, error.said())}")
    except KeyboardInterrupt:
        return terminal.INTERRUPTED
    return terminal.BAD_INPUT


def arguments(locale: str = words.DEFAULT) -> argparse.ArgumentParser:
    """The parser of every command."""
    say = partial(words.translate, locale)
    parser = Parser(say, prog="flipbot", description=say(said("A picture becomes a film, second by second.")))
    parser.add_argument(
        "--version",
        action="version",
        version=f"flipbot {version('flipbot')}",
        help=say(said("show program's version number and exit")),
    )
    parser.set_defaults(command=None)
    speaking: Any = partial(Parser, say)  # called as a class is
    commands = parser.add_subparsers(metavar="COMMAND", parser_class=speaking)

    def add(name: str, command: Callable[..., int], about: Said) -> argparse.ArgumentParser:
        sub: Parser = commands.add_parser(name, help=say(about), description=say(about))
        sub.add_argument(
            "-c", "--config", type=Path, help=say(said("configuration file (default: config.toml here, if any)"))
        )
        sub.add_argument("--data-dir", type=Path, help=say(said("folder of everything that is kept")))
        sub.set_defaults(command=command, parser=sub)
        return sub

    def with_model(sub: argparse.ArgumentParser) -> argparse.ArgumentParser:
        sub.add_argument("--model", help=say(said("checkpoint: tiny, framepack, framepack-f1, or a folder")))
        sub.add_argument("--size", help=say(said("the films' size, such as 192 (tiny) or 512 (framepack-f1)")))
        sub.add_argument("--models-dir", type=Path, help=say(said("folder of downloaded checkpoints")))
        return sub

    with_model(add("run", command_run, said("everything on this machine: page, queue and engine")))
    front = with_model(
        add("front", command_front, said("only what people talk to: it takes films in, another process makes them"))
    )
    worker = with_model(add("worker", command_worker, said("only the engine: it makes the films that wait")))
    front.epilog = worker.epilog = say(BOTH)
    worker.add_argument("--until-empty", action="store_true", help=say(said("end when nothing is left to do")))
    animate = with_model(add("animate", command_animate, said("turn one picture into a film, here in the terminal")))
    animate.add_argument("image", nargs="?", metavar="IMAGE", help=say(said("the picture; not with --extend")))
    animate.add_argument("prompt", nargs="*", default=[], metavar="PROMPT", help=say(said("what should happen")))
    animate.add_argument(
        "--extend", type=int, metavar="JOB", help=say(said("go on with a film that was made in a terminal"))
    )
    animate.add_argument("--seconds", help=say(said("length of the film")))
    animate.add_argument("--seed", help=say(said("a whole number: the same one gives the same film")))
    animate.add_argument("--quality", help=say(said("a preset of the configuration: draft, standard or best")))
    animate.add_argument(
        "--end-image", type=Path, metavar="IMAGE", help=say(said("the picture that the film ends with"))
    )
    animate.add_argument(
        "-o", "--output", type=Path, metavar="OUT.mp4", help=say(said("the film (default: IMAGE's name, here)"))
    )
    queue = add("queue", command_queue, said("show what is in line, as it changes"))
    queue.add_argument("--once", action="store_true", help=say(said("only as it is now")))
    gates = {
        "pause": said("begin no section any more"),
        "resume": said("go on after a pause, take films in again"),
        "drain": said("take no new films in; those in line are finished"),
    }
    for name, says in gates.items():
        gate = add(name, command_gate, says)
        gate.set_defaults(action=name)
        gate.add_argument(
            "--server", default="", metavar="ID", help=say(said("for one Discord server or Telegram group alone"))
        )
        if name != "resume":
            gate.add_argument("reason", nargs="*", metavar="REASON", help=say(said("what people are told")))
    first = add("first", command_first, said("put a film before all others"))
    first.add_argument("job", metavar="JOB", help=say(said("its number, as `flipbot queue` shows it")))
    for name, says in (("ban", said("let somebody ask for nothing")), ("unban", said("lift a ban"))):
        ban = add(name, command_ban, says)
        ban.set_defaults(action=name)
        ban.add_argument("who", metavar="WHO", help=say(said("discord:ID, telegram:ID, or page:ID as /admin shows it")))
        ban.add_argument(
            "--server", default="", metavar="ID", help=say(said("on one Discord server or Telegram group alone"))
        )
        if name == "ban":
            ban.add_argument(
                "--for", dest="lasting", metavar="TIME", help=say(said("30m, 12h or 7d (default: for ever)"))
            )
            ban.add_argument("--reason", default="", help=say(said("what they are told")))
    add("audit", command_audit, said("show what operators did, newest first"))
    cancel = add("cancel", command_cancel, said("stop a film, whether it waits or is being made"))
    cancel.add_argument("job", metavar="JOB", help=say(said("its number, as `flipbot queue` shows it")))
    cancel.add_argument("reason", nargs="*", metavar="REASON", help=say(said("what flipbot audit says of it")))
    film = add("film", command_film, said("save a film that is kept here, or what is ready of it"))
    film.add_argument(
        "job", nargs="?", metavar="JOB", help=say(said("its number (default: the last one asked for in a terminal)"))
    )
    film.add_argument(
        "-o", "--output", type=Path, metavar="OUT.mp4", help=say(said("the film (default: film-JOB.mp4, here)"))
    )
    move = add(
        "move", command_move, said("copy the queue, the people and all films to another database and media store")
    )
    move.add_argument(
        "to", type=Path, metavar="TO.toml", help=say(said("configuration that says where to; the old place stays"))
    )
    with_model(add("doctor", command_doctor, said("say what works on this machine, and what to do about the rest")))
    fetch = add("download", command_download, said("fetch the weights of a large model; it goes on where it stopped"))
    fetch.add_argument("name", metavar="MODEL", help=say(said("framepack or framepack-f1")))
    fetch.add_argument("--models-dir", type=Path, help=say(said("folder of downloaded checkpoints")))
    fetch.add_argument(
        "--from", dest="source", type=Path, metavar="DIR", help=say(said("take the files from a copy here"))
    )
    fetch.add_argument("--accept-licence", action="store_true", help=say(said("the licence is read and accepted")))
    bench = commands.add_parser(
        "bench",
        help=say(said("measure")),
        description=say(said("Measure; each prints a small table.")),
        epilog=gen.bench.listed(BENCHES),
    )
    bench.formatter_class = partial(RawHelp, say)
    bench.add_argument("name", nargs="?", choices=BENCHES, metavar="NAME", help=say(said("what to measure")))
    bench.add_argument(
        "rest", nargs=argparse.REMAINDER, metavar="...", help=say(said("its options: flipbot bench NAME --help"))
    )
    bench.set_defaults(command=command_bench)
    return parser


def command_bench(args: argparse.Namespace, console: Console, locale: str) -> int:
    """flipbot bench NAME"""
    if args.name is None:
        terminal.tell(console, gen.bench.listed(BENCHES))
        return terminal.BAD_INPUT
    room = "bot" if args.name in BOT_BENCHES else "gen"
    return gen.bench.start(f"{room}.bench.{args.name}", f"flipbot bench {args.name}", args.rest)
