"""A checkpoint's files: whether all are there and whole, and what they are, without loading any. No torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from gen.card import PARTS, PRESETS, Checkpoint, find_checkpoint, need_file, read_json
from gen.errors import CheckpointCorrupt, CheckpointIncomplete, GenError
from gen.sources import CONFIGS, SOURCES, STEMS, shards

MANIFEST = "flipbot-files.json"  # in the folder of a downloaded repository
WHOLE_MIB = 64  # files up to this size go into the identity whole, larger ones by their two ends


def check(checkpoint: Checkpoint) -> None:
    """Raise CheckpointIncomplete or CheckpointCorrupt, with the file's name, for a checkpoint that cannot be loaded."""
    for part, folder in checkpoint.parts.items():
        read_json(folder / CONFIGS.get(part, "config.json"))
        if part in CONFIGS:
            check_words(folder, part)
        else:
            check_weights(folder, part)


def present(checkpoint: Checkpoint) -> None:
    """Raise CheckpointIncomplete for a weight file that is gone. Opens none: cheap enough for each page."""
    for part, folder in checkpoint.parts.items():
        if part not in CONFIGS:
            weight_files(folder, part)


def weight_files(folder: Path, part: str) -> list[Path]:
    """The safetensors files of a model: the one, or those of its index that are read. Raises CheckpointIncomplete."""
    return [need_file(path) for path in weight_paths(folder, part)]


def weight_paths(folder: Path, part: str) -> list[Path]:
    """Where they should be. Files of the Llama in which nothing is ever read need not be there."""
    stem = STEMS.get(part, "model")
    index = folder / f"{stem}.safetensors.index.json"
    if not index.is_file():
        return [folder / f"{stem}.safetensors"]
    layers = int(read_json(folder / "config.json").get("num_hidden_layers", 0)) if part == "text_encoder" else 0
    return [folder / name for name in shards(part, weight_map_of(read_json(index), index), layers)]


def weight_map_of(index: dict[str, Any], path: Path) -> dict[str, str]:
    """Weight → file, from the index of a model in several files."""
    names = index.get("weight_map")
    if not isinstance(names, dict) or not names:
        raise CheckpointCorrupt(file=str(path), why="names no weights")
    return {str(key): str(name) for key, name in names.items()}


def check_weights(folder: Path, part: str) -> None:
    """Raise CheckpointIncomplete or CheckpointCorrupt for files that are absent, cut off or not safetensors."""
    for file in weight_files(folder, part):
        try:
            with safe_open(file, "np") as opened:
                opened.keys()
        except (SafetensorError, OSError) as error:
            raise CheckpointCorrupt(file=str(file), why="is cut off or no safetensors file") from error


def check_words(folder: Path, part: str) -> None:
    """The same for a part without weights: its JSON files, and a tokenizer's vocabulary, which may lie in two forms."""
    whole = folder / "tokenizer.json"
    if part == "tokenizer" and not (folder / "tokenizer.model").is_file():
        need_file(whole)
    if part == "tokenizer_2" and not whole.is_file():
        need_file(folder / "vocab.json")
        need_file(folder / "merges.txt")
    for file in sorted(folder.glob("*.json")):
        read_json(file)


def identity(checkpoint: Checkpoint) -> str:
    """name@version+hash: the hash changes with any config and, up to 64 MiB a file, with any weight.

    Of larger files only the size and the two ends count; those of the hub have hashes of their own.
    """
    return f"{checkpoint.card.identity}+{identity_of(checkpoint.parts)[:12]}"


def identity_of(parts: Mapping[str, Path]) -> str:
    """The hash of some parts alone."""
    digest = hashlib.sha256()
    for part, folder in sorted(parts.items()):
        for file in sorted(path for path in folder.iterdir() if path.suffix in (".json", ".txt", ".safetensors")):
            if file.name == MANIFEST:
                continue
            digest.update(f"{part}/{file.name} {file.stat().st_size}\n".encode())
            with file.open("rb") as opened:
                digest.update(opened.read(WHOLE_MIB << 20))
                if file.stat().st_size > WHOLE_MIB << 20:
                    opened.seek(-(1 << 20), 2)
                    digest.update(opened.read())
    return digest.hexdigest()


