"""Films as a chat can take them: small while they grow, at their end as good as the limit allows, one picture of each.

A process of its own with low priority, so that neither the GPU's child nor the answers to people wait for it. No torch.

    ← {"event": "rendered", "path": ..., "bytes": ..., "width": ..., ...}    path: null where the film fits as it is
    ← {"event": "error", "reason": ..., "facts": {...}}

The ladder of a film over its limit: two passes of x264 at the bitrate that fills TARGET of the limit; once more with
less where that came out too large; then with half the picture's width and height, and so on. Nothing above the limit
leaves this file. Where the bits would be spread too thin (LEAST_BITS), the smaller picture looks better
(`flipbot bench renditions`), so that rung is passed over.
"""

import ctypes
import io
import json
import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from av.video.frame import PictureType
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

from db.said import packed
from gen import errors, film
from gen.pipe import Message, Say, serve

TARGET = 0.9  # of the limit; x264's second pass comes within a few percent of what it is asked for
TRIES = 2  # at one size
LEAST_BITS = 0.018  # per pixel and frame
LEAST_SIDE = 48  # pixels of the short side: less is no picture of anything
PRESET = "medium"
X264 = "open-gop=0:chromaloc=1"
PREVIEW_SIDE, PREVIEW_BPS, PREVIEW_CRF = 480, 1_000_000, 23.0
PREVIEW_PRESET = "veryfast"
POSTER_SIDE, POSTER_BYTES = 320, 200_000
SAID_BYTES = 8_000  # of a film's settings, in a poster
MIB = 1 << 20
BELOW_NORMAL = 0x4000  # Windows: BELOW_NORMAL_PRIORITY_CLASS

log = logging.getLogger("flipbot.transcode")


@dataclass(frozen=True)
class Fitted:
    """What was made. path: None where the film fits as it is; duration_ms: 0 of a picture."""

    path: Path | None
    bytes: int
    width: int
    height: int
    duration_ms: int


@dataclass(frozen=True)
class Rate:
    """How many bits a second may be spent. crf: no more than this quality needs, in one pass; None: two passes."""

    bps: int
    preset: str = PRESET
    crf: float | None = None


def final(source: Path, folder: Path, limit: int) -> Fitted:
    """The film, as good as the limit allows. raises: LimitTooSmall, EncoderFailed, DiskFull."""
    info = film.probe(source)
    if info.bytes <= limit:
        return _as_it_is(info)
    return _ladder(source, folder, limit, info, max(info.width, info.height), Rate(info.bytes * 8))


def preview(source: Path, folder: Path, limit: int) -> Fitted:
    """The film so far, small: it is sent anew with every section. raises: LimitTooSmall, EncoderFailed, DiskFull."""
    info = film.probe(source)
    small = max(info.width, info.height) <= PREVIEW_SIDE and info.bytes * 8 <= PREVIEW_BPS * info.seconds
    if small and info.bytes <= limit:
        return _as_it_is(info)
    rate = Rate(PREVIEW_BPS, PREVIEW_PRESET, PREVIEW_CRF)
    return _ladder(source, folder, limit, info, PREVIEW_SIDE, rate)


