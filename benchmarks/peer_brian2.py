"""Run by Brian2's interpreter: a network of cases.py as a standalone C++ program, one thread, step 0.1 ms.

The time of the run is that of Brian2's main loop; building includes generating and compiling the program. Wiring and
initial states follow the same rules as in `networks/`, with Brian2's own random numbers; the kicks of "sparse" and the
wiring of "fly brain" are the same numbers.
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


def cuba(n=4000):
    names = dict(E=-49 * mV, tau_e=5 * ms, tau_i=10 * ms)
    cells = b.NeuronGroup(n, LIF, threshold="v > -50*mV", reset="v = -60*mV", refractory=5 * ms, method="exact", namespace=names)
    cells.v = "-60*mV + 10*mV*rand()"
    exc, inh = cells[: n * 4 // 5], cells[n * 4 // 5 :]
    synapses = [b.Synapses(exc, cells, on_pre="g_e += 1.62*mV"), b.Synapses(inh, cells, on_pre="g_i -= 9*mV")]
    for s in synapses:
        s.connect(p=80.0 / n)
    return [cells], synapses


def sparse(rate, n=100_000, duration=1000.0):
    names = dict(E=-65 * mV, tau_e=2 * ms, tau_i=2 * ms)
    cells = b.NeuronGroup(n, LIF, threshold="v >= -50*mV", reset="v = -65*mV", refractory=2 * ms, method="exact", namespace=names)
    cells.v = -65 * mV
    # the same numbers as networks.sparse.kicks
    sources, rng = n // 100, np.random.default_rng(4242)
    number = rng.poisson(rate * duration * 1e-3 * sources)
    step, source = rng.integers(1, int(duration * 10), number), rng.integers(0, sources, number)
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
    return [cells, kicks], synapses


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
    return [cells, stimulus], [recurrent, kick]


def call(command, stdout=None, **options):
    """`subprocess.call` that notes the peak memory [bytes] of the program and the part of its time that was CPU time."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=stdout, **options)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    CALLS.append((usage.ru_maxrss * 1024, (usage.ru_utime + usage.ru_stime) / (time.perf_counter() - start)))
    return process.returncode


def main(case, variant, data):
    folder = tempfile.mkdtemp()
    try:
        b.set_device("cpp_standalone", directory=folder, build_on_run=False)
        b.defaultclock.dt = 0.1 * ms
        start = time.perf_counter(), time.process_time()
        if case.startswith("cuba"):
            groups, synapses = cuba(int(case.split()[1]))
        elif case.startswith("sparse"):
            groups, synapses = sparse(float(case.split()[2]))
        else:
            groups, synapses = fly_brain(data)
        monitors = [b.SpikeMonitor(group) for group in groups]
        network = b.Network(groups, synapses, monitors)
        network.run(1000 * ms)
        b.device.build(directory=folder, compile=True, run=False)
        plain, subprocess.call = subprocess.call, call
        try:
            b.device.run(directory=folder, with_output=False, run_args=[])
        finally:
            subprocess.call = plain
        done = time.perf_counter(), time.process_time()
        wall = float(b.device._last_run_time)
        peak, busy = CALLS[-1]
        counts = {group.name: np.asarray(m.count) for group, m in zip(groups, monitors, strict=True)}
        events = 0
        for s in synapses:
            whole, first = getattr(s.source, "source", s.source), getattr(s.source, "start", 0)  # of a part of a group
            events += int(counts[whole.name][first + np.asarray(s.i[:])].sum())
        return dict(
            neurons=sum(len(group) for group in groups),
            synapses=sum(len(s) for s in synapses),
            duration=1000.0,
            build_wall=done[0] - start[0] - wall,
            build_cpu=done[1] - start[1],
            wall=wall,
            cpu=wall * busy,
            spikes=int(sum(count.sum() for count in counts.values())),
            events=events,
            peak_bytes=peak,
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


print(json.dumps(main(**json.load(sys.stdin))))
