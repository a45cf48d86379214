"""Films are written, read back and played by the real encoder, decoder and browser."""

from __future__ import annotations

import functools
import hashlib
import http.server
import json
import os
import shutil
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gen import film
from gen.bench import publish
from gen.errors import DiskFull, EncoderFailed

FPS = 30
ROOT = Path(__file__).parents[2]
CONTAINERS = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"moof", b"traf")
some_times = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def numbered(first: int, count: int, height: int = 64, width: int = 64) -> film.Frames:
    """Frames over a moving gradient, each with its number written in it: 16 black or white fields, 4 in a row."""
    y, x = np.mgrid[0:height, 0:width]
    frames = np.empty((count, height, width, 3), np.uint8)
    for k, frame in enumerate(frames):
        n = first + k
        frame[:] = np.stack([(3 * x + 5 * n) % 256, (3 * y + 2 * n) % 256, (x + y) % 256], axis=-1)
        for bit in range(16):
            row, column = divmod(bit, 4)
            frame[row * 16 : row * 16 + 16, column * 16 : column * 16 + 16] = 255 * (n >> bit & 1)
    return frames


def number_of(frame: film.Frames) -> int:
    fields = frame[:64, :64].mean(axis=2).reshape(4, 16, 4, 16).mean(axis=(1, 3)).ravel()
    return sum(1 << bit for bit in range(16) if fields[bit] > 127)


def numbers_in(path: Path) -> list[int]:
    return [number_of(frame) for frame in film.read_frames(path)]


def written(tmp_path: Path, *clips: film.Frames, fps: int = FPS) -> list[Path]:
    paths = [tmp_path / f"clip{n}.mp4" for n in range(len(clips))]
    for path, frames in zip(paths, clips, strict=True):
        film.encode_clip(frames, path, fps)
    return paths


def packets_of(path: Path) -> list[tuple[int, int, int, bool, bytes]]:
    """(pts, dts, duration, starts a group, bytes) of every packet, times in frames."""
    with av.open(path) as source:
        stream = source.streams.video[0]
        frame = Fraction(1, FPS) / stream.time_base
        return [
            (p.pts / frame, p.dts / frame, p.duration / frame, p.is_keyframe, bytes(p))
            for p in source.demux(stream)
            if p.size
        ]


def boxes(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Type and content of an MP4's boxes, the inner ones after the one they stand in."""
    while data:
        size, kind = struct.unpack(">I4s", data[:8])
        yield kind.decode("latin-1"), data[8:size]
        if kind in CONTAINERS:
            yield from boxes(data[8:size])
        data = data[size:]


# The clip


@pytest.mark.parametrize("count", [1, 2, 4, 36, 300])
def test_a_clip_gives_back_as_many_frames_as_it_got_and_in_their_order(tmp_path: Path, count: int) -> None:
    path = tmp_path / "clip.mp4"
    info = film.encode_clip(numbered(7, count), path, FPS)
    assert info == film.ClipInfo(count, 64, 64, FPS, path.stat().st_size)
    assert numbers_in(path) == list(range(7, 7 + count))
    assert film.probe(path).frames == count


def test_a_clip_looks_like_its_frames(tmp_path: Path) -> None:
    y, x = np.mgrid[0:128, 0:192]
    frames = np.stack(
        [np.stack([x + n, y + 2 * n, 255 - x / 2 - y / 2], axis=-1).clip(0, 255) for n in range(12)]
    ).astype(np.uint8)
    film.encode_clip(frames, tmp_path / "clip.mp4", FPS)
    back = np.stack(list(film.read_frames(tmp_path / "clip.mp4")))
    assert np.mean((back.astype(float) - frames) ** 2) < 255**2 / 10**4.2  # 42 dB


@pytest.mark.parametrize(
    "rgb", [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0), (200, 120, 40)], ids=str
)
def test_colours_are_bt709_in_limited_range(tmp_path: Path, rgb: tuple[int, int, int]) -> None:
    path = tmp_path / "clip.mp4"
    film.encode_clip(np.full((2, 32, 32, 3), rgb, np.uint8), path, FPS)
    with av.open(path) as source:
        frame = next(source.decode(video=0))
        y, cb, cr = (np.frombuffer(plane, np.uint8)[0] for plane in frame.planes)
        context = source.streams.video[0].codec_context
        tags = (context.color_range, context.color_primaries, context.color_trc, context.colorspace)
        assert (context.profile, context.pix_fmt, tags) == ("High", "yuv420p", (1, 1, 1, 1))
    red, green, blue = (value / 255 for value in rgb)
    luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue  # ITU-R BT.709-6, 3.2 to 3.5
    expected = (16 + 219 * luma, 128 + 224 * (blue - luma) / 1.8556, 128 + 224 * (red - luma) / 1.5748)
    assert np.abs(np.array([y, cb, cr], float) - expected).max() <= 2
    assert np.abs(film.poster(path).getpixel((9, 9)) - np.array(rgb)).max() <= 3


