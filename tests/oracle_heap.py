"""Oracle O2: an event-driven simulator in plain Python floats, slow and obvious.

One heap entry per synaptic event, popped in the documented total order (time, kind, source, synapse); neurons in closed
form; the first crossing found by walking from left to right with bounds on the second derivative.  No windows, no
majorants, no cursors.  Good for some 200 neurons.

Floating point decides some questions by the last bit (a maximum that grazes the threshold, two arrivals 1e-16 ms apart).
The oracle notices: `certain_until` is the time of the first decision that rounding could turn over.
"""

import copy
import heapq
import math
from itertools import count

from plain import DEFAULTS, Steps, later, stamp, to_ms
from scipy.optimize import brentq

RELEASE, STEP, ARRIVAL, THRESHOLD = range(4)
GRAZE = 1e-7  # mV: a maximum this close below threshold is not decided
STEEP = 1e-4  # ms: neither is a crossing that moves by this much when the threshold moves by GRAZE
CLOSE = 1e-9  # ms: nor is the order of two events this close (unless they coincide)
NEVER = math.inf


def chain(t, *rates):
    """Last stage at time t of a chain of decays y_0' = -r_0 y_0, y_k' = -r_k y_k + y_(k-1), started with y_0(0) = 1.

    (-1)^n times the divided difference of exp(-r t) over the rates; by the recurrence where the rates differ, by
    series around their mean where they almost agree.  Positive, and smooth in the rates.
    """
    r = sorted(rates)
    n = len(r) - 1
    if n == 0:
        return math.exp(-r[0] * t)
    if n == 1:
        gap = r[1] - r[0]
        return math.exp(-r[0] * t) * (-math.expm1(-gap * t) / gap if gap else t)
    if (r[-1] - r[0]) * t > 1.0:
        return (chain(t, *r[:-1]) - chain(t, *r[1:])) / (r[-1] - r[0])
    mean = sum(r) / len(r)
    x = [(mean - rate) * t for rate in r]
    # t^n exp(-mean t) sum_k h_k(x) / (n + k)!, h_k the complete homogeneous symmetric polynomials
    h = [1.0] + [0.0] * 30
    for value in x:
        for k in range(1, len(h)):
            h[k] += value * h[k - 1]
    return t**n * math.exp(-mean * t) * sum(h[k] / math.factorial(n + k) for k in range(len(h) - 1, -1, -1))


