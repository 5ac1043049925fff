"""What is measured. A new case is one entry of `CASES`."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import eventsim as es
from eventsim.networks import brunel, cuba, fly_brain, microcircuit, sparse


@dataclass(frozen=True)
class Case:
    """A network, how long to run it [ms], and arguments of `es.Simulation`; `peers` can run the same network. `big` ones are
    measured only if they are asked for by name."""

    build: Callable[[], es.Network]
    duration: float = 0.0
    options: dict[str, Any] = field(default_factory=dict)
    peers: tuple[str, ...] = ()
    big: bool = False


SYNAPSES = 20_000_000


def wiring(rule, n, m=None, projections=1, **values):
    """`projections` times `rule` between n and m neurons that do nothing."""
    net = es.Network()
    pre = net.add("pre", n, es.LIF())
    post = pre if m is None else net.add("post", m, es.LIF())
    for _ in range(projections):
        net.connect(pre, post, rule, **values)
    return net


def random_pairs(n):
    rng = np.random.default_rng(1)
    return es.Pairs(*rng.integers(0, n, (2, SYNAPSES), dtype=np.int32))


def random_rows(n):
    rng = np.random.default_rng(1)
    indptr = np.arange(n + 1, dtype=np.int64) * (SYNAPSES // n)
    return es.CSR(indptr, rng.integers(0, n, SYNAPSES, dtype=np.int32))


N = 100_000
DRAWN = dict(weight=es.Normal(50.0, 5.0, low=0.0), delay=es.Uniform(1.0, 20.0))

NEURONS = dict(record_spikes=["exc", "inh"])  # not the sources, which fire more

CASES = {
    "cuba 4000": Case(cuba.build, 1000.0, peers=("nest", "nest precise", "brian2")),
    "cuba 40000": Case(lambda: cuba.build(10.0), 1000.0, peers=("brian2",)),
    "brunel delta": Case(lambda: brunel.build(1.0, "delta"), 100.0, NEURONS),
    "brunel exponential": Case(lambda: brunel.build(1.0, "exponential"), 100.0, NEURONS),
    "sparse 100000, 1 Hz": Case(lambda: sparse.build(1.0, 1.0), 1000.0, peers=("nest", "brian2")),
    "sparse 100000, 0.1 Hz": Case(lambda: sparse.build(1.0, 0.1), 1000.0, peers=("nest", "brian2")),
    "fly brain": Case(fly_brain.build, 1000.0, dict(record_spikes=["brain"]), peers=("brian2",)),
    "build all to all": Case(lambda: wiring(es.AllToAll(), 4000, 5000)),
    "build one to one": Case(lambda: wiring(es.OneToOne(), 1_000_000, projections=20)),
    "build probability": Case(lambda: wiring(es.FixedProbability(0.002), N)),
    "build in-degree": Case(lambda: wiring(es.FixedInDegree(200), N)),
    "build in-degree, drawn": Case(lambda: wiring(es.FixedInDegree(200), N, **DRAWN)),
    "build in-degree, distinct": Case(lambda: wiring(es.FixedInDegree(200, multapses=False), N)),
    "build out-degree": Case(lambda: wiring(es.FixedOutDegree(200), N)),
    "build total number": Case(lambda: wiring(es.FixedTotalNumber(SYNAPSES), N)),
    "build pairs": Case(lambda: wiring(random_pairs(N), N)),
    "build CSR": Case(lambda: wiring(random_rows(N), N)),
    "build microcircuit": Case(lambda: microcircuit.build(1.0, delay_grid=0.1), big=True),  # 3 GB
}
