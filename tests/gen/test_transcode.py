"""Films made to fit: never above the limit, as good as it allows, with everything that stands in them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from gen import film, transcode
from gen.bench.renditions import psnr
from gen.errors import EncoderFailed, LimitTooSmall
from gen.film import Frames

PHOTO = Path(__file__).parents[1] / "photos" / "mountains.jpg"
TAGS = film.film_metadata({"prompts": ["雪 falls 🌨", "night"], "seed": 7, "steps": 8}, "tiny@1")


def pan(width: int, height: int, count: int, grain: float = 0.0) -> Frames:
    """A camera moving over a photograph, with noise that no encoder can foresee."""
    photo = Image.open(PHOTO).convert("RGB").resize((width + count, height + count))
    noise = np.random.default_rng(0)
    frames = [np.asarray(photo.crop((n, n, n + width, n + height)), float) for n in range(count)]
    return np.stack([(f + noise.normal(0, grain, f.shape)).clip(0, 255).astype(np.uint8) for f in frames])


def write(folder: Path, frames: Frames, fps: int = 30) -> Path:
    film.encode_clip(frames, folder / "clip.mp4", fps)
    film.join([folder / "clip.mp4"], folder / "source.mp4", fps=fps, metadata=TAGS)
    return folder / "source.mp4"


@pytest.fixture(scope="module")
def frames() -> Frames:
    return pan(320, 240, 60, grain=4.0)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory, frames: Frames) -> Path:
    return write(tmp_path_factory.mktemp("film"), frames)


def test_a_film_that_fits_stays_as_it_is(source: Path, tmp_path: Path) -> None:
    size = source.stat().st_size
    made = transcode.final(source, tmp_path, size)
    assert made == transcode.Fitted(None, size, 320, 240, 2000)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("share", [0.99, 0.5, 0.2])
def test_a_film_over_the_limit_fills_it_and_keeps_its_words(source: Path, tmp_path: Path, share: float) -> None:
    limit = int(share * source.stat().st_size)
    made = transcode.final(source, tmp_path, limit)
    assert made.path is not None
    assert 0.7 * limit <= made.bytes == made.path.stat().st_size <= limit
    info, before = film.probe(made.path), film.probe(source)
    assert (info.frames, info.fps, info.metadata) == (before.frames, before.fps, before.metadata)
    assert film.film_settings(info.metadata) is not None
    content = made.path.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat"), "the index comes first"
    with film.reading(made.path, decode=True) as opened:
        stream = film.video_of(opened, made.path)
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        shown = [frame.pts * frame.time_base for frame in opened.decode(stream) if frame.pts is not None]
    assert shown == [n * shown[1] for n in range(60)]


def test_a_higher_limit_never_looks_worse(source: Path, frames: Frames, tmp_path: Path) -> None:
    full = source.stat().st_size
    quality = []
    for share in (0.05, 0.2, 0.8):
        made = transcode.final(source, tmp_path, int(share * full))
        assert made.path is not None
        quality.append(psnr(frames, made.path))
    assert quality == sorted(quality)
    assert quality[0] > 20 and quality[-1] > 32


def test_two_passes_are_two(source: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The second pass reads what the first wrote, and so comes closer to what it was asked for than one pass does."""
    info = film.probe(source)
    bps = round(0.3 * info.bytes * 8 / info.seconds)
    transcode.encode(source, tmp_path / "two.mp4", info, (320, 240), transcode.Rate(bps))
    stats = (tmp_path / "stats").read_text()
    assert len(re.findall(r"^in:", stats, re.MULTILINE)) == info.frames
    (tmp_path / "stats").write_text("no statistics")
    with pytest.raises(EncoderFailed):
        transcode._pass(
            source, tmp_path / "x.mp4", info, (320, 240), {"flags": "+pass2", "stats": str(tmp_path / "stats")}
        )
    once = {"b": str(bps), "preset": transcode.PRESET}
    transcode._pass(source, tmp_path / "one.mp4", info, (320, 240), once)
    want = bps * info.seconds / 8
    two, one = (abs((tmp_path / f"{name}.mp4").stat().st_size - want) / want for name in ("two", "one"))
    assert two < 0.15
    assert two <= one


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.integers(8, 200), st.integers(8, 200), st.integers(1, 12), st.sampled_from([1, 12, 30]), st.floats(0, 60),
    st.sampled_from(sorted(transcode.KINDS)), st.one_of(st.floats(0, 1.1), st.just(0.0)), st.integers(0, 3),
)  # fmt: skip
def test_nothing_is_ever_above_the_limit(
    tmp_path: Path, width: int, height: int, count: int, fps: int, grain: float, kind: str, share: float, absurd: int
) -> None:
    source = write(tmp_path, pan(width, height, count, grain), fps)
    limit = int(share * source.stat().st_size) + absurd
    try:
        made = transcode.KINDS[kind](source, tmp_path, limit)
    except LimitTooSmall as error:
        assert re.search(r"A film of [\d.]+ s does not fit into [\d.]+ MiB", str(error))
        return
    assert made.bytes <= limit
    path = made.path or source
    assert path.stat().st_size == made.bytes
    if kind == "poster":
        assert made.bytes <= 200_000
        with Image.open(path) as picture:
            assert picture.format == "JPEG" and max(picture.size) <= 320 and picture.size == (made.width, made.height)
    else:
        info = film.probe(path)
        assert (info.width, info.height, info.frames, info.fps) == (made.width, made.height, count, fps)
        assert info.metadata == film.probe(source).metadata
        assert len(list(film.read_frames(path))) == count
        assert kind == "final" or max(info.width, info.height) <= 480


