"""What the driver's own tool says of a card, and what is free now. No torch: a process with CUDA takes memory too."""

import os
import subprocess

import psutil

GIB = 1 << 30


def asked_of_driver(index: int, what: str) -> str:
    """What nvidia-smi says of a card; nothing where it does not.

    index: of the card among those that CUDA shows this process
    what:  as its --query-gpu names it, such as "memory.free": without a unit, in MiB
    """
    listed = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    which = listed[index] if index < len(listed) and listed[index] else str(index)
    asked = ["nvidia-smi", f"--query-gpu={what}", "--format=csv,noheader,nounits", "-i", which]
    try:
        return subprocess.run(asked, capture_output=True, text=True, timeout=20, check=False).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def is_free(kind: str, need_gib: float, device: str) -> bool:
    """Whether so much is free now, as far as can be told; where it cannot, it may be. kind: "VRAM" or "RAM" """
    if kind == "RAM":
        return bool(psutil.virtual_memory().available >= need_gib * GIB)
    index = device.partition(":")[2]
    said = asked_of_driver(int(index or 0), "memory.free")
    return not said.isdigit() or int(said) << 20 >= need_gib * GIB
