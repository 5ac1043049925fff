"""Train the firing time of a neuron, then those of a whole layer.

    python examples/06_train_spike_times.py [picture]

A neuron gets ten input spikes and shall fire once, at 30 ms. The derivative of its spike time by its ten weights is exact, so
plain gradient descent moves the spike where it is wanted. Then sixty neurons with two hundred inputs learn to draw a wave:
one spike each. A neuron that falls silent has no spike time to move; the hinge lifts its membrane until it fires again.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np

import eventsim as es
from eventsim import losses, optim

rng = np.random.default_rng(0)
cell = es.LIF(tau_m=20.0, tau_syn_ex=5.0, tau_syn_in=5.0, C_m=20.0, E_L=0.0, V_th=1.0, V_reset=0.0)

# ---- one neuron, one spike
net = es.Network()
source = net.add("source", 10, es.SpikeSource(np.linspace(2.0, 38.0, 10), np.arange(10)))
neuron = net.add("neuron", 1, cell)
synapses = net.connect(source, neuron, weight=rng.normal(2.0, 0.3, 10), delay=1.0)

wanted = 30.0  # ms
sim = es.Simulation(net, weight_dtype="float64")
params = optim.Parameters(sim, {synapses: "weight"})
descent = optim.SGD(0.005)
loss = losses.SpikeTimeError("neuron") + losses.UpperActivity("neuron", limit=1)
time, before = [], sim.edges(synapses).weight.copy()
for _ in range(60):
    value, grads, response = es.value_and_grad(sim, loss, targets=[[wanted]], duration=60.0)
    time.append(response.first("neuron")[0, 0])
    params.step(descent, grads)
print(f"one neuron: first spike at {time[0]:.3f} ms, after {len(time)} steps at {time[-1]:.9f} ms, wanted {wanted:g} ms")

# ---- a layer, a wave of spikes
n = 60
wave = 40.0 + 20.0 * np.sin(np.linspace(0.0, 4.0 * np.pi, n))  # ms

net = es.Network()
source = net.add("source", 200, es.SpikeSource(np.sort(rng.uniform(0.0, 68.0, 200)), np.arange(200)))
layer = net.add("layer", n, cell)
net.connect(source, layer, weight=rng.normal(0.2, 0.2, 200 * n), delay=1.0)
drawing = es.Simulation(net, weight_dtype="float64")
everything = optim.Parameters(drawing, {net.projections[0]: "weight"})
adam = optim.Adam(optim.Cosine(0.02, 600), betas=(0.9, 0.99))
loss = (
    optim.clip_grazing(losses.SpikeTimeError("layer"), slope=0.1)  # a spike about to vanish would jump
    + 100.0 * losses.SilentHinge("layer", margin=-0.1)
    + 10.0 * losses.UpperActivity("layer", limit=1)
)
rasters = {}
for step in range(601):
    value, grads, response = es.value_and_grad(drawing, loss, targets=wave[None], duration=70.0, wrt={"weight"})
    if step in (0, 50, 150, 600):
        rasters[step] = response.spikes("layer")
    everything.step(adam, grads)
error = np.sqrt(np.mean((response.first("layer")[0] - wave) ** 2))
print(f"a layer: typical error {error:.2g} ms; {response.counts('layer').mean():.2f} spikes each")

# ---- pictures
fig, axes = plt.subplot_mosaic([["one", "one", "times", "times"], list(rasters)], figsize=(10, 6), layout="constrained")
t = np.linspace(0.0, 59.9, 1199)
for weight, colour, name in ((before, "0.6", "before"), (sim.edges(synapses).weight, "C0", "after")):
    sim.set(synapses, weight=weight)
    _, _, shown = es.value_and_grad(sim, lambda response, targets: (0.0, {}), duration=60.0)
    axes["one"].plot(t, shown.V("neuron", t)[0, 0], color=colour, label=name)
axes["one"].axhline(1.0, color="k", lw=0.5)
axes["one"].axvline(wanted, color="C3", ls=":")
axes["one"].set(xlabel="time [ms]", ylabel="V [mV]", title="one neuron")
axes["one"].legend(frameon=False)
axes["times"].plot(time)
axes["times"].axhline(wanted, color="C3", ls=":")
axes["times"].set(xlabel="step", ylabel="first spike [ms]", title="its first spike")
for step, spikes in rasters.items():
    axes[step].plot(wave, np.arange(n), color="C3", lw=0.8, alpha=0.5)
    axes[step].plot(spikes.time, spikes.neuron, "k.", ms=2.5)
    axes[step].set(xlim=(0, 70), xlabel="time [ms]", ylabel="neuron" if step == 0 else None, title=f"a layer, step {step}")
fig.savefig(sys.argv[1] if len(sys.argv) > 1 else "spike_times.png", dpi=120)
