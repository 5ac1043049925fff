"""A network as plain arrays: what the two oracles and the engine are all given.

``Net`` holds populations with one value per neuron and edges one by one, nothing drawn and nothing derived, so that
each simulator reads exactly the same numbers.  ``to_eventsim`` is the only place that knows the product.
"""

import math
from dataclasses import dataclass, field

import numpy as np
from mpmath import mpf

LIF = dict(C_m=250.0, tau_m=10.0, E_L=-70.0, V_th=-55.0, V_reset=-70.0, t_ref=2.0, I_e=0.0, reset="value")

#: Parameters and defaults of every model, written down a second time on purpose.
DEFAULTS = {
    "LIF": LIF | dict(tau_syn_ex=2.0, tau_syn_in=2.0),
    "DeltaLIF": LIF,
    "AlphaLIF": LIF | dict(tau_syn_ex=2.0, tau_syn_in=2.0),
    "DoubleExpLIF": LIF | dict(tau_rise_ex=0.5, tau_decay_ex=2.0, tau_rise_in=0.5, tau_decay_in=2.0),
    "AdaptiveLIF": LIF
    | dict(tau_syn_ex=2.0, tau_syn_in=2.0, q_stc=0.0, tau_stc=100.0, q_sfa=0.0, tau_sfa=100.0),
    "PerfectIntegrator": dict(
        C_m=250.0, V_th=15.0, V_reset=0.0, t_ref=2.0, tau_syn_ex=2.0, tau_syn_in=2.0, I_e=0.0, E_L=0.0
    ),
    "LeakyIntegrator": dict(C_m=250.0, tau_m=10.0, E_L=-70.0, tau_syn_ex=2.0, tau_syn_in=2.0, I_e=0.0),
    "QIF": dict(tau_m=10.0, V_reset=-math.inf, t_ref=0.0),
    "FlyLIF": dict(tau_m=20.0, tau_syn=5.0, E_L=-52.0, V_th=-45.0, V_reset=-52.0, t_ref=2.2),
    "SpikeSource": dict(times=(), ids=()),
}


def number(x):
    """A float; numbers of multiple precision stay what they are."""
    return x if isinstance(x, mpf) else float(x)


@dataclass(frozen=True)
class Steps:
    """Piecewise constant: ``values[k]`` holds on [times[k], times[k+1]); 0 before ``times[0]``."""

    times: list
    values: list  # one number per time, or one list of n numbers per time


@dataclass
class Pop:
    name: str
    n: int
    model: str
    params: dict = field(default_factory=dict)
    initial: dict = field(default_factory=dict)

    def value(self, name, i):
        """Parameter `name` of neuron `i`: a float, a string or a Steps."""
        value = self.params.get(name, DEFAULTS[self.model].get(name))
        return number(value[i]) if isinstance(value, (list, np.ndarray)) else value

    def start(self, name, default, i):
        """Initial state `name` of neuron `i`."""
        value = self.initial.get(name, default)
        return number(value[i] if isinstance(value, (list, np.ndarray)) else value)


@dataclass
class Edges:
    """Edge k runs from neuron ``i[k]`` of population `pre` to neuron ``j[k]`` of `post`."""

    pre: str
    post: str
    i: list
    j: list
    weight: list
    delay: list
    receptor: str | None = None


@dataclass
class Net:
    pops: list
    edges: list = field(default_factory=list)

    def pop(self, name):
        return next(p for p in self.pops if p.name == name)

    def first(self, name):
        """Global id of the first neuron of population `name`."""
        return sum(p.n for p in self.pops[: [p.name for p in self.pops].index(name)])

    @property
    def n(self):
        return sum(p.n for p in self.pops)

    def synapses(self):
        """All edges as (source, target, weight, delay, receptor) with global ids, per source in row order."""
        rows = []
        for k, e in enumerate(self.edges):
            pre, post = self.first(e.pre), self.first(e.post)
            order = sorted(range(len(e.i)), key=lambda m, e=e: (e.i[m], e.delay[m], e.j[m], m))
            rows += [(pre + e.i[m], k, post + e.j[m], e.weight[m], e.delay[m], e.receptor) for m in order]
        rows.sort(key=lambda row: row[:2])  # stable: keeps the order inside a row
        return [(s, t, number(w), number(d), r) for s, _, t, w, d, r in rows]

    def to_eventsim(self):
        """The same network for the engine: (es.Network, populations by name, projections)."""
        import eventsim as es

        def native(value):
            if isinstance(value, Steps):
                return es.Steps(np.asarray(value.times, float), np.asarray(value.values, float))
            return np.asarray(value, float) if isinstance(value, (list, np.ndarray)) else value

        net, pops = es.Network(), {}
        for p in self.pops:
            if p.model == "SpikeSource":
                ids = np.asarray(p.params.get("ids", ()), int)
                model = es.SpikeSource(np.asarray(p.params.get("times", ()), float), ids)
            else:
                model = getattr(es, p.model)(**{k: native(v) for k, v in p.params.items()})
            pops[p.name] = net.add(p.name, p.n, model, **{k: native(v) for k, v in p.initial.items()})
        projections = [
            net.connect(
                pops[e.pre],
                pops[e.post],
                es.Pairs(np.asarray(e.i, int), np.asarray(e.j, int)),
                weight=np.asarray(e.weight, float),
                delay=np.asarray(e.delay, float),
                receptor=e.receptor,
            )
            for e in self.edges
        ]
        return net, pops, projections


def stamp(t):
    """Time in ms as (epoch, offset): whole milliseconds and the rest in [0, 1)."""
    whole = math.floor(t)
    return int(whole), float(t - whole)


def later(time, delay):
    """`time` + `delay`, whole milliseconds and fraction added apart, the offset brought back to [0, 1)."""
    whole = math.floor(delay)
    offset = time[1] + float(delay - whole)
    carry = int(offset >= 1.0)
    return time[0] + int(whole) + carry, offset - carry


def to_ms(time):
    return time[0] + time[1]
