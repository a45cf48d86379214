"""Ends the service that imports it with SIGKILL, right before a commit of the test's choice takes effect.

Python imports a module of this name by itself, where it lies on PYTHONPATH. The file named by FLIPBOT_KILL says before
the how-manieth commit from now on; it is counted down there, and gone when the service is.
"""

import os
import signal
import sys
from pathlib import Path

FILE = Path(os.environ.get("FLIPBOT_KILL", ""))
IS_SERVICE = "flipbot" in sys.orig_argv  # not its child, nor the decoder

if FILE.name and IS_SERVICE:
    from sqlalchemy import Connection, Engine, event

    @event.listens_for(Engine, "commit")
    def burn(connection: Connection) -> None:
        """One commit more, unless it only read."""
        if not FILE.is_file() or connection.exec_driver_sql("PRAGMA query_only").scalar():
            return
        left = int(FILE.read_text("utf-8") or 0) - 1
        if left <= 0:
            FILE.unlink()
            os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
        FILE.write_text(str(left), "utf-8")
