"""A child's side of its pipe: lines of JSON in and out. No torch.

Whatever a library prints goes to stderr. When the parent is gone, stdin ends and so does the process, in the middle of
its work if need be.
"""

import json
import os
import queue
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any

from db.logs import join_log

Message = Mapping[str, Any]
Say = Callable[[dict[str, Any]], None]
Answer = Callable[[Message], None]


def serve(make: Callable[[Say, Callable[[int], bool]], Answer]) -> None:
    """Answer message after message until the parent closes stdin.

    make: (say, taken_back) -> answer; say sends one event, taken_back says whether the parent cancelled that id. An
          answer that raises SystemExit ends the process at once. It is called before anybody waits at stdin, and
          imports what it needs (gen/weights.py says why)
    """
    lines = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    join_log()
    inbox: queue.Queue[Message] = queue.Queue()
    taken_back: set[int] = set()

    def say(event: dict[str, Any]) -> None:
        try:
            lines.write(json.dumps(event) + "\n")
            lines.flush()
        except BrokenPipeError:
            os._exit(0)

    def read() -> None:
        for line in sys.stdin:
            message = json.loads(line)
            if message["do"] == "cancel":
                taken_back.add(message["id"])
            else:
                inbox.put(message)
        os._exit(0)  # the parent is gone: nobody waits for this any more

    answer = make(say, taken_back.__contains__)
    threading.Thread(target=read, daemon=True).start()
    while True:
        try:
            answer(inbox.get())
        except SystemExit:  # a process that lost its card may hang where it clears up
            os._exit(1)
