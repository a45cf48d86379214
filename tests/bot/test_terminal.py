"""What a terminal shows and takes, without a service: the bar, the line, where a film may stand."""

import dataclasses
import io
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest
from rich.console import Console

from bot import terminal
from bot.canvas import view
from bot.control import Remote
from bot.errors import Refused
from bot.picture import Picture
from db.models import State
from db.rows import Progress
from tests.bot.test_canvas import SHA, a_job, at_step, place, some_sections, told


def refusal(target: Path, picture: Path, end: Path | None = None) -> str:
    with pytest.raises(Refused) as refused:
        terminal.check_target(target, picture, end)
    return refused.value.key


def test_a_film_takes_no_place_but_a_films(tmp_path: Path) -> None:
    picture, end, letter = (tmp_path / name for name in ("photo.mp4", "end.mp4", "letter"))
    for path in (picture, end, letter):
        path.write_bytes(b"precious")
    (tmp_path / "link.mp4").symlink_to(end)
    assert refusal(picture, picture, end) == "refused.output_is_picture"
    assert refusal(tmp_path / "link.mp4", picture, end) == "refused.output_is_picture"
    assert refusal(letter, picture) == "refused.output_kind"
    assert refusal(tmp_path / "new", picture) == "refused.output_kind"
    assert refusal(Path("/dev/null"), picture) == "refused.output_no_file"
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.mp4")
        assert refusal(tmp_path / "pipe.mp4", picture) == "refused.output_no_file"
    assert terminal.check_target(tmp_path / "new.MP4", picture) == tmp_path / "new.MP4"
    assert {path.read_bytes() for path in (picture, end, letter)} == {b"precious"}


def drawn(done: int, step: Progress | None, left_ms: int, locale: str = "en") -> tuple[float, str]:
    """How full the bar is, and what a terminal of 80 columns shows."""
    job = a_job(state=State.RUNNING, done=done, film=SHA)
    state = dataclasses.asdict(view(job, some_sections(done), step, place(running=True), told(left_ms)))
    console = Console(file=io.StringIO(), width=80, force_terminal=True, color_system=None)
    fields = terminal.shown(state, locale)
    with terminal.bar(console) as (progress, task):
        progress.update(task, **fields)
        console.print(*progress.get_renderables())
    return fields["completed"] / fields["total"], console.file.getvalue()  # type: ignore[attr-defined]


def test_the_bar_never_runs_backwards() -> None:
    life: list[tuple[int, Progress | None]] = [
        (3, None), (3, at_step(3, 0)), (3, at_step(3, 1)), (3, at_step(3, 8)), (3, at_step(3, 8, "decoding")),
        (3, at_step(3, 8, "writing")),
    ]  # fmt: skip
    parts = [drawn(done, step, 900)[0] for done, step in life]
    assert parts == sorted(parts) and parts[-1] == 1.0


@pytest.mark.parametrize("locale", ["en", "zh"])
def test_nothing_is_cut_off_at_80_columns(locale: str) -> None:
    _, text = drawn(3, at_step(3, 8, "writing"), 18_000, locale)
    wanted = {
        "en": ["3.6 of 4.8 s are ready, finishing the file  about 18 s left", "section 4 of 4, step 8 of 8"],
        "zh": ["正在写入文件  大约还要 18 秒", "第 4 段，共 4 段；第 8 步，共 8 步"],
    }
    for each in wanted[locale]:
        assert each in text
    assert "…" not in text and "0 s left" not in drawn(3, at_step(3, 8, "writing"), 0)[1]


class Waiting:
    """A service whose film waits for another model, after a section."""

    async def submit(self, *_: object) -> int:
        return 7

    async def watch(self, job: int) -> AsyncIterator[dict[str, Any]]:
        facts = {"made": "tiny@0", "loaded": "tiny@1"}
        now = view(a_job(done=1, film=SHA, reason="other_model", facts=facts), some_sections(1), None, place(), None)
        yield {**dataclasses.asdict(now), "unmade": [], "can_extend": False, "seed": 7}
        raise AssertionError("it is not waited for")

    async def film(self, job: int, target: Path) -> None:
        target.write_bytes(b"film")


async def test_nobody_sits_before_a_film_that_waits_for_another_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    console, picture = terminal.printer(file=io.StringIO(), width=200), Picture(b"", 1, 1, ())
    order = terminal.Order(picture, None, "fog", None, None, None, tmp_path / "film.mp4")
    assert await terminal.animate(cast(Remote, Waiting()), order, console, "en") == terminal.FAILED
    said = console.file.getvalue()  # type: ignore[attr-defined]
    assert "Waiting for the model tiny@0, which is not running now." in said and "which is still in line" in said
    assert capsys.readouterr().out.strip() == str(tmp_path / "film.mp4")
