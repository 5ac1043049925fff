"""Gradient descent through a connectome: motor neurons of the worm C. elegans learn to fire one after the other.

    python examples/10_celegans.py [picture]

Three touch neurons at the head fire. A worm that is touched there crawls backwards, driven by the motor neurons DA1 (head) to
DA9 (tail), in a wave that runs from tail to head. In a network with the worm's wiring but arbitrary strengths they fire in no
such order. They shall: DA9 first, at 25 ms, DA1 last, at 45 ms. All 3701 connections learn; no new one is made, and none changes
its sign.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np

import eventsim as es
from eventsim import losses, optim
from eventsim.networks import celegans

names = celegans.neurons().tolist()
pre, post, weight = celegans.synapses(weight=34.0)
net = es.Network()
worm = net.add("worm", len(names), celegans.CELL)
touch = net.add("touch", 3, es.SpikeSource(np.repeat([0.0, 10.0, 20.0], 3), np.tile(np.arange(3), 3)))
net.connect(touch, worm[np.isin(names, celegans.TOUCH)], es.OneToOne(), weight=celegans.KICK, delay=0.0)
synapses = net.connect(worm, worm, es.Pairs(pre, post), weight=weight, delay=1.0)

motor = [names.index(f"DA{k}") for k in range(1, 10)]
wanted = np.full((1, len(names)), np.nan)  # of the others nothing is asked
wanted[0, motor] = np.linspace(45.0, 25.0, 9)

sim = es.Simulation(net, weight_dtype="float64")
edges = sim.edges(synapses)
pre, post, sign, start = edges.pre, edges.post, np.sign(edges.weight), np.abs(edges.weight)
x = np.log(start)  # |weight| = exp(x) keeps the signs
adam = optim.Adam(optim.Cosine(0.02, 200), betas=(0.9, 0.99))
state = adam.init(x)


def lift(response, targets):
    """Raise the membranes of motor neurons that fell silent, which have no spike to move."""
    silent = np.zeros((1, len(names)), bool)
    silent[0, motor] = response.counts("worm")[0, motor] == 0
    if not silent.any():
        return 0.0, {}
    gap = np.where(silent, -49.0 - response.max_V("worm"), 0.0)  # the threshold is at -50 mV
    return 20.0 * gap.sum(), {"worm": es.Sensitivity(max_V=np.where(silent, -20.0, 0.0))}


loss = losses.SpikeTimeError("worm") + lift
curve, first, rasters = [], [], {}
for step in range(201):
    sim.set(synapses, weight=sign * np.exp(x))
    value, grads, response = es.value_and_grad(sim, loss, targets=wanted, duration=60.0, wrt={"weight"})
    curve.append(np.sqrt(value / len(motor)))
    first.append(response.first("worm")[0, motor])
    if step in (0, 200):
        rasters[step] = response.spikes("worm")
    gradient = grads[synapses].weight * sign * np.exp(x)
    adam.update(x, optim.clip(gradient, norm=10.0).gradient, state)
print(f"typical error: {curve[0]:.3g} ms before, {curve[-1]:.2g} ms after {len(curve) - 1} steps")
change = np.exp(x) / start
for k in np.argsort(-np.abs(np.log(change)))[:5]:
    print(f"{names[pre[k]]} -> {names[post[k]]}: {sign[k] * start[k]:.0f} pA became {sign[k] * np.exp(x[k]):.0f} pA")

fig, axes = plt.subplot_mosaic([["before", "after"], ["times", "change"]], figsize=(10, 7), layout="constrained")
labels = [names[k] for k in motor]
for title, (_step, spikes) in zip(("before", "after"), rasters.items(), strict=True):
    axis = axes[title]
    order = np.argsort(np.argsort(response.first("worm")[0], kind="stable"))
    axis.plot(spikes.time, order[spikes.neuron], ".", color="0.6", ms=3)
    seen = np.array([spikes.time[spikes.neuron == k].min(initial=np.inf) for k in motor])
    axis.plot(wanted[0, motor], order[motor], "o", mfc="none", mec="C3", ms=8, label="wanted")
    axis.plot(seen, order[motor], "k.", ms=6, label="DA1 to DA9, first spike")
    axis.set(xlim=(0, 60), ylim=(-2, 110), xlabel="time [ms]", ylabel="neurons, in their order after training", title=title)
axes["after"].legend(frameon=False, loc="upper left")
axes["times"].plot(np.array(first), lw=1)
axes["times"].set(xlabel="step", ylabel="first spike [ms]", title="motor neurons (dotted: wanted)")
for k, name in enumerate(labels):
    axes["times"].axhline(wanted[0, motor[k]], color=f"C{k}", ls=":", lw=0.8)
    axes["times"].text(203, wanted[0, motor[k]], name, color=f"C{k}", va="center", fontsize=8)
for s, colour, name in ((1.0, "C3", "excitatory"), (-1.0, "C0", "inhibitory")):
    axes["change"].loglog(start[sign == s], np.exp(x)[sign == s], ".", ms=2, color=colour, label=name)
axes["change"].set(xlabel="strength before [pA]", ylabel="after [pA]", title="3701 connections")
axes["change"].legend(frameon=False)
fig.savefig(sys.argv[1] if len(sys.argv) > 1 else "worm.png", dpi=120)