def test_a_preview_is_small_and_slender(tmp_path: Path) -> None:
    source = write(tmp_path, pan(800, 600, 30, grain=12))
    made = transcode.preview(source, tmp_path, 10 << 20)
    assert (made.width, made.height) == (480, 360)
    assert made.bytes * 8 < 1.5 * transcode.PREVIEW_BPS * 1.0 < source.stat().st_size * 8
    small = write(tmp_path, pan(96, 64, 8))
    assert transcode.preview(small, tmp_path, 10 << 20).path is None


def test_a_poster_says_what_the_film_says(source: Path, tmp_path: Path) -> None:
    made = transcode.poster(source, tmp_path, 10 << 20)
    assert (made.width, made.height, made.duration_ms) == (320, 240, 0)
    assert made.path is not None
    with Image.open(made.path) as picture:
        said = json.loads(picture.info["comment"])
    assert "AI-generated" in said["comment"]
    assert film.film_settings(said)["seed"] == 7  # type: ignore[index]


@pytest.mark.parametrize(("text", "whole"), [("夜" * 1000, True), ("夜" * 4000, False), ("😀" * 4000, False)])
def test_a_film_with_long_texts_has_a_poster(tmp_path: Path, text: str, whole: bool) -> None:
    source = write(tmp_path, pan(96, 64, 8))
    plan = {"prompts": [text] * 4, "seed": 7, "width": 96, "height": 64, "steps": 8, "seeds": []}
    film.join([tmp_path / "clip.mp4"], source, fps=30, metadata=film.film_metadata(plan, "tiny@1"))
    made = transcode.poster(source, tmp_path, 10 << 20)
    assert made.path is not None and made.bytes < 40_000
    with Image.open(made.path) as picture:
        said = json.loads(picture.info["comment"])
    assert "AI-generated" in said["comment"]
    assert (film.film_settings(said) or {}).get("prompt") == (text if whole else None)


@pytest.mark.parametrize("kind", sorted(transcode.KINDS))
def test_what_is_no_film_is_a_sentence(tmp_path: Path, kind: str) -> None:
    (tmp_path / "torn.mp4").write_bytes(b"torn")
    with pytest.raises(EncoderFailed, match=r"torn\.mp4"):
        transcode.KINDS[kind](tmp_path / "torn.mp4", tmp_path, 100)