@dataclass
class Manifest:
    """What belongs into the folder of one hub repository; written by `flipbot download` and read by the doctor.

    files: name → {"size": bytes, "sha256": hex or None, "seen": [bytes, mtime in ns] when its hash was right, or None}
    """

    repo: str
    revision: str | None = None
    files: dict[str, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def read(cls, home: Path, repo: str) -> Manifest:
        """The one in this folder; an empty one where there is none that can be read."""
        try:
            values = json.loads((home / MANIFEST).read_bytes())
            if values["format"] == 1 and values["repo"] == repo:
                files = {str(name): dict(values["files"][name]) for name in values["files"]}
                return cls(repo, values["revision"], files)
        except (OSError, ValueError, KeyError, TypeError):
            pass  # it is only notes: without them every hash is read again
        return cls(repo)

    def write(self, home: Path) -> None:
        """Put it into the folder, whole or not at all."""
        home.mkdir(parents=True, exist_ok=True)
        values = {"format": 1, "repo": self.repo, "revision": self.revision, "files": self.files}
        new = home / f".{MANIFEST}.new"
        new.write_text(json.dumps(values, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        new.replace(home / MANIFEST)

    def expect(self, name: str, size: int, sha256: str | None) -> None:
        """This file belongs here."""
        entry = self.files.setdefault(name, {"size": size, "sha256": sha256, "seen": None})
        if entry["size"] != size or (sha256 and entry["sha256"] != sha256):
            entry |= {"size": size, "sha256": sha256, "seen": None}

    def seen(self, name: str, path: Path, sha256: str) -> None:
        """The file was read, and is what it should be."""
        stat = path.stat()
        self.files[name] = {"size": stat.st_size, "sha256": sha256, "seen": [stat.st_size, stat.st_mtime_ns]}

    def unchanged(self, name: str, path: Path) -> bool:
        """Whether the file is as it was when its hash was right."""
        stat, entry = path.stat(), self.files.get(name)
        return entry is not None and entry.get("seen") == [stat.st_size, stat.st_mtime_ns]


def faults(name: str, models_dir: Path) -> list[GenError]:
    """Everything that keeps a checkpoint from being loaded, file by file; empty where nothing does."""
    if name not in PRESETS:
        try:
            check(find_checkpoint(name, models_dir))
        except GenError as error:
            return [error]
        return []
    homes = {part.home: part.repo for part in SOURCES[name].values()}
    if not any((models_dir / home).is_dir() for home in homes):
        try:
            find_checkpoint(name, models_dir)
        except GenError as error:
            return [error]
    return list(_faults(name, models_dir))


def _faults(name: str, models_dir: Path) -> Iterator[GenError]:
    for part in PARTS:
        source = SOURCES[name][part]
        folder, manifest = (
            models_dir / source.home / source.folder,
            Manifest.read(models_dir / source.home, source.repo),
        )
        try:
            paths = [folder / CONFIGS.get(part, "config.json")]
            paths += [] if part in CONFIGS else weight_paths(folder, part)
        except GenError as error:  # without its config or index nobody knows which files there should be
            yield error
            continue
        absent = [path for path in paths if not path.is_file()]
        for path in absent:
            yield CheckpointIncomplete(file=str(path))
        short = False
        for path in paths:
            entry = manifest.files.get(path.relative_to(models_dir / source.home).as_posix())
            if entry and path.is_file() and path.stat().st_size != entry["size"]:
                short = True
                yield CheckpointCorrupt(file=str(path), why=f"has {path.stat().st_size} bytes of {entry['size']}")
        if not absent and not short:
            try:
                read_json(paths[0])
                check_words(folder, part) if part in CONFIGS else check_weights(folder, part)
            except GenError as error:
                yield error
