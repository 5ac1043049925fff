"""Losses: values against formulas written out, derivatives against differences of the values.

A loss sees a batch of runs through a `Response`. Here the runs are given: what they answer can be moved a little.
"""

import numpy as np
import pytest
from scipy.integrate import trapezoid

import eventsim as es
from eventsim import losses
from eventsim.response import Response, Sensitivity, Spikes

B, N, T = 5, 4, 20.0
LABELS = np.array([0, 3, 1, 2, 0])


class Given:
    """Runs of one population of N neurons whose answers are given."""

    n_samples, duration = B, T

    def __init__(self, spikes, max_V, V):
        self.list, self.max, self.potential = spikes, max_V, V
        self.steep = np.linspace(0.5, 2.0, len(spikes.time))

    def spikes(self, population):
        return self.list

    def slopes(self, population):
        return self.steep

    def parameters(self, population):
        return {"V_th": np.array([-55.0])}

    def max_V(self, population):
        return self.max

    def V(self, population, times):
        return self.potential[:, :, None] * np.exp(-times / 7.0)

    def integral_V(self, population, decay):
        rate = 1.0 / 7.0 + 1.0 / decay
        return self.potential * -np.expm1(-T * rate) / rate

    def integral_square(self, population, target):
        """Of V = a exp(-t/7): a^2 (7/2) (1 - exp(-2T/7)) - 2 y a 7 (1 - exp(-T/7)) + y^2 T."""
        a = self.potential
        return -a * a * 3.5 * np.expm1(-2 * T / 7) + 14.0 * target * a * np.expm1(-T / 7) + target**2 * T


@pytest.fixture
def network():
    net = es.Network()
    net.add("input", 2, es.SpikeSource())
    net.add("out", N, es.LIF())
    return net


def spikes(rng, m=24):
    """m spikes; neuron 2 of sample 2 and all of sample 4 but neuron 1 are silent, the label of sample 4 too."""
    sample, neuron = rng.integers(0, B, m), rng.integers(0, N, m)
    neuron[sample == 4] = 1
    neuron[(sample == 2) & (neuron == 2)] = 3
    time = rng.uniform(1.0, T - 1.0, m)
    order = np.lexsort((neuron, time, sample))
    return Spikes(sample[order], time[order], neuron[order])


@pytest.fixture(params=[0, 1])
def runs(request):
    rng = np.random.default_rng(request.param)
    max_V = rng.uniform(-70.0, -55.5, (B, N))
    return Given(spikes(rng), max_V, rng.normal(0.0, 3.0, (B, N)))


def train(runs, sample, neuron):
    s = runs.list
    return s.time[(s.sample == sample) & (s.neuron == neuron)]


def moved(runs, name, step, k):
    """The runs with one number changed."""
    new = Given(runs.list, runs.max.copy(), runs.potential.copy())
    if name == "time":
        time = runs.list.time.copy()
        time[k] += step
        new.list = runs.list._replace(time=time)
    else:
        getattr(new, name).reshape(-1)[k] += step
    return new


def difference(f, h):
    """f'(0) to fourth order."""
    return (8.0 * (f(h) - f(-h)) - (f(2 * h) - f(-2 * h))) / (12.0 * h)


def check_derivative(network, loss, runs, targets, *names, h=1e-4, rtol=2e-9):
    """All derivatives by spike times, maxima or potentials; returns the largest one, so that a test can see it is not 0."""
    _, sensitivities = loss(Response(network, runs), targets)
    s = next(iter(sensitivities.values()))
    a = runs.potential
    by = {"time": s.times, "max": s.max_V, "potential": np.zeros_like(a)}
    for decay, g in s.integral_V.items():
        by["potential"] += g * runs.integral_V(0, decay) / a
    for target, g in s.integral_square.items():
        by["potential"] += g * (-7.0 * a * np.expm1(-2 * T / 7) + 14.0 * target * np.expm1(-T / 7))
    for times, g in s.V:
        by["potential"] += g @ np.exp(-times / 7.0)
    largest = 0.0
    for name in names:
        got = np.ravel(by[name])
        expected = [
            difference(lambda e, k=k, name=name: loss(Response(network, moved(runs, name, e, k)), targets)[0], h)
            for k in range(len(got))
        ]
        scale = np.abs(expected).max()
        np.testing.assert_allclose(got, expected, rtol=rtol, atol=rtol * scale)
        largest = max(largest, scale)
    assert largest > 1e-3
    return largest


def value(network, loss, runs, targets=LABELS):
    return loss(Response(network, runs), targets)[0]


# ---- values


def first(runs, sample, neuron):
    return train(runs, sample, neuron).min(initial=np.inf)


