"""A stand-in for the GPU child: a real process that speaks its protocol (gen/child.py) and needs no torch.

What goes wrong with it says the model's name, which is JSON:

    {"room": [1, 2]}     out of memory unless the memory plan is so many steps below the first: for each seed
    {"room": 1, "loading": true}    the same while it loads
    {"hangs": path}      tells nothing any more in the middle of its first section, unless there is a file at path
    {"dies": 2}          ends like a crash in the middle of section 2
    {"gone": path}       has no card while there is a file at path; one that computes then ends at its next step
    {"held": path}       while there is a file at path, says when it loads that others hold memory; the file says
                         how much is needed, in GiB
    {"step_s": 0.05}     how long each of its two steps takes
    {"load_s": 2.0}      how long loading takes
    {"unborn": true}     ends like a crash while it loads
    {"ill": "internal"}  has loaded, and gives this reason for every section ({"facts": ...} with it)
    {"card": path}       loads the model whose identity stands in the file, and makes films of no other one;
                         there is none where there is no file

A section's files are a function of the plan and the section's number, as the real one's are.
"""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gen.pipe import Message, Say, serve

STEPS = 2


class StandIn:
    """Answers one message after the other, as its script says."""

    def __init__(self, say: Say, cancelled: Callable[[int], bool]) -> None:
        self.say, self.cancelled = say, cancelled
        self.script: dict[str, Any] = {}
        self.tighter = 0
        self.identity = ""

    def answer(self, message: Message) -> None:
        """Do what the message asks."""
        if message["do"] == "load":
            self.load(message)
        else:
            self.section(message)

    def fits(self, room: int) -> bool:
        """Whether there is memory; says so where there is none."""
        if self.tighter < room:
            self.say({"event": "error", "reason": "out_of_memory", "facts": {}})
            return False
        return True

    def held(self) -> bool:
        """Whether other programs hold the memory; says so where they do."""
        file = Path(self.script.get("held", "/nonexistent"))
        if not file.exists():
            return False
        facts = {"kind": "RAM", "precision": "fp32", "need": file.read_text(), "have": "0.0"}
        self.say({"event": "error", "reason": "memory_taken", "facts": facts})
        return True

    def gone(self) -> bool:
        """Whether the card is not there now."""
        return "gone" in self.script and Path(self.script["gone"]).exists()

    def load(self, message: Message) -> None:
        """Take the script."""
        self.script, self.tighter = json.loads(message["model"]), message["tighter"]
        if self.gone():
            self.say({"event": "error", "reason": "device_missing", "facts": {"device": message["device"]}})
            return
        if "card" in self.script and not Path(self.script["card"]).exists():
            self.say({"event": "error", "reason": "checkpoint_missing", "facts": {}})
            return
        if self.held():
            return
        time.sleep(self.script.get("load_s", 0.0))
        if self.script.get("unborn"):
            os._exit(1)
        if "card" in self.script:
            self.identity = Path(self.script["card"]).read_text()
        if not self.script.get("loading") or self.fits(self.script["room"]):
            self.say({"event": "ready", "model": "stand-in", "device": message["device"], "memory": {}})

    def section(self, message: Message) -> None:
        """Some steps, and then files that nobody looks into."""
        n, plan, out = message["n"], message["plan"], Path(message["out"])
        if self.identity and plan["model"] != self.identity:
            facts = {"made": plan["model"], "loaded": self.identity}
            self.say({"event": "error", "reason": "other_model", "facts": facts})
            return
        if "ill" in self.script:
            self.say({"event": "error", "reason": self.script["ill"], "facts": self.script.get("facts", {})})
            return
        self.say({"event": "phase", "phase": "sampling"})
        for step in range(1, STEPS + 1):
            time.sleep(self.script.get("step_s", 0.0))
            if self.cancelled(message["id"]):
                self.say({"event": "error", "reason": "cancelled", "facts": {}})
                return
            self.say({"event": "step", "n": step, "of": STEPS, "preview": None})
            rooms = self.script.get("room")
            if isinstance(rooms, list) and not self.fits(rooms[plan["seed"]]):
                return
            if "hangs" in self.script and not Path(self.script["hangs"]).exists():
                time.sleep(3600)
            if self.script.get("dies") == n:
                os._exit(1)
            if self.gone():
                raise SystemExit(1)
        self.say({"event": "phase", "phase": "writing"})
        made: dict[str, Any] = {"event": "section", "mended": [], "frames": 12 * (n + 1) + 1}
        made |= {"sampling_ms": 2, "decode_ms": 1, "encode_ms": 1, "vram": 0, "ram": 0}
        for kind in ("latents", "tail", "clip", "film", "fragment", "fragment_end", "conditioning"):
            path = out / kind
            path.write_text(f"{kind} {n} {json.dumps(plan, sort_keys=True)}")
            made[kind] = str(path)
        if message["conditioning"]:
            made["conditioning"] = None
        self.say(made)


if __name__ == "__main__":
    serve(lambda say, cancelled: StandIn(say, cancelled).answer)
