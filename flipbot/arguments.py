"""The command line: what each command takes, and what is said of what went wrong."""

import argparse
import difflib
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
from flipbot.autostart import command_autostart
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
from flipbot.settings import file_of_settings, naming
from gen.errors import GenError

BENCHES = {
    **gen.bench.BENCHES,
    "page": "many who watch one film grow",
    "answer": "how soon chats are answered in a burst",
}
BOT_BENCHES = ("page", "answer")  # of what people meet; the others are the engine's and the queue's
Command = Callable[[argparse.Namespace, Console, str], int]
Add = Callable[[str, Command, Said], argparse.ArgumentParser]
BOTH = said("On one machine, `flipbot run` does both: `front` and `worker` exclude each other on one SQLite file.")


class Help(argparse.HelpFormatter):
    """Help in the reader's language: what was made by `said`, and argparse's own few words."""

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

    def add_text(self, text: str | None) -> None:
        """What the command is for."""
        super().add_text(self.say(text) if text and text is not argparse.SUPPRESS else text)

    def _get_help_string(self, action: argparse.Action) -> str | None:
        return self.say(action.help) if action.help else None


class RawHelp(Help, argparse.RawDescriptionHelpFormatter):
    """The same, with lines as they were written."""


class Parser(argparse.ArgumentParser):
    """A parser that speaks the reader's language."""

    def __init__(self, say: Callable[[str], str], **settings: Any) -> None:
        super().__init__(formatter_class=partial(Help, say), add_help=False, **settings)
        self.say = say
        self.add_argument("-h", "--help", action="help", help=said("show this help message and exit"))

    def error(self, message: str) -> NoReturn:
        """Say what is wrong with the arguments, and end."""
        self.print_usage(sys.stderr)
        self.exit(2, self.say(said("{prog}: error: {message}", prog=self.prog, message=of_argparse(message))) + "\n")


def of_argparse(message: str) -> str:
    """What argparse says is wrong, as a sentence that can be translated where it is something usual."""
    if found := re.fullmatch(
        r"argument (COMMAND|NAME): invalid choice: '(.+)' \(choose from (.+)\)", message, re.DOTALL
    ):
        return of_choice(found[1], found[2], re.findall("[a-z0-9_]+", found[3]))
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


def of_choice(what: str, got: str, known: Sequence[str]) -> str:
    """What is said of a command that is none, or a bench."""
    near = difflib.get_close_matches(got, known, n=1)
    if what == "COMMAND" and near:
        return said('there is no command {got}; did you mean "{near}"?', got=got, near=near[0])
    if what == "COMMAND":
        return said("there is no command {got}; flipbot --help lists them", got=got)
    if near:
        return said('there is no bench {got}; did you mean "{near}"?', got=got, near=near[0])
    return said("there is no bench {got}; flipbot bench --help lists them", got=got)


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
        with naming(file_of_settings(args)):
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
    speaking: Any = partial(Parser, partial(words.translate, locale))  # called as a class is
    parser: Parser = speaking(prog="flipbot", description=said("A picture becomes a film, second by second."))
    about = said("show program's version number and exit")
    parser.add_argument("--version", action="version", version=f"flipbot {version('flipbot')}", help=about)
    parser.set_defaults(command=None)
    commands = parser.add_subparsers(metavar="COMMAND", parser_class=speaking)

    def add(name: str, command: Command, about: Said) -> argparse.ArgumentParser:
        sub: argparse.ArgumentParser = commands.add_parser(name, help=about, description=about)
        sub.add_argument(
            "-c", "--config", type=Path, help=said("configuration file (default: config.toml here, if any)")
        )
        sub.add_argument("--data-dir", type=Path, help=said("folder of everything that is kept"))
        sub.set_defaults(command=command, parser=sub)
        return sub

    for group in (services, animate, queue, bans, films, weights):
        group(add)
    benches(commands.add_parser("bench", help=said("measure"), epilog=gen.bench.listed(BENCHES)))
    return parser


def services(add: Add) -> None:
    """What runs until it is ended."""
    with_model(add("run", command_run, said("everything on this machine: page, queue and engine")))
    about = said("only what people talk to: it takes films in, another process makes them")
    front = with_model(add("front", command_front, about))
    worker = with_model(add("worker", command_worker, said("only the engine: it makes the films that wait")))
    front.epilog = worker.epilog = BOTH
    worker.add_argument("--until-empty", action="store_true", help=said("end when nothing is left to do"))
    about = said("print what lets the system start Flipbot by itself, and say where it goes")
    autostart = add("autostart", command_autostart, about)
    parts, which = ("run", "front", "worker"), said("what is started: run, front or worker")
    autostart.add_argument("part", nargs="?", default="run", choices=parts, metavar="WHAT", help=which)


def animate(add: Add) -> None:
    """A film from the terminal."""
    film = with_model(add("animate", command_animate, said("turn one picture into a film, here in the terminal")))
    film.add_argument("image", nargs="?", metavar="IMAGE", help=said("the picture; not with --extend"))
    film.add_argument("prompt", nargs="*", default=[], metavar="PROMPT", help=said("what should happen"))
    film.add_argument("--extend", type=int, metavar="JOB", help=said("go on with a film that was made in a terminal"))
    film.add_argument("--seconds", help=said("length of the film"))
    film.add_argument("--seed", help=said("a whole number: the same one gives the same film"))
    film.add_argument("--quality", help=said("a preset of the configuration: draft, standard or best"))
    film.add_argument("--end-image", type=Path, metavar="IMAGE", help=said("the picture that the film ends with"))
    with_output(film, said("the film (default: IMAGE's name, here)"))


