"""Threads for which a process that ends does not wait, as it would for those of a ThreadPoolExecutor."""

import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from functools import partial
from queue import SimpleQueue
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Threads(Executor):
    """At most so many, each started when there is more to do than the others can. What waits and hangs, may."""

    def __init__(self, most: int, name: str) -> None:
        """name: of the threads, as a debugger shows them."""
        self.most, self.name = most, name
        self._todo: SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._starting = threading.Lock()
        self._started = 0

    def submit(self, f: Callable[P, T], /, *args: P.args, **kw: P.kwargs) -> "Future[T]":
        """As Executor.submit."""
        future: Future[T] = Future()
        self._todo.put((future, partial(f, *args, **kw)))
        with self._starting:
            if not self._idle.acquire(blocking=False) and self._started < self.most:
                self._started += 1
                threading.Thread(target=self._work, name=f"{self.name}-{self._started}", daemon=True).start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Let them end once nothing is left to do, and wait for none."""
        with self._starting:
            for _ in range(self._started):
                self._todo.put(None)

    def _work(self) -> None:
        while (next_one := self._todo.get()) is not None:
            future, call = next_one
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(call())
                except BaseException as error:  # noqa: BLE001  (it is the caller's)
                    future.set_exception(error)
            del future, call, next_one  # what they hold is not kept until the next one comes
            self._idle.release()
