"""A recurrent network with delays learns a pattern of spikes: weights and delays are trained together.

    python examples/09_recurrent_delays.py [picture]

Fifty neurons, all connected with each other, are kicked at 0 ms and shall answer with a melody: eight of them fire at given
times, up to 90 ms later, long after the last input. Only the spikes that run around in the network can keep the time.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np

import eventsim as es
from eventsim import losses, optim

rng = np.random.default_rng(3)
n, T = 50, 100.0
cell = es.LIF(tau_m=10.0, tau_syn_ex=3.0, tau_syn_in=3.0, C_m=10.0, E_L=0.0, V_th=1.0, V_reset=0.0, t_ref=2.0)
net = es.Network()
kick = net.add("kick", 10, es.SpikeSource(np.linspace(0.0, 5.0, 10), np.arange(10)))
cells = net.add("cells", n, cell)
outside = net.connect(kick, cells, weight=rng.normal(1.0, 1.0, 10 * n), delay=rng.uniform(0.5, 5.0, 10 * n))
inside = net.connect(cells, cells, weight=rng.normal(0.0, 2.0, n * n) / np.sqrt(n), delay=rng.uniform(1.0, 15.0, n * n))

melody = np.full((1, n, 3), np.nan)  # the first three spikes of eight neurons [ms]
for k in range(8):
    melody[0, k] = 15.0 + 4.0 * k + np.array([0.0, 20.0, 45.0]) + 3.0 * (k % 2)
