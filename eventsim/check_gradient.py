"""Is a gradient right? Central differences of the loss beside the exact derivatives, for a few entries of each parameter."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from . import check
from .gradient import batch_of, fresh, value_and_grad
from .network import Network, Population, Projection
from .response import Response
from .simulation import Simulation
from .trains import SpikeTrains


class Difference(NamedTuple):
    """One line of a `GradientCheck`.

    Attributes
    ----------
    parameter : "population.name[neuron]", "projection.weight[synapse]" (in the order of ``sim.edges``) or "source.times[spike]"
    exact, difference : the derivative by `value_and_grad`, and by differences
    error : their distance relative to the largest derivative by parameters of that name of that object
    note : a spike that appears, vanishes or changes its place in the order between the values; empty if none does
    """

    parameter: str
    exact: float
    difference: float
    error: float
    note: str


class GradientCheck:
    """What `check_gradient` found; printing it shows a table.

    Attributes
    ----------
    rows : list of `Difference`
    value : the loss
    """

    def __init__(self, rows: list[Difference], value: float):
        self.rows, self.value = rows, value

    @property
    def error(self) -> float:
        """The largest error where the loss is smooth: in rows without a note."""
        return max((row.error for row in self.rows if not row.note), default=0.0)

    def __repr__(self) -> str:
        width = max([len(row.parameter) for row in self.rows] + [9])
        lines = [f"{'parameter':<{width}}  {'exact':>14}  {'difference':>14}  {'error':>7}  note"]
        for row in self.rows:
            lines.append(
                f"{row.parameter:<{width}}  {row.exact:>14.7g}  {row.difference:>14.7g}  {row.error:>7.0e}  {row.note}".rstrip()
            )
        noted = sum(bool(row.note) for row in self.rows)
        lines.append(f"largest error {self.error:.1e} of {len(self.rows) - noted} derivatives; {noted} where spikes change")
        return "\n".join(lines)


class _Place(NamedTuple):
    """An entry of the array `name` that belongs to `thing`."""

    thing: Population | Projection
    name: str
    entry: int


def check_gradient(
    network: Network | Simulation,
    loss: Callable[[Response, Any], Any],
    inputs: Any = None,
    targets: Any = None,
    *,
    parameters: Iterable[str] | None = None,
    duration: float | None = None,
    eps: float = 1e-4,
    entries: int = 3,
    seed: int = 0,
    **options: Any,
) -> GradientCheck:
    """Compare exact derivatives with central differences of the loss.

    .. math::
        D(h) = \\frac{L(p + h) - L(p - h)}{2h}, \\qquad dL/dp \\approx D(h/2) + \\frac{D(h/2) - D(h)}{3},
        \\qquad h = \\epsilon \\max(|p|, 1)

    or three values on one side where p - h is not allowed (a delay of 0). Where a spike appears, vanishes or changes places
    with another between the values, the loss may jump and a difference is no derivative: such rows say which spike.

    Parameters
    ----------
    network, loss, inputs, targets, duration [ms] : as in `value_and_grad`
    parameters : only those of these names ("weight", "delay", "times", "tau_m", ...); default all. Input times are looked at
        if inputs are given
    eps : relative step h. Small steps suffer from rounding, large ones from curvature; 2**-9 at least is used for weights
        kept in single precision
    entries : so many of each array: the one with the largest derivative, others drawn with `seed`. Entries that are infinite,
        and weights of 0, are left out
    options : passed on to `value_and_grad` (``threads``, ``executor``)

    Returns
    -------
    `GradientCheck`

    Examples
    --------
    >>> import eventsim as es
    >>> net = es.Network()
    >>> cells = net.add("cells", 2, es.LIF(I_e=450.0))
    >>> def first(response, targets):
    ...     times = response.spikes("cells").time
    ...     return times[0], {"cells": es.Sensitivity(times=[1.0] + [0.0] * (len(times) - 1))}
    >>> es.check_gradient(net, first, duration=30.0, parameters={"C_m"}, entries=1).error < 1e-8
    True
    """
    eps = check.number("check_gradient", "eps", eps, "positive")
    entries = check.count("check_gradient", "entries", entries, at_least=1)
    wanted = None if parameters is None else frozenset([parameters] if isinstance(parameters, str) else parameters)
    sim = fresh(network, seed)
    value, grads, response = value_and_grad(sim, loss, inputs, targets, duration=duration, wrt=wanted, **options)
    trains = {} if inputs is None else {sim.network.populations[k]: given for k, given in batch_of(sim, inputs).items()}
    trial = _Trial(sim, loss, trains, targets, response.duration, options)
    rng = np.random.default_rng(seed)
    rows = []
    things: list[Population | Projection] = [*sim.network.projections, *sim.network.populations]
    for thing in things:
        for name, derivatives in vars(grads[thing]).items():
            if wanted is not None and name not in wanted:
                continue
            exact = np.concatenate(derivatives) if name == "times" else derivatives
            present = trial.values(thing, name)
            if exact.ndim != 1 or present is None:  # Steps; the times of a source without inputs
                continue
            usable = np.flatnonzero(np.isfinite(present) & ((present != 0) | (name != "weight")))
            if not len(usable):
                continue
            largest = usable[np.argmax(np.abs(exact[usable]))]
            others = rng.permutation(usable[usable != largest])[: entries - 1]
            scale = np.abs(exact).max()
            for index in [largest, *np.sort(others)]:
                difference, note = trial.difference(_Place(thing, name, int(index)), eps)
                distance = abs(difference - exact[index])
                error = distance / max(scale, abs(difference)) if distance else 0.0
                rows.append(Difference(f"{thing.name}.{name}[{index}]", float(exact[index]), difference, error, note))
    if not rows:
        raise ValueError(f"check_gradient: parameters = {parameters!r}: the network has nothing of that name to differentiate by")
    return GradientCheck(rows, value)


class _Trial:
    """Evaluates the loss with one number changed."""

    def __init__(self, sim: Simulation, loss: Any, trains: dict[Any, SpikeTrains], targets: Any, duration: float, options: dict):
        self.sim, self.loss, self.trains, self.targets = sim, loss, trains, targets
        self.duration, self.options = duration, options

    def values(self, thing: Population | Projection, name: str) -> np.ndarray | None:
        """The present values of an array."""
        if name == "times":
            return self.trains[thing].times if thing in self.trains else None
        if isinstance(thing, Projection):
            return getattr(self.sim.edges(thing), name)
        return self.sim.get(thing, name)

    def at(self, place: _Place, x: float) -> tuple[float, float, Response]:
        """(the number that could be stored, loss, response) with x in place."""
        thing, name, k = place
        sim, trains = self.sim._fork(), dict(self.trains)
        if isinstance(thing, Projection):
            values = getattr(sim.edges(thing), name)
            values[k] = x
            sim.set(thing, **{name: values})
            if name == "weight":
                x = float(sim.edges(thing).weight[k])
        elif name == "times":
            times = trains[thing].times.copy()
            times[k] = x
            trains[thing] = SpikeTrains(times, trains[thing].ids, trains[thing].starts)
        else:
            sim.set(thing[[k]], **{name: x})
        value, _, response = value_and_grad(
            sim, self.loss, trains or None, self.targets, duration=self.duration, wrt=(), **self.options
        )
        return x, value, response

    def difference(self, place: _Place, eps: float) -> tuple[float, str]:
        """(difference quotient, note)."""
        x = float(self.values(place.thing, place.name)[place.entry])  # type: ignore[index]
        if place.name == "weight" and self.sim._weight_dtype == "float32":
            eps = max(eps, 2.0**-9)
        h = eps * max(abs(x), 1.0)
        if x - h < 0 <= x and place.name in ("delay", "t_ref", "q_sfa", "times"):
            # parabola through three values on the admissible side
            (x0, f0, a), (x1, f1, _), (x2, f2, b) = (self.at(place, x + k * h) for k in range(3))
            d1, d2 = (f1 - f0) / (x1 - x0), (f2 - f0) / (x2 - x0)
            return d1 + (d1 - d2) * (x1 - x0) / (x2 - x1), self.note(a, b)
        (x0, f0, a), (x3, f3, b) = self.at(place, x - h), self.at(place, x + h)
        (x1, f1, _), (x2, f2, _) = self.at(place, x - h / 2), self.at(place, x + h / 2)
        wide, narrow = (f3 - f0) / (x3 - x0), (f2 - f1) / (x2 - x1)
        return narrow + (narrow - wide) / (((x3 - x0) / (x2 - x1)) ** 2 - 1.0), self.note(a, b)

    def note(self, below: Response, above: Response) -> str:
        """How the spikes at a smaller and a larger value differ."""
        order = []
        populations = [p for p in self.sim.network.populations if type(p.model).__name__ not in ("SpikeSource", "Poisson")]
        for p in populations:
            fewer, more = below.counts(p), above.counts(p)
            for b, j in np.argwhere(fewer != more):
                trains = [_train(response, p, b, j) for response in (below, above)]
                appears = len(trains[1]) > len(trains[0])
                lone = _lone(*(trains if appears else trains[::-1]))
                return f"spike of {p.name}[{j}] at {lone:.6g} ms{_sample(b, below)} {'appears' if appears else 'vanishes'}"
        for response in (below, above):
            spikes = [response.spikes(p) for p in populations]
            whose = np.concatenate([np.full(len(s.time), k) for k, s in enumerate(spikes)] or [np.zeros(0, int)])
            sample, time, neuron = (np.concatenate([np.atleast_1d(x[k]) for x in spikes] or [np.zeros(0)]) for k in range(3))
            by_time = np.lexsort((neuron, whose, time, sample))
            order.append((sample[by_time], time[by_time], whose[by_time], neuron[by_time]))
        (sample, time, *first), (_, _, *second) = order
        moved = np.flatnonzero((first[0] != second[0]) | (first[1] != second[1]))
        if not len(moved):
            return ""
        k = moved[0]
        one, other = (f"{populations[int(w[k])].name}[{int(j[k])}]" for w, j in (first, second))
        return f"spikes of {one} and {other} at {time[k]:.6g} ms{_sample(sample[k], below)} change places"


def _train(response: Response, population: Population, sample: int, neuron: int) -> np.ndarray:
    s = response.spikes(population)
    return s.time[(s.sample == sample) & (s.neuron == neuron)]


def _lone(fewer: np.ndarray, more: np.ndarray) -> float:
    """The time in `more` that has no partner in `fewer`: without it the two trains are closest."""
    if len(more) > len(fewer) + 1:
        return float(more[len(fewer)])
    return float(more[np.argmin([np.abs(np.delete(more, k) - fewer).sum() for k in range(len(more))])])


def _sample(sample: Any, response: Response) -> str:
    return f" (sample {int(sample)})" if response.n_samples > 1 else ""
