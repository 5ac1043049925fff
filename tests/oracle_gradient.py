"""The gradient of O1: central differences in multiple precision of a loss by every parameter.

O1 runs once and fixes the order of events. Each side of a difference walks through the same events with the formulas of
O1 and no rounding of times: arrivals and releases follow from the spikes, a spike is found by Newton's method from its
old place. What may not happen between the two sides (a change of the order of spikes or of the events of a neuron)
raises `Reordered`. Steps of 1e-12 in 70 digits leave some 20 correct ones, also where time
constants are equal.

A loss is a function of a `Run`: spike times, V at given times, max V, integrals of V.
The initial V_m is a parameter of its own: the derivative by E_L keeps it.
"""

import copy
import math
from collections import defaultdict
from itertools import pairwise

import numpy as np
import oracle_mp
from mpmath import mp, mpf
from oracle_mp import QIF, ExpPoly, Linear
from plain import DEFAULTS, Net, Steps, later, number, stamp

DIGITS = 70
STEP = mpf(10) ** -12
RELEASE, CURRENT, ARRIVAL, SPIKE = range(4)
CLOSE = mpf(10) ** -9  # [ms] events of a neuron closer than this are simultaneous

#: Initial states and what they are if nothing is said.
STATES = {
    "QIF": ["V_m", "I"],
    "FlyLIF": ["V_m", "g"],
    "DeltaLIF": ["V_m"],
    "AlphaLIF": ["V_m", "I_ex", "I_in", "g_ex", "g_in"],
    "AdaptiveLIF": ["V_m", "I_ex", "I_in", "I_stc", "h"],
}
STATES["DoubleExpLIF"] = STATES["AlphaLIF"]


class Reordered(Exception):
    """The two sides of a difference are not the same smooth piece."""


def explicit(net):
    """A copy of a net in which every parameter and initial state is a list with one number per neuron."""
    net = copy.deepcopy(net)
    for pop in net.pops:
        if pop.model == "SpikeSource":
            pop.params = {"times": list(pop.params.get("times", ())), "ids": list(pop.params.get("ids", ()))}
            continue
        for name in DEFAULTS[pop.model]:
            values = [pop.value(name, i) for i in range(pop.n)]
            if isinstance(values[0], Steps):
                rows = [list(v) if isinstance(v, (list, tuple, np.ndarray)) else [v] * pop.n for v in values[0].values]
                values = [Steps(values[0].times, rows)]
            pop.params[name] = values[0] if isinstance(values[0], (str, Steps)) else values
        for name in STATES.get(pop.model, ["V_m", "I_ex", "I_in"]):
            default = pop.params.get("E_L", [0.0] * pop.n) if name == "V_m" else [0.0] * pop.n
            pop.initial[name] = [pop.start(name, default[i], i) for i in range(pop.n)]
    for e in net.edges:
        e.weight, e.delay = [number(w) for w in e.weight], [number(d) for d in e.delay]
    return net


