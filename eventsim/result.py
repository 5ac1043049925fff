"""What a run returns: spikes as flat arrays, rates, and membranes at any times asked for."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from . import _core, check
from .network import Network, Population, View
from .times import Time, split_array


@dataclass(repr=False)
class Result:
    """Spikes, recorded states and counters of the interval [t_start, t_stop).

    Attributes
    ----------
    network : the description
    seed : int
    start, stop : (epoch, offset) of the interval [ms]
    counters : dict of int: spikes, synaptic_events (deliveries), queue_pushes, queue_pops, alarm_moves, predictions,
        solver_steps
    wall : dict of float, seconds per phase: build, simulate
    n_synapses : int
    executor : "ordered" or "windowed", the one that ran (last)
    executor_note : why not the one that was asked for; else empty
    threads : int, how many it used
    """

    network: Network
    seed: int
    start: Time
    stop: Time
    counters: dict[str, int]
    wall: dict[str, float]
    n_synapses: int
    executor: str = "ordered"
    executor_note: str = ""
    threads: int = 1
    _spikes: np.ndarray = field(default_factory=lambda: np.empty((0, 3)))  # epoch, offset, global id, in time order
    _counts: np.ndarray = field(default_factory=lambda: np.empty(0))  # spikes per neuron, recorded or not
    _watched: np.ndarray = field(default_factory=lambda: np.empty(0))  # are this neuron's spikes recorded?
    _traces: dict[int, tuple[np.ndarray, list]] = field(default_factory=dict)  # per population: records, parameters in force

    @property
    def t_start(self) -> float:
        """Start [ms]."""
        return self.start[0] + self.start[1]

    @property
    def t_stop(self) -> float:
        """End [ms]."""
        return self.stop[0] + self.stop[1]

    @property
    def duration(self) -> float:
        """Length of the interval [ms]."""
        return (self.stop[0] - self.start[0]) + (self.stop[1] - self.start[1])

    @property
    def n_neurons(self) -> int:
        """Neurons and sources."""
        return self.network.n

    @property
    def populations(self) -> list[str]:
        """Names of the populations."""
        return [p.name for p in self.network.populations]

    # ---- spikes

    def spike_times_exact(self, target: Population | View | str | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Spikes in time order with their full accuracy.

        Parameters
        ----------
        target : population, view or name; None: all

        Returns
        -------
        epoch : (m,) int64, whole ms
        offset : (m,) float64 in [0, 1) ms; the time is epoch + offset
        ids : (m,) int64, local ids (global ones for None)
        """
        epoch, offset, gid = self._spikes.T
        gid = gid.astype(np.int64)
        if target is not None:
            population, ids = self.network.find(target, "Result.spikes")
            local = gid - population.first
            wanted = np.zeros(population.n, bool)
            wanted[slice(None) if ids is None else ids] = True
            if not np.all(self._watched[population.first : population.first + population.n][wanted]):
                raise ValueError(f"Result.spikes: not all spikes of {target!r} were recorded; see record_spikes, or use counts()")
            chosen = (local >= 0) & (local < population.n)
            chosen[chosen] = wanted[local[chosen]]
            epoch, offset, gid = epoch[chosen], offset[chosen], local[chosen]
        return epoch.astype(np.int64), offset.copy(), gid

    def spikes(self, target: Population | View | str | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Spike times and ids in time order.

        Parameters
        ----------
        target : population, view or name; None: all recorded ones, with global ids

        Returns
        -------
        t : (m,) float64 [ms]
        i : (m,) int64
        """
        epoch, offset, ids = self.spike_times_exact(target)
        return epoch + offset, ids

    def counts(self, target: Population | View | str | None = None) -> np.ndarray:
        """Number of spikes of each neuron, int64; complete even where spikes were not recorded."""
        if target is None:
            return self._counts.copy()
        population, ids = self.network.find(target, "Result.counts")
        return self._counts[population.first : population.first + population.n][slice(None) if ids is None else ids].copy()

    def rates(self, target: Population | View | str | None = None) -> np.ndarray:
        """Spikes per second of each neuron [Hz]."""
        return self.counts(target) / (self.duration * 1e-3) if self.duration > 0 else np.full(len(self.counts(target)), np.nan)

    def rate(self, target: Population | View | str | None = None) -> float:
        """Mean rate [Hz]."""
        rates = self.rates(target)
        return float(rates.mean()) if len(rates) else float("nan")

    def cv_isi(self, target: Population | View | str | None = None) -> float:
        """Mean over neurons with at least three spikes of the coefficient of variation of their inter-spike intervals."""
        epoch, offset, ids = self.spike_times_exact(target)
        order = np.argsort(ids, kind="stable")
        ids = ids[order]
        intervals = np.diff(epoch[order]) + np.diff(offset[order])
        same = ids[1:] == ids[:-1]
        which, intervals = ids[1:][same], intervals[same]
        n = np.bincount(which)
        mean = np.bincount(which, intervals) / np.maximum(n, 1)
        spread = np.sqrt(np.bincount(which, (intervals - mean[which]) ** 2) / np.maximum(n, 1))
        return float((spread[n > 1] / mean[n > 1]).mean()) if np.any(n > 1) else float("nan")

    # ---- states

    def trace(self, target: Population | View | str, name: str, times: Any) -> np.ndarray:
        """A recorded state at any times, evaluated in closed form between the recorded events.

        Parameters
        ----------
        target : population, view or name whose neurons were given as ``record_V``
        name : state, e.g. ``"V_m"`` [mV] or ``"I_ex"`` [pA]
        times : (k,) array_like in [t_start, t_stop] [ms]; at an event the value is the one after it

        Returns
        -------
        (k, number of neurons) float64
        """
        population, ids = self.network.find(target, "Result.trace")
        ids = np.arange(population.n) if ids is None else ids
        states = population.model.states
        known = [s for s, state in states.items() if state.user]
        if name not in known:
            raise ValueError(f"Result.trace: {population.name!r} has no state {name!r}; it has {', '.join(known) or 'none'}")
        times = np.atleast_1d(check.values("Result.trace", "times", times, "finite"))
        if np.any((times < self.t_start) | (times > self.t_stop)):
            bad = times[(times < self.t_start) | (times > self.t_stop)][0]
            raise ValueError(f"Result.trace: times holds {bad:g} ms; this result is of {self.t_start:g} to {self.t_stop:g} ms")
        records, eras = self._traces.get(population.index, (np.empty((0, 1 + _core.HEAD_WIDTH)), []))
        out = np.empty((len(times), len(ids)))
        wanted = split_array(times)
        relative_to = states[name].relative_to
        model = population.model
        cores = [model.population(model, 0, parameters, 0, 0, 0.0, 0.0) for _, parameters in eras]  # formulas only, no neurons
        order = np.argsort(records[:, 0], kind="stable")
        first, last = np.searchsorted(records[order, 0], [ids, ids + 1])
        for k, neuron in enumerate(ids):
            mine = records[order[first[k] : last[k]], 1:]
            if not len(mine):
                raise ValueError(f"Result.trace: states of {population.name}[{neuron}] were not recorded; see record_V")
            at = np.searchsorted(mine[:, 0] + mine[:, 1], times, side="right") - 1
            # The sum may round a record past a time asked for; compare exactly.
            late = (mine[at, 0] > wanted[:, 0]) | ((mine[at, 0] == wanted[:, 0]) & (mine[at, 1] > wanted[:, 1]))
            rows = mine[np.maximum(at - late, 0)].copy()
            era = _era_of(rows, eras)
            for e in np.unique(era):
                these = np.flatnonzero(era == e)
                some = rows[these]
                cores[e].evolve(some, np.full(len(some), neuron), wanted[these])
                shift = np.broadcast_to(eras[e][1][relative_to], population.n)[neuron] if relative_to else 0.0
                out[these, k] = some[:, _core.HEAD_WIDTH + list(states).index(name)] + shift
        return out

    def V(self, target: Population | View | str, times: Any) -> np.ndarray:
        """Membrane potentials of recorded neurons at any times [mV], shape (k, number of neurons); see `trace`."""
        return self.trace(target, "V_m", times)

    def recorded(self) -> dict[str, np.ndarray]:
        """Local ids of the neurons whose states were recorded, per population."""
        return {
            self.network.populations[index].name: np.unique(records[:, 0]).astype(int)
            for index, (records, _) in self._traces.items()
        }

    # ---- looking

    def plot(self, path: Any = None, **options: Any) -> Any:
        """Raster, rates and recorded membranes as a matplotlib Figure, also written to `path` if given."""
        if not (path is None or isinstance(path, str | os.PathLike) or hasattr(path, "write")):
            raise TypeError(f"Result.plot: path = {path!r} must be a file name, a str or a Path")
        from .plot import plot_result

        return plot_result(self, path, **options)

    def __str__(self) -> str:
        duration, wall, events = self.duration, self.wall["simulate"], self.counters["synaptic_events"]
        width = max(len(p.name) for p in self.network.populations)
        lines = [f"{duration:g} ms of {self.n_neurons:,} neurons and {self.n_synapses:,} synapses, seed {self.seed}"]
        for p in self.network.populations:
            counts = self.counts(p)
            if duration > 0:
                lines.append(
                    f"  {p.name:<{width}}  {p.n:>9,} neurons  {int(counts.sum()):>11,} spikes  {self.rate(p):>9.3f} Hz  "
                    f"{int(np.count_nonzero(counts)):>9,} active"
                )
        speed = f", {wall / events * 1e9:.0f} ns each" if events else ""
        lines.append(f"  {events:,} synaptic events{speed}; {self.counters['spikes']:,} spikes")
        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        factor = f", real-time factor {wall / (duration * 1e-3):.3g}" if duration > 0 else ""
        lines.append(f"  build {self.wall['build']:.2f} s, simulation {wall:.2f} s{factor} ({self.executor} executor, {threads})")
        if self.executor_note:
            lines.append(f"  not the windowed executor: {self.executor_note}")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"Result({self.t_start:g} to {self.t_stop:g} ms, {self.counters['spikes']} spikes)"


def _era_of(rows: np.ndarray, eras: list) -> np.ndarray:
    """Index of the parameters in force at each record: those set at or before its time."""
    starts = np.array([start for start, _ in eras])
    before = (starts[:, 0] < rows[:, :1]) | ((starts[:, 0] == rows[:, :1]) & (starts[:, 1] <= rows[:, 1:2]))
    return before.sum(axis=1) - 1
