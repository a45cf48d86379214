"""Frames in, a growing MP4 out: every frame that is final is encoded once, and films are joined by copying packets.

A clip is one or more closed groups of pictures that start with an IDR picture, written with parameter sets that follow
from size, rate and quality alone. So any clips of one film stand behind one another in any order: join() renumbers
their packets and writes the index in front of them (faststart). B-frames are kept to one level (b-pyramid off), which
makes the decoder's delay one frame in every clip, a clip of one frame included; the film's edit list takes it away.
At the same PSNR they save a fifth of the bytes of a film without any (three photographs in motion, 768×512, veryfast).
"""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray
from PIL import Image

from db.said import known, said
from gen.errors import DiskFull, EncoderFailed

CRF = 18.5  # constant quality, 0 lossless … 51; about 44 dB luma PSNR on photographs
THREADS = 1  # a number, never the machine's cores: x264's output depends on it
PRESET = "veryfast"  # 36 frames of 768×512 in 0.2 s; `medium` needs 3.6 times that for no fewer bytes

TICKS = 512  # of the track's clock per frame: what FFmpeg itself chooses for 30 fps
DELAY = 1  # frames between decoding and showing, see the head of this file

# mbtree off: with B-frames it reads what was never written, in x264's code for AVX-512 at least: up to half of the
# encodings of the same frames differed, none with its code for AVX2 (docs/log.md). It costs 17 % of the bytes.
# stitchable: headers do not depend on the pictures. chromaloc 1: a chroma sample is the mean of its four pixels.
X264 = "bframes=3:b-pyramid=none:mbtree=0:open-gop=0:stitchable=1:chromaloc=1"
BT709 = 1  # ITU-T H.273: the code of BT.709 for primaries, transfer and matrix alike
LIMITED = 1  # AVCOL_RANGE_MPEG: luma 16..235

EXACT = Interpolation.ACCURATE_RND | Interpolation.BITEXACT  # the same pixels whatever the CPU can do
TO_YUV = Interpolation.AREA | Interpolation.FULL_CHR_H_INP | EXACT
TO_RGB = Interpolation.BILINEAR | Interpolation.FULL_CHR_H_INT | EXACT

# Whoever only copies or counts packets needs no decoder; without one a clip opens 20 times as fast.
NO_DECODER = {"codec_whitelist": "none"}

TAGS = ("title", "artist", "comment", "description", "synopsis", "copyright", "date", "genre")  # what an MP4 keeps
TITLE_LENGTH = 120
DESCRIPTION_LENGTH = 2000
# IPTC's code for media made by a trained model, https://cv.iptc.org/newscodes/digitalsourcetype/
DIGITAL_SOURCE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"

FASTSTART = {"movflags": "+faststart"}
FRAGMENTED = {  # one moof for the whole clip, times as they are, none before its first frame and so no edit list
    "movflags": "+empty_moov+default_base_moof+frag_custom+frag_discont+negative_cts_offsets+skip_trailer",
    "use_editlist": "0",
    "avoid_negative_ts": "disabled",
}

Frames = NDArray[np.uint8]


@dataclass(frozen=True)
class ClipInfo:
    """What encode_clip wrote: frames passed in, pixels of the video (even), frames per second, size of the file."""

    frames: int
    width: int
    height: int
    fps: int
    bytes: int


@dataclass(frozen=True)
class FilmInfo:
    """What stands in a film's file; seconds is exactly frames / fps."""

    frames: int
    width: int
    height: int
    fps: int
    seconds: float
    metadata: dict[str, str]
    bytes: int


