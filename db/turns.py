"""Whose turn is next, fairly. Pure functions over the numbers of rows: the service and the simulator run the same ones.

A turn is one section. Everybody has a *flow*: the sections they were `served`, each divided by their weight. The next
turn belongs to the flow whose next thing would be finished first in virtual time: at `served + due`, where `due` is
nothing for a film that has no section yet (its first second comes first), and else all that is left of its shortest
film. Within a flow first seconds come first, then what is nearest its end; but while four films of a flow wait to go
on, no further one is begun: it would only wait with the others.

So a long film would wait after its first second until all shorter ones are finished. Therefore every eighth turn,
where it is not a first second's, belongs to the film that has waited longest to go on: if that is longer than thirty
sections, and if virtual time has passed its flow, which was served no more than its share. For who has many films in
line it would only put off the end of another one.

Virtual time is that of a machine which serves everybody with work at every moment, by weight (generalized processor
sharing). It passes by sections recorded, never by seconds, and by the share of a section that was made until its owner
had it taken back: that was theirs, too. Somebody who comes back starts at its now, so that nobody saves up turns by
staying away, and nobody pays for turns that nobody else wanted.

source: Parekh & Gallager 1993 (GPS); Friedman & Henderson 2003, Fairness and efficiency in web server protocols (FSP)
"""

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

STARTED = 1_000_000  # ranks from here on are of films that have a first second: more sections than any film has
BEGUN = 4  # films of one flow that wait to go on: then no other one has its first second
GAP = 30  # sections made since a film's last one: then it has waited long
EVERY = 8  # turns; one of them may be that of a film that has waited long
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


def waited_since(made: int) -> int | None:
    """The count of sections at or before which a film that has waited long was last at its turn; None: not this turn.

    made: sections, by all workers together
    """
    return made - GAP if made % EVERY == 0 else None


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


@dataclass(slots=True)
class Film:
    """A film in line; `since`: how many sections had been made when its last one was."""

    flow: int
    done: int
    sections: int
    hurried: bool
    since: int


class Line:
    """Flows and their films in memory: what the rows would do, for forecasts and simulations.

    Films are taken with `take` (the next turn) and put down with `made`.
    """

    def __init__(self, now: float = 0.0, weight: float = 0.0, count: int = 0) -> None:
        """count: sections made so far, by all."""
        self.now, self.weight, self.count = now, weight, count
        self.flows: dict[int, Flow] = {}
        self.films: dict[int, Film] = {}  # by id
        self._waits: list[tuple[int, int]] = []  # (since, film) of those that wait to go on; of one only its own counts
        self._turns: list[tuple[float, int, int]] = []  # (turn, flow, stamp); of one flow only the newest counts
        self._lasts: list[tuple[float, int]] = []

    def flow(self, id: int, flow: Flow) -> None:
        """Take over a flow as it stands, before its films."""
        self.flows[id] = flow
        if flow.last > self.now:
            heapq.heappush(self._lasts, (flow.last, id))

    def hold(self, flow: int, film: int, done: int, sections: int, hurried: bool = False, since: int = 0) -> None:
        """Take over a film that waits; call `settle` for its flow after the last one."""
        self.films[film] = Film(flow, done, sections, hurried, since)
        its, place = self.flows[flow], rank(done, sections, hurried)
        heapq.heappush(its.fresh if place < STARTED else its.begun, (place, film))
        if place >= STARTED:
            heapq.heappush(self._waits, (since, film))
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
            _, flow, stamp = self._turns[0]
            its = self.flows[flow]
            if stamp == its.stamp and (head := choose(its.fresh, its.begun)) is not None:
                film = self._long_waiting() if head[0] >= STARTED else None
                return self._out(head if film is None else film)
            heapq.heappop(self._turns)
        return None

    def _out(self, film: tuple[int, int]) -> int:
        """Take a film out of its flow, given as (rank, id)."""
        flow = self.films[film[1]].flow
        films = self.flows[flow].fresh if film[0] < STARTED else self.flows[flow].begun
        if films[0] == film:
            heapq.heappop(films)
        else:
            films.remove(film)
            heapq.heapify(films)
        self.settle(flow)
        return film[1]

    def _long_waiting(self) -> tuple[int, int] | None:
        """The film that has waited longest to go on, where it is its turn, as (rank, id)."""
        limit = waited_since(self.count)
        had: list[tuple[int, int]] = []  # those whose flow had more than its share
        found = None
        while found is None and limit is not None and self._waits and self._waits[0][0] <= limit:
            since, id = heapq.heappop(self._waits)
            film = self.films.get(id)
            if film is None or film.since != since:
                continue
            its, place = self.flows[film.flow], (rank(film.done, film.sections, film.hurried), id)
            if place not in its.begun:
                continue
            if its.served <= self.now:
                found = place
            else:
                had.append((since, id))
        for each in had:
            heapq.heappush(self._waits, each)
        return found

    def made(self, film: int) -> bool:
        """A film's section is made; true if that was its last one."""
        of = self.films[film]
        its = self.flows[of.flow]
        its.served += 1 / its.weight
        self.count += 1
        self._elapse()
        its.open -= 1
        ended = of.done + 1 == of.sections
        if ended:
            del self.films[film]
        else:
            self.hold(of.flow, film, of.done + 1, of.sections, of.hurried, self.count)
        self.settle(of.flow)
        return ended

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
