"""Encoders: times, ids and derivatives against loops over single numbers."""

import math

import numpy as np
import pytest

import eventsim as es
from eventsim import encode

X = np.array([[0.0, 0.25, 1.0], [0.5, 0.05, 0.9], [0.0, 0.0, 0.0], [1.0, 0.6, 0.3]])


def sets(trains):
    """Per sample, the set of (id, time)."""
    assert isinstance(trains, es.SpikeTrains)
    for times, _ in trains:
        assert np.all(np.diff(times) >= 0)
    return [{(int(i), round(float(t), 10)) for t, i in zip(*pair, strict=True)} for pair in trains]


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("complement", [False, True])
@pytest.mark.parametrize("tau", [None, 4.0])
def test_latency(tau, complement, bias):
    threshold = 0.1
    encoder = encode.Latency(20.0, t_min=2.0, threshold=threshold, tau=tau, complement=complement, bias=bias)
    expected = []
    for row in X:
        spikes = set()
        for j, x in enumerate([*row, *(1.0 - row)] if complement else row):
            if x > threshold:
                t = 2.0 + (18.0 * (1.0 - x) if tau is None else tau * math.log(x / (x - threshold)))
                spikes.add((j, round(float(t), 10)))
        expected.append(spikes | ({(encoder.n_sources(3) - 1, 2.0)} if bias else set()))
    assert sets(encoder(X)) == expected
    assert encoder.n_sources(3) == 3 * (1 + complement) + bias


def test_latency_clips_and_drops():
    assert sets(encode.Latency(10.0)(np.array([[-1.0, 2.0]]))) == [{(1, 0.0)}]
    late = encode.Latency(3.0, threshold=0.5, tau=1.0)  # log(0.51 / 0.01) = 3.9 is too late
    assert sets(late(np.array([[0.51, 1.0]]))) == [{(1, round(math.log(2.0), 10))}]


def weighted_sum(encoder, X, of):
    """Sum over spikes of of[source] * t^2, and its derivative by the times."""
    trains = encoder(X)
    return np.sum(of[trains.ids] * trains.times**2), 2.0 * of[trains.ids] * trains.times, trains


@pytest.mark.parametrize(
    "encoder",
    [
        encode.Latency(20.0),
        encode.Latency(20.0, t_min=1.0, complement=True, bias=True),
        encode.Latency(20.0, threshold=0.1, tau=3.0, complement=True),
        encode.Population(5, t_max=15.0, threshold=0.01),
    ],
    ids=repr,
)
def test_gradients(encoder):
    rng = np.random.default_rng(1)
    inside = rng.uniform(0.15, 0.85, (6, 3))
    of = rng.normal(0.0, 1.0, encoder.n_sources(3))
    _, d_times, trains = weighted_sum(encoder, inside, of)
    got = encoder.gradient(inside, d_times)
    assert np.array_equal(
        got, encoder.gradient(inside, [d_times[a:b] for a, b in zip(trains.starts, trains.starts[1:], strict=False)])
    )
    h, expected = 1e-5, np.zeros((6, 3))
    for k in np.ndindex(6, 3):
        up, down = inside.copy(), inside.copy()
        up[k] += h
        down[k] -= h
        expected[k] = (weighted_sum(encoder, up, of)[0] - weighted_sum(encoder, down, of)[0]) / (2 * h)
    np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-6 * np.abs(expected).max())
    with pytest.raises(ValueError, match="dL_dtimes has shape"):
        encoder.gradient(inside, d_times[1:])


def test_clipped_features_have_no_derivative():
    encoder, x = encode.Latency(20.0), np.array([[1.5, 0.5, -0.5]])
    assert encoder.gradient(x, np.ones(2)).tolist() == [[0.0, -20.0, 0.0]]


