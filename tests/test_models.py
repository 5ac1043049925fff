"""Every model against its own equations: integrated numerically, composed with itself, and in its limits."""

import math

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import solve_ivp

import eventsim as es

MODELS = sorted((m for m in map(es.__dict__.get, es.__all__) if isinstance(m, type) and issubclass(m, es.Model) and m is not es.Model
                 and "V_m" in m.states), key=lambda m: m.__name__)  # fmt: skip


def membrane(p, s):
    return (p["E_L"] - s["V_m"]) / p["tau_m"] + (s.get("I_ex", 0) + s.get("I_in", 0) + s["I_e"] - s.get("I_stc", 0)) / p["C_m"]


def decay(p, s):
    """Derivatives of what runs on by itself: also while refractory."""
    rates = {"I_ex": "tau_syn_ex", "I_in": "tau_syn_in", "I_stc": "tau_stc", "h": "tau_sfa"}
    return {k: -s[k] / p[tau] if tau in p else 0.0 for k, tau in rates.items() if k in s}


def rising(p, s):
    decays = {x: p.get(f"tau_decay_{x}", p.get(f"tau_syn_{x}")) for x in ("ex", "in")}
    rises = {x: p.get(f"tau_rise_{x}", p.get(f"tau_syn_{x}")) for x in ("ex", "in")}
    currents = {f"I_{x}": -s[f"I_{x}"] / decays[x] + s[f"g_{x}"] for x in ("ex", "in")}
    return currents | {f"g_{x}": -s[f"g_{x}"] / rises[x] for x in ("ex", "in")}


#: The right-hand sides, written down a second time: (free, refractory) derivatives of the states that change.
EQUATIONS = {
    "LIF": (lambda p, s: {"V_m": membrane(p, s)} | decay(p, s), decay),
    "AdaptiveLIF": (lambda p, s: {"V_m": membrane(p, s)} | decay(p, s), decay),
    "DeltaLIF": (lambda p, s: {"V_m": membrane(p, s)}, lambda p, s: {}),
    "LeakyIntegrator": (lambda p, s: {"V_m": membrane(p, s)} | decay(p, s), None),
    "PerfectIntegrator": (lambda p, s: {"V_m": (s["I_ex"] + s["I_in"] + s["I_e"]) / p["C_m"]} | decay(p, s), decay),
    "DoubleExpLIF": (lambda p, s: {"V_m": membrane(p, s)} | rising(p, s), rising),
    "AlphaLIF": (lambda p, s: {"V_m": membrane(p, s)} | rising(p, s), rising),
    "FlyLIF": (lambda p, s: {"V_m": (p["E_L"] - s["V_m"] + s["g"]) / p["tau_m"], "g": -s["g"] / p["tau_syn"]}, lambda p, s: {}),
    "QIF": (lambda p, s: {"V_m": (s["V_m"] ** 2 - s["V_m"] + s["I"]) / p["tau_m"], "I": -2 * s["I"] / p["tau_m"]},
            lambda p, s: {"I": -2 * s["I"] / p["tau_m"]}),
}  # fmt: skip

#: States to start from, far from a spike.
START = {"V_m": -62.0, "I_ex": 200.0, "I_in": -150.0, "I_e": 40.0, "I_stc": 60.0, "h": 3.0, "g_ex": 90.0, "g_in": -70.0, "g": 4.0}
START_OF = {"QIF": {"V_m": -0.5, "I": 0.2}, "PerfectIntegrator": START | {"V_m": 2.0}, "FlyLIF": START | {"V_m": -50.0}}


@pytest.fixture(params=MODELS, ids=lambda m: m.__name__)
def model(request):
    return request.param


def start(model):
    values = START_OF.get(model.__name__, START)
    return {k: values[k] for k in model.states}


def single(model, **parameters):
    """A simulation of one neuron of a model, its population and its initial state as START says."""
    state = start(model)
    initial = {k: v for k, v in state.items() if k != "I_e"}
    drive = {"I_e": state["I_e"]} if "I_e" in model.parameters else {}
    net = es.Network()
    cell = net.add("cell", 1, model(**(drive | parameters)), **initial)
    return es.Simulation(net), cell


