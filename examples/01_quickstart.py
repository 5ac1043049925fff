"""Quickstart: a balanced network of 4000 neurons (CUBA), its spikes, and the membranes of five of them.

python examples/01_quickstart.py [picture]
"""

import sys

import eventsim as es

net = es.Network()
cell = es.LIF(tau_m=20.0, tau_syn_ex=5.0, tau_syn_in=10.0, C_m=250.0, E_L=-49.0, V_th=-50.0, V_reset=-60.0, t_ref=5.0)
exc = net.add("exc", 3200, cell, V_m=es.Uniform(-60, -50))
inh = net.add("inh", 800, cell, V_m=es.Uniform(-60, -50))
for post in (exc, inh):
    net.connect(exc, post, es.FixedProbability(0.02), weight=20.25, delay=0.1)
    net.connect(inh, post, es.FixedProbability(0.02), weight=-112.5, delay=0.1)

result = es.simulate(net, 1000.0, seed=1, record_V=exc[:5], threads=2)
print(result)

t, i = result.spikes("exc")  # float64 ms in time order, integer ids
print(f"first spike: {t[0]:.15g} ms, neuron {i[0]}")

result.plot(sys.argv[1] if len(sys.argv) > 1 else "cuba.png")
