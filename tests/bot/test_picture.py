"""Pictures of every kind, made here: what is read, what is refused, and that nothing hostile costs anything."""

import io
import struct
import threading
import time
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from bot import picture
from bot.errors import Refused
from bot.picture import Picture, read_picture
from bot.words import say

RED, BLUE = (220, 40, 30), (20, 60, 200)


def read(data: bytes | Path, **limits: Any) -> Picture:
    return read_picture(data, **({"max_bytes": 20 * 2**20, "max_megapixels": 40.0} | limits))


def halves(mode: str = "RGB", size: tuple[int, int] = (96, 64)) -> Image.Image:
    """The left half red, the right half blue."""
    image = Image.new("RGB", size, RED)
    image.paste(BLUE, (size[0] // 2, 0, size[0], size[1]))
    return image.convert(mode)


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def pixels(found: Picture) -> Any:
    with Image.open(io.BytesIO(found.png)) as image:
        assert image.mode == "RGB"
        assert image.size == (found.width, found.height)
        return np.asarray(image).astype(int)


def near(found: Any, colour: tuple[int, int, int], by: int = 12) -> bool:
    return bool(np.abs(found.reshape(-1, 3).mean(0) - colour).max() <= by)


def refusal(data: bytes | Path, **limits: Any) -> str:
    with pytest.raises(Refused) as caught:
        read(data, **limits)
    sentence = say("en", caught.value.key, **caught.value.facts)
    assert "{" not in sentence
    assert sentence.endswith(".")
    assert "?" not in sentence.replace("Is there", "")
    return caught.value.key.removeprefix("refused.")


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_claiming(width: int, height: int) -> bytes:
    """A PNG that says it is this large and brings almost nothing."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = png_chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + body + png_chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF"])
def test_common_formats_become_an_upright_rgb_png(kind: str) -> None:
    found = read(saved(halves(), kind))
    assert (found.width, found.height, found.notes) == (96, 64, ())
    assert near(pixels(found)[:, :40], RED)
    assert near(pixels(found)[:, 56:], BLUE)


@pytest.mark.parametrize("mode", ["L", "1", "LA", "P", "RGBA", "CMYK", "YCbCr", "I;16", "I", "F"])
def test_every_mode_of_pixels_is_read(mode: str) -> None:
    grey = Image.new("L", (64, 48), 100)
    if mode in ("I;16", "I"):
        image = Image.fromarray(np.full((48, 64), 100 * 257, np.uint16 if mode == "I;16" else np.int32))
    elif mode == "F":
        image = Image.fromarray(np.linspace(0, 1, 64 * 48, dtype=np.float32).reshape(48, 64))
    else:
        image = grey.convert("RGB").convert(mode)
    kind = "PNG" if mode in ("L", "1", "LA", "P", "RGBA", "I;16") else "JPEG" if mode in ("CMYK", "YCbCr") else "TIFF"
    found = pixels(read(saved(image, kind)))
    if mode == "F":
        assert found[0, 0].max() < 5
        assert found[-1, -1].min() > 250
    elif mode != "1":
        assert near(found, (100, 100, 100), by=6)


def test_sixteen_bits_a_channel_become_eight() -> None:
    rows = b"".join(b"\0" + struct.pack(">HHH", 220 * 257, 40 * 257, 30 * 257) * 32 for _ in range(32))
    header = struct.pack(">IIBBBBB", 32, 32, 16, 2, 0, 0, 0)
    data = png_chunk(b"IHDR", header) + png_chunk(b"IDAT", zlib.compress(rows)) + png_chunk(b"IEND", b"")
    assert near(pixels(read(b"\x89PNG\r\n\x1a\n" + data)), RED, by=1)


def test_printing_colours_are_shown_as_they_look() -> None:
    found = pixels(read(saved(halves("CMYK"), "JPEG", quality=95)))
    assert near(found[:, :40], RED)
    assert near(found[:, 56:], BLUE)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_what_is_see_through_stands_on_white(mode: str) -> None:
    image = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    image.paste((*RED, 255), (0, 0, 32, 64))
    if mode == "P":
        image = image.quantize(8)
        assert image.has_transparency_data
    found = pixels(read(saved(image.convert(mode), "PNG")))
    assert near(found[:, 40:], (255, 255, 255), by=2)
    assert not near(found[:, :24], (255, 255, 255), by=60)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_turned_photo_is_set_upright(kind: str, orientation: int) -> None:
    upright = np.zeros((64, 96, 3), np.uint8)
    upright[:32, :48] = RED  # one red corner, top left, when it stands upright
    turned = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.swapaxes(0, 1),
        6: np.rot90(upright, 1),
        7: np.rot90(upright[::-1, ::-1].swapaxes(0, 1), 0),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    found = read(saved(Image.fromarray(np.ascontiguousarray(turned)), kind, exif=exif.tobytes()))
    assert (found.width, found.height) == (96, 64)
    assert near(pixels(found)[4:28, 4:44], RED)
    assert near(pixels(found)[36:, 52:], (0, 0, 0))


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "AVIF"])
def test_of_an_animation_the_first_frame_is_used_and_that_is_said(kind: str) -> None:
    frames = [Image.new("RGB", (64, 64), RED), Image.new("RGB", (64, 64), BLUE)]
    found = read(saved(frames[0], kind, save_all=True, append_images=frames[1:], duration=100))
    assert found.notes == ("note.first_frame_used",)
    assert near(pixels(found), RED)


def test_heic_is_read_where_its_library_is_there() -> None:
    heif = pytest.importorskip("pillow_heif")
    out = io.BytesIO()
    heif.from_pillow(halves(size=(128, 96))).save(out, quality=90)
    found = read(out.getvalue())
    assert (found.width, found.height, found.notes) == (128, 96, ())
    assert near(pixels(found)[:, :56], RED)


def test_heic_with_the_general_brand_is_not_taken_for_avif() -> None:
    heif = pytest.importorskip("pillow_heif")
    out = io.BytesIO()
    heif.from_pillow(halves(size=(128, 96))).save(out, quality=90)
    data = out.getvalue()
    assert b"heic" in data[12:40]
    assert read(data[:8] + b"mif1" + data[12:]).width == 128


def test_a_picture_carries_no_metadata_further() -> None:
    exif = Image.Exif()
    exif[0x010E] = "taken at home"
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    found = read(saved(halves(), "JPEG", exif=exif.tobytes(), icc_profile=srgb, comment=b"secret"))
    with Image.open(io.BytesIO(found.png)) as image:
        image.load()
        assert image.info == {}
    assert b"home" not in found.png


def test_a_wide_gamut_photo_keeps_its_look() -> None:
    linear = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()
    plain = pixels(read(saved(halves(), "PNG")))
    assert np.abs(pixels(read(saved(halves(), "PNG", icc_profile=b"broken"))) - plain).max() == 0
    assert pixels(read(saved(halves(), "PNG", icc_profile=linear))).shape == plain.shape


def test_a_large_picture_is_made_smaller_and_keeps_its_shape() -> None:
    found = read(saved(halves(size=(4500, 3000)), "JPEG"))
    assert (found.width, found.height) == (3072, 2048)


def test_the_same_bytes_give_the_same_png() -> None:
    data = saved(halves(size=(300, 200)), "JPEG")
    assert read(data).png == read(data).png


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "picture_empty"),
        (b"hello, I am a text and not a picture at all", "picture_unknown"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "picture_unknown"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n", "picture_unknown"),
        (b"\0" * 1000, "picture_unknown"),
        (b"\x89PNG\r\n\x1a\n", "picture_damaged"),
        (b"\xff\xd8\xff\xe0", "picture_damaged"),
        (b"GIF89a", "picture_damaged"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "picture_damaged"),
        (b"\0\0\0\x18ftypheic" + bytes(40), "picture_damaged"),
        (b"\0\0\0\x18ftypavif" + bytes(40), "picture_damaged"),
    ],
)
def test_what_is_no_picture_is_refused(data: bytes, why: str) -> None:
    assert refusal(data) == why


@pytest.mark.parametrize("size", [(1, 1), (15, 400), (64, 15), (0, 0)])
def test_a_tiny_picture_is_refused(size: tuple[int, int]) -> None:
    expected = "picture_damaged" if 0 in size else "picture_too_small"
    assert refusal(png_claiming(*size)) in (expected, "picture_too_small")


def test_a_picture_of_one_pixel_is_refused() -> None:
    assert refusal(saved(Image.new("RGB", (1, 1)), "PNG")) == "picture_too_small"


@pytest.mark.parametrize("size", [(16, 129), (2000, 200)])
def test_a_ribbon_is_refused(size: tuple[int, int]) -> None:
    assert refusal(png_claiming(*size)) == "picture_too_long"


@pytest.mark.parametrize("side", [6400, 10_000, 13_000, 30_000, 2**31 - 1])
def test_a_giant_is_refused_from_its_header(side: int) -> None:
    data = png_claiming(side, side)
    tracemalloc.start()
    began = time.perf_counter()
    assert refusal(data) == "picture_too_many_pixels"
    took = time.perf_counter() - began
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert took < 2
    assert peak < 8 * 2**20


def test_no_configuration_lifts_the_limit_of_the_library() -> None:
    assert refusal(png_claiming(10_000, 10_000), max_megapixels=1e9) == "picture_too_many_pixels"


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF"])
@pytest.mark.parametrize("kept", [0.3, 0.9])
def test_a_truncated_picture_is_refused(kind: str, kept: float) -> None:
    noise = Image.fromarray(np.random.default_rng(7).integers(0, 256, (64, 64, 3), np.uint8))
    whole = saved(noise, kind)
    assert refusal(whole[: int(len(whole) * kept)]) == "picture_damaged"


def test_a_truncated_heic_is_refused() -> None:
    heif = pytest.importorskip("pillow_heif")
    out = io.BytesIO()
    heif.from_pillow(halves(size=(128, 96))).save(out)
    assert refusal(out.getvalue()[: len(out.getvalue()) // 2]) == "picture_damaged"


def test_too_many_bytes_are_refused_before_reading() -> None:
    assert refusal(bytes(1001), max_bytes=1000) == "picture_too_big"


def test_what_a_path_leads_to_is_checked(tmp_path: Path) -> None:
    good = tmp_path / "dawn 明.png"
    good.write_bytes(saved(halves(), "PNG"))
    assert read(good).width == 96
    assert refusal(tmp_path / "none.png") == "picture_missing"
    assert refusal(good / "below.png") == "picture_missing"
    assert refusal(Path("nul\0name")) == "picture_missing"
    assert refusal(tmp_path) == "picture_folder"
    assert refusal(Path("/dev/zero")) == "picture_unreadable"
    assert refusal(tmp_path / ("x" * 400)) == "picture_unreadable"
    with (tmp_path / "big.png").open("wb") as file:
        file.truncate(2**33)
    assert refusal(tmp_path / "big.png") == "picture_too_big"


def test_a_file_that_may_not_be_read_is_refused(tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes(saved(halves(), "PNG"))
    secret.chmod(0)
    try:
        secret.read_bytes()
    except PermissionError:
        assert refusal(secret) == "picture_unreadable"
    else:
        pytest.skip("this user may read everything")


BASES = {kind: saved(halves(size=(48, 32)), kind) for kind in ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")}


@settings(deadline=None, max_examples=150)
@given(
    kind=st.sampled_from(sorted(BASES)),
    changes=st.lists(st.tuples(st.integers(0, 10_000), st.binary(min_size=1, max_size=4)), min_size=1, max_size=6),
)
def test_any_bytes_give_a_picture_or_a_sentence(kind: str, changes: list[tuple[int, bytes]]) -> None:
    data = bytearray(BASES[kind])
    for at, new in changes:
        at %= len(data)
        data[at : at + len(new)] = new
    try:
        found = read(bytes(data), max_megapixels=4.0)
    except Refused as refused:
        assert refused.key.startswith("refused.picture_")
    else:
        assert pixels(found).shape == (found.height, found.width, 3)


def test_pictures_read_at_once_do_not_disturb_each_other() -> None:
    wanted = {kind: read(data).png for kind, data in BASES.items()}
    found: dict[str, bytes] = {}
    threads = [threading.Thread(target=lambda k=kind: found.update({k: read(BASES[k]).png})) for kind in BASES]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == wanted
    assert not picture._one_at_a_time.locked()
