"""Oracle O1: an event-driven simulator in multiple precision (mpmath), event by event, for up to six neurons.

Between events V minus threshold is an exponential polynomial, sum_k P_k(t) exp(-r_k t), found by solving the stages
one after the other.  Its sign changes are isolated by Rolle's theorem: exp(r t) f(t) is monotone between the sign
changes of f' + r f, which has one coefficient less; recursion ends at a single exponential.  So the first crossing is
certain at the working precision, whatever the time constants.

Only event times are rounded, to the (epoch, offset) pairs of the specification, because ties are defined on them.
"""

import math
from functools import reduce
from itertools import pairwise

from mpmath import mp, mpf
from plain import DEFAULTS, Steps, later, stamp

NEVER = None


class ExpPoly(dict):
    """rate -> coefficients of the polynomial that multiplies exp(-rate t)."""

    def __call__(self, t):
        return mp.fsum(reduce(lambda p, v: p * t + v, reversed(c)) * mp.exp(-r * t) for r, c in self.items())

    def plus(self, other, factor=1):
        new = ExpPoly({r: list(c) for r, c in self.items()})
        for r, c in other.items():
            old = new.setdefault(r, [])
            old += [mpf(0)] * (len(c) - len(old))
            for k, value in enumerate(c):
                old[k] += factor * value
        return ExpPoly({r: trimmed for r, c in new.items() if (trimmed := trim(c))})

    def lowered(self, rate):
        """f' + rate f."""
        new = ExpPoly()
        for r, c in self.items():
            c = [(rate - r) * value + (k + 1) * following for k, (value, following) in enumerate(pairwise([*c, mpf(0)]))]
            if c := trim(c):
                new[r] = c
        return new

    def filtered(self, rate, start):
        """Solution of y' = -rate y + f, y(0) = start."""
        y, gap = ExpPoly({rate: [mpf(0)]}), start
        for r, p in self.items():
            if r == rate:
                y[rate] += [c / (k + 1) for k, c in enumerate(p)]
            else:
                q = [mpf(0)] * (len(p) + 1)
                for k in reversed(range(len(p))):
                    q[k] = (p[k] - (k + 1) * q[k + 1]) / (rate - r)
                y[r] = q[:-1]
                gap -= q[0]
        y[rate][0] = gap
        return ExpPoly({r: trimmed for r, c in y.items() if (trimmed := trim(c))})


def trim(c):
    c = list(c)
    while c and c[-1] == 0:
        c.pop()
    return c


def sign_changes(f, end):
    """Ascending list of the places in (0, end) where f changes sign."""
    if not f or (len(f) == 1 and len(next(iter(f.values()))) == 1):
        return []
    knots = [mpf(0), *sign_changes(f.lowered(max(f)), end), end]
    return [root(f, a, b) for a, b in pairwise(knots) if mp.sign(f(a)) * mp.sign(f(b)) < 0]


def root(f, a, b):
    """The sign change of f in [a, b], by Newton steps that bisection keeps in the bracket."""
    slope = f.lowered(mpf(0))
    left, t = mp.sign(f(a)), (a + b) / 2
    while b - a > mpf(10) ** -35 * (1 + b):
        value = f(t)
        if value == 0:
            return t
        a, b = (t, b) if mp.sign(value) == left else (a, t)
        gradient = slope(t)
        t = t - value / gradient if gradient else a
        if abs(value / (gradient or 1)) < mpf(10) ** -35:
            return t
        if not a < t < b:
            t = (a + b) / 2
    return t


