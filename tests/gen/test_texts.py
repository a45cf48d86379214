"""Prompts encoded in a process of their own: the same bits, kept on the disk, and what happens when it goes wrong."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from db.said import Said
from gen.card import Card, Checkpoint
from gen.child import Child
from gen.engine import Engine
from gen.errors import Cancelled, CheckpointCorrupt, TextEncoderDied
from gen.text_child import encoded
from gen.texts import TEXT_PARTS, TextsElsewhere, TextsHere, fits_here
from gen.types import Plan, Text
from gen.weights import Models

PROMPTS = ("A red boat drifts slowly.", "The girl dances.")


@pytest.fixture
def elsewhere(checkpoint: Checkpoint, card: Card, tmp_path: Path) -> TextsElsewhere:
    return TextsElsewhere(Checkpoint(card, checkpoint.parts), tmp_path / "texts", dtype=torch.float32, threads=1)


def equal(a: Text, b: Text) -> bool:
    return torch.equal(a.prompt_embeds, b.prompt_embeds) and torch.equal(a.pooled, b.pooled)


def program(tmp_path: Path, source: str) -> tuple[str, ...]:
    """A process that stands in for the encoder's."""
    path = tmp_path / "stand_in.py"
    path.write_text(textwrap.dedent(source))
    return (str(path),)


CRASHES_ONCE = """
    import os, pathlib, runpy
    mark = pathlib.Path({mark!r})
    if not mark.exists():
        mark.write_text("")
        os._exit(7)
    runpy.run_module("gen.text_child", run_name="__main__")
"""
MAKES_ZEROS = """
    import json, pathlib, sys
    import numpy as np
    from safetensors.numpy import save_file
    asked = json.loads(sys.stdin.readline())
    with open({log!r}, "a") as log:
        log.write(json.dumps(asked["prompts"]) + "\\n")
    made = {{}}
    for n, _ in enumerate(asked["prompts"]):
        made |= {{f"{{n}}.prompt_embeds": np.zeros((1, 5, 64), "f4"), f"{{n}}.pooled": np.zeros((1, 32), "f4")}}
    save_file(made, pathlib.Path(asked["out"]) / "texts.safetensors")
"""
SAYS_WHY = """
    import json, sys
    from db.said import said
    from gen.text_child import told
    why = said("is cut off or no safetensors file")
    told(json.loads(sys.stdin.readline()), "checkpoint_corrupt", {"file": "llama", "why": why})
    sys.exit(1)
"""


def test_the_process_makes_the_same_bits_and_the_disk_remembers_them(
    elsewhere: TextsElsewhere, models: Models, card: Card, tmp_path: Path
) -> None:
    here = TextsHere(models, card.prompt_template).encode(PROMPTS)
    elsewhere.program = program(tmp_path, CRASHES_ONCE.format(mark=str(tmp_path / "mark")))  # and is started again
    made = elsewhere.encode((*PROMPTS, PROMPTS[0]))
    assert (tmp_path / "mark").exists()
    assert list(made) == list(here) == list(PROMPTS)
    assert all(equal(made[prompt], here[prompt]) for prompt in PROMPTS)
    # From here on a process would fail: it is not needed any more
    elsewhere.program = program(tmp_path, "raise SystemExit(9)")
    again = elsewhere.encode(PROMPTS)
    assert all(equal(again[prompt], here[prompt]) for prompt in PROMPTS)
    assert not [path for path in elsewhere.folder.iterdir() if b"boat" in path.read_bytes()]
    with pytest.raises(TextEncoderDied, match="status 9"):
        elsewhere.encode(["another one"])
    # One that is damaged is encoded again
    elsewhere.path(PROMPTS[0]).write_bytes(b"nothing")
    with pytest.raises(TextEncoderDied):
        elsewhere.encode(PROMPTS)
    assert equal(elsewhere.encode(PROMPTS[1:])[PROMPTS[1]], here[PROMPTS[1]])


