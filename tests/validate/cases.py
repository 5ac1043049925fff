"""Networks of explicit edges that every simulator can be given, and what eventsim makes of them."""

from dataclasses import asdict, replace

import numpy as np
from plain import Edges, Net, Pop

GRID = 2.0**-5  # ms; delays and refractory times are multiples, so that NEST's clock holds them exactly


def poisson(rng, n, rate, T, gap=0.0):
    """Spike lists of n sources as (times, ids) in time order: real-valued times in (gap, T), at least `gap` apart [ms]."""
    times, ids = [], []
    for k in range(n):
        t = np.cumsum(gap + rng.exponential(1e3 / rate - gap, int(3 * rate * T / 1e3) + 20))
        times.append(t[t < T])
        ids.append(np.full(len(times[-1]), k))
    times, ids = np.concatenate(times), np.concatenate(ids)
    order = np.argsort(times, kind="stable")
    return times[order], ids[order]


def edges(rng, pre, post, sources, targets, weight, delay):
    """Edges from `sources[k]` to `targets[k]`, delays uniform in the range `delay` on the grid."""
    low, high = (round(d / GRID) for d in delay)
    d = rng.integers(low, high + 1, len(sources)) * GRID
    return Edges(pre, post, sources, targets, np.broadcast_to(weight, len(sources)).astype(float), d)


def single_neurons(model, params, weight, rng, n=40, rate=250.0, T=400.0):
    """n neurons without connections, each with an excitatory source of its own and an inhibitory one of half the rate."""
    t_ex, i_ex = poisson(rng, n, rate, T)
    t_in, i_in = poisson(rng, n, rate / 2, T)
    each = np.arange(n)
    cells = Pop("cells", n, model, params, dict(V_m=params["E_L"] + np.zeros(n)))
    return Net(
        [cells, Pop("ex", n, "SpikeSource", dict(times=t_ex, ids=i_ex)), Pop("in", n, "SpikeSource", dict(times=t_in, ids=i_in))],
        [
            edges(rng, "ex", "cells", each, each, weight[0] * rng.uniform(0.5, 1.5, n), (GRID, 3.0)),
            edges(rng, "in", "cells", each, each, weight[1] * rng.uniform(0.5, 1.5, n), (GRID, 3.0)),
        ],
    )


def recurrent(model, params, weight, rng, n=120, inputs=12, drive=8, rate=60.0, T=300.0, gap=0.0, start=None):
    """n neurons, 80 % excitatory, with `inputs` random recurrent and `drive` external edges each.

    Parallel edges and autapses occur. `weight`: recurrent excitatory, recurrent inhibitory, external. V starts uniform
    in the range `start` (default: from reset to threshold).
    """
    times, ids = poisson(rng, n, rate, T, gap)
    post = np.repeat(np.arange(n), inputs)
    pre = rng.integers(0, n, len(post))
    signed = np.where(pre < 0.8 * n, weight[0], weight[1]) * rng.uniform(0.5, 1.5, len(pre))
    driven = np.repeat(np.arange(n), drive)
    source = rng.integers(0, n, len(driven))
    V_m = rng.uniform(*(start or (params["V_reset"], params["V_th"])), n)
    return Net(
        [Pop("cells", n, model, params, dict(V_m=V_m)), Pop("input", n, "SpikeSource", dict(times=times, ids=ids))],
        [
            edges(rng, "cells", "cells", pre, post, signed, (0.5, 4.0)),
            edges(rng, "input", "cells", source, driven, weight[2] * rng.uniform(0.5, 1.5, len(source)), (0.5, 4.0)),
        ],
    )


def shifted(net, delta):
    """`net` with thresholds moved by `delta` [mV]."""
    cells = net.pops[0]
    moved = replace(cells, params=cells.params | dict(V_th=np.asarray(cells.params["V_th"]) + delta))
    return Net([moved, *net.pops[1:]], net.edges)


def simulate(net, T):
    """Trains of the first population, by eventsim."""
    import eventsim as es

    description, pops, _ = net.to_eventsim()
    result = es.simulate(description, T, weight_dtype="float64", progress=False)
    return trains(*result.spikes(pops["cells"]), net.pops[0].n)


def peer(run, net, T, **job):
    """Trains of the first population, by a peer."""
    return trains(*run(net=asdict(net), T=T, **job)["spikes"]["cells"], net.pops[0].n)


def trains(times, ids, n):
    """Spike times as a matrix: row = neuron, column = number of the spike, filled up with infinity."""
    times, ids = np.asarray(times, float), np.asarray(ids, int)
    order = np.argsort(ids, kind="stable")
    counts = np.bincount(ids, minlength=n)
    matrix = np.full((n, max(counts.max(initial=0), 1)), np.inf)
    matrix[ids[order], np.arange(len(ids)) - np.repeat(np.cumsum(counts) - counts, counts)] = times[order]
    return matrix


def widen(matrix, width, fill=np.inf):
    """`matrix` with columns of `fill` added up to `width`."""
    return np.pad(matrix, ((0, 0), (0, width - matrix.shape[1])), constant_values=fill)


def distance(a, b):
    """|a - b| spike by spike; infinite where only one of the two has the spike, 0 where neither has."""
    width = max(a.shape[1], b.shape[1])
    a, b = widen(a, width), widen(b, width)
    with np.errstate(invalid="ignore"):
        return np.where(a == b, 0.0, np.abs(a - b))


def so_far(values, times):
    """At each spike, the largest of the `values` of all spikes up to its time."""
    order = np.argsort(times, axis=None)
    largest = np.empty(values.size)
    largest[order] = np.maximum.accumulate(values.ravel()[order])
    return largest.reshape(values.shape)