@pytest.mark.parametrize(("height", "width"), [(65, 67), (64, 71), (1, 1), (3, 2), (16, 5)])
def test_odd_sizes_become_even_by_showing_the_last_line_twice(tmp_path: Path, height: int, width: int) -> None:
    frames = np.arange(height * width * 3, dtype=np.uint32).reshape(1, height, width, 3).repeat(3, axis=0) % 200
    info = film.encode_clip(frames.astype(np.uint8), tmp_path / "clip.mp4", FPS, crf=1)
    even = (height + height % 2, width + width % 2)
    assert (info.height, info.width) == even
    back = list(film.read_frames(tmp_path / "clip.mp4"))
    assert [frame.shape for frame in back] == [(*even, 3)] * 3


@pytest.mark.parametrize(
    "frames",
    [
        np.zeros((0, 64, 64, 3), np.uint8),
        np.zeros((1, 0, 64, 3), np.uint8),
        np.zeros((1, 64, 64), np.uint8),
        np.zeros((1, 64, 64, 3), np.float32),
    ],
    ids=["no frames", "no rows", "no colours", "floats"],
)
def test_what_no_clip_can_be_made_of_is_refused(tmp_path: Path, frames: film.Frames) -> None:
    with pytest.raises(ValueError, match="frame"):
        film.encode_clip(frames, tmp_path / "clip.mp4", FPS)
    assert not list(tmp_path.iterdir())


# The same bytes

MAKE = """
import hashlib, sys
from pathlib import Path
sys.path[:0] = [{root!r}, {here!r}]
from gen import film
from test_film import FPS, numbered
folder = Path({folder!r})
clips = [folder / "a.mp4", folder / "b.mp4"]
film.encode_clip(numbered(0, 36, 96, 130), clips[0], FPS)
film.encode_clip(numbered(36, 33, 96, 130), clips[1], FPS)
film.join(clips, folder / "film.mp4", fps=FPS, metadata={{"title": "a cat", "comment": "AI-generated"}})
print(*(hashlib.sha256(p.read_bytes()).hexdigest() for p in (*clips, folder / "film.mp4")))
"""


def test_the_same_frames_give_the_same_bytes_in_every_process(tmp_path: Path) -> None:
    seen = set()
    for n, surroundings in enumerate([{}, {"TZ": "Asia/Shanghai", "LANG": "C", "PYTHONHASHSEED": "7"}]):
        folder = tmp_path / str(n)
        folder.mkdir()
        code = MAKE.format(root=str(ROOT), here=str(Path(__file__).parent), folder=str(folder))
        seen.add(subprocess.check_output([sys.executable, "-c", code], text=True, env=os.environ | surroundings))
    assert len(seen) == 1 and len(set(seen.pop().split())) == 3


@pytest.mark.parametrize("threads", [1, 2])
def test_the_same_frames_give_the_same_bytes_every_time(tmp_path: Path, threads: int) -> None:
    # In one process and many times, of changing length: with macroblock trees x264 gave others on a CPU with AVX-512.
    y, x = np.mgrid[0:192, 0:192]
    frames = np.stack([np.stack([3 * x + 5 * n, 2 * y + n, x + y], axis=-1) % 256 for n in range(33)]).astype(np.uint8)
    seen = set()
    for _ in range(12):
        film.encode_clip(frames[:4], tmp_path / "clip.mp4", FPS, threads=threads)
        film.encode_clip(frames, tmp_path / "clip.mp4", FPS, threads=threads)
        seen.add(hashlib.sha256((tmp_path / "clip.mp4").read_bytes()).hexdigest())
    assert len(seen) == 1


