"""Losses: functions of spike times and membranes, with exact derivatives by what they look at.

A loss is any callable ``loss(response, targets) -> (value, {population: Sensitivity})``; the classes here are examples to
imitate. Losses add and scale: ``FirstSpikeCrossEntropy(out) + 0.1 * SilentHinge(hidden)``; all see the same targets.

A value is the mean over the samples of the batch, or their sum with ``reduction="sum"``. Labels are integers (B,).

The number of spikes is constant almost everywhere, so its exact derivative is 0. What counts spikes here is a metric
(`eventsim.decode`), a continuous stand-in (`UpperActivity`, `SilentHinge`) or says in its name that what it delivers is
not a gradient (`SpikeCountSurrogate`).
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from . import check
from .network import Population, View
from .response import Response, Sensitivity
from .trains import SpikeTrains

Answer = tuple[float, dict[Any, Sensitivity]]


class Loss:
    """Base of the built-in losses: addition, scaling, and the mean or sum over samples."""

    def __init__(self, population: Population | str, reduction: str = "mean"):
        me = type(self).__name__
        if isinstance(population, View):
            raise TypeError(f"{me}: population = {population!r} is a view; pass the population")
        if not isinstance(population, Population | str):
            raise TypeError(f"{me}: population = {population!r} is not a population or the name of one")
        if reduction not in ("mean", "sum"):
            raise ValueError(f"{me}: reduction = {reduction!r} is not 'mean' or 'sum'")
        self.population, self.reduction = population, reduction

    def __call__(self, response: Response, targets: Any = None) -> Answer:
        raise NotImplementedError

    def __add__(self, other: Callable[[Response, Any], Answer]) -> Sum:
        return Sum([(1.0, self), (1.0, other)])

    def __radd__(self, other: Callable[[Response, Any], Answer]) -> Sum:
        return Sum([(1.0, other), (1.0, self)])

    def __mul__(self, factor: float) -> Sum:
        return Sum([(check.number(type(self).__name__, "factor", factor), self)])

    __rmul__ = __mul__

    def _share(self, response: Response) -> float:
        """What one sample counts."""
        return 1.0 / response.n_samples if self.reduction == "mean" and response.n_samples else 1.0

    def _name(self) -> str:
        return self.population if isinstance(self.population, str) else self.population.name

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._name()!r})"


class Sum(Loss):
    """A weighted sum of losses, as ``a + 0.1 * b`` makes it."""

    def __init__(self, terms: list[tuple[float, Callable[[Response, Any], Answer]]]):
        self.terms: list[tuple[float, Callable[[Response, Any], Answer]]] = []
        for factor, loss in terms:
            if not callable(loss):
                raise TypeError(f"Sum: {loss!r} is not a loss; add what is called as loss(response, targets)")
            self.terms += [(factor * f, term) for f, term in loss.terms] if isinstance(loss, Sum) else [(factor, loss)]

    def __call__(self, response: Response, targets: Any = None) -> Answer:
        total = 0.0
        parts: dict[Any, Sensitivity] = {}
        for factor, loss in self.terms:
            value, sensitivities = loss(response, targets)
            total += factor * value
            for population, sensitivity in sensitivities.items():
                key = response.network.find(population, "Sum")[0]
                scaled = sensitivity if factor == 1.0 else factor * sensitivity
                parts[key] = parts[key] + scaled if key in parts else scaled
        return total, parts

    def __repr__(self) -> str:
        return " + ".join(repr(loss) if f == 1.0 else f"{f:g} * {loss!r}" for f, loss in self.terms)


# ---- spike times


class FirstSpikeCrossEntropy(Loss):
    """Cross-entropy of the first spike times, earlier is likelier.

    With t_i the first spike of neuron i and l the label, per sample::

        -log(exp(-t_l/tau) / sum_i exp(-t_i/tau)) + alpha (exp(t_l/tau_early) - 1)

    The second term, off by default, asks the right neuron to fire early (Wunderlich & Pehle 2021, eq. 15).

    Parameters
    ----------
    population : the output neurons, one per class
    tau : temperature [ms]; a few per cent of the time constants of the membrane to as much as them
    alpha, tau_early : weight and time constant [ms] of the early-spike term
    silent : time that stands for the first spike of a silent label neuron [ms]; default the duration of the run

    Notes
    -----
    A silent neuron has t_i = inf and takes no part in the sum; a silent label neuron counts as if it had fired at
    `silent`, a constant: it gets no derivative from here (give it one with `SilentHinge`), the others are still asked to
    fire later.
    """

    def __init__(
        self,
        population: Population | str,
        tau: float = 1.0,
        alpha: float = 0.0,
        tau_early: float = 1.0,
        silent: float | None = None,
        reduction: str = "mean",
    ):
        super().__init__(population, reduction)
        self.tau = check.number("FirstSpikeCrossEntropy", "tau", tau, "positive")
        self.alpha = check.number("FirstSpikeCrossEntropy", "alpha", alpha, "nonnegative")
        self.tau_early = check.number("FirstSpikeCrossEntropy", "tau_early", tau_early, "positive")
        self.silent = None if silent is None else check.number("FirstSpikeCrossEntropy", "silent", silent)

    def __call__(self, response: Response, targets: Any = None) -> Answer:
        times, places, m = _first(response, self.population)
        labels = _labels(self, targets, *times.shape)
        label = np.arange(len(labels)), labels
        own = times[label]
        own[own == np.inf] = response.duration if self.silent is None else self.silent
        times[label] = own
        cost, p = cross_entropy(times * (-1.0 / self.tau), labels)
        value, share = cost.sum(), self._share(response)
        p *= -share / self.tau  # d cost / d logit * d logit / d time
        if self.alpha:
            early = np.exp(own / self.tau_early)
            value += self.alpha * (early.sum() - len(early))
            p[label] += (share * self.alpha / self.tau_early) * early
        return share * float(value), {self.population: Sensitivity(times=_at(places, p, m))}


class SpikeTimeError(Loss):
    """Squared error of the first k spike times: sum over neurons i and ranks j of (t_ij - target_ij)^2, per sample.

    Parameters
    ----------
    population : the neurons
    table : (n_classes, n, k) or (n_classes, n) wanted times of each class [ms]; the targets are then labels. Without it the
        targets are the wanted times, (B, n, k), (1, n, k) for all samples, or (B, n). NaN or inf: no matter.
    silent : time that stands for a missing spike [ms], a constant; default the duration of the run
    """

    def __init__(self, population: Population | str, table: Any = None, silent: float | None = None, reduction: str = "mean"):
        super().__init__(population, reduction)
        self.table = None if table is None else np.array(table, np.float64)
        self.silent = None if silent is None else check.number("SpikeTimeError", "silent", silent)

    def __call__(self, response: Response, targets: Any = None) -> Answer:
        wanted = _wanted(self, response, targets)
        times, places, m = _table(response, self.population, wanted.shape[-1])
        off = self._off(np.where(places >= 0, times, response.duration if self.silent is None else self.silent), wanted)
        share = self._share(response)
        return share * float(np.sum(off * off)), {self.population: Sensitivity(times=_at(places, 2.0 * share * off, m))}

    def _off(self, times: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        """Times minus wanted times, 0 where nothing is wanted."""
        return np.where(np.isfinite(wanted), times - wanted, 0.0)


class RelativeSpikeTimeError(SpikeTimeError):
    """`SpikeTimeError` of a pattern that may come at any time: the mean deviation of each sample is taken off first.

    With d_ij = t_ij - target_ij and <d> its mean over what is wanted: sum of (d_ij - <d>)^2. Adding a constant to all times
    changes nothing.
    """

    def _off(self, times: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        asked = np.isfinite(wanted)
        off = np.where(asked, times - wanted, 0.0)
        mean = off.sum((1, 2), keepdims=True) / np.maximum(asked.sum((1, 2), keepdims=True), 1)
        return np.where(asked, off - mean, 0.0)  # sums to 0, so the mean adds nothing to the derivative


class FirstSpikeMargin(Loss):
    """The label fires first, every other neuron at least `gamma` later (S4NN, Kheradpisheh & Masquelier 2020).

    With t_0 = min t_i, per sample: (t_l - t_0)^2 + sum over the others i of (max(t_i, t_0 + gamma) - t_i)^2. Only
    differences of times matter. The derivative is exact: it includes that of t_0, which S4NN holds constant.

    Parameters
    ----------
    population : the output neurons, one per class
    gamma : wanted delay of the others [ms]
    silent : time that stands for the first spike of a silent label neuron [ms], a constant; default the duration of the run.
        Other silent neurons are late enough.
    """

    def __init__(self, population: Population | str, gamma: float = 1.0, silent: float | None = None, reduction: str = "mean"):
        super().__init__(population, reduction)
        self.gamma = check.number("FirstSpikeMargin", "gamma", gamma, "nonnegative")
        self.silent = None if silent is None else check.number("FirstSpikeMargin", "silent", silent)

    def __call__(self, response: Response, targets: Any = None) -> Answer:
        times, places, m = _first(response, self.population)
        labels = _labels(self, targets, *times.shape)
        rows = np.arange(len(labels))
        mute = places[rows, labels] < 0
        times[rows[mute], labels[mute]] = response.duration if self.silent is None else self.silent
        first = np.argmin(times, axis=1)
        start = times[rows, first][:, None]
        early = np.maximum(start + self.gamma - times, 0.0)
        early[rows, labels] = start[:, 0] - times[rows, labels]
        slope = -2.0 * early
        slope[rows, first] += 2.0 * early.sum(axis=1)
        share = self._share(response)
        return share * float(np.sum(early * early)), {self.population: Sensitivity(times=_at(places, share * slope, m))}


class VanRossum(Loss):
    """Van Rossum's distance between the output trains and wanted trains.

    Every train is filtered by exp(-t/tau); per sample the sum over neurons of ``(1/tau) integral of (f - g)^2 dt`` over
    all times from 0 on, which is half the sum over pairs of spikes of s_i s_j exp(-|t_i - t_j|/tau), s = 1 for a spike and
    -1 for a wanted one (van Rossum 2001). A missing or superfluous spike far from all others costs 1/2.

    Parameters
    ----------
    population : the neurons
    tau : time constant of the filter [ms]

    Notes
    -----
    Targets are `SpikeTrains`, one train per sample with ids of output neurons, or a list of pairs (times, ids). The distance
    has a cusp where a spike and a wanted spike coincide.
    """

    def __init__(self, population: Population | str, tau: float = 5.0, reduction: str = "mean"):
        super().__init__(population, reduction)
        self.tau = check.number("VanRossum", "tau", tau, "positive")

    def __call__(self, response: Response, targets: Any = None) -> Answer:
        spikes, n, B = response.spikes(self.population), response.size(self.population), response.n_samples
        wanted = SpikeTrains.of(targets)
        if len(wanted) != B:
            raise ValueError(f"{self!r}: targets has {len(wanted)} trains for {B} samples")
        check.below(repr(self), "target ids", wanted.ids, n, "the number of neurons")
        sample = np.repeat(np.arange(B), np.diff(wanted.starts))
        train = np.concatenate([spikes.sample * n + spikes.neuron, sample * n + wanted.ids])
        time = np.concatenate([spikes.time, wanted.times])
        sign = np.ones(len(time))
        sign[len(spikes.time) :] = -1.0
        order = np.lexsort((time, train))
        train, time, sign = train[order], time[order], sign[order]
        before = _filtered(train, time, sign, self.tau)
        after = _filtered(train[::-1], -time[::-1], sign[::-1], self.tau)[::-1]
        derivative = np.empty(len(time))
        derivative[order] = sign / self.tau * (after - before)
        share = self._share(response)
        value = share * float(0.5 * len(time) + np.sum(sign * before))
        return value, {self.population: Sensitivity(times=share * derivative[: len(spikes.time)])}


def _filtered(train: np.ndarray, time: np.ndarray, sign: np.ndarray, tau: float) -> np.ndarray:
    """At each spike, the sum over earlier ones of its train of sign * exp(-distance/tau); sorted by train, then time."""
    m = len(time)
    fresh = np.r_[True, train[1:] != train[:-1]] if m else np.zeros(0, bool)
    factor = np.r_[0.0, np.exp(-np.diff(time) / tau)] if m else np.zeros(0)
    factor[fresh] = 0.0
    trace = np.zeros(m)
    rank = np.arange(m) - np.maximum.accumulate(np.where(fresh, np.arange(m), 0))
    order = np.argsort(rank, kind="stable")
    ends = np.cumsum(np.bincount(rank))
    for begin, end in pairwise(ends):  # all trains at once, rank by rank
        at = order[begin:end]
        trace[at] = factor[at] * (trace[at - 1] + sign[at - 1])
    return trace


# ---- membranes


class MaxVCrossEntropy(Loss):
    """Cross-entropy of the softmax of (max over time of V_m) / scale; exact also where the maximum is a kink.

    Parameters
    ----------
    population : the output neurons, one per class; best without threshold, such as `LeakyIntegrator`
    scale : temperature [mV]
    """

    def __init__(self, population: Population | str, scale: float = 1.0, reduction: str = "mean"):
        super().__init__(population, reduction)
        self.scale = check.number("MaxVCrossEntropy", "scale", scale, "positive")

    def __call__(self, response: Response, targets: Any = None) -> Answer:
        V = response.max_V(self.population)
        cost, p = cross_entropy(V * (1.0 / self.scale), _labels(self, targets, *V.shape))
        share = self._share(response)
        return share * float(cost.sum()), {self.population: Sensitivity(max_V=p * (share / self.scale))}


class IntegralVCrossEntropy(Loss):
    """Cross-entropy of the softmax of ``(1/scale) integral of exp(-t/decay) V_m dt`` over the run.

    Parameters
    ----------
    population : the output neurons, one per class
    decay : time constant [ms]; inf weighs all times alike, a finite one asks for early answers (Nowotny et al. 2025)
    scale : temperature [mV ms]
    """

    def __init__(self, population: Population | str, decay: float = np.inf, scale: float = 1.0, reduction: str = "mean"):
        super().__init__(population, reduction)
        self.decay = check.number("IntegralVCrossEntropy", "decay", decay, "any")
        if not self.decay > 0.0:
            raise ValueError(f"IntegralVCrossEntropy: decay = {decay!r} must be > 0 (inf: none)")
        self.scale = check.number("IntegralVCrossEntropy", "scale", scale, "positive")

    def __call__(self, response: Response, targets: Any = None) -> Answer:
        area = response.integral_V(self.population, self.decay)
        cost, p = cross_entropy(area * (1.0 / self.scale), _labels(self, targets, *area.shape))
        share = self._share(response)
        return share * float(cost.sum()), {self.population: Sensitivity(integral_V={self.decay: p * (share / self.scale)})}


class MembraneError(Loss):
    """Squared error of V_m at given times: sum over neurons i and times k of (V_i(t_k) - target_ik)^2, per sample.

    Parameters
    ----------
    population : the neurons
    times : (K,) [ms]
    table : (n_classes, n, K) wanted potentials of each class [mV]; the targets are then labels. Without it the targets are
        the wanted potentials, (B, n, K), or (1, n, K) for all samples. NaN: no matter.
    """

    def __init__(self, population: Population | str, times: Any, table: Any = None, reduction: str = "mean"):
        super().__init__(population, reduction)
        self.times = np.atleast_1d(check.values("MembraneError", "times", times, "nonnegative"))
        self.table = None if table is None else np.array(table, np.float64)

    def __call__(self, response: Response, targets: Any = None) -> Answer:
        V = response.V(self.population, self.times)
        wanted = _wanted(self, response, targets)
        if wanted.shape[-1] != len(self.times):
            raise ValueError(f"{self!r}: targets has {wanted.shape[-1]} potentials for {len(self.times)} times")
        off = np.where(np.isfinite(wanted), V - wanted, 0.0)
        share = self._share(response)
        return share * float(np.sum(off * off)), {self.population: Sensitivity(V=[(self.times, 2.0 * share * off)])}


class IntegralSquareError(Loss):
    """``integral of (V_m - y)^2 dt`` over the run, summed over neurons, per sample.

    Parameters
    ----------
    population : the neurons
    target : the potential y that every neuron shall keep [mV]; without it the targets are (B, n), or (n,) for all samples

    Notes
    -----
    Different y need only one squared integral, around their mean c: (V - y)^2 = (V - c)^2 + 2 (c - y) (V - c) + (c - y)^2.
    """

    def __init__(self, population: Population | str, target: float | None = None, reduction: str = "mean"):
        super().__init__(population, reduction)
        self.target = None if target is None else check.number("IntegralSquareError", "target", target)

    def __call__(self, response: Response, targets: Any = None) -> Answer:
        share, shape = self._share(response), (response.n_samples, response.size(self.population))
        if self.target is not None:
            value = response.integral_square(self.population, self.target)
            sensitivity = Sensitivity(integral_square={self.target: np.full(shape, share)})
            return share * float(value.sum()), {self.population: sensitivity}
        y = np.asarray(targets, np.float64)
        if y.shape not in (shape, shape[1:]) or not np.isfinite(y).all():
            raise ValueError(f"{self!r}: targets must be finite, of shape {shape} or {shape[1:]}; it has shape {y.shape}")
        c, T = float(y.mean()), response.duration
        square, area = response.integral_square(self.population, c), response.integral_V(self.population) - c * T
        off = np.broadcast_to(c - y, shape)
        value = square + 2.0 * off * area + off * off * T
        sensitivity = Sensitivity(integral_square={c: np.full(shape, share)}, integral_V={np.inf: 2.0 * share * off})
        return share * float(value.sum()), {self.population: sensitivity}


# ---- activity


class SilentHinge(Loss):
    """Raise the membranes of silent neurons: sum over the neurons without a spike of (level - max V_m)_+, per sample.

    The exact way to reach a neuron that does not fire: the maximum of its membrane has a derivative where its spikes
    have none.

    Parameters
    ----------
    population : the neurons
    margin : the level is V_th - margin [mV]; a little above the threshold (margin < 0) keeps on pulling until the neuron
        fires
    dead : True: only neurons silent in all samples of the batch; False: each sample for itself

    Notes
    -----
    The derivative by V_th is included. Targets are ignored.
    """

    def __init__(self, population: Population | str, margin: float = 0.0, dead: bool = False, reduction: str = "mean"):
        super().__init__(population, reduction)
        self.margin = check.number("SilentHinge", "margin", margin)
        self.dead = check.flag("SilentHinge", "dead", dead)

    def __call__(self, response: Response, targets: Any = None) -> Answer:
        silent = response.counts(self.population) == 0
        if self.dead:
            silent &= silent.all(axis=0)
        if not silent.any():
            return 0.0, {}
        if "V_th" not in response.network.find(self.population, "SilentHinge")[0].model.parameters:
            raise TypeError(f"{self!r}: these neurons have no V_th; give a population of neurons that spike")
        gap = np.where(silent, response.parameter(self.population, "V_th") - self.margin - response.max_V(self.population), 0.0)
        pull = np.where(gap > 0.0, self._share(response), 0.0)
        sensitivity = Sensitivity(max_V=-pull, parameters={"V_th": pull.sum(axis=0)})
        return float(np.sum(pull * gap)), {self.population: sensitivity}


class UpperActivity(Loss):
    """Push superfluous spikes out of the run: sum over the spikes beyond the first `limit` of a neuron of ((T - t)/T)^power.

    T is the duration. A spike that is pushed to the end of the run costs nothing when it leaves, so the value stays
    continuous there, and its derivative by the spike times is exact.

    Parameters
    ----------
    population : the neurons
    limit : number of spikes per neuron and sample that are free of charge
    power : 1 or more; above 1 the derivative is continuous too

    Notes
    -----
    Targets are ignored.
    """

    def __init__(self, population: Population | str, limit: int, power: float = 2.0, reduction: str = "mean"):
        super().__init__(population, reduction)
        self.limit = check.count("UpperActivity", "limit", limit)
        self.power = check.number("UpperActivity", "power", power)
        if self.power < 1.0:
            raise ValueError(f"UpperActivity: power = {power!r} must be >= 1")

    def __call__(self, response: Response, targets: Any = None) -> Answer:
        time, T, share = response.spikes(self.population).time, response.duration, self._share(response)
        many = response.ranks(self.population) >= self.limit
        left = np.where(many, 1.0 - time / T, 0.0)
        slope = np.where(many, -self.power * share / T * left ** (self.power - 1.0), 0.0)
        return share * float(np.sum(left**self.power)), {self.population: Sensitivity(times=slope)}


class SpikeCountSurrogate(Loss):
    """Pull spike counts to wanted ones by a rule of thumb. NOT A GRADIENT: the exact derivative of a count is 0.

    The value is strength/2 times the sum over neurons of (count - wanted)^2. In place of its derivative, every spike of the
    neuron makes the membrane costate jump by p_v = strength * (count - wanted): too many spikes, and all of them are asked
    for less drive (as GeNN's EventProp compiler does, Nowotny et al. 2025). It comes as a fake derivative by the spike
    times, -slope * p_v, because a time derivative G makes p_v = -G/slope. A silent neuron gets nothing.

    Parameters
    ----------
    population : the neurons
    wanted : a number, or (n,), of spikes per neuron and sample; without it the targets are the counts, (B, n)
    strength : [1]
    average : True: compare the mean count over the batch, neuron by neuron; False: each sample for itself
    """

    def __init__(
        self,
        population: Population | str,
        wanted: Any = None,
        strength: float = 1.0,
        average: bool = False,
        reduction: str = "mean",
    ):
        super().__init__(population, reduction)
        self.wanted = None if wanted is None else check.values("SpikeCountSurrogate", "wanted", wanted, "nonnegative")
        self.strength = check.number("SpikeCountSurrogate", "strength", strength, "nonnegative")
        self.average = check.flag("SpikeCountSurrogate", "average", average)

    def __call__(self, response: Response, targets: Any = None) -> Answer:
        spikes, counts = response.spikes(self.population), response.counts(self.population)
        wanted = np.asarray(targets if self.wanted is None else self.wanted, np.float64)
        if wanted.ndim and wanted.shape not in (counts.shape, counts.shape[1:]):
            raise ValueError(f"{self!r}: wanted counts have shape {wanted.shape} for (samples, neurons) = {counts.shape}")
        if self.average:
            counts = np.broadcast_to(counts.mean(axis=0), counts.shape)
        off = self.strength * (counts - wanted)
        share = self._share(response)
        value = 0.5 * share * float(np.sum(off * (counts - wanted)))
        p_v = share * off[spikes.sample, spikes.neuron]
        return value, {self.population: Sensitivity(times=-response.slopes(self.population) * p_v)}


# ---- what they share


def _first(response: Response, population: Population | str) -> tuple[np.ndarray, np.ndarray, int]:
    """First spike times (B, n), inf if silent, their places in the list of spikes, -1 if silent, and its length."""
    spikes, n, B = response.spikes(population), response.size(population), response.n_samples
    m = len(spikes.time)
    places, times = np.full(B * n, -1, np.int64), np.full(B * n, np.inf)
    last_first = (spikes.sample * n + spikes.neuron)[::-1]  # of equal indices the last one stays
    places[last_first], times[last_first] = np.arange(m - 1, -1, -1), spikes.time[::-1]
    return times.reshape(B, n), places.reshape(B, n), m


def _table(response: Response, population: Population | str, k: int) -> tuple[np.ndarray, np.ndarray, int]:
    """The same for the first k spikes, (B, n, k)."""
    if k == 1:
        times, places, m = _first(response, population)
        return times[:, :, None], places[:, :, None], m
    return *response.table(population, k), len(response.spikes(population).time)


def _at(places: np.ndarray, derivative: np.ndarray, m: int) -> np.ndarray:
    """The derivative in the order of the spikes, (m,)."""
    out = np.zeros(m + 1)
    out[places] = derivative  # what belongs to no spike goes to the last place
    return out[:m]


def cross_entropy(logits: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """-log softmax at the labels (B,), and its derivative by the logits (B, n)."""
    label = np.arange(len(labels)), labels
    shifted = logits - logits[label][:, None]
    top = shifted.max(axis=1)  # at least 0, the label's own
    p = np.exp(shifted - top[:, None])
    total = p.sum(axis=1)
    p /= total[:, None]
    p[label] -= 1.0
    return np.log(total) + top, p


def _labels(loss: Loss, targets: Any, B: int, n: int) -> np.ndarray:
    """Targets as labels (B,), each below n."""
    labels = np.asarray(targets)
    if labels.dtype.kind not in "iu":
        raise TypeError(f"{loss!r}: targets must be labels, integers; they are {labels.dtype}")
    if labels.shape != (B,):
        raise ValueError(f"{loss!r}: targets has shape {labels.shape}; give one label for each of {B} samples")
    if B and (labels.min() < 0 or labels.max() >= n):
        k = int(np.argmax((labels < 0) | (labels >= n)))
        raise ValueError(f"{loss!r}: targets[{k}] = {labels[k]} must be a class, 0 to {n - 1}")
    return labels


def _wanted(loss: Any, response: Response, targets: Any) -> np.ndarray:
    """Wanted values (B, n, k): the targets themselves, or rows of the loss's table at the labels."""
    B, n = response.n_samples, response.size(loss.population)
    if loss.table is not None:
        table = loss.table[:, :, None] if loss.table.ndim == 2 else loss.table
        if table.ndim != 3 or table.shape[1] != n:
            raise ValueError(f"{loss!r}: table has shape {loss.table.shape}; it must be (classes, {n}, k) or (classes, {n})")
        return table[_labels(loss, targets, B, len(table))]
    wanted = np.asarray(targets, np.float64)
    if wanted.ndim == 2:
        wanted = wanted[:, :, None]
    if wanted.ndim != 3 or wanted.shape[0] not in (1, B) or wanted.shape[1] != n:
        raise ValueError(f"{loss!r}: targets has shape {np.shape(targets)}; it must be ({B}, {n}, k), (1, {n}, k) or ({B}, {n})")
    return np.broadcast_to(wanted, (B, *wanted.shape[1:]))


__all__ = [
    "FirstSpikeCrossEntropy",
    "FirstSpikeMargin",
    "IntegralSquareError",
    "IntegralVCrossEntropy",
    "Loss",
    "MaxVCrossEntropy",
    "MembraneError",
    "RelativeSpikeTimeError",
    "SilentHinge",
    "SpikeCountSurrogate",
    "SpikeTimeError",
    "Sum",
    "UpperActivity",
    "VanRossum",
]
