"""The training loop of all tasks: Adam on a cosine, a moving average of the weights, disturbed inputs."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import eventsim as es
from eventsim import optim
from eventsim.gradient import runs
from eventsim.initial import initialise


@dataclass(frozen=True)
class Task:
    """What is learned, and how. `reach` is the test accuracy to reach."""

    data: Callable[[], dict[str, tuple[Any, Any]]]  # "train", "validation", "test": X, labels
    network: Callable[[np.random.Generator], es.Network]
    encode: Callable[[Any], es.SpikeTrains]
    disturb: Callable[[Any, np.random.Generator], Any]  # of X, anew in every epoch
    loss: Any
    answer: Callable[[es.Response], np.ndarray]  # response -> class of each sample
    duration: float  # of a sample [ms]
    reach: float
    epochs: int
    batch: int
    rate: float
    spikes: Any = None  # per neuron and sample at the start, see `initialise`
    spread: float = 1.0
    learn: tuple[str, ...] = ("weight",)
    delay_rate: float = 10.0  # of the learning rate of weights
    average: float = 0.995  # per step, of the weights that are tested
    weight_decay: float = 0.0
    late_batch: tuple[float, int] = (1.0, 0)  # from this part of the epochs on, this batch
    drop: float = 0.0  # fraction of input spikes left out
    clip: float = 1e300  # norm of the gradient
    dropout: float = 0.0  # fraction of hidden neurons silenced for each batch


def train(
    task: Task, seed: int, threads: int = 1, say: Callable[[str], None] = lambda line: None, every: int = 1
) -> dict[str, Any]:
    """One run. Returns the history (per epoch) and the test accuracy, looked at after the last epoch and after epoch 20."""
    rng = np.random.default_rng(seed)
    sets = task.data()
    X, labels = sets["train"]
    given = {name: (task.encode(x), y) for name, (x, y) in sets.items() if name != "train"}
    sim = es.Simulation(task.network(rng), weight_dtype="float64")
    if task.spikes is not None:
        initialise(sim, task.encode(X[:256]), duration=task.duration, spikes=task.spikes, spread=task.spread, threads=threads)
    params = optim.Parameters(sim, dict.fromkeys(sim.network.projections, task.learn), rates={"delay": task.delay_rate})
    late, late_size = task.late_batch
    sizes = [late_size if late_size and epoch >= late * task.epochs else task.batch for epoch in range(task.epochs)]
    counts = [-(-len(labels) // size) for size in sizes]
    adam = optim.Adam(optim.Cosine(task.rate, sum(counts)), weight_decay=task.weight_decay)
    average, step = params.flatten(), 0
    start, history, test = (time.perf_counter(), time.process_time()), [], {}

    def accuracy(name: str) -> float:
        trains, y = given[name]
        right = 0
        for k in range(0, len(y), 500):
            seen = es.Response(sim.network, runs(sim, trains[k : k + 500], task.duration, threads))
            right += int(np.sum(task.answer(seen) == y[k : k + 500]))
        return right / len(y)

    for epoch, count in enumerate(counts, 1):
        total, right = 0.0, 0
        trains = task.encode(task.disturb(X, rng))
        for batch in np.array_split(rng.permutation(len(labels)), count):
            shown = thinned(trains[batch], task.drop, rng)
            kept = dropped(sim, task.dropout, rng)
            value, grads, response = es.value_and_grad(
                sim, task.loss, shown, labels[batch], duration=task.duration, wrt=set(task.learn), threads=threads
            )
            for projection, factor in kept.items():
                grads[projection].weight *= factor
            params.descend(adam, optim.clip(params.gradient(grads), norm=task.clip).gradient)
            step += 1
            average += (params.x - average) / min(step, 1.0 / (1.0 - task.average))
            total += value * len(batch)
            right += int(np.sum(task.answer(response) == labels[batch]))
        now = dict(epoch=epoch, loss=total / len(labels), train=right / len(labels))
        if epoch % every == 0 or epoch in (1, 5, 10, 20, task.epochs):
            there = params.flatten()
            params.unflatten(average)
            if "validation" in given:
                now["validation"] = accuracy("validation")
            if epoch in (20, task.epochs):
                now["test"] = test[epoch] = accuracy("test")
            params.unflatten(there)
            now |= dict(wall=time.perf_counter() - start[0], cpu=time.process_time() - start[1])
            now |= {p.name: float(response.counts(p).mean()) for p in sim.network.populations if "V_th" in p.model.parameters}
            say("  ".join(f"{name} {number:.4g}" for name, number in now.items()))
        history.append(now)
    return dict(seed=seed, test=test[task.epochs], test_20=test.get(20), cpu=now["cpu"], wall=now["wall"], history=history)


def dropped(sim: es.Simulation, fraction: float, rng: np.random.Generator) -> dict[Any, np.ndarray]:
    """Silence hidden neurons until the next step, the others count for them; returns the factors on their weights."""
    factors = {}
    for p in sim.network.projections[1:] if fraction else ():
        factors[p] = np.repeat((rng.random(p.pre.n) >= fraction) / (1.0 - fraction), p.post.n)
        sim.set(p, weight=sim.edges(p).weight * factors[p])
    return factors


def thinned(trains: es.SpikeTrains, drop: float, rng: np.random.Generator) -> es.SpikeTrains:
    """Without a random fraction of the spikes."""
    if not drop:
        return trains
    stays = rng.random(len(trains.times)) >= drop
    return es.SpikeTrains(trains.times[stays], trains.ids[stays], np.concatenate([[0], np.cumsum(stays)])[trains.starts])
