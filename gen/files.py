"""A checkpoint's files: whether all are there and whole, and what they are, without loading any. No torch."""

from __future__ import annotations

import hashlib
from pathlib import Path

from safetensors import SafetensorError, safe_open

from gen.card import CONFIGS, Checkpoint, need_file, read_json
from gen.errors import CheckpointCorrupt

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
    """The safetensors files of a model: the one, or those its index names. Raises CheckpointIncomplete."""
    stem = "diffusion_pytorch_model" if part in ("transformer", "vae") else "model"
    index = folder / f"{stem}.safetensors.index.json"
    if not index.is_file():
        return [need_file(folder / f"{stem}.safetensors")]
    names = read_json(index).get("weight_map")
    if not isinstance(names, dict):
        raise CheckpointCorrupt(file=str(index), why="names no weights")
    return [need_file(folder / str(name)) for name in sorted(set(names.values()))]


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
    digest = hashlib.sha256()
    for part, folder in sorted(checkpoint.parts.items()):
        for file in sorted(path for path in folder.iterdir() if path.suffix in (".json", ".txt", ".safetensors")):
            digest.update(f"{part}/{file.name} {file.stat().st_size}\n".encode())
            with file.open("rb") as opened:
                digest.update(opened.read(WHOLE_MIB << 20))
                if file.stat().st_size > WHOLE_MIB << 20:
                    opened.seek(-(1 << 20), 2)
                    digest.update(opened.read())
    return f"{checkpoint.card.identity}+{digest.hexdigest()[:12]}"