def test_as_many_threads_encode_as_were_asked_for_whatever_the_machine_has(tmp_path: Path) -> None:
    for threads in (1, 2):
        film.encode_clip(numbered(0, 2, 256, 256), tmp_path / "clip.mp4", FPS, threads=threads)
        said = f"threads={threads} lookahead_threads={threads} "  # x264 writes down what it did
        assert said.encode() in (tmp_path / "clip.mp4").read_bytes()


def test_no_time_and_no_program_version_stands_in_the_container(tmp_path: Path) -> None:
    film.join(written(tmp_path, numbered(0, 3)), tmp_path / "film.mp4", fps=FPS)
    data = (tmp_path / "film.mp4").read_bytes()
    inner = dict(boxes(data))
    assert b"Lavf" not in data and b"Lavc" not in data
    for kind in ("mvhd", "tkhd", "mdhd"):  # version and flags, then time of making and of change
        assert inner[kind][4:12] == bytes(8)


# The film


@some_times
@given(cuts=st.lists(st.integers(1, 39), max_size=6, unique=True))
def test_however_frames_are_cut_into_clips_the_film_has_all_of_them_in_order(tmp_path: Path, cuts: list[int]) -> None:
    bounds = [0, *sorted(cuts), 40]
    frames = numbered(0, 40)
    clips = written(tmp_path, *(frames[a:b] for a, b in pairwise(bounds)))
    info = film.join(clips, tmp_path / "film.mp4", fps=FPS)
    assert (info.frames, info.seconds) == (40, 40 / FPS)
    shown = list(film.read_frames(tmp_path / "film.mp4"))
    assert [number_of(frame) for frame in shown] == list(range(40))
    in_clips = [frame for clip in clips for frame in film.read_frames(clip)]
    assert all(np.array_equal(a, b) for a, b in zip(shown, in_clips, strict=True))


@some_times
@given(order=st.permutations(range(5)))
def test_clips_stand_in_the_order_asked_for_not_in_that_of_their_making(tmp_path: Path, order: list[int]) -> None:
    counts = [4, 36, 1, 12, 33]
    if not (clips := sorted(tmp_path.glob("clip*.mp4"))):
        clips = written(tmp_path, *(numbered(100 * n, count) for n, count in enumerate(counts)))
    film.join([clips[n] for n in order], tmp_path / "film.mp4", fps=FPS)
    assert numbers_in(tmp_path / "film.mp4") == [100 * n + k for n in order for k in range(counts[n])]


def test_joining_copies_every_packet_and_numbers_them_without_a_gap(tmp_path: Path) -> None:
    clips = written(tmp_path, numbered(0, 36), numbered(36, 1), numbered(37, 33), numbered(70, 4))
    film.join(clips, tmp_path / "film.mp4", fps=FPS)
    joined = packets_of(tmp_path / "film.mp4")
    assert [packet[4] for packet in joined] == [packet[4] for clip in clips for packet in packets_of(clip)]
    assert [dts for _, dts, *_ in joined] == [n - film.DELAY for n in range(74)]
    assert sorted(pts for pts, *_ in joined) == list(range(74))
    assert all(pts >= dts and duration == 1 for pts, dts, duration, *_ in joined)
    assert [n for n, packet in enumerate(joined) if packet[3]] == [0, 36, 37, 70]


def test_the_index_stands_in_front_and_the_edit_list_takes_only_the_decoding_delay_away(tmp_path: Path) -> None:
    film.join(written(tmp_path, numbered(0, 36), numbered(36, 34)), tmp_path / "film.mp4", fps=FPS)
    inner = list(boxes((tmp_path / "film.mp4").read_bytes()))
    kinds = [kind for kind, _ in inner]
    assert kinds.index("moov") < kinds.index("mdat")
    content = dict(inner)
    clock, duration = struct.unpack(">II", content["mvhd"][12:20])
    assert Fraction(duration, clock) == Fraction(70, FPS)
    entries, length, start, rate = struct.unpack(">IIiI", content["elst"][4:20])
    assert (entries, Fraction(length, clock), rate) == (1, Fraction(70, FPS), 1 << 16)
    assert start == film.DELAY * film.TICKS