class Linear:
    """LIF and its relatives.  State: V, currents I_k fed by rising stages Z_k, adaptation stc and h."""

    def __init__(self, pop, i):
        self.model = pop.model
        self.p = {k: pop.value(k, i) for k in DEFAULTS[pop.model]}
        self.reset, self.t_ref = self.p.get("reset", "value"), self.p.get("t_ref", 0.0)
        num = {k: mpf(v) for k, v in self.p.items() if not isinstance(v, (str, Steps)) and not math.isinf(v)}
        self.num = num
        self.E_L = num.get("E_L", mpf(0))
        self.V = mpf(pop.start("V_m", self.E_L, i))
        self.rate = mpf(0) if self.model == "PerfectIntegrator" else 1 / num["tau_m"]
        self.C = num["tau_m"] if self.model == "FlyLIF" else num["C_m"]
        self.I_e = mpf(0) if isinstance(self.p.get("I_e"), Steps) else num.get("I_e", mpf(0))
        # (decay rate, rise rate or None, initial value) per synaptic current
        if self.model == "DeltaLIF":
            currents = []
        elif self.model == "FlyLIF":
            currents = [(1 / num["tau_syn"], None, "g")]
        elif self.model == "DoubleExpLIF":
            currents = [(1 / num["tau_decay_" + x], 1 / num["tau_rise_" + x], "I_" + x) for x in ("ex", "in")]
        else:
            currents = [(1 / num["tau_syn_" + x], None, "I_" + x) for x in ("ex", "in")]
            if self.model == "AlphaLIF":
                currents = [(b, b, name) for b, _, name in currents]
        self.currents = [(b, r) for b, r, _ in currents]
        self.I = [mpf(pop.start(name, 0.0, i)) for _, _, name in currents]
        self.Z = [mpf(pop.start(name.replace("I_", "g_"), 0.0, i)) if r else mpf(0) for _, r, name in currents]
        self.stc, self.h = mpf(pop.start("I_stc", 0.0, i)), mpf(pop.start("h", 0.0, i))
        self.refractory, self.armed, self.time = False, True, None

    @property
    def threshold(self):
        return self.num["V_th"] + self.h

    def currents_ahead(self):
        """[(Z, I)] as functions of the time from now."""
        pairs = []
        for (b, r), I, Z in zip(self.currents, self.I, self.Z, strict=True):
            rising = ExpPoly() if r is None else ExpPoly({r: [Z]})
            pairs.append((rising, rising.filtered(b, I)))
        return pairs

    def membrane_ahead(self):
        total = ExpPoly({mpf(0): [self.I_e]})
        for _, I in self.currents_ahead():
            total = total.plus(I)
        if self.model == "AdaptiveLIF":
            total = total.plus(ExpPoly({1 / self.num["tau_stc"]: [self.stc]}), -1)
        drive = ExpPoly({r: [v / self.C for v in c] for r, c in total.items()})
        return drive.plus(ExpPoly({mpf(0): [self.rate * self.E_L]})).filtered(self.rate, self.V)

    def excess_ahead(self):
        f = self.membrane_ahead().plus(ExpPoly({mpf(0): [self.num["V_th"]]}), -1)
        if self.model == "AdaptiveLIF":
            f = f.plus(ExpPoly({1 / self.num["tau_sfa"]: [self.h]}), -1)
        return f

    def hopeless(self, horizon):
        """Not even all excitation at once, without leak, would reach the threshold."""
        reach = self.V - self.E_L if self.V > self.E_L else mpf(0)
        reach += max(self.I_e, mpf(0)) / self.C * horizon
        for (b, r), I, Z in zip(self.currents, self.I, self.Z, strict=True):
            reach += (max(I, mpf(0)) + (max(Z, mpf(0)) / r if r else 0)) / b / self.C
        return self.stc >= 0 and self.h >= 0 and self.E_L + reach < self.num["V_th"]

    def next_spike(self, horizon):
        """Time from now of the next threshold event in [0, horizon], or NEVER."""
        if self.refractory or "V_th" not in self.num or (self.armed and self.hopeless(horizon)):
            return NEVER
        f = self.excess_ahead()
        value = self.V - self.threshold
        if self.armed and (value > 0 or (value == 0 and (self.model != "DeltaLIF" or f.lowered(mpf(0))(mpf(0)) > 0))):
            return mpf(0)
        knots = [mpf(0), *(t for t in sign_changes(f, horizon) if t > mpf(10) ** -25), horizon]
        signs = [mp.sign(f((a + b) / 2)) for a, b in pairwise(knots)]
        for k in range(1, len(signs)):
            if signs[k - 1] < 0 < signs[k]:
                return knots[k]
        return NEVER

    def advance(self, t, V=None):
        """`V`: the membrane ahead, if that is known."""
        if t == 0 or (self.refractory and self.model == "FlyLIF"):
            return
        if not self.armed:
            f = self.excess_ahead()
            knots = [mpf(0), *(x for x in sign_changes(f, t) if x > mpf(10) ** -25), t]
            self.armed = any(f((a + b) / 2) < 0 for a, b in pairwise(knots))
        if not self.refractory:
            V = (V or self.membrane_ahead())(t)
        ahead = self.currents_ahead()
        self.Z, self.I = [z(t) for z, _ in ahead], [current(t) for _, current in ahead]
        if self.model == "AdaptiveLIF":
            self.stc *= mp.exp(-t / self.num["tau_stc"])
            self.h *= mp.exp(-t / self.num["tau_sfa"])
        if not self.refractory:
            self.V = V

    def arrive(self, weight, receptor):
        w = mpf(weight)
        if self.model == "DeltaLIF" or receptor == "V":
            if not (self.model == "DeltaLIF" and self.refractory):
                self.V += w
            return
        k = 1 if weight < 0 and self.model != "FlyLIF" else 0
        b, r = self.currents[k]
        if r is None:
            self.I[k] += w
        else:  # a current z t exp(-b t), or the difference of two exponentials, with maximum w
            top = 1 / b if b == r else mp.log(r / b) / (r - b)
            shape = ExpPoly({r: [mpf(1)]}).filtered(b, mpf(0))
            self.Z[k] += w / shape(top)

    def fire(self):
        if self.reset == "value":
            self.V = self.num["V_reset"]
        elif self.reset == "subtract":
            self.V -= self.num["V_th"] - self.E_L
        else:
            self.armed = False
            if self.V < self.threshold:  # only by the rounding of the event's time
                self.V = self.threshold
        if self.model == "FlyLIF":
            self.I[0] = mpf(0)
        if self.model == "AdaptiveLIF":
            self.stc += self.num["q_stc"]
            self.h += self.num["q_sfa"]

    def get(self, name):
        if name in ("I_ex", "I_in", "g"):
            return self.I[int(name == "I_in")]
        return {"V_m": self.V, "I_stc": self.stc, "h": self.h}[name]


