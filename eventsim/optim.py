"""Optimisers on flat vectors, learning rates that change, and `Parameters`: the learnable numbers of a simulation as a vector.

An optimiser is a rule without memory: ``state = adam.init(x)``, then ``adam.update(x, gradient, state)`` changes x and state in
place. `Parameters` keeps x and the state of a simulation:

>>> params = es.optim.Parameters(sim, {proj: ("weight", "delay"), hidden: "tau_m"})         # doctest: +SKIP
>>> value, grads, _ = es.value_and_grad(sim, loss, inputs, targets)                         # doctest: +SKIP
>>> params.step(adam, grads)                                                                # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

import numpy as np

from . import check
from .network import Population, Projection
from .simulation import Simulation

Rate = float | Callable[[int], float]
State = dict[str, Any]


# ---- learning rates: functions of the number of steps done


class Constant(NamedTuple):
    """`rate`, after a linear rise over `warmup` steps."""

    rate: float
    warmup: int = 0

    def __call__(self, step: int) -> float:
        return self.rate * _risen(step, self.warmup)


class Exponential(NamedTuple):
    """``rate * factor ** (step / every)``, after a linear rise over `warmup` steps."""

    rate: float
    factor: float
    every: float = 1.0
    warmup: int = 0

    def __call__(self, step: int) -> float:
        return self.rate * self.factor ** (step / self.every) * _risen(step, self.warmup)


class Step(NamedTuple):
    """``rate * factor ** floor(step / every)``, after a linear rise over `warmup` steps."""

    rate: float
    factor: float
    every: int
    warmup: int = 0

    def __call__(self, step: int) -> float:
        return self.rate * self.factor ** (step // self.every) * _risen(step, self.warmup)


class Cosine(NamedTuple):
    """Half a cosine from `rate` at step 0 to `final` at step `steps` and beyond, after a linear rise over `warmup` steps."""

    rate: float
    steps: int
    final: float = 0.0
    warmup: int = 0

    def __call__(self, step: int) -> float:
        phase = min(step / self.steps, 1.0) if self.steps else 1.0
        return (self.final + (self.rate - self.final) * 0.5 * (1.0 + np.cos(np.pi * phase))) * _risen(step, self.warmup)


def _risen(step: int, warmup: int) -> float:
    return min(1.0, (step + 1) / (warmup + 1))


# ---- optimisers


class SGD:
    """Gradient descent with momentum; the formulas of torch.optim.SGD.

    With g the gradient (plus ``weight_decay * x``)::

        b <- momentum * b + g     (b = g at the first step)
        x <- x - rate * (g + momentum * b if nesterov else b)

    Parameters
    ----------
    rate : learning rate, or a function of the number of steps done, e.g. `Cosine`
    momentum, nesterov, weight_decay : as above
    """

    def __init__(self, rate: Rate = 0.01, momentum: float = 0.0, nesterov: bool = False, weight_decay: float = 0.0):
        self.rate = _rate("SGD", rate)
        self.momentum = check.number("SGD", "momentum", momentum, "nonnegative")
        self.nesterov = check.flag("SGD", "nesterov", nesterov)
        self.weight_decay = check.number("SGD", "weight_decay", weight_decay, "nonnegative")
        if self.nesterov and not self.momentum:
            raise ValueError("SGD: nesterov = True needs momentum > 0")

    def init(self, x: np.ndarray) -> State:
        """The state before the first step."""
        return {"step": 0, "b": np.zeros_like(x)}

    def update(self, x: np.ndarray, gradient: np.ndarray, state: State, scale: Any = 1.0) -> None:
        """One step, in place; `scale` (a number or one per entry of x) multiplies the learning rate."""
        g = gradient + self.weight_decay * x if self.weight_decay else gradient
        if self.momentum:
            b = state["b"]
            b *= self.momentum
            b += g  # b is 0 before the first step
            g = g + self.momentum * b if self.nesterov else b
        x -= self.rate(state["step"]) * scale * g
        state["step"] += 1

    def __repr__(self) -> str:
        return f"SGD({self.rate}, momentum={self.momentum}, nesterov={self.nesterov}, weight_decay={self.weight_decay})"


class Adam:
    """Adam (Kingma & Ba 2015); the formulas of torch.optim.Adam, and of AdamW if `weight_decay` is given.

    With g the gradient and t the number of the step, from 1::

        x <- x - rate * weight_decay * x
        m <- beta1 m + (1 - beta1) g
        v <- beta2 v + (1 - beta2) g^2
        x <- x - rate * m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + epsilon)

    Parameters
    ----------
    rate : learning rate, or a function of the number of steps done, e.g. `Cosine`
    betas, epsilon, weight_decay : as above
    """

    def __init__(
        self,
        rate: Rate = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        epsilon: float = 1e-8,
        weight_decay: float = 0.0,
    ):
        self.rate = _rate("Adam", rate)
        self.betas = tuple(check.number("Adam", f"betas[{k}]", beta, "probability") for k, beta in enumerate(betas))
        if len(self.betas) != 2 or max(self.betas) >= 1.0:
            raise ValueError(f"Adam: betas = {betas!r} must be two numbers below 1")
        self.epsilon = check.number("Adam", "epsilon", epsilon, "nonnegative")
        self.weight_decay = check.number("Adam", "weight_decay", weight_decay, "nonnegative")

    def init(self, x: np.ndarray) -> State:
        """The state before the first step."""
        return {"step": 0, "m": np.zeros_like(x), "v": np.zeros_like(x)}

    def update(self, x: np.ndarray, gradient: np.ndarray, state: State, scale: Any = 1.0) -> None:
        """One step, in place; `scale` (a number or one per entry of x) multiplies the learning rate."""
        (beta1, beta2), m, v = self.betas, state["m"], state["v"]
        rate = self.rate(state["step"]) * scale
        state["step"] = t = state["step"] + 1
        if self.weight_decay:
            x -= rate * self.weight_decay * x
        m *= beta1
        m += (1.0 - beta1) * gradient
        v *= beta2
        v += (1.0 - beta2) * gradient * gradient
        root = np.sqrt(v)
        root *= (1.0 - beta2**t) ** -0.5
        root += self.epsilon
        np.divide(m, root, out=root)
        root *= rate / (1.0 - beta1**t)
        x -= root

    def __repr__(self) -> str:
        return f"Adam({self.rate}, betas={self.betas}, epsilon={self.epsilon}, weight_decay={self.weight_decay})"


def _rate(who: str, rate: Rate) -> Any:
    if callable(rate):
        return rate
    return Constant(check.number(who, "rate", rate, "nonnegative"))


# ---- what keeps a parameter positive: x = to_free(value), value = to_value(x), d value / d x = slope(x)


class Map(NamedTuple):
    """How a free number x stands for a parameter."""

    to_free: Callable[[np.ndarray], np.ndarray]
    to_value: Callable[[np.ndarray], np.ndarray]
    slope: Callable[[np.ndarray], np.ndarray] | None


def _softplus(x: np.ndarray) -> np.ndarray:
    return np.logaddexp(x, 0.0)


MAPS = {
    "identity": Map(np.copy, np.copy, None),
    # a step changes it by a factor
    "log": Map(np.log, np.exp, np.exp),
    # a step changes it by the step where it is large [compared with 1 ms]
    "softplus": Map(lambda v: v + np.log(-np.expm1(-v)), _softplus, lambda x: np.exp(-np.logaddexp(-x, 0.0))),
}


class _Block(NamedTuple):
    """A stretch of the vector: one parameter of one population or projection."""

    target: Population | Projection
    name: str
    part: slice
    map: Map
    mask: np.ndarray | None
    shared: bool


class Parameters:
    """Learnable parameters of a simulation as one vector of free numbers.

    Parameters
    ----------
    simulation : a `Simulation` that has not run; every step writes the new values into it
    learn : {projection or population: name or names}, e.g. ``{proj: ("weight", "delay"), hidden: "tau_m"}``
    shared : names that all neurons of a population, or synapses of a projection, have in common, such as ``("tau_m",)``;
        they are one number each
    maps : {name: "identity", "log" or "softplus"}, what keeps a parameter positive. By default "log" where the name begins with
        ``tau`` and for ``C_m``, "softplus" for ``delay`` and ``t_ref``, else "identity"
    masks : {projection or population: bool (m,)} or {(projection or population, name): bool (m,)}; what is False never changes
    rates : {name: factor} of the learning rate, e.g. ``{"delay": 3.0}``

    Attributes
    ----------
    x : (p,) float64, the free numbers
    state : what the optimiser remembers; None before the first step

    Notes
    -----
    Weights are stored by the simulation as `weight_dtype` says; `x` keeps float64. Synapses are in the order in which
    `Simulation.edges` gave them when the object was made, whatever new delays do to the order of the rows.

    Raises
    ------
    TypeError, ValueError
        If a name is unknown, or a value that must be positive is not.
    """

    def __init__(
        self,
        simulation: Simulation,
        learn: Mapping[Any, str | Collection[str]],
        *,
        shared: Collection[str] = (),
        maps: Mapping[str, str] | None = None,
        masks: Mapping[Any, Any] | None = None,
        rates: Mapping[str, float] | None = None,
    ):
        self.simulation = simulation
        self.blocks: list[_Block] = []
        self._order: dict[Any, np.ndarray] = {}  # place in the vector of each synapse of `edges`, where that is another order
        maps, masks, rates, pieces = dict(maps or {}), dict(masks or {}), dict(rates or {}), []
        begin = 0
        for key in masks:
            if (key[0] if isinstance(key, tuple) else key) not in learn:
                raise ValueError(f"Parameters: masks has {key!r}, of which nothing is learned")
        for key, names in learn.items():
            target = key if isinstance(key, Projection) else simulation.network.find(key, "Parameters")[0]
            for name in (names,) if isinstance(names, str) else names:
                given = self._read(target, name)
                if name in shared and np.ptp(given):
                    raise ValueError(f"Parameters: {name} of {target.name!r} differs from one to the other; it cannot be shared")
                given = given[:1] if name in shared else given
                kind = maps.get(name, _default_map(name))
                if kind not in MAPS:
                    raise ValueError(f"Parameters: maps[{name!r}] = {kind!r} is not one of {', '.join(map(repr, MAPS))}")
                if kind != "identity" and not np.all(given > 0.0):
                    k = int(np.argmin(given > 0.0))
                    raise ValueError(
                        f"Parameters: {name}[{k}] = {given[k]:g} of {target.name!r} must be > 0 to be learned through {kind!r};"
                        f" start from a positive value"
                    )
                mask = masks.get((key, name), masks.get(key))
                if mask is not None:
                    mask = np.asarray(mask)
                    if mask.dtype != bool or mask.shape != given.shape:
                        raise ValueError(
                            f"Parameters: the mask of {name} of {target.name!r} has shape {mask.shape} and type {mask.dtype};"
                            f" it must be bool of shape {given.shape}"
                        )
                part = slice(begin, begin := begin + len(given))
                self.blocks.append(_Block(target, name, part, MAPS[kind], mask, name in shared))
                pieces.append(MAPS[kind].to_free(given))
        self.x = np.concatenate(pieces) if pieces else np.zeros(0)
        self._scale: Any = 1.0
        if rates:
            self._scale = np.repeat([rates.get(b.name, 1.0) for b in self.blocks], [len(piece) for piece in pieces])
        self._fixed = {b.part.start: self.x[b.part].copy() for b in self.blocks if b.mask is not None}
        self.state: State | None = None

    def _read(self, target: Population | Projection, name: str) -> np.ndarray:
        if not isinstance(target, Projection):
            return self.simulation.get(target, name).astype(np.float64)
        edges = self.simulation.edges(target)
        if name not in ("weight", "delay"):
            raise ValueError(f"Parameters: projection {target.name!r} has no {name!r}; it has weight, delay")
        return getattr(edges, name).astype(np.float64)

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, key: tuple[Any, str]) -> np.ndarray:
        """The present values of one parameter, ``params[proj, "weight"]``, in the order of the vector."""
        for b in self.blocks:
            if (b.target is key[0] or b.target.name == key[0]) and b.name == key[1]:
                return b.map.to_value(self.x[b.part])
        raise KeyError(
            f"Parameters: {key!r} is not learned; there is {', '.join(f'{b.target.name}.{b.name}' for b in self.blocks)}"
        )

    def gradient(self, grads: Any) -> np.ndarray:
        """The derivative (p,) by x, from what `value_and_grad` returned."""
        g = np.empty_like(self.x)
        for b in self.blocks:
            given = getattr(grads[b.target], b.name)
            if b.shared:
                part = np.sum(given, keepdims=True)
            elif b.target in self._order:
                part = np.empty(len(given))
                part[self._order[b.target]] = given
            else:
                part = given
            if b.map.slope is not None:
                part = part * b.map.slope(self.x[b.part])
            g[b.part] = part if b.mask is None else np.where(b.mask, part, 0.0)
        return g

    def write(self) -> None:
        """Write the values into the simulation."""
        values: dict[Any, dict[str, np.ndarray]] = {}
        for b in self.blocks:
            x = self.x[b.part]
            if b.mask is not None:
                np.copyto(x, self._fixed[b.part.start], where=~b.mask)  # weight decay must not reach it
            value = b.map.to_value(x)
            moved = b.target in self._order and not b.shared
            values.setdefault(b.target, {})[b.name] = value[self._order[b.target]] if moved else value
        for target, new in values.items():
            if len(new.get("delay", ())) > 1:  # the rows will be sorted by delay, then target, then the present order
                edges = self.simulation.edges(target)
                order = np.lexsort((edges.post, new["delay"], edges.pre))
                order = self._order[target][order] if target in self._order else order
            self.simulation.set(target, **new)
            if len(new.get("delay", ())) > 1:
                self._order[target] = order

    def step(self, optimiser: SGD | Adam, grads: Any) -> None:
        """One step of the optimiser along the gradients that `value_and_grad` returned, written into the simulation."""
        self.descend(optimiser, self.gradient(grads))

    def descend(self, optimiser: SGD | Adam, gradient: np.ndarray) -> None:
        """The same from the gradient (p,) by x, e.g. a clipped one."""
        if self.state is None:
            self.state = optimiser.init(self.x)
        optimiser.update(self.x, gradient, self.state, self._scale)
        self.write()

    def flatten(self) -> np.ndarray:
        """A copy of x."""
        return self.x.copy()

    def unflatten(self, x: Any) -> None:
        """Replace x and write the values into the simulation."""
        x = np.asarray(x, np.float64)
        if x.shape != self.x.shape:
            raise ValueError(f"Parameters.unflatten: x has shape {x.shape}; it must be {self.x.shape}")
        self.x[:] = x
        self.write()

    def __repr__(self) -> str:
        return f"Parameters({', '.join(f'{b.target.name}.{b.name} {b.part.stop - b.part.start}' for b in self.blocks)})"


def _default_map(name: str) -> str:
    return "log" if name.startswith("tau") or name == "C_m" else "softplus" if name in ("delay", "t_ref") else "identity"


# ---- beside the optimisers


class Clipped(NamedTuple):
    """What `clip` did: the clipped gradient, its norm before, the number of entries that were cut, and was it scaled down?"""

    gradient: np.ndarray
    norm: float
    entries: int
    scaled: bool


def clip(gradient: np.ndarray, *, entry: float | None = None, norm: float | None = None) -> Clipped:
    """A gradient with entries cut to [-entry, entry], then scaled down to the Euclidean norm `norm` if it is longer.

    Exact gradients grow without bound where a spike is about to vanish (1/slope of the membrane at a grazing spike): a fact, but
    a bad step. Nothing clips unasked.
    """
    gradient = np.asarray(gradient, np.float64)
    before, entries, scaled = float(np.linalg.norm(gradient)), 0, False
    if entry is not None:
        entry = check.number("clip", "entry", entry, "positive")
        entries = int(np.count_nonzero(np.abs(gradient) > entry))
        gradient = np.clip(gradient, -entry, entry)
    if norm is not None and (length := float(np.linalg.norm(gradient))) > check.number("clip", "norm", norm, "positive"):
        gradient, scaled = gradient * (norm / length), True
    return Clipped(gradient, before, entries, scaled)


def clip_grazing(loss: Callable[[Any, Any], Any], slope: float, report: list[int] | None = None) -> Callable[[Any, Any], Any]:
    """The loss with tamed derivatives at grazing spikes: NOT its gradient where it cuts.

    The backward pass divides the derivative by a spike time by the slope of the membrane there, dV/dt; here slopes below
    `slope` [mV/ms] count as `slope`. That concerns the spikes that the loss looks at. If a list is given as `report`, each call
    appends the number of spikes it concerned.
    """
    slope = check.number("clip_grazing", "slope", slope, "positive")

    def clipped(response: Any, targets: Any) -> Any:
        value, sensitivities = loss(response, targets)
        number = 0
        for population, s in sensitivities.items():
            if s.times is not None:
                factor = np.minimum(response.slopes(population) / slope, 1.0)
                number += int(np.count_nonzero((factor < 1.0) & (s.times != 0.0)))
                s.times = s.times * factor
        if report is not None:
            report.append(number)
        return value, sensitivities

    return clipped


def minimize(function: Callable[[], tuple[float, Any]], parameters: Parameters, method: str = "L-BFGS-B", **options: Any) -> Any:
    """Minimise with `scipy.optimize.minimize`, by default L-BFGS; for few samples and no noise.

    Parameters
    ----------
    function : () -> (value, grads) at the present values of the parameters, such as
        ``lambda: es.value_and_grad(sim, loss, inputs, targets)[:2]``
    parameters : where to start; holds the best point found afterwards
    method : a method of scipy that uses gradients
    **options : of the method, e.g. ``maxiter=100``

    Returns
    -------
    scipy.optimize.OptimizeResult
    """
    from scipy import optimize

    def at(x: np.ndarray) -> tuple[float, np.ndarray]:
        parameters.unflatten(x)
        value, grads = function()
        return value, parameters.gradient(grads)

    result = optimize.minimize(at, parameters.flatten(), jac=True, method=method, options=options)
    parameters.unflatten(result.x)
    return result
