"""Membranes of one recorded run: values, integrals and maxima between events, and what derivatives by them mean.

Between two events a membrane is a sum of exponentials, known from the recorded state after the first one. The solver that
certifies crossings finds its maxima, all of them. Integrals are taken by Gauss-Legendre quadrature over such stretches, cut to
at most `PANEL` of the fastest time constant: then the rule is exact to rounding, and a derivative by an integral is a
weighted sum of derivatives by the membrane at its nodes, plus a pull on the times at which the integrand jumps (own spikes;
arrivals of `DeltaLIF`).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from . import _core
from .build import offset_of
from .times import elapsed_all, just_before, later_all

PANEL = 10.0  # 16 nodes integrate exp(-10 x) over [0, 1] to 1e-20
NODES, WEIGHTS = (0.5 * (1.0 + np.polynomial.legendre.leggauss(16)[0]), 0.5 * np.polynomial.legendre.leggauss(16)[1])
JUMP = 1e-9  # relative: a smaller one at an arrival is rounding


class Marks(NamedTuple):
    """Derivatives of a loss by membranes: at times (m, 2) of neurons (m,), of a kind (see ext/adjoint.pxi), of value (m,)."""

    times: np.ndarray
    neurons: np.ndarray
    kinds: np.ndarray
    values: np.ndarray


OBSERVATION, DEADLINE, TOUCHED = -1.0, -2.0, -3.0  # kinds


class Maxima(NamedTuple):
    """The largest V_m of each neuron (n,), and when to observe it (n, 2). Where an event sets it (an arrival or a spike cuts the
    rise off, or makes V_m jump): dV_m/dt there (n,), by which it moves with the event, and the record written then (n,), else 0
    and -1."""

    values: np.ndarray
    times: np.ndarray
    slopes: np.ndarray
    records: np.ndarray


def marks(times: np.ndarray, neurons: np.ndarray, kind: float, values: np.ndarray) -> Marks:
    return Marks(times, np.asarray(neurons, np.float64), np.full(len(times), kind), np.asarray(values, np.float64))


def by_neuron(records: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Records (m, 1 + width) of a run, by neuron and time: local ids, state rows and where each neuron's begin, (n + 1,). Of
    several at one instant the last: what came in between lasted for no time."""
    order = np.argsort(records[:, 0], kind="stable")
    keys = records[order, :3]  # id, epoch, offset
    order = order[np.r_[np.any(keys[1:] != keys[:-1], axis=1), np.ones(min(len(order), 1), bool)]]
    ids = records[order, 0].astype(np.int64)
    return ids, np.ascontiguousarray(records[order, 1:]), np.searchsorted(ids, np.arange(n + 1)).astype(np.int64)


