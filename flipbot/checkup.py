"""flipbot doctor: what every room says of itself, in plain sentences."""

import argparse
import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from rich.cells import set_cell_size
from rich.console import Console
from rich.text import Text

from bot import control, doctor, terminal, words
from bot.errors import Gone, Refused
from db.connect import Database, is_shared
from db.doctor import examine_database, examine_disk, examine_library, examine_media, examine_store
from db.errors import DbError, MediaAway
from db.finding import Finding
from db.logs import start_log
from flipbot.settings import CONFIG, Settings, make_folder, settings_of
from gen.errors import GenError
from gen.roofline import Pace

SPEED_OF = 30  # sections that the doctor judges the speed by


def doctor_command(settings: Settings) -> list[str]:
    """The doctor's command line, for the same settings. It needs `where_we_are`: a folder it is started in may hold a
    clone, a folder named flipbot."""
    file = ["--config", str(settings.file)] if settings.file else []
    folders = ["--data-dir", str(settings.data_dir), "--models-dir", str(settings.models_dir)]
    size = ["--size", settings.model.size] if settings.model.size else []
    return [sys.executable, "-P", "-m", "flipbot", "doctor", *file, *folders, "--model", settings.model.name, *size]


def where_we_are() -> dict[str, str]:
    """What a Python of ours has in its environment, so that it finds this Flipbot and no other folder of that name."""
    paths = [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    return {"PYTHONPATH": os.pathsep.join(filter(None, paths))}


def command_doctor(args: argparse.Namespace, console: Console, locale: str) -> int:
    """flipbot doctor"""
    from gen.doctor import examine, looks  # imports torch

    settings = settings_of(args)
    start_log(settings.service, quiet=True)  # what would be logged here is a finding
    say = partial(words.translate, locale)
    found = [
        configuration(settings, locale),
        *examine(settings.model, settings.models_dir, settings.video.sizes(settings.model), say),
        *looks(settings.check),
        *asyncio.run(examine_service(settings, locale)),
        *asyncio.run(doctor.examine(settings.discord, settings.telegram, locale, settings.file)),
    ]
    out = terminal.printer(soft_wrap=True)
    for finding in found:
        key, colour = {True: ("fine", "green"), None: ("note", "yellow"), False: ("miss", "red")}[finding.fine]
        out.print(Text(set_cell_size(words.say(locale, f"doctor.{key}"), 4), colour), end=" ")
        terminal.tell(out, say(finding.sentence))
    misses = sum(finding.fine is False for finding in found)
    key = {0: "doctor.ready", 1: "doctor.one_miss"}.get(misses, "doctor.misses")
    terminal.tell(out, words.say(locale, key, count=misses, mark=words.say(locale, "doctor.miss")))
    return terminal.FAILED if misses else terminal.DONE


def configuration(settings: Settings, locale: str) -> Finding:
    """Which file was read."""
    if settings.file is None:
        return Finding(None, words.say(locale, "doctor.no_config", name=str(CONFIG)))
    return Finding(True, words.say(locale, "doctor.config", path=str(settings.file.absolute())))


def paces_of(made: Sequence[Mapping[str, Any]], settings: Settings) -> list[Pace]:
    """Of the latest sections those of the configured model, as the doctor judges them: by the steps that all ran."""
    from gen.inputs import made_by  # imports torch

    found: list[Pace] = []
    media = settings.open_media()
    for section in made:
        plan = section["plan"]
        if str(plan.get("model", "")).split("@")[0] != settings.model.name or len(found) == SPEED_OF:
            continue
        try:
            said = made_by(media.fetch(section["latents"]))
        except FileNotFoundError:
            said = None
        except MediaAway:  # of which the doctor speaks by itself
            break
        ran = (said or {}).get("ran", 0 if plan.get("step_cache") else plan["steps"])
        if section["sampling_ms"] and ran:
            took = (section["sampling_ms"], section["decode_ms"])
            found.append(Pace(plan["width"], plan["height"], ran, *took, card=(said or {}).get("card", "")))
    return found


async def examine_service(settings: Settings, locale: str = words.DEFAULT) -> list[Finding]:
    """What the doctor says of the database, the speed in it, the disk and the page."""
    from gen.doctor import speed  # imports torch

    def judged(made: Sequence[Mapping[str, Any]]) -> list[Finding]:
        sizes = settings.video.sizes(settings.model)
        return speed(settings.model, paces_of(made, settings), settings.models_dir, sizes)

    media = settings.open_media()
    found = [] if is_shared(settings.database.url) else [examine_library()]
    found += await asyncio.to_thread(examine_store, media)
    disk = partial(examine_disk, media, settings.min_free)
    try:
        async with settings.connect() as remote:
            if remote is not None:
                process = (await remote.hello())["pid"]
                runs = words.say(locale, "doctor.service", path=str(settings.data_dir), process=process)
                found.append(Finding(True, runs))
                return [*found, *judged(await remote.sections()), *disk()]
    except Gone as gone:
        return [*found, Finding(False, words.say(locale, gone.key, **gone.facts)), *disk()]
    try:
        make_folder(settings.data_dir)
        async with Database.open(settings.database.url, data_dir=settings.data_dir) as db:
            found += await examine_database(db, settings.data_dir)
            found += judged(await control.recent_sections(db))
            found += await examine_media(db, media)
    except Refused as refused:
        return [*found, Finding(False, words.say(locale, refused.key, **refused.facts))]
    except (DbError, GenError) as error:
        return [*found, Finding(False, error.said())]
    page = await doctor.examine_page(settings.web, locale, settings.file)
    return [*found, *disk(), page, *await doctor.examine_metrics(settings.service, settings.web, locale, settings.file)]