def encode_clip(
    frames: Frames, path: Path, fps: int, *, crf: float = CRF, threads: int = THREADS, preset: str = PRESET
) -> ClipInfo:
    """Encode frames as one H.264 clip: High profile, 4:2:0, BT.709; the same frames give the same bytes.

    frames:  (F, H, W, 3) uint8 RGB, full range, F ≥ 1; an odd H or W gets its last row or column twice
    fps:     whole frames per second; all clips of a film share it, and the size
    crf:     constant quality of x264, threads: its number of threads (part of what the bytes depend on)
    raises:  EncoderFailed, DiskFull; no file is left then
    """
    _check(frames, fps)
    height, width = (size + size % 2 for size in frames.shape[1:3])
    with writing(path, fps) as out:
        stream = out.add_stream("libx264", rate=fps, width=width, height=height, pix_fmt="yuv420p")
        context = stream.codec_context
        context.time_base = Fraction(1, fps)
        context.thread_count = threads
        context.color_range = LIMITED
        context.color_primaries = context.color_trc = context.colorspace = BT709
        stream.options = {"preset": preset, "crf": str(crf), "profile": "high", "x264-params": X264}
        for picture in _pictures(frames, fps):
            out.mux(stream.encode(picture))
        out.mux(stream.encode(None))
    return ClipInfo(len(frames), width, height, fps, path.stat().st_size)


def join(clips: Sequence[Path], out: Path, *, fps: int, metadata: Mapping[str, str] | None = None) -> FilmInfo:
    """Join clips, in this order, into one MP4 with its index in front; packets are copied, nothing is encoded.

    Packets stream through, so memory does not grow with the film.

    fps:      of every clip
    metadata: keys of TAGS; control characters become blanks, an empty text is left out
    raises:   EncoderFailed where a clip cannot be read or does not belong to this film, DiskFull; no file is left then
    """
    if not clips:
        raise ValueError("a film needs at least one clip")
    if out in clips:
        raise ValueError(f"{out} is one of the clips: joining would overwrite it")
    tags = _safe_tags(metadata or {})
    frames = 0
    with writing(out, fps, flags=FASTSTART, tags=tags) as film:
        with reading(clips[0]) as first:
            template = video_of(first, clips[0])
            width, height, headers = template.width, template.height, template.codec_context.extradata
            stream = film.add_stream_from_template(template, opaque=False)
        for clip in clips:
            start = frames
            for packet in _packets(clip, fps, headers):
                assert packet.pts is not None
                packet.pts += start * TICKS
                packet.dts = (frames - DELAY) * TICKS
                packet.stream = stream
                film.mux_one(packet)
                frames += 1
    return FilmInfo(frames, width, height, fps, frames / fps, tags, out.stat().st_size)


def fragment(clip: Path, out: Path, *, fps: int, start: int = 0) -> None:
    """The clip as a player takes it that joins films by itself: an init segment and one fragment; packets are copied.

    Any fragments of one film can follow one another, and one that begins inside another takes its place from there on.

    start:  frames of the film before the clip: the fragment knows its place in time
    raises: EncoderFailed where the clip cannot be read, DiskFull; no file is left then
    source: W3C, ISO BMFF Byte Stream Format (what Media Source Extensions take)
    """
    with reading(clip) as first:
        stream = video_of(first, clip)
        headers = stream.codec_context.extradata
        with writing(out, fps, flags=FRAGMENTED) as film:
            copy = film.add_stream_from_template(stream, opaque=False)
            for n, packet in enumerate(_packets(clip, fps, headers)):
                assert packet.pts is not None
                packet.pts += start * TICKS
                packet.dts = (start + n - DELAY) * TICKS
                packet.stream = copy
                film.mux_one(packet)


def probe(path: Path) -> FilmInfo:
    """What a film's or clip's file says of itself; nothing is decoded. Raises EncoderFailed where it is no film."""
    with reading(path) as film:
        stream = video_of(film, path)
        fps = round(stream.average_rate or 0)
        if not fps:
            raise EncoderFailed(what=said("{file} is not a film", file=path.name))
        tags = {key: film.metadata[key] for key in TAGS if key in film.metadata}
        seconds = stream.frames / fps
        return FilmInfo(stream.frames, stream.width, stream.height, fps, seconds, tags, path.stat().st_size)


