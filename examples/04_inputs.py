"""Inputs: spike lists, Poisson trains of constant and of changing rate, and currents in steps, to the same kind of neuron.

python examples/04_inputs.py [picture]
"""

import sys

import numpy as np

import eventsim as es

membrane = dict(C_m=250.0, tau_m=10.0, E_L=-70.0, V_th=-55.0, V_reset=-70.0, t_ref=2.0, tau_syn_ex=2.0)
net = es.Network()

# A list of spikes: which source fires when, in ms; in any order, at any real time.
times, ids = np.arange(10.0, 500.0, 12.5), np.arange(40) % 10
listed = net.add("list", 10, es.SpikeSource(times[:40], ids))
by_list = net.add("by list", 10, es.LIF(**membrane))
net.connect(listed, by_list, es.OneToOne(), weight=3000.0, delay=0.5)

# Poisson trains at exact times; each neuron has one of its own.
noise = net.add("Poisson", 20, es.Poisson(rate=1000.0))
by_noise = net.add("by Poisson", 20, es.LIF(**membrane))
net.connect(noise, by_noise, es.OneToOne(), weight=200.0, delay=1.0)

# Poisson trains whose rate changes: 0 until 100 ms, then 2000 Hz, from 300 ms on 500 Hz.
burst = net.add("burst", 20, es.Poisson(rate=es.Steps([100.0, 300.0], [2000.0, 500.0])))
by_burst = net.add("by burst", 20, es.LIF(**membrane))
net.connect(burst, by_burst, es.OneToOne(), weight=200.0, delay=1.0)

# A current in steps, a column of values for each neuron: stronger from neuron to neuron, off at 400 ms.
strength = np.linspace(300.0, 600.0, 20)  # pA
by_current = net.add("by current", 20, es.LIF(**membrane, I_e=es.Steps([50.0, 400.0], [strength, np.zeros(20)])))

shown = [cells[-1:] for cells in (by_list, by_noise, by_burst, by_current)]
neurons = [by_list, by_noise, by_burst, by_current]
result = es.simulate(net, 500.0, seed=3, record_V=shown, record_spikes=neurons)
print(result)

result.plot(sys.argv[1] if len(sys.argv) > 1 else "inputs.png")
