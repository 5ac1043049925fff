"""The certified solver against 130-digit arithmetic: no crossing missed, none invented, none late, and quickly.

`population.certified_wait(row, j, t)` is one step of the walk that the engine's queue drives; here it is walked by hand.
"""

import math

import mpmath as mp
import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

import eventsim as es

mp.mp.dps = 130
EPS = 2.0**-52
HORIZON = 2000.0  # [ms]
APART = mp.mpf(10) ** -30  # [1/ms] rates are kept this far apart, so that equal ones need no formulas of their own


def population(model, n=1, **initial):
    """The core's population and its state rows."""
    net = es.Network()
    net.add("cell", n, model, **initial)
    core = es.Simulation(net)._engine.populations[0]
    return core, core.state.copy()


def walk(core, row, j=0):
    """All iterates until the walk ends: (times, crossing or None). The queue of the engine stops it by the same rule."""
    t, times = 0.0, [0.0]
    while True:
        wait = core.certified_wait(row, j, t)
        if wait == 0.0 or wait <= 2.0**-51 * t:
            return times, t
        if t + wait > HORIZON:
            return times, None
        t += wait
        times.append(t)
        assert t > times[-2] and len(times) < 100_000


# ---- the truth: sums of exponentials, {rate: weight}


def total(terms, t):
    return mp.fsum(w * mp.exp(-r * t) for r, w in terms.items())


def derivative(terms):
    return {r: -r * w for r, w in terms.items() if r}


def zeros(terms):
    """All sign changes within (0, HORIZON). Between those of (exp(r t) f)', a sum with a term less, there is at most one."""
    if len(terms) < 2:
        return []
    first = min(terms)
    turns = zeros(derivative({r - first: w for r, w in terms.items()}))
    points = [mp.mpf(0), *turns, mp.mpf(HORIZON)]
    signs = [total(terms, t) > 0 for t in points]
    return [bracketed(terms, *points[k : k + 2]) for k in range(len(points) - 1) if signs[k] != signs[k + 1]]


def bracketed(terms, a, b):
    """The zero in (a, b): Newton's method, halving the bracket where that leaves it."""
    slope, rising, t = derivative(terms), total(terms, b) > 0, (a + b) / 2
    for _ in range(1000):
        value = total(terms, t)
        a, b = (a, t) if (value > 0) == rising else (t, b)
        d = total(slope, t)
        new = t - value / d if d else a
        if abs(new - t) <= mp.mpf(10) ** -35 * t + mp.mpf(10) ** -45:  # u' may vanish at t = 0
            return new
        t = new if a < new < b else (a + b) / 2
    raise ArithmeticError("no convergence")


def apart(*rates):
    return [mp.mpf(rate) + k * APART for k, rate in enumerate(rates, 1)]


class Truth:
    """u(t) - c for u' = -a u + the sum of inputs [(amplitude, rates)]: one rate b for A exp(-b t), a second one for what a
    source A exp(-f t) makes of it. The threshold is c + h exp(-b_h t). All from the engine's own doubles, the rates `apart`."""

    def __init__(self, a, u, inputs, c, h=0.0, b_h=1.0):
        inputs = [(mp.mpf(A), rates) for A, rates in inputs if A]
        u, c, h, b_h = mp.mpf(u), mp.mpf(c), mp.mpf(h), mp.mpf(b_h)
        self.terms = self.sum(a, u, inputs, -c, -h, b_h)
        self.sizes = self.sum(a, abs(u), [(abs(A), rates) for A, rates in inputs], abs(c), abs(h), b_h)
        self.slopes = derivative(self.terms)

    @staticmethod
    def sum(a, u, inputs, constant, h, b_h):
        terms = {}
        for A, rates in [(u, []), *inputs]:  # the divided difference of exp(-r t) over a and the rates, signs alternating
            for r in [a, *rates]:
                terms[r] = terms.get(r, 0) + A / mp.fprod(s - r for s in [a, *rates] if s is not r)
        for w, r in [(constant, 0), (h, b_h)]:
            terms[r] = terms.get(r, 0) + w
        return {r: w for r, w in terms.items() if w}

    def __call__(self, t):
        return total(self.terms, t)

    def slope(self, t):
        return total(self.slopes, t)

    def size(self, t):
        """S of the error bounds: the sum of the magnitudes of the terms of u(t) - c."""
        return total(self.sizes, t)

    def extremes(self):
        return [mp.mpf(0), *zeros(self.slopes), mp.mpf(HORIZON)]

    def first_crossing(self):
        """The first zero; the extreme that decides whether there is one: the peak behind it, or the highest."""
        points = self.extremes()
        values = [self(t) for t in points]
        for k, value in enumerate(values):
            if value >= 0:
                return (bracketed(self.terms, points[k - 1], points[k]) if k else points[0]), points[k]
        return None, points[values.index(max(values))]