def states(sim, cell):
    return np.array([sim.get(cell, name)[0] for name in cell.model.states])


def integrated(equations, parameters, state, t):
    names = list(state)

    def slopes(_, y):
        found = equations(parameters, dict(zip(names, y, strict=True)))
        return [found.get(name, 0.0) for name in names]

    return solve_ivp(slopes, (0.0, t), list(state.values()), method="DOP853", rtol=1e-13, atol=1e-12).y[:, -1]


def test_every_model_is_covered():
    assert {m.__name__ for m in MODELS} == set(EQUATIONS)


@pytest.mark.parametrize("t", [1e-3, 0.7, 11.0])
def test_flow_solves_the_equations(model, t):
    sim, cell = single(model)
    parameters = {k: sim.get(cell, k)[0] for k in model.parameters}
    sim.run(t)
    assert sim.result().counts().sum() == 0
    expected = integrated(EQUATIONS[model.__name__][0], parameters, start(model), t)
    assert states(sim, cell) == pytest.approx(expected, rel=1e-10, abs=1e-9)  # that of the integrator


def test_two_steps_are_one(model):
    """Committing a state on the way, here by setting it to what it is, changes it by rounding alone."""
    one, cell = single(model)
    two, same = single(model)
    one.run(7.3)
    for t in (1.1, 0.0, 2.2, 4.0):
        two.run(t)
        name = next(iter(model.states))
        two.set(same, **{name: two.get(same, name)})
    assert states(two, same) == pytest.approx(states(one, cell), rel=1e-13, abs=1e-12)


def spiking():
    return pytest.mark.parametrize("model", [m for m in MODELS if "t_ref" in m.parameters], ids=lambda m: m.__name__)


@spiking()
def test_reset_and_refractoriness(model):
    """A spike, forced by V at the threshold; then the clamp, while the rest runs on or stands still; then release."""
    sim, cell = single(model, t_ref=3.0)
    parameters = {k: sim.get(cell, k)[0] for k in model.parameters}
    before = states(sim, cell)
    above = {es.AdaptiveLIF: START["h"], es.DeltaLIF: 1.0}.get(model, 0.0)
    sim.set(cell, V_m=1e300 if model is es.QIF else parameters["V_th"] + above)
    sim.run(2.0)
    assert sim.result().spikes() == (pytest.approx([0.0], abs=1e-12), [0])
    after = dict(zip(model.states, before, strict=True)) | {"V_m": parameters["V_reset"]}
    if model is es.FlyLIF:
        after["g"] = 0.0
    clamped = integrated(EQUATIONS[model.__name__][1], parameters, {k: v for k, v in after.items() if k != "V_m"}, 2.0)
    assert sim.get(cell, "V_m")[0] == parameters["V_reset"]
    assert states(sim, cell)[1:] == pytest.approx(clamped, rel=1e-10)
    sim.run(2.0)
    if model is not es.FlyLIF:  # whose drive is gone
        assert sim.get(cell, "V_m")[0] != parameters["V_reset"]


def test_jumps_at_a_spike_of_the_adaptive_neuron():
    net = es.Network()
    cell = net.add("cell", 1, es.AdaptiveLIF(q_stc=7.0, q_sfa=2.0, tau_stc=50.0, tau_sfa=20.0, t_ref=0.0), V_m=-55.0)
    sim = es.Simulation(net)
    sim.run(1.0)
    assert sim.get(cell, "I_stc")[0] == pytest.approx(7.0 * math.exp(-1 / 50.0), rel=1e-14)
    assert sim.get(cell, "h")[0] == pytest.approx(2.0 * math.exp(-1 / 20.0), rel=1e-14)
    assert np.count_nonzero(sim.result().spikes()[0]) == 0  # one spike, at 0


@pytest.mark.parametrize("model", [es.LIF, es.AdaptiveLIF, es.PerfectIntegrator, es.LeakyIntegrator, es.DoubleExpLIF, es.AlphaLIF],
                         ids=lambda m: m.__name__)  # fmt: skip
