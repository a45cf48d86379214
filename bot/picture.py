"""A picture from a stranger becomes an upright RGB PNG without metadata, or one sentence that says why not.

Nothing is decoded before the header was judged: its pixels are counted first, so that a small file that unfolds to
gigabytes costs nothing. Pictures are decoded one at a time, which bounds the memory whatever many people send at once.
"""

import importlib.util
import io
import re
import stat
import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from PIL import Image, ImageCms, ImageFile

from bot.errors import Refused

SHORTEST_PX: Final = 16  # the smallest bucket any checkpoint can have: one token of an 8x VAE and a 2x patch
LONGEST_RATIO: Final = 8
SHORT_SIDE_PX: Final = 2048  # several times the largest bucket; more would only fill the disk
PNG_BYTES: Final = (
    128 << 20
)  # above what a PNG of ours can have: short side by LONGEST_RATIO times it, three bytes each
MOST_MEGAPIXELS: Final = (
    89.0  # Pillow's own limit (Image.MAX_IMAGE_PIXELS): above it Pillow warns and refuses by itself
)
FORMATS: Final = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "PPM")  # none that starts another program
ANIMATED: Final = ("GIF", "WEBP", "PNG", "AVIF")  # a JPEG or HEIC with several pictures is a photo with extras
HEIC_BRANDS: Final = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}  # ISO/IEC 23008-12, B.4
ORIENTATION: Final = 0x0112  # EXIF 2.3, section 4.6.4 A
UPRIGHT: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

_one_at_a_time = threading.Lock()


@dataclass(frozen=True)
class Picture:
    """An upright RGB picture as PNG bytes without metadata; notes are keys of bot/words."""

    png: bytes
    width: int
    height: int
    notes: tuple[str, ...] = ()


def read_picture(data: bytes | Path, *, max_bytes: int, max_megapixels: float) -> Picture:
    """Read a picture in any common format; the same bytes give the same PNG.

    Blocking and up to some seconds long: call it in a thread.
    raises: Refused, with a sentence for each way in which a file is not a usable picture
    """
    raw = content_of(data, max_bytes)
    if not raw:
        raise Refused("refused.picture_empty")
    if len(raw) > max_bytes:
        raise _too_big(len(raw), max_bytes)
    # A broken tag makes Pillow warn on stderr; nobody there could do anything about it. Warning filters belong to the
    # whole process, which is the lock's second reason.
    with _one_at_a_time, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        opened = _header(raw)
        judge_size(*opened.size, min(max_megapixels, MOST_MEGAPIXELS))
        try:
            return _decode(opened)
        except Exception as error:
            raise Refused("refused.picture_damaged") from error


def size_of(kept: Path) -> tuple[int, int]:
    """(width, height) of a picture that was read once and kept, by its header alone. raises: OSError."""
    with Image.open(kept, formats=["PNG"]) as opened:
        return opened.size


def content_of(data: bytes | Path, max_bytes: int) -> bytes:
    """What is to be read, at most one byte more than allowed. raises: Refused, where there is no such file."""
    if isinstance(data, bytes):
        return data
    shown = str(data)
    try:
        found = data.stat()
        if stat.S_ISDIR(found.st_mode):
            raise Refused("refused.picture_folder", path=shown)
        if not stat.S_ISREG(found.st_mode):  # a pipe or a device might never end
            raise Refused("refused.picture_unreadable", path=shown)
        if found.st_size > max_bytes:
            raise _too_big(found.st_size, max_bytes)
        with data.open("rb") as file:
            return file.read(max_bytes + 1)
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:  # ValueError: a NUL in the name
        is_address = re.match("https?:", shown, re.IGNORECASE)
        if is_address:  # which a path has lost a slash of
            shown = re.sub("^(https?):/+", r"\1://", shown, flags=re.IGNORECASE)
            raise Refused("refused.picture_address", path=shown) from error
        raise Refused("refused.picture_missing", path=shown) from error
    except OSError as error:
        raise Refused("refused.picture_unreadable", path=shown) from error


def _too_big(got: int, limit: int) -> Refused:
    return Refused("refused.picture_too_big", got_mib=got / 2**20, limit_mib=limit / 2**20)