class Run:
    """One walk through the events; what a loss may ask. Neurons are given as (population, local id)."""

    def __init__(self, net, plan, base=None):
        self.net, self.plan, self.base = net, plan, base
        self.T = mpf(plan.T)
        self.places = base.places if base else {}  # neuron -> where its V is largest
        self.cells = {gid: Cell(self, gid, pop, i) for gid, (pop, i) in enumerate(plan.neurons) if pop is not None}
        self.times = []  # of the spikes, in the order of O1
        for index, (gid, given) in enumerate(plan.spikes):
            if given is None:
                self.cells[gid].walk(index)
            else:
                self.times.append(mpf(net.pop(given[0]).params["times"][given[1]]))
        for cell in self.cells.values():
            cell.walk(None)
        order = sorted(range(len(self.times)), key=self.times.__getitem__)
        if order != sorted(order) and any(
            plan.spikes[a] != plan.spikes[b] and abs(self.times[a] - self.times[b]) > CLOSE for a, b in enumerate(order)
        ):
            raise Reordered("spikes change their order")

    def spikes(self, name):
        """[(time, local id)] of a population in the order of (time, id)."""
        first, n = self.net.first(name), self.net.pop(name).n
        pairs = zip(self.times, (gid for gid, _ in self.plan.spikes), strict=True)
        return sorted((t, gid - first) for t, gid in pairs if first <= gid < first + n)

    def _trace(self, name, i):
        cell = self.cells[self.net.first(name) + i]
        return [*pairwise([*cell.trace, (self.T, None)])]

    def V(self, name, i, t):
        """V_m at t; at the time of an event, after it."""
        start, state = [(s, x) for (s, x), _ in self._trace(name, i) if s <= t][-1]
        return potential(state)(mpf(t) - start)

    def max_V(self, name, i):
        """The largest V_m on [0, T]: V_th of a neuron that spiked, if its threshold stands still and it is reset."""
        gid, pop = self.net.first(name) + i, self.net.pop(name)
        still = pop.model != "AdaptiveLIF" and pop.params.get("reset") != "none"
        if still and any(gid == spike[0] for spike in self.plan.spikes):
            return mpf(pop.value("V_th", i))
        trace = self._trace(name, i)
        if gid not in self.places:
            candidates = []  # (value, segment, place in it, interior)
            for k, ((start, state), (stop, _)) in enumerate(trace):
                V, length = potential(state), stop - start
                candidates += [(V(mpf(0)), k, 0, False), (V(length), k, 1, False)]
                candidates += [(V(t), k, t, True) for t in oracle_mp.sign_changes(V.lowered(mpf(0)), length)]
            self.places[gid] = max(candidates, key=lambda c: c[0])[1:]
        k, place, interior = self.places[gid]
        (start, state), (stop, _) = trace[k]
        V = potential(state)
        if not interior:
            return V((stop - start) * place)
        slope = V.lowered(mpf(0))
        return V(newton(slope, slope.lowered(mpf(0)), place))

    def integral_V(self, name, i, decay=math.inf):
        """Integral of exp(-t/decay) V_m."""
        rate = 1 / mpf(decay)
        pieces = self._pieces(name, i, ("V", rate), lambda V: shifted(V, rate))
        return mp.fsum(mp.exp(-start * rate) * piece for start, piece in pieces)

    def integral_square(self, name, i, target=0.0):
        """Integral of (V_m - target)^2."""
        return mp.fsum(piece for _, piece in self._pieces(name, i, ("V^2", target), lambda V: squared(V, mpf(target))))

    def _pieces(self, name, i, key, f):
        """(start, integral of f(V) to the next event) between events; kept with the state it starts from."""
        for (start, state), (stop, _) in self._trace(name, i):
            length = stop - start
            if (key, length) not in state.integrals:
                state.integrals[key, length] = integral(f(potential(state)), length)
            yield start, state.integrals[key, length]


class Cell:
    """A neuron on its walk. As long as nothing differs from the base run, it borrows that one's trace."""

    def __init__(self, run, gid, pop, i):
        self.run, self.events = run, run.plan.events[gid]
        pop = run.net.pop(pop)
        self.edge, self.t_ref = pop.params.get("reset") == "none", pop.value("t_ref", i)
        self.old = run.base.cells[gid] if run.base else None
        described = {k: v[i] for k, v in (pop.params | pop.initial).items() if isinstance(v, list)}
        if run.plan.early[gid]:
            described["I_e"] = pop.params["I_e"].values[run.plan.early[gid][-1]][i]
        self.described, self.pop, self.i = described, pop, i
        self.same = self.old is not None and self.old.described == described
        self.done, self.weights = 0, []
        if self.same:
            self.trace = [self.old.trace[0]]
            return
        neuron = (QIF if pop.model == "QIF" else Linear)(pop, i)
        if run.plan.early[gid]:
            neuron.I_e = mpf(described["I_e"])
        neuron.ahead, neuron.integrals = None, {}
        self.trace = [(mpf(run.plan.t_start), neuron)]

    def walk(self, spike):
        """All events before spike number `spike` and the spike itself; None: to the end."""
        while self.done < len(self.events):
            _, kind, data, wait = self.events[self.done]
            self.step(kind, data, wait)
            if kind == SPIKE:
                assert data == spike
                return

    def step(self, kind, data, wait):
        run, net = self.run, self.run.net
        weight = None
        if kind == RELEASE:
            t = run.times[data] + self.t_ref
        elif kind == CURRENT:
            steps = self.pop.params["I_e"]
            t, weight = mpf(steps.times[data]), mpf(steps.values[data][self.i])
        elif kind == ARRIVAL:
            spike, k, m = data
            t, weight = run.times[spike] + net.edges[k].delay[m], net.edges[k].weight[m]
        else:
            t = None  # follows from the state
        if self.same:
            then, state = self.old.trace[self.done + 1]
            if t is None or (t == then and weight == self.old.weights[self.done]):
                self.append(then, state, weight)
                if kind == SPIKE:
                    run.times.append(then)
                return
            self.same = False
        at, state = self.trace[-1]
        neuron = copy.copy(state)
        for name in ("I", "Z"):
            if isinstance(getattr(state, name, None), list):
                setattr(neuron, name, list(getattr(state, name)))
        neuron.armed = True  # the order of events is known
        neuron.ahead, neuron.integrals = None, {}
        if kind == SPIKE:
            t = at if wait is None else at + crossing(state, wait)
        if t - at < -CLOSE:
            raise Reordered(f"events of a neuron of {self.pop.name} at {mp.nstr(at, 15)} and {mp.nstr(t, 15)} ms")
        if kind == SPIKE and isinstance(neuron, QIF):
            neuron.refractory = True  # V is infinite at the spike, and reset then
        if isinstance(neuron, QIF):
            neuron.advance(t - at)
        else:
            neuron.advance(t - at, potential(state))
        if kind == RELEASE:
            neuron.refractory = False
        elif kind == CURRENT:
            neuron.I_e = weight
        elif kind == ARRIVAL:
            neuron.arrive(weight, net.edges[k].receptor)
        else:
            run.times.append(t)
            neuron.fire()
            if not self.edge:
                neuron.refractory = True
        self.append(t, neuron, weight)

    def append(self, t, state, weight):
        self.trace.append((t, state))
        self.weights.append(weight)
        self.done += 1