def lif(core, row, j=0):
    *rates, k, c = core.coef[min(j, len(core.coef) - 1), :5]
    a, b_ex, b_in = apart(*rates)
    k = mp.mpf(k)
    return Truth(a, row[4], [(k * row[5], [b_ex]), (k * row[6], [b_in]), (k * row[7], [0])], c)


def certify(core, row, truth, j=0):
    """Walk, and compare with the truth: (number of iterates, found, whether rounding may decide if there is a crossing)."""
    times, found = walk(core, row, j)
    exact, peak = truth.first_crossing()
    graze = abs(truth(peak)) < 8 * EPS * truth.size(peak)
    if not graze:
        assert (found is None) == (exact is None)
    if found is not None:  # never invented: at the crossing u is at c, but for rounding
        slack = 4 * EPS * truth.size(found) + 2 * EPS * found * abs(truth.slope(found))
        assert truth(found) >= -slack
    if found is None or exact is None:
        return len(times), found, graze
    bound = 4 * EPS * truth.size(exact) / abs(truth.slope(exact)) + 2 * EPS * exact
    if not graze:
        assert abs(found - exact) <= bound
        assert all(t <= exact + bound for t in times)
    return len(times), found, graze


# ---- membranes with two synaptic currents


def near(tau):
    return st.sampled_from([tau, math.nextafter(tau, 0), math.nextafter(tau, 99), tau * (1 + 1e-10), tau * (1 - 1e-10), tau / 2])


taus = st.one_of(near(10.0), st.sampled_from([0.01, 0.5, 2.0, 5.0, 30.0, 1e4]))
currents = st.one_of(st.just(0.0), st.floats(1.0, 1e4))


@given(taus, taus, currents, currents, st.floats(-20.0, 14.9), st.sampled_from([0.0, 0.0, -100.0, 300.0, 374.9, 375.1, 500.0]))
@example(10.0, 10.0, 0.0, 1500.0, math.nextafter(15.0, 0), 0.0)  # one ulp below threshold, inhibited
@example(2.0, 10.0, 3000.0, 2900.0, 14.0, 0.0)
@example(2.0, 2.0, 0.0, 0.0, 0.0, 375.0)  # rests exactly at the threshold
@example(10.0, 2.0, 1000.0, 9000.0, 5.0, 375.0)  # rebound
@example(10.0, math.nextafter(10.0, 0), 1.0, 1.0, 0.0, 0.0)  # at rest, and all but balanced
def test_no_crossing_missed_none_invented_none_late(tau_ex, tau_in, I_ex, I_in, u, I_e):
    cell = es.LIF(C_m=250.0, tau_m=10.0, E_L=0.0, V_th=15.0, V_reset=0.0, tau_syn_ex=tau_ex, tau_syn_in=tau_in, I_e=I_e)
    core, rows = population(cell, V_m=u, I_ex=I_ex, I_in=-I_in)
    certify(core, rows[0], lif(core, rows[0]))


def near_or_far(rng, *taus):
    """A time constant equal to one of `taus`, next to it, or anywhere from 1e-3 to 1e3 times 10 ms."""
    tau = rng.choice(taus)
    beside = [tau, math.nextafter(tau, 0), math.nextafter(tau, np.inf), tau * (1 + 1e-10), tau * (1 - 1e-10), tau * (1 + 1e-5)]
    return rng.choice(beside) if rng.random() < 0.4 else 10.0 * 10.0 ** rng.uniform(-3, 3)


def draws(rng, n):
    """Time constants and currents of n neurons with tau_m = 10 ms, as parameters and initial states."""
    tau_ex = np.array([near_or_far(rng, 10.0) for _ in range(n)])
    tau_in = np.array([near_or_far(rng, 10.0, tau) for tau in tau_ex])
    strengths = 10.0 ** rng.uniform(0, 4, (2, n)) * (rng.random((2, n)) < 0.8)
    return dict(tau_syn_ex=tau_ex, tau_syn_in=tau_in), dict(I_ex=strengths[0], I_in=-strengths[1])


