"""`flipbot animate` as a stranger uses it: real processes, real files."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gen.film import film_settings, probe, read_frames
from tests.e2e.conftest import files, one_sentence, quick, run, start
from tests.ready import ready


def until_served(service: "subprocess.Popen[str]", data_dir: Path) -> None:
    """Wait until a service can be spoken to."""
    until = time.monotonic() + 60
    while not (data_dir / "control.sock").exists():
        assert service.poll() is None and time.monotonic() < until
        time.sleep(0.05)


def test_a_photo_becomes_a_film(small: Path, photo: Path, data_dir: Path, config: Path, tmp_path: Path) -> None:
    target = tmp_path / "film.mp4"
    asked = ("animate", photo, "night", "--seconds", 2, "falls", "--seed", 5, "--model", small, "-o", target)
    done = run(*asked, "--data-dir", data_dir, "-c", config)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == str(target)
    assert "untrained test checkpoint: shows the machinery, not pictures" in done.stderr
    assert "1.2 of 2.4 s are ready" in done.stderr
    assert "INFO" not in done.stderr, "the log is for who runs a service"
    info = probe(target)
    assert (info.frames, info.width, info.height, info.fps) == (73, 48, 48, 30)
    assert len(list(read_frames(target))) == 73
    settings = film_settings(info.metadata)
    assert settings is not None
    assert (settings["seed"], settings["prompt"], settings["model"]) == (5, "night falls", "small@1")
    assert "AI-generated" in info.metadata["comment"]
    longer = tmp_path / "longer.mp4"
    asked = ("animate", "--extend", 1, "fog", "--seconds", 1, "--model", small, "-o", longer)
    done = run(*asked, "--data-dir", data_dir, "-c", config)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == str(longer)
    assert probe(longer).frames == 109
    work = data_dir / "media" / "tmp"
    assert not list(work.iterdir()), "work folders are gone"


def test_a_film_with_an_end_picture_is_made_from_its_end(
    small: Path, photo: Path, data_dir: Path, config: Path, tmp_path: Path
) -> None:
    target = tmp_path / "film.mp4"
    asked = ("animate", photo, "fog", "--seconds", 2, "--end-image", photo, "--model", small, "-o", target)
    done = run(*asked, "--data-dir", data_dir, "-c", config)
    assert done.returncode == 0, done.stderr
    info = probe(target)
    assert info.frames == len(list(read_frames(target))) == 73
    settings = film_settings(info.metadata)
    assert settings is not None
    assert settings["settings"]["sampling"] == "inverted"


@dataclass(frozen=True)
class Twice:
    """An order that was given twice, each with a data folder of its own: for a person, and with a log for programs."""

    folder: Path
    config: Path
    done: "list[subprocess.CompletedProcess[str]]"

    @property
    def films(self) -> list[Path]:
        return [self.folder / "0.mp4", self.folder / "1.mp4"]


@pytest.fixture(scope="module")
def twice(small: Path, tmp_path_factory: pytest.TempPathFactory) -> Twice:
    folder = tmp_path_factory.mktemp("twice")
    grain = np.random.default_rng(0).integers(0, 256, (900, 1200, 3), np.uint8)
    Image.fromarray(grain).save(folder / "grain.jpg", quality=40)
    Image.fromarray(grain).save(folder / "grain.png")
    config, log = folder / "config.toml", '[service]\nlog_format = "json"\nlog_level = "debug"\n'
    done = []
    for n, more in enumerate(("", log)):
        config.write_text(f"[model]\nthreads = 1\n[web]\nport = 0\n[limits]\nimage_max_mib = 1\n{more}")
        asked = ("animate", folder / "grain.jpg", "fog | 0.9s: sun", "--seconds", 1, "--seed", 5, "--model", small)
        done.append(run(*asked, "-o", folder / f"{n}.mp4", "--data-dir", folder / str(n), "-c", config))
    return Twice(folder, config, done)


def test_the_same_order_gives_the_same_file(twice: Twice) -> None:
    for done in twice.done:
        assert done.returncode == 0 and "to the end: sun." in done.stderr, done.stderr
    one, other = (film.read_bytes() for film in twice.films)
    assert one == other


def test_a_log_for_programs_is_one_in_every_process(twice: Twice) -> None:
    done = twice.done[1]
    assert done.returncode == 0, done.stderr
    told = [json.loads(line) for line in done.stderr.splitlines() if "flipbot." in line]
    assert {"flipbot.queue", "flipbot.dispatch", "flipbot.child"} <= {line["logger"] for line in told}


def test_a_photo_that_is_larger_as_a_png_is_judged_by_the_file_that_was_given(twice: Twice, small: Path) -> None:
    assert twice.done[0].returncode == 0, twice.done[0].stderr
    assert probe(twice.films[0]).frames == 37
    asked = ("--seconds", 1, "--model", small, "--data-dir", twice.folder / "png", "-c", twice.config)
    done = quick("animate", twice.folder / "grain.png", "fog", *asked, "-o", twice.folder / "png.mp4")
    assert done.returncode == 2
    assert "the limit is 1 MiB" in one_sentence(done.stderr)


def test_ctrl_c_keeps_what_is_finished(small: Path, photo: Path, data_dir: Path, config: Path, tmp_path: Path) -> None:
    target = tmp_path / "film.mp4"
    asked = ("animate", photo, "fog", "--seconds", 60, "--model", small, "-o", target)
    process = start(*asked, "--data-dir", data_dir, "-c", config)
    until = time.monotonic() + 120
    while not target.exists():
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    assert out.splitlines()[-1] == str(target)
    frames = probe(target).frames
    assert frames >= 37 and (frames - 1) % 36 == 0
    assert f"The {frames / 30:.1f}".removesuffix(".0") in errors.replace("\n", " ")


def test_ctrl_c_before_the_first_second_keeps_nothing(
    small: Path, photo: Path, data_dir: Path, config: Path, tmp_path: Path
) -> None:
    target = tmp_path / "film.mp4"
    asked = ("animate", photo, "fog", "--seconds", 60, "--model", small, "-o", target)
    process = start(*asked, "--data-dir", data_dir, "-c", config)
    until = time.monotonic() + 120
    while not (data_dir / "control.sock").exists() or not files(data_dir / "media"):
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.02)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    assert (out == "") == (not target.exists())


def test_a_film_whose_terminal_was_killed_is_handed_out_later(
    small: Path, photo: Path, data_dir: Path, config: Path, tmp_path: Path
) -> None:
    asked = ("animate", photo, "fog", "--seconds", 6, "--seed", 7, "--model", small, "-o", tmp_path / "first.mp4")
    process = start(*asked, "--data-dir", data_dir, "-c", config)
    until = time.monotonic() + 120
    while not (tmp_path / "first.mp4").exists():
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.02)
    process.kill()
    process.communicate(timeout=60)
    line = quick("queue", "--data-dir", data_dir)
    assert "No service is running here" in line.stdout and "s are ready" in line.stdout and "left" not in line.stdout
    part = quick("film", "--data-dir", data_dir, "-c", config, cwd=tmp_path)
    assert part.returncode == 0, part.stderr
    assert part.stdout == "film-1.mp4\n"
    assert "s saved to film-1.mp4 (film 1, seed 7), which is still in line." in part.stderr
    assert "No service is running here" in part.stderr
    assert 37 <= probe(tmp_path / "film-1.mp4").frames < 181
    assert run("worker", "--until-empty", "--model", small, "--data-dir", data_dir, "-c", config).returncode == 0
    whole = quick("film", 1, "-o", "whole.mp4", "--data-dir", data_dir, "-c", config, cwd=tmp_path)
    assert (whole.returncode, whole.stdout) == (0, "whole.mp4\n"), whole.stderr
    assert whole.stderr.splitlines() == [
        "6 s saved to whole.mp4 (film 1, seed 7)",
        f"flipbot animate -c {config} --data-dir {data_dir} --extend 1 makes it longer.",
    ]  # fmt: skip
    assert probe(tmp_path / "whole.mp4").frames == 181
    missing = quick("film", 99, "--data-dir", data_dir, "-c", config, cwd=tmp_path)
    assert (missing.returncode, one_sentence(missing.stderr)) == (2, "There is no film 99.")
    missing = run("animate", "--extend", 99, "--model", small, "--data-dir", data_dir, "-c", config, cwd=tmp_path)
    assert missing.returncode == 2 and missing.stderr.splitlines()[-1] == "flipbot: There is no film 99."


def test_a_second_terminal_asks_the_running_service(
    small: Path, photo: Path, data_dir: Path, config: Path, tmp_path: Path
) -> None:
    """A second terminal does not start a second engine: it asks the one that runs."""
    service = start("run", "--model", small, "--data-dir", data_dir, "-c", config)
    try:
        until_served(service, data_dir)
        target = tmp_path / "film.mp4"
        asked = ("animate", photo, "fog", "--seconds", 1, "-o", target, "--data-dir", data_dir, "--model", small)
        done = run(*asked)
        assert done.returncode == 0, done.stderr
        assert "A service is already running here" in done.stderr
        sized = quick("animate", photo, "fog", "--size", "48", "--data-dir", data_dir, "-c", config)
        assert (sized.returncode, "leave --size out" in one_sentence(sized.stderr)) == (2, True)
        assert probe(target).frames == 37
        other = quick("animate", photo, "fog", "--data-dir", data_dir, "--model", "tiny", "-o", target)
        assert other.returncode == 2
        second = quick("worker", "--model", small, "--data-dir", data_dir)
        assert second.returncode == 2
        assert "is in use by another flipbot" in second.stderr
        assert "Nothing is in line." in quick("queue", "--data-dir", data_dir).stderr
        missing = quick("cancel", 99, "--data-dir", data_dir)
        assert missing.returncode == 2
        assert one_sentence(missing.stderr) == "There is no film 99."
        doctor = run("doctor", "--model", small, "--data-dir", data_dir)
        assert doctor.returncode == 0, doctor.stdout
        assert "A service is running" in doctor.stdout
        assert "GiB left." in doctor.stdout, "what a service does not keep from being looked at is looked at"
    finally:
        service.send_signal(signal.SIGTERM)
        _, errors = service.communicate(timeout=60)
    assert service.returncode == 0
    assert "Traceback" not in errors
    assert "section recorded job=1 n=1/1" in errors
    assert not (data_dir / "control.sock").exists()


def test_two_engines_of_one_service_make_the_films_that_one_makes(
    small: Path, photo: Path, config: Path, tmp_path: Path
) -> None:
    both, alone = tmp_path / "both", tmp_path / "alone"
    settings = config.read_text()
    config.write_text(settings.replace("[model]\n", '[model]\ndevice = "cpu, cpu"\n'))
    service = start("run", "--model", small, "--data-dir", both, "-c", config)
    asked = ("animate", photo, "fog", "--seconds", 2, "--model", small)
    films = [tmp_path / f"{seed}.mp4" for seed in (5, 6)]
    try:
        until_served(service, both)
        growing = [start(*asked, "--seed", film.stem, "-o", film, "--data-dir", both) for film in films]
        ended = [each.communicate(timeout=240) for each in growing]
        assert [each.returncode for each in growing] == [0, 0], ended
    finally:
        service.send_signal(signal.SIGTERM)
        _, errors = service.communicate(timeout=60)
    assert service.returncode == 0 and "Traceback" not in errors
    assert errors.count("model loaded") == 2
    config.write_text(settings)
    once = tmp_path / "once.mp4"
    done = run(*asked, "--seed", 5, "-o", once, "--data-dir", alone, "-c", config)
    assert done.returncode == 0, done.stderr
    assert once.read_bytes() == films[0].read_bytes() != films[1].read_bytes()


def test_a_cancelled_film_leaves_the_line(small: Path, photo: Path, data_dir: Path, config: Path) -> None:
    """`front` takes films in while nobody makes them; queue and cancel work beside it and without it."""
    until = time.monotonic() + 60
    front = start("front", "--model", small, "--data-dir", data_dir, "-c", config)
    try:
        until_served(front, data_dir)
        asked = ("animate", photo, "fog", "--data-dir", data_dir, "--model", small, "--seconds", 5, "-o", "x.mp4")
        waiting = start(*asked, cwd=data_dir)
        while "fog" not in (table := quick("queue", "--data-dir", data_dir).stdout):
            assert time.monotonic() < until, table
        assert "terminal" in table and "0/4" in table and "Next in line" in table
        assert "No worker runs here, so films wait until one does: flipbot run" in table
        assert front.stderr is not None
        said = iter(front.stderr.readline, "")
        page = next(found[0] for line in said if (found := re.search(r"http://[^ ]+", line))).rstrip(".")
        with urllib.request.urlopen(page) as answer:
            assert "No worker runs here" in answer.read().decode()
        assert quick("pause", "too hot", "--data-dir", data_dir).returncode == 0
        assert quick("cancel", 1, "--data-dir", data_dir).returncode == 0
        out, errors = waiting.communicate(timeout=60)
        assert waiting.returncode == 130, errors
        assert out == ""
        assert errors.count("Paused: too hot.") == 1
        assert "No worker runs here" in errors and "already running" not in errors
    finally:
        front.send_signal(signal.SIGTERM)
        _, errors = front.communicate(timeout=60)
    assert front.returncode == 0, errors
    again = quick("cancel", 1, "--data-dir", data_dir)
    assert again.returncode == 2
    assert "already ended" in one_sentence(again.stderr)


@pytest.mark.skipif(os.name == "nt", reason="no process can be stopped there as if it hung")
def test_a_service_that_hangs_is_named_and_holds_up_no_operator(small: Path, data_dir: Path, config: Path) -> None:
    front = start("front", "--model", small, "--data-dir", data_dir, "-c", config)
    try:
        until_served(front, data_dir)
        front.send_signal(signal.SIGSTOP)
        said = f"The service (process {front.pid}) does not answer."
        orders = [("queue", "--once"), ("pause", "too hot"), ("doctor", "--model", small)]
        with ThreadPoolExecutor() as at_once:  # each waits its time for an answer
            asked = [at_once.submit(quick, *order, "--data-dir", data_dir, "-c", config) for order in orders]
            *refused, examined = [each.result() for each in asked]
        for hung in refused:
            assert hung.returncode == 1
            assert said in one_sentence(hung.stderr)
        assert f"MISS {said}" in examined.stdout
        assert "Disk: " in examined.stdout.partition(said)[2]
    finally:
        front.send_signal(signal.SIGCONT)
        front.send_signal(signal.SIGTERM)
        _, errors = front.communicate(timeout=60)
    assert front.returncode == 0, errors


def test_a_film_in_line_outlives_an_upgrade_of_the_model_and_a_pause(
    small: Path, photo: Path, data_dir: Path, config: Path, tmp_path: Path
) -> None:
    model = shutil.copytree(small, tmp_path / "small")
    here = ("--data-dir", data_dir, "-c", config)
    ready(data_dir)
    assert quick("pause", "too hot", *here).returncode == 0
    waiting = start("animate", photo, "fog", "--seconds", 1, "--model", model, *here, cwd=tmp_path)
    until = time.monotonic() + 60
    while "fog" not in (table := quick("queue", *here).stdout):
        assert time.monotonic() < until and waiting.poll() is None, (table, waiting.communicate())
    waiting.kill()
    waiting.communicate(timeout=60)
    other = run("worker", "--until-empty", *here)  # tiny's, which has nothing to do, and does not wait for the film
    assert other.returncode == 0 and "films wait for another model jobs=1 models=small@1 running=tiny@" in other.stderr
    assert "Waiting for the model small, which is not" in " ".join(run("queue", *here).stdout.split())
    card = model / "flipbot.json"
    card.write_text(json.dumps(json.loads(card.read_text()) | {"version": "2"}))
    worker = start("worker", "--until-empty", "--model", model, *here)
    assert worker.stderr is not None
    said = ""
    while (
        "Paused: too hot. No new section is started; " not in said
        or f"flipbot resume -c {config} --data-dir {data_dir}" not in said
    ):
        line = worker.stderr.readline()
        assert line, said
        said += line
    assert quick("resume", *here).returncode == 0
    _, rest = worker.communicate(timeout=120)
    assert worker.returncode == 0, rest
    assert (said + rest).count("Paused") == 1 and "plans renewed jobs=1 model=small@2" in said + rest
    whole = quick("film", 1, "-o", tmp_path / "whole.mp4", *here)
    assert whole.returncode == 0, whole.stderr
    settings = film_settings(probe(tmp_path / "whole.mp4").metadata)
    assert settings is not None and settings["model"] == "small@2"


def test_a_service_keeps_its_owners_hours_and_whoever_sits_at_the_machine_does_not_wait_for_them(
    small: Path, photo: Path, data_dir: Path, config: Path, tmp_path: Path
) -> None:
    opens = datetime.now() + timedelta(hours=6)
    hours = f"{opens:%H:%M}-{opens + timedelta(minutes=1):%H:%M}"
    config.write_text(config.read_text().replace("[model]\n", f'[model]\nhours = "{hours}"\n'))
    here = ("--data-dir", data_dir, "-c", config)
    ready(data_dir)
    service = start("run", "--model", small, *here, cwd=tmp_path)
    try:
        assert service.stderr is not None
        while "The page is at" not in (line := service.stderr.readline()):
            assert line
        waiting = start("animate", photo, "fog", "--seconds", 1, "--model", small, *here, cwd=tmp_path)
        until = time.monotonic() + 60
        while "Waiting for the hours" not in (line := quick("queue", "--once", *here).stdout):
            assert time.monotonic() < until and waiting.poll() is None, (line, waiting.communicate())
        assert f"Films are made again from {opens:%H:%M} on, by the clock of " in line
        waiting.kill()
        waiting.communicate(timeout=60)
    finally:
        service.send_signal(signal.SIGTERM)
        _, errors = service.communicate(timeout=60)
    assert service.returncode == 0 and "no films are made now reason=hours" in errors and "child started" not in errors
    assert "Films are made again" not in quick("queue", "--once", *here).stdout, "nobody says so any more"
    own = run("animate", photo, "snow", "--seconds", 1, "--model", small, *here, cwd=tmp_path)
    assert own.returncode == 0, own.stderr


@pytest.mark.parametrize("half", ["front", "worker"])
def test_each_half_says_that_one_machine_needs_neither(half: str) -> None:
    assert "`flipbot run` does both" in " ".join(quick(half, "--help").stdout.split())
