"""The certified solver against 50-digit arithmetic: no crossing missed, none invented, none late, and quickly.

`population.certified_wait(row, j, t)` is one step of the walk that the engine's queue drives; here it is walked by hand.
"""

import math

import mpmath as mp
import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

import eventsim as es

mp.mp.dps = 50
EPS = 2.0**-52
HORIZON = 2000.0


def population(model, **initial):
    net = es.Network()
    net.add("cell", 1, model, **initial)
    core = es.Simulation(net)._engine.populations[0]
    return core, core.state[0].copy()


def walk(core, row):
    """All iterates until the walk ends: (times, crossing or None)."""
    t, times = 0.0, [0.0]
    while True:
        wait = core.certified_wait(row, 0, t)
        if wait == 0.0 or wait <= 2.0**-51 * t:
            return times, t
        if t + wait > HORIZON:
            return times, None
        t += wait
        times.append(t)
        assert len(times) < 400


class Truth:
    """u(t) - c of a LIF in exact arithmetic on the engine's own doubles (rates are those the engine computed)."""

    def __init__(self, core, row):
        self.a, self.be, self.bi, self.k, self.c = (mp.mpf(x) for x in core.coef[0][:5])
        self.u, self.e, self.i, self.d = (mp.mpf(x) for x in row[4:8])

    def kappa(self, b, t):
        return t * mp.exp(-self.a * t) if b == self.a else (mp.exp(-self.a * t) - mp.exp(-b * t)) / (b - self.a)

    def __call__(self, t):
        currents = self.e * self.kappa(self.be, t) + self.i * self.kappa(self.bi, t) + self.d * self.kappa(mp.mpf(0), t)
        return self.u * mp.exp(-self.a * t) + self.k * currents - self.c

    def slope(self, t):
        currents = self.e * mp.exp(-self.be * t) + self.i * mp.exp(-self.bi * t) + self.d
        return -self.a * (self(t) + self.c) + self.k * currents

    def size(self, t):
        """S of algorithms' error bounds: the sum of the magnitudes of the terms of u(t) - c."""
        currents = abs(self.e) * self.kappa(self.be, t) + abs(self.i) * self.kappa(self.bi, t) + abs(self.d) * self.kappa(mp.mpf(0), t)
        return abs(self.u) + self.k * currents + abs(self.c)

    def extrema(self):
        """Zeros of the slope: at most two, between those of its derivative's sign changes, found on a fine geometric grid."""
        grid = [mp.mpf(0)] + [mp.mpf(10) ** (mp.mpf(k) / 24) for k in range(-144, 80)]
        values = [self.slope(t) for t in grid]
        return [bisect(self.slope, a, b) for a, b, fa, fb in zip(grid, grid[1:], values, values[1:], strict=False) if fa * fb < 0]

    def first_crossing(self):
        """The first zero, and the largest value before it or before the horizon."""
        if self(0) >= 0:
            return mp.mpf(0), self(0)
        left, best = mp.mpf(0), self(mp.mpf(0))
        for right in [*self.extrema(), mp.mpf(HORIZON)]:
            value = self(right)
            if value >= 0:
                return bisect(self, left, right), value
            left, best = right, max(best, value)
        return None, best


def bisect(f, a, b):
    rising = f(b) > 0
    for _ in range(170):
        m = (a + b) / 2
        a, b = (a, m) if (f(m) > 0) == rising else (m, b)
    return (a + b) / 2


def near(tau):
    return st.sampled_from([tau, math.nextafter(tau, 0), math.nextafter(tau, 99), tau * (1 + 1e-10), tau * (1 - 1e-10), tau / 2])


taus = st.one_of(near(10.0), st.sampled_from([0.01, 0.5, 2.0, 5.0, 30.0, 1e4]))
currents = st.one_of(st.just(0.0), st.floats(1.0, 1e4))


@given(taus, taus, currents, currents, st.floats(-20.0, 14.9), st.sampled_from([0.0, 0.0, -100.0, 300.0, 374.9, 375.1, 500.0]))
@example(10.0, 10.0, 0.0, 1500.0, math.nextafter(15.0, 0), 0.0)  # one ulp below threshold, inhibited
@example(2.0, 10.0, 3000.0, 2900.0, 14.0, 0.0)
@example(2.0, 2.0, 0.0, 0.0, 0.0, 375.0)  # rests exactly at the threshold
@example(10.0, 2.0, 1000.0, 9000.0, 5.0, 375.0)  # rebound
def test_no_crossing_missed_none_invented_none_late(tau_ex, tau_in, I_ex, I_in, u, I_e):
    cell = es.LIF(C_m=250.0, tau_m=10.0, E_L=0.0, V_th=15.0, V_reset=0.0, tau_syn_ex=tau_ex, tau_syn_in=tau_in, I_e=I_e)
    core, row = population(cell, V_m=u, I_ex=I_ex, I_in=-I_in)
    times, found = walk(core, row)
    truth = Truth(core, row)
    exact, highest = truth.first_crossing()
    if abs(highest) < 8 * EPS * truth.size(mp.mpf(min(times[-1], 100.0))) or I_e == 375.0:
        assume(exact is not None and found is not None)  # a graze: rounding decides, and may
    assert (found is None) == (exact is None)
    if exact is None:
        return
    bound = 4 * EPS * truth.size(exact) / abs(truth.slope(exact)) + 2 * EPS * exact
    assert abs(found - exact) <= bound
    assert all(t <= exact + bound for t in times)
    # Quadratic convergence: of 20,000 random cases, a third of them starting an ulp below threshold, the mean walk takes 2.1
    # steps, 99 % take at most 10, the longest 46.
    assert len(times) <= 60


