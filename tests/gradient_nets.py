"""Small networks for gradients, and a loss of every kind that the product and the oracle both understand.

Weights are drawn around the one that alone reaches threshold, everything else per neuron, from a seed: generic numbers, so
that no two events coincide unless a case says so.
"""

import math

import numpy as np
from mpmath import mpf
from plain import DEFAULTS, Edges, Net, Pop
from strategies import unit_weight

#: Kinds of terms; at T/3 and 0.77 T the membrane is read.
KINDS = ("times", "V", "max_V", "integral_V", "integral_exp", "integral_square")
SPIKING = tuple(m for m in DEFAULTS if m not in ("SpikeSource", "LeakyIntegrator"))


def population(rng, name, n, model, spread=1.0, **params):
    """A population whose parameters differ from neuron to neuron (`spread` times as much)."""
    p = {}
    for key, value in DEFAULTS[model].items():
        if key == "C_m" or key.startswith("tau_"):
            p[key] = value * (1 + spread * rng.uniform(-0.3, 0.4, n))
        elif key in ("V_th", "V_reset", "E_L"):
            p[key] = value + spread * rng.uniform(-1.0, 1.0, n) if math.isfinite(value) else value
        elif key == "t_ref":
            p[key] = value + spread * rng.uniform(0.1, 0.6, n)
    if model == "AdaptiveLIF":
        p |= {"q_stc": rng.uniform(20, 60, n), "q_sfa": rng.uniform(0.5, 2, n)}
        p |= {"tau_stc": rng.uniform(20, 40, n), "tau_sfa": rng.uniform(10, 20, n)}
    if model == "PerfectIntegrator":
        del p["E_L"]
    p |= params
    p = {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in p.items()}
    return Pop(name, n, model, p)


def inputs(rng, n, m, low, high):
    """A source of `m` spikes of `n` neurons."""
    return Pop("in", n, "SpikeSource", {"times": rng.uniform(low, high, m).tolist(), "ids": rng.integers(0, n, m).tolist()})


