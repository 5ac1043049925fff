"""Coincidence detector: how close must two inputs be to make a neuron fire? Exact spike times give the answer exactly.

    python examples/03_coincidence.py [picture]

A thousand neurons receive the same two spikes, with a gap that grows from neuron to neuron: delays are real numbers,
so each neuron has its own. On a clock of 0.1 ms, all gaps below 0.1 ms would be the same.
"""

import sys

import numpy as np

import eventsim as es

gap = np.linspace(0.0, 10.0, 1001)  # ms
net = es.Network()
cells = net.add("cells", len(gap), es.LIF(C_m=250.0, tau_m=10.0, E_L=-70.0, V_th=-55.0, V_reset=-70.0, tau_syn_ex=1.0))
inputs = net.add("inputs", 2, es.SpikeSource(times=[5.0, 5.0], ids=[0, 1]))
net.connect(inputs[0], cells, weight=2850.0, delay=1.0)
net.connect(inputs[1], cells, weight=2850.0, delay=1.0 + gap)  # one delay per synapse

result = es.simulate(net, 15.0, record_spikes=[cells], record_V=cells[[0, 200, 400, 600]])
print(result)

t, i = result.spikes("cells")
latency = t[np.argsort(i)] - 6.0
print(f"fires for gaps up to {gap[i.max()]:.2f} ms, {latency[0]:.12f} ms after the first input for gap 0")
print(f"a gap of {gap[1]:.2f} ms delays the spike by {latency[1] - latency[0]:.12f} ms")

result.plot(sys.argv[1] if len(sys.argv) > 1 else "coincidence.png")
