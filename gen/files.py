"""A checkpoint's files: whether all are there and whole, and what they are, without loading any.

No torch, but where a published transformer is compared with its config.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from safetensors import SafetensorError, safe_open

from db.said import said
from gen.card import PARTS, PRESETS, Checkpoint, find_checkpoint, need_file, read_json
from gen.errors import CheckpointCorrupt, CheckpointIncomplete, GenError
from gen.sources import CONFIGS, SOURCES, STEMS, Part, shards

MANIFEST = "flipbot-files.json"  # in the folder of a downloaded repository
OF_FRAMEPACK = ("has_clean_x_embedder", "has_image_proj")  # true in its transformers' configs, and in no other's
SMALL = 1 << 24  # bytes of a file that is hashed anew where its time differs; a copy may have been made without it
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
    """Where they should be. Files of the Llama in which nothing is ever read need not be there.

    The index alone, where it is what is absent: without it nobody knows which files there should be.
    """
    stem = STEMS.get(part, "model")
    index = folder / f"{stem}.safetensors.index.json"
    if not index.is_file():
        whole = folder / f"{stem}.safetensors"
        sharded = not whole.is_file() and any(folder.glob(f"{stem}-*-of-*.safetensors"))
        return [index if sharded else whole]
    layers = int(read_json(folder / "config.json").get("num_hidden_layers", 0)) if part == "text_encoder" else 0
    return [folder / name for name in shards(part, weight_map_of(read_json(index), index), layers)]


def weight_map_of(index: dict[str, Any], path: Path) -> dict[str, str]:
    """Weight → file, from the index of a model in several files."""
    names = index.get("weight_map")
    if not isinstance(names, dict) or not names:
        raise CheckpointCorrupt(file=str(path), why=said("names no weights"))
    return {str(key): str(name) for key, name in names.items()}


def check_weights(folder: Path, part: str) -> None:
    """Raise CheckpointIncomplete or CheckpointCorrupt for files that are absent, cut off or not safetensors."""
    for file in weight_paths(folder, part):
        check_file(file)


def check_file(file: Path) -> None:
    """The same for one file."""
    try:
        with safe_open(need_file(file), "np") as opened:
            opened.keys()
    except (SafetensorError, OSError) as error:
        raise CheckpointCorrupt(file=str(file), why=said("is cut off or no safetensors file")) from error


def check_words(folder: Path, part: str) -> None:
    """The same for a part without weights."""
    for error in word_faults(folder, part):
        raise error


def word_faults(folder: Path, part: str) -> Iterator[GenError]:
    """What its JSON files lack, and a tokenizer's vocabulary, which may lie in two forms."""
    whole = folder / "tokenizer.json"
    if part == "tokenizer" and not (folder / "tokenizer.model").is_file():
        yield from fault_of(need_file, whole)
    if part == "tokenizer_2" and not whole.is_file():
        yield from fault_of(need_file, folder / "vocab.json")
        yield from fault_of(need_file, folder / "merges.txt")
    for file in sorted(folder.glob("*.json")):
        yield from fault_of(read_json, file)


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

    def forget(self, folder: str, keep: Iterable[str]) -> None:
        """Nothing else of the repository's folder belongs here any more."""
        kept = set(keep)
        gone = [name for name in self.files if str(PurePosixPath(name).parent) == (folder or ".") and name not in kept]
        for name in gone:
            del self.files[name]

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
    return [error for part in PARTS for error in part_faults(part, SOURCES[name][part], models_dir)]


def part_faults(part: str, source: Part, models_dir: Path) -> list[GenError]:
    """What keeps one part of a published checkpoint from being loaded: each file once."""
    home = models_dir / source.home
    folder = home / source.folder
    found = {error.facts["file"]: error for error in changed(Manifest.read(home, source.repo), home, source.folder)}
    if not any(str(file).endswith(".index.json") for file in found):  # without it the notes alone know the files
        for error in unreadable(folder, part):
            found.setdefault(error.facts["file"], error)
    if part == "transformer" and not found:
        found |= {error.facts["file"]: error for error in fault_of(check_transformer, folder)}
    return list(found.values())


def changed(manifest: Manifest, home: Path, folder: str) -> Iterator[GenError]:
    """The files of a repository's folder that are not as they were when they were fetched, the large by their size."""
    for name, entry in sorted(manifest.files.items()):
        path = home / name
        if str(PurePosixPath(name).parent) != (folder or "."):
            continue
        if not path.is_file():
            yield CheckpointIncomplete(file=str(path))
        elif path.stat().st_size != entry["size"]:
            why = said("has {got} bytes of {size}", got=path.stat().st_size, size=entry["size"])
            yield CheckpointCorrupt(file=str(path), why=why)
        elif entry.get("seen") and entry["size"] <= SMALL and not same(manifest, name, path):
            yield CheckpointCorrupt(file=str(path), why=said("was changed since it was checked"))


def same(manifest: Manifest, name: str, path: Path) -> bool:
    """Whether a small file is what it was when it was fetched."""
    return manifest.unchanged(name, path) or (
        hashlib.sha256(path.read_bytes()).hexdigest() == manifest.files[name]["sha256"]
    )


def unreadable(folder: Path, part: str) -> Iterator[GenError]:
    """The files of a part that are absent, or are not what their names say."""
    yield from fault_of(read_json, folder / CONFIGS.get(part, "config.json"))
    if part in CONFIGS:
        yield from word_faults(folder, part)
        return
    try:
        paths = weight_paths(folder, part)
    except GenError as error:  # without its config or index nobody knows which files there should be
        yield error
        return
    for path in paths:
        yield from fault_of(check_file, path)


def fault_of(check: Callable[[Path], object], path: Path) -> Iterator[GenError]:
    """What a check says of a path, if anything."""
    try:
        check(path)
    except GenError as error:
        yield error


def check_transformer(folder: Path) -> None:
    """Raise CheckpointCorrupt for a transformer that is not FramePack's, or does not fit its own config."""
    from gen.transformer import matched  # imports torch

    config = read_json(folder / "config.json")
    for key in OF_FRAMEPACK:
        if config.get(key) is not True:
            why = said("is another model's transformer (its config has no {key})", key=key)
            raise CheckpointCorrupt(file=str(folder), why=why)
    matched(folder)
