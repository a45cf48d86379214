"""What the driver's own tool says of a card, and what is free now. No torch: a process with CUDA takes memory too."""

import os
import subprocess

import psutil

GIB = 1 << 30


def numbered(index: int) -> str:
    """The name for nvidia-smi of a card that is the first, second, … of those that CUDA shows this process.

    Right where all are alike: CUDA counts the fastest first, nvidia-smi by their slots. A UUID is right everywhere.
    """
    listed = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    return listed[index] if index < len(listed) and listed[index] else str(index)


def asked_of_driver(which: str, what: str) -> str:
    """What nvidia-smi says of a card; nothing where it does not.

    which: "GPU-" and its UUID, or as `numbered` has it
    what:  as its --query-gpu names it, such as "memory.free": without a unit, in MiB
    """
    asked = ["nvidia-smi", f"--query-gpu={what}", "--format=csv,noheader,nounits", "-i", which]
    try:
        return subprocess.run(asked, capture_output=True, text=True, timeout=20, check=False).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def is_free(kind: str, need_gib: float, card: str) -> bool:
    """Whether so much is free now, as far as can be told; where it cannot, it may be.

    kind: "VRAM" or "RAM"    card: "GPU-" and its UUID, empty where that is not known
    """
    if kind == "RAM":
        return bool(psutil.virtual_memory().available >= need_gib * GIB)
    said = asked_of_driver(card, "memory.free") if card else ""
    return not said.isdigit() or int(said) << 20 >= need_gib * GIB
