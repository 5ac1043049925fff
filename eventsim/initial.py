"""Weights to start from: scaled, layer by layer, until every layer fires."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from . import check
from .gradient import runs
from .network import Network, Population, Projection
from .response import Response
from .simulation import Simulation


def initialise(
    simulation: Simulation,
    inputs: Any,
    *,
    duration: float | None = None,
    spikes: float | Mapping[Any, float] = 1.0,
    spread: float = 1.0,
    threads: int = 1,
    executor: str = "auto",
    tolerance: float = 0.05,
) -> dict[str, float]:
    """Scale the weights of a simulation so that each layer fires about as much as wanted on given inputs.

    Populations are taken in the order in which activity reaches them, and all weights into one are multiplied by a common
    factor > 0. A gradient by spike times says nothing to a layer that is silent, and little to one that fires all the time.

    Parameters
    ----------
    simulation : a `Simulation` that has not run; its weights are changed
    inputs, duration, threads, executor : as for `value_and_grad`; a hundred samples will do
    spikes : wanted spikes per neuron and sample, a number for all or {population or name: number}; populations that a mapping
        leaves out keep their weights
    spread : for populations without threshold: wanted standard deviation, over their neurons, of the mean V_m [mV]
    tolerance : relative deviation from what is wanted that is good enough

    Returns
    -------
    {population name: factor}

    Raises
    ------
    ValueError
        If no factor makes a population fire as wanted: its weights are zero or inhibitory, or nothing fires before it.

    Notes
    -----
    Signs and ratios of the weights into a population stay. In recurrent networks, populations that follow each other in a cycle
    are taken in the order in which they were added.
    """
    def response() -> Response:
        return Response(simulation.network, runs(simulation, inputs, duration, threads, executor))

    wanted = (
        {simulation.network.find(k, "initialise")[0].name: v for k, v in spikes.items()} if isinstance(spikes, Mapping) else None
    )
    factors = {}
    for population in in_order(simulation.network):
        into = [p for p in simulation.network.projections if p.post is population]
        if not into:
            continue
        if "V_th" in population.model.parameters:
            if wanted is not None and population.name not in wanted:
                continue
            goal = check.number("initialise", "spikes", spikes if wanted is None else wanted[population.name], "positive")
            measure = _mean_count
        else:
            goal, measure = check.number("initialise", "spread", spread, "positive"), _spread
        weights = [simulation.edges(p).weight.astype(np.float64) for p in into]

        def measured(
            factor: float, into: Any = into, weights: Any = weights, measure: Any = measure, population: Any = population
        ) -> float:
            _scale(simulation, into, weights, factor)
            return measure(response(), population)

        factor = _solve(measured, goal, tolerance)
        if factor is None:
            what = "spikes per neuron" if measure is _mean_count else "mV of spread"
            raise ValueError(
                f"initialise: no factor on the weights into {population.name!r} makes it reach {goal:g} {what};"
                " check their signs, the inputs and the duration"
            )
        _scale(simulation, into, weights, factor)
        factors[population.name] = factor
    return factors


def in_order(network: Network) -> list[Population]:
    """Populations so that each comes after those that project to it, as far as there are no cycles."""
    before = {p: {q.pre for q in network.projections if q.post is p and q.pre is not p} for p in network.populations}
    ordered: list[Population] = []
    while before:
        ready = next((p for p in before if not before[p].intersection(before)), next(iter(before)))
        ordered.append(ready)
        del before[ready]
    return ordered


def _scale(simulation: Simulation, into: list[Projection], weights: list[np.ndarray], factor: float) -> None:
    for projection, weight in zip(into, weights, strict=True):
        simulation.set(projection, weight=factor * weight)


def _mean_count(response: Response, population: Population) -> float:
    return float(response.counts(population).mean())


def _spread(response: Response, population: Population) -> float:
    return float(response.integral_V(population).std(axis=1).mean() / response.duration)


def _solve(measured: Callable[[float], float], goal: float, tolerance: float) -> float | None:
    """A factor with measured(factor) = goal, for a function that grows: doubling, then halving the interval on a log scale."""
    low, high, factor = 0.0, np.inf, 1.0
    for _ in range(60):
        value = measured(factor)
        if abs(value - goal) <= tolerance * goal:
            return factor
        low, high = (factor, high) if value < goal else (low, factor)
        if high / max(low, 1e-300) < 1.0 + 1e-6:
            return factor  # a count on few samples has steps
        factor = 2.0 * low if high == np.inf else 0.5 * high if low == 0.0 else float(np.sqrt(low * high))
        if not 1e-9 < factor < 1e9:
            return None
    return None
