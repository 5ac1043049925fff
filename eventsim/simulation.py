"""A run is an object: build a network once, run it again and again, look, change, save, continue."""

from __future__ import annotations

import functools
import sys
import threading
import time
import warnings
from collections.abc import Callable
from typing import Any, Concatenate, NamedTuple, NoReturn, ParamSpec, TypeVar

import numpy as np

from . import _core, check, storage
from .build import build, offset_of
from .connectivity import sort_rows
from .model import parameter_values
from .network import Network, Population, Projection, View
from .parallel import available
from .result import Result
from .times import LAST, Time, join, later, split, split_array

QUOTA = 1 << 16  # events between two looks at the keyboard and the clock: about 20 ms,
QUOTA_OF_SUMS = 1 << 21  # and, where they are summed, so quickly that threads would not be worth starting: 20 to 200 ms
EXECUTORS = ("auto", "ordered", "windowed")
LARGE = 1000  # neurons: see `executor`


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


P = ParamSpec("P")
R = TypeVar("R")


def _alone(method: Callable[Concatenate[Simulation, P], R]) -> Callable[Concatenate[Simulation, P], R]:
    """A method that must not meet another one of the same simulation, from another thread or from within `run`: the engine
    works without the interpreter's lock, and has no other."""

    @functools.wraps(method)
    def guarded(self: Simulation, *args: P.args, **kwargs: P.kwargs) -> R:
        if not self._lock.acquire(blocking=False):
            raise RuntimeError(
                f"Simulation.{method.__name__}: another call is at work on this simulation; wait for it, or build a second one"
            )
        try:
            return method(self, *args, **kwargs)
        finally:
            self._lock.release()

    return guarded


