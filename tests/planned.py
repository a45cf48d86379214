"""What plans films on the stages, where no engine makes them: sections of 36 frames, each with its text."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from bot.intake import Planned, Prompts
from gen.plan import prompts_of

FRAMES, FPS = 36, 30  # of a section, and a second
SECTION_S = Fraction(FRAMES, FPS)


@dataclass(frozen=True)
class Still:
    """A model whose films are of one size."""

    width: int
    height: int
    steps: int = 2

    def plan(
        self, *, size: tuple[int, int], seconds: float, prompts: Prompts, seed: int, quality: str, ends: bool
    ) -> Planned:
        """A new film, as bot/intake.py asks for one."""
        sections = max(1, round(seconds / SECTION_S))
        plan = {"model": "still@1", "width": self.width, "height": self.height, "steps": self.steps, "fps": FPS}
        plan |= {"seed": seed, "prompts": list(prompts_of(prompts, sections, SECTION_S))}
        return planned({**plan, "sampling": "inverted" if ends else "f1"}, sections)

    def again(
        self,
        plan: Mapping[str, Any],
        *,
        kept: int,
        sections: int,
        seconds: float = 0.0,
        prompts: Prompts = (),
        seed: int | None = None,
    ) -> Planned:
        """A film whose first sections are another's; without new prompts the last one goes on."""
        sections += round(seconds / SECTION_S)
        old = list(plan["prompts"])
        new = list(prompts_of(prompts, sections - kept, SECTION_S)) if prompts else None
        texts = old[:kept] + new if new else (old + old[-1:] * sections)[:sections]
        return planned({**plan, "seed": plan["seed"] if seed is None else seed, "prompts": texts}, sections)


def planned(plan: Mapping[str, Any], sections: int) -> Planned:
    """The plan, with how long its film is."""
    return Planned(plan=plan, sections=sections, frames=FRAMES * sections + 1, fps=FPS)
