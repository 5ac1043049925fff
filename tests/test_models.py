"""Every model against its own equations: integrated numerically, composed with itself, and in its limits."""

import math

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import solve_ivp
from scipy.optimize import brentq

import eventsim as es

CLASSES = [m for m in map(es.__dict__.get, es.__all__) if isinstance(m, type) and issubclass(m, es.Model)]
MODELS = sorted((m for m in CLASSES if "V_m" in m.states), key=lambda m: m.__name__)


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


#: Parameters that differ from each other, so that none can stand for another.
APART = {"C_m": 200.0, "tau_m": 12.0, "E_L": -68.0, "tau_syn": 4.0, "tau_syn_ex": 3.0, "tau_syn_in": 5.0, "tau_rise_ex": 0.7,
         "tau_decay_ex": 4.0, "tau_rise_in": 1.5, "tau_decay_in": 6.0, "tau_stc": 80.0, "tau_sfa": 40.0, "q_stc": 9.0,
         "q_sfa": 1.5}  # fmt: skip


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
    drive = {name: value for name, value in (APART | {"I_e": state.get("I_e")}).items() if name in model.parameters}
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


def test_the_flow_is_a_semigroup(model):
    """Advancing by a, then by b, is advancing by a + b, across the end of refractoriness too."""
    rng, n = np.random.default_rng(7), 200
    core = single(model)[0]._engine.populations[0]
    rows = np.repeat(core.state[:1], n, axis=0)
    free = rng.choice([0.0, 0.0, 2.0, 6.5], n)
    rows[:, 2], rows[:, 3] = np.floor(free), free % 1.0
    a, b = rng.choice([0.0, 1e-9, 0.3, 2.0, 7.0], (2, n))
    a[:50] = rng.exponential(3.0, 50)
    one, two, ids = rows.copy(), rows.copy(), np.zeros(n, np.int64)
    split = [np.column_stack([np.floor(t), t % 1.0]) for t in (a, a + b)]
    core.evolve(one, ids, split[1])
    core.evolve(two, ids, split[0])
    core.evolve(two, ids, split[1])
    assert two == pytest.approx(one, rel=1e-13, abs=1e-12)  # a few roundings, beside states of 1 to 1000
    clamped = free > a + b
    assert clamped.sum() > 10 and np.all(one[clamped, 4] == rows[clamped, 4])


def test_parameters_of_one_neuron_are_its_own(model):
    """Neurons with parameters in arrays are, to the bit, the neurons one at a time."""
    parameters = {k: v for k, v in APART.items() if k in model.parameters}
    states_ = {k: v for k, v in start(model).items() if k != "I_e"}
    scales = [1.0, 1.01, 0.97]
    net = es.Network()
    cells = net.add("cells", 3, model(**{k: v * np.array(scales) for k, v in parameters.items()}), **states_)
    together = es.Simulation(net)
    together.run(5.3)
    for k, scale in enumerate(scales):
        alone = es.Network()
        cell = alone.add("cell", 1, model(**{k: v * scale for k, v in parameters.items()}), **states_)
        sim = es.Simulation(alone)
        sim.run(5.3)
        assert [together.get(cells, name)[k] for name in model.states] == states(sim, cell).tolist()


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
    if model is es.AdaptiveLIF:
        after["I_stc"] += APART["q_stc"]
        after["h"] += APART["q_sfa"]
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


@pytest.mark.parametrize("model", [m for m in MODELS if m.receptors == ("I",) and m is not es.QIF], ids=lambda m: m.__name__)
def test_the_sign_of_a_weight_chooses_the_current(model):
    net = es.Network()
    source = net.add("source", 1, es.SpikeSource([0.0]))
    cell = net.add("cell", 2, model())
    net.connect(source, cell, es.Pairs([0, 0], [0, 1]), weight=[3.0, -5.0], delay=0.0)
    sim = es.Simulation(net)
    sim.run(0.5)
    I_ex, I_in = sim.get(cell, "I_ex"), sim.get(cell, "I_in")
    assert I_ex[0] > 0 > I_in[1] and I_ex[1] == 0 == I_in[0]


