"""Run by NEST's interpreter: a network of cases.py, step 0.1 ms; variant "precise" for exact spike times.

No recorder (it costs 32 KiB per neuron): the kernel counts the spikes. Initial states, wiring and the trains of sources
follow the same rules as in `networks/`, with NEST's own random numbers; the kicks of "sparse" are the same lists.

Each function makes one network and returns (neurons, mean number of targets of a neuron, or None if populations differ,
external events per ms, steps of 0.1 ms in which injectors spike, which the kernel counts, too).
"""

import json
import resource
import sys
import time

import nest
import numpy as np

CUBA = dict(C_m=250.0, tau_m=20.0, E_L=-49.0, V_th=-50.0, V_reset=-60.0, t_ref=5.0, tau_syn_ex=5.0, tau_syn_in=10.0)
SPARSE = dict(C_m=250.0, tau_m=20.0, E_L=-65.0, V_th=-50.0, V_reset=-65.0, t_ref=2.0, tau_syn_ex=2.0, tau_syn_in=2.0)
BRUNEL = dict(C_m=250.0, tau_m=20.0, E_L=0.0, V_th=20.0, V_reset=10.0, t_ref=2.0)
NONE = np.zeros(0)


def cuba(model, n):
    exc, inh = nest.Create(model, n * 4 // 5, CUBA), nest.Create(model, n // 5, CUBA)
    cells = exc + inh
    cells.V_m = nest.random.uniform(-60.0, -50.0)
    for pre, number, weight in ((exc, 64, 20.25), (inh, 16, -112.5)):
        rule = dict(rule="pairwise_bernoulli", p=80.0 / n)
        if n > 4000:  # that takes a time of n squared
            rule = dict(rule="fixed_indegree", indegree=number)
        nest.Connect(pre, cells, rule, dict(weight=weight, delay=0.1))
    return n, 80, 0.0, NONE


def brunel(model, synapse):
    if synapse == "delta":
        model, more, weight = model.replace("exp", "delta"), {}, 0.1
    elif synapse == "alpha":
        model, more, weight = model.replace("exp", "alpha"), dict(tau_syn_ex=0.5, tau_syn_in=0.5), 50.0 / np.e
    else:
        more, weight = dict(tau_syn_ex=0.5, tau_syn_in=0.5), 50.0
    exc, inh = nest.Create(model, 10_000, BRUNEL | more), nest.Create(model, 2500, BRUNEL | more)
    cells = exc + inh
    cells.V_m = nest.random.uniform(0.0, 20.0)
    noise = nest.Create("poisson_generator", 1, dict(rate=20_000.0))  # sends a train of its own to each target
    nest.Connect(noise, cells, "all_to_all", dict(weight=weight, delay=1.5))
    for pre, number, w in ((exc, 1000, weight), (inh, 250, -5.0 * weight)):
        nest.Connect(pre, cells, dict(rule="fixed_indegree", indegree=number), dict(weight=w, delay=1.5))
    return 12_500, 1250, 12_500 * 20.0, NONE


def sparse(model, n, rate, trains):
    cells = nest.Create(model, n, SPARSE | dict(V_m=-65.0))
    exc, inh = cells[: n * 4 // 5], cells[n * 4 // 5 :]
    # the same numbers as networks.sparse.kicks
    sources, rng = n // 100, np.random.default_rng(4242)
    number = rng.poisson(rate * trains * 1e-3 * sources)
    step, source = rng.integers(1, int(trains * 10), number), rng.integers(0, sources, number)
    step, source = np.divmod(np.unique(step.astype(np.int64) * sources + source), sources)
    kicks = nest.Create("spike_train_injector", sources)
    kicks.set([dict(spike_times=np.round(step[source == k] * 0.1, 1)) for k in range(sources)])
    delay = nest.random.uniform(1.0, 20.0)
    for pre, number, weight in ((exc, 80, 50.0), (inh, 20, -250.0), (kicks, 1, 5000.0)):
        nest.Connect(pre, cells, dict(rule="fixed_indegree", indegree=number), dict(weight=weight, delay=delay))
    return n, 100, 0.0, step


def microcircuit(model, size, synapses, weight, background_weight, background_rate, current, cell, v_mean, v_std):
    populations = []
    for k in range(8):
        populations.append(nest.Create(model, size[k], cell | dict(I_e=current[k])))
        populations[k].V_m = nest.random.normal(v_mean[k], v_std[k])
        noise = nest.Create("poisson_generator", 1, dict(rate=background_rate[k]))
        nest.Connect(noise, populations[k], "all_to_all", dict(weight=background_weight, delay=1.5))
    nest.CopyModel("static_synapse", "inhibitory")  # a thread takes no more than 2**27 synapses of one model
    draw, redraw = nest.random.normal, nest.math.redraw
    for post in range(8):
        for pre in range(8):
            if synapses[post][pre]:
                inhibitory, w = pre % 2 == 1, weight[post][pre]
                low, high = (-np.inf, 0.0) if inhibitory else (0.0, np.inf)
                delay = 0.75 if inhibitory else 1.5
                values = dict(
                    synapse_model="inhibitory" if inhibitory else "static_synapse",
                    weight=redraw(draw(w, 0.1 * abs(w)), low, high),
                    delay=redraw(draw(delay, 0.5 * delay), 0.05, np.inf),  # rounded to steps
                )
                rule = dict(rule="fixed_total_number", N=synapses[post][pre])
                nest.Connect(populations[pre], populations[post], rule, values)
    return sum(size), None, 1e-3 * np.dot(size, background_rate), NONE


NETWORKS = dict(cuba=cuba, brunel=brunel, sparse=sparse, microcircuit=microcircuit)


def main(description, variant, threads, warmup, duration, repeat, data):
    nest.SetKernelStatus(dict(resolution=0.1, local_num_threads=threads, rng_seed=1))
    model = "iaf_psc_exp_ps" if variant == "precise" else "iaf_psc_exp"
    start = time.perf_counter(), time.process_time()
    neurons, targets, external, injected = NETWORKS[description.pop("network")](model, **description)
    synapses = nest.num_connections
    nest.Prepare()
    built = time.perf_counter(), time.process_time()
    if warmup:
        nest.Run(warmup)
    began = time.perf_counter(), time.process_time()
    nest.Run(duration)
    done = time.perf_counter(), time.process_time()
    injected = int(np.count_nonzero((injected > warmup * 10) & (injected <= (warmup + duration) * 10)))
    spikes = nest.local_spike_counter - injected  # of the last Run
    run = dict(
        neurons=neurons,
        synapses=synapses,
        duration=duration,
        build_wall=built[0] - start[0],
        build_cpu=built[1] - start[1],
        wall=done[0] - began[0],
        cpu=done[1] - began[1],
        spikes=spikes,
        peak_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    )
    if targets is not None:
        run["events"] = round(spikes * targets + injected * 100 + external * duration)
    return [run]


nest.verbosity = nest.VerbosityLevel.ERROR
print(json.dumps(main(**json.load(sys.stdin))))
