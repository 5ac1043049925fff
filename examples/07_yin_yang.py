"""Learn the Yin-Yang sign with spike times: a plain training loop, decision regions, and the spikes behind them.

    python examples/07_yin_yang.py [picture]

Five input spikes tell where a point lies, the output neuron that fires first tells its class. Six epochs get to 97 %; the
recipe of benchmarks/training, which trains longer, to 98.9 %.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np

import eventsim as es
from eventsim import decode, losses, optim
from eventsim.initial import initialise
from eventsim.networks import yin_yang

EPOCHS, BATCH, T = 6, 50, yin_yang.DURATION
(X, labels), (X_test, labels_test) = yin_yang.data("train"), yin_yang.data("test")
inputs, inputs_test = yin_yang.spikes(X), yin_yang.spikes(X_test)

sim = es.Simulation(yin_yang.build(hidden=100), seed=1, weight_dtype="float64")
initialise(sim, inputs[:200], duration=T, spikes={"hidden": 1.0, "output": 2.0})
params = optim.Parameters(sim, dict.fromkeys(sim.network.projections, "weight"))
adam = optim.Adam(optim.Cosine(0.01, EPOCHS * len(X) // BATCH))
loss = losses.FirstSpikeCrossEntropy("output", tau=0.5, alpha=0.003, tau_early=6.4) + losses.SilentHinge("output", margin=-0.05)
rng = np.random.default_rng(0)
curve = []
for epoch in range(EPOCHS):
    right = 0
    for batch in rng.permutation(len(X)).reshape(-1, BATCH):
        value, grads, seen = es.value_and_grad(sim, loss, inputs[batch], labels[batch], duration=T, wrt={"weight"})
        params.step(adam, grads)
        curve.append(value)
        right += np.sum(decode.first_spike(seen, "output") == labels[batch])
    print(f"epoch {epoch + 1}: {100 * right / len(X):.1f} % of the training samples right")


def respond(inputs):
    """What the network answers: a loss that asks for nothing costs nothing."""
    return es.value_and_grad(sim, lambda response, targets: (0.0, {}), inputs, duration=T, wrt=())[2]


answer = respond(inputs_test)
print(f"test: {100 * decode.accuracy(decode.first_spike(answer, 'output'), labels_test):.1f} %")

# ---- picture: who fires first, and how much later the second one is
n = 121
x, y = np.meshgrid(np.linspace(0.0, 1.0, n), np.linspace(0.0, 1.0, n))
inside = np.hypot(x - 0.5, y - 0.5) < 0.5
points = np.column_stack([x[inside], y[inside], 1.0 - x[inside], 1.0 - y[inside]])
first = respond(yin_yang.spikes(points)).first("output")
region = np.ma.masked_all((n, n))
region[inside] = np.argmin(first, axis=1)
earliest = np.ma.masked_all((n, n))
earliest[inside] = first.min(axis=1)

colours = ["#4c72b0", "#dd8452", "#55a868"]
names = ["yin", "yang", "dot"]
fig, axes = plt.subplot_mosaic([["learning", "regions", "times"], ["0", "1", "2"]], figsize=(11, 7), layout="constrained")
smooth = np.convolve(curve, np.ones(20) / 20, "valid")
axes["learning"].semilogy(np.arange(len(smooth)) * BATCH / len(X), smooth)
axes["learning"].set(xlabel="epoch", ylabel="loss", title="learning")
axes["regions"].pcolormesh(x, y, region, cmap=plt.matplotlib.colors.ListedColormap(colours), alpha=0.5)
wrong = decode.first_spike(answer, "output") != labels_test
axes["regions"].scatter(*X_test[:, :2].T, c=np.array(colours)[labels_test], s=4)
axes["regions"].plot(*X_test[wrong, :2].T, "kx", ms=5)
axes["regions"].set(xlabel="x", ylabel="y", aspect="equal", title="who fires first (crosses: wrong)")
axes["times"].set(xlabel="x", ylabel="y", aspect="equal", title="when")
fig.colorbar(
    axes["times"].pcolormesh(x, y, earliest, cmap="viridis"), ax=axes["times"], label="first output spike [ms]", shrink=0.8
)
for k, name in enumerate(names):
    sample = np.flatnonzero((labels_test == k) & ~wrong)[0]
    axis, at = axes[str(k)], inputs_test[sample]
    spikes = answer.spikes("hidden")
    own = spikes.sample == sample
    axis.plot(at[0], 106 + 3 * at[1], "k|", ms=6)
    axis.plot(spikes.time[own], spikes.neuron[own], "k.", ms=3)
    spikes = answer.spikes("output")
    for i in range(3):
        own = (spikes.sample == sample) & (spikes.neuron == i)
        axis.vlines(spikes.time[own], 124 + 7 * i, 130 + 7 * i, color=colours[i], lw=2)
    axis.set(xlim=(-2, T), xlabel="time [ms]", yticks=[50, 112, 134], title=f"spikes of a sample: {name}")
    axis.set_yticklabels(["hidden", "input", "output"])
fig.savefig(sys.argv[1] if len(sys.argv) > 1 else "yin_yang.png", dpi=120)
