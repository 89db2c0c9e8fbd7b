"""Exact values, derived: small Markov chains solved numerically, and closed forms. Independent of the package.

Everything is in one time unit; rates are per that unit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import csc_matrix
from scipy.sparse.linalg import spsolve

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator

    Moves = Callable[[Hashable], Iterator[tuple[float, Hashable]]]


def stationary(start: Hashable, moves: Moves) -> dict[Hashable, float]:
    """Long-run share of each state of the chain that `start` reaches; moves(state) gives (rate, next state)."""
    index, todo, entries = {start: 0}, [start], []
    while todo:
        state = todo.pop()
        for rate, following in moves(state):
            if following not in index:
                index[following] = len(index)
                todo.append(following)
            entries.append((index[state], index[following], rate))
    n = len(index)
    source, target, rate = (np.array(column) for column in zip(*entries, strict=True))
    balance = csc_matrix((rate, (target, source)), (n, n)) - csc_matrix(
        (np.bincount(source, rate, n), (np.arange(n), np.arange(n))), (n, n)
    )
    balance = balance.tolil()
    balance[n - 1, :] = 1.0
    right = np.zeros(n)
    right[n - 1] = 1.0
    share = spsolve(balance.tocsc(), right)
    return {state: float(share[i]) for state, i in index.items()}


# ---- saturated tandem lines with blocking after service

Station = tuple[int, tuple[int, ...], int, bool]  # waiting, in service by phase, finished and blocked, down


class Tandem:
    """The chain of a saturated line, blocking after service; the keys are those of the tables."""

    def __init__(self, mu: list[float], b: list[int], **keys: Any) -> None:
        n = len(mu)
        self.mu, self.b, self.n = mu, b, n
        self.k, self.c = keys.get("k", [1] * n), keys.get("c", [1] * n)
        self.failures = keys.get("failures", "none")
        self.p, self.r = keys.get("p", [0.0] * n), keys.get("r", [0.0] * n)

    def throughput(self) -> float:
        """Parts per time unit: rate of last phases ending at the last station."""
        empty: list[Station] = [(0, (0,) * self.k[i], 0, False) for i in range(self.n)]
        share = stationary(self.settled(empty), self.moves)
        ending = self.k[-1] * self.mu[-1]
        return sum(probability * state[-1][1][-1] * ending * (not state[-1][3]) for state, probability in share.items())

    def settled(self, line: list[Station]) -> tuple[Station, ...]:
        """After every move that is possible."""
        while any(self.leaves(line, i) or self.begins(line, i) for i in reversed(range(self.n))):
            pass
        return tuple(line)

    def free(self, station: Station, i: int) -> bool:
        _, serving, blocked, down = station
        return not down and sum(serving) + blocked < self.c[i]

    def leaves(self, line: list[Station], i: int) -> bool:
        waiting, serving, blocked, down = line[i]
        if not blocked:
            return False
        if i < self.n - 1:
            after = line[i + 1]
            if after[0] >= self.b[i] and not (after[0] == 0 and self.free(after, i + 1)):
                return False
            line[i + 1] = (after[0] + 1, *after[1:])
            self.begins(line, i + 1)
        line[i] = (waiting, serving, blocked - 1, down)
        return True

    def begins(self, line: list[Station], i: int) -> bool:
        waiting, serving, blocked, down = line[i]
        if not self.free(line[i], i) or (i and not waiting):
            return False
        line[i] = (waiting - 1 if i else 0, (serving[0] + 1, *serving[1:]), blocked, down)
        return True

    def moves(self, state: Hashable) -> Iterator[tuple[float, Hashable]]:
        """Rates and states that follow."""
        for i, (waiting, serving, blocked, down) in enumerate(state):
            if down:
                yield self.r[i], self.changed(state, i, (waiting, serving, blocked, False))
                continue
            for phase in range(self.k[i]):
                if serving[phase]:
                    yield serving[phase] * self.k[i] * self.mu[i], self.phase_ends(state, i, phase)
            if self.failures == "tdf" or (self.failures == "odf" and sum(serving)):
                yield self.p[i], self.changed(state, i, (waiting, serving, blocked, True))

    def phase_ends(self, state: Hashable, i: int, phase: int) -> tuple[Station, ...]:
        waiting, serving, blocked, down = state[i]
        left = [*serving]
        left[phase] -= 1
        last = phase == self.k[i] - 1
        if not last:
            left[phase + 1] += 1
        return self.changed(state, i, (waiting, tuple(left), blocked + last, down))

    def changed(self, state: Hashable, i: int, station: Station) -> tuple[Station, ...]:
        return self.settled([*state[:i], station, *state[i + 1 :]])


# ---- queues


def birth_death(births: list[float], deaths: list[float]) -> np.ndarray:
    """Shares of states 0 .. n; births[i] leads from i to i + 1, deaths[i] back."""
    weight = np.cumprod([1.0, *(up / down for up, down in zip(births, deaths, strict=True))])
    return weight / weight.sum()


def mmc(lam: float, mu: float, c: int, *, limit: int = 0) -> dict[str, float]:
    """M/M/c, or with a limit K M/M/c/K, by its birth-death chain."""
    top = limit or c + int(60 / (1 - lam / mu / c))
    share = birth_death([lam] * top, [mu * min(i, c) for i in range(1, top + 1)])
    n = np.arange(top + 1)
    number, queue = float(share @ n), float(share @ np.maximum(n - c, 0))
    entering = lam * (1 - share[-1]) if limit else lam
    return {
        "mean_number_in_system": number,
        "mean_queue_length": queue,
        "mean_sojourn_time": number / entering,
        "mean_waiting_time": queue / entering,
        "utilisation": float(share @ np.minimum(n, c)) / c,
        "blocking_probability": float(share[-1]),
        "throughput": entering,
    }


def mg1(lam: float, mean: float, cv2: float) -> dict[str, float]:
    """Pollaczek and Khinchine."""
    rho = lam * mean
    wait = rho * mean * (1 + cv2) / 2 / (1 - rho)
    return {
        "mean_waiting_time": wait,
        "mean_queue_length": lam * wait,
        "mean_sojourn_time": wait + mean,
        "mean_number_in_system": lam * (wait + mean),
        "utilisation": rho,
        "throughput": lam,
    }


def jackson(lam: float, mu: list[float], c: list[int]) -> dict[str, float]:
    """Stations in series: each is its own M/M/c [Jackson 1957, Burke 1956]."""
    stations = [mmc(lam, m, servers) for m, servers in zip(mu, c, strict=True)]
    return {
        key: sum(s[key] for s in stations)
        for key in ("mean_sojourn_time", "mean_number_in_system", "mean_waiting_time")
    }


def conwip(w: int, mu: list[float]) -> dict[str, float]:
    """Closed exponential stations in series, by mean value analysis [Reiser and Lavenberg 1980]."""
    queue = np.zeros(len(mu))
    rate = 0.0
    for cards in range(1, w + 1):
        times = (1 + queue) / np.array(mu)
        rate = cards / times.sum()
        queue = rate * times
    return {"throughput": rate, "mean_sojourn_time": w / rate, "utilisation": rate / mu[-1]}


def machine_repair(n: int, crews: int, lam: float, mu: float) -> dict[str, float]:
    """Machine interference, M/M/R//N: birth-death in the number of machines down."""
    share = birth_death([lam * (n - i) for i in range(n)], [mu * min(i, crews) for i in range(1, n + 1)])
    down = np.arange(n + 1)
    number, waiting = float(share @ down), float(share @ np.maximum(down - crews, 0))
    rate = lam * (n - number)
    return {
        "availability": 1 - number / n,
        "mean_number_down": number,
        "mean_queue_length": waiting,
        "mean_waiting_time": waiting / rate,
        "utilisation": float(share @ np.minimum(down, crews)) / crews,
        "throughput": rate,
    }


