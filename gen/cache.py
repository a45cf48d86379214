"""Step caches: skip the blocks of the transformer where they would do much the same as in the step before.

Two kinds, each for one section and thrown away with it: TeaCache looks at what goes into the first block and needs a
fit to its model; FirstBlockCache looks at what comes out of it, costs that one block, and works with any.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from gen.types import step_cache_of

# Fit of the output's relative change to the input's, highest power first (FramePack, initialize_teacache)
FIT = (733.226126, -401.131952, 67.5869174, -3.14987800, 0.0961237896)


class Cache:
    """What both kinds know of the steps of a section.

    ran:    for each call, whether the blocks ran
    change: for each call, the change that was weighed, -1 where none was (first and last step)
    """

    def __init__(self, threshold: float, steps: int) -> None:
        """threshold: change above which the blocks run again; steps: after so many calls a new round begins."""
        self.threshold = threshold
        self.steps = steps
        self.ran: list[bool] = []
        self.change: list[float] = []
        self._residual: Tensor | None = None

    def _change(self, now: Tensor, before: Tensor | None) -> float | None:
        """The mean change relative to before; None in the first and the last step, which always run."""
        if len(self.ran) % self.steps in (0, self.steps - 1) or before is None:
            self.change.append(-1.0)
            return None
        return float((now - before).abs().mean() / before.abs().mean())


class TeaCache(Cache):
    """Skips where the first block's modulated input has changed too little since the blocks last ran.

    source: Liu et al. 2024, Timestep Embedding Tells (arXiv:2411.19108), with FramePack's fit for its model
    """

    def __init__(self, threshold: float, steps: int) -> None:
        """threshold: change to gather before the blocks run again."""
        super().__init__(threshold, steps)
        self._gathered = 0.0
        self._watched: Tensor | None = None

    def through(self, hidden: Tensor, watched: Tensor, blocks: Callable[[Tensor], Tensor]) -> Tensor:
        """What the blocks make of hidden, or near enough: hidden plus what they last added to it.

        hidden, watched: (1, N, dim), the packed sequence and its modulated norm in the first block
        """
        run = self._must_run(watched)
        self.ran.append(run)
        self._watched = watched
        if not run and self._residual is not None:
            return hidden + self._residual
        self._gathered = 0.0
        out = blocks(hidden)
        self._residual = out - hidden
        return out

    def _must_run(self, watched: Tensor) -> bool:
        d = self._change(watched, self._watched)
        if d is None:
            return True
        change = 0.0
        for factor in FIT:  # Horner
            change = change * d + factor
        self.change.append(change)
        self._gathered += change
        return self._gathered >= self.threshold


class FirstBlockCache(Cache):
    """Skips all blocks but the first where that one does much the same as when the others last ran.

    source: First Block Cache of ParaAttention, as diffusers.hooks.first_block_cache has it (a test compares the two);
    the last step always runs here, since a section's latents are its prediction
    """

    def __init__(self, threshold: float, steps: int) -> None:
        """threshold: relative change of what the first block adds, above which the others run."""
        super().__init__(threshold, steps)
        self._added: Tensor | None = None

    def through(self, before: Tensor, after: Tensor, rest: Callable[[Tensor], Tensor]) -> Tensor:
        """What the blocks make of `before`, or near enough: `after` plus what the others last added to it.

        before, after: (1, N, dim), around the first block; rest: the others
        """
        added = after - before
        run = self._must_run(added)
        self.ran.append(run)
        if not run and self._residual is not None:
            return after + self._residual
        self._added = self._residual = None  # before the blocks: these are as large as what they work on
        out = rest(after)
        self._added, self._residual = added, out - after
        return out

    def _must_run(self, added: Tensor) -> bool:
        d = self._change(added, self._added)
        if d is None:
            return True
        self.change.append(d)
        return d > self.threshold


StepCache = TeaCache | FirstBlockCache
KINDS: dict[str, type[TeaCache] | type[FirstBlockCache]] = {"teacache": TeaCache, "first-block": FirstBlockCache}


def make_cache(step_cache: str, steps: int) -> StepCache | None:
    """The cache that a plan writes as `step_cache`, for one section of so many steps."""
    if not step_cache:
        return None
    kind, threshold = step_cache_of(step_cache)
    return KINDS[kind](threshold, steps)
