"""What may stand where a number is expected: distributions over neurons or synapses, and values that change in time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from . import check


class Distribution:
    """Base of the distributions: a frozen description; numbers are drawn when a network is built."""

    def draw(self, n: int, seed: int, purpose: int, first_id: int = 0, dtype: Any = np.float64) -> np.ndarray:
        """Elements first_id ... first_id + n - 1 of an endless sequence.

        Parameters
        ----------
        n : how many
        seed, purpose : key of the sequence, see ``ext/random.pxi``
        first_id : element i depends on (seed, purpose, i) alone, however the sequence is cut into calls, which come from
            several threads
        dtype : float64, or float32: the same numbers, rounded

        Returns
        -------
        (n,) array

        Raises
        ------
        ValueError
            If a number within the range is not found in 100,000 attempts.
        """
        from . import _core  # the core itself needs this module

        name = type(self).__name__
        out = np.empty(n, dtype)
        a, b, low, high, clip = self._arguments()
        drawn = _core.draw(_core.DISTRIBUTIONS[name], a, b, low, high, clip, seed, purpose, first_id, out)
        if drawn < n:
            raise ValueError(
                f"{name}: range low = {low:g}, high = {high:g} was not reached in 100000 attempts by {self!r}; "
                "widen it, or use outside='clip'"
            )
        return out

    def _arguments(self) -> tuple[float, float, float, float, bool]:
        """Two parameters, the range and whether it is reached by clipping."""
        raise NotImplementedError

    def _check(self, **kinds: str) -> None:
        """Make the fields floats of these kinds (see `check.number`)."""
        for field, kind in kinds.items():
            object.__setattr__(self, field, check.number(type(self).__name__, field, getattr(self, field), kind))


class Bounded(Distribution):
    """Base of the distributions that take a range."""

    low: float
    high: float
    outside: str

    def _check(self, **kinds: str) -> None:
        super()._check(**kinds, low="any", high="any")
        name = type(self).__name__
        if not self.low < self.high:
            raise ValueError(f"{name}: low = {self.low} must be less than high = {self.high}")
        if self.outside not in ("redraw", "clip"):
            raise ValueError(f"{name}: outside = {self.outside!r} must be 'redraw' or 'clip'")


@dataclass(frozen=True)
class Uniform(Distribution):
    """Uniform between low and high.

    Examples
    --------
    >>> Uniform(-60, -50).draw(3, seed=1, purpose=0).round(2)
    array([-52.05, -53.62, -50.9 ])
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        self._check(low="finite", high="finite")
        if not 0.0 <= self.high - self.low < np.inf:
            raise ValueError(f"Uniform: low = {self.low!r} must not exceed high = {self.high!r}, nor their distance overflow")

    def _arguments(self) -> tuple[float, float, float, float, bool]:
        return self.low, self.high, self.low, self.high, True


@dataclass(frozen=True)
class Normal(Bounded):
    """Normal with mean and standard deviation.

    Parameters
    ----------
    mean, std : std >= 0
    low, high : range of the values
    outside : "redraw" (the normal distribution cut off) or "clip" (values outside are moved to its ends)
    """

    mean: float
    std: float
    low: float = -np.inf
    high: float = np.inf
    outside: str = "redraw"

    def __post_init__(self) -> None:
        self._check(mean="finite", std="nonnegative")

    def _arguments(self) -> tuple[float, float, float, float, bool]:
        return self.mean, self.std, self.low, self.high, self.outside == "clip"


@dataclass(frozen=True)
class LogNormal(Bounded):
    """exp(x) with x normal with mean mu and standard deviation sigma: median exp(mu), mean exp(mu + sigma**2/2).

    Parameters
    ----------
    mu, sigma : sigma >= 0
    low, high, outside : range of the values, as for `Normal`
    """

    mu: float
    sigma: float
    low: float = -np.inf
    high: float = np.inf
    outside: str = "redraw"

    def __post_init__(self) -> None:
        self._check(mu="finite", sigma="nonnegative")

    def _arguments(self) -> tuple[float, float, float, float, bool]:
        return self.mu, self.sigma, self.low, self.high, self.outside == "clip"


@dataclass(frozen=True)
class Exponential(Bounded):
    """Exponential with mean `scale` > 0.

    Parameters
    ----------
    scale : mean
    low, high, outside : range of the values, as for `Normal`
    """

    scale: float
    low: float = -np.inf
    high: float = np.inf
    outside: str = "redraw"

    def __post_init__(self) -> None:
        self._check(scale="positive")

    def _arguments(self) -> tuple[float, float, float, float, bool]:
        return self.scale, 0.0, self.low, self.high, self.outside == "clip"


@dataclass(frozen=True, eq=False)
class Steps:
    """Piecewise constant in time: value k holds on [times[k], times[k+1]), the last for ever.

    Parameters
    ----------
    times : (K,) array_like, strictly increasing, >= 0 [ms]
    values : (K,) array_like, or (K, n) for n neurons

    Examples
    --------
    >>> Steps([0, 100], [200.0, 350.0])
    Steps(times=array([  0., 100.]), values=array([200., 350.]))
    """

    times: np.ndarray
    values: np.ndarray

    def __post_init__(self) -> None:
        times = np.atleast_1d(check.values("Steps", "times", self.times, "nonnegative"))
        if not len(times):
            raise ValueError("Steps: times is empty; give at least one time")
        if np.any(np.diff(times) <= 0):
            k = int(np.argmax(np.diff(times) <= 0))
            raise ValueError(f"Steps: times[{k + 1}] = {times[k + 1]} must be greater than times[{k}] = {times[k]}")
        values = check.table("Steps", "values", self.values)
        if len(values) != len(times):
            raise ValueError(f"Steps: values has {len(values)} rows for {len(times)} times; give one for each time")
        for field, array in (("times", times), ("values", values)):
            array.setflags(write=False)
            object.__setattr__(self, field, array)