def test_clips_of_different_quality_stand_in_one_film(tmp_path: Path) -> None:
    film.encode_clip(numbered(0, 12), tmp_path / "fine.mp4", FPS)
    film.encode_clip(numbered(12, 12), tmp_path / "coarse.mp4", FPS, crf=30)
    film.join([tmp_path / "fine.mp4", tmp_path / "coarse.mp4"], tmp_path / "film.mp4", fps=FPS)
    assert numbers_in(tmp_path / "film.mp4") == list(range(24))


def test_a_film_of_a_minute_has_all_its_frames(tmp_path: Path) -> None:
    clips = written(tmp_path, *(numbered(36 * n, 36) for n in range(50)))
    info = film.join(clips, tmp_path / "film.mp4", fps=FPS)
    assert (info.frames, info.seconds) == (1800, 60.0)
    assert numbers_in(tmp_path / "film.mp4") == list(range(1800))


@pytest.mark.parametrize("fps", [1, 8, 24, 25, 60])
def test_a_film_lasts_exactly_its_frames_over_its_rate(tmp_path: Path, fps: int) -> None:
    made = film.join(written(tmp_path, numbered(0, 7), numbered(7, 4), fps=fps), tmp_path / "film.mp4", fps=fps)
    with av.open(tmp_path / "film.mp4") as source:
        stream = source.streams.video[0]
        assert stream.duration * stream.time_base == Fraction(11, fps)
        assert stream.average_rate == fps
        times = [frame.pts * stream.time_base for frame in source.decode(stream)]
    assert times == [Fraction(n, fps) for n in range(11)]
    assert film.probe(tmp_path / "film.mp4") == made


def test_the_poster_is_the_frame_asked_for(tmp_path: Path) -> None:
    [clip] = written(tmp_path, numbered(0, 12))
    assert [number_of(np.asarray(film.poster(clip, n))) for n in (0, 5, 11)] == [0, 5, 11]
    with pytest.raises(IndexError, match="no frame 12"):
        film.poster(clip, 12)


