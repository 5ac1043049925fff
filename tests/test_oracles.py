"""The oracles against mathematics, against a general ODE solver, and against each other."""

import math
from fractions import Fraction

import numpy as np
import oracle_heap
import oracle_mp
import pytest
import strategies
from comparing import assert_same_spikes, trains
from hypothesis import given
from hypothesis import strategies as st
from mpmath import mp, mpf
from oracle_heap import chain
from oracle_mp import ExpPoly, sign_changes
from plain import Edges, Net, Pop, later, stamp
from scipy.integrate import solve_ivp
from scipy.special import lambertw

ORACLES = pytest.mark.parametrize("simulate", [oracle_mp.simulate, lambda *a: oracle_heap.simulate(*a)[0]], ids=["O1", "O2"])


def one(model, params=(), initial=(), spikes=(), weight=1.0, receptor=None):
    """One neuron (global id 1) and a source (0) whose spikes reach it at once."""
    source = Pop("source", 1, "SpikeSource", {"times": list(spikes), "ids": [0] * len(spikes)})
    pop = Pop("cell", 1, model, dict(params), dict(initial))
    return Net([source, pop], [Edges("source", "cell", [0], [0], [weight], [0.0], receptor)])


# ---- time


@given(st.floats(0, 1e9), st.floats(0, 1e6))
def test_time_is_exact_up_to_one_rounding_of_the_offset(t, delay):
    epoch, offset = later(stamp(t), delay)
    assert 0.0 <= offset < 1.0
    assert stamp(t)[0] + Fraction(stamp(t)[1]) == Fraction(t)
    assert abs(epoch + Fraction(offset) - Fraction(t) - Fraction(delay)) <= Fraction(1, 2**53)


# ---- building blocks


@given(
    st.floats(0.0, 30.0),
    st.lists(st.sampled_from([0.0, 0.1, 0.1 * (1 + 1e-15), 0.1 * (1 + 1e-10), 0.5, 5.0]), min_size=1, max_size=3),
)
def test_chain_is_the_convolution_of_its_stages(t, rates):
    with mp.workdps(80):
        stages = ExpPoly({mpf(rates[0]): [mpf(1)]})
        for rate in rates[1:]:
            stages = stages.filtered(mpf(rate), mpf(0))
        expected = float(stages(mpf(t)))
    assert chain(t, *rates) == pytest.approx(expected, rel=1e-13, abs=1e-300)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=4, unique=True))
def test_sign_changes_of_a_polynomial_in_exp(roots):
    """f = prod (x - k/41), x = exp(-t), changes sign at t = -ln(k/41) and nowhere else."""
    with mp.workdps(40):
        coefficients = [mpf(1)]
        for k in roots:
            shifted, scaled = [mpf(0), *coefficients], [c * -mpf(k) / 41 for c in coefficients] + [mpf(0)]
            coefficients = [a + b for a, b in zip(shifted, scaled, strict=True)]
        f = ExpPoly({mpf(r): [c] for r, c in enumerate(coefficients) if c})
        found = sign_changes(f, mpf(10))
        expected = sorted(-mp.log(mpf(k) / 41) for k in roots)
        assert len(found) == len(expected)
        assert all(abs(a - b) < mpf(10) ** -25 for a, b in zip(found, expected, strict=True))


def test_sign_changes_with_polynomial_factors():
    with mp.workdps(40):
        f = ExpPoly({mpf(1): [mpf(6), mpf(-5), mpf(1)]})  # (t - 2)(t - 3) exp(-t)
        assert [float(t) for t in sign_changes(f, mpf(10))] == [2.0, 3.0]
        assert [float(t) for t in sign_changes(f, mpf("2.5"))] == [2.0]


# ---- closed forms


@ORACLES
@pytest.mark.parametrize("model", ["LIF", "DeltaLIF", "AlphaLIF", "DoubleExpLIF", "AdaptiveLIF"])
def test_constant_current_gives_the_f_I_curve(simulate, model):
    spikes = simulate(one(model, {"I_e": 500.0, "t_ref": 2.0}), 70.0)
    tau, drive = 10.0, 500.0 * 10.0 / 250.0  # v_inf - E_L = 20 mV, threshold at 15 mV
    first = tau * math.log(drive / (drive - 15.0))
    expected = first + np.arange(len(spikes)) * (first + 2.0)
    assert len(spikes) == 4
    assert np.allclose(trains(spikes)[1], expected, rtol=0, atol=1e-12)


