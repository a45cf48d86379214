"""Every bad input gets one sentence and exit 2, and leaves nothing behind."""

import shutil
import struct
import subprocess
import zlib
from pathlib import Path

import pytest
from PIL import Image

from db.media import OWNER
from tests.e2e.conftest import one_sentence, quick, run


def png_header(width: int, height: int) -> bytes:
    """A PNG that says how large it is, and has no pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def picture(kind: str, photo: Path) -> bytes:
    whole = photo.read_bytes()
    return {
        "no image": b"Dear Sir or Madam, this is a letter.",
        "truncated": whole[: len(whole) // 2],
        "empty": b"",
        "huge": png_header(30_000, 30_000),
    }[kind]


PICTURES = {
    "no image": "This file is not a kind of picture",
    "truncated": "is damaged or incomplete",
    "empty": "This file is empty",
    "huge": "30000×30000",
}


@pytest.mark.parametrize("kind", PICTURES)
def test_a_bad_picture_is_refused(kind: str, photo: Path, small: Path, tmp_path: Path) -> None:
    path = tmp_path / "in.png"
    path.write_bytes(picture(kind, photo))
    done = quick("animate", path, "fog", "--model", small, "--data-dir", tmp_path / "data", cwd=tmp_path)
    assert done.returncode == 2
    assert PICTURES[kind] in one_sentence(done.stderr)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.png"]


def test_a_dot_is_refused(small: Path, tmp_path: Path) -> None:
    Image.new("RGB", (1, 1)).save(tmp_path / "in.png")
    done = quick("animate", tmp_path / "in.png", "fog", "--model", small, "--data-dir", tmp_path / "data")
    assert done.returncode == 2
    assert "1×1" in one_sentence(done.stderr)


ORDERS = {
    "missing file": (("nowhere.png", "fog"), "There is no file at nowhere.png"),
    "folder": ((".", "fog"), "is a folder"),
    "seconds 0": (("PHOTO", "fog", "--seconds", "0"), "you asked for 0"),
    "seconds -1": (("PHOTO", "fog", "--seconds", "-1"), "you asked for -1"),
    "seconds 1e9": (("PHOTO", "fog", "--seconds", "1e9"), "you asked for 1e9"),
    "seconds nan": (("PHOTO", "fog", "--seconds", "nan"), "nan is not a number of seconds"),
    "seconds text": (("PHOTO", "fog", "--seconds", "long"), "long is not a number of seconds"),
    "empty seconds": (("PHOTO", "fog", "--seconds", ""), "--seconds is empty"),
    "empty seed": (("PHOTO", "fog", "--seed", " "), "--seed is empty"),
    "an address": (
        ("https://example.org/photo.jpg", "fog"),
        "https://example.org/photo.jpg is an address. Download the picture first",
    ),
    "seed": (("PHOTO", "fog", "--seed", "-5"), "You gave -5"),
    "quality": (("PHOTO", "fog", "--quality", "superb"), "no quality called superb"),
    "long prompt": (("PHOTO", "x" * 100_000), "100000 characters"),
    "output folder": (("PHOTO", "fog", "-o", "nowhere/film.mp4"), "There is no folder nowhere"),
    "output is no MP4": (("PHOTO", "fog", "-o", "film.gif"), "cannot be saved as film.gif. Name it film.mp4."),
    "output has no suffix": (("PHOTO", "fog", "-o", "/etc/passwd"), "saved as /etc/passwd. Name it passwd.mp4."),
    "output is a device": (("PHOTO", "fog", "-o", "/dev/null"), "/dev/null is not a file that a film could replace"),
    "output is the picture": (("PHOTO", "fog", "-o", "PHOTO"), "is the picture itself"),
    "output is a folder": (("PHOTO", "fog", "-o", "."), "is a folder"),
    "end picture": (("PHOTO", "fog", "--end-image", "nowhere.png"), "There is no file at nowhere.png"),
    "unknown size": (("PHOTO", "fog", "--size", "7"), "has no size 7"),
    "unknown model": (("PHOTO", "fog", "--model", "gigantic"), "no model gigantic"),
    "no such folder": (("PHOTO", "fog", "--model", "models/none"), "models/none"),
    "unwritable output": (("PHOTO", "fog", "-o", "/proc/film.mp4"), "cannot be written"),
    "a film of nowhere": (("--extend", "9"), "There is no database"),
    "not a film number": (("--extend", "-1"), "-1 is not a film number"),
    "data folder": (("PHOTO", "fog", "--data-dir", "/proc/flipbot"), "data folder /proc/flipbot"),
}


@pytest.mark.parametrize("name", ORDERS)
def test_a_bad_order_is_refused(name: str, photo: Path, small: Path, tmp_path: Path) -> None:
    words, sentence = ORDERS[name]
    asked = [photo if word == "PHOTO" else word for word in words]
    rest = [] if "--model" in words else ["--model", small]
    rest += [] if "--data-dir" in words else ["--data-dir", tmp_path / "data"]
    done = quick("animate", *asked, *rest, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert sentence in one_sentence(done.stderr)
    assert not list(tmp_path.iterdir())


def test_a_film_that_is_not_there_is_not_there_for_any_command(tmp_path: Path) -> None:
    where = ("--data-dir", tmp_path / "data")
    said = [
        one_sentence(quick(*asked, *where, cwd=tmp_path).stderr) for asked in (("film", 9), ("animate", "--extend", 9))
    ]
    assert said[0] == said[1] and "There is no database" in said[0]
    assert not list(tmp_path.iterdir())


def test_a_command_that_finds_nothing_says_so(tmp_path: Path) -> None:
    there, nowhere = tmp_path / "data", tmp_path / "nowhere"
    there.mkdir()
    assert run("queue", "--data-dir", there).stderr == "Nothing is in line.\n"
    assert f"There is no data folder {nowhere}" in run("queue", "--data-dir", nowhere).stderr.replace("\n", " ")
    assert not nowhere.exists()
    assert f"There is no database {there / 'flipbot.db'} yet" in run("audit", "--data-dir", there).stderr.replace(
        "\n", " "
    )
    listed = run("bench")
    assert listed.returncode == 2 and "fairness" in listed.stderr and "answer" in listed.stderr


def test_an_unknown_option_is_shown_with_the_commands_own(tmp_path: Path) -> None:
    done = quick("animate", "photo.jpg", "the", "sun", "--sedes", "3", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: flipbot animate") and "--sedes" in done.stderr


CONFIGS = {
    "unknown key": ("[model]\nnmae = 'tiny'\n", "model.nmae"),
    "unknown section": ("[modle]\n", "modle"),
    "wrong type": ("[web]\nport = 'http'\n", "web.port"),
    "out of range": ("[web]\nport = 99999\n", "web.port"),
    "no toml": ("[web\n", "not TOML"),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_a_bad_configuration_is_refused(name: str, photo: Path, tmp_path: Path) -> None:
    text, sentence = CONFIGS[name]
    path = tmp_path / "config.toml"
    path.write_text(text)
    done = quick("animate", photo, "fog", "-c", path, "--data-dir", tmp_path / "data", cwd=tmp_path)
    assert done.returncode == 2
    said = one_sentence(done.stderr)
    assert sentence in said and "config.toml" in said
    assert [p.name for p in tmp_path.iterdir()] == ["config.toml"]


def test_without_what_is_to_look_at_pictures_no_film_is_made(small: Path, photo: Path, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text('[safety]\nimage_check = "nobody"\n')
    common = ("--model", small, "-c", config, "--data-dir", tmp_path / "data")
    for order in (("animate", photo, "fog"), ("run",)):
        done = quick(*order, *common, cwd=tmp_path)
        assert done.returncode == 2
        said = one_sentence(done.stderr)
        assert "[safety] image_check cannot be used" in said and "nobody/config.json is not there" in said
    assert not (tmp_path / "data").exists()


def test_a_missing_configuration_is_refused(photo: Path, tmp_path: Path) -> None:
    done = quick("animate", photo, "fog", "-c", tmp_path / "none.toml")
    assert done.returncode == 2
    assert "none.toml" in one_sentence(done.stderr)


def broken(small: Path, target: Path, name: str, content: bytes | None) -> Path:
    """A copy of the checkpoint with one file gone, or with other content."""
    shutil.copytree(small, target)
    file = target / name
    if content is None:
        file.unlink()
    else:
        file.write_bytes(content)
    return target


WEIGHTS = "transformer/diffusion_pytorch_model.safetensors"


@pytest.mark.parametrize("name", ["flipbot.json", "vae/config.json"])
@pytest.mark.parametrize("content", [None, b"{nonsense"], ids=["missing", "corrupt"])
def test_a_broken_checkpoint_is_refused_before_anything_starts(
    name: str, content: bytes | None, small: Path, photo: Path, tmp_path: Path
) -> None:
    model = broken(small, tmp_path / "model", name, content)
    done = quick("animate", photo, "fog", "--model", model, "--data-dir", tmp_path / "data", cwd=tmp_path)
    assert done.returncode == 2
    assert Path(name).name in one_sentence(done.stderr)
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize("content", [None, b"\x00" * 100], ids=["missing", "corrupt"])
def test_broken_weights_are_refused_before_anything_starts(
    content: bytes | None, small: Path, photo: Path, tmp_path: Path
) -> None:
    model = broken(small, tmp_path / "model", WEIGHTS, content)
    done = quick("animate", photo, "fog", "--model", model, "--data-dir", tmp_path / "data", cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert "diffusion_pytorch_model.safetensors" in one_sentence(done.stderr)
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Path:
    """A file system of 4 MiB; making one needs the right to mount."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", disk], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("mounting a small file system is not allowed here; run the tests as root for this one")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


def test_a_full_disk_is_refused(tiny_disk: Path, small: Path, photo: Path, tmp_path: Path) -> None:
    done = quick(
        "animate", photo, "fog", "--model", small, "--data-dir", tiny_disk / "data", "-o", tmp_path / "film.mp4"
    )
    assert done.returncode == 2, done.stderr
    assert "MiB left" in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "film.mp4").exists()
    left = [path.name for path in (tiny_disk / "data").rglob("*") if path.is_file() and path.parent.name != "data"]
    assert set(left) <= {OWNER}