@pytest.mark.parametrize("alpha", [0.0, 0.3])
@pytest.mark.parametrize("silent", [None, 15.0])
def test_first_spike_cross_entropy(network, runs, alpha, silent):
    loss = losses.FirstSpikeCrossEntropy("out", tau=2.5, alpha=alpha, tau_early=9.0, silent=silent)
    expected = 0.0
    for b, label in enumerate(LABELS):
        t = np.array([first(runs, b, i) for i in range(N)])
        if np.isinf(t[label]):
            t[label] = T if silent is None else silent
        expected -= np.log(np.exp(-t[label] / 2.5) / np.sum(np.exp(-t / 2.5)))
        expected += alpha * (np.exp(t[label] / 9.0) - 1.0)
    assert value(network, loss, runs) == pytest.approx(expected / B, rel=1e-13)
    check_derivative(network, loss, runs, LABELS, "time")


def test_silent_neurons_get_no_derivative_and_leave_no_nan(network):
    nobody = Given(Spikes(np.zeros(0, int), np.zeros(0), np.zeros(0, int)), np.full((B, N), -60.0), np.ones((B, N)))
    for loss in (
        losses.FirstSpikeCrossEntropy("out"),
        losses.FirstSpikeMargin("out"),
        losses.SpikeTimeError("out", np.ones((N, N))),
    ):
        v, s = loss(Response(network, nobody), LABELS)
        assert np.isfinite(v) and s["out"].times.shape == (0,)


def test_cross_entropy_of_far_apart_times_does_not_overflow(network, runs):
    v, s = losses.FirstSpikeCrossEntropy("out", tau=1e-4)(Response(network, runs), LABELS)
    assert np.isfinite(v) and np.isfinite(s["out"].times).all()


@pytest.mark.parametrize("k", [1, 3])
def test_spike_time_error(network, runs, k):
    table = np.random.default_rng(3).uniform(0.0, T, (N, N, k))
    table[1, 2, 0] = np.nan
    loss = losses.SpikeTimeError("out", table, silent=18.0, reduction="sum")
    expected = 0.0
    for b, label in enumerate(LABELS):
        for i in range(N):
            t = np.r_[np.sort(train(runs, b, i)), np.full(k, 18.0)][:k]
            expected += np.nansum((t - table[label, i]) ** 2)
    assert value(network, loss, runs) == pytest.approx(expected, rel=1e-13)
    check_derivative(network, loss, runs, LABELS, "time")
    direct = losses.SpikeTimeError("out", silent=18.0, reduction="sum")
    assert value(network, direct, runs, table[LABELS]) == value(network, loss, runs)


def test_relative_spike_time_error(network, runs):
    table = np.random.default_rng(3).uniform(0.0, T, (N, N, 2))
    table[0, 1, 1] = np.inf
    loss = losses.RelativeSpikeTimeError("out", table)
    expected = 0.0
    for b, label in enumerate(LABELS):
        d = np.array([np.r_[np.sort(train(runs, b, i)), T, T][:2] for i in range(N)]) - table[label]
        d = d[np.isfinite(d)]
        expected += np.sum((d - d.mean()) ** 2) / B
    assert value(network, loss, runs) == pytest.approx(expected, rel=1e-12)
    check_derivative(network, loss, runs, LABELS, "time")
    assert value(network, losses.RelativeSpikeTimeError("out", table + 1.0), runs) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("gamma", [0.0, 4.0])
def test_first_spike_margin(network, runs, gamma):
    loss = losses.FirstSpikeMargin("out", gamma=gamma)
    expected = 0.0
    for b, label in enumerate(LABELS):
        t = np.array([first(runs, b, i) for i in range(N)])
        if np.isinf(t[label]):
            t[label] = T
        wanted = np.maximum(t, t.min() + gamma)
        wanted[label] = t.min()
        fires = np.isfinite(t)
        expected += np.sum((wanted[fires] - t[fires]) ** 2) / B
    assert value(network, loss, runs) == pytest.approx(expected, rel=1e-13)
    check_derivative(network, loss, runs, LABELS, "time")


def test_van_rossum(network, runs):
    """Against the pairs of spikes, and against the integral on a grid."""
    rng = np.random.default_rng(8)
    wanted = es.SpikeTrains.of([(np.sort(rng.uniform(0, T, k)), rng.integers(0, N, k)) for k in (3, 0, 7, 1, 2)])
    tau, pairs, integral = 3.0, 0.0, 0.0
    grid = np.linspace(0.0, T + 40 * tau, 400_001)
    for b in range(B):
        times, ids = wanted[b]
        for i in range(N):
            t = np.r_[train(runs, b, i), times[ids == i]]
            sign = np.r_[np.ones(len(train(runs, b, i))), -np.ones(np.sum(ids == i))]
            pairs += 0.5 * np.sum(sign[:, None] * sign * np.exp(-np.abs(t[:, None] - t) / tau))
            f = sum(
                (s * np.where(grid >= u, np.exp(np.minimum(u - grid, 0) / tau), 0.0) for s, u in zip(sign, t, strict=True)),
                0 * grid,
            )
            integral += trapezoid(f * f, grid) / tau
    loss = losses.VanRossum("out", tau)
    assert value(network, loss, runs, wanted) == pytest.approx(pairs / B, rel=1e-12)
    assert value(network, loss, runs, wanted) == pytest.approx(integral / B, rel=1e-3)  # the trapezoidal rule at jumps
    check_derivative(network, loss, runs, wanted, "time")
    own = es.SpikeTrains(runs.list.time, runs.list.neuron, np.searchsorted(runs.list.sample, np.arange(B + 1)))
    assert value(network, loss, runs, own) == pytest.approx(0.0, abs=1e-14)