def poster(source: Path, folder: Path, limit: int) -> Fitted:
    """The film's first frame as a JPEG, with what the film says of itself. raises: LimitTooSmall, EncoderFailed."""
    limit = min(limit, POSTER_BYTES)
    info = film.probe(source)
    said = _said(info.metadata)
    picture = film.poster(source)
    for side in (POSTER_SIDE, POSTER_SIDE // 2, POSTER_SIDE // 4):
        picture.thumbnail((side, side))
        for quality in (85, 60, 35):
            with io.BytesIO() as file:
                picture.save(file, "JPEG", quality=quality, comment=said)
                content = file.getvalue()
            if len(content) <= limit:
                path = folder / "poster.jpg"
                path.write_bytes(content)
                return Fitted(path, len(content), picture.width, picture.height, 0)
    raise _too_small(limit, info)


def _said(metadata: Mapping[str, str]) -> bytes:
    """What a film says of itself, for a JPEG's comment: that takes 64 KiB, and a picture should not be mostly words."""
    tags = {"comment": metadata.get("comment", "")}
    if (settings := film.film_settings(metadata)) is not None:
        synopsis = json.dumps(settings, ensure_ascii=False, sort_keys=True)  # a quarter of what an MP4's ASCII takes
        if len(synopsis.encode()) <= SAID_BYTES:
            tags["synopsis"] = synopsis
    return json.dumps(tags, ensure_ascii=False).encode()


KINDS = {"final": final, "preview": preview, "poster": poster}


def _as_it_is(info: film.FilmInfo) -> Fitted:
    return Fitted(None, info.bytes, info.width, info.height, round(1000 * info.seconds))


def _too_small(limit: int, info: film.FilmInfo) -> errors.LimitTooSmall:
    return errors.LimitTooSmall(limit_mib=round(limit / MIB, 2), seconds=round(info.seconds, 1))


def _ladder(source: Path, folder: Path, limit: int, info: film.FilmInfo, side: int, rate: Rate) -> Fitted:
    """The first rung that fits. raises: LimitTooSmall."""
    room = 8 * (TARGET * limit - _around(info)) / info.seconds
    rungs = list(_rungs(info.width, info.height, side))
    out = folder / "film.mp4"
    for n, (width, height) in enumerate(rungs):
        bps = min(rate.bps, room)
        thin = bps < LEAST_BITS * width * height * info.fps
        if bps < 1 or (thin and n + 1 < len(rungs)):
            continue
        for _ in range(TRIES):
            encode(source, out, info, (width, height), Rate(max(1000, round(bps)), rate.preset, rate.crf))
            got = out.stat().st_size
            log.info("rung %dx%d bps=%d bytes=%d limit=%d", width, height, bps, got, limit)
            if got <= limit:
                return Fitted(out, got, width, height, round(1000 * info.seconds))
            bps *= TARGET * limit / got
    out.unlink(missing_ok=True)
    raise _too_small(limit, info)


def _around(info: film.FilmInfo) -> int:
    """Bytes of a film that no bitrate rules: its words, and its index with some 20 bytes a frame."""
    words = sum(len(text.encode()) for text in info.metadata.values())
    return words + 2000 + 20 * info.frames


def _rungs(width: int, height: int, side: int) -> Iterator[tuple[int, int]]:
    """The sizes to try, largest first: the longest side at most `side`, then ever the half; even, none enlarged."""
    scale = min(Fraction(1), Fraction(side, max(width, height)))
    while True:
        rung = (_even(width * scale), _even(height * scale))
        if min(rung) < min(LEAST_SIDE, width, height):
            return
        yield rung
        scale /= 2


def _even(length: Fraction) -> int:
    return max(2, 2 * round(length / 2))


def encode(source: Path, out: Path, info: film.FilmInfo, size: tuple[int, int], rate: Rate) -> None:
    """Encode the film anew, its words with it; in two passes unless the rate has a crf."""
    options = {"preset": rate.preset, "profile": "high", "x264-params": X264}
    if rate.crf is not None:
        cap = {"crf": str(rate.crf), "maxrate": str(rate.bps), "bufsize": str(2 * rate.bps)}
        _pass(source, out, info, size, options | cap)
        return
    stats = {"b": str(rate.bps), "stats": str(out.with_name("stats"))}
    for flags in ("+pass1", "+pass2"):
        _pass(source, out, info, size, options | stats | {"flags": flags})


def _pass(source: Path, out: Path, info: film.FilmInfo, size: tuple[int, int], options: Mapping[str, str]) -> None:
    width, height = size
    to_size = VideoReformatter()
    with (
        film.writing(out, info.fps, flags=film.FASTSTART, tags=info.metadata) as target,
        film.reading(source, decode=True) as opened,
    ):
        stream = target.add_stream("libx264", rate=info.fps, width=width, height=height, pix_fmt="yuv420p")
        context = stream.codec_context
        context.time_base = Fraction(1, info.fps)
        context.thread_count = max(1, (os.cpu_count() or 2) // 2)
        context.color_range = film.LIMITED
        context.color_primaries = context.color_trc = context.colorspace = film.BT709
        stream.options = dict(options)
        for n, frame in enumerate(opened.decode(film.video_of(opened, source))):
            picture = to_size.reformat(
                frame, width, height, "yuv420p", Colorspace.ITU709, Colorspace.ITU709, film.TO_YUV,
                ColorRange.MPEG, ColorRange.MPEG, threads=1,
            )  # fmt: skip
            picture.pts, picture.time_base = n, Fraction(1, info.fps)
            picture.pict_type = PictureType.NONE  # else every key frame of the source would be one again
            target.mux(stream.encode(picture))
        target.mux(stream.encode(None))


def answer(say: Say, message: Message) -> None:
    """Make what the message asks and say how it went; never raises."""
    try:
        made = KINDS[message["kind"]](Path(message["source"]), Path(message["out"]), int(message["limit"]))
        said: dict[str, Any] = vars(made) | {"path": str(made.path) if made.path else None}
        say({"event": "rendered", **said})
    except errors.GenError as error:
        say({"event": "error", "reason": error.reason, "facts": packed(error.facts)})
    except Exception as error:  # the edge of the process: the parent hears a reason, the log has the rest
        log.exception("unexpected")
        say({"event": "error", "reason": "internal", "facts": {"what": type(error).__name__}})


def step_back() -> None:
    """Let everything else of this machine go first."""
    if hasattr(os, "nice"):
        os.nice(10)
    elif os.name == "nt":
        kernel = ctypes.windll.kernel32  # type: ignore[attr-defined, unused-ignore]
        kernel.SetPriorityClass(kernel.GetCurrentProcess(), BELOW_NORMAL)


def main() -> None:
    """Serve the parent until it closes stdin."""
    step_back()
    serve(lambda say, _taken_back: lambda message: answer(say, message))


if __name__ == "__main__":
    main()
