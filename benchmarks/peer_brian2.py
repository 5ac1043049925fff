"""Run by Brian2's interpreter: a network of cases.py as a standalone C++ program, one thread, step 0.1 ms.

The time of the run is that of Brian2's main loop; building includes generating and compiling the program, once for all
repetitions. Wiring and initial states follow the same rules as in `networks/`, with Brian2's own random numbers; the kicks
of "sparse" and the wiring of "fly brain" are the same numbers.

Each function makes one network and returns (groups, the first of neurons and others of sources; synapses; other objects;
external events per ms that are counted nowhere).
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import brian2 as b
import numpy as np
from brian2 import ms, mV

LIF = """dv/dt = (g_e + g_i - (v - E))/(20*ms) : volt (unless refractory)
dg_e/dt = -g_e/tau_e : volt
dg_i/dt = -g_i/tau_i : volt"""
CALLS = []


def cuba(data, n):
    names = dict(E=-49 * mV, tau_e=5 * ms, tau_i=10 * ms)
    cells = b.NeuronGroup(n, LIF, threshold="v > -50*mV", reset="v = -60*mV", refractory=5 * ms, method="exact", namespace=names)
    cells.v = "-60*mV + 10*mV*rand()"
    exc, inh = cells[: n * 4 // 5], cells[n * 4 // 5 :]
    synapses = [b.Synapses(exc, cells, on_pre="g_e += 1.62*mV"), b.Synapses(inh, cells, on_pre="g_i -= 9*mV")]
    for s in synapses:
        s.connect(p=80.0 / n)
    return [cells], synapses, [], 0.0


def brunel(data, synapse):
    if synapse == "delta":
        equations, target, weight = "dv/dt = -v/(20*ms) : volt (unless refractory)", "v", 0.1 * mV
    elif synapse == "alpha":  # a current g of a charge of 4 mV times 0.5 ms, whose source is h
        equations = "dv/dt = (g - v)/(20*ms) : volt (unless refractory)\ndg/dt = (h - g)/(0.5*ms) : volt"
        equations += "\ndh/dt = -h/(0.5*ms) : volt"
        target, weight = "h", 4 * mV
    else:
        equations, target, weight = "dv/dt = (g - v)/(20*ms) : volt (unless refractory)\ndg/dt = -g/(0.5*ms) : volt", "g", 4 * mV
    cells = b.NeuronGroup(12_500, equations, threshold="v >= 20*mV", reset="v = 10*mV", refractory=2 * ms, method="exact")
    cells.v = "20*mV*rand()"
    noise = b.PoissonInput(cells, target, N=1000, rate=20 * b.Hz, weight=weight)
    synapses = []
    for pre, number, w in ((cells[:10_000], 1000, weight), (cells[10_000:], 250, -5 * weight)):
        synapses.append(b.Synapses(pre, cells, on_pre=f"{target} += w", delay=1.5 * ms, namespace=dict(w=w)))
        synapses[-1].connect(i=f"k for k in sample(N_pre, size={number})")
    return [cells], synapses, [noise], 12_500 * 20.0


def sparse(data, n, rate, trains):
    names = dict(E=-65 * mV, tau_e=2 * ms, tau_i=2 * ms)
    cells = b.NeuronGroup(n, LIF, threshold="v >= -50*mV", reset="v = -65*mV", refractory=2 * ms, method="exact", namespace=names)
    cells.v = -65 * mV
    # the same numbers as networks.sparse.kicks
    sources, rng = n // 100, np.random.default_rng(4242)
    number = rng.poisson(rate * trains * 1e-3 * sources)
    step, source = rng.integers(1, int(trains * 10), number), rng.integers(0, sources, number)
    step, source = np.divmod(np.unique(step.astype(np.int64) * sources + source), sources)
    kicks = b.SpikeGeneratorGroup(sources, source, step * 0.1 * ms)
    synapses = []
    for pre, number, effect in (
        (cells[: n * 4 // 5], 80, "g_e += 4*mV"),
        (cells[n * 4 // 5 :], 20, "g_i -= 20*mV"),
        (kicks, 1, "g_e += 400*mV"),
    ):
        synapses.append(b.Synapses(pre, cells, on_pre=effect))
        synapses[-1].connect(i=f"k for k in sample(N_pre, size={number})")
        synapses[-1].delay = "1*ms + 19*ms*rand()"
    return [cells, kicks], synapses, [], 0.0


def fly_brain(data):
    brain = np.load(Path(data) / "flywire783_right.npz")
    n, outputs = len(brain["root_id"]), np.diff(brain["indptr"])
    inhibitory = np.isin(brain["nt_names"], ("GABA", "GLUT"))[brain["nt"]]
    driven = np.flatnonzero((brain["klass"] == list(brain["klass_names"]).index("olfactory")) & (outputs > 0))
    equations = """dv/dt = (-52*mV - v + g)/(20*ms) : volt (unless refractory)
    dg/dt = -g/(5*ms)*int(not_refractory) : volt
    rest : second"""  # g stands still while refractory but takes spikes, which the flag "unless refractory" would not allow
    reset = "v = -52*mV; g = 0*mV"
    cells = b.NeuronGroup(n, equations, threshold="v > -45*mV", reset=reset, refractory="rest", method="exact")
    cells.v = -52 * mV
    rest = np.full(n, 2.2)
    rest[driven] = 0.0
    cells.rest = rest * ms
    recurrent = b.Synapses(cells, cells, "w : volt", on_pre="g += w", delay=1.8 * ms)
    recurrent.connect(i=np.repeat(np.arange(n), outputs), j=brain["indices"])
    recurrent.w = 0.275 * mV * brain["syn_count"] * np.repeat(np.where(inhibitory, -1, 1), outputs)
    stimulus = b.PoissonGroup(len(driven), 50 * b.Hz)
    kick = b.Synapses(stimulus, cells, on_pre="v += 68.75*mV")
    kick.connect(i=np.arange(len(driven)), j=driven)
    return [cells, stimulus], [recurrent, kick], [], 0.0


NETWORKS = dict(cuba=cuba, brunel=brunel, sparse=sparse, fly_brain=fly_brain)


def call(command, stdout=None, **options):
    """`subprocess.call` that notes the peak memory [bytes] of the program and the part of its time that was CPU time."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=stdout, **options)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    CALLS.append((usage.ru_maxrss * 1024, (usage.ru_utime + usage.ru_stime) / (time.perf_counter() - start)))
    return process.returncode


