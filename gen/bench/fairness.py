"""Waiting in a community that shares one GPU: the turns that the service takes, against first come first served and
round robin.

A seeded simulation over `db.turns` itself: 195 members whose activity is Zipf's, with 1.5 films at a time on average,
and 5 greedy ones who queue 20 at once and are 30 % of the load. Films are 1 to 60 s long (bounded Pareto, 4.3 sections
on average) and come at random (Poisson). The unit is one section of GPU time.
"""

import argparse
import copy
import random
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from dataclasses import astuple, dataclass, field
from statistics import fmean

from rich.console import Console
from rich.table import Table

from db import turns

MEMBERS, GREEDY = 195, 5
BATCH = 20  # films that a greedy one queues at once
GREEDY_LOAD = 0.3
ZIPF = 0.5  # activity falls with the root of the rank: the busiest member asks for 4 % of what members ask for
SWITCH = 0.003  # of a section, to change over to another film
SHORTEST_S, LONGEST_S, SECTION_S = 1.0, 60.0, 1.1
MEAN_SECTIONS = 4.3
OURS = "flipbot"
FIRST_MOST, ALL_MOST = 3.0, 33.0  # sections of waiting, on average


@dataclass(slots=True)
class Film:
    """One film of the simulation; times in sections."""

    id: int
    user: int
    sections: int
    at: float
    made: list[float] = field(default_factory=list)

    @property
    def greedy(self) -> bool:
        """Whether one of those asked for it who ask for twenty."""
        return self.user >= MEMBERS


def community(films: int, load: float, seed: int, zipf: float = ZIPF) -> list[Film]:
    """Who asks for what, and when: at most so many films, in the order in which they come."""
    drawn = random.Random(seed)
    weights = [(n + 1) ** -zipf for n in range(MEMBERS)]
    normal_rate = load * (1 - GREEDY_LOAD) / MEAN_SECTIONS / 1.5  # batches
    greedy_rate = load * GREEDY_LOAD / MEAN_SECTIONS / BATCH
    asked: list[tuple[float, int, int]] = []
    end = films / (load / MEAN_SECTIONS)
    at = 0.0
    while (at := at + drawn.expovariate(normal_rate)) < end:
        count = 1
        while drawn.random() < 1 / 3:  # geometric: 1.5 on average
            count += 1
        asked.append((at, drawn.choices(range(MEMBERS), weights)[0], count))
    at = 0.0
    while (at := at + drawn.expovariate(greedy_rate)) < end:
        asked.append((at, MEMBERS + drawn.randrange(GREEDY), BATCH))
    one_each = [(at, user) for at, user, count in sorted(asked) for _ in range(count)]
    return [Film(n, user, length(drawn), at) for n, (at, user) in enumerate(one_each)]


def length(drawn: random.Random) -> int:
    """Sections of a film whose seconds are bounded Pareto, of shape 1."""
    share = drawn.random() * (1 - SHORTEST_S / LONGEST_S)
    return max(1, round(SHORTEST_S / (1 - share) / SECTION_S + 0.49))


class Policy:
    """Whose turn is next. `join` brings a film, `take` chooses one, `made` puts it down after a section."""

    def join(self, film: Film) -> None:
        """A film comes into line."""
        raise NotImplementedError

    def take(self) -> int:
        """The film whose turn is next."""
        raise NotImplementedError

    def made(self, film: Film) -> None:
        """A section of it is made; it has more if it is not finished."""
        raise NotImplementedError


class Ours(Policy):
    """The turns of the service."""

    def __init__(self) -> None:
        self.line = turns.Line()

    def join(self, film: Film) -> None:
        """As the service's `flows.enter`."""
        self.line.join(film.user, film.id, film.sections)

    def take(self) -> int:
        """As the service's claim."""
        taken = self.line.take()
        assert taken is not None
        return taken

    def made(self, film: Film) -> None:
        """As the service's record."""
        self.line.made(film.id)


class FirstCome(Policy):
    """Whole films, the oldest first."""

    def __init__(self) -> None:
        self.line: deque[int] = deque()

    def join(self, film: Film) -> None:
        """At the end."""
        self.line.append(film.id)

    def take(self) -> int:
        """From the beginning."""
        return self.line.popleft()

    def made(self, film: Film) -> None:
        """It stays first until it is finished."""
        if len(film.made) < film.sections:
            self.line.appendleft(film.id)


