"""The model that this process has: whether it is there whole, and what becomes of films of another."""

import asyncio
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from rich.console import Console

from bot import terminal, words
from bot.errors import Refused
from bot.intake import Intake
from db import workers
from flipbot.planning import make_planner, make_replanner, model_facts
from flipbot.settings import Settings, make_folder
from gen.card import PRESETS, Card, find_checkpoint
from gen.check import outputs
from gen.errors import CheckpointMissing, GenError
from gen.files import check, present
from gen.process import QUIET

log = logging.getLogger("flipbot")


def model_trouble(settings: Settings) -> Refused | None:
    """What ails the checkpoint now: it may have been moved away since the start."""
    try:
        present(find_checkpoint(settings.model.name, settings.models_dir))
        need_check(settings)
    except GenError as error:
        return Refused(f"failed.{error.reason}", **error.facts)
    return None


def need_check(settings: Settings) -> None:
    """raises: CheckUnusable, where what is to look at pictures first is set up and cannot."""
    if settings.check is not None:
        outputs(settings.check)


def described(settings: Settings, *, works: bool) -> tuple[Card, Path | None]:
    """The configured checkpoint's card and folder. works: films are made here; else a card alone will do.

    raises: GenError
    """
    try:
        checkpoint = find_checkpoint(settings.model.name, settings.models_dir)
    except CheckpointMissing:
        if works or settings.model.name not in PRESETS:
            raise
        return PRESETS[settings.model.name], None
    return checkpoint.card, checkpoint.folder


def prepare_model(settings: Settings, console: Console, locale: str, *, works: bool = True) -> Card:
    """The card of the configured checkpoint, all of whose files are there if it works here.

    Where the tiny one is not shipped, an untrained one is made, once.
    raises: GenError
    """
    if works:
        need_check(settings)
    elif settings.model.name != "tiny":
        return described(settings, works=False)[0]
    try:
        checkpoint = find_checkpoint(settings.model.name, settings.models_dir)
    except CheckpointMissing:
        if settings.model.name != "tiny":
            raise
    else:
        check(checkpoint)
        return checkpoint.card
    terminal.tell(console, words.say(locale, "terminal.setting_up"))
    make_folder(settings.models_dir)
    target = settings.models_dir / "tiny-untrained"
    making = [sys.executable, "-m", "gen.train", "untrained", str(target)]
    subprocess.run(making, check=True, stdout=subprocess.DEVNULL, env={**os.environ, **QUIET})
    return find_checkpoint("tiny", settings.models_dir).card


async def changed_model(settings: Settings, intake: Intake, crew: workers.Crew, said: dict[str, Any]) -> str:
    """The checkpoint was changed under the service: from now on films are planned for the one that is there.

    returns: its identity; of one that cannot be read, nothing, and all stays as it is
    """
    try:
        checkpoint = await asyncio.to_thread(find_checkpoint, settings.model.name, settings.models_dir)
    except GenError as error:
        log.warning("the model cannot be read: %s", error)
        return ""
    card = checkpoint.card
    log.warning("the model was changed under the service; it goes on with model=%s", card.identity)
    intake.planner = make_planner(card, settings.model, settings.video)
    intake.replanner, intake.model = make_replanner(card), model_facts(card, checkpoint.folder)
    said |= {"model": card.name, "trained": card.trained}
    crew.model = card.identity
    await intake.serve_model(card.identity)
    return card.identity


async def give_up(ended: "asyncio.Future[None]", crew: workers.Crew, loaded: str) -> str:
    """This process, one of several, was handed a film of another model than it has loaded. Where its checkpoint was
    changed, it ends: all have one model, and it is not this one's to say which."""
    if loaded != crew.model:
        ended.set_exception(Refused("refused.model_changed", got=loaded, served=crew.model))
        await asyncio.sleep(3600)
    return loaded