class Simulation:
    """A network, built, with its state.

    Parameters
    ----------
    network : the description; it is only read, as it is now
    seed : int in [0, 2**64); the same network and seed give the same bits
    record_spikes : True (all, those of Poisson sources included: 24 bytes each), False (counts only), or populations and views
        whose spikes are recorded
    record_V : populations or views whose states are recorded, so that membranes and currents can be evaluated at any time;
        True (all), None (none)
    weight_dtype : "float32" or "float64", how drawn and array weights are stored
    threads : for construction and for the windowed executor; the ordered one uses one. None: one, and for construction as many
        as there are processors, at most 8. The result never depends on it
    t_start : time at which the simulation starts [ms]
    executor : "ordered" (one event after the other, in the order of time), "windowed" (neuron by neuron in windows as long as the
        shortest delay, where `LIF` and `DeltaLIF` take the sum of their arrivals; agrees with the ordered one to rounding, and is
        faster in large networks) or "auto": windowed where a model sums and at least 1000 neurons receive something. Where
        windows cannot be, the ordered executor runs; `Result.executor` names the one that ran, `Result.executor_note` says why

    Raises
    ------
    TypeError, ValueError
        If an argument, or something in the network, is not what it should be.
    MemoryError
        If the network needs more memory than there is.

    Notes
    -----
    Different simulations may run in different threads. A call on one that is at work raises RuntimeError.

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
        threads: int | None = None,
        t_start: float = 0.0,
        executor: str = "auto",
    ):
        if not isinstance(network, Network):
            raise TypeError(f"Simulation: network = {network!r} is not a Network")
        if weight_dtype not in ("float32", "float64"):
            raise ValueError(f"Simulation: weight_dtype = {weight_dtype!r} must be 'float32' or 'float64'")
        builders = min(available(), 8)
        if threads is None:
            threads = 1
        else:
            threads = builders = check.count("Simulation", "threads", threads, at_least=1)
        if threads > 256:
            raise ValueError(f"Simulation: threads = {threads} must be at most 256")
        if executor not in EXECUTORS:
            raise ValueError(f"Simulation: executor = {executor!r} must be {', '.join(map(repr, EXECUTORS))}")
        self.seed = check.seed("Simulation", "seed", seed)
        t_start = check.number("Simulation", "t_start", t_start)
        if abs(t_start) >= LAST:
            raise ValueError(f"Simulation: t_start = {t_start:g} ms must be within 2**53 ms of 0, where whole ms are exact")
        start = split(t_start)
        began = time.perf_counter()
        engine = build(network, self.seed, weight_dtype, start, builders)
        self._begin(network.snapshot(), engine, start, weight_dtype, executor, threads)
        self._set_out(record_spikes, record_V)
        if self._choose() is self._windows:
            self._windows.survey()
        self._wall["build"] = time.perf_counter() - began

    def _set_out(self, record_spikes: Any, record_V: Any) -> None:
        """Before the first run: queue what the engine does by itself, and say what is recorded."""
        for index, core in enumerate(self._engine.populations):
            if len(core.inputs()["step_times"]):
                self._engine.schedule_steps(index)
        self._engine.set_watch(self._chosen("record_spikes", record_spikes), self._chosen("record_V", record_V))
        for index in range(len(self.network.populations)):
            self._engine.reset_alarms(index)

    def _begin(self, network: Network, engine: Any, start: Time, weight_dtype: str, executor: str, threads: int) -> None:
        self.network, self._engine, self._time, self._start = network, engine, start, start
        self._weight_dtype, self._executor, self._threads = weight_dtype, executor, threads
        self._windows: Any = None  # the windowed executor, once it is needed
        # What the next run starts from, if it is not the present state: see `_cut_window` and `_standing`.
        self._origin: dict[str, np.ndarray] | None = None
        self._ran = ("ordered", "")  # the executor of the last run, and a note
        self._lock = threading.Lock()
        self._remembered: dict[str, Any] = {}  # by executors of batches, as long as nothing changes
        # The engine's rows after those of the projections: replaced ones with spikes still in flight. For each its projection,
        # and the place of each of its synapses in the present rows.
        self._replaced: list[tuple[int, np.ndarray]] = []
        self._eras = [[(start, core.parameters)] for core in engine.populations]
        self._wall = {"build": 0.0, "simulate": 0.0}
        # What a result of the next run starts from: the last record of each neuron whose states are recorded, among so many.
        self._latest = [log.rows(log.n) for log in engine.traces]
        self._seen = [0] * len(engine.traces)

    def _chosen(self, name: str, given: Any) -> np.ndarray:
        """For each neuron, whether an argument record_... is for it."""
        flags = np.full(self.network.n, given is True)
        if given is None or isinstance(given, bool):
            return flags
        if not np.iterable(given) and not isinstance(given, View):
            raise TypeError(f"Simulation: {name} = {given!r} must be True, False, a population or view, or a list of them")
        for target in [given] if isinstance(given, Population | View | str) else given:
            population, ids = self.network.find(target, f"Simulation: {name}")
            flags[population.first + (np.arange(population.n) if ids is None else ids)] = True
        return flags

    def __reduce__(self) -> NoReturn:
        raise TypeError("Simulation: it cannot be pickled or copied; use sim.save(path) and es.load(path)")

    def _fork(self, record_spikes: Any = True, record_V: Any = None) -> Simulation:
        """Another simulation that starts where this one, which has not run yet, stands; the synapses are shared."""
        cores, rows = [], []
        for p in self._engine.populations:
            core = p.model.population(p.model, p.n, p.parameters, p.first, p.index, *self._start)
            core.state[:] = p.state
            core.set_inputs(p.inputs())
            cores.append(core)
        for r in self._engine.projections:
            data = r.indptr, r.indices, r.weight, r.delay_data, r.delay_table
            rows.append(_core.Rows(cores[r.pre], cores[r.post.index], r.port, *data))
        fork = Simulation.__new__(Simulation)
        fork.seed = self.seed
        engine = _core.Engine(cores, rows, *self._start)
        fork._begin(self.network, engine, self._start, self._weight_dtype, self._executor, self._threads)
        fork._set_out(record_spikes, record_V)
        return fork

    # ---- running

    @property
    def time(self) -> float:
        """Now [ms]."""
        return self._time[0] + self._time[1]

    @_alone
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
        if progress is not None:
            progress = check.flag("Simulation.run", "progress", progress)
        start, end = self._time, later(self._time, duration)
        if end[0] >= LAST:
            raise ValueError(
                f"Simulation.run: duration = {duration:g} ms does not end before 2**53 ms, up to where whole ms are exact; "
                "run for less"
            )
        before = self._totals()
        began = time.perf_counter()
        executor = self._choose()
        origin = self._origin
        logs = [self._engine.spikes, *self._engine.traces] if origin is not None else []
        recorded = [log.n for log in logs]
        summing = executor is self._windows and executor.summing
        if summing:
            executor.kept = origin or {}
        with _Bar(duration, progress) as bar:
            try:
                if origin is not None:
                    self._engine.rewind(origin)
                    self._origin = None
                self._advance(executor, end, bar, start)
                if summing and self._engine.time < end:
                    self._origin = self._cut_window(executor, end, bar)
                elif summing and executor.kept:
                    self._origin = self._standing(executor)
                self._time = end
            except BaseException:
                self._time = max(start, self._engine.time)
                if self._engine.time < start:  # still in the window in which the last run ended
                    self._origin = origin
                elif summing and executor.kept and self._origin is None:
                    self._origin = self._standing(executor)
                raise
            finally:
                for log, n in zip(logs, recorded, strict=True):
                    _drop_before(start, log, n)
                self._wall["simulate"] += time.perf_counter() - began
        return self._result(start, before)

    def _advance(self, executor: Any, end: Time, bar: Any, start: Time) -> None:
        """Let an executor handle all events before `end`."""
        try:
            executor.open(*self._engine.time)
            quota = QUOTA_OF_SUMS if executor is self._windows and executor.summing else QUOTA
            while (code := executor.run(*end, quota)) == _core.PAUSED_CODE:
                bar.at(_elapsed(start, self._engine.time))
            if code == _core.RAN_AWAY_CODE:
                raise RuntimeError(self._runaway_message())
            if code == _core.NOT_FINITE_CODE:
                raise RuntimeError(self._overflow_message())
            if code == _core.UNSOUND_CODE:
                raise AssertionError(self._unsound_message(executor.culprit))
            if code == _core.NO_MEMORY_CODE:
                raise MemoryError(
                    "Simulation.run: no memory for spikes in flight or recordings; record fewer neurons "
                    "(record_spikes=False keeps counts) or run for shorter"
                )
        finally:
            executor.close()

    def _standing(self, windows: Any) -> dict[str, np.ndarray]:
        """Where the engine stands, and what windows keep besides, because their sums last longer; states have these in them."""
        return {name: value.copy() for name, value in self._engine.moving().items()} | windows.kept

    def _cut_window(self, windows: Any, end: Time, bar: Any) -> dict[str, np.ndarray]:
        """The window in which a run ends, up to there. A window is summed as a whole: so its spikes are found, and those before
        the end recorded. Then everything returns to its beginning, and goes on to the end event by event.

        Returns what the next run starts from: the beginning of the window.
        """
        engine = self._engine
        logs = [engine.spikes, *engine.traces]
        origin = self._standing(windows)
        watch, recorded = engine.watch.copy(), [log.n for log in logs]
        self._advance(windows, windows.end_of_window(*end), bar, end)
        spikes = engine.spikes.rows(recorded[0])
        for log, n in zip(logs, recorded, strict=True):
            log.cut(n)
        engine.rewind(origin)
        try:
            engine.set_watch(np.zeros(len(watch), bool), watch & _core.WATCH_STATE_FLAG != 0)
            self._advance(engine, end, bar, end)
            engine.spikes.extend(spikes[_before(spikes, end)])
        except BaseException:
            for log, n in zip(logs, recorded, strict=True):
                log.cut(n)
            engine.rewind(origin)
            self._origin = origin  # what windows keep is that of the whole window
            raise
        finally:
            engine.set_watch(watch & _core.WATCH_SPIKES_FLAG != 0, watch & _core.WATCH_STATE_FLAG != 0)
        return origin

    def _choose(self) -> Any:
        """The executor of a run."""
        engine, note = self._engine, ""
        if self._executor == "windowed" or (self._executor == "auto" and self._is_large()):
            length = _core.window_length(engine)
            summing = 0.0 if isinstance(length, tuple) or engine.taping else _core.summing_length(engine)
            if isinstance(length, tuple):
                name, delay = self.network.projections[length[0]].name, length[1]
                note = f"a synapse of projection {name!r} has a delay of {delay:g} ms; windows need 1e-6 ms"
            elif self._executor == "windowed" or summing:
                length = summing or length
                if self._windows is None or (self._windows.longest, self._windows.summing) != (length, summing > 0.0):
                    self._windows = _core.Windows(engine, length, self._threads, summing > 0.0)
                self._ran = ("windowed", "")
                return self._windows
        self._ran = ("ordered", note)
        return engine

    def _is_large(self) -> bool:
        """So that windows pay?"""
        return not self._engine.taping and sum(p.n for p in self._engine.populations if p.model.receptors) >= LARGE

    def _runaway_message(self) -> str:
        gids = self._engine.runaways()
        named = [f"{p.name}[{g - p.first}]" for g in gids[:5] for p in self.network.populations if p.first <= g < p.first + p.n]
        return (
            f"Simulation.run: neurons {', '.join(named)}{' and more' if len(gids) > 5 else ''} fire for ever at "
            f"t = {self._engine.time[0] + self._engine.time[1]:g} ms: give them a refractory time t_ref, their cycle of synapses "
            "a delay, or reduce their weights and currents"
        )

    def _unsound_message(self, gid: int) -> str:
        population, j = self._neuron(gid)
        return (
            f"Simulation.run: {population.name}[{j}] spikes at t = {self._engine.time[0] + self._engine.time[1]:g} ms, though "
            'the bound of its window excludes that; this is an error of eventsim, please report it and use executor="ordered"'
        )

    def _neuron(self, gid: int) -> tuple[Population, int]:
        population = next(p for p in self.network.populations if p.first <= gid < p.first + p.n)
        return population, gid - population.first

    def _overflow_message(self) -> str:
        population, j = self._neuron(self._engine.overflowed)
        core = self._engine.populations[population.index]
        state = ", ".join(f"{k} = {v:g}" for k, v in zip(core.model.states, core.state[j, _core.HEAD_WIDTH :], strict=True))
        return (
            f"Simulation.run: the state of {population.name}[{j}] is not finite any more at t = "
            f"{self._engine.time[0] + self._engine.time[1]:g} ms ({state}); check its weights, currents and parameters"
        )

    @_alone
    def result(self) -> Result:
        """Result of everything since the start."""
        nothing = {name: np.zeros_like(value) if name == "_counts" else 0 for name, value in self._totals().items()}
        none = [log.rows(log.n) for log in self._engine.traces]
        start = {"_traced": [0] * len(none), "_latest": none, "_wall": {"simulate": 0.0}}
        return self._result(self._start, nothing | start)

    def _totals(self) -> dict[str, Any]:
        e = self._engine
        for index, log in enumerate(e.traces):
            if log.n > self._seen[index]:
                self._latest[index] = _last_of_each(np.concatenate([self._latest[index], log.rows(self._seen[index])]))
                self._seen[index] = log.n
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
            "_traced": list(self._seen),
            "_latest": list(self._latest),
            "_wall": dict(self._wall),
        }

    def _result(self, start: Time, before: dict[str, Any]) -> Result:
        now = self._totals()
        traces = {}
        for index, log in enumerate(self._engine.traces):
            if log.n:
                records = np.concatenate([before["_latest"][index], log.rows(before["_traced"][index])])
                traces[index] = (records, list(self._eras[index]))
        return Result(
            network=self.network,
            seed=self.seed,
            start=start,
            stop=self._time,
            _spikes=self._engine.spikes.rows(before["_records"]),
            _counts=now["_counts"] - before["_counts"],
            _watched=(self._engine.watch & 1).astype(bool),
            _traces=traces,
            executor=self._ran[0],
            executor_note=self._ran[1],
            threads=self._threads if self._ran[0] == "windowed" else 1,
            counters={k: v - before[k] for k, v in now.items() if not k.startswith("_")},
            wall={
                "build": self._wall["build"],
                "simulate": self._wall["simulate"] - before["_wall"]["simulate"],
            },
            n_synapses=sum(len(rows.indices) for rows in self._engine.projections[: len(self.network.projections)]),
        )

    # ---- looking and changing

    @_alone
    def get(self, target: Population | View | str, name: str) -> np.ndarray:
        """The present value of a state or parameter, one per neuron; evaluated in closed form, changing nothing.

        Parameters
        ----------
        target : population, view or name
        name : e.g. ``"V_m"`` [mV], ``"I_ex"`` [pA], ``"tau_m"`` [ms]
        """
        population, ids = self.network.find(target, "Simulation.get")
        core = self._engine.populations[population.index]
        known = _names(core.model)
        if name not in known:
            raise ValueError(f"Simulation.get: {population.name!r} has no {name!r}; it has {', '.join(known) or 'nothing'}")
        value = self._state(core, name) if name in core.model.states else self._parameters(core)[name]
        return np.broadcast_to(value, core.n)[slice(None) if ids is None else ids].copy()

    def _state(self, core: Any, name: str) -> np.ndarray:
        """A state of all neurons of a population, now."""
        rows = core.state.copy()
        core.evolve(rows, np.arange(core.n), np.tile(self._time, (core.n, 1)))
        return rows[:, _core.HEAD_WIDTH + list(core.model.states).index(name)] + offset_of(core, name)

    def _parameters(self, core: Any) -> dict[str, np.ndarray]:
        """The parameters of a population, now: Steps may have changed the rate since it was set."""
        inputs = core.inputs()
        past = self._past(inputs["rate_times"]) if "rate_times" in inputs else 0
        return core.parameters | {"rate": inputs["rate_values"][past - 1]} if past else dict(core.parameters)

    def _past(self, times: np.ndarray) -> int:
        """How many of the times (K, 2) of changes have come."""
        return int(np.searchsorted(join(times), self.time, side="right"))

    @_alone
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
        self._origin = None  # from now on another past would lead here
        self._engine.catch_up()
        if isinstance(target, Projection):
            self._set_projection(target, values)
            return
        population, ids = self.network.find(target, "Simulation.set")
        core = self._engine.populations[population.index]
        model, n = core.model, core.n
        where = f"population {population.name!r}"
        chosen = slice(None) if ids is None else ids
        for name, value in values.items():
            if name not in (known := _names(model)):
                raise ValueError(f"{where}: there is no {name} (= {value!r}) to set; it has {', '.join(known) or 'nothing'}")
            kind = model.parameters[name].kind if name in model.parameters else model.states[name].kind
            values[name] = parameter_values(where, name, value, kind, n if ids is None else len(ids))
        if not values or not n:
            return
        parameters = self._parameters(core)
        for name in values.keys() & model.parameters.keys() - model.states.keys():
            whole = np.broadcast_to(parameters[name], n).copy()
            whole[chosen] = values[name]
            parameters[name] = whole if np.any(whole != whole[:1]) else whole[:1]
        model.validate(parameters)
        core.evolve(core.state, np.arange(n), np.tile(self._time, (n, 1)))
        absolute = {s: self._state(core, s) for s in model.states if model.states[s].relative_to}
        core.configure(parameters)
        if "rate" in parameters:
            inputs = core.inputs()
            past = self._past(inputs["rate_times"])
            core.set_rates(core.seed, inputs["rate_times"][past:], inputs["rate_values"][past:])
            core.restart(self._time, self._start)
        for name, column in zip(model.states, range(_core.HEAD_WIDTH, core.state.shape[1]), strict=True):
            new = absolute.get(name, core.state[:, column])
            if name in values:
                new[chosen] = values[name]
            if name in absolute:
                core.state[:, column] = new - offset_of(core, name)
        self._eras[population.index].append((self._time, parameters))
        self._engine.reset_alarms(population.index)

    def _set_projection(self, projection: Projection, values: dict[str, Any]) -> None:
        k, where = self._projection(projection, "Simulation.set"), f"projection {projection.name!r}"
        m = len(self._engine.projections[k].indices)
        for name, value in values.items():
            if name not in ("weight", "delay"):
                raise ValueError(f"{where}: there is no {name} (= {value!r}) to set; it has weight, delay")
            kind = "nonnegative" if name == "delay" else "finite"
            values[name] = np.atleast_1d(check.values(where, name, value, kind, m))
        if "weight" in values:
            self._set_weight(k, self._narrowed(where, values["weight"]))
        if "delay" in values:
            self._set_delay(k, values["delay"])

    def _narrowed(self, where: str, weight: np.ndarray) -> np.ndarray:
        """Weights in the precision chosen at build; one for all needs no memory per synapse and stays as it is."""
        if len(weight) == 1:
            return weight
        if self._weight_dtype != "float64" and np.abs(weight).max(initial=0.0) > np.finfo(self._weight_dtype).max:
            j = int(np.argmax(np.abs(weight)))
            raise ValueError(f"{where}: weight[{j}] = {weight[j]} is too large for float32; build with weight_dtype='float64'")
        return weight.astype(self._weight_dtype, copy=False)

    def _set_weight(self, k: int, weight: np.ndarray) -> None:
        rows = self._engine.projections
        rows[k].set_weight(weight)
        for old, (owner, place) in zip(rows[len(self.network.projections) :], self._replaced, strict=True):
            if owner == k:
                old.set_weight(weight if len(weight) == 1 else weight[place])

    def _set_delay(self, k: int, delay: np.ndarray) -> None:
        """New rows for projection k; replaced ones stay as long as spikes are in flight on them."""
        engine, n = self._engine, len(self.network.projections)
        rows, old = engine.projections[:n], engine.projections[k]
        indptr, indices, order, *delays = sort_rows(old.indptr, old.indices, np.arange(len(old.indices)), delay)
        weight = old.weight if len(old.weight) == 1 else old.weight[order]
        rows[k] = _core.Rows(engine.populations[old.pre], old.post, old.port, indptr, indices, weight, *delays)
        place = np.argsort(order)
        flights = engine.flights.dump()
        synaptic = flights["source"] >= 0
        in_use = np.unique(flights["projection"][synaptic])
        replaced = [(k, k, place)]  # index in the engine, projection, places in its new rows
        replaced += [(j, owner, place[was] if owner == k else was) for j, (owner, was) in enumerate(self._replaced, n)]
        replaced = [entry for entry in replaced if entry[0] in in_use]
        number = np.arange(len(engine.projections))
        number[[j for j, _, _ in replaced]] = np.arange(n, n + len(replaced))
        flights["projection"][synaptic] = number[flights["projection"][synaptic]]
        engine.set_projections(rows + [engine.projections[j] for j, _, _ in replaced], list(range(n)))
        engine.flights.load(flights)
        self._replaced = [(owner, place) for _, owner, place in replaced]

    @_alone
    def inject(self, source: Population | str, times: Any, ids: Any = 0) -> None:
        """Give a `SpikeSource` more spikes.

        Parameters
        ----------
        source : the population
        times : (m,) array_like, >= now [ms]
        ids : (m,) array_like of int, or one int
        """
        population, chosen = self.network.find(source, "Simulation.inject")
        if chosen is not None:
            raise TypeError(f"Simulation.inject: source = {source!r} is a view; pass the population, and ids in it")
        core = self._engine.populations[population.index]
        if not isinstance(core, _core.SpikeSourcePopulation):
            raise TypeError(f"Simulation.inject: {population.name!r} is a {type(core.model).__name__}, not a SpikeSource")
        times, ids = check.spikes("Simulation.inject", times, ids, population.n)
        check.not_before("Simulation.inject", "times", times, split(self.time))
        new_times = split_array(times)
        new_times[times == self.time] = self._time  # `time` is rounded, and means now
        old_times, old_ids = core.pending()
        self._origin = None
        core.set_spikes(np.concatenate([old_times, new_times]), np.concatenate([old_ids, ids]))
        self._engine.reset_alarms(population.index)

    def _projection(self, projection: Projection, who: str) -> int:
        if not isinstance(projection, Projection):
            raise TypeError(f"{who}: {projection!r} is not a projection; pass what net.connect returned")
        k = projection.index
        if k >= len(self.network.projections) or self.network.projections[k].name != projection.name:
            raise ValueError(f"{who}: projection {projection.name!r} is not in this simulation's network")
        return k

    @_alone
    def edges(self, projection: Projection) -> Edges:
        """The synapses of a projection as arrays."""
        rows = self._engine.projections[self._projection(projection, "Simulation.edges")]
        m = len(rows.indices)
        pre = np.repeat(np.arange(len(rows.indptr) - 1, dtype=np.int32), np.diff(rows.indptr))
        weight, delay = np.broadcast_to(rows.weight, m).copy(), np.broadcast_to(rows.delay, m).astype(np.float64)
        return Edges(pre, rows.indices.copy(), weight, delay)

    @_alone
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
    threads: int | None = None,
    progress: bool | None = None,
    weight_dtype: str = "float32",
    executor: str = "auto",
) -> Result:
    """Build a network and simulate it for `duration` [ms]; see `Simulation` for the arguments.

    If it is interrupted (Ctrl-C), what was recorded until then is returned with a warning; ``result.t_stop`` tells the time.
    """
    sim = Simulation(
        network,
        seed,
        record_spikes=record_spikes,
        record_V=record_V,
        weight_dtype=weight_dtype,
        threads=threads,
        executor=executor,
    )
    try:
        return sim.run(duration, progress)
    except KeyboardInterrupt:
        warnings.warn(f"interrupted at t = {sim.time:g} ms of {duration:g} ms: the result ends there", stacklevel=2)
        return sim.result()


def _names(model: Any) -> list[str]:
    """The states and parameters that users may get and set."""
    states = [name for name, state in model.states.items() if state.user]
    return states + [name for name in model.parameters if name not in states]


def _last_of_each(records: np.ndarray) -> np.ndarray:
    """The last record of each neuron (column 0) in a table in time order."""
    _, last = np.unique(records[::-1, 0], return_index=True)
    return records[len(records) - 1 - last]


def _before(records: np.ndarray, t: Time, column: int = 0) -> np.ndarray:
    """Of rows with times (epoch, offset) from a column on, which are before t."""
    epoch, offset = records[:, column], records[:, column + 1]
    return (epoch < t[0]) | ((epoch == t[0]) & (offset < t[1]))


def _drop_before(t: Time, log: Any, n: int) -> None:
    """Of the rows of a log from the n-th on, drop those before t; spikes begin with the time, states with the neuron."""
    rows = log.rows(n)
    early = _before(rows, t, 0 if log.width == 3 else 1)
    if early.any():
        log.cut(n)
        log.extend(rows[~early])


def _elapsed(a: Time, b: Time) -> float:
    return (b[0] - a[0]) + (b[1] - a[1])


class _Bar:
    """Progress in biological time, shown after half a second."""

    def __init__(self, total: float, wanted: bool | None):
        notebook = "ipykernel" in sys.modules
        self.bar = None
        if wanted or (wanted is None and (notebook or (sys.stderr is not None and sys.stderr.isatty()))):
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