def lone(model, spikes, weights, T, *, receptor=None, n=1, **initial):
    """A simulation of T ms of one neuron that gets each weight at its time."""
    net = es.Network()
    cell = net.add("cell", n, model, **initial)
    for k, (t, weight) in enumerate(zip(spikes, weights, strict=True)):
        net.connect(net.add(f"source{k}", 1, es.SpikeSource([t])), cell, weight=weight, delay=0.0, receptor=receptor)
    sim = es.Simulation(net)
    sim.run(T)
    return sim, cell


def test_jumps_are_lost_while_refractory_and_count_at_its_end():
    model = es.DeltaLIF(E_L=0.0, V_th=10.0, V_reset=0.0, t_ref=2.0)
    sim, cell = lone(model, [1.0, 1.0, 2.0, 3.0 - 2.0**-51, 3.0], [11.0, -0.5, 4.0, 5.0, 6.0], 4.0)
    assert sim.result().spikes(cell)[0].tolist() == [1.0]  # 10.5 exceeds the threshold: arrivals of one instant are summed
    assert sim.get(cell, "V_m")[0] == pytest.approx(6.0 * math.exp(-0.1), rel=1e-15)


def test_a_jump_must_exceed_the_threshold():
    for weight, spikes in ((10.0, []), (math.nextafter(10.0, 11), [1.0])):
        sim, cell = lone(es.DeltaLIF(E_L=0.0, V_th=10.0, V_reset=-1.0), [1.0], [weight], 2.0)
        assert sim.result().spikes(cell)[0].tolist() == spikes


@pytest.mark.parametrize("model", [es.LIF, es.AdaptiveLIF, es.PerfectIntegrator], ids=lambda m: m.__name__)
def test_currents_take_input_while_refractory(model):
    cell = model(t_ref=5.0, tau_syn_ex=3.0)
    sim, cell = lone(cell, [1.0], [30.0], 4.0, V_m=cell.V_th)
    assert sim.result().spikes(cell)[0].tolist() == [0.0]
    assert sim.get(cell, "V_m")[0] == cell.model.V_reset
    assert sim.get(cell, "I_ex")[0] == pytest.approx(30.0 * math.exp(-1.0), rel=1e-15)
    sim.run(3.0)
    decayed = 30.0 * math.exp(-4 / 3)  # what is left at the end of refractoriness, 5.0, acts for 2 ms
    released = {"V_m": cell.model.V_reset, "I_ex": decayed, "I_in": 0.0, "I_e": 0.0}
    gained = integrated(EQUATIONS[model.__name__][0], cell.model.values, released, 2.0)
    assert sim.get(cell, "V_m")[0] == pytest.approx(gained[0], rel=1e-11)


def test_the_fly_stands_still_while_refractory():
    sim, cell = lone(es.FlyLIF(), [1.0], [5.0], 2.0, V_m=-45.0)
    assert sim.result().spikes(cell)[0].tolist() == [0.0]
    assert states(sim, cell).tolist() == [-52.0, 5.0]  # an arrival adds, nothing decays
    sim.run(1.2)  # 1 ms after release
    g, V = 5.0 * math.exp(-1 / 5), -52.0 + 5.0 * (math.exp(-1 / 5) - math.exp(-1 / 20)) / (1 - 20 / 5)
    assert states(sim, cell) == pytest.approx([V, g], rel=1e-14)


@pytest.mark.parametrize("tau_syn", [0.5, 2.0, 40.0])
@pytest.mark.parametrize("w", [80.0, -80.0])
def test_the_potential_of_one_arrival(w, tau_syn):
    cell = es.LIF(tau_syn_ex=tau_syn, tau_syn_in=tau_syn)
    net = es.Network()
    source, cell = net.add("source", 1, es.SpikeSource([1.0])), net.add("cell", 1, cell)
    net.connect(source, cell, weight=w, delay=1.5)
    t = np.linspace(0.0, 80.0, 161)
    V = es.simulate(net, 80.0, record_V=cell).V(cell, t)[:, 0]
    s = np.maximum(t - 2.5, 0.0)
    psp = w / 250.0 * tau_syn * 10.0 / (10.0 - tau_syn) * (np.exp(-s / 10.0) - np.exp(-s / tau_syn))
    assert V == pytest.approx(-70.0 + psp, rel=1e-14)


