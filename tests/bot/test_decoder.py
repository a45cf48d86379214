"""The process that decodes strangers' pictures: it says what `read_picture` says, what kills it ends one request."""

import io
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from bot.decoder import Decoder
from bot.errors import Refused
from bot.picture import read_picture

PHOTO = (Path(__file__).parents[2] / "examples" / "photo.jpg").read_bytes()
LIMITS = {"max_bytes": 20 * 2**20, "max_megapixels": 64.0}


def blank(side: int) -> bytes:
    """A small file of many pixels."""
    out = io.BytesIO()
    Image.new("1", (side, side)).save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def decoder() -> Iterator[Decoder]:
    made = Decoder()
    yield made
    made.close()


def test_it_says_what_read_picture_says(decoder: Decoder) -> None:
    assert decoder.read(PHOTO, **LIMITS) == read_picture(PHOTO, **LIMITS)  # type: ignore[arg-type]
    for wrong in (b"", b"no picture", PHOTO[:200], blank(8), blank(9000)):
        with pytest.raises(Refused) as here:
            decoder.read(wrong, **LIMITS)  # type: ignore[arg-type]
        with pytest.raises(Refused) as there:
            read_picture(wrong, **LIMITS)  # type: ignore[arg-type]
        assert (here.value.key, here.value.facts) == (there.value.key, there.value.facts)


def test_what_takes_too_long_ends_one_request_and_the_next_is_served(decoder: Decoder) -> None:
    decoder.patience_s = 0.0
    with pytest.raises(Refused, match="too_heavy"):
        decoder.read(blank(7000), **LIMITS)  # type: ignore[arg-type]
    decoder.patience_s = 60.0
    assert decoder.read(PHOTO, **LIMITS).width > 0  # type: ignore[arg-type]


@pytest.mark.skipif(os.name == "nt", reason="Windows sets no such limit")
def test_what_takes_too_much_memory_is_refused(decoder: Decoder) -> None:
    decoder.memory_bytes = 400 << 20
    with pytest.raises(Refused, match="too_heavy"):
        decoder.read(blank(7900), **LIMITS)  # type: ignore[arg-type]
    assert decoder.read(PHOTO, **LIMITS).width > 0  # type: ignore[arg-type]


def test_one_that_was_killed_is_started_again(decoder: Decoder) -> None:
    decoder.read(PHOTO, **LIMITS)  # type: ignore[arg-type]
    assert decoder._process is not None
    decoder._process.kill()
    decoder._process.wait()
    assert decoder.read(PHOTO, **LIMITS).width > 0  # type: ignore[arg-type]