def softmax_cost(logits, label):
    return np.log(np.sum(np.exp(logits - logits[label])))


def test_max_V_cross_entropy(network, runs):
    loss = losses.MaxVCrossEntropy("out", scale=2.0)
    expected = np.mean([softmax_cost(runs.max[b] / 2.0, label) for b, label in enumerate(LABELS)])
    assert value(network, loss, runs) == pytest.approx(expected, rel=1e-13)
    check_derivative(network, loss, runs, LABELS, "max")


@pytest.mark.parametrize("decay", [np.inf, 6.0])
def test_integral_V_cross_entropy(network, runs, decay):
    loss = losses.IntegralVCrossEntropy("out", decay, scale=10.0)
    area = runs.integral_V(1, decay)
    expected = np.mean([softmax_cost(area[b] / 10.0, label) for b, label in enumerate(LABELS)])
    assert value(network, loss, runs) == pytest.approx(expected, rel=1e-13)
    check_derivative(network, loss, runs, LABELS, "potential")


def test_membrane_error(network, runs):
    times, table = np.array([1.0, 4.0, 9.0]), np.random.default_rng(2).normal(0.0, 2.0, (N, N, 3))
    table[3, 0, 1] = np.nan
    loss = losses.MembraneError("out", times, table)
    expected = np.nansum((runs.V(1, times) - table[LABELS]) ** 2) / B
    assert value(network, loss, runs) == pytest.approx(expected, rel=1e-13)
    check_derivative(network, loss, runs, LABELS, "potential")


def test_integral_square_error(network, runs):
    grid = np.linspace(0.0, T, 200_001)
    V = runs.potential[:, :, None] * np.exp(-grid / 7.0)
    y = np.random.default_rng(5).normal(0.0, 2.0, (B, N))
    for loss, target in ((losses.IntegralSquareError("out", target=1.5), None), (losses.IntegralSquareError("out"), y)):
        wanted = 1.5 if target is None else y[:, :, None]
        expected = trapezoid((V - wanted) ** 2, grid, axis=2).sum() / B
        assert value(network, loss, runs, target) == pytest.approx(expected, rel=1e-8)
        check_derivative(network, loss, runs, target, "potential")


@pytest.mark.parametrize("dead", [False, True])
def test_silent_hinge(network, runs, dead):
    runs.list = Spikes(*(a[runs.list.neuron != 2] for a in runs.list))  # neuron 2 is silent in all samples
    loss = losses.SilentHinge("out", margin=2.0, dead=dead)
    expected = sum(
        max(0.0, -57.0 - runs.max[b, i]) for b in range(B) for i in range(N) if (i == 2 if dead else not len(train(runs, b, i)))
    )
    assert value(network, loss, runs) == pytest.approx(expected / B, rel=1e-13)
    check_derivative(network, loss, runs, None, "max")


@pytest.mark.parametrize("power", [1.0, 2.0, 3.0])
def test_upper_activity(network, runs, power):
    loss = losses.UpperActivity("out", limit=1, power=power)
    expected = sum(np.sum((1.0 - np.sort(train(runs, b, i))[1:] / T) ** power) for b in range(B) for i in range(N))
    assert value(network, loss, runs) == pytest.approx(expected / B, rel=1e-13)
    check_derivative(network, loss, runs, None, "time")


@pytest.mark.parametrize("average", [False, True])
def test_spike_count_surrogate_delivers_a_membrane_costate(network, runs, average):
    """p_v = -G/slope is what the backward pass makes of a time derivative G; it must be strength (count - wanted)."""
    loss = losses.SpikeCountSurrogate("out", wanted=2.0, strength=0.3, average=average)
    response = Response(network, runs)
    v, s = loss(response)
    counts = np.array([[len(train(runs, b, i)) for i in range(N)] for b in range(B)], float)
    if average:
        counts[:] = counts.mean(axis=0)
    assert v == pytest.approx(0.15 * np.sum((counts - 2.0) ** 2) / B, rel=1e-13)
    p_v = -s["out"].times / response.slopes("out")
    np.testing.assert_allclose(p_v, 0.3 * (counts - 2.0)[runs.list.sample, runs.list.neuron] / B, rtol=1e-13)
    assert np.abs(p_v).max() > 0


