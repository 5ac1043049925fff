"""Speed and memory of gradients: each measurement returns {"value", "unit", ...}."""

import resource
import sys
import time
from pathlib import Path

import numpy as np

import eventsim as es
from eventsim import losses, optim
from eventsim.gradient import runs
from eventsim.initial import initialise
from eventsim.networks import fly_brain, yin_yang

from .learn import Task
from .tasks import TASKS

HERE = Path(__file__).parent


def clocks():
    return np.array([time.perf_counter(), time.process_time()])


def trainer(task: Task, limit: int):
    """The network of a task after `limit` samples of training, and a function that trains on one more batch."""
    rng = np.random.default_rng(0)
    X, labels = task.data()["train"]
    sim = es.Simulation(task.network(rng), weight_dtype="float64")
    trains = task.encode(X)
    initialise(sim, trains[:256], duration=task.duration, spikes=task.spikes, spread=task.spread)
    params = optim.Parameters(sim, dict.fromkeys(sim.network.projections, "weight"))
    adam = optim.Adam(task.rate)

    def step(batch, threads=1):
        _, grads, response = es.value_and_grad(
            sim, task.loss, trains[batch], labels[batch], duration=task.duration, wrt={"weight"}, threads=threads
        )
        params.step(adam, grads)
        return response

    for k in range(0, limit, task.batch):
        step(np.arange(k, min(k + task.batch, len(X))))
    return step, sim, trains


def yin_yang_speed(threads):
    """CPU seconds per 1000 samples: forward, backward, Adam; the network of Wunderlich & Pehle, and the one of our recipe."""
    X, labels = yin_yang.data()
    trains, out = yin_yang.spikes(X), {}
    for batch in (32, 256):
        sim = es.Simulation(yin_yang.build(), seed=1, weight_dtype="float64")
        params, adam = optim.Parameters(sim, dict.fromkeys(sim.network.projections, "weight")), optim.Adam(5e-3)
        loss, best = losses.FirstSpikeCrossEntropy("output", tau=0.5, alpha=0.003, tau_early=6.4), np.inf
        for _ in range(5):
            start = clocks()
            for k in range(0, 1024, batch):
                _, grads, response = es.value_and_grad(
                    sim, loss, trains[k : k + batch], labels[k : k + batch], duration=40.0, wrt={"weight"}, threads=threads
                )
                params.step(adam, grads)
            best = min(best, (clocks() - start)[1] / 1.024)
        out[f"batch {batch}"] = best
    out["hidden_spikes"] = float(response.counts("hidden").sum(1).mean())
    step, _, _ = trainer(TASKS["yin_yang"], 5000)
    start = clocks()
    for k in range(0, 1024, 32):
        response = step(np.arange(k, k + 32), threads)
    out["recipe"] = dict(cpu=(clocks() - start)[1] / 1.024, hidden_spikes=float(response.counts("hidden").sum(1).mean()))
    return dict(value=out["batch 256"], unit="CPU s per 1000 samples") | out


def dense_input(threads):
    """700-256-20 with 7000 Poisson input spikes and as many hidden ones: CPU seconds per sample."""
    rng = np.random.default_rng(0)
    cell = es.LIF(tau_m=20.0, tau_syn_ex=5.0, tau_syn_in=5.0, C_m=20.0, E_L=0.0, V_th=1.0, V_reset=0.0, t_ref=0.0)
    net = es.Network()
    source, hidden = net.add("input", 700, es.SpikeSource()), net.add("hidden", 256, cell)
    output = net.add("output", 20, es.LeakyIntegrator(tau_m=20.0, tau_syn_ex=5.0, tau_syn_in=5.0, C_m=20.0, E_L=0.0))
    net.connect(source, hidden, weight=rng.normal(0.02, 0.1, 700 * 256), delay=1e-3)
    net.connect(hidden, output, weight=rng.normal(0.0, 0.1, 256 * 20), delay=1e-3)
    samples = [(np.sort(rng.uniform(0.0, 1000.0, 7000)), rng.integers(0, 700, 7000)) for _ in range(8)]
    sim, trains = es.Simulation(net, weight_dtype="float64"), es.SpikeTrains.of(samples)
    initialise(sim, trains, duration=1000.0, spikes=27.0)
    params, adam = optim.Parameters(sim, dict.fromkeys(sim.network.projections, "weight")), optim.Adam(1e-5)
    loss, labels, best = losses.MaxVCrossEntropy("output"), np.arange(8) % 20, np.inf
    for _ in range(5):
        start = clocks()
        _, grads, response = es.value_and_grad(sim, loss, trains, labels, duration=1000.0, wrt={"weight"}, threads=threads)
        params.step(adam, grads)
        best = min(best, (clocks() - start)[1] / 8)
    return dict(value=best, unit="CPU s per sample", hidden_spikes=float(response.counts("hidden").sum(1).mean()))


def mnist_epoch(threads):
    """Seconds of wall time of the second epoch of MNIST, evaluation not included."""
    task = TASKS["mnist"]
    step, _, _trains = trainer(task, 60000)
    order = np.random.default_rng(1).permutation(60000)
    start = clocks()
    for k in range(0, 60000, task.batch):
        response = step(order[k : k + task.batch], threads)
    wall, cpu = clocks() - start
    return dict(value=wall, unit="s", cpu=cpu, threads=threads, hidden_spikes=float(response.counts("hidden 1").sum(1).mean()))


def memory(threads):
    """Peak of this process, which trains 5-200-3 for one epoch."""
    trainer(TASKS["yin_yang"], 5000)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return dict(value=peak, unit="MiB")


def fly(threads):
    """Half a fly brain: backward over forward, the gradient by all its weights."""
    net = fly_brain.build()
    sim = es.Simulation(net, seed=1, weight_dtype="float64")
    start = clocks()
    batch = runs(sim, None, 100.0, threads)
    forward = clocks() - start
    population = next(p for p in net.populations if p.model.receptors)
    spikes = batch.spikes(population.index)
    start = clocks()
    found = batch.backward({population.index: es.Sensitivity(times=np.ones(len(spikes.time)))}, frozenset({"weight"}))
    backward = clocks() - start
    synapses = sum(len(v["weight"]) for key, v in found.items() if key[0] == "projection")
    return dict(
        value=backward[1] / forward[1],
        unit="",
        forward=forward[1],
        backward=backward[1],
        spikes=len(spikes.time),
        synapses=synapses,
    )


MEASUREMENTS = {
    "speed_yin_yang": yin_yang_speed,
    "speed_dense_input": dense_input,
    "speed_mnist": mnist_epoch,
    "memory_yin_yang": memory,
    "speed_fly_brain": fly,
}


def snntorch():
    """What the peer needs for the work of `yin_yang_speed`."""
    sys.path.insert(0, str(HERE.parents[1] / "tests" / "validate"))
    import peers

    X, labels = yin_yang.data()
    trains = yin_yang.spikes(X[:1024])
    times = np.zeros((1024, 5))
    times[np.repeat(np.arange(1024), np.diff(trains.starts)), trains.ids] = trains.times
    job = dict(X=times, labels=labels[:1024], duration=40.0, batches=[32, 256], rounds=3)
    return peers.run("snntorch", HERE / "peer_snntorch.py", **job)


PEERS = {"speed_yin_yang": {"snntorch": snntorch}}