@ORACLES
def test_perfect_integrator_fires_when_its_charge_is_collected(simulate):
    spikes = simulate(one("PerfectIntegrator", {"C_m": 2.0, "I_e": 3.0, "V_th": 15.0, "t_ref": 1.0}), 40.0)
    assert trains(spikes)[1] == pytest.approx([10.0, 21.0, 32.0], abs=1e-12)


@ORACLES
def test_lif_with_half_the_time_constant_solves_a_quadratic(simulate):
    # u = A x + B x^2 with x = exp(-t/tau_m): the larger root in (0, 1)
    I, C, tau = 8000.0, 250.0, 10.0
    spikes = simulate(one("LIF", {"tau_m": tau, "tau_syn_ex": tau / 2, "C_m": C}, spikes=[1.0], weight=I), 30.0)
    B = -I / C * tau
    x = max(np.roots([B, -B, -15.0]))
    assert trains(spikes)[1][0] == pytest.approx(1.0 - tau * math.log(x), abs=1e-12)


@ORACLES
def test_lif_with_equal_time_constants_solves_lambert(simulate):
    I, C, tau = 4000.0, 250.0, 10.0
    spikes = simulate(one("LIF", {"tau_m": tau, "tau_syn_ex": tau, "C_m": C}, spikes=[1.0], weight=I), 30.0)
    t = -tau * lambertw(-15.0 * C / (I * tau)).real
    assert trains(spikes)[1][0] == pytest.approx(1.0 + t, abs=1e-12)


@pytest.mark.parametrize("oracle", [oracle_mp, oracle_heap], ids=["O1", "O2"])
@pytest.mark.parametrize("model", ["AlphaLIF", "DoubleExpLIF"])
@pytest.mark.parametrize("rise", [2.0, 0.5, math.nextafter(2.0, 3.0)])
def test_weight_is_the_peak_of_the_current(oracle, model, rise):
    params = {"tau_rise_ex": rise, "tau_decay_ex": 2.0} if model == "DoubleExpLIF" else {"tau_syn_ex": 2.0}
    peak = 2.0 if model == "AlphaLIF" or rise != 0.5 else math.log(4.0) / 1.5
    values = []
    for t in (0.0, peak - 0.01, peak, peak + 0.01):
        with mp.workdps(80):
            neuron = oracle.Linear(one(model, params).pop("cell"), 0)
            neuron.arrive(100.0, None)
            if oracle is oracle_mp:
                neuron.advance(mpf(t))
            else:
                neuron = neuron.after(t)
            values.append(float(neuron.get("I_ex")))
    assert values[0] == 0.0
    assert values[2] == pytest.approx(100.0, rel=1e-12)
    assert max(values) == values[2]


@ORACLES
@pytest.mark.parametrize("I", [0.0, 0.4, -2.0])
def test_qif_without_arrivals(simulate, I):
    # dW/ds = W^2 + I with s = 1 - exp(-t/tau) (see O2) reaches infinity at these s.
    V, tau = 3.0, 10.0
    k = math.sqrt(abs(I))
    s = 1 / V if I == 0 else math.atan(k / V) / k if I > 0 else math.atanh(k / V) / k
    spikes = simulate(one("QIF", {"tau_m": tau}, {"V_m": V, "I": I}), 20.0)
    assert trains(spikes)[1] == pytest.approx([-tau * math.log(1 - s)], abs=1e-12)


# ---- a general ODE solver

ODES = {
    "LIF": dict(tau_syn_ex=2.0, tau_syn_in=5.0, I_e=100.0),
    "DeltaLIF": dict(I_e=300.0),
    "AlphaLIF": dict(tau_syn_ex=3.0, tau_syn_in=10.0),
    "DoubleExpLIF": dict(tau_rise_ex=1.0, tau_decay_ex=6.0, tau_rise_in=4.0, tau_decay_in=2.0),
    "AdaptiveLIF": dict(q_stc=150.0, tau_stc=20.0, q_sfa=3.0, tau_sfa=7.0, tau_syn_in=5.0),
    "PerfectIntegrator": dict(tau_syn_in=5.0, I_e=20.0),
    "FlyLIF": {},
    "QIF": dict(t_ref=0.5, V_reset=-20.0),
}


