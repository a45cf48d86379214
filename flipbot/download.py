"""flipbot download: the weights of a large model."""

import argparse
from functools import partial

from rich.console import Console

from bot import fetching, terminal, words
from bot.errors import Refused
from flipbot.settings import settings_of
from gen import hub, sources
from gen.errors import GenError

GIB = 1 << 30


def command_download(args: argparse.Namespace, console: Console, locale: str) -> int:
    """flipbot download MODEL"""
    settings = settings_of(args)
    models_dir = settings.models_dir

    def failed(error: GenError, status: int) -> int:
        terminal.tell(console, f"flipbot: {fetching.sentence(locale, error.reason, error.facts, error.said())}")
        return status

    try:
        gib = hub.gib_of(args.name)
    except GenError as error:
        return failed(error, terminal.BAD_INPUT)
    if args.source and not args.source.is_dir():
        raise Refused("refused.no_copy", path=str(args.source))
    where_not = words.say(locale, "terminal.licence_where")
    licence = {"licence": sources.LICENCE, "at": sources.LICENCE_AT, "where_not": where_not}
    fetching.agree(console, locale, models_dir=models_dir, accepted=args.accept_licence, **licence)
    say = partial(words.say, locale)
    terminal.tell(console, say("terminal.download_plan", model=args.name, gib=f"{gib:.1f}", path=models_dir))
    try:
        with fetching.bar(console, locale) as bar:
            done = hub.download(args.name, models_dir, bar, source=args.source)
    except GenError as error:
        return failed(error, terminal.FAILED)
    except KeyboardInterrupt:
        terminal.tell(console, say("terminal.download_stopped"))
        return terminal.INTERRUPTED
    for file, count in done.unread.items():
        terminal.tell(console, say("terminal.download_unread", file=file, count=count))
    if done.skipped:
        terminal.tell(console, say("terminal.download_skipped", files=", ".join(done.skipped)))
    if done.moved:
        terminal.tell(console, say("terminal.download_moved", repos=", ".join(done.moved)))
    if done.unproven:
        terminal.tell(console, say("terminal.download_unproven", count=len(done.unproven)))
    sizes = {"gib": f"{done.total / GIB:.1f}", "fetched": f"{done.fetched / GIB:.1f}"}
    terminal.tell(console, say("terminal.download_done", model=args.name, path=models_dir, **sizes))
    return terminal.DONE
