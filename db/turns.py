"""Whose turn is next, fairly. Pure functions over the numbers of rows: the service and the simulator run the same ones.

A turn is one section. Everybody has a *flow*: the sections they were `served`, each divided by their weight. The next
turn belongs to the flow whose next thing would be finished first in virtual time: at `served + due`, where `due` is
nothing for a film that has no section yet (its first second comes first), and else all that is left of its shortest
film. Within a flow first seconds come first, then what is nearest its end; but while four films of a flow wait to go
on, no further one is begun: it would only wait with the others.

Virtual time is that of a machine which serves everybody with work at every moment, by weight (generalized processor
sharing). It passes by sections recorded, never by seconds; somebody who comes back starts at its now, so that nobody
saves up turns by staying away, and nobody pays for turns that nobody else wanted.

source: Parekh & Gallager 1993 (GPS); Friedman & Henderson 2003, Fairness and efficiency in web server protocols (FSP)
"""

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

STARTED = 1_000_000  # ranks from here on are of films that have a first second: more sections than any film has
BEGUN = 4  # films of one flow that wait to go on: then no other one has its first second
HURRIED = 10_000_000  # below zero by this much: what an operator put first


def rank(done: int, sections: int, hurried: bool = False) -> int:
    """A film's place among those of its flow: the smallest has the flow's next turn, of equals the oldest."""
    return sections - done + (STARTED if done else 0) - (HURRIED if hurried else 0)


def choose(fresh: Sequence[tuple[int, int]], begun: Sequence[tuple[int, int]]) -> tuple[int, int] | None:
    """Which film has its flow's next turn, each a (rank, id), the smallest first; None where none waits.

    fresh: ranks below STARTED, begun: the others; of both as many as are at hand, or at least BEGUN
    """
    if fresh and (fresh[0][0] < 0 or len(begun) < BEGUN):
        return fresh[0]
    return begun[0] if begun else None


def due(head: int) -> int:
    """Sections until the next thing of a flow is finished, by the smallest of its ranks; none for a first second."""
    head += HURRIED if head < 0 else 0
    return head - STARTED if head >= STARTED else 0


def turn(served: float, weight: float, head: int) -> float:
    """When a flow's next thing is due in virtual time: the smallest has the next turn, of equals the oldest flow."""
    return served + due(head) / weight - (HURRIED if head < 0 else 0)


def elapse(
    now: float, weight: float, sections: float, leaving: Iterable[tuple[float, float]]
) -> tuple[float, float, float]:
    """Virtual time after so much service, shared by the weight of all who would still be served.

    leaving: (when a flow would be empty, its weight), the earliest first; as many as are at hand
    returns: now, weight, and the service left over when `leaving` came to its end while somebody could still leave
    """
    for last, of in leaving:
        share = (last - now) * weight
        if share > sections:
            return now + sections / weight, weight, 0.0
        now, weight, sections = max(now, last), max(0.0, weight - of), sections - max(0.0, share)
    return now, weight, sections


@dataclass(slots=True)
class Flow:
    """One person's turns, as their row has them; `fresh` and `begun` are heaps of (rank, id), as in `choose`."""

    weight: float = 1.0
    served: float = 0.0
    last: float = 0.0
    fresh: list[tuple[int, int]] = field(default_factory=list)
    begun: list[tuple[int, int]] = field(default_factory=list)
    open: int = 0  # films that wait or are being made
    stamp: int = 0


class Line:
    """Flows and their films in memory: what the rows would do, for forecasts and simulations.

    Films are taken with `take` (the next turn) and put down with `made`.
    """

    def __init__(self, now: float = 0.0, weight: float = 0.0) -> None:
        self.now, self.weight = now, weight
        self.flows: dict[int, Flow] = {}
        self.films: dict[int, tuple[int, int, int, bool]] = {}  # id → flow, done, sections, hurried
        self._turns: list[tuple[float, int, int]] = []  # (turn, flow, stamp); of one flow only the newest counts
        self._lasts: list[tuple[float, int]] = []

    def flow(self, id: int, flow: Flow) -> None:
        """Take over a flow as it stands, before its films."""
        self.flows[id] = flow
        if flow.last > self.now:
            heapq.heappush(self._lasts, (flow.last, id))

    def hold(self, flow: int, film: int, done: int, sections: int, hurried: bool = False) -> None:
        """Take over a film that waits; call `settle` for its flow after the last one."""
        self.films[film] = (flow, done, sections, hurried)
        its, place = self.flows[flow], rank(done, sections, hurried)
        heapq.heappush(its.fresh if place < STARTED else its.begun, (place, film))
        its.open += 1

    def join(self, flow: int, film: int, sections: int, weight: float = 1.0) -> None:
        """A new film comes into line."""
        its = self.flows.setdefault(flow, Flow())
        if not its.open:
            its.served = max(its.served, self.now)
        self.weight += weight - (its.weight if its.last > self.now else 0.0)
        its.weight, its.last = weight, max(self.now, its.last) + sections / weight
        heapq.heappush(self._lasts, (its.last, flow))
        self.hold(flow, film, 0, sections)
        self.settle(flow)

    def settle(self, flow: int) -> None:
        """Write down anew when a flow's next thing is due."""
        its = self.flows[flow]
        its.stamp += 1
        if (head := choose(its.fresh, its.begun)) is not None:
            heapq.heappush(self._turns, (turn(its.served, its.weight, head[0]), flow, its.stamp))

    def take(self) -> int | None:
        """The film whose turn is next, taken out of the line; None where nobody waits."""
        while self._turns:
            _, flow, stamp = heapq.heappop(self._turns)
            its = self.flows[flow]
            if stamp == its.stamp and (head := choose(its.fresh, its.begun)) is not None:
                heapq.heappop(its.fresh if head[0] < STARTED else its.begun)
                self.settle(flow)
                return head[1]
        return None

    def made(self, film: int) -> bool:
        """A film's section is made; true if that was its last one."""
        flow, done, sections, hurried = self.films[film]
        its = self.flows[flow]
        its.served += 1 / its.weight
        self._elapse()
        its.open -= 1
        if done + 1 == sections:
            del self.films[film]
        else:
            self.hold(flow, film, done + 1, sections, hurried)
        self.settle(flow)
        return done + 1 == sections

    def _elapse(self) -> None:
        left = 1.0
        while left > 0:
            while self._lasts and self.flows[self._lasts[0][1]].last != self._lasts[0][0]:
                heapq.heappop(self._lasts)
            if not self._lasts:
                self.weight = 0.0
                return
            last, flow = self._lasts[0]
            self.now, self.weight, left = elapse(self.now, self.weight, left, [(last, self.flows[flow].weight)])
            if self.now >= last:
                heapq.heappop(self._lasts)
