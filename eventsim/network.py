"""Describing a network: populations and projections. A description allocates no arrays per neuron or synapse."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any

import numpy as np

from . import check
from .connectivity import AllToAll, Rule
from .distributions import Distribution
from .model import Model


class Population:
    """`n` neurons of one model; made by `Network.add`. Indexing gives a `View` of some of them."""

    def __init__(self, network: Network, index: int, name: str, n: int, first: int, model: Model, initial: dict[str, Any]):
        self.network, self.index, self.name, self.n, self.first, self.model = network, index, name, n, first, model
        self.initial = initial

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, key: Any) -> View:
        where = f"Population {self.name!r}: index {key!r} is not valid for {self.n} neurons"
        try:
            # a slice of a large population needs no array of all ids
            ids = np.arange(*key.indices(self.n)) if isinstance(key, slice) else np.atleast_1d(np.arange(self.n)[key])
        except OverflowError as error:
            raise IndexError(f"{where}; {error}") from None
        except (IndexError, TypeError, ValueError) as error:
            raise type(error)(f"{where}; {error}") from None
        if ids.ndim != 1:
            raise IndexError(f"{where}; give an integer, a slice, or a one-dimensional array of integers or booleans")
        return View(self, ids)

    def __iter__(self) -> Iterator[View]:
        return (self[k] for k in range(self.n))

    def __repr__(self) -> str:
        return f"Population({self.name!r}, {self.n}, {self.model!r})"


class View:
    """Some neurons of a population, by their local ids."""

    def __init__(self, population: Population, ids: np.ndarray):
        self.population, self.ids = population, ids

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        return f"{self.population.name}[{len(self.ids)} of {self.population.n}]"


class Projection:
    """Synapses from one population to another, drawn by a rule; made by `Network.connect`."""

    def __init__(
        self,
        index: int,
        name: str,
        pre: Population | View,
        post: Population | View,
        rule: Rule,
        weight: Any,
        delay: Any,
        port: int,
    ):
        self.index, self.name, self.rule, self.weight, self.delay, self.port = index, name, rule, weight, delay, port
        (self.pre, self.pre_ids), (self.post, self.post_ids) = population_and_ids(pre), population_and_ids(post)

    def __repr__(self) -> str:
        return f"Projection({self.name!r}, {self.rule!r}, weight={_short(self.weight)}, delay={_short(self.delay)})"


class Network:
    """A network: populations added, projections between them.

    Examples
    --------
    >>> import eventsim as es
    >>> net = es.Network()
    >>> exc = net.add("exc", 800, es.LIF(tau_m=20.0), V_m=es.Uniform(-70, -55))
    >>> proj = net.connect(exc, exc, es.FixedProbability(0.1), weight=20.0, delay=1.5)
    >>> net
    Network(800 neurons: exc 800; 1 projection)
    """

    def __init__(self) -> None:
        self.populations: list[Population] = []
        self.projections: list[Projection] = []

    @property
    def n(self) -> int:
        """Number of neurons and sources."""
        return sum(p.n for p in self.populations)

    def __getitem__(self, name: str) -> Population:
        for population in self.populations:
            if population.name == name:
                return population
        names = [p.name for p in self.populations]
        close = difflib.get_close_matches(str(name), names, 1) or names
        raise KeyError(f"Network: no population {name!r}; there is {', '.join(map(repr, close)) or 'none'}")

    def __iter__(self) -> Iterator[Population]:
        return iter(self.populations)

    def add(self, name: str, n: int, model: Model, **initial: Any) -> Population:
        """Add a population.

        Parameters
        ----------
        name : unique name
        n : number of neurons
        model : a neuron or source model, e.g. ``es.LIF(tau_m=20.0)``
        **initial : initial states by name, each a number, an array (n,) or a distribution, e.g. ``V_m=es.Uniform(-60, -50)``

        Raises
        ------
        TypeError, ValueError
            If the name is taken, n is no count, the model is no model or has no such state.
        """
        if not isinstance(name, str) or not name:
            raise TypeError(f"Network.add: name = {name!r} must be a non-empty string")
        if any(p.name == name for p in self.populations):
            raise ValueError(f"Network.add: name = {name!r} is already taken; choose another")
        n = check.count(f"population {name!r}", "n", n)
        if not isinstance(model, Model) or not hasattr(model, "population"):
            hint = "call it with its parameters" if isinstance(model, type) else "pass for instance es.LIF()"
            raise TypeError(f"population {name!r}: model = {model!r} is not a model; {hint}")
        if self.n + n > np.iinfo(np.int32).max:
            raise ValueError(f"population {name!r}: n = {n} makes more than 2**31 - 1 neurons in all; reduce n")
        public = [s for s, state in model.states.items() if state.user]
        for state, value in initial.items():
            if state not in public:
                raise TypeError(
                    f"population {name!r}: {type(model).__name__} has no state {state} (= {value!r}); "
                    f"it has {', '.join(public) or 'none that can be set'}"
                )
            if not isinstance(value, Distribution):
                initial[state] = check.values(f"population {name!r}", state, value, model.states[state].kind, n)
        population = Population(self, len(self.populations), name, n, self.n, model, initial)
        self.populations.append(population)
        return population

    def connect(
        self,
        pre: Population | View,
        post: Population | View,
        rule: Rule | None = None,
        *,
        weight: Any = None,
        delay: Any = 1.0,
        receptor: str | None = None,
        name: str | None = None,
    ) -> Projection:
        """Connect two populations (or views of them).

        Parameters
        ----------
        pre, post : source and target
        rule : which pairs are connected, default `AllToAll`
        weight : number, array with one value per synapse (explicit rules, in the order of the pairs) or distribution
            [pA for current-based models, mV for `DeltaLIF` and `FlyLIF`]; default 1, or the entries of a sparse matrix
        delay : number, array or distribution, >= 0 [ms]; never rounded
        receptor : where arrivals act, for models with several receptors
        name : default ``"pre->post"``

        Raises
        ------
        TypeError, ValueError
            If pre or post are not of this network, the target takes no input, or a value is out of range.
        """
        for role, value in (("pre", pre), ("post", post)):
            if not isinstance(value, Population | View):
                raise TypeError(f"Network.connect: {role} = {value!r} is not a population; pass what net.add returned")
            if population_and_ids(value)[0].network is not self:
                raise ValueError(f"Network.connect: {role} = {value!r} belongs to another network")
        if not isinstance(name, str | None):
            raise TypeError(f"Network.connect: name = {name!r} must be a string")
        source, target = population_and_ids(pre)[0], population_and_ids(post)[0]
        name = name or f"{source.name}->{target.name}"
        receptors = target.model.receptors
        if not receptors:
            raise ValueError(f"projection {name!r}: post = {target.name!r} ({type(target.model).__name__}) takes no input")
        if receptor is not None and receptor not in receptors:
            raise ValueError(f"projection {name!r}: receptor = {receptor!r} is not one of {', '.join(map(repr, receptors))}")
        if rule is None:
            rule = AllToAll()
        if not isinstance(rule, Rule):
            hint = "call it with its arguments" if isinstance(rule, type) else "pass for instance es.FixedProbability(0.1)"
            raise TypeError(f"projection {name!r}: rule = {rule!r} is not a connection rule; {hint}")
        if weight is None:
            weight = rule.default_weight
        if not isinstance(weight, Distribution):
            weight = check.values(f"projection {name!r}", "weight", weight, "finite")
        if not isinstance(delay, Distribution):
            delay = check.values(f"projection {name!r}", "delay", delay, "nonnegative")
        port = 0 if receptor is None else receptors.index(receptor)
        projection = Projection(len(self.projections), name, pre, post, rule, weight, delay, port)
        self.projections.append(projection)
        return projection

    def snapshot(self) -> Network:
        """The network as it is now: what is added later does not appear in it."""
        same = Network()
        same.populations, same.projections = list(self.populations), list(self.projections)
        return same

    def find(self, target: Population | View | str, who: str) -> tuple[Population, np.ndarray | None]:
        """A population of this network and local ids in it (None: all), from a name, or from a population or view of this
        network or of one like it, such as a saved one's original. `who` begins the error messages."""
        if isinstance(target, str):
            try:
                return self[target], None
            except KeyError as error:
                raise ValueError(f"{who}: {error.args[0]}") from None
        if not isinstance(target, Population | View):
            raise TypeError(f"{who}: {target!r} is not a population, view or name of one")
        population, ids = population_and_ids(target)
        mine = self.populations[population.index] if population.index < len(self.populations) else None
        if mine is None or (mine.name, mine.n) != (population.name, population.n):
            raise ValueError(f"{who}: population {population.name!r} of {population.n} neurons is not in {self!r}")
        return mine, ids

    def __repr__(self) -> str:
        populations = ", ".join(f"{p.name} {p.n}" for p in self.populations)
        plural = "" if len(self.projections) == 1 else "s"
        return f"Network({self.n} neurons: {populations}; {len(self.projections)} projection{plural})"


def population_and_ids(target: Population | View) -> tuple[Population, np.ndarray | None]:
    """The population of a population or view, and the local ids (None: all)."""
    return (target.population, target.ids) if isinstance(target, View) else (target, None)


def _short(value: Any) -> str:
    return f"array({value.shape[0]})" if isinstance(value, np.ndarray) and value.ndim else f"{value!r}"