def _header(raw: bytes) -> ImageFile.ImageFile:
    """Open without decoding, by what the bytes say and never by a file's name.

    Image.open would do the same, but warns about size before anybody could look at it.
    """
    Image.init()
    if _brands(raw) & HEIC_BRANDS:
        return _heic(raw)
    for name in FORMATS:
        factory, accept = Image.OPEN.get(name, (None, None))
        if factory and accept and accept(raw[:16]) is True:
            return _open(lambda factory=factory: factory(io.BytesIO(raw), ""))  # type: ignore[misc]
    if _brands(raw) & {b"avif", b"avis"}:
        raise Refused("refused.picture_avif")
    raise Refused("refused.picture_unknown")


def _heic(raw: bytes) -> ImageFile.ImageFile:
    if importlib.util.find_spec("pillow_heif") is None:
        raise Refused("refused.picture_heic")
    from pillow_heif import HeifImageFile  # optional: only those who send HEIC need it

    heif: Callable[[io.BytesIO], ImageFile.ImageFile] = HeifImageFile
    return _open(lambda: heif(io.BytesIO(raw)))


def _brands(raw: bytes) -> set[bytes]:
    """What a file of the MP4 family says it can be read as; empty for any other. The box is short."""
    if raw[4:8] != b"ftyp":
        return set()
    end = min(int.from_bytes(raw[:4]), len(raw), 256)
    return {raw[at : at + 4] for at in range(8, end - 3, 4)}


def _open(factory: Callable[[], ImageFile.ImageFile]) -> ImageFile.ImageFile:
    try:
        return factory()
    except Exception as error:
        raise Refused("refused.picture_damaged") from error


def judge_size(width: int, height: int, max_megapixels: float) -> None:
    """Whether a picture of that size can be animated. raises: Refused."""
    if min(width, height) < SHORTEST_PX:
        raise Refused("refused.picture_too_small", width=width, height=height, least=SHORTEST_PX)
    if max(width, height) > LONGEST_RATIO * min(width, height):
        raise Refused("refused.picture_too_long", width=width, height=height, limit=LONGEST_RATIO)
    if width * height > max_megapixels * 1e6:
        got = width * height / 1e6
        raise Refused("refused.picture_too_many_pixels", width=width, height=height, got=got, limit=max_megapixels)


def _decode(opened: ImageFile.ImageFile) -> Picture:
    notes = ("note.first_frame_used",) if _moves(opened) else ()
    opened.load()
    turn = UPRIGHT.get(opened.getexif().get(ORIENTATION, 1))  # after load(): PNG may carry it behind the pixels
    profile = opened.info.get("icc_profile")
    image = _srgb(_smaller(_plain(opened)), profile)
    image = image.transpose(turn) if turn is not None else image
    out = io.BytesIO()
    # A bare copy of the pixels: save() would write what stands in info
    Image.frombytes("RGB", image.size, image.tobytes()).save(out, "PNG", compress_level=3)
    return Picture(out.getvalue(), image.width, image.height, notes)


def _moves(image: ImageFile.ImageFile) -> bool:
    return image.format in ANIMATED and bool(getattr(image, "is_animated", False))


def _plain(image: Image.Image) -> Image.Image:
    """Any mode as RGB (CMYK stays, its profile is needed later), see-through parts on white."""
    if image.mode == "CMYK":
        return image
    if image.mode == "F" or image.mode.startswith("I"):
        return _eight_bits(image).convert("RGB")
    if image.has_transparency_data:
        over = image.convert("RGBA")
        white = Image.new("RGBA", over.size, "white")
        return Image.alpha_composite(white, over).convert("RGB")
    return image.convert("RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    """16-bit, 32-bit and floating-point greys as 8-bit greys; the range is the one the largest value hints at."""
    wide = image.convert("F") if image.mode == "F" else image.convert("I").convert("F")
    low, high = wide.getextrema()
    if not (isinstance(low, float) and isinstance(high, float)):
        raise ValueError("several channels where one was expected")
    whole = image.mode != "F"
    top = 65535.0 if whole and high <= 65535 else 1.0 if not whole and high <= 1 else high
    return wide.point(lambda value: value * (255.0 / top) + 0.5).convert("L")


def _smaller(image: Image.Image) -> Image.Image:
    short = min(image.size)
    if short <= SHORT_SIDE_PX:
        return image
    size = tuple(round(side * SHORT_SIDE_PX / short) for side in image.size)
    return image.resize((size[0], size[1]), Image.Resampling.LANCZOS)


def _srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Wide-gamut photos (most phones) and printing colours as sRGB; a broken profile is passed over."""
    if profile:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            turned = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
            return turned if turned is not None else image.convert("RGB")
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
            pass  # for example a grey profile on what is RGB by now
    return image.convert("RGB")
