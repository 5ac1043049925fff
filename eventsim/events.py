"""Batches of runs of any network by the ordered executor, forward and backward."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from . import _core, check
from .distributions import Steps
from .membrane import DEADLINE, OBSERVATION, TOUCHED, Marks, Membranes, by_neuron, joined, marks
from .response import Sensitivity, Spikes
from .simulation import Simulation
from .times import elapsed_all, later, split_array
from .trains import SpikeTrains


class EventRuns:
    """A batch of runs of any network by the ordered executor, one simulation for each sample."""

    def __init__(self, sim: Simulation, inputs: dict[int, SpikeTrains], duration: float, threads: int = 1, pseudo: int = 0):
        self.sim, self.inputs, self.duration, self.threads = sim, inputs, duration, threads
        self.pseudo = {p.index: pseudo for p in sim.network.populations if pseudo and isinstance(p.model, _core.QIF)}
        self.n_samples = len(next(iter(inputs.values()))) if inputs else 1
        self.start = sim._start
        self.stop = later(self.start, duration)
        self._membranes: dict[int, list[Membranes]] = {}
        self.forks, self.initial = [], []
        for fork, initial in self._each(self._forward, range(self.n_samples)):
            self.forks.append(fork)
            self.initial.append(initial)
        self.tapes = [_Tape(fork._engine, self.start) for fork in self.forks]

    def _each(self, f: Callable[[int], Any], samples: Iterable[int]) -> Iterable[Any]:
        """f of each sample, in order, several at a time."""
        if self.threads == 1:
            yield from map(f, samples)
            return
        with ThreadPoolExecutor(self.threads) as pool:
            yield from pool.map(f, samples)

    def _fork(self, k: int, record_V: Any, record_spikes: bool) -> Simulation:
        fork = self.sim._fork(record_spikes, record_V)
        for index, trains in self.inputs.items():
            times, ids = trains[k]
            check.not_before(f"value_and_grad: inputs of sample {k}", "times", times, self.start)
            fork._engine.populations[index].set_spikes(split_array(times), ids)
            fork._engine.reset_alarms(index)
        return fork

    def _forward(self, k: int) -> tuple[Simulation, list[np.ndarray]]:
        replayed = [p for p in self.sim.network.populations if self.sim._engine.populations[p.index].replays()]
        fork = self._fork(k, replayed, record_spikes=False)
        initial = [core.state.copy() for core in fork._engine.populations]
        fork._engine.write_tape()
        fork.run(self.duration, progress=False)
        return fork, initial

    # ---- what a loss may ask

    def parameters(self, k: int) -> dict[str, np.ndarray]:
        return self.sim._engine.populations[k].parameters

    def _own(self, k: int, sample: int) -> np.ndarray:
        """Places on a sample's tape of the spikes of population k, by time and neuron."""
        p, tape = self.sim.network.populations[k], self.tapes[sample]
        mine = np.flatnonzero((tape.gid >= p.first) & (tape.gid < p.first + p.n))
        return mine[np.lexsort((tape.gid[mine], tape.time[mine]))]

    def spikes(self, k: int) -> Spikes:
        first = self.sim.network.populations[k].first
        trains = []
        for sample, tape in enumerate(self.tapes):
            own = self._own(k, sample)
            trains.append((tape.time[own], tape.gid[own] - first))
            if k in self.pseudo:
                trains[-1] = self._with_pseudo(k, sample, *trains[-1])
        return Spikes(
            np.repeat(np.arange(self.n_samples), [len(times) for times, _ in trains]),
            np.concatenate([times for times, _ in trains]),
            np.concatenate([neurons for _, neurons in trains]),
        )

    def slopes(self, k: int) -> np.ndarray:
        if k in self.pseudo:
            raise ValueError("Response.slopes: the V_m of QIF neurons diverges at their spikes; it has no slope there")
        return np.concatenate([self.tapes[s].before[self._own(k, s)] for s in range(self.n_samples)])

    def _pseudo(self, k: int, sample: int) -> _PseudoSpikes:
        core = self.forks[sample]._engine.populations[k]
        rows = core.state.copy()
        core.evolve(rows, np.arange(core.n), np.tile(self.stop, (core.n, 1)))
        resting = np.maximum(elapsed_all(np.array(self.stop), rows[:, 2:4]), 0.0)
        return _PseudoSpikes(core, rows[:, _core.HEAD_WIDTH], resting, self.pseudo[k])

    def _with_pseudo(self, k: int, sample: int, times: np.ndarray, neurons: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        extra = self.duration + self._pseudo(k, sample).waits
        extra_neurons = np.repeat(np.arange(len(extra)), extra.shape[1])
        order = np.lexsort((extra_neurons, extra.ravel()))
        return np.r_[times, extra.ravel()[order]], np.r_[neurons, extra_neurons[order]]

    def membranes(self, k: int) -> list[Membranes]:
        """The membranes of population k in every sample: the runs are repeated and recorded."""

        def record(sample: int) -> Membranes:
            fork = self._fork(sample, self.sim.network.populations[k], record_spikes=False)
            fork.run(self.duration, progress=False)
            return Membranes(fork._engine.populations[k], fork._engine.traces[k].rows(), self.start, self.stop)

        if k not in self._membranes:
            self._membranes[k] = list(self._each(record, range(self.n_samples)))
        return self._membranes[k]

    def max_V(self, k: int) -> np.ndarray:
        return np.array([np.where(*self._reached(k, s), self.membranes(k)[s].maximum.values) for s in range(self.n_samples)])

    def _reached(self, k: int, sample: int) -> tuple[np.ndarray, np.ndarray]:
        """Which neurons reached a threshold that stands still and were reset there, and where it is: no V_m is higher."""
        core, population = self.sim._engine.populations[k], self.sim.network.populations[k]
        reached = np.zeros(core.n, bool)
        if getattr(core.model, "reset", "value") != "none" and "h" not in core.model.states:
            reached[self.tapes[sample].gid[self._own(k, sample)] - population.first] = True
        return reached, np.broadcast_to(core.parameters.get("V_th", np.inf), core.n)

    def integral_V(self, k: int, decay: float) -> np.ndarray:
        return np.array([m.integral(_weighted(decay)[0]) for m in self.membranes(k)])

    def integral_square(self, k: int, target: float) -> np.ndarray:
        return np.array([m.integral(_squared(target)[0]) for m in self.membranes(k)])

    def V(self, k: int, times: np.ndarray) -> np.ndarray:
        if np.any((times < 0) | (times > self.duration)):
            raise ValueError(f"Response.V: times = {times} must lie in the run, from 0 to {self.duration:g} ms")
        return np.array([m.at(times) for m in self.membranes(k)])

    # ---- backward

    def backward(self, sensitivities: dict[int, Sensitivity], wrt: frozenset[str] | None = None) -> dict:
        rates = wrt is None or any(name.startswith("tau") for name in wrt)
        for k, s in sensitivities.items():  # recorded first: every sample is run again for it
            if s.max_V is not None or s.integral_V or s.integral_square or s.V:
                self.membranes(k)
        places = {k: np.searchsorted(self.spikes(k).sample, np.arange(self.n_samples + 1)) for k in sensitivities}
        total: dict[tuple[str, int], Any] = {}
        times: dict[int, list[np.ndarray]] = {k: [] for k in self.inputs}
        for k, found in enumerate(self._each(lambda s: self._backward(s, sensitivities, places, rates), range(self.n_samples))):
            for key, values in found.items():
                if key[0] == "times":
                    times[key[1]].append(_in_given_order(values, self.inputs[key[1]][k]))
                elif key not in total:
                    total[key] = values
                else:
                    for name, value in values.items():
                        total[key][name] = total[key][name] + value
        if wrt is not None:
            total = {key: {name: v for name, v in values.items() if name in wrt} for key, values in total.items()}
        by_times = times if wrt is None or "times" in wrt else {}
        return total | {("times", k): np.concatenate([*parts, np.empty(0)]) for k, parts in by_times.items()}

    def _backward(self, sample: int, sensitivities: dict[int, Sensitivity], places: dict, rates: bool) -> dict:
        """Gradients of one sample."""
        engine, tape = self.forks[sample]._engine, self.tapes[sample]
        pulls, seen = np.zeros(len(tape.time)), []
        explicit: dict[int, dict[str, np.ndarray]] = {}
        for k, s in sensitivities.items():
            own = self._own(k, sample)
            explicit[k], parts = self._membrane_back(k, sample, s, own, pulls)
            if s.times is not None:
                by_time = np.asarray(s.times)[places[k][sample] : places[k][sample + 1]]
                pulls[own] += by_time[: len(own)]
                if k in self.pseudo:
                    explicit[k] |= self._pseudo_back(k, sample, by_time[len(own) :], own, pulls, parts)
            first = self.sim.network.populations[k].first
            seen += [m._replace(neurons=m.neurons + first) for m in parts]
        seen += [m for core in engine.populations for m in _steps(core, self.stop)]
        records: list[Any] = []
        for core, log in zip(engine.populations, engine.traces, strict=True):
            records.append(None)
            if core.replays():
                ids, rows, begins = by_neuron(log.rows(), core.n)
                records[-1] = rows, begins
                seen.append(marks(rows[:, :2], core.first + ids, TOUCHED, np.zeros(len(rows))))
        found = joined([marks(np.empty((0, 2)), np.empty(0), 0.0, np.empty(0)), *seen])
        order = np.lexsort((found.kinds == OBSERVATION, found.times[:, 1], found.times[:, 0]))
        table = np.column_stack([found.times, found.neurons, found.kinds, found.values])[order]
        adjoint = _core.Sweep(engine, self.start, self.stop, self.initial[sample], pulls, table, records, rates)
        observed = np.flatnonzero(found.kinds == OBSERVATION)
        by_E_L = np.bincount(found.neurons[observed].astype(np.int64), found.values[observed], self.sim.network.n)
        return _gathered(self.sim, adjoint, by_E_L, explicit, tape)

    def _pseudo_back(
        self, k: int, sample: int, by_time: np.ndarray, own: np.ndarray, pulls: np.ndarray, parts: list[Marks]
    ) -> dict[str, np.ndarray]:
        """Explicit derivatives of pseudo-spikes by parameters; a mark at the end and pulls on last spikes are added."""
        pseudo, n = self._pseudo(k, sample), self.sim.network.populations[k].n
        d = np.empty(pseudo.waits.size)
        d[np.lexsort((np.repeat(np.arange(n), self.pseudo[k]), pseudo.waits.ravel()))] = by_time
        explicit, by_V, by_release = pseudo.back(d.reshape(n, -1))
        parts.append(marks(np.tile(self.stop, (n, 1)), np.arange(n), OBSERVATION, by_V))
        last = np.full(n, -1)
        last[self.tapes[sample].gid[own] - self.sim.network.populations[k].first] = own
        held = np.flatnonzero(by_release)
        pulls[last[held]] += by_release[held]
        return explicit

    def _membrane_back(
        self, k: int, sample: int, s: Sensitivity, own: np.ndarray, pulls: np.ndarray
    ) -> tuple[dict[str, np.ndarray], list[Marks]]:
        """Marks of what the loss saw of membranes, and explicit derivatives by parameters: V_th of those that reached it."""
        n, parts, explicit = self.sim.network.populations[k].n, [], {}
        if s.max_V is not None:
            membranes, (reached, _) = self.membranes(k)[sample], self._reached(k, sample)
            d = np.broadcast_to(s.max_V, (self.n_samples, n))[sample]
            if np.any(reached) and "V_th" in membranes.core.parameters:
                explicit["V_th"] = np.where(reached, d, 0.0)
            _, times, slopes, records = membranes.maximum
            seen = np.flatnonzero(~reached & (d != 0.0))
            parts.append(marks(times[seen], seen, OBSERVATION, d[seen]))
            kinks = seen[records[seen] >= 0]
            events, pull = records[kinks], d[kinks] * slopes[kinks]
            spike = _spike_before(membranes, self.tapes[sample], own, self.sim.network.populations[k].first)[events]
            parts.append(marks(membranes.rows[events, :2], kinks, DEADLINE, np.where(spike < 0, pull, 0.0)))
            pulls[spike[spike >= 0]] += pull[spike >= 0]
        integrals = [(*_weighted(decay), d) for decay, d in s.integral_V.items()]
        integrals += [(*_squared(target), d) for target, d in s.integral_square.items()]
        for f, df, d in integrals:
            membranes = self.membranes(k)[sample]
            spike = _spike_before(membranes, self.tapes[sample], own, self.sim.network.populations[k].first)
            found, moved = membranes.integral_back(f, df, np.broadcast_to(d, (self.n_samples, n))[sample], spike)
            parts.append(found)
            pulls[: len(moved)] += moved
        for times, d in s.V:
            times = np.atleast_1d(np.asarray(times, np.float64))
            d = np.broadcast_to(d, (self.n_samples, n, len(times)))[sample]
            parts.append(self.membranes(k)[sample].at_back(times, d))
        return explicit, parts


class _PseudoSpikes:
    """How QIF neurons go on after the end: tau_m V' = V^2 + 1, reset and refractory as ever.

    The first pseudo-spike comes after the rest of refractoriness and tau_m (pi/2 - arctan V), the others t_ref + tau_m (pi/2 -
    arctan V_reset) after one another. A spike that leaves the run becomes the first pseudo-spike, without a jump.
    """

    def __init__(self, core: Any, V: np.ndarray, resting: np.ndarray, count: int):
        p = {name: np.broadcast_to(value, core.n) for name, value in core.parameters.items()}
        self.p, self.V, self.resting, self.rank = p, V, resting, np.arange(count)
        self.first, self.period = np.pi / 2 - _arctan(V), np.pi / 2 - _arctan(p["V_reset"])
        self.waits = (resting + p["tau_m"] * self.first)[:, None] + self.rank * (p["t_ref"] + p["tau_m"] * self.period)[:, None]

    def back(self, d: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
        """From dL/d(waits) (n, count): explicit derivatives by parameters, by V at the end, by the last spike if that still
        holds the neuron."""
        all_d, ranked = d.sum(axis=1), d @ self.rank
        held = np.where(self.resting > 0.0, all_d, 0.0)
        explicit = {
            "tau_m": all_d * self.first + ranked * self.period,
            "V_reset": -ranked * self.p["tau_m"] / (1.0 + self.p["V_reset"] ** 2),
            "t_ref": ranked + held,
        }
        return explicit, -all_d * self.p["tau_m"] / (1.0 + self.V**2), held


def _arctan(x: np.ndarray) -> np.ndarray:
    """One by one: the vector code of NumPy 1 gives the same number other bits from call to call."""
    return np.array([math.atan(value) for value in x])


class _Tape:
    """The spikes of one sample, in the order they happened."""

    def __init__(self, engine: Any, start: tuple[float, float]):
        words = engine.tape.rows()  # struct Spike of ext/costate.pxi
        whole = words.view(np.int32)
        self.at = np.column_stack([start[0] + whole[:, 2], words[:, 0]])
        self.time = elapsed_all(np.array(start), self.at)
        self.gid = np.where(whole[:, 3] < 0, ~whole[:, 3], whole[:, 3]).astype(np.int64)
        self.before = words[:, 2]


def _weighted(decay: float) -> tuple[Callable, Callable]:
    """f and df/dV of the integral of exp(-t/decay) V."""
    return lambda V, t: V * np.exp(-t / decay), lambda V, t: np.exp(-t / decay) * np.ones_like(V)


def _squared(target: float) -> tuple[Callable, Callable]:
    return lambda V, t: (V - target) ** 2, lambda V, t: 2.0 * (V - target)


def _steps(core: Any, stop: tuple[float, float]) -> Iterable[Marks]:
    """Marks of the steps of the injected current that fell into a run."""
    given = core.inputs()
    for k, (at, values) in enumerate(zip(given["step_times"], given["step_values"], strict=True)):
        if tuple(at) < stop:
            gid = core.first + np.arange(core.n)
            yield marks(np.tile(at, (core.n, 1)), gid, float(k), np.broadcast_to(values, core.n))


def _spike_before(membranes: Membranes, tape: _Tape, own: np.ndarray, first: int) -> np.ndarray:
    """For each record of membranes, the place on the tape of the spike it was written after, or -1."""
    at = {(gid - first, *when): place for place, gid, when in zip(own, tape.gid[own], map(tuple, tape.at[own]), strict=True)}
    keys = zip(membranes.ids, membranes.rows[:, 0], membranes.rows[:, 1], strict=True)
    return np.array([at.get(key, -1) for key in keys], np.int64)


def _in_given_order(in_order: tuple[np.ndarray, np.ndarray], given: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Values of the spikes that happened, (ids, values) in time order, as the spikes were given; 0 for those after the end."""
    (happened, values), (times, ids) = in_order, given
    order = np.lexsort((times, ids))
    n = int(max(ids.max(initial=-1), happened.max(initial=-1))) + 1
    starts, counts = np.searchsorted(ids[order], np.arange(n)), np.bincount(happened, minlength=n)
    rank = np.arange(len(ids)) - starts[ids[order]] if len(ids) else np.zeros(0, np.int64)
    out = np.zeros(len(ids))
    out[order[rank < counts[ids[order]]]] = values[np.argsort(happened, kind="stable")]
    return out


def _gathered(sim: Simulation, adjoint: Any, by_E_L: np.ndarray, explicit: dict[int, dict[str, np.ndarray]], tape: _Tape) -> dict:
    """From gradients by coefficients to those by parameters: the chain rule."""
    out: dict[tuple[str, int], Any] = {}
    for p, core in zip(sim.network.populations, sim._engine.populations, strict=True):
        k, mine = p.index, slice(p.first, p.first + p.n)
        if isinstance(core, _core.SpikeSourcePopulation):
            own = np.flatnonzero((tape.gid >= p.first) & (tape.gid < p.first + p.n))
            out[("times", k)] = (tape.gid[own] - p.first, adjoint.times[own])
        if not core.costate_width():
            continue
        states = adjoint.states[k]
        full = {name: np.broadcast_to(v, p.n) for name, v in p.model.core_parameters(core.parameters).items()}
        found = core.gradients(full, adjoint.coefficients[k])
        if "E_L" in found:  # u = V - E_L: an initial V_m that stays is a u that falls; an observed V rises with E_L
            found["E_L"] = found["E_L"] - states[:, 0] + by_E_L[mine]
        for name, directly in explicit.get(k, {}).items():
            found[name] = found[name] + directly
        values = p.model.core_gradients(found)
        for column, (name, state) in enumerate(p.model.states.items()):
            if state.user:
                values[name] = states[:, column]
        if isinstance(p.model.values.get("I_e"), Steps):
            values["I_e"] = _by_steps(p.model.values["I_e"], sim, values["I_e"], adjoint.steps[k])
        out[("population", k)] = values
    for k in range(len(sim.network.projections)):
        out[("projection", k)] = {"weight": adjoint.weights[k], "delay": adjoint.delays[k]}
    return out


def _by_steps(steps: Steps, sim: Simulation, at_start: np.ndarray, later_ones: np.ndarray) -> np.ndarray:
    """(K, n) by the values of an injected current that changes in time; zeros for those before the start or after the end."""
    out = np.zeros((len(steps.times), len(at_start)))
    before = np.searchsorted(steps.times, sim._start[0] + sim._start[1], side="right")
    if before:
        out[before - 1] = at_start
    out[before : before + len(later_ones)] = later_ones
    return out