def test_the_sign_of_a_weight_chooses_the_current(model):
    net = es.Network()
    source = net.add("source", 1, es.SpikeSource([0.0]))
    cell = net.add("cell", 2, model())
    net.connect(source, cell, es.Pairs([0, 0], [0, 1]), weight=[3.0, -5.0], delay=0.0)
    sim = es.Simulation(net)
    sim.run(0.5)
    I_ex, I_in = sim.get(cell, "I_ex"), sim.get(cell, "I_in")
    assert I_ex[0] > 0 > I_in[1] and I_ex[1] == 0 == I_in[0]


@pytest.mark.parametrize(("rise", "decay_"), [(0.5, 4.0), (4.0, 0.5), (2.0, 2.0), (2.0, math.nextafter(2.0, 3)), (0.01, 100.0)])
def test_the_weight_is_the_peak_of_the_current(rise, decay_):
    net = es.Network()
    source = net.add("source", 1, es.SpikeSource([0.0]))
    cell = net.add("cell", 1, es.DoubleExpLIF(tau_rise_ex=rise, tau_decay_ex=decay_, V_th=np.inf))
    net.connect(source, cell, weight=8.0, delay=0.0)
    result = es.simulate(net, 60.0, record_V=cell)
    x = decay_ / rise - 1
    peak = decay_ if x == 0 else decay_ * math.log1p(x) / x  # ln(f/b)/(f - b) for the rates f, b
    around = result.trace(cell, "I_ex", [0.99 * peak, peak, 1.01 * peak])[:, 0]
    assert around[1] == pytest.approx(8.0, rel=1e-12)
    assert around.argmax() == 1


def test_alpha_is_equal_rise_and_decay():
    t = np.linspace(0.0, 40.0, 81)
    traces = []
    for cell in (es.AlphaLIF(tau_syn_ex=3.0, V_th=np.inf), es.DoubleExpLIF(tau_rise_ex=3.0, tau_decay_ex=3.0, V_th=np.inf)):
        net = es.Network()
        source, cell = net.add("source", 1, es.SpikeSource([2.0])), net.add("cell", 1, cell)
        net.connect(source, cell, weight=100.0, delay=1.0)
        result = es.simulate(net, 40.0, record_V=cell)
        traces.append((result.V(cell, t), result.trace(cell, "I_ex", t)))
    assert np.array_equal(traces[0], traces[1])
    s = np.maximum(t - 3.0, 0.0)
    assert traces[0][1][:, 0] == pytest.approx(100.0 * s / 3.0 * np.exp(1 - s / 3.0), rel=1e-13, abs=1e-12)


def test_the_perfect_integrator_is_the_limit_without_leak():
    common = dict(C_m=200.0, V_th=15.0, V_reset=0.0, t_ref=1.0, I_e=500.0)
    spikes = []
    for cell in (es.PerfectIntegrator(**common), es.LIF(tau_m=1e9, E_L=0.0, **common)):
        net = es.Network()
        net.add("cell", 1, cell)
        spikes.append(es.simulate(net, 100.0).spikes()[0])
    assert spikes[0] == pytest.approx(6.0 + 7.0 * np.arange(14), rel=1e-14)  # 15 mV at 2.5 mV/ms, and 1 ms of rest
    assert spikes[1] == pytest.approx(spikes[0], rel=1e-6)


def test_the_read_out_never_spikes():
    net = es.Network()
    cell = net.add("cell", 1, es.LeakyIntegrator(I_e=1e6), V_m=1e5)
    sim = es.Simulation(net)
    assert sim.run(100.0).counts().sum() == 0
    assert sim.get(cell, "V_m")[0] == pytest.approx(-70.0 + 1e6 * 10.0 / 250.0 + (1e5 - 39930.0) * math.exp(-10.0), rel=1e-13)


