"""Forward mode for LIF networks of any size, in plain Python: how recorded spike times move in one direction.

Every number carries its derivative as an imaginary part of 1e-40 times that size, small enough that products of two of
them vanish beside any double: the derivative is exact to rounding. The events are those the product recorded; a spike at
t moves by -df/f' where f = V - V_th.
"""

import numpy as np
from oracle_gradient import ARRIVAL, RELEASE, SPIKE, Plan, explicit, places

H = 1e-40


def phi(z):
    """(1 - exp(-z))/z."""
    return 1 - z / 2 + z * z / 6 - z**3 / 24 + z**4 / 120 if abs(z) < 1e-3 else -np.expm1(-z) / z


class Neuron:
    """V_m, currents (ex, in), all complex, at time `at`."""

    def __init__(self, pop, i, t_start):
        assert pop.model == "LIF" and pop.params["reset"] == "value"
        for name, values in (pop.params | pop.initial).items():
            if isinstance(values, list):
                setattr(self, name, values[i])
        self.a, self.b = 1 / self.tau_m, (1 / self.tau_syn_ex, 1 / self.tau_syn_in)
        self.I, self.at, self.clamped, self.done = [self.I_ex, self.I_in], t_start, False, 0

    def advance(self, time):
        t = time - self.at
        if not self.clamped:
            u = (self.V_m - self.E_L) * np.exp(-self.a * t) + self.I_e / self.C_m * t * phi(self.a * t)
            for I, b in zip(self.I, self.b, strict=True):
                u += I / self.C_m * t * np.exp(-self.a * t) * phi((b - self.a) * t)
            self.V_m = self.E_L + u
        self.I = [I * np.exp(-b * t) for I, b in zip(self.I, self.b, strict=True)]
        self.at = time

    def slope(self):
        return (-self.a * (self.V_m - self.E_L) + (sum(self.I) + self.I_e) / self.C_m).real


def tangent(net, T, found, direction):
    """(times, dt): of the spikes `found` = [(epoch, offset, global id)] when the parameters move in `direction`, a dict like
    `oracle_gradient.Gradient`."""
    net = explicit(net)
    plan = Plan(net, T, 0.0, found)
    for holder, name, values in places(net):
        values[:] = [complex(x, H * d) for x, d in zip(values, direction.get((holder, name), np.zeros(len(values))), strict=True)]
    neurons = {gid: Neuron(net.pop(p), i, complex(0.0)) for gid, (p, i) in enumerate(plan.neurons) if p is not None}
    times = []

    def walk(gid, spike):
        """All events of a neuron up to its spike number `spike`."""
        neuron = neurons[gid]
        for now, kind, data, _ in plan.events[gid][neuron.done :]:
            neuron.done += 1
            if kind == RELEASE:
                neuron.advance(times[data] + neuron.t_ref)
                neuron.clamped = False
            elif kind == ARRIVAL:
                index, k, m = data
                neuron.advance(times[index] + net.edges[k].delay[m])
                w = net.edges[k].weight[m]
                neuron.I[int(w.real < 0)] += w
            elif kind == SPIKE:
                assert data == spike
                neuron.advance(complex(now[0] + now[1]))
                assert abs(neuron.V_m.real - neuron.V_th.real) < 1e-6
                t = neuron.at - 1j * (neuron.V_m - neuron.V_th).imag / neuron.slope()
                times.append(t)
                neuron.clamped = True
                neuron.advance(t)
                neuron.V_m = neuron.V_reset
                return

    for index, (gid, given) in enumerate(plan.spikes):
        if given is None:
            walk(gid, index)
        else:
            times.append(net.pop(given[0]).params["times"][given[1]])
    return np.array([t.real for t in times]), np.array([t.imag / H for t in times])