def test_rate():
    n, x = 4000, np.tile([[0.0, 0.5, 1.0]], (4000, 1))
    trains = encode.Rate(80.0, 50.0, seed=3)(x)
    counts = np.array([np.bincount(ids, minlength=3) for _, ids in trains])
    assert np.all(counts[:, 0] == 0)
    for j, mean in ((1, 2.0), (2, 4.0)):
        assert abs(counts[:, j].mean() - mean) < 5 * math.sqrt(mean / n)
        assert abs(counts[:, j].var() - mean) < 5 * math.sqrt((mean + 2 * mean**2) / n)
    assert abs(trains.times.mean() - 25.0) < 5 * 50.0 / math.sqrt(12 * len(trains.times))
    assert trains.times.min() >= 0 and trains.times.max() < 50.0
    again, other = encode.Rate(80.0, 50.0, seed=3)(x), encode.Rate(80.0, 50.0, seed=4)(x)
    assert np.array_equal(trains.times, again.times) and len(other.times) != len(trains.times)


def delta_by_hand(signal, threshold, dt):
    """Step by step, one crossing after another."""
    spikes, level = set(), signal[0]
    for k in range(len(signal) - 1):
        a, b = signal[k], signal[k + 1]
        while abs(b - level) >= threshold:
            level += threshold if b > level else -threshold
            spikes.add((0 if b > a else 1, round(float(dt * (k + (level - a) / (b - a))), 10)))
    return spikes


@pytest.mark.parametrize("threshold", [0.25, 0.5])
def test_delta(threshold):
    signals = np.random.default_rng(2).normal(0.0, 1.0, (3, 40))
    signals[1] = np.repeat(signals[1, ::4], 4)
    trains = encode.Delta(threshold, dt=2.0)(signals)
    got = sets(trains)
    assert got == [delta_by_hand(s, threshold, 2.0) for s in signals]
    assert min(map(len, got)) > 10


def test_delta_channels():
    rising, falling = np.linspace(0.0, 1.0, 5), np.linspace(1.0, 0.0, 5)
    trains = encode.Delta(0.5, dt=1.0)(np.stack([rising, falling], axis=1)[None])
    assert sets(trains) == [{(0, 2.0), (0, 4.0), (3, 2.0), (3, 4.0)}]
    assert encode.Delta(0.5).n_sources(2) == 4
    assert len(encode.Delta()(np.zeros((2, 1)))) == 2


def test_population():
    encoder = encode.Population(4, low=-1.0, high=2.0, sigma=0.8, t_max=10.0, threshold=0.2)
    x = np.random.default_rng(0).uniform(-1.0, 2.0, (5, 2))
    expected = []
    for row in x:
        g = {4 * j + i: math.exp(-((v - c) ** 2) / 1.28) for j, v in enumerate(row) for i, c in enumerate([-1.0, 0.0, 1.0, 2.0])}
        expected.append({(k, round(10.0 * (1 - v), 10)) for k, v in g.items() if v > 0.2})
    assert sets(encoder(x)) == expected
    assert encoder.n_sources(2) == 8


@pytest.mark.parametrize("encoder", [encode.Latency(), encode.Rate(), encode.Population(), encode.Delta()], ids=repr)
def test_no_samples(encoder):
    assert len(encoder(np.zeros((0, 3)))) == 0


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: encode.Latency(0.0), ["Latency", "t_max", "> 0"]),
        (lambda: encode.Latency(1.0, t_min=2.0), ["t_min = 2.0", "t_max = 1.0"]),
        (lambda: encode.Latency(tau=3.0), ["tau = 3.0", "threshold > 0"]),
        (lambda: encode.Latency()(np.zeros(3)), ["Latency", "(3,)", "(samples, features)"]),
        (lambda: encode.Latency()([[np.nan]]), ["Latency", "finite"]),
        (lambda: encode.Population(low=1.0, high=0.0), ["low = 1.0", "high = 0.0"]),
        (lambda: encode.Delta(dt=0.0), ["Delta", "dt", "> 0"]),
        (lambda: encode.Delta()(np.zeros(3)), ["Delta", "(3,)"]),
    ],
)
def test_errors(make, words):
    with pytest.raises(ValueError) as info:
        make()
    assert all(word in str(info.value) for word in words), info.value