def read_frames(path: Path) -> Iterator[Frames]:
    """Every frame in viewing order, (H, W, 3) uint8 RGB, one at a time; raises EncoderFailed."""
    to_rgb = VideoReformatter()
    with reading(path, decode=True) as film:
        for frame in film.decode(video_of(film, path)):
            picture = to_rgb.reformat(
                frame,
                format="rgb24",
                src_colorspace=Colorspace.ITU709,
                src_color_range=ColorRange.MPEG,
                dst_color_range=ColorRange.JPEG,
                interpolation=TO_RGB,
                threads=1,
            )
            yield np.asarray(picture.to_ndarray(), dtype=np.uint8)


def poster(path: Path, n: int = 0) -> Image.Image:
    """Frame n of a film as a picture; raises IndexError where the film has no such frame, EncoderFailed."""
    for frame in islice(read_frames(path), n, n + 1):
        return Image.fromarray(frame)
    raise IndexError(f"{path.name} has no frame {n}")


def film_metadata(plan: Mapping[str, Any], model: str) -> dict[str, str]:
    """The tags of a film made by this plan: for people in title, comment and description, for machines in synopsis.

    plan:    as Plan.to_json gives it; model: name@version
    returns: synopsis is one line of JSON in ASCII: prompts as [first section, text] where the text changes, and every
             setting of the plan, so that nothing of a prompt is lost however long it is (see film_settings)
    """
    texts = [str(text) for text in plan.get("prompts", ())]
    prompts = [(n, text) for n, text in enumerate(texts) if n == 0 or text != texts[n - 1]]
    prompt, seed = texts[0] if texts else "", plan.get("seed")
    record = {
        "ai_generated": True,
        "digital_source_type": DIGITAL_SOURCE,
        "generator": "flipbot",
        "model": model,
        "seed": seed,
        "prompt": prompt,
        "prompts": prompts,
        "settings": {key: plan[key] for key in sorted(plan) if key not in ("prompts", "seed", "model")},
    }
    return {
        "title": _cut(" ".join(prompt.split()), TITLE_LENGTH),
        "comment": f"AI-generated video, made with Flipbot. Model: {model}. Seed: {seed}.",
        "description": _cut("\n".join(text for _, text in prompts), DESCRIPTION_LENGTH),
        "synopsis": json.dumps(record, sort_keys=True),
    }


def film_settings(metadata: Mapping[str, str]) -> dict[str, Any] | None:
    """The machine-readable part of a film's metadata, None where the film has none of ours."""
    try:
        record = json.loads(metadata.get("synopsis", ""))
    except ValueError:
        return None
    return record if isinstance(record, dict) and record.get("generator") == "flipbot" else None


def _check(frames: Frames, fps: int) -> None:
    """Refuse what no clip can be made of; a caller's mistake, so a ValueError."""
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[3] != 3:
        raise ValueError(f"frames are (F, H, W, 3) uint8, not {frames.shape} {frames.dtype}")
    if not frames.size:
        raise ValueError(f"a clip needs at least one frame of one pixel, got {frames.shape}")
    if fps < 1:
        raise ValueError(f"fps is at least 1, got {fps}")


def _pictures(frames: Frames, fps: int) -> Iterator[av.VideoFrame]:
    """The frames as numbered 4:2:0 pictures of even size, luma 16..235 by BT.709."""
    pad = [(0, size % 2) for size in frames.shape[1:3]]
    to_yuv = VideoReformatter()
    for n, rgb in enumerate(frames):
        even = np.pad(rgb, (*pad, (0, 0)), mode="edge") if any(map(any, pad)) else np.ascontiguousarray(rgb)
        picture = to_yuv.reformat(
            av.VideoFrame.from_ndarray(even, format="rgb24"),
            format="yuv420p",
            dst_colorspace=Colorspace.ITU709,
            src_color_range=ColorRange.JPEG,
            dst_color_range=ColorRange.MPEG,
            interpolation=TO_YUV,
            threads=1,
        )
        picture.pts, picture.time_base = n, Fraction(1, fps)
        yield picture