@pytest.mark.parametrize("model", [es.LIF, es.AdaptiveLIF, es.AlphaLIF, es.FlyLIF], ids=lambda m: m.__name__)
def test_equal_time_constants_are_no_special_case(model):
    """V as a function of tau_syn is smooth at tau_m: its change is proportional to that of tau_syn, down to rounding."""

    def V(tau):
        syn = {name: tau for name in model.parameters if name.startswith("tau_syn")}
        sim, cell = lone(model(tau_m=10.0, V_th=np.inf, **syn), [0.0], [30.0], 13.0)
        return sim.get(cell, "V_m")[0] - cell.model.E_L

    equal = V(10.0)
    slope = (V(10.0 + 1e-3) - V(10.0 - 1e-3)) / 2e-3
    assert abs(slope) > 1e-3 * equal
    for d in (1e-4, 1e-6, 1e-8, 1e-10, 1e-12, -1e-4, -1e-6, -1e-8, -1e-10, -1e-12, math.ulp(10.0), -math.ulp(10.0)):
        # what is left is the second order, and the rounding of V relative to 70 mV
        assert V(10.0 + d) - equal == pytest.approx(slope * d, rel=1e-4, abs=4e-14)


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


@pytest.mark.parametrize("model", [es.LIF, es.DeltaLIF, es.AdaptiveLIF, es.DoubleExpLIF, es.AlphaLIF], ids=lambda m: m.__name__)
def test_rate_and_current(model):
    """1/f = t_ref + tau_m ln((V_inf - V_reset)/(V_inf - V_th)), and nothing at the rheobase."""
    I_e = np.array([100.0, 375.0 * (1 - 1e-12), 375.0 * (1 + 1e-6), 380.0, 500.0, 5000.0, 1e6])
    net = es.Network()
    cell = net.add("cell", len(I_e), model(I_e=I_e, V_reset=-72.0, t_ref=1.7), V_m=-72.0)
    t, i = es.simulate(net, 1000.0).spikes(cell)
    V_inf = -70.0 + I_e * 10.0 / 250.0
    for k in range(len(I_e)):
        if V_inf[k] < -55.0:
            assert np.count_nonzero(i == k) == 0
            continue
        climb = 10.0 * math.log((V_inf[k] + 72.0) / (V_inf[k] + 55.0))
        expected = np.arange(climb, 1000.0, climb + 1.7)
        assert t[i == k] == pytest.approx(expected, rel=1e-13 + 1e-15 / (V_inf[k] + 55.0))  # V_inf - V_th is a difference


def test_without_jumps_the_adaptive_neuron_is_the_plain_one():
    spikes = [es.simulate(driven(model()), 300.0).spikes("cell")[0] for model in (es.LIF, es.AdaptiveLIF)]
    assert len(spikes[0]) > 10
    assert spikes[1] == pytest.approx(spikes[0], rel=1e-13)


def driven(model):
    net = es.Network()
    cell, source = net.add("cell", 1, model), net.add("source", 1, es.Poisson(rate=500.0))
    net.connect(source, cell, weight=1000.0)
    net.connect(source, cell, weight=-300.0, delay=2.5)
    return net