@pytest.mark.parametrize("V_reset", [-np.inf, -3.0])
def test_qif_spikes_where_its_phase_says(V_reset):
    """V = X cot(X + phi), X = sqrt(I) exp(-t/tau_m): it diverges where X + phi = 0."""
    net = es.Network()
    source = net.add("source", 1, es.SpikeSource([1.0, 12.0]))
    cell = net.add("cell", 1, es.QIF(tau_m=10.0, V_reset=V_reset), V_m=0.3)
    net.connect(source, cell, weight=60.0, delay=0.0)
    times = es.simulate(net, 60.0).spikes(cell)[0]
    assert len(times) > 2
    V, I, now, expected, inputs = 0.3, 0.0, 0.0, [], [1.0, 12.0]  # noqa: E741
    while True:
        X = math.sqrt(I)
        angle = math.atan2(X, V) if I else math.pi
        spike = now + 10.0 * math.log(X / (X - angle)) if angle < X else math.inf
        if inputs and inputs[0] < spike:
            t = inputs.pop(0)
            x = X * math.exp(-(t - now) / 10.0)
            V = x / math.tan(x - X + angle) if I else V * math.exp(-t / 10) / (1 - V * (1 - math.exp(-t / 10)))
            I, now = x * x + 60.0, t  # noqa: E741
        elif spike < math.inf:
            I, V, now = I * math.exp(-2 * (spike - now) / 10.0), V_reset, spike  # noqa: E741
            expected.append(spike)
        else:
            break
    assert times == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("reset", ["value", "subtract", "none"])
def test_resets(reset):
    """A strong current: to V_reset and up again; down by V_th - E_L, which is E_L, and up again; or up for good."""
    net = es.Network()
    cell = net.add("cell", 1, es.LIF(I_e=500.0, V_reset=-75.0, t_ref=0.0, reset=reset))
    times = es.simulate(net, 60.0).spikes(cell)[0]
    rise = {"value": 10 * math.log(25 / 5), "subtract": 10 * math.log(20 / 5)}  # V_inf = -50, E_L = -70, V_th = -55
    first = 10 * math.log(20 / 5)
    expected = [first] if reset == "none" else np.arange(first, 60.0, rise[reset])
    assert times == pytest.approx(expected, rel=1e-13)


def test_subtraction_keeps_the_overshoot_of_a_jump():
    net = es.Network()
    source = net.add("source", 1, es.SpikeSource([1.0]))
    cell = net.add("cell", 1, es.DeltaLIF(E_L=0.0, V_th=10.0, V_reset=-1.0, t_ref=0.0, reset="subtract"))
    net.connect(source, cell, weight=23.0, delay=0.0)
    sim = es.Simulation(net)
    assert sim.run(2.0).spikes(cell)[0].tolist() == [1.0, 1.0]  # 23 > 10, 13 > 10, 3
    assert sim.get(cell, "V_m")[0] == pytest.approx(3.0 * math.exp(-0.1), rel=1e-15)


def test_receptors_of_the_fly():
    net = es.Network()
    source = net.add("source", 1, es.SpikeSource([1.0]))
    cell = net.add("cell", 2, es.FlyLIF())
    net.connect(source, cell[0], weight=5.0, delay=0.0)
    net.connect(source, cell[1], weight=5.0, delay=0.0, receptor="V")
    sim = es.Simulation(net)
    sim.run(1.0)
    sim.run(2.0**-40)
    assert sim.get(cell, "g") == pytest.approx([5.0, 0.0])
    assert sim.get(cell, "V_m") == pytest.approx([-52.0, -47.0])


# ---- sources


def test_poisson_intervals_are_exponential_and_independent():
    net = es.Network()
    source = net.add("source", 50, es.Poisson(rate=40.0))
    t, i = es.simulate(net, 20_000.0, seed=3).spikes(source)
    assert stats.poisson.sf(len(t), 40_000) > 1e-4 and stats.poisson.cdf(len(t), 40_000) > 1e-4
    intervals = np.concatenate([np.diff(t[i == k]) for k in range(50)])
    assert stats.kstest(intervals, "expon", args=(0, 25.0)).pvalue > 1e-3
    counts = np.array([np.histogram(t[i == k], 400, (0.0, 20_000.0))[0] for k in range(50)])
    correlations = np.corrcoef(counts)[np.triu_indices(50, 1)]
    assert abs(correlations.mean()) < 4 / math.sqrt(400 * len(correlations))  # four standard errors
    assert stats.kstest(t % 1.0, "uniform").pvalue > 1e-3  # off any grid