class Membranes:
    """The membranes of one population in one run.

    Parameters
    ----------
    core : the compiled population
    records : (m, 1 + width) local id and state row after every event, in time order
    start, stop : (2,) of the run
    """

    def __init__(self, core: Any, records: np.ndarray, start: Any, stop: Any):
        self.core, self.start, self.stop = core, np.array(start), np.array(stop)
        self.ids, self.rows, self.first = by_neuron(records, core.n)
        at, last = self.rows[:, :2], np.r_[self.ids[1:] != self.ids[:-1], np.ones(min(len(self.ids), 1), bool)]
        self.ends = np.where(last[:, None], self.stop, np.roll(at, -1, axis=0))
        self.last = last
        self.shift = np.broadcast_to(offset_of(core, next(iter(core.model.states))), core.n)
        self._pieces()

    def _pieces(self) -> None:
        """Cut every stretch at the end of refractoriness: rows (S, width), neurons and lengths (S,); a clamped piece is flat."""
        at, free = self.rows[:, :2], self.rows[:, 2:4]
        clamped = np.isfinite(free[:, 0]) & (elapsed_all(at, np.where(np.isfinite(free), free, at)) > 0.0)
        until = np.where(clamped[:, None] & (elapsed_all(free, self.ends) > 0.0)[:, None], free, self.ends)
        released = clamped & (elapsed_all(free, self.ends) > 0.0)
        after = self._evolved(np.flatnonzero(released), free[released])
        stretch = np.r_[np.arange(len(at)), np.flatnonzero(released)]
        # the records written where a piece begins and ends; -1: none, or the first, which is no event
        begins, ends = np.arange(len(at)), np.where(self.last, -1, np.arange(len(at)) + 1)
        begins[self.first[:-1][np.diff(self.first) > 0]] = -1
        self.begins = np.r_[begins, np.full(len(after), -1)]
        self.stops = np.r_[np.where(released, -1, ends), ends[released]]
        self.piece_rows = np.concatenate([self.rows, after])
        self.piece_ids = self.ids[stretch]
        self.lengths = np.r_[elapsed_all(at, until), elapsed_all(free[released], self.ends[released])]
        self.flat = np.r_[clamped, np.zeros(len(after), bool)]
        self.piece_ends = np.concatenate([until, self.ends[released]])
        keep = np.flatnonzero(self.lengths > 0.0)
        self.piece_rows, self.piece_ids = self.piece_rows[keep], self.piece_ids[keep]
        self.lengths, self.flat, self.piece_ends = self.lengths[keep], self.flat[keep], self.piece_ends[keep]
        self.begins, self.stops = self.begins[keep], self.stops[keep]

    def _evolved(self, which: np.ndarray, times: np.ndarray) -> np.ndarray:
        rows = self.rows[which].copy()
        self.core.evolve(rows, self.ids[which], np.ascontiguousarray(times))
        return rows

    def _V(self, rows: np.ndarray, ids: np.ndarray) -> np.ndarray:
        return rows[:, _core.HEAD_WIDTH] + self.shift[ids]

    # ---- values at given times

    def at(self, times: np.ndarray) -> np.ndarray:
        """V_m (n, K) at times (K,) after the start [ms]."""
        wanted, first, since = later_all(self.start, times), self.first, elapsed_all(self.start, self.rows[:, :2])
        out = np.empty((self.core.n, len(times)))
        for j in range(self.core.n):
            k = first[j] + np.searchsorted(since[first[j] : first[j + 1]], times, side="right") - 1
            out[j] = self._V(self._evolved(k, wanted), np.full(len(times), j))
        return out

    def at_back(self, times: np.ndarray, d_V: np.ndarray) -> Marks:
        """Marks of dL/dV_m (n, K)."""
        wanted, n = later_all(self.start, times), self.core.n
        return marks(np.tile(wanted, (n, 1)), np.repeat(np.arange(n), len(times)), OBSERVATION, d_V.ravel())

    # ---- integrals

    def _panels(self, fractions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Points of every panel: pieces (S, F), neurons, times (S, F, 2), V (S, F), and the panels' lengths (S,)."""
        counts = np.maximum(np.ceil(self.lengths / (PANEL * self._fastest())), 1).astype(np.int64)
        counts[self.flat] = 1
        piece = np.repeat(np.arange(len(counts)), counts)
        rank = np.arange(len(piece)) - np.repeat(np.cumsum(counts) - counts, counts)
        length = (self.lengths / counts)[piece]
        waits = (rank[:, None] + fractions) * length[:, None]
        rows = np.repeat(self.piece_rows[piece], len(fractions), axis=0)
        ids = np.repeat(self.piece_ids[piece], len(fractions))
        times = later_all(rows[:, :2], waits.ravel())
        if fractions[-1] == 1.0:  # to the bit: another stretch may begin there
            last = np.flatnonzero(rank == counts[piece] - 1)
            times[last * len(fractions) + len(fractions) - 1] = self.piece_ends[piece[last]]
        self.core.evolve(rows, ids, np.ascontiguousarray(times))
        shape = (len(piece), len(fractions))
        return ids.reshape(shape), times.reshape(*shape, 2), self._V(rows, ids).reshape(shape), length

    def _fastest(self) -> float:
        """The shortest time constant of the model [ms]."""
        taus = [v.min() for name, v in self.core.parameters.items() if name.startswith("tau")]
        return float(min(taus, default=np.inf))

    def integral(self, f: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> np.ndarray:
        """(n,) integrals of f(V_m, time since the start) over the run."""
        ids, times, V, length = self._panels(NODES)
        terms = (f(V, elapsed_all(self.start, times)) * WEIGHTS).sum(axis=1) * length
        return np.bincount(ids[:, 0], terms, minlength=self.core.n)

    def integral_back(self, f: Any, df: Any, d: np.ndarray, spike: np.ndarray) -> tuple[Marks, np.ndarray]:
        """Marks of dL/d(integral) d (n,), with df = df/dV; and the pull on each own spike. `spike` (m,): for each record, the
        place of the spike it follows, or -1."""
        ids, times, V, length = self._panels(NODES)
        values = df(V, elapsed_all(self.start, times)) * WEIGHTS * (length * d[ids[:, 0]])[:, None]
        seen = marks(times.reshape(-1, 2), ids.ravel(), OBSERVATION, values.ravel())
        # where V jumps, the time of the jump matters
        inner = np.flatnonzero(~self.last)
        since = elapsed_all(self.start, self.ends[inner])
        end = self._V(self._evolved(inner, self.ends[inner]), self.ids[inner])
        begin = self._V(self.rows[inner + 1], self.ids[inner])
        pull = d[self.ids[inner]] * (f(end, since) - f(begin, since))
        pull[np.abs(end - begin) <= JUMP * (1.0 + np.abs(end))] = 0.0
        own = spike[inner + 1]
        pulls = np.bincount(own[own >= 0], pull[own >= 0], minlength=spike.max(initial=-1) + 1)
        others = np.flatnonzero((own < 0) & (pull != 0.0))
        jumps = marks(self.ends[inner][others], self.ids[inner][others], DEADLINE, pull[others])
        return joined([seen, jumps]), pulls

    # ---- maxima

    @cached_property
    def maximum(self) -> Maxima:
        n, at = self.core.n, self.piece_rows[:, :2]
        neurons, nothing = np.arange(n), np.full(n, -1)
        if not len(at):  # a run of length 0
            return Maxima(self.at(np.zeros(1))[:, 0], np.tile(self.start, (n, 1)), np.zeros(n), nothing)
        # at the ends of pieces, the earliest of equal values; where an event leaves V_m as it is, before it
        ends = self.piece_rows.copy()
        self.core.evolve(ends, self.piece_ids, np.ascontiguousarray(self.piece_ends))
        rows, ids, times = np.r_[ends, self.piece_rows], np.tile(self.piece_ids, 2), np.r_[self.piece_ends, at]
        events, after = np.r_[self.stops, self.begins], np.repeat([False, True], len(at))
        order = np.lexsort((after, times[:, 1], times[:, 0], ids))
        u = np.nan_to_num(rows[order, _core.HEAD_WIDTH], nan=-np.inf, posinf=np.inf, neginf=-np.inf)
        highest = np.maximum.reduceat(u, np.searchsorted(ids[order], neurons))
        reached = np.flatnonzero(u == highest[ids[order]])
        best = order[reached[np.searchsorted(ids[order][reached], neurons)]]
        records, cut = events[best], ~after[best] & (events[best] >= 0)
        slopes = np.where(records >= 0, self.core.slopes(rows[best], neurons), 0.0)
        times = np.where(cut[:, None], just_before(times[best]), times[best])
        # inside pieces
        free = ~self.flat
        inside, waits = self.core.peaks(self.piece_rows[free], self.piece_ids[free], self.lengths[free], highest)
        found = inside >= 0
        times[found] = later_all(at[free][inside[found]], waits[found])
        return Maxima(highest + self.shift, times, np.where(found, 0.0, slopes), np.where(found, nothing, records))


def joined(parts: list[Marks]) -> Marks:
    return Marks(*(np.concatenate(column) for column in zip(*parts, strict=True)))