def test_adaptation_against_its_recursion():
    """A constant current, jumps of the threshold and of the current at each spike: intervals from roots of V - V_th - h."""
    q = dict(q_stc=60.0, tau_stc=35.0, q_sfa=3.0, tau_sfa=25.0)
    net = es.Network()
    cell = net.add("cell", 1, es.AdaptiveLIF(I_e=600.0, t_ref=2.0, **q))
    times = es.simulate(net, 200.0).spikes(cell)[0]

    def distance(s, I_stc, h):
        membrane = 24.0 * -math.expm1(-s / 10) - I_stc / 250 * (math.exp(-s / 10) - math.exp(-s / 35)) / (1 / 35 - 1 / 10)
        return membrane - 15.0 - h * math.exp(-s / 25)

    expected, t, I_stc, h = [], 0.0, 0.0, 0.0
    while True:
        steps = np.arange(0.0, 200.0, 0.01)
        first = steps[next(k for k, s in enumerate(steps) if distance(s, I_stc, h) > 0)]
        s = brentq(distance, first - 0.01, first, (I_stc, h), xtol=1e-14, rtol=1e-15)
        t += s
        if t >= 200.0:
            break
        expected.append(t)
        I_stc, h = I_stc * math.exp(-s / 35) + 60.0, h * math.exp(-s / 25) + 3.0  # the spike, then the rest of 2 ms
        I_stc, h, t = I_stc * math.exp(-2 / 35), h * math.exp(-2 / 25), t + 2.0
    assert len(expected) >= 5 and np.all(np.diff(np.diff(expected)) > 0)  # it adapts
    assert times == pytest.approx(expected, rel=1e-12)


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
    V, I, now, expected, inputs = 0.3, 0.0, 0.0, [], [1.0, 12.0]
    while True:
        X = math.sqrt(I)
        angle = math.atan2(X, V) if I else math.pi
        spike = now + 10.0 * math.log(X / (X - angle)) if angle < X else math.inf
        if inputs and inputs[0] < spike:
            t = inputs.pop(0)
            x = X * math.exp(-(t - now) / 10.0)
            V = x / math.tan(x - X + angle) if I else V * math.exp(-t / 10) / (1 - V * (1 - math.exp(-t / 10)))
            I, now = x * x + 60.0, t
        elif spike < math.inf:
            I, V, now = I * math.exp(-2 * (spike - now) / 10.0), V_reset, spike
            expected.append(spike)
        else:
            break
    assert times == pytest.approx(expected, rel=1e-12)


def until(slopes, y, goal, t):
    """Integrate from time t to where goal(y) passes zero upwards, within 60 ms: (time, y), or None."""

    def event(_, y):
        return goal(y)

    event.terminal, event.direction = True, 1
    found = solve_ivp(slopes, (t, 60.0), y, method="DOP853", rtol=1e-12, atol=1e-14, events=event)
    return (found.t[-1], found.y[:, -1]) if len(found.t_events[0]) else None


@pytest.mark.parametrize(("V", "I"), [(2.0, -0.3), (1.2, -0.05), (1.5, 0.0), (0.3, 60.0), (-3.0, 40.0)])
def test_qif_spikes_where_its_inverse_passes_zero(V, I):
    """V up to 1; from there w = 1/V, which is smooth where V diverges: tau_m w' = -1 + w - I w^2."""
    sim, cell = single(es.QIF)
    sim.set(cell, V_m=V, I=I)
    sim.run(60.0)
    at = (0.0, np.array([V, I]))
    if V < 1:
        at = until(lambda t, y: [(y[0] ** 2 - y[0] + y[1]) / 12.0, -y[1] / 6.0], at[1], lambda y: y[0] - 1, 0.0)
    inverse = [1 / at[1][0], at[1][1]]
    spike, _ = until(lambda t, y: [(-1 + y[0] - y[1] * y[0] ** 2) / 12.0, -y[1] / 6.0], inverse, lambda y: -y[0], at[0])
    assert sim.result().spikes(cell)[0][0] == pytest.approx(spike, rel=1e-9)  # that of the integrator


@pytest.mark.parametrize(("V", "I"), [(1.0, -0.1), (0.99, 0.0), (0.2, 0.1), (-1e300, 0.0), (-5.0, -2.0)])
def test_qif_that_never_spikes_comes_to_rest(V, I):
    sim, cell = single(es.QIF)
    sim.set(cell, V_m=V, I=I)
    assert sim.run(1000.0).counts().sum() == 0
    assert states(sim, cell) == pytest.approx([0.0, 0.0], abs=1e-30)


