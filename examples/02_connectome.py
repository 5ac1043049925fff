"""A real connectome: the chemical synapses of the worm C. elegans, as arrays or as a scipy.sparse matrix, no loop.

    python examples/02_connectome.py [picture]

Wiring, weights and stimulus are those of eventsim.networks.celegans, which says what is data and what is a choice.
"""

import sys

import numpy as np
import scipy.sparse

import eventsim as es
from eventsim.networks import celegans

names = celegans.neurons()  # 301 names
pre, post, weight = celegans.synapses()  # 3701 connections, pA
n = len(names)

net = es.Network()
worm = net.add("worm", n, celegans.CELL)
touch = net.add("touch", 3, es.Poisson(rate=100.0))  # three touch receptors at the head
matrix = scipy.sparse.csr_array((weight, (pre, post)), shape=(n, n))
synapses = net.connect(worm, worm, es.CSR(matrix), delay=1.0)  # or es.Pairs(pre, post), weight=weight
net.connect(touch, worm[np.isin(names, celegans.TOUCH)], es.OneToOne(), weight=celegans.KICK, delay=0.0)

sim = es.Simulation(net, seed=1)
result = sim.run(1000.0)
print(result)

edges = sim.edges(synapses)
strongest = np.argmax(edges.weight)
print(f"strongest synapse: {names[edges.pre[strongest]]} -> {names[edges.post[strongest]]}, {edges.weight[strongest]:g} pA")
busiest = np.argsort(result.counts("worm"))[::-1][:5]
print("busiest neurons:", ", ".join(f"{names[k]} {result.rates('worm')[k]:.0f} Hz" for k in busiest))

result.plot(sys.argv[1] if len(sys.argv) > 1 else "celegans.png", classes=celegans.classes())
