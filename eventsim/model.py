"""What a neuron model declares: its parameters, its states and where arrivals go.

The models themselves stand in ``ext/models``, one file each: formulas and declaration side by side.
"""

from __future__ import annotations

import difflib
import inspect
from typing import Any, ClassVar, NamedTuple

import numpy as np

from . import check
from .distributions import Distribution, Steps


class Parameter(NamedTuple):
    """Default, unit and admissible range (``"finite"``, ``"positive"``, ``"nonnegative"`` or ``"any"``) of a parameter."""

    default: float
    unit: str
    kind: str = "finite"
    steps: bool = False  #: may also be given as `Steps`, piecewise constant in time


class State(NamedTuple):
    """A state variable: its initial value (a number or the name of a parameter), unit and admissible range."""

    initial: float | str
    unit: str
    relative_to: str | None = None  #: the parameter it is measured from inside the engine
    user: bool = True  #: may users read and set it?
    kind: str = "finite"


class Model:
    """Base of all neuron and source models: a frozen description that allocates nothing.

    Every parameter is a number, an array with one value per neuron, or a distribution.
    """

    parameters: ClassVar[dict[str, Parameter]] = {}
    options: ClassVar[dict[str, tuple[str, ...]]] = {}
    states: ClassVar[dict[str, State]] = {}
    receptors: ClassVar[tuple[str, ...]] = ()
    population: ClassVar[type]

    def __init_subclass__(cls) -> None:
        if "__init__" in cls.__dict__:
            return
        names = [*cls.parameters, *cls.options]
        defaults = [p.default for p in cls.parameters.values()] + [choices[0] for choices in cls.options.values()]
        cls.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [inspect.Parameter(n, inspect.Parameter.KEYWORD_ONLY, default=d) for n, d in zip(names, defaults, strict=True)]
        )

    def __init__(self, **given: Any) -> None:
        me = type(self).__name__
        for name in given:
            if name not in self.parameters and name not in self.options:
                close = difflib.get_close_matches(name, [*self.parameters, *self.options], 1)
                hint = f"did you mean {close[0]}?" if close else f"it takes {', '.join([*self.parameters, *self.options])}"
                raise TypeError(f"{me}: unknown parameter {name} = {given[name]!r}; {hint}")
        for name, choices in self.options.items():
            choice = given.pop(name, choices[0])
            if choice not in choices:
                raise ValueError(f"{me}: {name} = {choice!r} is not one of {', '.join(map(repr, choices))}")
            setattr(self, name, choice)
        self.values = {name: p.default for name, p in self.parameters.items()} | given
        for name, value in given.items():
            if isinstance(value, Steps) and not self.parameters[name].steps:
                raise TypeError(f"{me}: {name} cannot change in time; Steps are for {self._stepped()}, use sim.set between runs")
            if isinstance(value, Steps):
                check.table(me, name, value.values, self.parameters[name].kind)
            elif not isinstance(value, Distribution):
                self.values[name] = parameter_values(me, name, value, self.parameters[name].kind)
        # What can be said before the number of neurons is known and distributions are drawn.
        self.validate({k: np.atleast_1d(v) for k, v in self.values.items() if not isinstance(v, Distribution | Steps)})

    def _stepped(self) -> str:
        return " and ".join(name for name, p in self.parameters.items() if p.steps) or "other models"

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["values"][name]
        except KeyError:
            raise AttributeError(f"{type(self).__name__} has no parameter {name}") from None

    def __repr__(self) -> str:
        changed = [f"{k}={v!r}" for k, v in self.values.items() if not _equal(v, self.parameters[k].default)]
        changed += [f"{k}={getattr(self, k)!r}" for k, choices in self.options.items() if getattr(self, k) != choices[0]]
        return f"{type(self).__name__}({', '.join(changed)})"

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Model)
            and type(self) is type(other)
            and all(getattr(self, k) == getattr(other, k) for k in self.options)
            and all(_equal(v, other.values[k]) for k, v in self.values.items())
        )

    __hash__ = None  # type: ignore[assignment]

    # ---- what a model may override

    def validate(self, p: dict[str, np.ndarray]) -> None:
        """Raise ValueError where parameters contradict each other; `p` holds those that are known."""

    def core_parameters(self, p: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The parameters of the compiled population, where they are not this model's own."""
        return p

    def core_gradients(self, g: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The gradients by this model's parameters, from those of the compiled population: the chain rule of
        `core_parameters`."""
        return {name: g[name] for name in self.parameters if name in g}

    def setup(self, population: Any, seed: int, start: tuple[float, float]) -> None:
        """Hand the compiled population what is neither a parameter nor a state, such as spike lists."""

    @classmethod
    def restored(cls, parameters: dict[str, np.ndarray], inputs: dict[str, np.ndarray], options: dict[str, str]) -> Model:
        """The description that a saved population has."""
        return cls(**{k: v if len(v) > 1 else float(v[0]) for k, v in parameters.items()}, **options)


def _equal(a: Any, b: Any) -> bool:
    """Are two values of a parameter the same?"""
    if isinstance(a, Steps) and isinstance(b, Steps):
        return np.array_equal(a.times, b.times) and np.array_equal(a.values, b.values)
    return np.array_equal(a, b)


def parameter_values(where: str, name: str, value: Any, kind: str, n: int | None = None) -> float | np.ndarray:
    """A parameter as `check.values` gives it; of a positive one, a rate or a conductance, the reciprocal is finite too."""
    given = check.values(where, name, value, kind, n)
    with np.errstate(over="ignore"):
        if kind == "positive" and np.any(np.isinf(np.divide(1.0, given))):
            raise ValueError(f"{where}: {name} = {np.min(given)} is too small, 1/{name} overflows; choose at least 1e-308")
    return given


def require(me: Model, p: dict[str, np.ndarray], lower: str, upper: str, reason: str) -> None:
    """Raise ValueError unless p[lower] < p[upper] for every neuron, as far as both are known."""
    if lower not in p or upper not in p or len({1, len(p[lower]), len(p[upper])}) > 2:
        return  # lengths that contradict each other are for the check against the number of neurons
    a, b = np.broadcast_arrays(p[lower], p[upper])
    wrong = np.flatnonzero(~(a < b))
    if len(wrong):
        k = wrong[0]
        where = f" (neuron {k})" if a.size > 1 else ""
        raise ValueError(f"{type(me).__name__}: {lower} = {a[k]:g} is not below {upper} = {b[k]:g}{where}; {reason}")