# ---- sums


def test_losses_add_and_scale(network, runs):
    """By population, whether it was given as such or by its name."""
    a = losses.FirstSpikeCrossEntropy("out", tau=3.0)
    b = losses.UpperActivity(network["out"], 1)
    c = losses.SilentHinge("out")
    total = 2.0 * (a + 0.1 * b) + c
    response = Response(network, runs)
    parts = [loss(response, LABELS) for loss in (a, b, c)]
    v, s = total(response, LABELS)
    assert v == pytest.approx(2.0 * parts[0][0] + 0.2 * parts[1][0] + parts[2][0], rel=1e-14)
    assert list(s) == [network["out"]]
    np.testing.assert_allclose(s[network["out"]].times, 2.0 * parts[0][1]["out"].times + 0.2 * parts[1][1][network["out"]].times)
    np.testing.assert_array_equal(s[network["out"]].max_V, parts[2][1]["out"].max_V)
    assert repr(total) == "2 * FirstSpikeCrossEntropy('out') + 0.2 * UpperActivity('out') + SilentHinge('out')"


def test_a_function_is_a_loss_too(network, runs):
    def last_spike(response, targets):
        times = np.zeros(len(response.spikes("out").time))
        times[-1] = 1.0
        return float(response.spikes("out").time[-1]), {"out": Sensitivity(times=times)}

    for total in (losses.SilentHinge("out") + last_spike, last_spike + losses.SilentHinge("out")):
        check_derivative(network, total, runs, None, "time")


def test_sum_and_mean(network, runs):
    mean, total = (losses.MaxVCrossEntropy("out", reduction=r)(Response(network, runs), LABELS) for r in ("mean", "sum"))
    assert total[0] == pytest.approx(B * mean[0], rel=1e-14)
    np.testing.assert_allclose(total[1]["out"].max_V, B * mean[1]["out"].max_V, rtol=1e-14)


# ---- errors


@pytest.mark.parametrize(
    "make, error, words",
    [
        (lambda: losses.FirstSpikeCrossEntropy("out", tau=0.0), ValueError, ["FirstSpikeCrossEntropy", "tau", "0", "> 0"]),
        (lambda: losses.MaxVCrossEntropy("out", reduction="none"), ValueError, ["reduction", "none", "mean"]),
        (lambda: losses.MaxVCrossEntropy(3), TypeError, ["population", "3"]),
        (lambda: losses.IntegralVCrossEntropy("out", decay=-1.0), ValueError, ["decay", "-1", "> 0"]),
        (lambda: losses.UpperActivity("out", 1, power=0.5), ValueError, ["power", "0.5", ">= 1"]),
        (lambda: losses.MaxVCrossEntropy("out") + 1.0, TypeError, ["1.0", "loss(response, targets)"]),
    ],
)
def test_construction_errors(make, error, words):
    with pytest.raises(error) as info:
        make()
    assert all(word in str(info.value) for word in words), info.value


@pytest.mark.parametrize(
    "loss, targets, error, words",
    [
        (losses.MaxVCrossEntropy("out"), [0.0] * B, TypeError, ["labels", "float64"]),
        (losses.MaxVCrossEntropy("out"), [0] * 3, ValueError, ["(3,)", "5 samples"]),
        (losses.MaxVCrossEntropy("out"), [0, 1, 2, 4, 0], ValueError, ["targets[3] = 4", "0 to 3"]),
        (losses.SpikeTimeError("out"), np.zeros((B, 3)), ValueError, ["(5, 3)", "(5, 4, k)"]),
        (losses.SpikeTimeError("out", np.zeros((2, 3))), [0] * B, ValueError, ["table", "(2, 3)"]),
        (losses.MembraneError("out", [1.0, 2.0]), np.zeros((B, N, 3)), ValueError, ["3 potentials", "2 times"]),
        (losses.VanRossum("out"), [([1.0], [0])], ValueError, ["1 trains", "5 samples"]),
        (losses.IntegralSquareError("out"), np.zeros(3), ValueError, ["(5, 4)", "(3,)"]),
        (losses.SpikeCountSurrogate("out"), np.zeros((2, 2)), ValueError, ["(2, 2)", "(5, 4)"]),
        (losses.SilentHinge("input"), None, TypeError, ["input", "V_th"]),
    ],
    ids=lambda v: repr(v) if isinstance(v, losses.Loss) else "",
)
def test_target_errors(network, loss, targets, error, words):
    runs = Given(spikes(np.random.default_rng(0)), np.zeros((B, N)), np.ones((B, N)))
    with pytest.raises(error) as info:
        loss(Response(network, runs), targets)
    assert all(word in str(info.value) for word in words), info.value