@pytest.mark.parametrize("model", [m for m in MODELS if "reset" in m.options], ids=lambda m: m.__name__)
def test_an_edge_neuron_spikes_once_per_upward_crossing(model):
    """Up through -55 mV, down, up again; V runs on as if nothing had happened."""
    changes = es.Steps([0.0, 30.0, 50.0], [500.0, 0.0, 700.0])
    net = es.Network()
    cell = net.add("cell", 1, model(I_e=changes, reset="none", t_ref=0.0))
    result = es.simulate(net, 100.0, record_V=cell)
    u30 = 20.0 * -math.expm1(-3.0)
    u50 = u30 * math.exp(-2.0)
    expected = [10 * math.log(20 / 5), 50 + 10 * math.log((28 - u50) / (28 - 15))]
    assert result.spikes(cell)[0] == pytest.approx(expected, rel=1e-13)
    V = -70.0 + np.array([20.0 * -math.expm1(-2.5), u30, u50, 28 + (u50 - 28) * math.exp(-5)])
    assert result.V(cell, [25.0, 30.0, 50.0, 100.0])[:, 0] == pytest.approx(V, rel=1e-13)


@pytest.mark.parametrize("model", [m for m in MODELS if "reset" in m.options], ids=lambda m: m.__name__)
def test_subtraction(model):
    """V falls by V_th - E_L, here from the threshold to E_L, whatever V_reset is, and rests there."""
    net = es.Network()
    net.add("cell", 1, model(I_e=500.0, V_reset=-90.0, t_ref=1.5, reset="subtract"))
    climb = 10 * math.log(20 / 5)
    assert es.simulate(net, 100.0).spikes()[0] == pytest.approx(np.arange(climb, 100.0, climb + 1.5), rel=1e-13)


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


def test_poisson_rates_in_steps_of_their_own():
    """Column k of the values is source k's; rates may change often beside the intervals."""
    changes = np.arange(0.0, 2000.0, 5.0)
    shares = np.array([0.0, 20.0, 100.0])
    wave = 1 + np.sin(2 * np.pi * changes / 500.0)
    net = es.Network()
    source = net.add("source", 3, es.Poisson(rate=es.Steps(changes, 10 * wave[:, None] * shares)))
    t, i = es.simulate(net, 2000.0, seed=8).spikes(source)
    expected = 10 * shares * wave.sum() * 5e-3
    assert np.all(np.abs(np.bincount(i, minlength=3) - expected) <= 4 * np.sqrt(expected))
    # In the time of its own integrated rate, a source is a Poisson process of unit rate.
    integral = np.interp(t[i == 2], np.append(changes, 2000.0), np.append(0.0, np.cumsum(wave * 5.0)))
    assert stats.kstest(np.diff(integral), "expon", args=(0, 1.0)).pvalue > 1e-3


def test_poisson_rate_zero_is_silence():
    net = es.Network()
    net.add("source", 2, es.Poisson(rate=[0.0, 1000.0]))
    assert set(es.simulate(net, 100.0).spikes()[1]) == {1}


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


def test_spike_source_sorts():
    rng = np.random.default_rng(0)
    times, ids = rng.integers(0, 40, 500) / 4, rng.integers(0, 7, 500)  # many at one time, and of one source at one time
    net = es.Network()
    source = net.add("source", 7, es.SpikeSource(times, ids))
    t, i = es.simulate(net, 10.0).spikes(source)
    order = np.lexsort((ids, times))
    assert t.tolist() == times[order].tolist() and i.tolist() == ids[order].tolist()


def test_steps_of_the_current_while_refractory():
    """The step at 15 ms falls into the rest after the spike at 10 ln 4 ms; the climb starts with the new current."""
    net = es.Network()
    cell = net.add("cell", 1, es.LIF(I_e=es.Steps([0.0, 15.0], [500.0, 1000.0]), t_ref=2.0))
    times = es.simulate(net, 25.0).spikes(cell)[0]
    first = 10 * math.log(20 / 5)
    interval = 2.0 + 10 * math.log(40 / 25)
    assert times == pytest.approx(np.arange(first, 25.0, interval), rel=1e-13)


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


