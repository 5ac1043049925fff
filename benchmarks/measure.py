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
    """Time and memory of describing, building and running `case`, and what happened in the part of the run that is timed."""
    network = case.build()
    before, start = resident(), clocks()
    record = True if case.record is None else list(case.record)
    sim = es.Simulation(network, seed=1, executor=executor, threads=threads, record_spikes=record)
    built, after = clocks(), resident()
    built_peak = peak()
    if case.warmup:
        sim.run(case.warmup, progress=False)
    exact, began = exact_windows(sim), clocks()
    result = sim.run(case.duration, progress=False)
    done = clocks()
    return dict(
        neurons=sum(p.n for p in network.populations if case.record is None or p.name in case.record),
        synapses=result.n_synapses,
        duration=case.duration,
        build_wall=built[0] - start[0],
        build_cpu=built[1] - start[1],
        wall=done[0] - began[0],
        cpu=done[1] - began[1],
        spikes=len(result.spikes()[0]),
        events=result.counters["synaptic_events"],
        built_bytes=after - before,
        built_peak=built_peak / after,
        peak_bytes=peak(),
        counters=result.counters | dict(exact_windows=exact_windows(sim) - exact),
        executor=result.executor,
        executor_note=result.executor_note,
        load=os.getloadavg()[0],
    )


def exact_windows(sim):
    """How many windows of a neuron were computed event by event."""
    return sim._windows.exact if sim._windows is not None else 0


if __name__ == "__main__":
    case, *how = sys.argv[1:]
    print(json.dumps(measure(CASES[case], *how[:1], *map(int, how[1:]))))
