"""CPU time per event of Poisson trains: `python -m benchmarks.poisson`.

Sources that drive one neuron each, at the drives of two networks: drawing events, adding up what they do, and taking the neurons,
which never spike, through each window. Then the ordered executor, one event after the other; and, for scale, numpy's exponential
variates alone. The least of several repetitions, which take turns.
"""

from time import process_time

import numpy as np

import eventsim as es

REPEAT = 5
DRIVES = {  # sources, rate [Hz], grid [ms]
    "brunel": (12_500, 20_000.0, 0.0),
    "microcircuit": (77_000, 16_000.0, 0.0),
    "microcircuit, on a grid of 0.1 ms": (77_000, 16_000.0, 0.1),
    "1000 sources": (1000, 16_000.0, 0.0),
}


def driven(n, rate, grid):
    """A function that goes on with driven neurons for some milliseconds and returns the number of events."""
    net = es.Network()
    source, cell = net.add("source", n, es.Poisson(rate=rate, grid=grid)), net.add("cell", n, es.LIF(V_th=1e9))
    net.connect(source, cell, es.OneToOne(), weight=1.0, delay=1.5)
    sim = es.Simulation(net, seed=1, executor="windowed", record_spikes=False)
    sim.run(2.0)
    duration = max(5, round(4e6 / (n * rate / 1e3)))  # some four million events

    def run():
        before = sim._engine.synaptic_events
        sim.run(duration)
        return sim._engine.synaptic_events - before

    return run


def ordered():
    net = es.Network()
    net.add("source", 1000, es.Poisson(rate=1000.0))
    sim = es.Simulation(net, seed=1, executor="ordered", record_spikes=False)
    return lambda: int(sim.run(200.0).counts().sum())


def numpy_exponential():
    rng = np.random.default_rng(1)
    return lambda: len(rng.exponential(size=1_000_000))


def main():
    runs = {name: driven(*drive) for name, drive in DRIVES.items()}
    runs |= {"ordered executor, sources alone": ordered(), "numpy, exponential variates alone": numpy_exponential()}
    least = dict.fromkeys(runs, np.inf)
    for _ in range(REPEAT):
        for name, run in runs.items():
            start = process_time()
            events = run()
            least[name] = min(least[name], (process_time() - start) / events)
    for name, seconds in least.items():
        print(f"{name:40} {seconds * 1e9:7.2f} ns per event")


if __name__ == "__main__":
    main()