EVERY = [pytest.param(m, name, id=f"{m.__name__}-{name}") for m in CLASSES for name in m.parameters]


@pytest.mark.parametrize(("model", "name"), EVERY)
def test_every_parameter_is_checked(model, name):
    """What is wrong, where, what it is and what it should be."""
    kind = model.parameters[name].kind
    where = rf"{model.__name__}: {name}"
    wrong = [(math.nan, "NaN" if kind == "any" else "finite")]
    wrong += [(math.inf, "finite")] * (kind != "any")
    wrong += [(-1.0, "> 0" if kind == "positive" else ">= 0")] * (kind in ("positive", "nonnegative"))
    wrong += [(0.0, "> 0"), (1e-310, "at least")] * (kind == "positive")
    for value, remedy in wrong:
        with pytest.raises(ValueError, match=rf"{where} = {value}.*{remedy}"):
            model(**{name: value})
        with pytest.raises(ValueError, match=rf"{where}.*{remedy}"):  # in the second neuron
            model(**{name: [5.0, value]})
    for value in ("5", None, 1j, True):
        with pytest.raises(TypeError, match=rf"{where} = {value!r}.*must be a number"):
            model(**{name: value})
    if not model.parameters[name].steps:
        with pytest.raises(TypeError, match=rf"{where} cannot change in time; .*use sim.set"):
            model(**{name: es.Steps([1.0], [2.0])})


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.__name__)
def test_every_state_can_be_given_and_is_checked(model):
    for name in model.states:
        net = es.Network()
        if name != "I_e":
            values = np.array([0.25, 0.5]) + (-80.0 if name == "V_m" else 0.0)
            cell = net.add("cell", 2, model(), **{name: values})
            assert es.Simulation(net).get(cell, name) == pytest.approx(values, rel=1e-15)  # V_m is kept as V_m - E_L
        with pytest.raises(ValueError, match=rf"{name} = nan"):
            net.add("other", 1, model(), **{name: math.nan})


def test_a_model_says_what_was_changed():
    assert repr(es.LIF(tau_m=20.0, reset="subtract")) == "LIF(tau_m=20.0, reset='subtract')"
    assert es.LIF(tau_m=20.0) == es.LIF(tau_m=20.0) != es.LIF()
    assert es.LIF().tau_syn_ex == 2.0


#: Column of 1/C_m among the coefficients.
K = {es.LIF: 3, es.AdaptiveLIF: 5, es.DoubleExpLIF: 5}


@pytest.mark.parametrize("model", [es.LIF, es.AdaptiveLIF, es.DoubleExpLIF, es.FlyLIF], ids=lambda m: m.__name__)
def test_a_spike_right_after_an_event_is_as_exact_as_a_late_one(model):
    """From 1e-9 mV below threshold: the time is right relative to itself, not to the potentials (they are 1e10 times larger)."""
    from mpmath import expm1, findroot, mp

    net = es.Network()
    parameters = {"E_L": 0.0, "V_th": 15.0, "V_reset": 0.0, "tau_m": 10.0}
    drive = {es.FlyLIF: {"g": 400.0}, es.DoubleExpLIF: {"I_ex": 10_000.0}}.get(model, {"I_ex": 10_000.0})
    V = 15.0 - 2.0**-30
    cell = net.add("cell", 1, model(**parameters), V_m=V, **drive)
    sim = es.Simulation(net)
    core = sim._engine.populations[0]
    _, offset, _ = sim.run(1e-3).spike_times_exact(cell)
    with mp.workdps(40):
        a, b = mp.mpf(core.coef[0, 0]), mp.mpf(core.coef[0, 1])
        slope = 400 * a if model is es.FlyLIF else mp.mpf(10_000.0) * mp.mpf(core.coef[0, K[model]])

        def excess(t):
            return V * expm1(-a * t) + slope * (expm1(-a * t) - expm1(-b * t)) / (b - a) - mp.mpf(2) ** -30

        exact = findroot(excess, 2.0**-30 / 38)
    assert abs(offset[0] - exact) < 16 * 2.0**-52 * exact
