"""One device's child with the model in it: started when a film wants it, ended when none does. No torch."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from db import engines
from db.connect import Database
from db.media import on_disk
from db.trouble import TROUBLE
from gen.check import Check
from gen.config import ModelConfig
from gen.process import ChildDied, ChildFailed, ChildProcess, Told

log = logging.getLogger("flipbot.loader")

NOTEWORTHY = 1.05  # times what was noted: so much more memory is noted again


class Loader:
    """Has a child load one model on one device, and knows what the rows are told of it."""

    def __init__(
        self,
        db: Database,
        model: ModelConfig,
        models_dir: Path,
        *,
        worker: str,
        root: Path,
        texts_dir: Path,
        sizes: Sequence[str],
        check: Check | None,
        children: type[ChildProcess],
        loading: asyncio.Lock,
        others: "Callable[[], Sequence[Loader]]",
    ) -> None:
        """model: names one device    worker: whose turns it serves    root: where files are made

        loading: held while it loads, since memory is planned by what is free: one loads after the other
        others:  those of this process's other devices, with which it shares the machine's RAM
        """
        self.db, self.model, self.models_dir, self.texts_dir = db, model, models_dir, texts_dir
        self.worker, self.root, self.sizes, self.check = worker, root, list(sizes), check
        self.children, self.loading, self.others = children, loading, others
        self.child: ChildProcess | None = None
        self.tighter = 0  # the memory plan that the child has loaded, in steps below the first
        self.loaded = False  # by the child that was started last
        self.died_loading = 0  # children in a row
        self.engine = ""  # the name by which rows know what computes; empty until a model was loaded
        # "auto" until then: a card that is gone for a while is not replaced by the processor
        self.device = model.device
        self.took = (0, 0)  # bytes of VRAM and RAM, the most that was noted

    @property
    def alive(self) -> bool:
        """Whether there is a child that can be asked."""
        return self.child is not None and self.child.alive

    @property
    def holds(self) -> bool:
        """Whether there is a child that has the model loaded."""
        return self.loaded and self.alive

    async def ready(self, tighter: int, tell: Callable[[Told], Awaitable[None]]) -> ChildProcess:
        """The child, started and loaded if it is not there, or not with so small a memory plan.

        One that has loaded a smaller plan than is needed stays: loading anew costs more than the plan does.
        """
        if self.child is not None and self.child.alive:
            if self.tighter >= tighter:
                return self.child
            await self.child.close()
        await tell(Told("loading"))  # of a large model it takes a minute or more
        async with self.loading:
            return await self._load(tighter)

    async def _load(self, tighter: int) -> ChildProcess:
        with on_disk(self.root):  # the system may have no more files or memory to give, which is no film's fault
            self.child = await self.children.start()
        self.tighter, self.loaded = tighter, False
        started = time.monotonic()
        others = [each.holds for each in self.others()]
        try:
            ready = await self.child.load(
                model=self.model.name,
                models_dir=str(self.models_dir),
                texts_dir=str(self.texts_dir),
                attention=self.model.attention,
                loras=self.model.lora_files(self.models_dir),
                preview_decoder=self.model.preview_file(self.models_dir),
                device=self.device,
                precision=self.model.precision,
                sizes=self.sizes,
                threads=self.model.threads,
                tighter=tighter,
                vram_limit_gib=self.model.vram_limit_gib,
                ram_limit_gib=self.model.ram_limit_gib,
                beside_loaded=others.count(True),
                beside_waiting=others.count(False),
                compile=self.model.compile,
                check=self.check.to_json() if self.check else None,
            )
        except ChildDied:
            self.died_loading += 1
            raise
        except ChildFailed:
            await self.child.close()
            raise
        self.died_loading, self.loaded = 0, True
        took = time.monotonic() - started
        log.info("model loaded model=%s device=%s took=%.1fs", ready["model"], ready["device"], took)
        self.device = ready["device"]
        self.engine, self.took = self.named(), (0, 0)
        await self.note(engines.loaded(self.db, self.engine, ready["model"], ready["memory"]))
        return self.child

    def named(self) -> str:
        """The name by which people know what computes: machine and device, and a number where siblings share one."""
        machine, _, rest = self.worker.partition(":")
        taken = any(each.device == self.device for each in self.others())
        n = int(rest.partition("/")[2] or 0)
        return f"{machine} {self.device}" + (f" {n + 1}" if taken and n else "")

    async def free(self, why: str) -> None:
        """End the child: the card's memory and RAM are others' until a film wants it again. why: for the log"""
        if self.child is None:
            return
        held, self.loaded = self.holds, False
        await self.child.close()
        if held:
            log.info("memory given back device=%s why=%s", self.device, why)
            await self.note(engines.freed(self.db, self.engine))

    async def seen(self, vram: int, ram: int) -> None:
        """It took so many bytes; what is notable of that is written down."""
        if any(now > before * NOTEWORTHY for now, before in zip((vram, ram), self.took, strict=True)):
            self.took = (max(vram, self.took[0]), max(ram, self.took[1]))
            await self.note(engines.took(self.db, self.engine, *self.took))

    async def note(self, noting: Awaitable[None]) -> None:
        """Write down something that only people look at: no film waits for it, or fails with it."""
        try:
            await noting
        except TROUBLE as trouble:
            log.warning("not written down device=%s: %s", self.device, trouble)
