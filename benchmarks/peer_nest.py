"""Run by NEST's interpreter: a network of cases.py, one thread, step 0.1 ms; variant "precise" for exact spike times.

No recorder (it costs 32 KiB per neuron): the kernel counts the spikes. Initial states, wiring and the trains of sources
follow the same rules as in `networks/`, with NEST's own random numbers; the kicks of "sparse" are the same lists.
"""

import json
import resource
import sys
import time

import nest
import numpy as np

CUBA = dict(C_m=250.0, tau_m=20.0, E_L=-49.0, V_th=-50.0, V_reset=-60.0, t_ref=5.0, tau_syn_ex=5.0, tau_syn_in=10.0)
SPARSE = dict(C_m=250.0, tau_m=20.0, E_L=-65.0, V_th=-50.0, V_reset=-65.0, t_ref=2.0, tau_syn_ex=2.0, tau_syn_in=2.0)


def cuba(model, n=4000):
    exc, inh = nest.Create(model, n * 4 // 5, CUBA), nest.Create(model, n // 5, CUBA)
    cells = exc + inh
    cells.V_m = nest.random.uniform(-60.0, -50.0)
    for pre, weight in ((exc, 20.25), (inh, -112.5)):
        nest.Connect(pre, cells, dict(rule="pairwise_bernoulli", p=80.0 / n), dict(weight=weight, delay=0.1))
    return n, 0


def sparse(model, rate, n=100_000, duration=1000.0):
    cells = nest.Create(model, n, SPARSE | dict(V_m=-65.0))
    exc, inh = cells[: n * 4 // 5], cells[n * 4 // 5 :]
    # the same numbers as networks.sparse.kicks
    sources, rng = n // 100, np.random.default_rng(4242)
    number = rng.poisson(rate * duration * 1e-3 * sources)
    step, source = rng.integers(1, int(duration * 10), number), rng.integers(0, sources, number)
    step, source = np.divmod(np.unique(step.astype(np.int64) * sources + source), sources)
    kicks = nest.Create("spike_train_injector", sources)
    kicks.set([dict(spike_times=np.round(step[source == k] * 0.1, 1)) for k in range(sources)])
    delay = nest.random.uniform(1.0, 20.0)
    for pre, number, weight in ((exc, 80, 50.0), (inh, 20, -250.0), (kicks, 1, 5000.0)):
        nest.Connect(pre, cells, dict(rule="fixed_indegree", indegree=number), dict(weight=weight, delay=delay))
    return n + sources, len(step)


def main(case, variant, data):
    nest.SetKernelStatus(dict(resolution=0.1, local_num_threads=1, rng_seed=1))
    model = "iaf_psc_exp_ps" if variant == "precise" else "iaf_psc_exp"
    start = time.perf_counter(), time.process_time()
    if case.startswith("cuba"):
        neurons, sources_fired = cuba(model, int(case.split()[1]))
    else:
        neurons, sources_fired = sparse(model, float(case.split()[2]))
    synapses = nest.num_connections
    nest.Prepare()
    built = time.perf_counter(), time.process_time()
    nest.Run(1000.0)
    done = time.perf_counter(), time.process_time()
    spikes = nest.local_spike_counter  # includes those of the injectors
    return dict(
        neurons=neurons,
        synapses=synapses,
        duration=1000.0,
        build_wall=built[0] - start[0],
        build_cpu=built[1] - start[1],
        wall=done[0] - built[0],
        cpu=done[1] - built[1],
        spikes=spikes,
        events=round((spikes - sources_fired) * (100 if sources_fired else 80) + sources_fired * 100),
        peak_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    )


nest.verbosity = nest.VerbosityLevel.ERROR
print(json.dumps(main(**json.load(sys.stdin))))