@given(st.floats(1e-3, 1e3), st.floats(1e-3, 1e3), st.floats(1e-4, 50.0))
@example(10.0, 10.0, 3.0)
@example(10.0, math.nextafter(10.0, 11), 3.0)
@example(10.0, 10.0 * (1 + 1e-10), 30.0)
@example(1e-3, 1e3, 20.0)
def test_kappa_has_a_relative_error_of_a_few_ulp(tau_m, tau_syn, t):
    core, row = population(es.LIF(C_m=1.0, tau_m=tau_m, E_L=0.0, V_th=np.inf, tau_syn_ex=tau_syn, V_reset=0.0), I_ex=1.0)
    truth = Truth(core, row)
    rows = row[None].copy()
    core.evolve(rows, np.zeros(1, np.int64), np.array([[math.floor(t), t - math.floor(t)]]))
    exact = truth.kappa(truth.be, mp.mpf(t))
    # exp(-x) amplifies the rounding of its argument by x; nothing is to be said once the result is subnormal
    slowest = min(truth.a, truth.be) * t
    if exact > 1e-290:
        assert abs(rows[0, 4] - exact) <= (4 + 2 * slowest) * EPS * exact


@given(st.floats(1e-2, 1e3), st.floats(1e-2, 1e3), st.floats(1e-2, 1e3), st.floats(1e-3, 50.0))
@example(10.0, 10.0, 10.0, 4.0)
@example(10.0, 10.0, 2.0, 4.0)
@example(10.0, math.nextafter(10.0, 11), math.nextafter(10.0, 9), 4.0)
@example(10.0, 300.0, 0.01, 100.0)
def test_kappa3_has_a_relative_error_of_a_few_ulp(tau_m, decay, rise, t):
    cell = es.DoubleExpLIF(C_m=1.0, tau_m=tau_m, E_L=0.0, V_th=np.inf, V_reset=0.0, tau_decay_ex=decay, tau_rise_ex=rise)
    core, row = population(cell, g_ex=1.0)
    rows = row[None].copy()
    core.evolve(rows, np.zeros(1, np.int64), np.array([[math.floor(t), t - math.floor(t)]]))
    rates = sorted(mp.mpf(x) for x in core.coef[0][:3])
    with mp.workdps(120):  # divided differences of nearly equal rates: spread them by 1e-40
        a, b, c = (r + k * mp.mpf(10) ** -40 for k, r in enumerate(rates))
        e = [mp.exp(-r * t) for r in (a, b, c)]
        exact = e[0] / ((b - a) * (c - a)) + e[1] / ((a - b) * (c - b)) + e[2] / ((a - c) * (b - c))
    if exact > 1e-290:
        assert abs(rows[0, 4] - exact) <= (12 + 4 * rates[0] * t) * EPS * exact


@given(st.floats(200.0, 5000.0), st.floats(-10.0, 14.0))
def test_closed_form_for_a_synapse_twice_as_fast(I, u):
    """tau_m = 2 tau_syn: a quadratic in x = exp(-t/tau_m)."""
    cell = es.LIF(C_m=250.0, tau_m=10.0, E_L=0.0, V_th=15.0, V_reset=0.0, tau_syn_ex=5.0)
    core, row = population(cell, V_m=u, I_ex=I)
    B = -(I / 250.0) / (1 / 5.0 - 1 / 10.0)
    A, c = u - B, 15.0
    D = A * A + 4 * B * c
    assume(abs(D) > 1e-9 * A * A)
    q = A + math.copysign(math.sqrt(D), A) if D > 0 else math.nan
    roots = [x for x in (-q / (2 * B), 2 * c / q) if 0 < x < 1] if D > 0 else []
    found = walk(core, row)[1]
    assert (found is not None) == bool(roots)
    if roots:
        assert found == pytest.approx(-10.0 * math.log(max(roots)), rel=1e-7)  # 1/sqrt(1e-9) amplifies rounding near a graze


@given(st.floats(200.0, 5000.0), st.floats(-10.0, 14.0))
def test_closed_form_for_equal_time_constants(I, u):
    """tau_m = tau_syn: Lambert's W."""
    cell = es.LIF(C_m=250.0, tau_m=10.0, E_L=0.0, V_th=15.0, V_reset=0.0, tau_syn_ex=10.0)
    core, row = population(cell, V_m=u, I_ex=I)
    a, c, J = 0.1, 15.0, I / 250.0
    z = -(a * c / J) * math.exp(-a * u / J)
    assume(abs(z + 1 / math.e) > 1e-9)
    found = walk(core, row)[1]
    assert (found is not None) == (z > -1 / math.e)
    if found is not None:
        assert found == pytest.approx(float(-mp.lambertw(z).real / a - u / J), rel=1e-7)


@pytest.mark.parametrize("above", [True, False])
def test_maxima_next_to_the_threshold(above):
    """A maximum 1e-12 above the threshold is a spike, one 1e-12 below is none; in between rounding decides."""
    peak = 0.25 * 1000.0 / 250.0 * 10.0  # of u for tau_m = 10, tau_syn = 5: (1/4) (I/C) tau_m at x = 1/2
    threshold = peak * (1 - 1e-12 if above else 1 + 1e-12)
    cell = es.LIF(C_m=250.0, tau_m=10.0, E_L=0.0, V_th=threshold, V_reset=-1.0, tau_syn_ex=5.0)
    core, row = population(cell, V_m=0.0, I_ex=1000.0)
    times, found = walk(core, row)
    assert (found is not None) == above
    if above:  # |dt| <= sqrt(2 (1e-12 + rounding) peak/|u''|)
        assert found == pytest.approx(10.0 * math.log(2.0), abs=10.0 * math.sqrt(1e-11))
    assert len(times) < 60
