"""What a terminal shows and takes, without a service: the bar, the line, where a film may stand."""

import os
from pathlib import Path

import pytest

from bot import terminal
from bot.errors import Refused


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
