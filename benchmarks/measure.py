"""Measures one case in this process: `python -m benchmarks.measure CASE [EXECUTOR [THREADS]]` prints one line of JSON.

A process of its own, so that peak memory and a warm allocator of one case say nothing about another.
"""

import json
import os
import resource
import sys
import time

import eventsim as es

from .cases import CASES


def resident():
    """Memory in use now [bytes] (Linux)."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def peak():
    """Most memory ever in use [bytes]."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def clocks():
    """Wall and CPU time of all threads [s]."""
    return time.perf_counter(), time.process_time()


def measure(case, executor="ordered", threads=1):
    """Time and memory of describing, building and running `case`, and what happened in it."""
    network = case.build()
    before, start = resident(), clocks()
    sim = es.Simulation(network, seed=1, executor=executor, threads=int(threads), **case.options)
    built, after = clocks(), resident()
    built_peak = peak()
    sim.run(case.duration, progress=False)
    done = clocks()
    result = sim.result()
    return dict(
        neurons=result.n_neurons,
        synapses=result.n_synapses,
        duration=case.duration,
        build_wall=built[0] - start[0],
        build_cpu=built[1] - start[1],
        wall=done[0] - built[0],
        cpu=done[1] - built[1],
        spikes=result.counters["spikes"],
        events=result.counters["synaptic_events"],
        built_bytes=after - before,
        built_peak=built_peak / after,
        peak_bytes=peak(),
        counters=result.counters,
        load=os.getloadavg()[0],
    )


if __name__ == "__main__":
    print(json.dumps(measure(CASES[sys.argv[1]], *sys.argv[2:])))
