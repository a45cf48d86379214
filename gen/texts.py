"""Prompts to Text: from the disk where they were encoded before, else here, or in a process that ends after.

One rule: text encoders of up to HERE bytes stay with the other models, since encoding with them costs less than
starting anything. Larger ones (15 GB) are never resident: gen/text_child.py loads them layer by layer, and ends, so
that the memory is really given back; what it made is kept on the disk, under a hash of the words and of the encoder.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from db.said import unpacked
from gen import encode
from gen.card import Checkpoint, PromptTemplate
from gen.errors import DeviceMissing, EncoderFailed, GenError, OutOfMemory, TextEncoderDied, by_reason
from gen.files import identity_of, weight_files
from gen.types import Text

if TYPE_CHECKING:
    from gen.weights import Models

log = logging.getLogger("flipbot.texts")

TEXT_PARTS = ("text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2")
HERE = 1 << 30  # bytes of weights
CACHE = 256 << 20  # bytes; a prompt takes 2 MB at most, so this is a hundred of the longest
TRIES = 2
LOOK_S = 0.2  # how often it is looked whether anybody still waits
ON_CARD = 3 << 29  # bytes of the card that one layer, its work and a second CUDA context need

Waiting = Callable[[], None]  # raises Cancelled


def fits_here(checkpoint: Checkpoint) -> bool:
    """Whether the text encoders are small enough to stay. raises: CheckpointIncomplete."""
    parts = ("text_encoder", "text_encoder_2")
    return sum(file.stat().st_size for part in parts for file in weight_files(checkpoint.parts[part], part)) <= HERE


class TextsHere:
    """Encodes with the models that are loaded."""

    def __init__(self, models: Models, template: PromptTemplate) -> None:
        self.models = models
        self.template = template

    def encode(self, prompts: Iterable[str], waiting: Waiting | None = None) -> dict[str, Text]:
        """Each distinct prompt with its encoding."""
        return {prompt: encode.encode_text(self.models, self.template, prompt) for prompt in dict.fromkeys(prompts)}


class TextsElsewhere:
    """Encodes in a process of its own, and remembers on the disk."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        folder: Path,
        *,
        device: str = "cpu",
        dtype: torch.dtype | None = None,
        threads: int = 0,
        program: tuple[str, ...] = ("-m", "gen.text_child"),
        most: int = CACHE,
    ) -> None:
        """folder: of the remembered ones; most: bytes of them."""
        self.checkpoint = checkpoint
        self.folder = folder
        self.device = device
        self.dtype = dtype
        self.threads = threads
        self.program = program
        self.most = most

    @cached_property
    def encoder(self) -> str:
        """What a result depends on beside the prompt, as one text: tokenizers have differed between versions."""
        from transformers import __version__

        template = asdict(self.checkpoint.card.prompt_template)
        files = identity_of({part: self.checkpoint.parts[part] for part in TEXT_PARTS})
        return json.dumps([1, files, template, str(self.dtype), __version__])

    def encode(self, prompts: Iterable[str], waiting: Waiting | None = None) -> dict[str, Text]:
        """Each distinct prompt with its encoding; only those that are not on the disk cost anything.

        waiting: called again and again meanwhile; what it raises ends the process
        raises:  TextEncoderDied, and what loading and encoding can raise
        """
        found = {prompt: self.read(prompt) for prompt in dict.fromkeys(prompts)}
        missing = [prompt for prompt, text in found.items() if text is None]
        if missing:
            for prompt, text in self.made(missing, waiting).items():
                self.write(prompt, text)
                found[prompt] = text
        return {prompt: text for prompt, text in found.items() if text is not None}

    # The remembered ones

    def path(self, prompt: str) -> Path:
        """Where a prompt's encoding lies; its name says nothing of the words."""
        name = hashlib.sha256("\n".join((self.encoder, prompt)).encode()).hexdigest()
        return self.folder / f"{name}.safetensors"

    def read(self, prompt: str) -> Text | None:
        """The encoding, if it is there and whole."""
        path = self.path(prompt)
        try:
            tensors = {key: tensor.clone() for key, tensor in load_file(path).items()}
            text = Text(tensors["prompt_embeds"], tensors["pooled"])
            os.utime(path)  # the ones not asked for the longest go first
        except FileNotFoundError:
            return None
        except (OSError, SafetensorError, KeyError):
            path.unlink(missing_ok=True)
            return None
        return text

    def write(self, prompt: str, text: Text) -> None:
        """Remember one. A disk that takes nothing is no reason to fail: it is encoded again the next time."""
        path = self.path(prompt)
        new = path.with_name(f".{uuid.uuid4().hex}.new")
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            save_file({"prompt_embeds": text.prompt_embeds.contiguous(), "pooled": text.pooled.contiguous()}, new)
            new.replace(path)
            self.trim()
        except (OSError, SafetensorError) as error:
            new.unlink(missing_ok=True)
            log.warning("a prompt's encoding could not be kept: %s", error)

    def trim(self) -> None:
        """Forget the ones not asked for the longest, until the rest is small enough; and what a crash left."""
        files = [(path.stat().st_mtime_ns, path.stat().st_size, path) for path in self.folder.glob("*.safetensors")]
        total = sum(size for _, size, _ in files)
        for _, size, path in sorted(files):
            if total <= self.most:
                break
            path.unlink(missing_ok=True)
            total -= size

    # The process

    def made(self, prompts: list[str], waiting: Waiting | None) -> dict[str, Text]:
        """The encodings from a process; one that dies is started once more, without the card where it used it."""
        place = self.place()
        with tempfile.TemporaryDirectory(prefix="flipbot-texts-") as folder:
            out = Path(folder)
            for n in range(1, TRIES + 1):
                status = self.run(prompts, out, place, waiting)
                if (out / "error.json").is_file():
                    error = error_of(json.loads((out / "error.json").read_text("utf-8")))
                    if place == "cpu" or not isinstance(error, OutOfMemory | DeviceMissing):
                        raise error
                    (out / "error.json").unlink()
                elif status == 0 and (out / "texts.safetensors").is_file():
                    return read_texts(out / "texts.safetensors", prompts)
                log.warning("text encoder died on=%s status=%s try=%d/%d", place, status, n, TRIES)
                place = "cpu"
        raise TextEncoderDied(status=status)

    def run(self, prompts: list[str], out: Path, place: str, waiting: Waiting | None) -> int:
        """Start it, and wait; returns its exit status."""
        template = self.checkpoint.card.prompt_template
        words = encode.in_template("{}", template)  # here, where diffusers is imported already
        asked = {
            "parts": {part: str(self.checkpoint.parts[part]) for part in TEXT_PARTS},
            "template": asdict(template) | {"template": words},
            "prompts": prompts,
            "device": place,
            "dtype": None if self.dtype is None else str(self.dtype).removeprefix("torch."),
            "threads": self.threads,
            "out": str(out),
        }
        process = subprocess.Popen([sys.executable, *self.program], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        assert process.stdin is not None
        try:
            with suppress(OSError):  # it is dead already: its status says so
                process.stdin.write(json.dumps(asked).encode() + b"\n")
                process.stdin.flush()
            while True:
                try:
                    return process.wait(LOOK_S)
                except subprocess.TimeoutExpired:
                    if waiting is not None:
                        waiting()
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
            with suppress(OSError):
                process.stdin.close()

    def place(self) -> str:
        """The card if it has room for one layer beside what is on it; else the CPU."""
        if not self.device.startswith("cuda"):
            return "cpu"
        torch.cuda.empty_cache()  # what the last section worked with is free, but for the driver it is ours
        free, _ = torch.cuda.mem_get_info(torch.device(self.device))
        return self.device if free >= ON_CARD else "cpu"


def error_of(said: Mapping[str, object]) -> GenError:
    """The error that the process wrote down."""
    kind, facts = by_reason(str(said["reason"])), unpacked(said["facts"])
    assert isinstance(facts, dict)
    return (kind or EncoderFailed)(**facts)


def read_texts(path: Path, prompts: list[str]) -> dict[str, Text]:
    """What the process made, in the order in which it was asked."""
    tensors = load_file(path)
    return {
        prompt: Text(tensors[f"{n}.prompt_embeds"].clone(), tensors[f"{n}.pooled"].clone())
        for n, prompt in enumerate(prompts)
    }


Texts = TextsHere | TextsElsewhere