def _packets(clip: Path, fps: int, headers: bytes | None) -> Iterator[Packet[VideoStream]]:
    """A clip's packets in decoding order; raises EncoderFailed where they do not fit the film or some are missing."""
    with reading(clip) as source:
        stream = video_of(source, clip)
        if stream.time_base != Fraction(1, fps * TICKS):
            raise EncoderFailed(
                what=said("the clip {file} was not made for {fps} frames per second", file=clip.name, fps=fps)
            )
        if stream.codec_context.extradata != headers:
            other = said("the clip {file} has another size or other settings than the film's first", file=clip.name)
            raise EncoderFailed(what=other)
        count = 0
        for packet in source.demux(stream):
            if packet.size:
                count += 1
                yield packet
        if count != stream.frames:
            counted = {"file": clip.name, "count": count, "frames": stream.frames}
            raise EncoderFailed(
                what=said("the clip {file} is damaged: {count} of {frames} frames are there", **counted)
            )


def video_of(source: InputContainer, path: Path) -> VideoStream:
    if not source.streams.video:
        raise EncoderFailed(what=said("{file} has no video in it", file=path.name))
    return source.streams.video[0]


@contextmanager
def reading(path: Path, *, decode: bool = False) -> Iterator[InputContainer]:
    """An open MP4; what FFmpeg says against it becomes EncoderFailed."""
    try:
        with av.open(path, "r", format="mp4", options={} if decode else NO_DECODER) as source:
            yield source
    except (av.FFmpegError, OSError) as error:
        raise EncoderFailed(what=said("{file} cannot be read ({why})", file=path.name, why=_why(error))) from error


@contextmanager
def writing(
    path: Path, fps: int, *, flags: Mapping[str, str] | None = None, tags: Mapping[str, str] | None = None
) -> Iterator[OutputContainer]:
    """A new MP4 without anything of the moment in it (no time, no version); whatever goes wrong, no file is left."""
    clock = str(fps * TICKS)  # of the track and of the film: durations come out exact
    options = {"fflags": "+bitexact", "video_track_timescale": clock, "movie_timescale": clock, **(flags or {})}
    try:
        path.open("wb").close()  # FFmpeg would open it only with the first packet, and a refusal is clearer here
    except OSError as error:
        raise _failure(error, path) from error
    try:
        with av.open(path, "w", format="mp4", options=options) as out:
            out.metadata.update(tags or {})
            yield out
    except (av.FFmpegError, OSError) as error:
        path.unlink(missing_ok=True)
        raise _failure(error, path) from error
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _failure(error: av.FFmpegError | OSError, path: Path) -> DiskFull | EncoderFailed:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull(where=str(path.parent))
    return EncoderFailed(what=said("{file} cannot be written ({why})", file=path, why=_why(error)))


def _why(error: av.FFmpegError | OSError) -> str:
    return known(error.strerror or str(error))


def _safe_tags(metadata: Mapping[str, str]) -> dict[str, str]:
    """The metadata as it will be read back; raises ValueError for a key that an MP4 would silently lose."""
    if odd := sorted(set(metadata) - set(TAGS)):
        raise ValueError(f"an MP4 keeps no tag {odd[0]!r}; it keeps {', '.join(TAGS)}")
    return {key: safe for key in TAGS if (safe := _safe(metadata.get(key, "")))}


def _safe(text: str) -> str:
    """Printable text and line ends: other control characters become blanks, half a surrogate pair a question mark."""
    whole = text.encode("utf-8", "replace").decode("utf-8")
    return "".join(" " if (c < " " and c != "\n") or "\x7f" <= c <= "\x9f" else c for c in whole)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