def reference(net, T):
    """Spike times of the neuron of `one`, by DOP853 with event location; the equations as in the documentation."""
    pop, edge = net.pop("cell"), net.edges[0]
    p = {k: pop.value(k, 0) for k in (*pop.params, *strategies.DEFAULTS[pop.model])}
    w, model = edge.weight, pop.model
    arrivals = [(t, w[k]) for k in range(len(w)) for t, i in zip(*net.pops[0].params.values(), strict=True) if i == edge.i[k]]
    # V, two currents, two sources of currents, I_stc, h
    x = np.zeros(7)
    x[0] = pop.start("V_m", p.get("E_L", 0.0), 0)
    refractory_until, t, spikes = -1.0, 0.0, []

    def slope(_, x):
        V, I0, I1, g0, g1, stc, h = x
        frozen = t < refractory_until
        if model == "QIF":
            return [0.0 if frozen else (V * V - V + I0) / p["tau_m"], -2 * I0 / p["tau_m"], 0, 0, 0, 0, 0]
        if model == "FlyLIF":
            return [0, 0, 0, 0, 0, 0, 0] if frozen else [(p["E_L"] - V + I0) / p["tau_m"], -I0 / p["tau_syn"], 0, 0, 0, 0, 0]
        leak = 0.0 if model == "PerfectIntegrator" else (p["E_L"] - V) / p["tau_m"]
        dV = 0.0 if frozen else leak + (I0 + I1 + p["I_e"] - stc) / p["C_m"]
        decay = [p.get("tau_decay_" + s, p.get("tau_syn_" + s, 1.0)) for s in ("ex", "in")]
        rise = [p.get("tau_rise_" + s, p.get("tau_syn_" + s, 1.0)) for s in ("ex", "in")]
        dstc, dh = (-stc / p["tau_stc"], -h / p["tau_sfa"]) if model == "AdaptiveLIF" else (0, 0)
        return [dV, -I0 / decay[0] + g0, -I1 / decay[1] + g1, -g0 / rise[0], -g1 / rise[1], dstc, dh]

    def excess(_, x):
        return 1.0 if t < refractory_until else x[0] - (200.0 if model == "QIF" else p["V_th"] + x[6])

    excess.terminal, excess.direction = True, 1
    stops = sorted({a for a, _ in arrivals} | {T})
    while t < T:
        end = min([s for s in stops if s > t] + ([refractory_until] if t < refractory_until else []))
        run = solve_ivp(slope, (t, end), x, "DOP853", events=excess, rtol=1e-12, atol=1e-12)
        fired = run.t_events[0].size > 0
        t, x = (run.t_events[0][0], run.y_events[0][0]) if fired else (end, run.y[:, -1])
        for weight in [] if fired else [weight for a, weight in arrivals if a == t]:
            k = int(weight < 0) if model not in ("FlyLIF", "QIF") else 0
            if model == "DeltaLIF":
                x[0] += 0.0 if t < refractory_until else weight
            elif model in ("AlphaLIF", "DoubleExpLIF"):
                s = ("ex", "in")[k]
                d, r = (p["tau_syn_" + s],) * 2 if model == "AlphaLIF" else (p["tau_decay_" + s], p["tau_rise_" + s])
                fine = np.linspace(0, 40, 400_001)
                shape = fine * np.exp(-fine / d) if d == r else (np.exp(-fine / d) - np.exp(-fine / r)) / (1 / r - 1 / d)
                x[3 + k] += weight / shape.max()
            else:
                x[1 + k] += weight
            fired = model == "DeltaLIF" and x[0] > p["V_th"]
        if fired:
            # A QIF is followed to V = 200; from there tau V' = V^2 - V within 1e-5 ms.
            spikes.append(t + p["tau_m"] * math.log(x[0] / (x[0] - 1)) if model == "QIF" else t)
            refractory_until = spikes[-1] + p["t_ref"]
            x[0] = p["V_reset"]
            if model == "FlyLIF":
                x[1] = 0.0
            if model == "AdaptiveLIF":
                x[5], x[6] = x[5] + p["q_stc"], x[6] + p["q_sfa"]
    return spikes


