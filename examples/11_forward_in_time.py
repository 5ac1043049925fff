"""The same gradient, forward in time: traces at each synapse, a third factor at each spike, and a window like STDP's.

    python examples/11_forward_in_time.py [picture]

One neuron, forty inputs. The adjoint reads the run backward. But for a single layer the derivatives of its spike times
can also be carried along: each synapse keeps a trace of what a change of its weight has done to the membrane,

    e_I' = -b e_I (+1 at an arrival),    e_u' = -a e_u + k e_I,

and when the neuron spikes, with slope u', its time would have changed by dt/dw = -e_u/u'. After the refractory time the
trace starts again from -u' dt/dw: released earlier, the membrane is ahead. A learning rule that moves weights by
-(what the loss says about this spike) * dt/dw is local in space and time, and its sum is the exact gradient.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np

import eventsim as es

TAU_M, TAU_SYN, T_REF, T = 20.0, 5.0, 2.0, 600.0
a, b, k = 1 / TAU_M, 1 / TAU_SYN, 1 / TAU_M  # C_m = tau_m: a weight w is a jump of tau_m dV/dt

rng = np.random.default_rng(1)
count = rng.poisson(0.01 * T, 40)
ids = np.repeat(np.arange(40), count)
arrivals = rng.uniform(0, T, len(ids))
weights = rng.uniform(0.2, 1.2, 40)

net = es.Network()
source = net.add("inputs", 40, es.SpikeSource(arrivals, ids))
cell = es.LIF(C_m=TAU_M, tau_m=TAU_M, tau_syn_ex=TAU_SYN, E_L=0.0, V_th=1.0, V_reset=0.0, t_ref=T_REF)
neuron = net.add("neuron", 1, cell)
synapses = net.connect(source, neuron, weight=weights, delay=0.0)
says = rng.normal(size=100)  # dL/dt of each spike: the third factor


def loss(response, targets):
    t = response.spikes("neuron").time
    return float(says[: len(t)] @ t), {"neuron": es.Sensitivity(times=says[: len(t)])}


_, grads, response = es.value_and_grad(net, loss, duration=T)
spikes = response.spikes("neuron").time

# Forward in time, event by event: arrivals, releases, spikes.
events = [(t, 0, i) for t, i in zip(arrivals, ids, strict=True)]
events += [(t, 2, n) for n, t in enumerate(spikes)] + [(t + T_REF, 1, n) for n, t in enumerate(spikes)]
u = current = now = 0.0
free, moved = True, np.zeros(40)
e_u, e_I, gradient = np.zeros(40), np.zeros(40), np.zeros(40)
pairs = []  # (time before the spike, contribution to dt/dw), of each arrival
since_release = []
for t, kind, which in sorted(events):
    if t >= T:
        break
    d = t - now
    response_of_u = k * (np.exp(-a * d) - np.exp(-b * d)) / (b - a)
    if free:
        u, e_u = u * np.exp(-a * d) + current * response_of_u, e_u * np.exp(-a * d) + e_I * response_of_u
    current, e_I, now = current * np.exp(-b * d), e_I * np.exp(-b * d), t
    if kind == 0:  # an arrival
        current += weights[which]
        e_I[which] += 1.0
        since_release.append(t)
    elif kind == 2:  # a spike: u is at the threshold
        slope = k * current - a * u
        moved = -e_u / slope
        gradient += says[which] * moved
        window = [k * (np.exp(-a * (t - s)) - np.exp(-b * (t - s))) / (b - a) / slope for s in since_release]
        pairs += [(t - s, x) for s, x in zip(since_release, window, strict=True)]
        u, e_u, free, since_release = 0.0, np.zeros(40), False, []
    else:  # released
        free, e_u = True, -(k * current - a * u) * moved

error = np.abs(gradient - grads[synapses].weight).max() / np.abs(gradient).max()
print(f"{len(spikes)} spikes, {len(ids)} arrivals; forward and backward derivatives differ by {error:.1e} of the largest")

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
left.plot(grads[synapses].weight, gradient, "o", ms=4)
left.axline((0, 0), slope=1, color="0.8", zorder=0)
left.set(xlabel="dL/dw, read backward [ms]", ylabel="dL/dw, carried forward [ms]", title="Forty weights")
before, effect = np.array(pairs).T
right.plot(-before, effect, ".", ms=4)
right.axvline(0.0, color="0.8", zorder=0)
right.set(xlabel="arrival relative to the spike [ms]", ylabel="-dt/dw of one arrival [ms]", xlim=(-40, 10))
right.set_title("How much earlier it makes the spike")
figure.savefig(sys.argv[1] if len(sys.argv) > 1 else "forward_in_time.png", dpi=110)
