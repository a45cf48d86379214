"""What the doctor finds, in every room: one sentence, and whether it is in the way of `flipbot run`."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One line of the doctor: fine (True), worth knowing (None), or in the way of `flipbot run` (False)."""

    fine: bool | None
    sentence: str