class QIF:
    """tau V' = V^2 - V + I, I' = -2 I / tau, solved by V = X cot(X + phi), X = sqrt(I(0)) exp(-t/tau).

    For I < 0 the same with the hyperbolic cotangent (complex phi where |V| < X), for I = 0 the limit
    V = 1 / (1 + exp(t/tau) (1/V(0) - 1)).  A spike is the pole X + phi = 0.
    """

    def __init__(self, pop, i):
        self.model = "QIF"
        self.tau, self.t_ref = mpf(pop.value("tau_m", i)), pop.value("t_ref", i)
        self.V_reset = mpf(pop.value("V_reset", i))
        self.V, self.I = mpf(pop.start("V_m", 0.0, i)), mpf(pop.start("I", 0.0, i))
        self.refractory, self.time = False, None

    def inverse_slope(self):
        """X and phi."""
        if self.I > 0:
            X = mp.sqrt(self.I)
            angle = mp.pi / 2 - mp.atan(self.V / X)  # arccot in (0, pi)
        else:
            X = mp.sqrt(-self.I)
            angle = mpf(0) if mp.isinf(self.V) else mp.acoth(mp.mpc(self.V / X))
        return X, angle - X

    def advance(self, t):
        if t == 0:
            return
        decay = mp.exp(-t / self.tau)
        if not self.refractory:
            if self.I == 0:
                start = mpf(0) if mp.isinf(self.V) else 1 / self.V if self.V else mpf(0)
                self.V = mpf(0) if self.V == 0 else 1 / (1 + (start - 1) / decay)
            else:
                X, phi = self.inverse_slope()
                x = X * decay
                self.V = x * (mp.cot(x + phi) if self.I > 0 else mp.re(mp.coth(x + phi)))
        self.I *= decay * decay

    def next_spike(self, horizon):
        if self.refractory:
            return NEVER
        if self.I == 0:
            t = self.tau * mp.log(self.V / (self.V - 1)) if self.V > 1 else None
        elif self.I < 0 and self.V <= mp.sqrt(-self.I):
            t = None
        else:
            X, phi = self.inverse_slope()
            t = self.tau * mp.log(X / -mp.re(phi)) if mp.re(phi) < 0 else None
        return t if t is not None and t <= horizon else NEVER

    def arrive(self, weight, receptor):
        self.I += mpf(weight)

    def fire(self):
        self.V = self.V_reset

    def get(self, name):
        return self.V if name == "V_m" else self.I