class RoundRobin(Policy):
    """One after the other of those who have something in line; whole films, or a section each."""

    def __init__(self, whole: bool) -> None:
        self.whole = whole
        self.users: deque[int] = deque()
        self.films: dict[int, deque[int]] = defaultdict(deque)

    def join(self, film: Film) -> None:
        """At the end of its user's; who had nothing comes last."""
        if not self.films[film.user] and film.user not in self.users:
            self.users.append(film.user)
        self.films[film.user].append(film.id)

    def take(self) -> int:
        """The next user's oldest."""
        return self.films[self.users[0]].popleft()

    def made(self, film: Film) -> None:
        """On to the next user."""
        user = self.users.popleft()
        more = len(film.made) < film.sections
        if more:
            self.films[user].appendleft(film.id)
        if more and self.whole:
            self.users.appendleft(user)
        elif self.films[user]:
            self.users.append(user)


def simulate(
    films: list[Film], policy: Policy, foretell: Callable[[Film, int | None, float], None] | None = None
) -> float:
    """Let one GPU work until the last film is made; returns the share of turns for which it changed over.

    foretell: called with a film that has just come into line, the film under way, and when the next turn begins
    """
    coming = deque(films)
    now, before, switches, taken, in_line = 0.0, -1, 0, 0, 0

    def join(until: float, under_way: int | None) -> int:
        came = 0
        while coming and coming[0].at <= until:
            film = coming.popleft()
            policy.join(film)
            came += 1
            if foretell is not None:
                foretell(film, under_way, until)
        return came

    while coming or in_line:
        if not in_line:
            now = max(now, coming[0].at)
            in_line += join(now, None)
        film = films[policy.take()]
        taken += 1
        if film.id != before:
            switches += 1
            now += SWITCH
        before = film.id
        now += 1.0
        in_line += join(now, film.id)  # they come while it works
        film.made.append(now)
        policy.made(film)
        in_line -= len(film.made) == film.sections
    return switches / taken


@dataclass(frozen=True, slots=True)
class Result:
    """What the members of a community waited, the greedy ones left out unless they are named. In sections."""

    first: float
    first_p95: float
    all: float
    all_p95: float
    gap_p95: float
    stall_p95: float
    short: float
    long: float
    jain: float
    greedy: float
    everybody: float
    switches: float