def queue(add: Add) -> None:
    """The line of films, and what an operator does with it."""
    line = add("queue", command_queue, said("show what is in line, as it changes"))
    line.add_argument("--once", action="store_true", help=said("only as it is now"))
    gates = {
        "pause": said("stop starting new sections"),
        "resume": said("go on after a pause, take films in again"),
        "drain": said("take no new films in; those in line are finished"),
    }
    for name, about in gates.items():
        gate = add(name, command_gate, about)
        gate.set_defaults(action=name)
        with_server(gate, said("for one Discord server or Telegram group alone"))
        if name == "pause":
            gate.add_argument(
                "--now",
                action="store_true",
                help=said("give up the sections that are under way, too; they are made again later"),
            )
        if name != "resume":
            gate.add_argument("reason", nargs="*", metavar="REASON", help=said("what people are told"))
    for name, command, about in (
        ("first", command_first, said("put a film before all others")),
        ("cancel", command_cancel, said("stop a film, whether it waits or is being made")),
    ):
        one = add(name, command, about)
        one.add_argument("job", metavar="JOB", help=said("its number, as `flipbot queue` shows it"))
        if name == "cancel":
            about = said("what flipbot audit says of it")
            one.add_argument("reason", nargs="*", default=[], metavar="REASON", help=about)


def bans(add: Add) -> None:
    """Who may ask for nothing, and what operators did."""
    for name, about in (("ban", said("stop somebody from asking for films")), ("unban", said("lift a ban"))):
        ban = add(name, command_ban, about)
        ban.set_defaults(action=name)
        ban.add_argument("who", metavar="WHO", help=said("discord:ID, telegram:ID, or page:ID as /admin shows it"))
        with_server(ban, said("on one Discord server or Telegram group alone"))
        if name == "ban":
            ban.add_argument("--for", dest="lasting", metavar="TIME", help=said("30m, 12h or 7d (default: for ever)"))
            ban.add_argument("--reason", default="", help=said("what they are told"))
    add("audit", command_audit, said("show what operators did, newest first"))


def films(add: Add) -> None:
    """What is kept."""
    film = add("film", command_film, said("save a film that is kept here, or what is ready of it"))
    about = said("its number (default: the last one asked for in a terminal)")
    film.add_argument("job", nargs="?", metavar="JOB", help=about)
    with_output(film, said("the film (default: film-JOB.mp4, here)"))
    about = said("copy the queue, the people and all films to another database and media store")
    move = add("move", command_move, about)
    about = said("configuration that says where to; the old place stays")
    move.add_argument("to", type=Path, metavar="TO.toml", help=about)


def weights(add: Add) -> None:
    """The models, and what this machine can do with them."""
    with_model(add("doctor", command_doctor, said("say what works on this machine, and what to do about the rest")))
    fetch = add("download", command_download, said("fetch the weights of a large model; it goes on where it stopped"))
    fetch.add_argument("name", metavar="MODEL", help=said("framepack or framepack-f1"))
    with_models_dir(fetch)
    fetch.add_argument("--from", dest="source", type=Path, metavar="DIR", help=said("take the files from a copy here"))
    fetch.add_argument("--accept-licence", action="store_true", help=said("the licence is read and accepted"))


def benches(bench: Parser) -> None:
    """What is measured: each bench has arguments of its own."""
    bench.description = said("Measure; each prints a small table.")
    bench.formatter_class = partial(RawHelp, bench.say)
    bench.add_argument("name", nargs="?", choices=BENCHES, metavar="NAME", help=said("what to measure"))
    about = said("its options: flipbot bench NAME --help")
    bench.add_argument("rest", nargs=argparse.REMAINDER, metavar="...", help=about)
    bench.set_defaults(command=command_bench)


def with_model(sub: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """The same, with the options that say which model, and at which size."""
    sub.add_argument("--model", help=said("checkpoint: tiny, framepack, framepack-f1, or a folder"))
    sub.add_argument("--size", help=said("the films' size, such as 192 (tiny) or 512 (framepack-f1)"))
    with_models_dir(sub)
    return sub


def with_models_dir(sub: argparse.ArgumentParser) -> None:
    """Where models are."""
    sub.add_argument("--models-dir", type=Path, help=said("folder of downloaded checkpoints"))


def with_output(sub: argparse.ArgumentParser, about: Said) -> None:
    """Where a film goes."""
    sub.add_argument("-o", "--output", type=Path, metavar="OUT.mp4", help=about)


def with_server(sub: argparse.ArgumentParser, about: Said) -> None:
    """Where it holds."""
    sub.add_argument("--server", default="", metavar="ID", help=about)


def command_bench(args: argparse.Namespace, console: Console, locale: str) -> int:
    """flipbot bench NAME"""
    if args.name is None:
        terminal.tell(console, gen.bench.listed(BENCHES))
        return terminal.BAD_INPUT
    room = "bot" if args.name in BOT_BENCHES else "gen"
    return gen.bench.start(f"{room}.bench.{args.name}", f"flipbot bench {args.name}", args.rest)