class Linear:
    """Any membrane u' = -a u + J + sum of currents, u = V - E_L, with a threshold that may decay.

    Current k has a decay rate and, if it rises gradually, a second stage that feeds it (rate `rise`).
    """

    def __init__(self, pop, i):
        p = {k: pop.value(k, i) for k in DEFAULTS[pop.model]}
        self.model, self.reset = pop.model, p.get("reset", "value")
        self.t_ref = p.get("t_ref", 0.0)
        self.time = None  # set by the simulator
        self.refractory, self.armed = False, True
        self.touched = None  # time of the latest event that left or met a jump
        self.configure(p)
        self.u = pop.start("V_m", self.E_L, i) - self.E_L
        self.y = [0.0, 0.0]
        self.z = [0.0, 0.0]
        self.stc, self.h = pop.start("I_stc", 0.0, i), pop.start("h", 0.0, i)
        names = ["g"] if self.model == "FlyLIF" else ["I_ex", "I_in"]
        for k, name in enumerate(names):
            self.y[k] = pop.start(name, 0.0, i) * self.scale
            if self.rise[k] is not None:
                self.z[k] = pop.start(name.replace("I_", "g_"), 0.0, i) * self.scale

    def configure(self, p):
        self.p = p
        self.E_L, self.V_th, self.V_reset = p.get("E_L", 0.0), p.get("V_th", math.inf), p.get("V_reset", 0.0)
        self.a = 0.0 if self.model == "PerfectIntegrator" else 1.0 / p["tau_m"]
        self.scale = 1.0 / (p["tau_m"] if self.model == "FlyLIF" else p["C_m"])
        I_e = p.get("I_e", 0.0)
        self.J = 0.0 if isinstance(I_e, Steps) else I_e * self.scale
        self.rise = [None, None]
        if self.model in ("DeltaLIF", "FlyLIF"):
            self.decay = [1.0 / p.get("tau_syn", 1.0)] * 2
        elif self.model == "DoubleExpLIF":
            self.decay = [1.0 / p["tau_decay_ex"], 1.0 / p["tau_decay_in"]]
            self.rise = [1.0 / p["tau_rise_ex"], 1.0 / p["tau_rise_in"]]
        else:
            self.decay = [1.0 / p["tau_syn_ex"], 1.0 / p["tau_syn_in"]]
            if self.model == "AlphaLIF":
                self.rise = list(self.decay)
        adaptive = self.model == "AdaptiveLIF"
        self.rate_stc = 1.0 / p["tau_stc"] if adaptive else 1.0
        self.rate_h = 1.0 / p["tau_sfa"] if adaptive else 1.0

    # State at a later time; nothing else may change on the way.
    def after(self, t):
        new = copy.copy(self)
        new.y, new.z = list(self.y), list(self.z)
        if self.model == "FlyLIF" and self.refractory:
            return new
        u = self.u * chain(t, self.a) + self.J * chain(t, self.a, 0.0)
        for k, b in enumerate(self.decay):
            if self.y[k]:
                u += self.y[k] * chain(t, self.a, b)
                new.y[k] = self.y[k] * chain(t, b)
            if self.z[k]:
                u += self.z[k] * chain(t, self.a, b, self.rise[k])
                new.y[k] += self.z[k] * chain(t, b, self.rise[k])
                new.z[k] = self.z[k] * chain(t, self.rise[k])
        if self.stc or self.h:
            u -= self.stc * self.scale * chain(t, self.a, self.rate_stc)
            new.stc, new.h = self.stc * chain(t, self.rate_stc), self.h * chain(t, self.rate_h)
        if not self.refractory:
            new.u = u
        return new

    @property
    def excess(self):
        return self.u + self.E_L - self.V_th - self.h

    @property
    def slope(self):
        return self.J + sum(self.y) - self.stc * self.scale - self.a * self.u + self.rate_h * self.h

    def curvature(self, h):
        """A bound on |d^2 excess / dt^2| over the next h ms."""
        total, change = abs(self.J) + abs(self.stc * self.scale), abs(self.stc * self.scale) * self.rate_stc
        for y, z, b in zip(self.y, self.z, self.decay, strict=True):
            most = abs(y) + abs(z) * h
            total += most
            change += b * most + abs(z)
        return self.a * (self.a * (abs(self.u) + total * h) + total) + change + abs(self.h) * self.rate_h**2

    def ceiling(self, h):
        """A bound on the excess over the next h ms."""
        top = max(self.u, 0.0) + max(self.J, 0.0) * (min(h, 1 / self.a) if self.a else h)
        top += max(-self.stc, 0.0) * self.scale * min(h, 1 / self.rate_stc)
        for k, (y, z) in enumerate(zip(self.y, self.z, strict=True)):
            top += max(y, 0.0) * min(h, 1 / self.decay[k])
            if z > 0:
                top += z * min(h * h, 1 / (self.decay[k] * self.rise[k]))
        return top + self.E_L - self.V_th - min(self.h, self.h * math.exp(-self.rate_h * h))

    def crossing(self, horizon, level=0.0, sign=1):
        """First t in [0, horizon] at which sign * (excess - level) turns from negative to >= 0, or NEVER.

        Walks over pieces on which the sign is certain or the excess monotone.
        """
        t, h = 0.0, horizon
        while t < horizon:
            h = min(h, horizon - t)
            now = self.after(t)
            value, slope = sign * (now.excess - level), sign * now.slope
            K = now.curvature(h)
            below = value < 0 and value + slope * h + 0.5 * K * h * h < 0  # a convex bound: largest at an end
            if below or (sign > 0 and now.ceiling(h) < level) or slope + K * h <= 0:
                t, h = t + h, 2 * h
            elif slope - K * h > 0:
                end = sign * (self.after(t + h).excess - level)
                if value < 0 <= end:
                    return brentq(lambda s: sign * (self.after(s).excess - level), t, t + h, xtol=1e-15, rtol=1e-15)
                t, h = t + h, 2 * h
            elif h < 1e-9:  # flat and at the level: decided by what follows; callers treat it as undecided
                t += h
            else:
                h /= 2
        return NEVER

    def next_spike(self, horizon, level=0.0):
        """Time from now of the next threshold event, or NEVER."""
        if self.refractory or math.isinf(self.V_th):
            return NEVER
        value = self.excess - level
        if self.armed or value < 0:
            # Delta synapses: strictly above, unless the drift carries V across.
            now = value > 0 or (value == 0 and (self.model != "DeltaLIF" or self.slope > 0))
            return 0.0 if self.armed and now else self.crossing(horizon, level)
        down = self.crossing(horizon, level, sign=-1)
        if down == NEVER:
            return NEVER
        down += 1e-9
        return down + self.after(down).crossing(horizon - down, level) if down < horizon else NEVER

    def pass_time(self, t):
        """Advance by t > 0; an edge-triggered neuron that was or went below threshold may fire again."""
        new = self.after(t)
        if not self.armed and (self.excess < 0 or self.crossing(t, sign=-1) < NEVER):
            new.armed = True
        return new

    def arrive(self, weight, receptor):
        k = int(weight < 0)
        if self.model == "DeltaLIF":
            if not self.refractory:
                self.u += weight
        elif self.model == "FlyLIF":
            if receptor == "V":
                self.u += weight
            else:
                self.y[0] += weight * self.scale
        elif self.rise[k] is None:
            self.y[k] += weight * self.scale
        else:
            b, r = self.decay[k], self.rise[k]
            peak = math.exp(-b * (math.log1p((r - b) / b) / (r - b))) / r if r != b else math.exp(-1) / b
            self.z[k] += weight * self.scale / peak

    def fire(self):
        if self.reset == "value":
            self.u = self.V_reset - self.E_L
        elif self.reset == "subtract":
            self.u -= self.V_th - self.E_L
        else:
            self.armed = False
            while self.excess < 0:  # on the threshold, not an ulp below
                self.u = math.nextafter(self.u, math.inf)
        if self.model == "FlyLIF":
            self.y[0] = 0.0
        if self.model == "AdaptiveLIF":
            self.stc += self.p["q_stc"]
            self.h += self.p["q_sfa"]

    def get(self, name):
        if name == "V_m":
            return self.u + self.E_L
        if name in ("I_ex", "g"):
            return self.y[0] / self.scale
        if name == "I_in":
            return self.y[1] / self.scale
        return {"I_stc": self.stc, "h": self.h}[name]