class Plan:
    """The order of events as O1 finds it, or as the spikes `found` tell.

    spikes : [(global id, None or (source, index of the given time))] in the order of O1
    events : {global id: [(time, kind, data, wait)]}; `wait` of a spike: since the event before, None: with it
    """

    def __init__(self, net, T, t_start, found=None):
        self.T, self.t_start = t_start + T, t_start
        stop = later(stamp(t_start), T)
        self.neurons = [(None if p.model == "SpikeSource" else p.name, i) for p in net.pops for i in range(p.n)]
        found = oracle_mp.simulate(net, T, t_start) if found is None else found
        given = defaultdict(list)
        for p in net.pops:
            if p.model == "SpikeSource":
                for m, (t, i) in enumerate(zip(p.params["times"], p.params["ids"], strict=True)):
                    given[(stamp(t), net.first(p.name) + int(i))].append((p.name, m))
        rows = defaultdict(list)
        for k, e in enumerate(net.edges):
            for m in range(len(e.i)):
                rows[net.first(e.pre) + e.i[m]].append((k, m, net.first(e.post) + e.j[m]))
        self.spikes = []
        self.events, self.early = defaultdict(list), defaultdict(list)
        for index, (epoch, offset, gid) in enumerate(found):
            now = epoch, offset
            pop, i = self.neurons[gid]
            self.spikes.append((gid, given[(now, gid)].pop() if pop is None else None))
            if pop is not None:
                pop = net.pop(pop)
                self.events[gid].append((now, SPIKE, index))
                if pop.params.get("reset") != "none":
                    self.events[gid].append((later(now, pop.value("t_ref", i)), RELEASE, index))
            for k, m, target in rows[gid]:
                if net.edges[k].weight[m] != 0:
                    self.events[target].append((later(now, net.edges[k].delay[m]), ARRIVAL, (index, k, m)))
        for p in net.pops:
            if isinstance(p.params.get("I_e"), Steps):
                for k, t in enumerate(p.params["I_e"].times):
                    for gid in range(net.first(p.name), net.first(p.name) + p.n):
                        if t > t_start:
                            self.events[gid].append((stamp(t), CURRENT, k))
                        else:
                            self.early[gid].append(k)
        for gid, events in self.events.items():
            events = sorted((e for e in events if e[0] < stop), key=lambda e: rank(*e, found))
            waits, before = [], stamp(t_start)
            for now, *_ in events:
                wait = oracle_mp.span(before, now)
                waits.append(wait if wait > 0 else None)
                before = now
            self.events[gid] = [(*e, w) for e, w in zip(events, waits, strict=True)]


def rank(time, kind, data, found):
    """The order of simultaneous events of a neuron; a release of its own spike at that time (t_ref = 0) comes after it."""
    if kind == SPIKE:
        return time, SPIKE, data, 0
    if kind == RELEASE and found[data][:2] == time:
        return time, SPIKE, data, 1
    return time, kind, 0, 0


