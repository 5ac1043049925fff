"""What a loss sees of a batch of runs, and what it answers: the derivatives of its value by what it saw."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np

from .network import Network, Population
from .trains import SpikeTrains


class Spikes(NamedTuple):
    """The spikes of one population in a batch of runs, ordered by sample, time, neuron.

    Attributes
    ----------
    sample : (m,) int64
    time : (m,) float64 [ms], from the start of the run
    neuron : (m,) int64, local id
    """

    sample: np.ndarray
    time: np.ndarray
    neuron: np.ndarray


class Sensitivity:
    """Derivatives of a loss by what it saw of one population; what is None does not matter to the loss.

    Attributes
    ----------
    times : (m,) by the time of each spike, in the order of ``response.spikes(population)`` [1/ms]
    max_V : (B, n) by ``response.max_V(population)`` [1/mV]
    integral_V : {decay: (B, n)} by ``response.integral_V(population, decay)`` [1/(mV ms)]
    integral_square : {target: (B, n)} by ``response.integral_square(population, target)`` [1/(mV^2 ms)]
    V : list of (times (K,), (B, n, K)) by ``response.V(population, times)`` [1/mV]
    parameters : {name: (n,)} by ``response.parameter(population, name)``: what the loss takes from a parameter directly
    """

    def __init__(
        self,
        times: Any = None,
        max_V: Any = None,
        integral_V: Any = None,
        integral_square: Any = None,
        V: Any = None,
        parameters: Any = None,
    ):
        self.times, self.max_V = times, max_V
        self.parameters = dict(parameters or {})
        self.integral_V = dict(integral_V or {})
        self.integral_square = dict(integral_square or {})
        self.V = list(V or [])

    def __mul__(self, factor: float) -> Sensitivity:
        return Sensitivity(
            None if self.times is None else self.times * factor,
            None if self.max_V is None else self.max_V * factor,
            {k: v * factor for k, v in self.integral_V.items()},
            {k: v * factor for k, v in self.integral_square.items()},
            [(t, v * factor) for t, v in self.V],
            {k: v * factor for k, v in self.parameters.items()},
        )

    __rmul__ = __mul__

    def __add__(self, other: Sensitivity) -> Sensitivity:
        return Sensitivity(
            _sum(self.times, other.times),
            _sum(self.max_V, other.max_V),
            _merged(self.integral_V, other.integral_V),
            _merged(self.integral_square, other.integral_square),
            self.V + other.V,
            _merged(self.parameters, other.parameters),
        )


def _sum(a: Any, b: Any) -> Any:
    return b if a is None else a if b is None else a + b


def _merged(a: dict, b: dict) -> dict:
    return {k: _sum(a.get(k), b.get(k)) for k in [*a, *(k for k in b if k not in a)]}


class Runs(Protocol):
    """A batch of runs that can be asked, and read backward. Populations are given by index. What is asked for is computed
    then: a run that was not recorded is repeated, bit for bit."""

    n_samples: int
    duration: float
    inputs: dict[int, SpikeTrains]

    def spikes(self, population: int) -> Spikes: ...
    def slopes(self, population: int) -> np.ndarray: ...
    def max_V(self, population: int) -> np.ndarray: ...
    def integral_V(self, population: int, decay: float) -> np.ndarray: ...
    def integral_square(self, population: int, target: float) -> np.ndarray: ...
    def V(self, population: int, times: np.ndarray) -> np.ndarray: ...
    def parameters(self, population: int) -> dict[str, np.ndarray]: ...
    def backward(self, sensitivities: dict[int, Sensitivity], wrt: frozenset[str] | None) -> Any: ...


class Response:
    """What a loss may ask of a batch of runs of `n_samples` samples, each from 0 to `duration` [ms].

    Populations are given as such or by name; n is their number of neurons, B the number of samples.
    """

    def __init__(self, network: Network, runs: Runs):
        self.network, self.runs = network, runs
        self.n_samples, self.duration = runs.n_samples, runs.duration
        self._spikes: dict[int, Spikes] = {}

    def index(self, population: Population | str) -> int:
        """Index of a population in the network."""
        return self.network.find(population, "Response")[0].index

    def size(self, population: Population | str) -> int:
        """Number of neurons of a population."""
        return self.network.find(population, "Response")[0].n

    def spikes(self, population: Population | str) -> Spikes:
        """The spikes of a population."""
        k = self.index(population)
        if k not in self._spikes:
            self._spikes[k] = self.runs.spikes(k)
        return self._spikes[k]

    def ranks(self, population: Population | str) -> np.ndarray:
        """(m,) int64: the how-manieth spike of its neuron in its sample each spike is, from 0."""
        s = self.spikes(population)
        train = s.sample * self.size(population) + s.neuron
        order = np.argsort(train, kind="stable")
        sorted_train = train[order]
        first = np.flatnonzero(np.r_[True, sorted_train[1:] != sorted_train[:-1]]) if len(train) else np.zeros(0, np.int64)
        lengths = np.diff(np.r_[first, len(train)])
        ranks = np.empty(len(train), np.int64)
        ranks[order] = np.arange(len(train)) - np.repeat(first, lengths)
        return ranks

    def table(self, population: Population | str, k: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """The first k spikes of every neuron: times (B, n, k) [ms], inf where there are fewer, and their places (B, n, k) in
        `spikes`, -1 where there are fewer."""
        s, ranks = self.spikes(population), self.ranks(population)
        shape = (self.n_samples, self.size(population), k)
        times, places = np.full(shape, np.inf), np.full(shape, -1, np.int64)
        chosen = np.flatnonzero(ranks < k)
        where = (s.sample[chosen], s.neuron[chosen], ranks[chosen])
        times[where], places[where] = s.time[chosen], chosen
        return times, places

    def first(self, population: Population | str) -> np.ndarray:
        """(B, n) time of the first spike [ms], inf if silent."""
        return self.table(population)[0][:, :, 0]

    def counts(self, population: Population | str) -> np.ndarray:
        """(B, n) int64 numbers of spikes."""
        s, n = self.spikes(population), self.size(population)
        return np.bincount(s.sample * n + s.neuron, minlength=self.n_samples * n).reshape(self.n_samples, n)

    def slopes(self, population: Population | str) -> np.ndarray:
        """(m,) dV_m/dt just before each spike [mV/ms], in the order of `spikes`."""
        return self.runs.slopes(self.index(population))

    def parameter(self, population: Population | str, name: str) -> np.ndarray:
        """(n,) a parameter of the neurons, as it was in these runs."""
        values = self.runs.parameters(self.index(population))
        if name not in values:
            model = type(self.network.find(population, "Response")[0].model).__name__
            raise ValueError(f"Response.parameter: {model} has no parameter {name!r}; it has {', '.join(values) or 'none'}")
        return np.broadcast_to(values[name], self.size(population))

    def max_V(self, population: Population | str) -> np.ndarray:
        """(B, n) the largest V_m of each neuron [mV]: V_th of one that spiked and was reset, if its threshold stands still."""
        return self.runs.max_V(self.index(population))

    def integral_V(self, population: Population | str, decay: float = np.inf) -> np.ndarray:
        """(B, n) integral of exp(-t/decay) V_m over the run [mV ms]."""
        return self.runs.integral_V(self.index(population), float(decay))

    def integral_square(self, population: Population | str, target: float = 0.0) -> np.ndarray:
        """(B, n) integral of (V_m - target)^2 over the run [mV^2 ms]."""
        return self.runs.integral_square(self.index(population), float(target))

    def V(self, population: Population | str, times: Any) -> np.ndarray:
        """(B, n, K) V_m at times (K,) [mV]; at the time of a spike, after it."""
        return self.runs.V(self.index(population), np.atleast_1d(np.asarray(times, np.float64)))
