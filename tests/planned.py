"""What the fake planners of the stages have in common with the real one: a text for each section."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from bot.intake import Prompts
from gen.plan import prompts_of


def texts(prompts: Prompts, sections: int, section_s: Fraction) -> list[str]:
    """The text of every section of a new film."""
    return list(prompts_of(prompts, sections, section_s))


def texts_again(plan: Mapping[str, Any], prompts: Prompts, kept: int, sections: int, section_s: Fraction) -> list[str]:
    """The text of every section of a film whose first ones are kept; without new prompts the last one goes on."""
    old = list(plan["prompts"])
    if prompts:
        return old[:kept] + texts(prompts, sections - kept, section_s)
    return (old + old[-1:] * sections)[:sections]
