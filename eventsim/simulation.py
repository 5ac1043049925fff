"""A run is an object: build a network once, run it again and again, look, change, save, continue."""

from __future__ import annotations

import sys
import time
import warnings
from typing import Any, NamedTuple

import numpy as np

from . import _core, check, storage
from .build import build, offset_of
from .connectivity import sort_rows
from .network import Network, Population, Projection, View, population_and_ids
from .result import Result
from .times import Time, later, split, split_array

QUOTA = 1 << 16  # events between two looks at the keyboard and the clock: about 20 ms


class Edges(NamedTuple):
    """The synapses of a projection, in row order: by source, then delay, then target.

    Attributes
    ----------
    pre, post : (m,) int arrays, local ids in the source and target populations
    weight : (m,) float array [pA or mV]
    delay : (m,) float64 array [ms]
    """

    pre: np.ndarray
    post: np.ndarray
    weight: np.ndarray
    delay: np.ndarray


class Simulation:
    """A network, built, with its state.

    Parameters
    ----------
    network : the description; it is only read
    seed : int in [0, 2**64); the same network and seed give the same bits
    record_spikes : True (all), False (counts only), or populations and views whose spikes are recorded
    record_V : populations or views whose states are recorded, so that membranes and currents can be evaluated at any time
    weight_dtype : "float32" or "float64", how drawn and array weights are stored
    threads : accepted for every executor; the result never depends on it. This executor uses one.
    t_start : time at which the simulation starts [ms]

    Examples
    --------
    >>> import eventsim as es
    >>> net = es.Network()
    >>> cell = net.add("cell", 1, es.LIF(I_e=500.0))
    >>> sim = es.Simulation(net)
    >>> first, second = sim.run(50.0), sim.run(50.0)
    >>> sim.time, int(second.counts("cell").sum())
    (100.0, 3)
    """

    def __init__(
        self,
        network: Network,
        seed: int = 0,
        *,
        record_spikes: Any = True,
        record_V: Any = None,
        weight_dtype: str = "float32",
        threads: int = 1,
        t_start: float = 0.0,
    ):
        if not isinstance(network, Network):
            raise TypeError(f"Simulation: network = {network!r} is not a Network")
        if weight_dtype not in ("float32", "float64"):
            raise ValueError(f"Simulation: weight_dtype = {weight_dtype!r} must be 'float32' or 'float64'")
        check.count("Simulation", "threads", threads, at_least=1)
        self.seed = check.seed("Simulation", "seed", seed)
        start = split(check.number("Simulation", "t_start", t_start))
        began = time.perf_counter()
        self._begin(network, build(network, self.seed, weight_dtype, start), start)
        for index, core in enumerate(self._engine.populations):
            if len(core.inputs()["step_times"]):
                self._engine.schedule_steps(index)
        spikes = np.full(network.n, record_spikes is True)
        states = np.zeros(network.n, bool)
        for chosen, flags, name in ((record_spikes, spikes, "record_spikes"), (record_V, states, "record_V")):
            if not isinstance(chosen, bool | None):
                for target in [chosen] if isinstance(chosen, Population | View | str) else chosen:
                    population, ids = self._resolve(target, name)
                    flags[population.first + (np.arange(population.n) if ids is None else ids)] = True
        self._engine.set_watch(spikes, states)
        for index in range(len(network.populations)):
            self._engine.reset_alarms(index)
        self._latest = [_last_of_each(log.rows()) for log in self._engine.traces]
        self._wall["build"] = time.perf_counter() - began

    def _begin(self, network: Network, engine: Any, start: Time) -> None:
        self.network, self._engine, self._time, self._start = network, engine, start, start
        self._current = list(range(len(network.projections)))  # the engine's rows of each projection
        self._eras = [[(start, core.parameters)] for core in engine.populations]
        self._wall = {"build": 0.0, "simulate": 0.0}
        # the last record of each neuron whose states are recorded: what a result of the next run starts from
        self._latest = [_last_of_each(log.rows()) for log in engine.traces]

    # ---- running

    @property
    def time(self) -> float:
        """Now [ms]."""
        return self._time[0] + self._time[1]

    def run(self, duration: float, progress: bool | None = None) -> Result:
        """Simulate for `duration` [ms]: the half-open interval [now, now + duration).

        Several runs give the same bits as one long one. Ctrl-C stops between two events; state and recordings are kept,
        and the simulation can go on from ``sim.time``.

        Parameters
        ----------
        duration : >= 0 [ms]
        progress : show a progress bar; None: on a terminal or in a notebook

        Returns
        -------
        Result of this interval

        Raises
        ------
        RuntimeError
            If a neuron would fire for ever at one instant (a zero-delay cycle), or a state overflows; names neurons.
        MemoryError
            If the recording or the queue cannot grow; everything up to ``sim.time`` is kept.
        """
        duration = check.number("Simulation.run", "duration", duration, "nonnegative")
        start, end = self._time, later(self._time, duration)
        before = self._totals()
        began = time.perf_counter()
        with _Bar(duration, progress) as bar:
            try:
                while (code := self._engine.run(*end, QUOTA)) == _core.PAUSED_CODE:
                    bar.at(_elapsed(start, self._engine.time))
                if code == _core.RAN_AWAY_CODE:
                    raise RuntimeError(self._runaway_message())
                if code == _core.NOT_FINITE_CODE:
                    raise RuntimeError(self._overflow_message())
                if code == _core.NO_MEMORY_CODE:
                    raise MemoryError(
                        "Simulation.run: no memory for spikes in flight or recordings; record fewer neurons "
                        "(record_spikes=False keeps counts) or run for shorter"
                    )
                self._time = end
            except BaseException:
                self._time = max(start, self._engine.time)
                raise
            finally:
                self._wall["simulate"] += time.perf_counter() - began
        return self._result(start, before)

    def _runaway_message(self) -> str:
        gids = self._engine.runaways()
        named = [f"{p.name}[{g - p.first}]" for g in gids[:5] for p in self.network.populations if p.first <= g < p.first + p.n]
        return (
            f"Simulation.run: neurons {', '.join(named)}{' and more' if len(gids) > 5 else ''} fire for ever at "
            f"t = {self._engine.time[0] + self._engine.time[1]:g} ms; they form a cycle of zero delay: give it a delay, "
            "or the neurons a refractory time t_ref"
        )

    def _overflow_message(self) -> str:
        gid = self._engine.overflowed
        population = next(p for p in self.network.populations if p.first <= gid < p.first + p.n)
        core, j = self._engine.populations[population.index], gid - population.first
        state = ", ".join(f"{k} = {v:g}" for k, v in zip(core.model.states, core.state[j, _core.HEAD_WIDTH :], strict=True))
        return (
            f"Simulation.run: the state of {population.name}[{j}] is not finite any more at t = "
            f"{self._engine.time[0] + self._engine.time[1]:g} ms ({state}); check its weights, currents and parameters"
        )

    def result(self) -> Result:
        """Result of everything since the start."""
        nothing = {name: np.zeros_like(value) if name == "_counts" else 0 for name, value in self._totals().items()}
        none = [log.rows(log.n) for log in self._engine.traces]
        start = {"_traced": [0] * len(none), "_latest": none, "_wall": {"simulate": 0.0}}
        return self._result(self._start, nothing | start)

    def _totals(self) -> dict[str, Any]:
        e = self._engine
        return {
            "spikes": e.n_spikes,
            "synaptic_events": e.synaptic_events,
            "queue_pushes": e.flights.pushes,
            "queue_pops": e.flights.pops,
            "alarm_moves": e.alarms.moves,
            "predictions": e.predictions,
            "solver_steps": e.solver_steps,
            "_counts": e.counts.copy(),
            "_records": e.spikes.n,
            "_traced": [log.n for log in e.traces],
            "_latest": list(self._latest),
            "_wall": dict(self._wall),
        }

    def _result(self, start: Time, before: dict[str, Any]) -> Result:
        now = self._totals()
        traces = {}
        for index, log in enumerate(self._engine.traces):
            if log.n:
                traces[index] = (np.concatenate([before["_latest"][index], log.rows(before["_traced"][index])]), self._eras[index])
                self._latest[index] = _last_of_each(traces[index][0])
        return Result(
            network=self.network,
            seed=self.seed,
            start=start,
            stop=self._time,
            _spikes=self._engine.spikes.rows(before["_records"]),
            _counts=now["_counts"] - before["_counts"],
            _watched=(self._engine.watch & 1).astype(bool),
            _traces=traces,
            counters={k: v - before[k] for k, v in now.items() if not k.startswith("_")},
            wall={
                "build": self._wall["build"],
                "simulate": self._wall["simulate"] - before["_wall"]["simulate"],
            },
            n_synapses=sum(len(self._engine.projections[k].indices) for k in self._current),
        )

    # ---- looking and changing

    def _resolve(self, target: Population | View | str, who: str) -> tuple[Population, np.ndarray | None]:
        if isinstance(target, str):
            return self.network[target], None
        if not isinstance(target, Population | View):
            raise TypeError(f"{who}: {target!r} is not a population, view or name of one")
        population, ids = population_and_ids(target)
        mine = self.network.populations
        if population.index >= len(mine) or (mine[population.index].name, mine[population.index].n) != (
            population.name,
            population.n,
        ):
            raise ValueError(f"{who}: population {population.name!r} is not in this simulation's network")
        return mine[population.index], ids

    def get(self, target: Population | View | str, name: str) -> np.ndarray:
        """The present value of a state or parameter, one per neuron; evaluated in closed form, changing nothing.

        Parameters
        ----------
        target : population, view or name
        name : e.g. ``"V_m"`` [mV], ``"I_ex"`` [pA], ``"tau_m"`` [ms]
        """
        population, ids = self._resolve(target, "Simulation.get")
        core = self._engine.populations[population.index]
        states, chosen = core.model.states, slice(None) if ids is None else ids
        if name in states and states[name].user:
            rows = core.state.copy()
            core.evolve(rows, np.arange(core.n), np.tile(self._time, (core.n, 1)))
            return (rows[:, _core.HEAD_WIDTH + list(states).index(name)] + offset_of(core, name))[chosen]
        if name in core.parameters:
            return np.broadcast_to(core.parameters[name], core.n)[chosen].copy()
        known = [s for s, state in states.items() if state.user] + [p for p in core.parameters if p not in states]
        raise ValueError(f"Simulation.get: {population.name!r} has no {name!r}; it has {', '.join(known) or 'nothing to get'}")

    def set(self, target: Population | View | Projection | str, **values: Any) -> None:
        """Change states, parameters, weights or delays from now on.

        Parameters
        ----------
        target : population or view (states such as ``V_m``, parameters such as ``tau_m``, ``rate``), or projection
            (``weight``, ``delay``)
        **values : numbers, or arrays with one value per neuron of the target, or per synapse in the order of `edges`

        Notes
        -----
        A new weight acts on all arrivals from now on, a new delay on all spikes from now on: spikes in flight arrive when
        they would have. New delays reorder the rows; ask `edges` again. An injected current set here holds until the next of
        its `Steps`, if it has any.
        """
        if isinstance(target, Projection):
            self._set_projection(target, **values)
            return
        population, ids = self._resolve(target, "Simulation.set")
        core = self._engine.populations[population.index]
        model, n = core.model, core.n
        where = f"population {population.name!r}"
        chosen = slice(None) if ids is None else ids
        states = {k for k, s in model.states.items() if s.user}
        for name, value in values.items():
            if name not in states and name not in model.parameters:
                known = [*states, *(p for p in model.parameters if p not in states)]
                raise ValueError(f"{where}: there is no {name} (= {value!r}) to set; it has {', '.join(known) or 'nothing'}")
            kind = model.parameters[name].kind if name in model.parameters else "any"
            values[name] = check.values(where, name, value, kind, n if ids is None else len(ids))
        parameters = dict(core.parameters)
        for name in values.keys() & model.parameters.keys() - states:
            whole = np.broadcast_to(parameters[name], n).copy()
            whole[chosen] = values[name]
            parameters[name] = whole if np.any(whole != whole[:1]) else whole[:1]
        model.validate(parameters)
        core.evolve(core.state, np.arange(n), np.tile(self._time, (n, 1)))
        absolute = {s: self.get(population, s) for s in model.states if model.states[s].relative_to}
        core.configure(parameters)
        if parameters.keys() & {"rate"}:
            core.restart(*self._time)
        for name, column in zip(model.states, range(_core.HEAD_WIDTH, core.state.shape[1]), strict=True):
            new = absolute.get(name, core.state[:, column])
            if name in values:
                new[chosen] = values[name]
            if name in absolute:
                core.state[:, column] = new - offset_of(core, name)
        self._eras[population.index].append((self._time, parameters))
        self._engine.reset_alarms(population.index)

    def _set_projection(self, projection: Projection, weight: Any = None, delay: Any = None) -> None:
        k = self._projection(projection, "Simulation.set")
        rows, where = self._engine.projections[self._current[k]], f"projection {projection.name!r}"
        m = len(rows.indices)
        stored = rows.weight
        if weight is not None:
            weight = np.atleast_1d(check.values(where, "weight", weight, "finite", m))
            # One value for all needs no memory per synapse; an array keeps the precision chosen at build.
            stored = weight.astype(np.float64 if len(weight) == 1 or rows.weight.dtype == np.float64 else np.float32)
            if delay is None:
                rows.set_weight(stored)
        if delay is not None:
            delay = np.atleast_1d(check.values(where, "delay", delay, "nonnegative", m)).astype(np.float64)
            pre, post = (self._engine.populations[p.index] for p in (projection.pre, projection.post))
            fresh = _core.Rows(pre, post, rows.port, *sort_rows(rows.indptr, rows.indices, stored, delay))
            everything = [*self._engine.projections, fresh]  # the old rows stay for the spikes in flight
            self._current[k] = len(everything) - 1
            self._engine.set_projections(everything, self._current)

    def inject(self, source: Population | str, times: Any, ids: Any = 0) -> None:
        """Give a `SpikeSource` more spikes.

        Parameters
        ----------
        source : the population
        times : (m,) array_like, >= now [ms]
        ids : (m,) array_like of int, or one int
        """
        population, _ = self._resolve(source, "Simulation.inject")
        core = self._engine.populations[population.index]
        if not isinstance(core, _core.SpikeSourcePopulation):
            raise TypeError(f"Simulation.inject: {population.name!r} is a {type(core.model).__name__}, not a SpikeSource")
        times, ids = check.spikes("Simulation.inject", times, ids, population.n)
        check.not_before("Simulation.inject", "times", times, self._time)
        old_times, old_ids = core.pending()
        core.set_spikes(np.concatenate([old_times, split_array(times)]), np.concatenate([old_ids, ids]))
        self._engine.reset_alarms(population.index)

    def _projection(self, projection: Projection, who: str) -> int:
        if not isinstance(projection, Projection):
            raise TypeError(f"{who}: {projection!r} is not a projection; pass what net.connect returned")
        k = projection.index
        if k >= len(self.network.projections) or self.network.projections[k].name != projection.name:
            raise ValueError(f"{who}: projection {projection.name!r} is not in this simulation's network")
        return k

    def edges(self, projection: Projection) -> Edges:
        """The synapses of a projection as arrays."""
        rows = self._engine.projections[self._current[self._projection(projection, "Simulation.edges")]]
        m = len(rows.indices)
        pre = np.repeat(np.arange(len(rows.indptr) - 1, dtype=np.int32), np.diff(rows.indptr))
        full = [np.broadcast_to(a, m).copy() for a in (rows.weight, rows.delay)]
        return Edges(pre, rows.indices.copy(), full[0], full[1].astype(np.float64))

    def save(self, path: Any) -> None:
        """Write the complete state to a file: `load` continues bit for bit, in any process. Written atomically."""
        storage.save(self, path)

    def __repr__(self) -> str:
        return f"Simulation({self.network!r} at t = {self.time:g} ms, seed {self.seed})"


