"""Calls that come at the same moment are answered together: whoever has a turn does the work of all who wait."""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

A = TypeVar("A")
G = TypeVar("G")


@dataclass
class Call(Generic[A, G]):
    """One call that waits; then it has got what it asked for, or an error."""

    asked: A
    got: G | None = None
    error: Exception | None = None


class Together(Generic[A, G]):
    """The calls of one kind that wait."""

    def __init__(self) -> None:
        self._waiting: deque[Call[A, G]] = deque()
        self._working = threading.Lock()

    def wait(self, asked: A) -> Call[A, G]:
        """Join those who wait."""
        call: Call[A, G] = Call(asked)
        self._waiting.append(call)
        return call

    def answer(self, own: Call[A, G], work: Callable[[list[Call[A, G]]], None], most: int) -> G:
        """Work for those who wait, at most so many at once, unless one of them did it for us; from any thread.

        work: gives each of the calls what it gets, or its error; ours is raised
        """
        with self._working:
            while own.got is None and own.error is None:
                work([self._waiting.popleft() for _ in range(min(len(self._waiting), most))])
        if own.error is not None:
            raise own.error
        assert own.got is not None
        return own.got
