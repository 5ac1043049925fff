"""Exact gradients: run forward with a tape, read the tape backward. The story is told in docs/gradients.md."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from math import ceil
from types import SimpleNamespace
from typing import Any

from . import _core, check
from .events import EventRuns
from .layers import LayerRuns, unsuitable
from .network import Network, Population, Projection
from .response import Response, Runs, Sensitivity
from .simulation import Simulation
from .trains import SpikeTrains

Inputs = SpikeTrains | Sequence[Any] | dict[Any, Any] | None
Loss = Callable[[Response, Any], tuple[float, dict[Any, Sensitivity]]]


class Gradients:
    """Derivatives of a loss, looked up by what was differentiated: a population, a projection, or the name of one.

    ``grads[projection]`` has ``weight`` and ``delay``, (m,) in the order of ``sim.edges(projection)``. ``grads[population]``
    has every parameter and every initial state of its model by name, (n,) one value per neuron: where neurons share a
    value, the derivative by that value is the sum. ``grads[source]`` has ``times``: for each sample an array in the order
    of the spikes given. An ``I_e`` given as `Steps` has a derivative (K, n) by each of its values.
    """

    def __init__(self, network: Network, found: dict[tuple[str, int], dict[str, Any]]):
        self._network = network
        self._populations = [SimpleNamespace(**found.get(("population", p.index), {})) for p in network.populations]
        self._projections = [SimpleNamespace(**found.get(("projection", p.index), {})) for p in network.projections]

    def __getitem__(self, key: Population | Projection | str) -> SimpleNamespace:
        populations = zip(self._network.populations, self._populations, strict=True)
        projections = zip(self._network.projections, self._projections, strict=True)
        known: list[Any] = [] if isinstance(key, Projection) else list(populations)
        known += [] if isinstance(key, Population) else list(projections)
        for thing, gradient in known:
            # names of projections need not differ
            if key == thing.name or (not isinstance(key, str) and (key.index, key.name) == (thing.index, thing.name)):
                return gradient
        raise KeyError(f"Gradients: {key!r} is none of {', '.join(repr(thing.name) for thing, _ in known)}")

    def __repr__(self) -> str:
        things: list[Any] = [*self._network.populations, *self._network.projections]
        lines = [f"  {thing.name}: {', '.join(vars(self[thing])) or 'nothing'}" for thing in things]
        return "Gradients by\n" + "\n".join(lines)


def value_and_grad(
    network: Network | Simulation,
    loss: Loss,
    inputs: Inputs = None,
    targets: Any = None,
    *,
    duration: float | None = None,
    seed: int = 0,
    wrt: Iterable[str] | None = None,
    threads: int = 1,
    executor: str = "auto",
    pseudo_spikes: int = 0,
) -> tuple[float, Gradients, Response]:
    """A loss of a batch of runs, and its exact derivative by everything that made it.

    Parameters
    ----------
    network : a network, built with float64 weights; or a simulation that has not run yet, with whatever ``sim.set`` changed.
        One made with ``executor="windowed"`` runs every sample so, on its own number of threads: the same bits
    loss : called with the `Response` of the batch and the targets; returns the value and, for each population that
        matters to it, a `Sensitivity`. See `eventsim.losses`
    inputs : the spikes of each sample, `SpikeTrains` or a list of (times [ms], ids), of the only `SpikeSource`; a dict
        {source: spikes} if there are several. Times are those of the simulation. They replace the source's own. None: one run
        with the spikes the network has
    targets : handed to the loss
    duration : length of each run [ms]; default the last input plus five of the slowest time constants of membranes and synapses
    seed : for a network: the seed it is built with
    wrt : what to differentiate by: names out of "weight", "delay", "times", parameters and states; None: everything.
        Without time constants it takes a third of the time
    threads : samples computed at a time; changes no bit
    executor : "events" (any network, by the executor of the simulation), "layers" (feed-forward networks of dense homogeneous
        layers) or "auto": the latter if it applies and the simulation names no executor
    pseudo_spikes : so many more spikes of every `QIF` neuron, after the end: the neuron runs on with ``tau_m V' = V^2 + 1``
        from V_m at the end, so that a spike does not vanish there but goes on to move smoothly. They count as spikes

    Returns
    -------
    value : float
    grads : `Gradients` of it
    response : `Response`, what the loss saw

    Raises
    ------
    TypeError
        If a model has no adjoint formulas; names it.
    ValueError
        If the simulation has already run, or an argument is out of range.

    Warns
    -----
    UserWarning
        If the network has `DeltaLIF` neurons that reset to a value: weights do not move the spikes that arrivals trigger.

    Notes
    -----
    Every gradient is a partial derivative: everything else fixed, the initial ``V_m`` too when ``E_L`` is varied. It is
    exact where the order of spikes does not change; there the loss may jump. At a weight of 0 it is the derivative
    by an excitatory weight. Sums are taken in the order of samples, spikes and synapses: the same bits always.

    References
    ----------
    Wunderlich & Pehle (2021), Event-based backpropagation can compute exact gradients for spiking neural networks,
    Sci. Rep. 11, 12829. Klos & Memmesheimer (2025), Smooth exact gradient descent learning in spiking neural networks,
    Phys. Rev. Lett. 134 (pseudo-spikes).
    """
    sim = fresh(network, seed)
    names = None if wrt is None else frozenset([wrt] if isinstance(wrt, str) else wrt)
    _refuse(sim, names)
    batch = runs(sim, inputs, duration, threads, executor, pseudo_spikes)
    response = Response(sim.network, batch)
    value, sensitivities = loss(response, targets)
    by_index: dict[int, Sensitivity] = {}
    for key, sensitivity in sensitivities.items():
        index = response.index(key)
        by_index[index] = by_index[index] + sensitivity if index in by_index else sensitivity
    found = _by_sample(batch.backward(by_index, names), batch)
    for index, sensitivity in by_index.items():
        for name, direct in sensitivity.parameters.items():
            if names is None or name in names:
                gradients = found[("population", index)]
                gradients[name] = gradients[name] + direct
    return float(value), Gradients(sim.network, found), response


def runs(
    sim: Simulation,
    inputs: Inputs = None,
    duration: float | None = None,
    threads: int = 1,
    executor: str = "auto",
    pseudo_spikes: int = 0,
) -> Runs:
    """Run a batch forward. The arguments are those of `value_and_grad`."""
    pseudo_spikes = check.count("value_and_grad", "pseudo_spikes", pseudo_spikes)
    trains = batch_of(sim, inputs)
    threads = check.count("value_and_grad", "threads", threads, at_least=1)
    if duration is None:
        last = max((t.times.max(initial=sim.time) for t in trains.values()), default=sim.time)
        duration = float(ceil(last - sim.time + 5.0 * _slowest(sim)))
    duration = check.number("value_and_grad", "duration", duration, "nonnegative")
    if executor not in ("auto", "events", "layers"):
        raise ValueError(f"value_and_grad: executor = {executor!r} must be 'auto', 'events' or 'layers'")
    if executor != "events":
        reason = unsuitable(sim)
        if reason is None and (executor == "layers" or sim._executor == "auto"):
            return LayerRuns(sim, trains, duration, threads)
        if executor == "layers":
            raise ValueError(f"value_and_grad: executor = 'layers' does not apply: {reason}; use 'events' or 'auto'")
    return EventRuns(sim, trains, duration, threads, pseudo_spikes)


def _slowest(sim: Simulation) -> float:
    """The slowest membrane plus the slowest other time constant of the network [ms]."""
    membrane, synapse = 0.0, 0.0
    for core in sim._engine.populations:
        for name, value in core.parameters.items():
            if name == "tau_m":
                membrane = max(membrane, float(value.max()))
            elif name.startswith("tau"):
                synapse = max(synapse, float(value.max()))
    return membrane + synapse


def fresh(network: Network | Simulation, seed: int = 0) -> Simulation:
    """A simulation to start samples from."""
    if isinstance(network, Network):
        return Simulation(network, seed, weight_dtype="float64")
    if not isinstance(network, Simulation):
        raise TypeError(f"value_and_grad: network = {network!r} is neither a Network nor a Simulation")
    if network._time != network._start:
        raise ValueError(
            f"value_and_grad: the simulation has run to {network.time:g} ms; gradients start at its beginning, make a new one"
        )
    return network


def batch_of(sim: Simulation, inputs: Inputs) -> dict[int, SpikeTrains]:
    """The spikes of a batch for each source, by the index of its population."""
    sources = [p for p in sim.network.populations if isinstance(p.model, _core.SpikeSource)]
    if inputs is None:
        inputs = {p: [(p.model.times, p.model.ids)] for p in sources}
    elif not isinstance(inputs, dict):
        if len(sources) != 1:
            raise ValueError(
                f"value_and_grad: inputs must be a dict {{source: spikes}}, for the network has {len(sources)} SpikeSources"
            )
        inputs = {sources[0]: inputs}
    out = {}
    for source, spikes in inputs.items():
        population, _ = sim.network.find(source, "value_and_grad: inputs")
        if not isinstance(population.model, _core.SpikeSource):
            raise TypeError(
                f"value_and_grad: inputs name {population.name!r}, a {type(population.model).__name__}, not a SpikeSource"
            )
        out[population.index] = trains = SpikeTrains.of(spikes)
        check.below(f"value_and_grad: inputs of {population.name!r}", "ids", trains.ids, population.n, "the number of sources")
    if len({len(t) for t in out.values()}) > 1:
        raise ValueError(f"value_and_grad: inputs have {[len(t) for t in out.values()]} samples; give the same number for each")
    return out


def _refuse(sim: Simulation, wrt: frozenset[str] | None) -> None:
    """Raise for what has no formulas, warn where they say little."""
    known = {"weight", "delay", "times"}
    for p, core in zip(sim.network.populations, sim._engine.populations, strict=True):
        model = type(p.model).__name__
        known |= set(p.model.parameters) | {name for name, state in p.model.states.items() if state.user}
        if p.model.receptors and not core.costate_width():
            raise TypeError(f"value_and_grad: {model} (population {p.name!r}) has no adjoint formulas; see docs/gradients.md")
        if model == "DeltaLIF" and p.model.reset == "value":
            warnings.warn(
                f"DeltaLIF (population {p.name!r}): an arrival that makes it spike says when, whatever its weight, and the reset "
                "forgets the rest; such derivatives by weights are 0, exactly",
                stacklevel=3,
            )
    for name in wrt or ():
        if name not in known:
            raise ValueError(f"value_and_grad: wrt names {name!r}; this network has {', '.join(sorted(known))}")


def _by_sample(found: dict, batch: Runs) -> dict:
    """Gradients by input times sample after sample, as the spikes were given."""
    out = {key: values for key, values in found.items() if key[0] != "times"}
    for (kind, k), values in found.items():
        if kind == "times":
            starts = batch.inputs[k].starts
            parts = [values[a:b] for a, b in pairwise(starts)]
            out[("population", k)] = out.get(("population", k), {}) | {"times": parts}
    return out