JOIN_BIG = """
import resource, sys
from pathlib import Path
sys.path.insert(0, {root!r})
from gen import film
clip = Path({clip!r})
film.join([clip], clip.with_name("small.mp4"), fps=30)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
info = film.join([clip] * 80, clip.with_name("film.mp4"), fps=30)
print(info.bytes // 1024, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="counts memory in kilobytes, as Linux does")
def test_joining_holds_no_film_in_memory(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (8, 384, 384, 3), np.uint8)
    film.encode_clip(noise, tmp_path / "clip.mp4", FPS)
    code = JOIN_BIG.format(root=str(ROOT), clip=str(tmp_path / "clip.mp4"))
    size_kib, grown_kib = map(int, subprocess.check_output([sys.executable, "-c", code], text=True).split())
    assert size_kib > 40_000
    assert grown_kib < 4_000


# Metadata

PLAN = {
    "sampling": "f1", "width": 64, "height": 64, "window": 9, "sections": 3, "steps": 8, "guidance": 10.0, "cfg": 1.0,
    "rescale": 0.0, "step_cache": None, "prompts": ["a cat sleeps", "a cat sleeps", "a cat jumps"], "negative": "",
    "seed": 42, "fps": 30, "model": "tiny@1", "noise": "keyed",
}  # fmt: skip


def test_a_film_says_how_it_was_made_to_people_and_to_machines(tmp_path: Path) -> None:
    tags = film.film_metadata(PLAN, "tiny@1")
    info = film.join(written(tmp_path, numbered(0, 2)), tmp_path / "film.mp4", fps=FPS, metadata=tags)
    assert film.probe(tmp_path / "film.mp4") == info
    assert info.metadata["title"] == "a cat sleeps"
    assert "AI-generated" in info.metadata["comment"]
    assert "tiny@1" in info.metadata["comment"] and "42" in info.metadata["comment"]
    assert info.metadata["description"] == "a cat sleeps\na cat jumps"
    record = film.film_settings(info.metadata)
    assert record is not None and record["ai_generated"] is True
    assert (record["prompt"], record["seed"], record["model"]) == ("a cat sleeps", 42, "tiny@1")
    assert record["prompts"] == [[0, "a cat sleeps"], [2, "a cat jumps"]]
    assert record["settings"] == {k: v for k, v in PLAN.items() if k not in ("prompts", "seed", "model")}


@some_times
@given(prompt=st.text(st.characters(exclude_categories=()), max_size=200))
def test_any_prompt_comes_back_as_it_was_and_every_tag_as_join_said(tmp_path: Path, prompt: str) -> None:
    clip = tmp_path / "clip.mp4"
    if not clip.exists():
        film.encode_clip(numbered(0, 1), clip, FPS)
    tags = film.film_metadata(PLAN | {"prompts": [prompt] * 3}, "tiny@1")
    info = film.join([clip], tmp_path / "film.mp4", fps=FPS, metadata=tags)
    record = film.film_settings(film.probe(tmp_path / "film.mp4").metadata)
    assert record is not None and record["prompt"] == prompt
    assert film.probe(tmp_path / "film.mp4") == info
    shown = "".join(info.metadata.values())
    assert not [c for c in shown if (c < " " and c != "\n") or "\x7f" <= c <= "\x9f"]


@pytest.mark.parametrize("letter", ["x", "猫", "\x00"], ids=["ascii", "chinese", "nul"])
def test_a_prompt_of_100000_characters_does_not_break_the_film(tmp_path: Path, letter: str) -> None:
    prompt = letter * 100_000
    tags = film.film_metadata(PLAN | {"prompts": [prompt] * 3}, "tiny@1")
    film.join(written(tmp_path, numbered(0, 5)), tmp_path / "film.mp4", fps=FPS, metadata=tags)
    metadata = film.probe(tmp_path / "film.mp4").metadata
    record = film.film_settings(metadata)
    assert record is not None and record["prompt"] == prompt
    assert len(metadata.get("title", "")) <= film.TITLE_LENGTH
    assert numbers_in(tmp_path / "film.mp4") == [0, 1, 2, 3, 4]


def test_a_tag_that_would_be_lost_is_refused(tmp_path: Path) -> None:
    clips = written(tmp_path, numbered(0, 1))
    with pytest.raises(ValueError, match="'mood'"):
        film.join(clips, tmp_path / "film.mp4", fps=FPS, metadata={"mood": "grim"})
    assert not (tmp_path / "film.mp4").exists()


@pytest.mark.parametrize("text", ["", "no JSON", "[1]", json.dumps({"generator": "another"})])
def test_settings_of_a_film_that_is_not_ours_are_none(text: str) -> None:
    assert film.film_settings({"synopsis": text}) is None


# What goes wrong


def spoiled(tmp_path: Path, how: str) -> Path:
    path = tmp_path / "spoiled.mp4"
    if how == "of another size":
        film.encode_clip(numbered(0, 4, 64, 96), path, FPS)
    elif how == "of another rate":
        film.encode_clip(numbered(0, 4), path, FPS - 6)
    elif how == "cut off":
        film.encode_clip(numbered(0, 36), path, FPS)
        path.write_bytes(path.read_bytes()[:-600])
    elif how == "text":
        path.write_text("a film it is not\n" * 100)
    elif how == "empty":
        path.touch()
    return path


@pytest.mark.parametrize("how", ["of another size", "of another rate", "cut off", "text", "empty", "missing"])
def test_a_clip_that_does_not_fit_is_named_and_no_film_is_left(tmp_path: Path, how: str) -> None:
    clips = written(tmp_path, numbered(0, 36))
    with pytest.raises(EncoderFailed, match=r"spoiled\.mp4"):
        film.join([*clips, spoiled(tmp_path, how)], tmp_path / "film.mp4", fps=FPS)
    assert not (tmp_path / "film.mp4").exists()
    assert numbers_in(clips[0]) == list(range(36))


def test_a_clip_with_missing_packets_is_found_out(tmp_path: Path) -> None:
    [clip] = written(tmp_path, numbered(0, 36))
    film.join([clip], tmp_path / "faststart.mp4", fps=FPS)  # its index stands in front, so that a cut leaves it whole
    cut = tmp_path / "cut.mp4"
    data = (tmp_path / "faststart.mp4").read_bytes()
    cut.write_bytes(data[: len(data) * 3 // 4])
    with pytest.raises(EncoderFailed, match=r"cut\.mp4"):
        film.join([clip, cut], tmp_path / "film.mp4", fps=FPS)
    assert not (tmp_path / "film.mp4").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here to stand for a full disk")
def test_a_full_disk_is_told_as_such_and_no_file_is_left(tmp_path: Path) -> None:
    clips = written(tmp_path, *(numbered(36 * n, 36, 256, 256) for n in range(3)))
    full = tmp_path / "full.mp4"
    full.symlink_to("/dev/full")
    with pytest.raises(DiskFull):
        film.encode_clip(numbered(0, 36, 256, 256), full, FPS)
    assert not full.is_symlink()
    full.symlink_to("/dev/full")
    with pytest.raises(DiskFull):
        film.join(clips, full, fps=FPS)
    assert not full.is_symlink()


LIMITED = """
import resource, sys
from pathlib import Path
sys.path[:0] = [{root!r}, {here!r}]
from gen import film
from gen.errors import EncoderFailed
from test_film import numbered
out = Path({out!r})
clips = [out.with_name("a.mp4")]
film.encode_clip(numbered(0, 36, 256, 256), clips[0], 30)
size = clips[0].stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (3 * size, resource.RLIM_INFINITY))
try:
    film.join(clips * int(sys.argv[1]), out, fps=30)
    print("written")
