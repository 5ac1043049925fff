"""Hypothesis strategies: small networks with every feature on, degenerate cases first.

Times come from a coarse dyadic grid half of the time, so that events coincide; time constants are equal, one ulp or 1e-10
apart, or far apart; weights are multiples of the one that just reaches threshold.
"""

import itertools
import math
from dataclasses import dataclass, field

import numpy as np
from hypothesis import reject
from hypothesis import strategies as st
from oracle_heap import Heap, Linear, Runaway
from plain import DEFAULTS, Edges, Net, Pop, Steps

MODELS = [name for name in DEFAULTS if name != "SpikeSource"]
LINEAR = [name for name in MODELS if name != "QIF"]

#: Times [ms] on a grid of 1/4, so that sums are exact and events coincide; or anything.
ticks = st.integers(0, 60).map(lambda k: k / 4)
moments = st.floats(0.0, 15.0)
#: Factors on the weight that just reaches threshold.
strengths = st.sampled_from([1.5, 0.7, -0.4, 3.0, 1.05, -1.2, 0.3, 0.0])


@st.composite
def beside(draw, tau):
    """A time constant equal to `tau`, next to it, or far from it [ms]."""
    change = draw(st.sampled_from(["=", "+ulp", "-ulp", "+1e-10", "-1e-10", "half", "double", "fast", "slow", "any"]))
    return {
        "=": tau,
        "+ulp": math.nextafter(tau, math.inf),
        "-ulp": math.nextafter(tau, 0.0),
        "+1e-10": tau * (1 + 1e-10),
        "-1e-10": tau * (1 - 1e-10),
        "half": tau / 2,
        "double": 2 * tau,
        "fast": tau / 50,
        "slow": tau * 8,
        "any": tau * draw(st.floats(0.2, 5.0)) if change == "any" else tau,
    }[change]


def unit_weight(pop, i, receptor=None):
    """The weight that alone brings neuron `i` of `pop` from E_L to threshold."""
    if pop.model == "QIF":
        return 10.0
    neuron = Linear(Pop(pop.name, pop.n, pop.model, pop.params), i)
    gap = min(abs(neuron.V_th - neuron.E_L), 20.0) or 1.0
    neuron.u, neuron.J = 0.0, 0.0
    neuron.arrive(1.0, receptor)
    slowest = max(1 / r for r in [neuron.a, *neuron.decay] if r)
    return gap / max(neuron.after(t).u for t in np.linspace(0.0, 5 * slowest, 200))


def per_neuron(value, n):
    """One value for all neurons of a population, or one for each."""
    return st.one_of(value, st.lists(value, min_size=n, max_size=n))


def varied(n):
    """A decision per parameter: shared or heterogeneous."""
    return lambda value: per_neuron(value, n)


@st.composite
def populations(draw, name, models=MODELS, max_n=2, dyadic=True, resets=("value", "subtract", "none")):
    model, n = draw(st.sampled_from(models)), draw(st.integers(1, max_n))
    each = varied(n)
    p, initial = {}, {}
    if model == "QIF":
        p["tau_m"] = draw(each(st.sampled_from([10.0, 4.0])))
        p["V_reset"] = draw(st.sampled_from([-math.inf, -2.0, 0.5]))
        p["t_ref"] = draw(st.sampled_from([0.0, 1.0]))
        initial = {"V_m": draw(each(st.sampled_from([0.0, 0.5, -1.0, 1.5]))), "I": draw(each(st.sampled_from([0.0, 12.0, -2.0])))}
        return Pop(name, n, model, p, initial)
    tau = draw(st.sampled_from([10.0, 2.0, 20.0]))
    if model != "PerfectIntegrator":
        p["tau_m"] = draw(each(st.just(tau) if dyadic else st.floats(tau / 2, tau)))
    for key in DEFAULTS[model]:
        if key.startswith("tau_") and key != "tau_m":
            p[key] = draw(each(beside(tau)))
    reset = "value"
    if "reset" in DEFAULTS[model]:
        reset = p["reset"] = draw(st.sampled_from(resets))
    if "t_ref" in DEFAULTS[model]:
        p["t_ref"] = 0.0 if reset == "none" else draw(each(st.sampled_from([2.0, 0.5, 0.0, 2.2])))
    E_L = DEFAULTS[model]["E_L"]
    V_th = DEFAULTS[model].get("V_th", E_L + 15.0)
    if model != "LeakyIntegrator":
        p["V_th"] = draw(each(st.sampled_from([V_th, V_th + 1.5])))
        p["V_reset"] = draw(each(st.sampled_from([E_L, E_L - 3.0, V_th - 4.0])))
    if "C_m" in DEFAULTS[model]:
        p["C_m"] = draw(each(st.sampled_from([250.0, 1.0])))
    if "I_e" in DEFAULTS[model]:
        drive = 15.0 / (10.0 if model == "PerfectIntegrator" else tau)  # mV/ms to reach threshold in the limit
        C = np.broadcast_to(p["C_m"], n)
        current = st.sampled_from([0.0, 0.0, 0.8, 1.4, -0.5])
        if draw(st.booleans()):
            times = sorted(draw(st.sets(ticks if dyadic else moments, min_size=1, max_size=3)))
            p["I_e"] = Steps(times, [[draw(current) * drive * float(c) for c in C] for _ in times])
        else:
            p["I_e"] = [draw(current) * drive * float(c) for c in C]
    if model == "AdaptiveLIF":
        p["q_sfa"] = draw(each(st.sampled_from([0.0, 2.0, 0.5])))
        p["q_stc"] = draw(each(st.sampled_from([0.0, 50.0, -20.0])))
    start = st.sampled_from([E_L, V_th - 2.0, E_L - 5.0, V_th + 1.0])
    initial["V_m"] = draw(each(start if model != "LeakyIntegrator" else st.just(E_L)))
    return Pop(name, n, model, p, initial)