def test_an_engine_asks_only_for_prompts_it_has_not_seen(
    elsewhere: TextsElsewhere, models: Models, card: Card, plan: Plan, picture: Image.Image, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    elsewhere.program = program(tmp_path, MAKES_ZEROS.format(log=str(log)))
    engine = Engine(dataclasses.replace(models, text_encoder=None, text_encoder_2=None), card, elsewhere)
    made = engine.encode(dataclasses.replace(plan, cfg=2.0, negative="blurry"), picture)
    assert set(made.texts) == set(plan.prompts)
    assert made.negative is not None
    steered = dataclasses.replace(plan, prompts=(*plan.prompts[:-1], "Rain falls."))
    more = engine.encode_more(steered, made)
    assert set(more.texts) == set(steered.prompts)
    engine.encode_more(steered, made)  # the disk knows it now
    assert [json.loads(line) for line in log.read_text().splitlines()] == [
        [*dict.fromkeys(plan.prompts), "blurry"],
        ["Rain falls."],
    ]


class OnACard(TextsElsewhere):
    """As where a card has room."""

    def place(self) -> str:
        return "cuda"


FAILS_ON_A_CARD = """
    import io, json, os, sys
    line = sys.stdin.readline()
    asked = json.loads(line)
    if asked["device"] == "cuda":
        from gen.text_child import told
        {fails}
        sys.exit(1)
    sys.stdin = io.StringIO(line)
"""


@pytest.mark.parametrize("reason", ["out_of_memory", "device_missing", ""])
def test_what_a_card_cannot_encode_the_processor_does(elsewhere: TextsElsewhere, tmp_path: Path, reason: str) -> None:
    fails = FAILS_ON_A_CARD.format(fails=f"told(asked, {reason!r}, {{}})" if reason else "os._exit(3)")
    on_card = OnACard(elsewhere.checkpoint, elsewhere.folder, device="cuda", dtype=torch.float32, threads=1)
    on_card.program = program(tmp_path, fails + MAKES_ZEROS.format(log=str(tmp_path / "log")))
    made = on_card.encode(PROMPTS)
    assert all(equal(text, Text(torch.zeros(1, 5, 64), torch.zeros(1, 32))) for text in made.values())
    assert list(made) == list(PROMPTS)


def test_what_it_says_is_wrong_is_said_here(elsewhere: TextsElsewhere, tmp_path: Path) -> None:
    elsewhere.program = program(tmp_path, SAYS_WHY)
    with pytest.raises(CheckpointCorrupt, match="llama is cut off") as caught:
        elsewhere.encode(PROMPTS)
    assert isinstance(caught.value.facts["why"], Said)


def test_what_a_child_fails_at_goes_as_what_can_be_translated() -> None:
    wanted = {"model": "tiny", "models_dir": "", "device": "cpu", "precision": "auto", "attention": "sage"}
    told: list[dict[str, Any]] = []
    Child(told.append, lambda _: False).answer({"do": "load", "threads": 0, **wanted})
    (event,) = json.loads(json.dumps(told))
    assert event["facts"]["why"] == {"said": "there is no card that it could run on", "facts": {}}


def test_a_damaged_encoder_is_named(checkpoint: Checkpoint, tmp_path: Path) -> None:
    folder = tmp_path / "llama"
    shutil.copytree(checkpoint.parts["text_encoder"], folder)
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:20_000])
    parts = {part: str(checkpoint.parts[part]) for part in TEXT_PARTS} | {"text_encoder": str(folder)}
    asked = {"parts": parts, "template": {}, "prompts": [], "device": "cpu", "dtype": "float32", "threads": 0}
    with pytest.raises(CheckpointCorrupt, match="llama"):
        encoded(asked)


def test_a_cancel_ends_the_process(elsewhere: TextsElsewhere, tmp_path: Path) -> None:
    note = tmp_path / "pid"
    elsewhere.program = program(
        tmp_path,
        f"""
        import os, time, pathlib
        pathlib.Path({str(note)!r}).write_text(str(os.getpid()))
        time.sleep(600)
        """,
    )

    def waiting() -> None:
        if note.exists() and note.read_text():
            raise Cancelled

    with pytest.raises(Cancelled):
        elsewhere.encode(PROMPTS, waiting)
    if sys.platform != "win32":
        with pytest.raises(ProcessLookupError):
            os.kill(int(note.read_text()), 0)


def test_the_disk_remembers_no_more_than_it_may(elsewhere: TextsElsewhere) -> None:
    text = Text(torch.zeros(1, 10, 64), torch.zeros(1, 32))
    for n in range(8):
        elsewhere.write(f"prompt {n}", text)
        os.utime(elsewhere.path(f"prompt {n}"), (n + 1, n + 1))
    size = elsewhere.path("prompt 0").stat().st_size
    assert elsewhere.read("prompt 0") is not None  # looked at: it is the newest now
    elsewhere.most = 3 * size
    elsewhere.write("prompt 8", text)
    assert sum(path.stat().st_size for path in elsewhere.folder.iterdir()) <= elsewhere.most
    assert [n for n in range(9) if elsewhere.read(f"prompt {n}")] == [0, 7, 8]


def test_the_key_changes_with_the_encoder_and_the_template(
    elsewhere: TextsElsewhere, checkpoint: Checkpoint, tmp_path: Path
) -> None:
    folder = tmp_path / "llama"
    shutil.copytree(checkpoint.parts["text_encoder"], folder)
    data = bytearray((folder / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (folder / "model.safetensors").write_bytes(data)
    parts = {**checkpoint.parts, "text_encoder": folder}
    other = TextsElsewhere(Checkpoint(elsewhere.checkpoint.card, parts), elsewhere.folder, dtype=torch.float32)
    assert other.path("a") != elsewhere.path("a") != elsewhere.path("b")


def test_what_another_transformers_read_is_read_again(
    elsewhere: TextsElsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = elsewhere.path("a")
    monkeypatch.setattr("transformers.__version__", "5.20.0")
    before = TextsElsewhere(elsewhere.checkpoint, elsewhere.folder, dtype=torch.float32)
    assert before.path("a") != kept


def test_small_encoders_stay_and_large_ones_do_not(checkpoint: Checkpoint, tmp_path: Path) -> None:
    assert fits_here(checkpoint)
    folder = tmp_path / "llama"
    shutil.copytree(checkpoint.parts["text_encoder"], folder)
    with (folder / "model.safetensors").open("r+b") as file:
        file.truncate((1 << 30) + 1)  # a hole: no disk is used
    assert not fits_here(Checkpoint(checkpoint.card, {**checkpoint.parts, "text_encoder": folder}))
    assert set(TEXT_PARTS) < set(checkpoint.parts)
