"""Reading an answer off the output neurons, and looking at how active a network is.

Every decoding takes a `Response` and a population and gives one class per sample (B,); the number of output neurons may be a
multiple of the number of classes, then each class has a group of successive neurons (a population code).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from . import check
from .network import Population
from .response import Response


def first_spike(response: Response, population: Population | str, n_classes: int | None = None) -> np.ndarray:
    """The class that fires first; silent neurons never win, and where all are silent the answer is -1. Of equal times the
    lowest class wins. With groups, the mean of the first spike times decides, silent neurons counting as the duration."""
    times = response.first(population)
    silent = np.isinf(times)
    if n_classes is not None:
        times = grouped(np.where(silent, response.duration, times), n_classes)
    return np.where(silent.all(axis=1), -1, np.argmin(times, axis=1))


def count(response: Response, population: Population | str, n_classes: int | None = None) -> np.ndarray:
    """The class with the most spikes; of equal numbers the lowest."""
    return np.argmax(grouped(response.counts(population), n_classes), axis=1)


def max_V(response: Response, population: Population | str, n_classes: int | None = None) -> np.ndarray:
    """The class with the largest maximum of V_m (groups: largest mean)."""
    return np.argmax(grouped(response.max_V(population), n_classes), axis=1)


def integral_V(
    response: Response, population: Population | str, n_classes: int | None = None, decay: float = np.inf
) -> np.ndarray:
    """The class with the largest integral of exp(-t/decay) V_m (groups: largest mean)."""
    return np.argmax(grouped(response.integral_V(population, decay), n_classes), axis=1)


def grouped(values: np.ndarray, n_classes: int | None) -> np.ndarray:
    """Means (B, n_classes) over successive groups of columns of (B, n); None: as they are."""
    if n_classes is None:
        return values
    B, n = values.shape
    if n_classes < 1 or n % n_classes:
        raise ValueError(f"decode: n_classes = {n_classes} does not divide the {n} output neurons into groups")
    return values.reshape(B, n_classes, n // n_classes).mean(axis=2)


def accuracy(predicted: Any, labels: Any) -> float:
    """The fraction of samples whose class is right."""
    predicted, labels = np.asarray(predicted), np.asarray(labels)
    if predicted.shape != labels.shape or not predicted.size:
        raise ValueError(f"accuracy: predicted {predicted.shape} and labels {labels.shape} must be of equal shape, not empty")
    return float(np.mean(predicted == labels))


class Row(NamedTuple):
    """The activity of one population in a batch of runs.

    Attributes
    ----------
    population : name
    n : number of neurons
    dead : fraction of neurons without a spike in any sample
    silent : fraction of (sample, neuron) pairs without a spike
    mean, largest : spikes per neuron and sample
    rate : mean rate [Hz]
    """

    population: str
    n: int
    dead: float
    silent: float
    mean: float
    largest: int
    rate: float


class Activity:
    """How active each spiking population is: rows by name, a table when printed; made by `activity`."""

    def __init__(self, rows: list[Row]):
        self.rows = {row.population: row for row in rows}

    def __getitem__(self, population: Population | str) -> Row:
        return self.rows[population if isinstance(population, str) else population.name]

    def __str__(self) -> str:
        width = max([10, *map(len, self.rows)])
        head = f"{'population':<{width}}  neurons   dead  silent  spikes/neuron  largest  rate [Hz]"
        lines = [
            f"{name:<{width}}  {n:>7}  {dead:>5.1%}  {silent:>6.1%}  {mean:>13.2f}  {largest:>7}  {rate:>9.1f}"
            for name, n, dead, silent, mean, largest, rate in self.rows.values()
        ]
        return "\n".join([head, *lines])

    __repr__ = __str__


def activity(response: Response, *populations: Population | str) -> Activity:
    """Dead and silent neurons and spike counts of populations, by default of all that have a threshold.

    Examples
    --------
    >>> print(es.activity(response))                              # doctest: +SKIP
    population  neurons   dead  silent  spikes/neuron  largest  rate [Hz]
    hidden          350   2.3%   41.0%           0.91        4       30.3
    """
    chosen = populations or [p for p in response.network if "V_th" in p.model.parameters]
    rows = []
    for population in chosen:
        name = response.network.find(population, "activity")[0].name
        counts = response.counts(population)
        check.count("activity", "number of samples", len(counts), at_least=1)
        mean = float(counts.mean()) if counts.size else 0.0
        rows.append(
            Row(
                name,
                counts.shape[1],
                float(np.mean((counts == 0).all(axis=0))) if counts.size else 0.0,
                float(np.mean(counts == 0)) if counts.size else 0.0,
                mean,
                int(counts.max(initial=0)),
                1000.0 * mean / response.duration,
            )
        )
    return Activity(rows)