@st.composite
def edges(draw, pre, post, dyadic=True, zero=True, max_size=4, min_size=0):
    """Synapses from `pre` to `post`; parallel ones and autapses too."""
    receptor = draw(st.sampled_from([None, "V"])) if post.model == "FlyLIF" else None
    delay = st.sampled_from([1.0, 0.5, 2.0, 0.25]) if dyadic else st.floats(0.05, 3.0)
    if zero:
        delay = st.one_of(delay, st.just(0.0))
    triples = draw(
        st.lists(
            st.tuples(st.integers(0, pre.n - 1), st.integers(0, post.n - 1), strengths, delay),
            min_size=min_size,
            max_size=max_size,
        )
    )
    weights = [strength * unit_weight(post, j, receptor) for _, j, strength, _ in triples]
    return Edges(
        pre.name, post.name, [t[0] for t in triples], [t[1] for t in triples], weights, [t[3] for t in triples], receptor
    )


def instant(pop):
    """Whether a synaptic event can make a neuron of `pop` fire at once, again and again."""
    return pop.model in ("DeltaLIF", "FlyLIF") and min(np.broadcast_to(pop.params["t_ref"], pop.n)) == 0.0


@dataclass
class Case:
    """A network, how long to run it, and what O2 says: spikes, until when they are certain, arrivals delivered."""

    net: Net
    T: float
    spikes: list = field(repr=False)
    certain: float = field(repr=False)
    delivered: int = field(repr=False)


@st.composite
def networks(draw, models=MODELS, max_pops=3, max_n=2, dyadic=None, recurrent=True, limit=150, **kinds):
    """A source, then populations with forward and recurrent synapses; T often the time of an event.

    At most `limit` spikes, or the draw is given up.
    """
    dyadic = draw(st.booleans()) if dyadic is None else dyadic
    time = ticks if dyadic else moments
    n = draw(st.integers(1, 2))
    times = draw(st.lists(time, min_size=1, max_size=8))
    ids = draw(st.lists(st.integers(0, n - 1), min_size=len(times), max_size=len(times)))
    source = Pop("source", n, "SpikeSource", {"times": times, "ids": ids})
    pops = [draw(populations(f"p{k}", models, max_n, dyadic, **kinds)) for k in range(draw(st.integers(1, max_pops)))]
    connections = [draw(edges(source, pop, dyadic, min_size=1)) for pop in pops]
    for a, pre in enumerate(pops):
        for b, post in enumerate(pops):
            if (a < b or recurrent) and draw(st.booleans()):
                connections.append(draw(edges(pre, post, dyadic, zero=a < b or not instant(post))))
    T = draw(st.one_of(st.just(20.0), st.sampled_from(times).map(lambda t: t + 5.0)))
    net = Net([source, *pops], connections)
    heap = Heap(net, limit=limit)
    try:
        heap.run(T)
    except Runaway:
        reject()
    return Case(net, T, heap.spikes, heap.certain_until, heap.delivered)


@st.composite
def splits(draw, T, special=()):
    """Lengths that add up to T exactly, with empty runs and cuts at the given event times."""
    cuts = draw(st.lists(st.one_of(st.integers(0, 80).map(lambda k: k / 4), st.sampled_from([0.0, *special])), max_size=5))
    cuts = [0.0, *sorted(c for c in cuts if c < T), T]
    lengths = [b - a for a, b in itertools.pairwise(cuts)]
    return lengths
