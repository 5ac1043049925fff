"""From a description to arrays: the only place that draws, allocates and chooses number formats."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import _core, check
from .connectivity import build_rows
from .distributions import Distribution, Steps
from .network import Network, Population, Projection
from .times import Time, in_force, still_to_come

INITIAL = 4  # what the random numbers of parameters and states are keyed by, see ext/random.pxi


def build_population(population: Population, seed: int, start: Time) -> Any:
    """The compiled population: parameters resolved, initial states drawn, inputs handed over."""
    model, n = population.model, population.n
    where = f"population {population.name!r}"
    names = [*model.parameters, *model.states]

    def resolve(name: str, value: Any) -> np.ndarray:
        if isinstance(value, Steps):
            value = in_force(value.times, value.values, start)
        if isinstance(value, Distribution):
            return value.draw(n, seed, (INITIAL << 32) | names.index(name), first_id=population.first)
        return np.atleast_1d(check.values(where, name, value, "any", n)).astype(np.float64)

    parameters = {}
    for name, value in model.values.items():
        parameters[name] = resolve(name, value)
        check.values(where, name, parameters[name], model.parameters[name].kind, n)
    model.validate(parameters)
    core = model.population(model, n, parameters, population.first, population.index, *start)
    for column, (name, state) in enumerate(model.states.items(), _core.HEAD_WIDTH):
        default = parameters[state.initial] if isinstance(state.initial, str) else state.initial
        core.state[:, column] = resolve(name, population.initial.get(name, default)) - offset_of(core, name)
    model.setup(core, seed, start)
    steps = model.values.get("I_e")
    if isinstance(steps, Steps):
        core.set_steps(*still_to_come(steps.times, steps.values, start))
    return core


def offset_of(core: Any, state: str) -> np.ndarray | float:
    """What the engine subtracts from a state: V_m is kept relative to E_L."""
    relative_to = core.model.states[state].relative_to
    return core.parameters[relative_to] if relative_to else 0.0


def build_projection(projection: Projection, cores: list[Any], seed: int, weight_dtype: str) -> Any:
    """The compiled rows of a projection."""
    pre, post = projection.pre, projection.post
    try:
        rows = build_rows(
            projection.rule,
            projection.pre_ids,
            projection.post_ids,
            pre.n,
            post.n,
            pre is post,
            projection.weight,
            projection.delay,
            seed,
            projection.index,
            weight_dtype,
        )
    except (ValueError, TypeError, MemoryError) as error:
        raise type(error)(f"projection {projection.name!r}: {error}") from None
    return _core.Rows(cores[pre.index], cores[post.index], projection.port, *rows)


def build(network: Network, seed: int, weight_dtype: str, start: Time) -> Any:
    """The engine of a network, with every alarm set, at time `start`."""
    if not network.populations:
        raise ValueError("Simulation: the network has no populations; add some with net.add")
    cores = [build_population(p, seed, start) for p in network.populations]
    rows = [build_projection(p, cores, seed, weight_dtype) for p in network.projections]
    return _core.Engine(cores, rows, *start)