@ORACLES
@pytest.mark.parametrize("model", ODES)
def test_against_a_general_ode_solver(simulate, model):
    times = [1.0, 1.5, 3.0, 4.5, 4.5, 6.0, 9.0, 9.25, 12.0, 14.0, 17.0, 18.0]
    ids = [0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0]
    net = one(model, ODES[model])
    net.pops[0] = Pop("source", 2, "SpikeSource", {"times": times, "ids": ids})
    unit = strategies.unit_weight(net.pop("cell"), 0)
    net.edges = [Edges("source", "cell", [0, 1], [0, 0], [0.8 * unit, -0.7 * unit], [0.0, 0.0])]
    if model == "QIF":
        net.edges[0].weight = [8.0, -3.0]
    expected = reference(net, 25.0)
    found = trains(simulate(net, 25.0)).get(2, [])
    assert len(expected) >= 2
    assert found == pytest.approx(expected, abs=1e-4 if model == "QIF" else 1e-7)


# ---- decisions at the edge


@pytest.mark.parametrize("ratio", [1.0, 2.0, 0.3, 1 + 1e-10, math.nextafter(1.0, 2.0)])
@pytest.mark.parametrize("gap", [-1e-20, 1e-20])
def test_mp_decides_a_maximum_next_to_threshold(ratio, gap):
    """A post-synaptic potential with its maximum at threshold (1 +- 1e-20): far below what float64 can tell."""
    with mp.workdps(80):
        neuron = oracle_mp.Linear(one("LIF", {"tau_m": 10.0, "tau_syn_ex": 10.0 * ratio}).pop("cell"), 0)
        a, b = 1 / mpf(10.0), 1 / mpf(10.0 * ratio)
        t = 1 / a if a == b else mp.log(b / a) / (b - a)
        kappa = t * mp.exp(-a * t) if a == b else (mp.exp(-a * t) - mp.exp(-b * t)) / (b - a)
        neuron.I[0] = 250 * 15 / kappa * (1 + mpf(gap))
        neuron.time = (0, 0.0)
        wait = neuron.next_spike(mpf(100))
        assert (wait is oracle_mp.NEVER) == (gap < 0)
        assert wait is oracle_mp.NEVER or abs(wait - t) < 1e-7


@pytest.mark.parametrize("gap", [-1e-13, 0.0, 1e-13])
def test_heap_notices_what_it_cannot_decide(gap):
    tau, C = 10.0, 250.0
    peak = tau * math.exp(-1)  # of t exp(-t/tau)
    net = one("LIF", {"tau_syn_ex": tau, "C_m": C}, spikes=[1.0], weight=15.0 * C / peak * (1 + gap))
    assert oracle_heap.simulate(net, 30.0)[1] == pytest.approx(11.0, abs=0.01)
    net.edges[0].weight = [15.0 * C / peak * 0.99]
    assert oracle_heap.simulate(net, 30.0) == ([(1, 0.0, 0)], math.inf)


# ---- against each other


@given(strategies.networks())
def test_oracles_agree(case):
    assert_same_spikes(oracle_mp.simulate(case.net, case.T), case.spikes, 1e-10, case.certain)


@given(strategies.networks(max_n=5, limit=1000))
def test_every_spike_reaches_every_synapse_once(case):
    heap = oracle_heap.Heap(case.net)
    heap.run(case.T)
    degree = np.bincount([s[0] for s in case.net.synapses()], minlength=case.net.n)
    assert heap.delivered + heap.in_flight == sum(degree[gid] for _, _, gid in heap.spikes)


@given(strategies.networks(), st.data())
def test_heap_does_not_care_where_a_run_is_cut(case, data):
    heap = oracle_heap.Heap(case.net)
    for length in data.draw(strategies.splits(case.T, [e + o for e, o, _ in case.spikes])):
        heap.run(length)
    assert_same_spikes(heap.spikes, case.spikes, 1e-9, case.certain)
