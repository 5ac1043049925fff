"""A recurrent network with delays learns a rhythm: weights and delays are trained together, through its own past.

    python examples/09_recurrent_delays.py [picture]

Twelve neurons form a ring, and everyone also has weak connections with everyone. One kick at 0 ms starts a spike around the ring,
two rounds are looked at. Each neuron shall fire at given moments of a bar of 90 ms, in both rounds, which nothing but its
own past tells the network. The derivative by a delay counts what it does in both, and what the first round does to the second.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np

import eventsim as es
from eventsim import losses, optim

rng = np.random.default_rng(1)
n, bar = 12, 90.0
cell = es.LIF(tau_m=10.0, tau_syn_ex=3.0, tau_syn_in=3.0, C_m=10.0, E_L=0.0, V_th=1.0, V_reset=0.0, t_ref=20.0)
net = es.Network()
kick = net.add("kick", 1, es.SpikeSource([0.0], [0]))
ring = net.add("ring", n, cell)
first = net.connect(kick, ring[:1], weight=10.0, delay=1.0)
pre, post = np.nonzero(~np.eye(n, dtype=bool))
along = post == (pre + 1) % n
weight = np.where(along, 10.0, rng.normal(0.0, 0.2, len(pre)))
synapses = net.connect(
    ring, ring, es.Pairs(pre, post), weight=weight, delay=np.where(along, 5.0, rng.uniform(1.0, 10.0, len(pre)))
)

beat = np.array([0, 2, 3, 4, 6, 7, 8, 10, 12, 13, 14, 15]) * bar / 16 + 3.0  # a syncopated bar
wanted = (beat[:, None] + bar * np.arange(2))[None]  # (1, n, 2)

sim = es.Simulation(net, weight_dtype="float64")
pre, post = sim.edges(synapses)[:2]  # in the order of the parameters
along = post == (pre + 1) % n
params = optim.Parameters(sim, {synapses: ("weight", "delay")}, rates={"delay": 5.0})
adam = optim.Adam(optim.Cosine(0.1, 600))
loss = losses.SpikeTimeError("ring")
curve, rasters = [], {}
for step in range(601):
    value, grads, response = es.value_and_grad(sim, loss, targets=wanted, duration=2.0 * bar + 20.0, wrt={"weight", "delay"})
    curve.append(np.sqrt(value / wanted.size))
    if step in (0, 30, 600):
        rasters[step] = response.spikes("ring")
    params.step(adam, grads)
print(
    f"typical error: {curve[0]:.3g} ms before, {curve[-1]:.2g} ms after {len(curve) - 1} steps; two rounds, {wanted.size} spikes"
)
print(f"delays along the ring: {np.round(params[synapses, 'delay'][along], 2)} ms")

fig, axes = plt.subplot_mosaic([list(rasters), ["error", "delays", "weights"]], figsize=(11, 6), layout="constrained")
for step, spikes in rasters.items():
    axes[step].plot(wanted[0].T, np.tile(np.arange(n), (2, 1)), "o", mfc="none", mec="C3", ms=7)
    axes[step].plot(spikes.time, spikes.neuron, "k.", ms=5)
    axes[step].axvline(wanted[0, 0, 1], color="0.8", lw=0.8, zorder=0)
    axes[step].set(xlim=(0, 2 * bar + 20), xlabel="time [ms]", ylabel="neuron", title=f"step {step} (circles: wanted)")
axes["error"].semilogy(curve)
axes["error"].set(xlabel="step", ylabel="error [ms]", title="root of the mean squared error")
for name, unit in (("delay", "ms"), ("weight", "pA")):
    table = np.full((n, n), np.nan)
    table[pre, post] = params[synapses, name]
    style = (
        dict(cmap="viridis", vmax=15)
        if name == "delay"
        else dict(cmap="RdBu_r", norm=plt.matplotlib.colors.SymLogNorm(0.1, vmin=-20, vmax=20))
    )
    fig.colorbar(axes[name + "s"].imshow(table, origin="lower", **style), ax=axes[name + "s"], label=f"{name} [{unit}]")
    axes[name + "s"].set(xlabel="to neuron", ylabel="from neuron", title=f"{name}s learned")
fig.savefig(sys.argv[1] if len(sys.argv) > 1 else "rhythm.png", dpi=120)