class QIF:
    """tau V' = V^2 - V + I, I' = -2 I / tau.

    With x = exp(-t/tau), V = x W and s = 1 - x this is dW/ds = W^2 + I(0): the quadratic neuron without leak, in
    another time.  W = (W0 + I T) / (1 - W0 T) with T = tan(ks)/k, k^2 = I (s if I = 0; tanh(ks)/k, k^2 = -I if I < 0).
    """

    def __init__(self, pop, i):
        self.model = "QIF"
        self.tau, self.V_reset = pop.value("tau_m", i), pop.value("V_reset", i)
        self.t_ref = pop.value("t_ref", i)
        self.V, self.I = pop.start("V_m", 0.0, i), pop.start("I", 0.0, i)
        self.refractory, self.time, self.touched = False, None, None

    def after(self, t):
        new = copy.copy(self)
        new.I = self.I * math.exp(-2 * t / self.tau)
        if not self.refractory and t > 0:
            s, k = -math.expm1(-t / self.tau), math.sqrt(abs(self.I))
            # k s is small where the branch matters, and tan(x)/x = tanh(x)/x = 1 there
            T = s if k * s < 1e-9 else (math.tan(k * s) if self.I > 0 else math.tanh(k * s)) / k
            above, below = (self.V + self.I * T, 1 - self.V * T) if self.V > -math.inf else (-1.0, T)
            new.V = math.exp(-t / self.tau) * (above / below if below else math.inf)  # inf: at the spike
        return new

    pass_time = after

    def next_spike(self, horizon, level=0.0):
        if self.refractory:
            return NEVER
        if self.V == math.inf:
            return 0.0
        k = math.sqrt(abs(self.I))
        if self.I > 0 and k > 1e-9:
            s = (math.pi / 2 - math.atan(self.V / k)) / k
        elif self.V <= k:
            return NEVER
        else:
            s = math.atanh(k / self.V) / k if k > 1e-9 else 1 / self.V
        t = -self.tau * math.log1p(-s) if s < 1 else NEVER
        return t if t <= horizon else NEVER

    def arrive(self, weight, receptor):
        self.I += weight

    def fire(self):
        self.V = self.V_reset

    def get(self, name):
        return self.V if name == "V_m" else self.I


