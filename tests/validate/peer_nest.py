"""Run by NEST's own interpreter (see peers.py): a network in, spikes out.

Precise neurons, so that spike times are real numbers; `step` only bounds the delays and refractory times, which must be
multiples of it. Where times are compared it should be a power of two: then NEST's clock is exact. Never
`iaf_psc_exp_ps_lossless`: its search for spikes between two steps takes the maximum of the membrane at the wrong place.
"""

import json
import sys

import nest
import numpy as np

MODELS = {"LIF": "iaf_psc_exp_ps", "DeltaLIF": "iaf_psc_delta_ps", "AlphaLIF": "iaf_psc_alpha_ps"}
SOURCES = "SpikeSource", "Poisson"


def create(pop):
    """The nodes of one population; parameters and start values have NEST's names on both sides."""
    n, params = pop["n"], pop["params"]
    if pop["model"] == "Poisson":  # one generator gives every target a train of its own
        return nest.Create("poisson_generator_ps", 1, params)
    if pop["model"] == "SpikeSource":
        times, ids = (np.asarray(params[name]) for name in ("times", "ids"))
        trains = [dict(precise_times=True, spike_times=np.sort(times[ids == k])) for k in range(n)]
        return nest.Create("spike_generator", n, trains)
    values = {name: np.broadcast_to(v, n) for name, v in (params | pop["initial"]).items()}
    return nest.Create(MODELS[pop["model"]], n, [{k: float(v[i]) for k, v in values.items()} for i in range(n)])


def connect(pre, post, edges):
    """Explicit edges, or a rule of NEST's with one weight and one delay."""
    if "rule" in edges:
        nest.Connect(pre, post, edges["rule"], dict(weight=edges["weight"], delay=edges["delay"]))
    else:
        synapse = dict(weight=np.asarray(edges["weight"], float), delay=np.asarray(edges["delay"], float))
        i, j = (np.asarray(nodes.tolist())[edges[k]] for nodes, k in ((pre, "i"), (post, "j")))
        nest.Connect(i, j, "one_to_one", synapse)


def simulate(net, T, step, seed=1):
    """Spikes in (0, T] by population: times in order [ms], numbers of the neurons."""
    clock = dict(tics_per_ms=2**14) if (step * 2**14).is_integer() else {}
    nest.SetKernelStatus(dict(resolution=step, local_num_threads=1, rng_seed=seed) | clock)
    pops = {pop["name"]: create(pop) for pop in net["pops"]}
    for edges in net["edges"]:
        connect(pops[edges["pre"]], pops[edges["post"]], edges)
    recorder = nest.Create("spike_recorder", params=dict(time_in_steps=True))
    neurons = {pop["name"]: pops[pop["name"]] for pop in net["pops"] if pop["model"] not in SOURCES}
    for nodes in neurons.values():
        nest.Connect(nodes, recorder)
    nest.Simulate(T)
    events = recorder.events
    times, senders = events["times"] * step - events["offsets"], events["senders"]
    order = np.argsort(times, kind="stable")
    times, senders = times[order], senders[order]
    spikes = {}
    for name, nodes in neurons.items():
        number = senders - nodes[0].global_id
        mine = (number >= 0) & (number < len(nodes))
        spikes[name] = [times[mine].tolist(), number[mine].tolist()]
    return spikes


nest.verbosity = nest.VerbosityLevel.ERROR
job = json.load(sys.stdin)
spikes = simulate(**job) if job else {}
print(json.dumps(dict(spikes=spikes, version=nest.__version__)))