def after(time, t):
    """`time` + t (mpf) as (epoch, offset)."""
    total = time[1] + t
    whole = mp.floor(total)
    offset = float(total - whole)
    return (time[0] + int(whole) + 1, 0.0) if offset == 1.0 else (time[0] + int(whole), offset)


def span(since, until):
    return mpf(until[0] - since[0]) + mpf(until[1]) - mpf(since[1])


def simulate(net, T, t_start=0.0, dps=40, final=None):
    """Spikes [(epoch, offset, global id), ...] of [t_start, t_start + T).

    `final`, a dict, receives {(global id, state name): value at the end}.
    """
    # Rates that differ by one ulp cost 16 digits per pair in the partial fractions of at most three stages.
    with mp.workdps(dps + 40):
        return _simulate(net, T, t_start, final)


def _simulate(net, T, t_start, final):
    start = stamp(t_start)
    stop = later(start, T)
    neurons, sources, steps = [], [], []
    for pop in net.pops:
        first = net.first(pop.name)
        if pop.model == "SpikeSource":
            pairs = zip(pop.params.get("times", ()), pop.params.get("ids", ()), strict=True)
            sources += [(stamp(t), first + int(i)) for t, i in pairs]
            neurons += [None] * pop.n
            continue
        neurons += [(QIF if pop.model == "QIF" else Linear)(pop, i) for i in range(pop.n)]
        if isinstance(pop.params.get("I_e"), Steps):
            for t, value in zip(pop.params["I_e"].times, pop.params["I_e"].values, strict=True):
                values = value if isinstance(value, (list, tuple)) else [value] * pop.n
                steps += [(stamp(t), first + i, mpf(v)) for i, v in enumerate(values)]
    for neuron in neurons:
        if neuron is not None:
            neuron.time = start
    for time, gid, current in sorted(steps):
        if time <= start:
            neurons[gid].I_e = current
    steps = sorted(s for s in steps if s[0] > start)
    sources.sort()
    synapses = net.synapses()
    releases, arrivals, spikes = [], [], []
    crossing = {}  # global id -> time of its next threshold event, or NEVER; absent: to be found again

    def bring(gid, time):
        neuron = neurons[gid]
        neuron.advance(span(neuron.time, time))
        neuron.time = time
        crossing.pop(gid, None)
        return neuron

    while True:
        for gid, neuron in enumerate(neurons):
            if neuron is not None and gid not in crossing:
                t = neuron.next_spike(span(neuron.time, stop))
                crossing[gid] = NEVER if t is NEVER else after(neuron.time, t)
        thresholds = [(time, gid) for gid, time in crossing.items() if time is not NEVER] + sources
        now = min((entry[0] for entry in releases + steps + arrivals + thresholds), default=stop)
        if now >= stop:
            break
        due = [e for e in releases if e[0] == now], [e for e in steps if e[0] == now], [e for e in arrivals if e[0] == now]
        for _, gid in due[0]:
            bring(gid, now).refractory = False
        for _, gid, current in due[1]:
            bring(gid, now).I_e = current
        for _, k in due[2]:
            _, target, weight, _, receptor = synapses[k]
            bring(target, now).arrive(weight, receptor)
        if any(due):
            releases = [e for e in releases if e[0] > now]
            steps = [e for e in steps if e[0] > now]
            arrivals = [e for e in arrivals if e[0] > now]
            continue  # thresholds are tested once, after everything that arrives
        gid = min(gid for time, gid in thresholds if time == now)
        if neurons[gid] is None:
            sources.remove((now, gid))
        else:
            neuron = bring(gid, now)
            neuron.fire()
            if neuron.t_ref > 0:
                neuron.refractory = True
                releases.append((later(now, neuron.t_ref), gid))
        spikes.append((*now, gid))
        arrivals += [(later(now, s[3]), k) for k, s in enumerate(synapses) if s[0] == gid and s[2] != 0]
    if final is not None:
        for gid, neuron in enumerate(neurons):
            if neuron is not None:
                bring(gid, stop)
                names = ("V_m", "I") if neuron.model == "QIF" else ("V_m", "g" if neuron.model == "FlyLIF" else "I_ex")
                final |= {(gid, name): neuron.get(name) for name in names if name != "I_ex" or neuron.currents}
    return spikes