def edges(rng, pre, post, m, low, high, delay=(0.3, 2.5)):
    """`m` synapses, every neuron of `post` in turn, of `low` to `high` times the weight that just reaches threshold."""
    i = [k % pre.n for k in range(m)] if pre.model == "SpikeSource" else rng.integers(0, pre.n, m).tolist()
    j = [(k // pre.n) % post.n for k in range(m)] if pre.model == "SpikeSource" else rng.integers(0, post.n, m).tolist()
    each = [unit_weight(post, t) for t in range(post.n)]
    weights = [float(rng.uniform(low, high)) * each[t] for t in j]
    return Edges(pre.name, post.name, i, j, weights, rng.uniform(*delay, m).tolist())


def network(model="LIF", seed=0, n=3, spikes=5, T=22.0, delay=(0.3, 2.5), quiet=False, initial=None, **params):
    """Inputs drive a recurrent population `a` with inhibition, parallel synapses and one onto itself; `quiet`: its last neuron
    has a threshold far away."""
    rng = np.random.default_rng(seed)
    source = inputs(rng, 2, spikes, 0.2, 0.6 * T)
    a = population(rng, "a", n, model, **params)
    if initial:
        a.initial = {k: [x * (1 + 0.1 * i) for i in range(n)] for k, x in initial.items()}
    into = edges(rng, source, a, 2 * n, 0.5, 1.4)
    within = edges(rng, a, a, n + 2, -0.7, 0.7, delay)
    within.i[:2], within.j[:2] = [0, 0], [0, 0]  # parallel, and onto itself
    within.weight[1] = -within.weight[1] / 2
    if quiet:
        a.params["V_th"][-1] += 40.0
    return Net([source, a], [into, within])


def layers(seed, sizes=(2, 3, 2, 2), spikes=5, T=22.0, delay=(0.3, 2.5), strength=1.0, **params):
    """Inputs, two layers of LIF neurons whose time constants are shared, and read-outs; all to all."""
    rng = np.random.default_rng(seed)
    taus = {"tau_m": 9.0, "tau_syn_ex": 3.5, "tau_syn_in": 5.0}
    taus |= {name: params.pop(name) for name in taus if name in params}
    pops = [inputs(rng, sizes[0], spikes, 0.2, 0.6 * T)]
    pops += [population(rng, name, n, "LIF", **taus, **params) for name, n in zip("ab", sizes[1:3], strict=True)]
    pops.append(population(rng, "c", sizes[3], "LeakyIntegrator", **taus, I_e=rng.uniform(-20, 20, sizes[3])))
    wires = []
    for pre, post, low, high in zip(pops, pops[1:], (0.5, -0.3, -0.4), (1.4, 1.4, 0.4), strict=False):
        e = edges(rng, pre, post, pre.n * post.n, low * strength, high * strength, delay)
        e.i, e.j = ([k // post.n for k in range(pre.n * post.n)], [k % post.n for k in range(pre.n * post.n)])
        wires.append(e)
    return Net(pops, wires)


def coefficient(*key):
    """A generic number in [-1, 1]."""
    return math.sin(1.0 + sum((2.3 + k) * x for k, x in enumerate(key)) ** 1.3)


class Loss:
    """Sum of terms of one kind over populations, with a generic coefficient each: `exact` for the oracle, a call for the
    product. Spike times enter as t + t^2/50."""

    def __init__(self, net, T, kind, pops=None):
        self.net, self.T, self.kind = net, T, kind
        self.pops = [net.pop(p) for p in pops] if pops else [p for p in net.pops if p.model != "SpikeSource"]
        self.moments = [T / 3, 0.77 * T]
        self.decay, self.target = 7.0, -60.0

    def exact(self, run):
        total = mpf(0)
        for p in self.pops:
            if self.kind == "times":
                ranks = [0] * p.n
                for t, i in run.spikes(p.name):
                    total += mpf(coefficient(i, ranks[i])) * (t + t * t / 50)
                    ranks[i] += 1
                continue
            for i in range(p.n):
                if self.kind == "V":
                    total += sum(mpf(coefficient(i, k)) * run.V(p.name, i, t) for k, t in enumerate(self.moments))
                elif self.kind == "max_V":
                    total += mpf(coefficient(i)) * run.max_V(p.name, i)
                elif self.kind == "integral_V":
                    total += mpf(coefficient(i)) * run.integral_V(p.name, i)
                elif self.kind == "integral_exp":
                    total += mpf(coefficient(i)) * run.integral_V(p.name, i, self.decay)
                else:
                    total += mpf(coefficient(i)) * run.integral_square(p.name, i, self.target)
        return total

    def __call__(self, response, targets=None):
        from eventsim.response import Sensitivity

        value, out = 0.0, {}
        for p in self.pops:
            c = np.array([coefficient(i) for i in range(p.n)])
            each = np.broadcast_to(c, (response.n_samples, p.n))
            if self.kind == "times":
                s, ranks = response.spikes(p.name), response.ranks(p.name)
                c = np.array([coefficient(i, r) for i, r in zip(s.neuron, ranks, strict=True)])
                value += np.sum(c * (s.time + s.time**2 / 50))
                out[p.name] = Sensitivity(times=c * (1 + s.time / 25))
            elif self.kind == "V":
                c = np.array([[coefficient(i, k) for k in range(len(self.moments))] for i in range(p.n)])
                each = np.broadcast_to(c, (response.n_samples, *c.shape))
                value += np.sum(c * response.V(p.name, self.moments))
                out[p.name] = Sensitivity(V=[(np.array(self.moments), each)])
            elif self.kind == "max_V":
                value += np.sum(c * response.max_V(p.name))
                out[p.name] = Sensitivity(max_V=each)
            elif self.kind in ("integral_V", "integral_exp"):
                decay = self.decay if self.kind == "integral_exp" else math.inf
                value += np.sum(c * response.integral_V(p.name, decay))
                out[p.name] = Sensitivity(integral_V={decay: each})
            else:
                value += np.sum(c * response.integral_square(p.name, self.target))
                out[p.name] = Sensitivity(integral_square={self.target: each})
        return float(value), out


def large(seed, model="LIF", n=40, n_inputs=60, rate=2.0, T=30.0, fan_in=12, initial=True, **params):
    """Tens of neurons with `fan_in` synapses from the inputs and half as many from each other, a fifth of them inhibitory."""
    rng = np.random.default_rng(seed)
    source = inputs(rng, n_inputs, rng.poisson(rate * n_inputs), 0.0, T)
    a = population(rng, "a", n, model, **params)
    if initial and model not in ("QIF", "PerfectIntegrator"):
        a.initial["V_m"] = (np.array([a.value("E_L", i) for i in range(n)]) + rng.uniform(-2, 5, n)).tolist()
    each = [unit_weight(a, j) for j in range(n)]

    def wired(pre, k, strength, negative):
        j = np.repeat(np.arange(n), k)
        i = rng.integers(0, pre.n, n * k)
        sign = np.where(rng.random(n * k) < negative, -1.5, 1.0)
        w = sign * strength * rng.uniform(0.5, 1.5, n * k) * np.asarray(each)[j]
        return Edges(pre.name, "a", i.tolist(), j.tolist(), w.tolist(), rng.uniform(0.2, 3.0, n * k).tolist())

    return Net([source, a], [wired(source, fan_in, 0.35, 0.2), wired(a, fan_in // 2, 0.15, 0.4)])
