"""What is measured. A new case is one entry of `CASES`."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import eventsim as es
from eventsim.networks import brunel, cuba, fly_brain, microcircuit, sparse

ORDERED, WINDOWED, TWO_THREADS = "eventsim", "eventsim windowed", "eventsim windowed, 2 threads"
WINDOWS = WINDOWED, TWO_THREADS


@dataclass(frozen=True)
class Case:
    """A network, how long to run it [ms], after how long a run that is not timed, and which of our executors run it.

    Spikes of the populations `record` are recorded (None: all). `peers` maps other simulators to how long [ms] they run the
    same network, which is `description`, the arguments of a function in `peer_*.py`. `big` cases are measured only if they
    are asked for by name.
    """

    build: Callable[[], es.Network]
    duration: float = 0.0
    warmup: float = 0.0
    ours: tuple[str, ...] = (ORDERED, WINDOWED, TWO_THREADS)
    record: tuple[str, ...] | None = ("exc", "inh")
    peers: dict[str, float] = field(default_factory=dict)
    description: dict[str, Any] = field(default_factory=dict)
    big: bool = False


def cuba_case(n, peers, **values):
    return Case(lambda: cuba.build(n / 4000), 1000.0, peers=peers, description=dict(network="cuba", n=n), **values)


def brunel_case(synapse):
    """The ordered executor would take a minute and a half."""
    return Case(
        lambda: brunel.build(1.0, synapse),
        200.0,
        100.0,
        WINDOWS,
        peers={"nest": 100.0, "nest, 2 threads": 100.0, "nest precise": 50.0, "brian2": 200.0},
        description=dict(network="brunel", synapse=synapse),
    )


def sparse_case(n, rate, peers, **values):
    description = dict(network="sparse", n=n, rate=rate, trains=1000.0)
    return Case(lambda: sparse.build(n / 100_000, rate, 1000.0), 1000.0, peers=peers, description=description, **values)


def microcircuit_case(scale, duration, warmup, peers, background_grid=0.0, big=True):
    """The ordered executor would take minutes."""
    description = dict(
        network="microcircuit",
        size=np.round(microcircuit.SIZE * scale).astype(int),
        synapses=np.round(microcircuit.full_synapses() * scale**2).astype(int),
        weight=microcircuit.mean_weights() / np.sqrt(scale),
        background_weight=microcircuit.WEIGHT / np.sqrt(scale),
        background_rate=microcircuit.BACKGROUND_RATE * np.round(microcircuit.BACKGROUND_INPUTS * scale),
        current=microcircuit.compensation(scale),
        cell=microcircuit.CELL,
        v_mean=microcircuit.V_MEAN,
        v_std=microcircuit.V_STD,
    )
    return Case(
        lambda: microcircuit.build(scale, delay_grid=0.1, background_grid=background_grid),
        duration,
        warmup,
        WINDOWS,
        microcircuit.POPULATIONS,
        peers,
        description,
        big,
    )


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


def building(build, big=False):
    """Nothing is run."""
    return Case(build, ours=("eventsim", "eventsim, 2 threads"), record=None, big=big)


N = 100_000
DRAWN = dict(weight=es.Normal(50.0, 5.0, low=0.0), delay=es.Uniform(1.0, 20.0))

CASES = {
    "cuba 4000": cuba_case(4000, dict.fromkeys(("nest", "nest, 2 threads", "nest precise", "brian2"), 1000.0)),
    "cuba 40000": cuba_case(
        40_000, {"nest": 200.0, "nest, 2 threads": 200.0, "nest precise": 50.0, "brian2": 1000.0}, big=True
    ),
    "brunel delta": brunel_case("delta"),
    "brunel exponential": brunel_case("exponential"),
    "brunel alpha": brunel_case("alpha"),
    "sparse 100000, 1 Hz": sparse_case(100_000, 1.0, {"nest": 200.0, "nest, 2 threads": 200.0, "brian2": 1000.0}),
    "sparse 100000, 0.1 Hz": sparse_case(100_000, 0.1, {"nest": 200.0, "nest, 2 threads": 200.0, "brian2": 1000.0}),
    "sparse 1000000, 1 Hz": sparse_case(1_000_000, 1.0, {"nest": 50.0, "brian2": 1000.0}, ours=WINDOWS, big=True),
    "sparse 1000000, 0.1 Hz": sparse_case(1_000_000, 0.1, {"brian2": 1000.0}, ours=WINDOWS, big=True),
    "sparse 1000000, 0.01 Hz": sparse_case(1_000_000, 0.01, {}, ours=WINDOWS, big=True),
    "microcircuit 0.2": microcircuit_case(0.2, 200.0, 100.0, {"nest": 200.0, "nest, 2 threads": 200.0}, big=False),
    "microcircuit": microcircuit_case(1.0, 100.0, 50.0, {}),  # 3 GB
    "microcircuit, background on a grid": microcircuit_case(1.0, 100.0, 50.0, {}, 0.1),  # as NEST's
    "microcircuit and NEST": microcircuit_case(1.0, 100.0, 50.0, {"nest, 2 threads": 100.0}),  # 12 GB
    "fly brain": Case(
        fly_brain.build,
        1000.0,
        record=("brain",),
        peers={"brian2": 1000.0},
        description=dict(network="fly_brain"),
    ),
    "build all to all": building(lambda: wiring(es.AllToAll(), 4000, 5000)),
    "build one to one": building(lambda: wiring(es.OneToOne(), 1_000_000, projections=20)),
    "build probability": building(lambda: wiring(es.FixedProbability(0.002), N)),
    "build in-degree": building(lambda: wiring(es.FixedInDegree(200), N)),
    "build in-degree, drawn": building(lambda: wiring(es.FixedInDegree(200), N, **DRAWN)),
    "build in-degree, distinct": building(lambda: wiring(es.FixedInDegree(200, multapses=False), N)),
    "build out-degree": building(lambda: wiring(es.FixedOutDegree(200), N)),
    "build total number": building(lambda: wiring(es.FixedTotalNumber(SYNAPSES), N)),
    "build pairs": building(lambda: wiring(random_pairs(N), N)),
    "build CSR": building(lambda: wiring(random_rows(N), N)),
    "build microcircuit": building(lambda: microcircuit.build(1.0, delay_grid=0.1), big=True),  # 3 GB
}