def test_random_membranes():
    """Ratios of the time constants from 1e-3 to 1e3, equal, and next to equal; starts and drives next to the threshold."""
    rng, n = np.random.default_rng(20), 600
    parameters, initial = draws(rng, n)
    ulps = np.array([0, 1, -1, 16, -16, 64, -64]) * EPS
    rheobase = 375.0 * (1 + rng.choice(ulps, n))
    parameters["I_e"] = np.where(rng.random(n) < 0.5, rng.choice([0.0, -100.0, 300.0, 500.0], n), rheobase)
    initial["V_m"] = rng.choice([math.nextafter(15.0, 0), 0.0, -20.0, 14.0], n)
    core, rows = population(es.LIF(E_L=0.0, V_th=15.0, V_reset=-100.0, **parameters), n, **initial)
    iterates, found, graze = zip(*(certify(core, rows[j], lif(core, rows[j], j), j) for j in range(n)), strict=True)
    spikes = sum(f is not None for f in found)
    assert 0.3 * n < spikes < 0.8 * n and sum(graze) < 0.3 * n  # both answers are asked for, and few are left to rounding
    # Convergence is quadratic, but a third of them start an ulp below threshold, and currents that nearly cancel make a loose
    # bound: the mean walk takes 5.3 steps, half of them at most 3, 99 % at most 25, the longest 77. (Thousands where they
    # cancel exactly, for seconds, just below threshold.)
    assert np.mean(iterates) <= 8 and np.percentile(iterates, 95) <= 30 and max(iterates) <= 150


def test_peaks_next_to_the_threshold():
    """The threshold is put next to the peak of u. Outside |peak - c| < 8 eps S the answer is certain, and never late."""
    rng, n = np.random.default_rng(21), 300
    parameters, initial = draws(rng, n)
    initial["I_ex"] = 10.0 ** rng.uniform(1, 4, n)
    common = parameters | dict(E_L=0.0, V_reset=-1e6)
    core, rows = population(es.LIF(V_th=np.inf, **common), n, **initial)
    core.coef[:, 4] = 1.0  # any finite threshold: the peak does not depend on it
    peaks = np.empty(n)
    for j in range(n):
        truth = lif(core, rows[j], j)
        peaks[j] = max(truth(t) for t in truth.extremes()) + 1
    distance = 10.0 ** rng.uniform(-15.5, -6, n) * rng.choice([-1, 1], n)
    usable = np.flatnonzero(peaks > 1e-6)  # u starts at 0: it must rise to have a peak
    core, rows = population(es.LIF(V_th=np.where(peaks > 1e-6, peaks * (1 + distance), 1.0), **common), n, **initial)
    outcomes = [certify(core, rows[j], lif(core, rows[j], j), j) for j in usable]
    decided = [(found is not None, distance[j] < 0) for j, (_, found, graze) in zip(usable, outcomes, strict=True) if not graze]
    assert len(decided) > 150 and all(found == below for found, below in decided)
    assert sum(graze for _, _, graze in outcomes) > 5
    # Near a peak the gap shrinks like the distance squared: each step halves what is left, down to sqrt(eps). Nine in ten take
    # at most 30 steps; currents that cancel to a few percent take hundreds, which is slow and still right.
    assert np.percentile([n for n, _, _ in outcomes], 90) <= 40


# ---- the other models: every one brings its own right-hand side to the same step


def adaptive(core, row, j):
    *rates, k, c = core.coef[j, :7]
    a, b_ex, b_in, b_stc, b_sfa = apart(*rates)
    k = mp.mpf(k)
    u, I_ex, I_in, I_e, I_stc, h = row[4:]
    inputs = [(k * I_ex, [b_ex]), (k * I_in, [b_in]), (k * I_e, [0]), (-k * I_stc, [b_stc])]
    return Truth(a, u, inputs, c, h, b_sfa)


def double_exp(core, row, j):
    *rates, k, c = core.coef[j, :7]
    a, b_ex, f_ex, b_in, f_in = apart(*rates)
    k = mp.mpf(k)
    u, I_ex, I_in, g_ex, g_in, I_e = row[4:]
    inputs = [(k * I_ex, [b_ex]), (k * I_in, [b_in]), (k * g_ex, [b_ex, f_ex]), (k * g_in, [b_in, f_in]), (k * I_e, [0])]
    return Truth(a, u, inputs, c)


def fly(core, row, j):
    a, b = apart(*core.coef[j, :2])
    return Truth(a, row[4], [(mp.mpf(core.coef[j, 0]) * row[5], [b])], core.coef[j, 2])


