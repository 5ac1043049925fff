"""From a description to arrays: the only place that draws, allocates and chooses number formats."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from . import _core, check
from .connectivity import build_rows
from .distributions import Distribution, Steps
from .model import parameter_values
from .network import Network, Population, Projection
from .times import Time, in_force, still_to_come

INITIAL = 4  # what the random numbers of parameters and states are keyed by, see ext/random.pxi


def build_population(population: Population, seed: int, start: Time) -> Any:
    """The compiled population: parameters resolved, initial states drawn, inputs handed over."""
    model, n = population.model, population.n
    where = f"population {population.name!r}"
    names = [*model.parameters, *model.states]

    def resolve(name: str, value: Any) -> Any:
        if isinstance(value, Steps):
            if value.values.ndim == 2 and value.values.shape[1] not in (1, n):
                raise ValueError(
                    f"{where}: {name} has Steps with {value.values.shape[1]} values each; give one number or {n} values each"
                )
            value = in_force(value.times, value.values, start)
        if isinstance(value, Distribution):
            value = value.draw(n, seed, (INITIAL << 32) | names.index(name), first_id=population.first)
        return value

    parameters = {}
    for name, value in model.values.items():
        parameter = model.parameters[name]
        resolved = np.atleast_1d(parameter_values(where, name, resolve(name, value), parameter.kind, n))
        parameters[name] = resolved if len(resolved) else np.array([parameter.default])  # of nobody
    model.validate(parameters)
    core = model.population(model, n, parameters, population.first, population.index, *start)
    for column, (name, state) in enumerate(model.states.items(), _core.HEAD_WIDTH):
        default = parameters[state.initial] if isinstance(state.initial, str) else state.initial
        value = resolve(name, population.initial.get(name, default))
        core.state[:, column] = check.values(where, name, value, state.kind, n) - offset_of(core, name)
    model.setup(core, seed, start)
    steps = model.values.get("I_e")
    if isinstance(steps, Steps):
        core.set_steps(*still_to_come(steps.times, steps.values, start))
    return core


def offset_of(core: Any, state: str) -> np.ndarray | float:
    """What the engine subtracts from a state: V_m is kept relative to E_L."""
    relative_to = core.model.states[state].relative_to
    return core.parameters[relative_to] if relative_to else 0.0


def build_projection(projection: Projection, cores: list[Any], seed: int, weight_dtype: str, threads: int) -> Any:
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
            threads,
        )
    except (ValueError, TypeError, MemoryError) as error:
        raise type(error)(f"projection {projection.name!r}: {error}") from None
    return _core.Rows(cores[pre.index], cores[post.index], projection.port, *rows)


def build(network: Network, seed: int, weight_dtype: str, start: Time, threads: int) -> Any:
    """The engine of a network, with every alarm set, at time `start`."""
    if not network.populations:
        raise ValueError("Simulation: the network has no populations; add some with net.add")
    needed = sum(8 * p.n * (_core.HEAD_WIDTH + len(p.model.states)) for p in network.populations)
    if needed > os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"):
        largest = max(network.populations, key=len)
        raise MemoryError(
            f"population {largest.name!r}: n = {largest.n}; the network's {network.n} neurons need {needed / 2**30:.3g} GiB, "
            "more than this machine has; reduce n"
        )
    cores = [build_population(p, seed, start) for p in network.populations]
    rows = [build_projection(p, cores, seed, weight_dtype, threads) for p in network.projections]
    return _core.Engine(cores, rows, *start)