def main(description, variant, threads, warmup, duration, repeat, data):
    folder = tempfile.mkdtemp()
    try:
        b.set_device("cpp_standalone", directory=folder, build_on_run=False)
        b.defaultclock.dt = 0.1 * ms
        start = time.perf_counter(), time.process_time()
        groups, synapses, others, external = NETWORKS[description.pop("network")](data, **description)
        monitors = [b.SpikeMonitor(group) for group in groups]
        network = b.Network(groups, synapses, others, monitors)
        if warmup:
            network.run(warmup * ms)
        network.run(duration * ms)
        b.device.build(directory=folder, compile=True, run=False)
        built = time.perf_counter() - start[0], time.process_time() - start[1]
        runs = []
        for _ in range(repeat):
            start = time.perf_counter()
            peak, busy = execute(folder)
            total, wall = time.perf_counter() - start, float(b.device._last_run_time)  # the latter of the timed run
            counts = {}
            for group, monitor in zip(groups, monitors, strict=True):
                timed = np.asarray(monitor.t / ms) > warmup - 0.05
                counts[group.name] = np.bincount(np.asarray(monitor.i)[timed], minlength=len(group))
            runs.append(
                dict(
                    neurons=len(groups[0]),
                    synapses=sum(len(s) for s in synapses),
                    duration=duration,
                    build_wall=built[0] + total - wall * (1.0 + warmup / duration),
                    build_cpu=built[1],
                    wall=wall,
                    cpu=wall * busy,
                    spikes=int(counts[groups[0].name].sum()),
                    events=deliveries(synapses, counts) + round(external * duration),
                    peak_bytes=peak,
                )
            )
        return runs
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def execute(folder):
    """Run the compiled program."""
    plain, subprocess.call = subprocess.call, call
    try:
        b.device.run(directory=folder, with_output=False, run_args=[])
    finally:
        subprocess.call = plain
    return CALLS[-1]


def deliveries(synapses, counts):
    """Spikes times their synapses."""
    events = 0
    for s in synapses:
        whole, first = getattr(s.source, "source", s.source), getattr(s.source, "start", 0)  # of a part of a group
        targets = np.bincount(np.asarray(s.i[:]), minlength=len(s.source))
        events += int(targets @ counts[whole.name][first : first + len(targets)])
    return events


print(json.dumps(main(**json.load(sys.stdin))))