def crossing(neuron, guess):
    """Time from now of the spike that is about `guess` away."""
    if isinstance(neuron, QIF):
        return neuron.next_spike(guess + 1)
    f = potential(neuron).plus(ExpPoly({mpf(0): [neuron.num["V_th"]]}), -1)
    if neuron.model == "AdaptiveLIF":
        f = f.plus(ExpPoly({1 / neuron.num["tau_sfa"]: [neuron.h]}), -1)
    return newton(f, f.lowered(mpf(0)), guess)


def newton(f, slope, t):
    """The zero of f next to t."""
    for _ in range(12):
        change = f(t) / slope(t)
        t -= change
        if abs(change) < mpf(10) ** -(DIGITS // 2):
            return t
    raise Reordered(f"no crossing next to {mp.nstr(t, 15)} ms")


def potential(neuron):
    """V_m as a function of the time from now, to the next event."""
    if neuron.ahead is None:
        if neuron.refractory:
            neuron.ahead = ExpPoly({mpf(0): [neuron.V]})
        elif isinstance(neuron, QIF):
            def at(t):
                moved = copy.copy(neuron)
                moved.advance(t)
                return moved.V
            neuron.ahead = at
        else:
            neuron.ahead = neuron.membrane_ahead()
    return neuron.ahead


def shifted(f, rate):
    """exp(-rate t) f(t)."""
    if isinstance(f, ExpPoly):
        return ExpPoly({r + rate: c for r, c in f.items()})
    return lambda t: mp.exp(-rate * t) * f(t)


def squared(f, target):
    """(f - target)^2."""
    if not isinstance(f, ExpPoly):
        return lambda t: (f(t) - target) ** 2
    f = f.plus(ExpPoly({mpf(0): [target]}), -1)
    out = {}
    for r, a in f.items():
        for s, b in f.items():
            c = out.setdefault(r + s, [])
            c += [mpf(0)] * (len(a) + len(b) - 1 - len(c))
            for i, x in enumerate(a):
                for j, y in enumerate(b):
                    c[i + j] += x * y
    return ExpPoly(out)


def integral(f, length):
    """Integral of f over [0, length]."""
    if not isinstance(f, ExpPoly):
        return mp.quad(f, [0, length])
    return f.filtered(mpf(0), mpf(0))(length)


class Gradient(dict):
    """(population or ("edges", k), name) -> list of floats: the derivatives by every parameter, in the order of the net."""


def places(net):
    """Every parameter of an explicit net as (holder, name, list of its values)."""
    for k, e in enumerate(net.edges):
        yield ("edges", k), "weight", e.weight
        yield ("edges", k), "delay", e.delay
    for p in net.pops:
        if p.model == "SpikeSource":
            yield p.name, "times", p.params["times"]
            continue
        unused = {"none": ("V_reset", "t_ref"), "subtract": ("V_reset",)}.get(p.params.get("reset"), ())
        if p.model == "PerfectIntegrator":
            unused = (*unused, "E_L")
        for name in DEFAULTS[p.model]:
            if isinstance(p.params[name], Steps):
                for row in p.params[name].values:
                    yield p.name, name, row
            elif isinstance(p.params[name], list) and not math.isinf(p.params[name][0]) and name not in unused:
                yield p.name, name, p.params[name]
        for name, values in p.initial.items():
            yield p.name, name, values


def gradient(net: Net, T, losses, t_start=0.0, only=None):
    """[(value of loss(Run), Gradient) for each loss]; `only`: names of parameters."""
    with mp.workdps(DIGITS):
        net = explicit(net)
        plan = Plan(net, T, t_start)
        base = Run(net, plan)
        values = [loss(base) for loss in losses]
        out = [Gradient() for _ in losses]
        for holder, name, entries in places(net):
            if only is not None and name not in only:
                continue
            rows = []
            for k, x in enumerate(entries):
                h = STEP * (abs(mpf(x)) or 1)
                sides = []
                for moved in (mpf(x) + h, mpf(x) - h):
                    entries[k] = moved
                    run = Run(net, plan, base)
                    sides.append([loss(run) for loss in losses])
                entries[k] = x
                rows.append([float((up - down) / (2 * h)) for up, down in zip(*sides, strict=True)])
            for k, grads in enumerate(out):
                column = np.array([row[k] for row in rows])
                # the values of Steps come one row after the other
                grads[holder, name] = column if (holder, name) not in grads else np.vstack([grads[holder, name], column])
        return [(float(value), grads) for value, grads in zip(values, out, strict=True)]