def delta(core, row, j):
    (a,) = apart(core.coef[j, 0])
    return Truth(a, row[4], [(mp.mpf(core.coef[j, 1]) * row[5], [0])], core.coef[j, 2])


TRUTHS = {
    es.LIF: lif,
    es.PerfectIntegrator: lif,
    es.AdaptiveLIF: adaptive,
    es.DoubleExpLIF: double_exp,
    es.AlphaLIF: double_exp,
    es.FlyLIF: fly,
    es.DeltaLIF: delta,
}


@pytest.mark.parametrize("model", TRUTHS, ids=lambda m: m.__name__)
def test_every_model(model):
    rng, n = np.random.default_rng(22), 120
    parameters = {"E_L": 0.0} if "E_L" in model.parameters else {}
    for name in model.parameters:
        if name.startswith("tau_"):
            tau = np.array([near_or_far(rng, 10.0) for _ in range(n)])
            parameters[name] = np.clip(tau, 0.1, 1000.0)
    parameters |= dict(V_th=15.0, V_reset=-100.0)
    initial = {"V_m": rng.choice([math.nextafter(15.0, 0), 0.0, -20.0, 14.0], n)}
    scale = {"g_ex": 100.0, "g_in": 100.0, "g": 100.0, "h": 10.0}  # beside currents of thousands of pA
    for name in model.states:
        if name not in ("V_m", "I_e"):
            sign = -1.0 if name in ("I_in", "g_in") else rng.choice([-1.0, 1.0], n) if name == "I_stc" else 1.0
            initial[name] = sign * scale.get(name, 3000.0) * rng.random(n) * (rng.random(n) < 0.7)
    if "I_e" in model.parameters:
        parameters["I_e"] = rng.choice([0.0, -100.0, 360.0, 500.0], n)
    core, rows = population(model(**parameters), n, **initial)
    outcomes = [certify(core, rows[j], TRUTHS[model](core, rows[j], j), j) for j in range(n)]
    spikes = sum(found is not None for _, found, _ in outcomes)
    assert 0.1 * n < spikes < 0.9 * n and sum(graze for *_, graze in outcomes) < 0.3 * n


# ---- the propagators, through `evolve`


def few_ulp(n, found, exact, slowest, at_rest):
    """Relative errors of at most (at_rest + slowest) eps: exp(-x) amplifies the rounding of its argument by x."""
    normal = [(f, e, s) for f, e, s in zip(found, exact, slowest, strict=True) if e > 1e-290]
    error = [float(abs(f / e - 1) / EPS) / (at_rest + s) for f, e, s in normal]
    assert max(error) <= 1.0
    assert len(normal) > 0.6 * n  # the others are subnormal or have met terms that are


def evolved(core, rows, t):
    rows = rows.copy()
    core.evolve(rows, np.arange(len(rows)), np.column_stack([np.floor(t), t - np.floor(t)]))
    return rows


def test_kappa_has_a_relative_error_of_a_few_ulp():
    rng, n = np.random.default_rng(23), 2000
    tau_m = 10.0 ** rng.uniform(-3, 3, n)
    tau_syn = np.array([near_or_far(rng, tau) for tau in tau_m])
    t = np.maximum(tau_m, tau_syn) * 10.0 ** rng.uniform(-4, 1.5, n)
    core, rows = population(es.LIF(C_m=1.0, tau_m=tau_m, E_L=0.0, V_th=np.inf, tau_syn_ex=tau_syn, V_reset=0.0), n, I_ex=1.0)
    found = evolved(core, rows, t)[:, 4]
    exact, slowest = [], []
    for (a, b, *_), x in zip(core.coef, t, strict=True):
        a, b, x = mp.mpf(a), mp.mpf(b), mp.mpf(x)
        exact.append(x * mp.exp(-a * x) if a == b else (mp.exp(-a * x) - mp.exp(-b * x)) / (b - a))
        slowest.append(float(min(a, b) * x))
    few_ulp(n, found, exact, slowest, 4)


