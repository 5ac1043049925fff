"""Encoders: numbers to spikes. Each is called on X (n_samples, n_features) and returns `SpikeTrains`, sorted by time;
``encoder.n_sources(n_features)`` is the number of source neurons they need. No time is rounded to a grid."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import check
from .trains import SpikeTrains


class Encoder:
    """Base of the encoders: their parameters and how they are shown."""

    def n_sources(self, n_features: int) -> int:
        """Number of source neurons for X with that many features."""
        raise NotImplementedError

    def __call__(self, X: Any) -> SpikeTrains:
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in vars(self).items())})"


class Latency(Encoder):
    """One spike per feature, the earlier the larger x, for x in [0, 1] (clipped)::

        t = t_min + (t_max - t_min) (1 - x)            without tau
        t = t_min + tau log(x / (x - threshold))       with tau: the first spike of a leaky integrator driven by x

    Parameters
    ----------
    t_max : latest time [ms]; with `tau`, later spikes are left out
    t_min : earliest time [ms]
    threshold : x at or below it makes no spike
    tau : time constant of the logarithmic code [ms]; needs threshold > 0
    complement : True: 1 - x has a source of its own too, the features' first, so that small x speak as well
    bias : True: one more source, the last, fires at t_min in every sample

    Notes
    -----
    dt/dx is -(t_max - t_min), or tau (1/x - 1/(x - threshold)); 0 where x is clipped. See `gradient`.
    """

    def __init__(
        self,
        t_max: float = 20.0,
        *,
        t_min: float = 0.0,
        threshold: float = 0.0,
        tau: float | None = None,
        complement: bool = False,
        bias: bool = False,
    ):
        self.t_max = check.number("Latency", "t_max", t_max, "positive")
        self.t_min = check.number("Latency", "t_min", t_min, "nonnegative")
        self.threshold = check.number("Latency", "threshold", threshold, "probability")
        self.tau = None if tau is None else check.number("Latency", "tau", tau, "positive")
        self.complement = check.flag("Latency", "complement", complement)
        self.bias = check.flag("Latency", "bias", bias)
        if self.t_min >= self.t_max:
            raise ValueError(f"Latency: t_min = {t_min} must be below t_max = {t_max}")
        if self.tau and not self.threshold:
            raise ValueError(f"Latency: tau = {tau} needs threshold > 0, else all times are t_min")

    def n_sources(self, n_features: int) -> int:
        return n_features * (2 if self.complement else 1) + self.bias

    def __call__(self, X: Any) -> SpikeTrains:
        x = self._levels(_matrix("Latency", X))
        sample, source = np.nonzero(x > self.threshold)
        x = x[sample, source]
        if self.tau is None:
            time = self.t_min + (self.t_max - self.t_min) * (1.0 - x)
        else:
            time = self.t_min + self.tau * np.log(x / (x - self.threshold))
            early = time <= self.t_max
            sample, source, time = sample[early], source[early], time[early]
        if self.bias:
            sample = np.append(sample, np.arange(len(X)))
            source = np.append(source, np.full(len(X), self.n_sources(np.shape(X)[1]) - 1))
            time = np.append(time, np.full(len(X), self.t_min))
        return _trains(sample, source, time, len(X))

    def gradient(self, X: Any, dL_dtimes: Any) -> np.ndarray:
        """dL/dX (n_samples, n_features), from dL/dt of the spikes.

        Parameters
        ----------
        X : what was encoded
        dL_dtimes : (m,) in the order of the trains, or a list of one array per sample, as ``grads[source].times``
        """
        given = _matrix("Latency.gradient", X)
        trains, slope = self(given), np.zeros((len(given), self.n_sources(given.shape[1])))
        flat = _flat("Latency.gradient", dL_dtimes, len(trains.times))
        slope[np.repeat(np.arange(len(given)), np.diff(trains.starts)), trains.ids] = flat
        n, x = given.shape[1], self._levels(given)
        with np.errstate(divide="ignore", invalid="ignore"):
            by_x = -(self.t_max - self.t_min) if self.tau is None else self.tau * (1.0 / x - 1.0 / (x - self.threshold))
        speaks = slope[:, : x.shape[1]] != 0.0
        by_level = np.where(speaks, slope[:, : x.shape[1]] * np.where(speaks, by_x, 0.0), 0.0)
        out = by_level[:, :n] - by_level[:, n:] if self.complement else by_level
        return np.where((given >= 0.0) & (given <= 1.0), out, 0.0)

    def _levels(self, X: np.ndarray) -> np.ndarray:
        x = np.clip(X, 0.0, 1.0)
        return np.hstack([x, 1.0 - x]) if self.complement else x


class Rate(Encoder):
    """Poisson trains: feature x fires at the rate ``x * rate`` (x < 0 counts as 0), at real-valued times.

    Parameters
    ----------
    rate : rate for x = 1 [Hz]
    duration : length of the trains [ms]
    seed : the trains are a function of X and the seed; another seed draws others
    """

    def __init__(self, rate: float = 100.0, duration: float = 100.0, seed: int = 0):
        self.rate = check.number("Rate", "rate", rate, "nonnegative")
        self.duration = check.number("Rate", "duration", duration, "positive")
        self.seed = check.seed("Rate", "seed", seed)

    def n_sources(self, n_features: int) -> int:
        return n_features

    def __call__(self, X: Any) -> SpikeTrains:
        x, rng = _matrix("Rate", X), np.random.default_rng(self.seed)
        counts = rng.poisson(np.maximum(x, 0.0) * (self.rate * self.duration / 1000.0))
        sample, source = np.divmod(np.repeat(np.arange(x.size), counts.ravel()), max(x.shape[1], 1))
        return _trains(sample, source, rng.uniform(0.0, self.duration, len(sample)), len(x))


class Delta(Encoder):
    """Send on delta: a spike whenever a signal has risen or fallen by `threshold` since the last one.

    X is (n_samples, n_steps) or (n_samples, n_steps, n_channels), sampled every `dt`, linear in between; so times are
    real, and a steep step makes several spikes. Channel c has the sources c (up) and n_channels + c (down).

    Parameters
    ----------
    threshold : the change that makes a spike, in the units of X
    dt : time between two samples of the signal [ms]
    """

    def __init__(self, threshold: float = 0.1, dt: float = 1.0):
        self.threshold = check.number("Delta", "threshold", threshold, "positive")
        self.dt = check.number("Delta", "dt", dt, "positive")

    def n_sources(self, n_channels: int) -> int:
        return 2 * n_channels

    def __call__(self, X: Any) -> SpikeTrains:
        signal = np.asarray(X, np.float64)
        signal = signal[:, :, None] if signal.ndim == 2 else signal
        if signal.ndim != 3 or not np.isfinite(signal).all():
            raise ValueError(
                f"Delta: X has shape {np.shape(X)}; it must be finite, (samples, steps) or (samples, steps, channels)"
            )
        level = signal[:, 0].copy() if signal.shape[1] else signal[:, :0].sum(1)
        sample, source, time = [], [], []
        for k in range(signal.shape[1] - 1):
            before, after = signal[:, k], signal[:, k + 1]
            change = np.trunc((after - level) / self.threshold).astype(np.int64)
            s, c = np.nonzero(change)
            number = np.abs(change[s, c])
            s, c = np.repeat(s, number), np.repeat(c, number)
            rank = np.arange(len(s)) - np.repeat(np.cumsum(number) - number, number) + 1
            sign = np.sign(change[s, c])
            crossed = level[s, c] + sign * rank * self.threshold
            share = (crossed - before[s, c]) / (after[s, c] - before[s, c])
            time.append(self.dt * (k + share))
            sample.append(s)
            source.append(np.where(sign > 0, c, signal.shape[2] + c))
            level += change * self.threshold
        if not time:
            return _trains(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0), len(signal))
        return _trains(np.concatenate(sample), np.concatenate(source), np.concatenate(time), len(signal))


class Population(Encoder):
    """Gaussian receptive fields (Bohte et al. 2002): feature x excites n neurons by g_i = exp(-(x - c_i)^2 / (2 sigma^2)), and
    each fires at ``t_max (1 - g_i)`` if g_i exceeds `threshold`.

    Parameters
    ----------
    n : neurons per feature, >= 2; their centres c_i are equally spaced from `low` to `high`. Source ``feature * n + i``
    low, high : range of X
    sigma : width; default 2/3 of the distance of the centres
    t_max : latest time [ms]
    threshold : in [0, 1)
    """

    def __init__(
        self,
        n: int = 8,
        low: float = 0.0,
        high: float = 1.0,
        sigma: float | None = None,
        t_max: float = 20.0,
        threshold: float = 0.1,
    ):
        self.n = check.count("Population", "n", n, at_least=2)
        self.low, self.high = check.number("Population", "low", low), check.number("Population", "high", high)
        if not self.low < self.high:
            raise ValueError(f"Population: low = {low} must be below high = {high}")
        self.sigma = (
            (self.high - self.low) / (n - 1) / 1.5 if sigma is None else check.number("Population", "sigma", sigma, "positive")
        )
        self.t_max = check.number("Population", "t_max", t_max, "positive")
        self.threshold = check.number("Population", "threshold", threshold, "probability")

    def n_sources(self, n_features: int) -> int:
        return n_features * self.n

    def __call__(self, X: Any) -> SpikeTrains:
        x = _matrix("Population", X)
        g, _ = self._excitation(x)
        sample, source = np.nonzero(g > self.threshold)
        return _trains(sample, source, self.t_max * (1.0 - g[sample, source]), len(x))

    def gradient(self, X: Any, dL_dtimes: Any) -> np.ndarray:
        """dL/dX (n_samples, n_features), from dL/dt of the spikes; see `Latency.gradient`."""
        x = _matrix("Population.gradient", X)
        g, distance = self._excitation(x)
        trains, slope = self(x), np.zeros(g.shape)
        flat = _flat("Population.gradient", dL_dtimes, len(trains.times))
        slope[np.repeat(np.arange(len(x)), np.diff(trains.starts)), trains.ids] = flat
        by_x = slope * g * distance * (self.t_max / self.sigma**2)  # dt/dx = t_max g (x - c) / sigma^2
        return by_x.reshape(*x.shape, self.n).sum(axis=2)

    def _excitation(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        distance = (x[:, :, None] - np.linspace(self.low, self.high, self.n)).reshape(len(x), x.shape[1] * self.n)
        return np.exp(-0.5 * (distance / self.sigma) ** 2), distance


def _matrix(who: str, X: Any) -> np.ndarray:
    x = np.asarray(X)
    x = x if x.dtype in (np.float64, np.float32) else x.astype(np.float64)
    if x.ndim != 2 or not np.isfinite(x).all():
        raise ValueError(f"{who}: X has shape {x.shape}; it must be finite, of shape (samples, features)")
    return x


def _flat(who: str, derivatives: Any, m: int) -> np.ndarray:
    flat = np.concatenate([np.zeros(0), *derivatives]) if isinstance(derivatives, list) else np.asarray(derivatives, np.float64)
    if flat.shape != (m,):
        raise ValueError(f"{who}: dL_dtimes has shape {flat.shape} for {m} spikes; X must be what was encoded")
    return flat


def _trains(sample: np.ndarray, source: np.ndarray, time: np.ndarray, n_samples: int) -> SpikeTrains:
    """Spikes in any order as trains, by sample, time, source."""
    order = np.lexsort((source, time, sample))
    starts = np.concatenate([[0], np.cumsum(np.bincount(sample, minlength=n_samples))])
    return SpikeTrains(time[order], source[order], starts)


__all__ = ["Delta", "Encoder", "Latency", "Population", "Rate"]
