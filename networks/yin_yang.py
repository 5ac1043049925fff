"""Yin-Yang: a small data set that needs a hidden layer, and a network of spiking neurons to learn it.

A point of the plane lies in the yin, the yang or one of the two dots of the Taoist sign. It is given as (x, y, 1 - x, 1 - y), and
every number is the time of one spike. The label is the output neuron that fires first. A linear classifier gets 64 % right, a
network with frozen random lower weights 86 %.

References
----------
Data: Kriener, Goeltz & Petrovici (2022), The Yin-Yang dataset, NICE 2022, doi:10.1145/3517343.3517380. Network: Wunderlich &
Pehle (2021), Sci. Rep. 11, 12829, doi:10.1038/s41598-021-91786-z. Small networks with learned delays: Goeltz et al. (2024),
DelGrad, arXiv:2404.19165.

Expected
--------
The untrained network is at chance, 33 %. Trained: 98.1 +- 0.2 % (5-200-3, Wunderlich & Pehle), 98.2 % (4-30-3), 95.4 % (4-5-3),
with learned delays (DelGrad). Here: 98.9 +- 0.2 %, 98.7 +- 0.4 % and 96.3 +- 0.9 %, see benchmarks/README.md.
"""

import numpy as np

import eventsim as es
from eventsim.encode import Latency

DURATION = 60.0  # ms, of one sample

CELL = es.LIF(tau_m=20.0, tau_syn_ex=5.0, tau_syn_in=5.0, C_m=20.0, E_L=0.0, V_th=1.0, V_reset=0.0, t_ref=0.0)
SETS = {"train": (5000, 42), "validation": (1000, 41), "test": (1000, 40)}  # size, seed

BIG, SMALL = 0.5, 0.1  # radii of the sign and of its dots


def build(hidden=200, bias=True, delay=1e-3, point=(0.3, 0.6)):
    """Build the network, with the random weights of Wunderlich & Pehle: 5-200-3.

    Parameters
    ----------
    hidden : int
        Hidden neurons.
    bias : bool
        One more input that always fires at 0 ms.
    delay : float or array
        Of all synapses [ms]. Arrays give every synapse a delay of its own, which then can be learned.
    point : (x, y)
        What the inputs show if nothing else is given.

    Returns
    -------
    Network
        Populations "input" (4 or 5 sources), "hidden", "output" (3 neurons).
    """
    times, ids = spikes(np.array([[*point, 1.0 - point[0], 1.0 - point[1]]]), bias)[0]
    net = es.Network()
    source = net.add("input", 4 + bias, es.SpikeSource(times, ids))
    layer = net.add("hidden", hidden, CELL)
    output = net.add("output", 3, CELL)
    scale = np.sqrt(200 / hidden)
    net.connect(source, layer, weight=es.Normal(1.5, 0.78), delay=_each(delay, source, layer))
    net.connect(layer, output, weight=es.Normal(0.93 * scale**2, 0.1 * scale), delay=_each(delay, layer, output))
    return net


def _each(delay, pre, post):
    return np.broadcast_to(delay, pre.n * post.n) if np.ndim(delay) else delay


def data(name="train"):
    """One of the usual sets, "train" (5000 samples), "validation" or "test" (1000 each).

    Returns
    -------
    X : ndarray, float (n, 4)
    y : ndarray, int (n,)
        0 yin, 1 yang, 2 dot.
    """
    return samples(*SETS[name])


def samples(n, seed):
    """Random samples, the classes equally likely; see `data`."""
    rng = np.random.RandomState(seed)  # the published sets come from this generator
    X, y = np.empty((n, 4)), np.empty(n, np.int64)
    for k in range(n):
        y[k] = rng.randint(3)
        while True:
            point = rng.rand(2) * (2.0 * BIG)
            if np.hypot(*(point - BIG)) <= BIG and label(*point) == y[k]:
                break
        X[k] = *point, 1.0 - point[0], 1.0 - point[1]
    return X, y


def label(x, y):
    """The class of points of the sign, of any shape: 0 yin, 1 yang, 2 dot."""
    right, left = np.hypot(x - 1.5 * BIG, y - BIG), np.hypot(x - 0.5 * BIG, y - BIG)
    dot = (right < SMALL) | (left < SMALL)
    yang = (right <= SMALL) | ((left > SMALL) & (left <= 0.5 * BIG)) | ((y > BIG) & (right > 0.5 * BIG))
    return np.where(dot, 2, np.where(yang, 1, 0))


def spikes(X, bias=True):
    """The samples as `SpikeTrains`: one spike per number, from 0 (for 1) to 30 ms (for 0), and the bias at 0 ms."""
    return Latency(30.0, bias=bias)(X)