def test_poisson_rate_in_steps():
    net = es.Network()
    source = net.add("source", 400, es.Poisson(rate=es.Steps([100.0, 200.0, 300.0], [50.0, 0.0, 200.0])))
    t, _ = es.simulate(net, 400.0, seed=5).spikes(source)
    counts = np.histogram(t, [0.0, 100.0, 200.0, 300.0, 400.0])[0]
    assert counts[0] == 0 == counts[2]
    for count, expected in ((counts[1], 2000), (counts[3], 8000)):
        assert abs(count - expected) < 4 * math.sqrt(expected)
    assert stats.kstest((t[t < 200] - 100) / 100, "uniform").pvalue > 1e-3


def test_poisson_trains_do_not_depend_on_the_rest():
    net = es.Network()
    net.add("source", 5, es.Poisson(rate=100.0))
    alone = es.simulate(net, 500.0, seed=1).spikes("source")
    more = net.add("more", 7, es.LIF(I_e=500.0))
    net.connect(more, more, weight=5.0)
    net.add("other", 3, es.Poisson(rate=30.0))
    together = es.simulate(net, 500.0, seed=1).spikes("source")
    assert np.array_equal(alone, together) and len(alone[0]) > 100
    assert len(es.simulate(net, 500.0, seed=2).spikes("source")[0]) != len(alone[0])


def test_spike_source_keeps_every_spike():
    net = es.Network()
    source = net.add("source", 3, es.SpikeSource([5.0, 1.0, 1.0, 1.0, 7.5], [2, 1, 1, 0, 2]))
    t, i = es.simulate(net, 7.5).spikes(source)
    assert t.tolist() == [1.0, 1.0, 1.0, 5.0] and i.tolist() == [0, 1, 1, 2]  # 7.5 belongs to the next run


def test_injected_steps_are_exact():
    changes, values = [2.0, 5.5, 9.0], [100.0, -50.0, 0.0]
    net = es.Network()
    cell = net.add("cell", 2, es.LIF(I_e=es.Steps(changes, np.column_stack([values, np.zeros(3)]))))
    V = es.simulate(net, 20.0, record_V=cell).V(cell, [1.0, 4.0, 7.0, 20.0])
    u, expected, now, current = 0.0, [], 0.0, 0.0
    for t, new in [(1.0, None), (2.0, 100.0), (4.0, None), (5.5, -50.0), (7.0, None), (9.0, 0.0), (20.0, None)]:
        target = current * 10.0 / 250.0
        u, now = target + (u - target) * math.exp(-(t - now) / 10.0), t
        if new is None:
            expected.append(u - 70.0)
        else:
            current = new
    assert V[:, 0] == pytest.approx(expected, rel=1e-13)
    assert np.all(V[:, 1] == -70.0)


# ---- declarations


def test_parameters_of_a_model_are_told_apart():
    with pytest.raises(TypeError, match=r"LIF: unknown parameter tau_n = 3.0; did you mean tau_m\?"):
        es.LIF(tau_n=3.0)
    with pytest.raises(ValueError, match=r"LIF: tau_m = 0.0 must be finite and > 0"):
        es.LIF(tau_m=0.0)
    with pytest.raises(ValueError, match=r"LIF: V_reset = -50 is not below V_th = -55; .*spike for ever"):
        es.LIF(V_reset=-50.0)
    with pytest.raises(ValueError, match=r"LIF: t_ref = 2 with reset='none'; .*set t_ref=0"):
        es.LIF(reset="none")
    with pytest.raises(ValueError, match=r"LIF: reset = 'hard' is not one of 'value', 'subtract', 'none'"):
        es.LIF(reset="hard")
    with pytest.raises(ValueError, match=r"V_th"):
        es.LIF(reset="subtract", E_L=-50.0, V_reset=-60.0)
    with pytest.raises(ValueError, match=r"QIF: V_reset = inf"):
        es.QIF(V_reset=np.inf)


def test_a_model_says_what_was_changed():
    assert repr(es.LIF(tau_m=20.0, reset="subtract")) == "LIF(tau_m=20.0, reset='subtract')"
    assert es.LIF(tau_m=20.0) == es.LIF(tau_m=20.0) != es.LIF()
    assert es.LIF().tau_syn_ex == 2.0