class Runaway(Exception):
    """More spikes than a test can use."""


class Heap:
    """The simulator: `run` again and again, `set` and `inject` in between."""

    def __init__(self, net, t_start=0.0, limit=3000):
        self.limit = limit
        self.net, self.time = net, stamp(t_start)
        self.queue, self.serial = [], count()
        self.spikes, self.delivered, self.certain_until = [], 0, NEVER
        self.neurons, self.version = [], []
        for pop in net.pops:
            for i in range(pop.n):
                kind = {"QIF": QIF, "SpikeSource": None}.get(pop.model, Linear)
                self.neurons.append(kind(pop, i) if kind else None)
                self.version.append(0)
                if kind:
                    self.neurons[-1].time = self.time
        self.rows = [[] for _ in self.neurons]
        for index, (source, target, w, d, receptor) in enumerate(net.synapses()):
            self.rows[source].append([index, target, w, d, receptor])
        for pop in net.pops:
            first = net.first(pop.name)
            if pop.model == "SpikeSource":
                self.inject(pop.name, pop.params.get("times", ()), pop.params.get("ids", ()))
            elif isinstance(pop.params.get("I_e"), Steps):
                steps = pop.params["I_e"]
                for t, value in zip(steps.times, steps.values, strict=True):
                    for i in range(pop.n):
                        current = value[i] if isinstance(value, (list, tuple)) else value
                        if stamp(t) <= self.time:
                            self.neurons[first + i].J = current * self.neurons[first + i].scale
                        else:
                            self.push(stamp(t), STEP, first + i, 0, current)

    def push(self, time, kind, source, index, *what):
        heapq.heappush(self.queue, (*time, kind, source, index, next(self.serial), what))

    def inject(self, name, times, ids):
        for t, i in zip(times, ids, strict=True):
            self.push(stamp(t), THRESHOLD, self.net.first(name) + int(i), 0, None)

    def undecided(self, time):
        self.certain_until = min(self.certain_until, to_ms(time))

    def elapsed(self, since, until):
        return (until[0] - since[0]) + (until[1] - since[1])

    def bring(self, gid, time):
        """Neuron `gid` at `time`."""
        neuron = self.neurons[gid]
        dt = self.elapsed(neuron.time, time)
        if dt > 0:
            neuron = self.neurons[gid] = neuron.pass_time(dt)
        neuron.time = time
        return neuron

    def predict(self, gid, stop):
        """Push the next threshold event of neuron `gid`, and where it almost has one, a warning."""
        self.version[gid] += 1
        neuron = self.neurons[gid]
        horizon = self.elapsed(neuron.time, stop)
        t = neuron.next_spike(horizon)
        if t < NEVER:
            self.push(later(neuron.time, t), THRESHOLD, gid, 0, self.version[gid])
        if neuron.model != "QIF":
            near = neuron.next_spike(horizon, -GRAZE)
            if near < NEVER and t - near > STEEP:
                self.push(later(neuron.time, near), THRESHOLD, -1, gid, self.version[gid])

    def meet(self, neuron, time, kind):
        """Jumps of V (or of a g that the spike clears) must not come close without coinciding."""
        if neuron.model in ("DeltaLIF", "FlyLIF"):
            close = neuron.touched is not None and 0 < self.elapsed(neuron.touched, time) < CLOSE
            if close or (kind == ARRIVAL and abs(neuron.excess) < GRAZE):
                self.undecided(time)
            neuron.touched = time

    def fire(self, gid, time):
        self.spikes.append((*time, gid))
        if len(self.spikes) > self.limit:
            raise Runaway(f"{self.limit} spikes by {to_ms(time)} ms")
        for synapse in self.rows[gid]:
            self.push(later(time, synapse[3]), ARRIVAL, gid, synapse[0], synapse)

    def run(self, T):
        """Everything in [now, now + T); returns the new spikes as (epoch, offset, global id)."""
        stop, before = later(self.time, T), len(self.spikes)
        for gid, neuron in enumerate(self.neurons):
            if neuron is not None:
                self.predict(gid, stop)
        while self.queue and self.queue[0][:2] < stop:
            epoch, offset, kind, source, index, _, what = heapq.heappop(self.queue)
            time = (epoch, offset)
            if kind == THRESHOLD and source == -1:
                if what[0] == self.version[index]:
                    self.undecided(time)
            elif kind == THRESHOLD and self.neurons[source] is None:
                self.fire(source, time)
            elif kind == THRESHOLD:
                if what[0] != self.version[source]:
                    continue
                neuron = self.bring(source, time)
                self.meet(neuron, time, kind)
                neuron.fire()
                if neuron.t_ref > 0:
                    neuron.refractory = True
                    self.push(later(time, neuron.t_ref), RELEASE, source, 0)
                self.fire(source, time)
                self.predict(source, stop)
            elif kind == RELEASE:
                neuron = self.bring(source, time)
                self.meet(neuron, time, kind)
                neuron.refractory = False
                self.predict(source, stop)
            elif kind == STEP:
                neuron = self.bring(source, time)
                neuron.J = what[0] * neuron.scale
                self.predict(source, stop)
            else:
                _, target, w, _, receptor = what[0]
                self.delivered += 1
                if w == 0.0:
                    continue
                neuron = self.bring(target, time)
                self.meet(neuron, time, kind)
                neuron.arrive(w, receptor)
                self.meet(neuron, time, kind)
                self.predict(target, stop)
        self.time = stop
        return self.spikes[before:]

    @property
    def in_flight(self):
        return sum(entry[2] == ARRIVAL for entry in self.queue)

    def get(self, name, state):
        """State of every neuron of population `name` now; nothing changes."""
        first = self.net.first(name)
        neurons = self.neurons[first : first + self.net.pop(name).n]
        return [x.after(self.elapsed(x.time, self.time)).get(state) for x in neurons]

    def set(self, name, ids, **values):
        """New parameters or membrane potentials for neurons `ids` of population `name`, from now on."""
        for i in ids:
            neuron = self.bring(self.net.first(name) + i, self.time)
            for key, value in values.items():
                if key == "V_m":
                    neuron.u = value - neuron.E_L
                else:
                    V, J, scale = neuron.u + neuron.E_L, neuron.J, neuron.scale
                    neuron.configure(neuron.p | {key: value})
                    change = neuron.scale / scale  # currents are kept in pA, not in mV/ms
                    neuron.u = V - neuron.E_L
                    neuron.y, neuron.z = [y * change for y in neuron.y], [z * change for z in neuron.z]
                    if isinstance(neuron.p.get("I_e"), Steps):
                        neuron.J = J * change

    def set_weight(self, index, weight):
        """New weight of synapse `index` (as numbered by Net.synapses), also for spikes in flight."""
        for row in self.rows:
            for synapse in row:
                if synapse[0] == index:
                    synapse[2] = weight


def simulate(net, T, t_start=0.0, limit=3000):
    """Spikes [(epoch, offset, global id), ...] of [t_start, t_start + T) and the time until which they are certain."""
    heap = Heap(net, t_start, limit)
    return heap.run(T), heap.certain_until