def measure(films: list[Film], switches: float) -> Result:
    """Of the films that came in the middle of the time: the beginning is too empty, and after the end nobody comes."""
    counted = films[len(films) // 10 :]
    members = [film for film in counted if not film.greedy]
    firsts = [film.made[0] - film.at for film in members]
    alls = [film.made[-1] - film.at for film in members]
    gaps = [later - earlier for film in members for earlier, later in zip(film.made, film.made[1:], strict=False)]
    stalls = [
        max(b - a for a, b in zip(film.made, film.made[1:], strict=False)) for film in members if film.sections > 1
    ]
    slow = {film.id: (film.made[-1] - film.at) / film.sections for film in members}
    short = [slow[film.id] for film in members if film.sections <= 2]
    long = [slow[film.id] for film in members if film.sections >= 28]
    of_user: dict[int, list[float]] = defaultdict(list)
    for film in members:
        of_user[film.user].append(1 / slow[film.id])
    shares = [fmean(each) for each in of_user.values()]
    return Result(
        first=fmean(firsts),
        first_p95=percentile(firsts, 95),
        all=fmean(alls),
        all_p95=percentile(alls, 95),
        gap_p95=percentile(gaps, 95),
        stall_p95=percentile(stalls, 95),
        short=fmean(short),
        long=fmean(long) if long else 0.0,
        jain=sum(shares) ** 2 / (len(shares) * sum(share**2 for share in shares)),
        greedy=fmean([film.made[-1] - film.at for film in counted if film.greedy] or [0.0]),
        everybody=fmean(film.made[-1] - film.at for film in counted),
        switches=switches,
    )


def percentile(values: Iterable[float], p: float) -> float:
    """The value below which p percent lie."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(len(ranked) * p / 100))]


@dataclass(slots=True)
class Told:
    """How well the service foretells: by playing its own line forward when a film comes, nobody new assumed."""

    policy: Ours
    films: list[Film]
    every: int
    share: list[tuple[Film, float, float]] = field(default_factory=list)

    def __call__(self, film: Film, under_way: int | None, at: float) -> None:
        """Foretell one film of so many; at: when the next turn begins."""
        if film.id % self.every or film.greedy:
            return
        line = copy.deepcopy(self.policy.line)
        if under_way is not None:
            line.made(under_way)
        first = 0.0
        while (taken := line.take()) is not None:
            at += 1.0
            if taken == film.id and not first:
                first = at
            if line.made(taken) and taken == film.id:
                self.share.append((film, first - film.at, at - film.at))
                return


def accuracy(told: Told) -> tuple[float, float, float]:
    """Of what was foretold: the share of first seconds that came within a section, and how much longer the whole film
    took than foretold, at the median and at the 90th percentile."""
    exact = fmean(abs((film.made[0] - film.at) - first) <= 1.0 for film, first, _ in told.share)
    ratios = [(film.made[-1] - film.at) / all_ for film, _, all_ in told.share]
    return exact, percentile(ratios, 50), percentile(ratios, 90)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this bench."""
    parser.add_argument("--films", type=int, default=8_000, help="films that are asked for (default 8000)")
    parser.add_argument("--seeds", type=int, default=3, help="communities (default 3)")
    parser.add_argument("--zipf", type=float, default=ZIPF, help=f"how unequally active members are (default {ZIPF})")
    parser.add_argument("--load", type=float, default=0.95, help="share of the GPU that is asked for (default 0.95)")


def policies() -> dict[str, Callable[[], Policy]]:
    """What is compared, by name; ours is last."""
    return {
        "first come, whole films": FirstCome,
        "round robin, whole films": lambda: RoundRobin(True),
        "round robin, sections": lambda: RoundRobin(False),
        OURS: Ours,
    }


def run(args: argparse.Namespace) -> int:
    """Print the tables; 0 where first seconds and whole films wait no longer than they may, else 1."""
    began = time.monotonic()
    found: dict[str, list[Result]] = defaultdict(list)
    exact: list[tuple[float, float, float]] = []
    for seed in range(1, args.seeds + 1):
        for name, make in policies().items():
            films = community(args.films, args.load, seed, args.zipf)
            policy = make()
            told = Told(policy, films, max(1, args.films // 60)) if isinstance(policy, Ours) else None
            found[name].append(measure(films, simulate(films, policy, told)))
            if told:
                exact.append(accuracy(told))
    mean = {name: Result(*(fmean(each) for each in zip(*map(astuple, of), strict=True))) for name, of in found.items()}
    show(mean, args)
    first, middle, high = (fmean(each) for each in zip(*exact, strict=True))
    Console().print(
        f"Foretold when a film comes: {first:.0%} of first seconds within a section; the whole film took "
        f"{middle:.2f} times as long at the median, {high:.2f} times at the 90th percentile."
    )
    ours = mean[OURS]
    fine = args.load > 0.95 or (ours.first <= FIRST_MOST and ours.all <= ALL_MOST)
    Console().print(
        f"First second {ours.first:.2f} (to reach: {FIRST_MOST:.0f}), "
        f"whole film {ours.all:.1f} (to reach: {ALL_MOST:.0f}): "
        f"{'ok' if fine else 'MISSED'}. {time.monotonic() - began:.0f} s."
    )
    return 0 if fine else 1


def show(mean: dict[str, Result], args: argparse.Namespace) -> None:
    """The table: waiting of members in sections, and what it is to first come, first served."""
    table = Table(
        title=f"fairness: {args.load:.0%} load, {args.films} films, Zipf {args.zipf}, mean of {args.seeds}; in sections"
    )
    columns = ("turns", "first second", "p95", "whole film", "p95", "gap p95", "longest gap p95", "1-2 s films",
               "30-60 s films", "Jain", "greedy", "everybody", "changes")  # fmt: skip
    for column in columns:
        table.add_column(column, justify="left" if column == "turns" else "right")
    for name, of in mean.items():
        table.add_row(name, *(f"{value:.2f}" if value < 10 else f"{value:.0f}" for value in astuple(of)))
    Console(width=170).print(table)
    plain, ours = mean["first come, whole films"], mean[OURS]
    Console().print(
        f"Against first come, first served: first second {plain.first / ours.first:.0f} times sooner, whole film "
        f"{plain.all / ours.all:.1f} times."
    )
