"""What people may ask for, as configured, and how a request of theirs becomes a plan of the engine."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bot.errors import Refused
from bot.intake import Example, ModelFacts, Planned, Planner, Prompts, Replanner, Rules
from db import requests
from flipbot.settings import Settings
from gen.card import Card
from gen.config import ModelConfig, VideoConfig
from gen.errors import GenError, OtherModel
from gen.plan import continue_plan, frames_after, make_plan
from gen.types import Plan

DEFAULT_PROMPT = "gentle, natural movement"  # what an empty prompt means
INVERTED = "inverted"  # the order in which a film is made from its end, for those that have an end picture


def rules(settings: Settings) -> Rules:
    """What may be asked for, as configured; the quality that changes nothing comes first, as the default."""
    limits, video = settings.limits, settings.video
    return Rules(
        queue=requests.Limits(
            queued_per_user=limits.queued_per_user,
            queued_per_chat=limits.queued_per_chat,
            queued_in_all=limits.queued_in_all,
            gpu_seconds_per_day=limits.gpu_seconds_per_day,
            cooldown_s=limits.cooldown_s,
        ),
        roles=limits.roles,
        longest_seconds=video.longest_seconds,
        default_seconds=min(video.default_seconds, video.longest_seconds),
        qualities=tuple(sorted(video.qualities, key=lambda name: name != "standard")),
        max_bytes=settings.max_bytes,
        max_megapixels=limits.image_max_megapixels,
        min_free=settings.min_free,
        blocked_words=settings.safety.blocked_words,
    )


def make_planner(card: Card, model: ModelConfig, video: VideoConfig) -> Planner:
    """What turns an accepted request into a plan for this checkpoint."""

    def plan(
        *, size: tuple[int, int], seconds: float, prompts: Prompts, seed: int, quality: str, ends: bool
    ) -> Planned:
        preset = video.qualities[quality]
        if ends:
            need_inverted(card)
        try:
            made = make_plan(
                card,
                picture_size=size,
                seconds=seconds,
                prompts=prompts,
                seed=seed,
                sampling=INVERTED if ends else None,
                size=preset.size or model.size or None,
                steps=preset.steps(card.steps),
                step_cache=preset.step_cache or None,
            )
        except GenError as error:
            raise Refused("refused.unsuited", why=error.said()) from error
        return planned(card, made)

    return plan


def make_replanner(card: Card) -> Replanner:
    """What makes a plan out of another film's, for this checkpoint."""

    def replan(
        plan: Mapping[str, Any],
        *,
        kept: int,
        sections: int,
        seconds: float = 0.0,
        prompts: Prompts = (),
        seed: int | None = None,
    ) -> Planned:
        try:
            made = continue_plan(
                card, Plan.from_json(plan), kept=kept, sections=sections, seconds=seconds, prompts=prompts, seed=seed
            )
            return planned(card, made)
        except OtherModel as error:
            raise Refused("refused.made_by_other_model", **error.facts) from error
        except GenError as error:
            raise Refused("refused.unsuited", why=error.said()) from error

    return replan


def planned(card: Card, plan: Plan) -> Planned:
    """The plan as the room of the chats has it."""
    frames = frames_after(plan.sections, plan.window, card.time_compression)
    return Planned(plan=plan.to_json(), sections=plan.sections, frames=frames, fps=plan.fps)


def need_inverted(card: Card) -> None:
    """Raise Refused where the checkpoint cannot make a film from its end."""
    if INVERTED not in card.samplings:
        raise Refused("refused.end_picture", model=card.name)


def model_facts(card: Card, folder: Path | None) -> ModelFacts:
    """What people should know of the model in a folder, or of one that other machines have."""
    examples = tuple(
        Example(said["en"], said.get("zh", said["en"]), folder / said["film"] if folder and "film" in said else None)
        for said in card.understands
        if "en" in said
    )
    return ModelFacts(
        name=card.name,
        trained=card.trained,
        default_prompt=DEFAULT_PROMPT,
        note=card.note,
        examples=examples,
        ends=INVERTED in card.samplings,
    )