def batch_service(lam: float, mu: float, size: int, minimum: int) -> dict[str, float]:
    """M/M(a,b)/1 by its chain: (busy, waiting), cut where the tail no longer counts."""
    cut = size + int(80 / (1 - lam / mu / size))

    def moves(state: Hashable) -> Iterator[tuple[float, Hashable]]:
        busy, waiting = state  # busy: parts in the furnace
        if waiting < cut:
            if not busy and waiting + 1 >= minimum:
                yield lam, (min(size, waiting + 1), max(0, waiting + 1 - size))
            else:
                yield lam, (busy, waiting + 1)
        if busy:
            start = waiting >= minimum
            yield mu, (min(size, waiting), max(0, waiting - size)) if start else (0, waiting)

    share = stationary((0, 0), moves)
    waiting = sum(p * s[1] for s, p in share.items())
    inside = sum(p * (s[0] + s[1]) for s, p in share.items())
    return {
        "mean_queue_length": waiting,
        "mean_waiting_time": waiting / lam,
        "mean_number_in_system": inside,
        "mean_sojourn_time": inside / lam,
        "utilisation": sum(p for s, p in share.items() if s[0]),
    }


def rework(lam: float, mu: float, p: float, max_loops: int | None) -> dict[str, float]:
    """Visits are geometric, cut after max_loops returns; the queue is M/M/1 at the visits' rate [Jackson 1957]."""
    visits = sum(p**i for i in range(max_loops + 1)) if max_loops is not None else 1 / (1 - p)
    scrap = p ** (max_loops + 1) if max_loops is not None else 0.0
    rho = lam * visits / mu
    number = rho / (1 - rho)
    return {
        "mean_visits": visits,
        "scrap_probability": scrap,
        "throughput": lam * (1 - scrap),
        "utilisation": rho,
        "mean_number_in_system": number,
        "mean_sojourn_time": number / lam,
    }


def shift(mu: float, open_: float, cycle: float, at_end: str) -> dict[str, float]:
    """Pausing: the rate times the open share. Finishing: the part in work at the end comes on top, one a cycle."""
    parts = mu * open_ + (at_end == "finish")
    return {"throughput": parts / cycle, "utilisation": parts / mu / cycle}


def maintenance(mu: float, every_parts: int, duration: float) -> dict[str, float]:
    """Renewal reward: every_parts in every_parts / mu + duration."""
    cycle = every_parts / mu + duration
    return dict.fromkeys(("utilisation", "availability"), every_parts / mu / cycle) | {
        "throughput": every_parts / cycle
    }


def changeover(mu: float, mix: list[float], setup: float) -> dict[str, float]:
    """Two parts in a row differ with probability 1 - sum of squared shares."""
    often = 1 - sum(share * share for share in mix)
    return {"throughput": 1 / (1 / mu + often * setup), "setup_ratio": often * setup / (1 / mu + often * setup)}


def deterministic(s: list[float], nth: int) -> float:
    """Departure of the nth part from a line of constant times."""
    return sum(s) + (nth - 1) * max(s)
