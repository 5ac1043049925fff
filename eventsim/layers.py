"""The fast executor of batches: feed-forward networks of LIF layers whose neurons share their time constants.

Layer after layer, without an event loop; see ext/layers/. `LayerRuns` has the interface `Runs` of response.py.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np

from . import _core
from .response import Sensitivity, Spikes
from .times import join
from .trains import SpikeTrains

MODELS = ("SpikeSource", "LIF", "LeakyIntegrator")
SHARED = ("tau_m", "tau_syn_ex", "tau_syn_in")

def unsuitable(sim: Any) -> str | None:
    """Why this executor does not apply to a simulation; None: it does."""
    if sim._time != sim._start:
        return f"the simulation has run, to {sim.time:g} ms"
    engine = sim._engine
    # `sim.set` replaces these objects when it changes anything
    made_of = [*(core.parameters for core in engine.populations), *engine.projections]
    known = sim._remembered.get("unsuitable")
    if known is None or len(known[0]) != len(made_of) or any(a is not b for a, b in zip(known[0], made_of, strict=True)):
        known = sim._remembered["unsuitable"] = (made_of, _reason(sim))
    return known[1]


def _reason(sim: Any) -> str | None:
    for population, core in zip(sim.network.populations, sim._engine.populations, strict=True):
        where, kind = f"population {population.name!r}", type(core.model).__name__
        if kind not in MODELS:
            return f"{where} is a {kind}, not one of {', '.join(MODELS)}"
        if kind == "SpikeSource":
            continue
        for name in SHARED:
            if np.any(core.parameters[name] != core.parameters[name][0]):
                return f"{where}: {name} differs between neurons"
            if not np.isfinite(core.parameters[name][0]):
                return f"{where}: {name} is not finite"
        if len(core.inputs()["step_times"]):
            return f"{where}: I_e has Steps"
        reset = getattr(core.model, "reset", "value")
        if reset == "none":
            return f"{where}: reset='none'"
        u = core.state[:, _core.HEAD_WIDTH]
        if reset == "subtract" and np.any(u >= core.parameters["V_th"] - core.parameters["E_L"]):
            return f"{where}: V_m starts at or above V_th with reset='subtract'"
    for projection in sim.network.projections:
        if sim._engine.populations[projection.post.index].model.__class__.__name__ == "SpikeSource":
            return f"projection {projection.name!r} ends at a SpikeSource"
    return None if _order(sim) is not None else "its projections form a cycle"


def _order(sim: Any) -> list[int] | None:
    """The populations in topological order, None if there is none."""
    rows = sim._engine.projections
    left, order = list(range(len(sim._engine.populations))), []
    while left:
        ready = [k for k in left if not any(r.post.index == k and r.pre in left for r in rows)]
        if not ready:
            return None
        order += ready
        left = [k for k in left if k not in ready]
    return order


def _columns(rows: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """None if every source meets every target once, in order and with one delay, so that a row of weights belongs to the
    neurons side by side. Else the synapses by target: where those of each start, their sources, their places."""
    n, sources = rows.post.n, len(rows.indptr) - 1
    counts = np.diff(rows.indptr)
    if len(rows.delay_data) == 1 and np.all(counts == n) and np.all(rows.indices.reshape(sources, n) == np.arange(n)):
        return None
    order = np.argsort(rows.indices, kind="stable")
    source = np.repeat(np.arange(sources, dtype=np.int32), counts)[order]
    return np.searchsorted(rows.indices[order], np.arange(n + 1)).astype(np.int64), source, order.astype(np.int64)


def _plan(sim: Any) -> tuple[list[Any], list[int], dict[int, Any]]:
    """What does not change with weights and parameters: (rows, topological order, columns)."""
    rows = list(sim._engine.projections)
    known = sim._remembered.get("plan")
    if known is not None and len(known[0]) == len(rows) and all(a is b for a, b in zip(known[0], rows, strict=True)):
        return known
    order = _order(sim)
    assert order is not None
    columns = [_columns(r) for r in rows]
    # One layer, one kernel: if any of its projections has no plain rows, none has.
    uneven = {r.post.index for r, c in zip(rows, columns, strict=True) if c is not None}
    plan = rows, order, {k: _sorted(r, c, r.post.index in uneven) for k, (r, c) in enumerate(zip(rows, columns, strict=True))}
    sim._remembered["plan"] = plan
    return plan


def _sorted(rows: Any, columns: Any, uneven: bool) -> Any:
    if columns is not None or not uneven:
        return columns
    n, sources = rows.post.n, len(rows.indptr) - 1
    source, synapse = np.tile(np.arange(sources, dtype=np.int32), n), np.arange(n * sources, dtype=np.int64).reshape(sources, n)
    return np.arange(n + 1, dtype=np.int64) * sources, source, synapse.T.ravel()


class LayerRuns:
    """A batch of runs of a feed-forward network of layers.

    Parameters
    ----------
    sim : a Simulation that has not run and for which `unsuitable` has no reason
    inputs : {index of a SpikeSource: its spikes in every sample}, at times of the simulation; a source without an entry repeats
        its own
    duration : [ms]
    threads : over samples; the result does not depend on it

    Raises
    ------
    ValueError
        If ids or times of input spikes are out of range, or sources differ in their number of samples.
    RuntimeError
        If a state overflows, or a neuron fires for ever.

    Notes
    -----
    Samples are dealt out in chunks whose sizes depend on the batch and the number of synapses only; gradients are summed
    within each chunk and then over the chunks in their order.
    """

    def __init__(self, sim: Any, inputs: dict[int, SpikeTrains], duration: float, threads: int = 1):
        _, order, columns = _plan(sim)
        self.duration, self.threads = float(duration), threads
        self.inputs = dict(inputs)
        self.n_samples = len(next(iter(inputs.values()))) if inputs else 1
        self._start = sim.time
        for k, core in enumerate(sim._engine.populations):
            if isinstance(core, _core.SpikeSourcePopulation) and k not in inputs:
                self.inputs[k] = self._repeated(*core.pending())
        for k, trains in self.inputs.items():
            population = sim.network.populations[k]
            if len(trains) != self.n_samples:
                raise ValueError(f"source {population.name!r}: {len(trains)} samples where another source has {self.n_samples}")
            if len(trains.ids) and not (0 <= trains.ids.min() and trains.ids.max() < population.n):
                raise ValueError(f"source {population.name!r}: ids reach {trains.ids.max()}; neurons are 0..{population.n - 1}")
            if len(trains.times) and not trains.times.min() >= self._start:
                raise ValueError(
                    f"source {population.name!r}: times start at {trains.times.min():g} ms; they must be >= {self._start:g}"
                )
        self._given = {k: (trains.times - self._start, trains.ids, trains.starts) for k, trains in self.inputs.items()}
        self._net = _core.LayerNet(sim._engine, order, columns)
        self._cores = sim._engine.populations
        self._rows = [(rows.indices, rows.weight) for rows in sim._engine.projections]
        self._sizes = [len(indices) for indices, _ in self._rows]
        B = self.n_samples
        work = sum(len(trains.times) for trains in self.inputs.values()) * sum(core.n for core in self._cores)
        pieces = max(1, min(B, 16, work // 2**16, max(2, 2**19 // (1 + sum(self._sizes)))))
        cuts = [B * k // pieces for k in range(pieces + 1)]
        self._chunks = [_core.LayerChunk(self._net, lo, hi - lo, self.duration) for lo, hi in pairwise(cuts)]
        self._each(self._forward)
        self._spikes: dict[int, tuple[np.ndarray, ...]] = {}
        self._max_V: dict[int, np.ndarray] = {}

    def _repeated(self, times: np.ndarray, ids: np.ndarray) -> SpikeTrains:
        B, m = self.n_samples, len(ids)
        return SpikeTrains(np.tile(join(times), B), np.tile(ids, B), np.arange(B + 1) * m)

    def _each(self, work: Callable[[Any], Any]) -> list[Any]:
        """Do the same with every chunk."""
        if self.threads == 1 or len(self._chunks) == 1:
            return [work(chunk) for chunk in self._chunks]
        with ThreadPoolExecutor(min(self.threads, len(self._chunks))) as pool:
            return list(pool.map(work, self._chunks))

    def _forward(self, chunk: Any) -> None:
        for k, spikes in self._given.items():
            chunk.give(k, *spikes)
        chunk.forward()

    # ---- what a loss sees

    def parameters(self, population: int) -> dict[str, np.ndarray]:
        return self._cores[population].parameters

    def _fired(self, population: int) -> tuple[np.ndarray, ...]:
        if population not in self._spikes:
            parts = [chunk.spikes(population) for chunk in self._chunks]
            columns = zip(*parts, strict=True)
            self._spikes[population] = parts[0] if len(parts) == 1 else tuple(np.concatenate(column) for column in columns)
        return self._spikes[population]

    def spikes(self, population: int) -> Spikes:
        return Spikes(*self._fired(population)[:3])

    def slopes(self, population: int) -> np.ndarray:
        return self._fired(population)[3]

    def _table(self, population: int) -> np.ndarray:
        return np.zeros((self.n_samples, self._cores[population].n))

    def max_V(self, population: int) -> np.ndarray:
        if population not in self._max_V:
            best = self._table(population)
            self._each(lambda chunk: chunk.maxima(population, best))
            self._max_V[population] = best
        return self._max_V[population]

    def integral_V(self, population: int, decay: float) -> np.ndarray:
        integral = self._table(population)
        self._each(lambda chunk: chunk.integrate(population, 1.0 / decay, 0.0, False, integral))
        return integral

    def integral_square(self, population: int, target: float) -> np.ndarray:
        integral = self._table(population)
        self._each(lambda chunk: chunk.integrate(population, 0.0, target, True, integral))
        return integral

    def V(self, population: int, times: np.ndarray) -> np.ndarray:
        times = np.ascontiguousarray(times, np.float64)
        seen = np.zeros((self.n_samples, self._cores[population].n, len(times)))
        self._each(lambda chunk: chunk.watch(population, times, seen))
        return seen

    # ---- backward

    def backward(self, sensitivities: dict[int, Sensitivity], wrt: frozenset[str] | None) -> dict[Any, Any]:
        """Gradients by everything in `wrt` (None: everything); see response.py."""

        def asked(*names: str) -> bool:
            return wrt is None or any(name in wrt for name in names)

        for k, s in sensitivities.items():
            if s.max_V is not None:
                self.max_V(k)
        # one flat array of gradients per chunk: weights, delays, then the neurons'
        n_weights = sum(self._sizes)
        weight_starts = np.cumsum([0, *self._sizes]).tolist()
        weights, delays = asked("weight", "C_m"), asked("delay")
        shift = n_weights if weights else 0
        wanted = {k: (at if weights else -1, shift + at if delays else -1) for k, at in enumerate(weight_starts[:-1])}
        place, adjoints = shift + (n_weights if delays else 0), {}
        for k, core in enumerate(self._cores):
            adjoints[k] = place
            place += 10 * core.n
        times = {k: np.zeros(len(t.times)) for k, t in self.inputs.items()} if asked("times") else {}
        rates, drive = asked(*SHARED), asked("I_e", "C_m")
        tables = {k: self._tables(s, self._cores[k].n) for k, s in sensitivities.items()}

        def work(chunk: Any, grads: np.ndarray | None = None) -> np.ndarray:
            grads = np.zeros(place) if grads is None else grads
            losses = {}
            for k, table in tables.items():
                mine = dict(table)
                if "times" in mine:
                    lo = sum(c.count(k) for c in self._chunks if c.first < chunk.first)
                    mine["times"] = mine["times"][lo : lo + chunk.count(k)]
                if "max_V" in mine:
                    mine["found"] = chunk.found[k]
                losses[k] = _core.StageLoss(**mine)
            chunk.backward(losses, wanted, grads, adjoints, times, rates, drive)
            return grads

        if self.threads == 1:  # one array for all chunks but the first: new memory costs more than the sums
            total, part = work(self._chunks[0]), np.empty(place if len(self._chunks) > 1 else 0)
            for chunk in self._chunks[1:]:
                part[:] = 0.0
                total += work(chunk, part)
        else:
            total, *parts = self._each(work)
            for part in parts:
                total += part
        return self._named(total, wanted, adjoints, times, sensitivities, wrt)

    def _tables(self, s: Sensitivity, n: int) -> dict[str, Any]:
        """A sensitivity as the compiled code takes it."""
        out: dict[str, Any] = {}
        B = self.n_samples
        if s.times is not None:
            out["times"] = np.ascontiguousarray(s.times, np.float64)
        if s.max_V is not None:
            out["max_V"] = np.ascontiguousarray(s.max_V, np.float64)
        if s.integral_V:
            out["decay_rates"] = 1.0 / np.array(list(s.integral_V), np.float64)
            out["integrals"] = np.ascontiguousarray([np.broadcast_to(v, (B, n)) for v in s.integral_V.values()], np.float64)
        if s.integral_square:
            out["targets"] = np.array(list(s.integral_square), np.float64)
            out["squares"] = np.ascontiguousarray([np.broadcast_to(v, (B, n)) for v in s.integral_square.values()], np.float64)
        if s.V:
            out["look_times"] = np.concatenate([np.asarray(t, np.float64) for t, _ in s.V])
            out["looks"] = np.ascontiguousarray(np.concatenate([v for _, v in s.V], axis=2), np.float64)
        return out

    def _named(
        self,
        total: np.ndarray,
        wanted: dict[int, tuple[int, int]],
        adjoints: dict[int, int],
        times: dict[int, np.ndarray],
        sensitivities: dict[int, Sensitivity],
        wrt: frozenset[str] | None,
    ) -> dict[Any, Any]:
        """The flat gradients by name; from those by u, I/C_m and rates to those by the parameters users know."""
        out: dict[Any, Any] = {}

        def keep(key: Any, name: str, value: Any) -> None:
            if wrt is None or name in wrt:
                out.setdefault(key, {})[name] = value

        for k, (weight_at, delay_at) in wanted.items():
            m = self._sizes[k]
            keep(("projection", k), "weight", total[weight_at : weight_at + m])
            keep(("projection", k), "delay", total[delay_at : delay_at + m])
        for k, train in times.items():
            out[("times", k)] = train
        for k, core in enumerate(self._cores):
            if k in self.inputs or (wrt is not None and not wrt & {*core.model.parameters, *core.model.states}):
                continue
            n, key = core.n, ("population", k)
            c, r, t_ref, u, e, i, d, a, b_e, b_i = total[adjoints[k] : adjoints[k] + 10 * n].reshape(10, n)
            q = {name: np.broadcast_to(value, n) for name, value in core.parameters.items()}
            capacity, current = 1.0 / q["C_m"], core.state[:, _core.HEAD_WIDTH + 3]
            keep(key, "V_m", u)
            keep(key, "I_ex", capacity * e)
            keep(key, "I_in", capacity * i)
            keep(key, "I_e", capacity * d)
            keep(key, "tau_m", -a / q["tau_m"] ** 2)
            keep(key, "tau_syn_ex", -b_e / q["tau_syn_ex"] ** 2)
            keep(key, "tau_syn_in", -b_i / q["tau_syn_in"] ** 2)
            if wrt is None or "C_m" in wrt:
                state = core.state[:, _core.HEAD_WIDTH :]
                by_size = state[:, 1] * e + state[:, 2] * i + current * d
                by_size = by_size * capacity
                for x in self._net.cables_of[k]:
                    (indices, weight), at = self._rows[x], wanted[x][0]
                    by_size = by_size + np.bincount(indices, weight * total[at : at + self._sizes[x]], n)
                keep(key, "C_m", -by_size * capacity)
            if wrt is None or "E_L" in wrt:
                held = r if getattr(core.model, "reset", "value") == "value" else 0.0
                keep(key, "E_L", self._seen_sum(k, sensitivities.get(k), n) - (u + c + held))
            if "V_th" in core.parameters and "V_th" in core.model.parameters:
                keep(key, "V_th", c)
                keep(key, "V_reset", r if core.model.reset == "value" else np.zeros(n))
                keep(key, "t_ref", t_ref)
        return out

    def _seen_sum(self, population: int, s: Sensitivity | None, n: int) -> np.ndarray:
        """dL/dE_L at fixed V_m - E_L: all membranes seen rise together."""
        total = np.zeros(n)
        if s is None:
            return total
        if s.max_V is not None:
            total += np.sum(s.max_V, axis=0)
        for decay, v in s.integral_V.items():
            rate = 1.0 / decay
            total += np.sum(v, axis=0) * (self.duration if rate == 0.0 else -np.expm1(-rate * self.duration) / rate)
        for target, v in s.integral_square.items():
            total += np.sum(2.0 * v * (self.integral_V(population, np.inf) - target * self.duration), axis=0)
        for _, v in s.V:
            total += np.sum(v, axis=(0, 2))
        return total
