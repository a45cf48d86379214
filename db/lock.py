"""One owner per database file: a lock that the system lets go when its process dies, however it dies."""

import os
import sys
from pathlib import Path

from db.errors import DatabaseInUse, DatabaseUnusable
from db.said import of_system

if sys.platform == "win32":
    import msvcrt

    def _take(fd: int) -> None:
        os.lseek(fd, 1 << 20, os.SEEK_SET)  # a byte beyond the text: Windows hides locked bytes from readers
        msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _take(fd: int) -> None:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)


class Lock:
    """The right to open the database at `path`, held from its making until `release`."""

    def __init__(self, path: Path) -> None:
        """Take the lock in a file beside it. raises DatabaseInUse, DatabaseUnusable (no folder can be made there)."""
        self.file = _file(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(self.file, os.O_RDWR | os.O_CREAT, 0o600)  # not inheritable: no child keeps it held
        except OSError as error:
            raise DatabaseUnusable(path, of_system(error)) from error
        try:
            _take(self._fd)
        except OSError:
            os.close(self._fd)
            raise DatabaseInUse(path, owner(path)) from None
        os.ftruncate(self._fd, 0)
        os.lseek(self._fd, 0, os.SEEK_SET)
        os.write(self._fd, str(os.getpid()).encode())

    def release(self) -> None:
        """Let go. The file stays: taking it away could hand the same lock to two that come next."""
        os.close(self._fd)


def owner(path: Path) -> int | None:
    """The process that took the lock of the database at `path` last, where that can be read."""
    try:
        text = _file(path).read_text(errors="replace").strip()
    except OSError:
        return None
    return int(text) if text.isdecimal() else None


def _file(path: Path) -> Path:
    return path.with_name(path.name + ".lock")
