"""Draws costates.png of docs/gradients.md: one neuron forward, and what its loss would answer to a probe at any time."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import eventsim as es

T, TINY = 40.0, 1e-9
arrivals = np.array([4.0, 7.0, 9.0, 20.0, 23.0, 25.0])
probes = np.arange(0.05, T, 0.1) + 0.01

net = es.Network()
cell = net.add("cell", 1, es.LIF(C_m=20.0, tau_m=20.0, tau_syn_ex=5.0, E_L=0.0, V_th=1.0, V_reset=0.0, t_ref=2.0))
source = net.add("source", 1, es.SpikeSource(arrivals))
probe = net.add("probe", len(probes), es.SpikeSource(probes, np.arange(len(probes))))
net.connect(source, cell, weight=np.array([2.2]), delay=0.0)
probing = net.connect(probe, cell, weight=TINY, delay=0.0)


def second_spike(response, targets):
    spikes = response.spikes("cell")
    return spikes.time[1], {"cell": es.Sensitivity(times=(np.arange(len(spikes.time)) == 1).astype(float))}


_, grads, response = es.value_and_grad(net, second_spike, duration=T)
p_I = grads[probing].weight  # a probe reads p_I, and by its time b p_I - k p_u
p_u = (p_I / 5.0 - grads[probing].delay / TINY) * 20.0
spikes = response.spikes("cell").time

figure, (above, below) = plt.subplots(2, 1, figsize=(7, 4.2), sharex=True, layout="constrained")
above.plot(probes, response.V("cell", probes)[0, 0], color="C0")
above.axhline(1.0, color="0.7", lw=0.8, ls="--")
above.vlines(spikes, 1.0, 1.25, color="C0")
above.plot(arrivals, np.full(len(arrivals), -0.12), "^", color="0.3", clip_on=False)
above.set_ylabel("V_m [mV]")
above.text(0.3, 1.05, "V_th", color="0.5")
below.plot(probes, p_u, color="C1", label="p_u = dt/dV_m  [ms/mV]")
below.plot(probes, p_I * 20.0, color="C2", label="p_I = dt/dI, times C_m")
below.vlines(spikes, *below.get_ylim(), color="0.85", lw=1.0, zorder=0)
below.plot(arrivals, np.interp(arrivals, probes, p_I * 20.0), "o", ms=4, color="C2")
below.axhline(0.0, color="0.7", lw=0.8)
below.set_ylabel("costates of the\nsecond spike's time")
below.set_xlabel("time [ms]; the lower panel is computed from right to left")
below.legend(frameon=False, loc="lower right")
figure.savefig(Path(__file__).with_suffix(".png"), dpi=110)
