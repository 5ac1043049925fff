"""CPU time per event of Poisson trains: `python -m benchmarks.poisson`.

Many sources at once, at the drives and windows of two networks; the ordered executor, one event after the other; and, for
scale, numpy's exponential variates alone. The least of several repetitions, which take turns.
"""

from time import process_time

import numpy as np

import eventsim as es

REPEAT = 5
DRIVES = {  # sources, rate [Hz], window [ms]
    "brunel, windows of 1/8 ms": (12_500, 20_000.0, 0.125, 0.0),
    "brunel, windows of 1 ms": (12_500, 20_000.0, 1.0, 0.0),
    "microcircuit, windows of 0.1 ms": (77_000, 16_000.0, 0.1, 0.0),
    "microcircuit, windows of 1 ms": (77_000, 16_000.0, 1.0, 0.0),
    "microcircuit, windows of 1 ms, on a grid of 0.1 ms": (77_000, 16_000.0, 1.0, 0.1),
    "1000 sources, windows of 0.1 ms": (1000, 16_000.0, 0.1, 0.0),
}


def simulation(n, rate, grid=0.0):
    net = es.Network()
    net.add("source", n, es.Poisson(rate=rate, grid=grid))
    return es.Simulation(net, seed=1, record_spikes=False)


def bulk(n, rate, window, grid):
    """A function that goes on with the trains for some milliseconds and returns the number of events."""
    core = simulation(n, rate, grid)._engine.populations[0]
    per_ms, begin = round(1 / window), 0
    duration = max(2, round(2e9 / (n * rate)))  # some two million events

    def run():
        nonlocal begin
        ends = [(float(begin + k), (j + 1) / per_ms) for k in range(duration) for j in range(per_ms)]
        begin += duration
        return sum(core.trains(ends, room=1 << 14, only_count=True))

    return run


def ordered():
    sim = simulation(1000, 1000.0)
    return lambda: int(sim.run(200.0).counts().sum())


def numpy_exponential():
    rng = np.random.default_rng(1)
    return lambda: len(rng.exponential(size=1_000_000))


def main():
    runs = {name: bulk(*drive) for name, drive in DRIVES.items()}
    runs |= {"ordered executor": ordered(), "numpy, exponential variates alone": numpy_exponential()}
    least = dict.fromkeys(runs, np.inf)
    for _ in range(REPEAT):
        for name, run in runs.items():
            start = process_time()
            events = run()
            least[name] = min(least[name], (process_time() - start) / events)
    for name, seconds in least.items():
        print(f"{name:52} {seconds * 1e9:7.2f} ns per event")


if __name__ == "__main__":
    main()