def simulate(
    network: Network,
    duration: float,
    seed: int = 0,
    *,
    record_V: Any = None,
    record_spikes: Any = True,
    threads: int = 1,
    progress: bool | None = None,
    weight_dtype: str = "float32",
) -> Result:
    """Build a network and simulate it for `duration` [ms]; see `Simulation` for the arguments.

    If it is interrupted (Ctrl-C), what was recorded until then is returned with a warning; ``result.t_stop`` tells the time.
    """
    sim = Simulation(
        network, seed, record_spikes=record_spikes, record_V=record_V, weight_dtype=weight_dtype, threads=threads
    )
    try:
        return sim.run(duration, progress)
    except KeyboardInterrupt:
        warnings.warn(f"interrupted at t = {sim.time:g} ms of {duration:g} ms: the result ends there", stacklevel=2)
        return sim.result()


def _last_of_each(records: np.ndarray) -> np.ndarray:
    """The last record of each neuron (column 0) in a table in time order."""
    _, last = np.unique(records[::-1, 0], return_index=True)
    return records[len(records) - 1 - last]


def _elapsed(a: Time, b: Time) -> float:
    return (b[0] - a[0]) + (b[1] - a[1])


class _Bar:
    """Progress in biological time, shown after half a second."""

    def __init__(self, total: float, wanted: bool | None):
        notebook = "ipykernel" in sys.modules
        self.bar = None
        if wanted or (wanted is None and (sys.stderr.isatty() or notebook)):
            from tqdm.auto import tqdm

            form = "{percentage:3.0f}%|{bar}| {n:.0f}/{total:.0f} ms [{elapsed}<{remaining}]"
            self.bar = tqdm(total=total, bar_format=form, delay=0.5, mininterval=0.2, leave=False)

    def at(self, t: float) -> None:
        if self.bar is not None:
            self.bar.update(t - self.bar.n)

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.close()