except EncoderFailed as error:
    print("refused", out.exists())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the size of a file")
@pytest.mark.parametrize(("clips", "said"), [(2, "written"), (4, "refused False")])
def test_a_file_that_may_not_grow_is_taken_away_again(tmp_path: Path, clips: int, said: str) -> None:
    code = LIMITED.format(root=str(ROOT), here=str(Path(__file__).parent), out=str(tmp_path / "film.mp4"))
    assert subprocess.check_output([sys.executable, "-c", code, str(clips)], text=True).strip() == said


@pytest.mark.parametrize("where", ["nowhere/film.mp4", "folder"])
def test_a_place_that_cannot_be_written_is_named(tmp_path: Path, where: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(EncoderFailed, match="cannot be written"):
        film.encode_clip(numbered(0, 2), tmp_path / where, FPS)
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


class Interrupted(np.ndarray):
    """Frames during which someone presses Ctrl-C."""

    def __iter__(self) -> Iterator[film.Frames]:
        yield np.asarray(self[0])
        yield np.asarray(self[1])
        raise KeyboardInterrupt


def test_an_interrupted_clip_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        film.encode_clip(numbered(0, 8).view(Interrupted), tmp_path / "clip.mp4", FPS)
    assert not list(tmp_path.iterdir())


def test_a_film_does_not_overwrite_one_of_its_clips(tmp_path: Path) -> None:
    clips = written(tmp_path, numbered(0, 3), numbered(3, 3))
    with pytest.raises(ValueError, match="one of the clips"):
        film.join(clips, clips[1], fps=FPS)
    assert numbers_in(clips[1]) == [3, 4, 5]


@pytest.mark.parametrize("how", ["text", "empty", "missing", "cut off"])
def test_what_is_no_film_is_said_to_be_none(tmp_path: Path, how: str) -> None:
    path = spoiled(tmp_path, how)
    with pytest.raises(EncoderFailed, match=r"spoiled\.mp4"):
        film.probe(path)
    with pytest.raises(EncoderFailed, match=r"spoiled\.mp4"):
        list(film.read_frames(path))


# The bench


def test_publishing_a_growing_film_encodes_no_final_frame_twice(tmp_path: Path) -> None:
    result = publish.appended(publish.Scenery(64, 48), 3, tmp_path)
    assert sorted(result.encoded) == list(range(3 * publish.FINAL))
    assert (result.twice, result.changed) == (0, 0)
    clips = [tmp_path / f"{n}.mp4" for n in (1, 2, 3)]
    assert film.probe(tmp_path / "film.mp4").frames == 3 * publish.FINAL + publish.PROVISIONAL
    assert publish.packets_changed(clips[::-1], tmp_path / "film.mp4") > publish.FINAL


def test_encoding_the_whole_film_again_is_counted_as_such(tmp_path: Path) -> None:
    result = publish.encoded_again(publish.Scenery(64, 48), 3, tmp_path)
    assert result.twice == 2 * publish.FINAL


# The browser

WATCH = """
const [url, done] = arguments, video = document.createElement("video"), seen = {};
const shown = () => {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
  const pen = canvas.getContext("2d");
  pen.drawImage(video, 0, 0);
  return [...pen.getImageData(9, 9, 1, 1).data.slice(0, 3)];
};
video.muted = true;
video.onerror = () => done({error: video.error.message});
video.onloadeddata = () => {
  Object.assign(seen, {duration: video.duration, width: video.videoWidth, height: video.videoHeight, first: shown()});
  video.play();
};
video.onended = () => done({...seen, last: shown(), at: video.currentTime});
video.src = url;
"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "page.html").write_text("<!doctype html><title>film</title>")
    handler = functools.partial(Quiet, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_browser_plays_a_joined_film_to_its_end_in_the_right_colours(tmp_path: Path, served: str) -> None:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if not (chromium and driver):
        message = "no Chromium with chromedriver is here to play the film (Debian: chromium, chromium-driver)"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    from selenium import webdriver

    first, last = (40, 200, 60), (40, 90, 210)  # read as BT.601 the first would be (53, 226, 64)
    colours = [first, first, (255, 255, 255), last]
    clips = written(tmp_path, *(np.full((4, 96, 130, 3), colour, np.uint8) for colour in colours))
    film.join(clips, tmp_path / "film.mp4", fps=FPS, metadata=film.film_metadata(PLAN, "tiny@1"))

    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"):
        options.add_argument(argument)
    options.add_argument("--autoplay-policy=no-user-gesture-required")
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    try:
        browser.set_script_timeout(20)
        browser.get(f"{served}/page.html")
        seen = browser.execute_async_script(WATCH, f"{served}/film.mp4")
    finally:
        browser.quit()
    assert "error" not in seen, seen
    assert (seen["width"], seen["height"]) == (130, 96)
    assert seen["duration"] == pytest.approx(16 / FPS, abs=1e-4)
    assert seen["at"] == pytest.approx(16 / FPS, abs=1e-3)
    assert np.abs(np.array(seen["first"]) - first).max() <= 8
    assert np.abs(np.array(seen["last"]) - last).max() <= 8


# Fragments


@pytest.mark.parametrize("start", [0, 40])
def test_a_fragment_is_its_clip_at_its_place_in_time(tmp_path: Path, start: int) -> None:
    clip, out = tmp_path / "clip.mp4", tmp_path / "fragment.m4s"
    film.encode_clip(numbered(3, 36), clip, FPS)
    film.fragment(clip, out, fps=FPS, start=start)
    data = out.read_bytes()
    kinds = [kind for kind, _ in boxes(data)]
    assert [kind for kind in kinds if kind in ("ftyp", "moov", "moof", "mdat")] == ["ftyp", "moov", "moof", "mdat"]
    assert "elst" not in kinds
    assert numbers_in(out) == list(range(3, 39))
    inner = dict(boxes(data))
    (at,) = struct.unpack(">Q", inner["tfdt"][4:12])  # ISO/IEC 14496-12, 8.8.12: version 1
    flags, count = int.from_bytes(inner["trun"][1:4]), int.from_bytes(inner["trun"][4:8])
    assert (inner["trun"][0], flags, count) == (1, 0xA05, 36)  # data offset, first flags; of each: size, signed offset
    offsets = [offset for _, offset in struct.iter_unpack(">Ii", inner["trun"][16:])]
    shown = sorted(at + n * film.TICKS + offset for n, offset in enumerate(offsets))
    assert shown == [(start + n) * film.TICKS for n in range(36)]


def test_a_fragment_of_what_is_no_clip_is_refused(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"nothing")
    with pytest.raises(EncoderFailed):
        film.fragment(tmp_path / "clip.mp4", tmp_path / "out.m4s", fps=FPS)
    assert not (tmp_path / "out.m4s").exists()
