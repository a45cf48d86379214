"""TeaCache: skip the blocks of the transformer where their input hardly changed since the step before.

source: Liu et al. 2024, Timestep Embedding Tells (arXiv:2411.19108), with FramePack's fit for its model
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

# Fit of the output's relative change to the input's, highest power first (FramePack, initialize_teacache)
FIT = (733.226126, -401.131952, 67.5869174, -3.14987800, 0.0961237896)


class TeaCache:
    """What is remembered between the steps of one section; make a new one for every section.

    ran:    for each call, whether the blocks ran
    change: for each call, the change that was weighed, -1 where none was (first and last step)
    """

    def __init__(self, threshold: float, steps: int) -> None:
        """threshold: change to gather before the blocks run again; steps: after so many calls a new round begins."""
        self.threshold = threshold
        self.steps = steps
        self.ran: list[bool] = []
        self.change: list[float] = []
        self._gathered = 0.0
        self._watched: Tensor | None = None
        self._residual: Tensor | None = None

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
        place = len(self.ran) % self.steps
        if place in (0, self.steps - 1) or self._watched is None:
            self.change.append(-1.0)
            return True
        d = float((watched - self._watched).abs().mean() / self._watched.abs().mean())
        change = 0.0
        for factor in FIT:  # Horner
            change = change * d + factor
        self.change.append(change)
        self._gathered += change
        return self._gathered >= self.threshold