def test_kappa3_has_a_relative_error_of_a_few_ulp():
    """Including the seam at (hi - lo) t = 1 between the divided difference and the series."""
    rng, n = np.random.default_rng(24), 2000
    tau_m = 10.0 ** rng.uniform(-2, 3, n)
    decay = np.array([near_or_far(rng, tau) for tau in tau_m])
    rise = np.array([near_or_far(rng, *taus) for taus in zip(tau_m, decay, strict=True)])
    rates = np.sort(1.0 / np.array([tau_m, decay, rise]), axis=0)
    seam = (1.0 + rng.uniform(-1e-3, 1e-3, n)) / np.maximum(rates[2] - rates[0], 1e-2 * rates[0])
    t = np.where(rng.random(n) < 0.3, seam, 10.0 ** rng.uniform(-4, 1.5, n) / rates[0])
    cell = es.DoubleExpLIF(C_m=1.0, tau_m=tau_m, E_L=0.0, V_th=np.inf, V_reset=0.0, tau_decay_ex=decay, tau_rise_ex=rise)
    core, rows = population(cell, n, g_ex=1.0)
    found = evolved(core, rows, t)[:, 4]
    exact, slowest = [], []
    for row, x in zip(core.coef, t, strict=True):
        a, b, c = (mp.mpf(r) + k * APART for k, r in enumerate(sorted(row[:3])))
        e = [mp.exp(-r * mp.mpf(x)) for r in (a, b, c)]
        exact.append(e[0] / ((b - a) * (c - a)) + e[1] / ((a - b) * (c - b)) + e[2] / ((a - c) * (b - c)))
        slowest.append(float(4 * a * x))
    few_ulp(n, found, exact, slowest, 12)


# ---- closed forms


@given(st.floats(200.0, 5000.0), st.floats(-10.0, 14.0))
def test_closed_form_for_a_synapse_twice_as_fast(I, u):
    """tau_m = 2 tau_syn: a quadratic in x = exp(-t/tau_m)."""
    cell = es.LIF(C_m=250.0, tau_m=10.0, E_L=0.0, V_th=15.0, V_reset=0.0, tau_syn_ex=5.0)
    core, rows = population(cell, V_m=u, I_ex=I)
    B = -(I / 250.0) / (1 / 5.0 - 1 / 10.0)
    A, c = u - B, 15.0
    D = A * A + 4 * B * c
    assume(abs(D) > 1e-9 * A * A)
    q = A + math.copysign(math.sqrt(D), A) if D > 0 else math.nan
    roots = [x for x in (-q / (2 * B), 2 * c / q) if 0 < x < 1] if D > 0 else []
    found = walk(core, rows[0])[1]
    assert (found is not None) == bool(roots)
    if roots:
        assert found == pytest.approx(-10.0 * math.log(max(roots)), rel=1e-7)  # 1/sqrt(1e-9) amplifies rounding near a graze


@given(st.floats(200.0, 5000.0), st.floats(-10.0, 14.0))
@example(200.0, 14.0)  # falls from the start
def test_closed_form_for_equal_time_constants(I, u):
    """tau_m = tau_syn: Lambert's W; a root in the past is no crossing."""
    cell = es.LIF(C_m=250.0, tau_m=10.0, E_L=0.0, V_th=15.0, V_reset=0.0, tau_syn_ex=10.0)
    core, rows = population(cell, V_m=u, I_ex=I)
    a, c, J = 0.1, 15.0, I / 250.0
    z = -(a * c / J) * math.exp(-a * u / J)
    assume(abs(z + 1 / math.e) > 1e-9)
    found = walk(core, rows[0])[1]
    t = float(-mp.lambertw(z).real / a - u / J) if z > -1 / math.e else -math.inf
    assert (found is not None) == (t > 0)
    if found is not None:
        assert found == pytest.approx(t, rel=1e-7)


@pytest.mark.parametrize("above", [True, False])
def test_maxima_next_to_the_threshold(above):
    """A maximum 1e-12 above the threshold is a spike, one 1e-12 below is none; in between rounding decides."""
    peak = 0.25 * 1000.0 / 250.0 * 10.0  # of u for tau_m = 10, tau_syn = 5: (1/4) (I/C) tau_m at x = 1/2
    threshold = peak * (1 - 1e-12 if above else 1 + 1e-12)
    cell = es.LIF(C_m=250.0, tau_m=10.0, E_L=0.0, V_th=threshold, V_reset=-1.0, tau_syn_ex=5.0)
    core, rows = population(cell, V_m=0.0, I_ex=1000.0)
    times, found = walk(core, rows[0])
    assert (found is not None) == above
    if above:  # |dt| <= sqrt(2 (1e-12 + rounding) peak/|u''|)
        assert found == pytest.approx(10.0 * math.log(2.0), abs=10.0 * math.sqrt(1e-11))
    assert len(times) < 60
