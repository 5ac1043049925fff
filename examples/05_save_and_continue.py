"""A run is an object: look at it, change it, save it, and continue it later, in another process, to the same bit.

python examples/05_save_and_continue.py [picture]
"""

import sys
import tempfile
from pathlib import Path

import numpy as np

import eventsim as es

net = es.Network()
cell = es.LIF(C_m=250.0, tau_m=20.0, V_reset=-65.0)
exc = net.add("exc", 800, cell, V_m=es.Uniform(-70, -55))
inh = net.add("inh", 200, cell, V_m=es.Uniform(-70, -55))
noise = net.add("noise", 1000, es.Poisson(rate=1000.0))
for post, train in ((exc, noise[:800]), (inh, noise[800:])):
    net.connect(train, post, es.OneToOne(), weight=100.0)
    net.connect(exc, post, es.FixedInDegree(80), weight=es.Normal(20.0, 2.0), delay=es.Uniform(0.5, 2.0))
    net.connect(inh, post, es.FixedInDegree(20), weight=es.Normal(-100.0, 10.0), delay=es.Uniform(0.5, 2.0))

sim = es.Simulation(net, seed=1, record_spikes=[exc, inh])
first = sim.run(200.0)

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "at_200_ms.es"
    sim.save(path)  # everything: states, spikes in flight, random counters, recordings
    print(f"saved at t = {sim.time:g} ms, {path.stat().st_size / 1e6:.1f} MB; V of exc[0] is {sim.get('exc', 'V_m')[0]:.6f} mV")
    copy = es.load(path)

expected, got = sim.run(200.0), copy.run(200.0)
same = all(np.array_equal(a, b) for a, b in zip(expected.spikes(), got.spikes(), strict=True))
print(f"200 ms more: {len(expected.spikes()[0])} spikes; the copy fires the same, to the bit: {same}")

copy.set(inh, I_e=100.0)  # and now, only there: what if inhibition were stronger?
third = copy.run(200.0)
rates = ", ".join(f"{result.rate('exc'):.2f}" for result in (first, got, third))
print(f"rate of exc in each 200 ms: {rates} Hz, the last with stronger inhibition")

copy.result().plot(sys.argv[1] if len(sys.argv) > 1 else "continued.png")
