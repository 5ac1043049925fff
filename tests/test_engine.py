"""The engine against the oracles on drawn networks, and the semantics case by case."""

import math
import re

import numpy as np
import oracle_heap
import oracle_mp
import pytest
import strategies
from comparing import assert_same_spikes, exact, simulate, simulation, trains
from hypothesis import given
from hypothesis import strategies as st
from mpmath import mp, mpf
from plain import Edges, Net, Pop, Steps

import eventsim as es

# The documented answers are asked of all three.
ALL = pytest.mark.parametrize(
    "run", [oracle_mp.simulate, lambda *a: oracle_heap.simulate(*a)[0], simulate], ids=["O1", "O2", "engine"]
)
EPS = 2.0**-52


def one(model, params=(), initial=(), spikes=(), weight=1.0, receptor=None):
    """One neuron (global id 1) and a source (0) whose spikes reach it at once."""
    source = Pop("source", 1, "SpikeSource", {"times": list(spikes), "ids": [0] * len(spikes)})
    pop = Pop("cell", 1, model, dict(params), dict(initial))
    return Net([source, pop], [Edges("source", "cell", [0], [0], [weight], [0.0], receptor)])


# ---- drawn networks


@pytest.mark.parametrize("model", strategies.MODELS)
@given(st.data())
def test_equals_multiple_precision(model, data):
    case = data.draw(strategies.networks(models=[model], max_pops=2, limit=60))
    final = {}
    expected = oracle_mp.simulate(case.net, case.T, final=final)
    sim, pops, _ = simulation(case.net)
    assert_same_spikes(exact(sim.run(case.T)), expected, 1e-10, case.certain)
    if case.certain > case.T:
        for pop in case.net.pops[1:]:
            for state in {name for gid, name in final if gid >= case.net.first(pop.name)}:
                values = [final.get((case.net.first(pop.name) + i, state), 0.0) for i in range(pop.n)]
                close = [a == pytest.approx(float(b), rel=1e-9, abs=1e-8) for a, b in
                         zip(sim.get(pops[pop.name], state), values, strict=True)]
                assert all(close) or any(abs(v) > 1e6 for v in values), (pop.name, state, values)


@given(strategies.networks(max_pops=4, max_n=6, limit=1000))
def test_equals_the_heap_of_synaptic_events(case):
    sim, _, _ = simulation(case.net)
    result = sim.run(case.T)
    assert_same_spikes(exact(result), case.spikes, 1e-9, case.certain)
    if case.certain > case.T:
        assert result.counters["synaptic_events"] == case.delivered
        assert result.counters["spikes"] == len(case.spikes)


@st.composite
def states(draw):
    """One linear neuron somewhere below threshold with any currents; degenerate ones first."""
    model = draw(st.sampled_from([m for m in strategies.LINEAR if m not in ("LeakyIntegrator", "DeltaLIF")]))
    defaults = strategies.DEFAULTS[model]
    tau = draw(st.sampled_from([10.0, 1.0, 20.0, 1000.0]))
    params = {"tau_m": tau} if "tau_m" in defaults else {}
    for key in defaults:
        if key.startswith("tau_") and key != "tau_m":
            wide = st.floats(-3, 3).map(lambda x: tau * 10**x)
            params[key] = draw(st.one_of(strategies.beside(tau), wide))
    size = st.one_of(st.sampled_from([0.0, 1.0, -1.0]), st.floats(-3.0, 3.0))
    params |= {"E_L": 0.0} if model != "PerfectIntegrator" else {}
    params |= {"V_th": 15.0, "V_reset": -1000.0}
    scale = 15.0 if model == "FlyLIF" else 15.0 / tau
    if "C_m" in defaults:
        params["C_m"] = 1.0
        params["I_e"] = draw(st.sampled_from([0.0, 1.0, 1 + EPS, 1 - EPS / 2, 1.2, -1.0])) * scale
    initial = {"V_m": draw(st.one_of(st.sampled_from([0.0, math.nextafter(15.0, 0.0), -5.0]), st.floats(-20.0, 14.99)))}
    for name in ["g"] if model == "FlyLIF" else ["I_ex", "I_in"]:
        b = params.get("tau_syn_" + name[2:], params.get("tau_decay_" + name[2:], params.get("tau_syn", tau)))
        initial[name] = draw(size) * scale * (tau / b if model != "FlyLIF" else 1.0)
        if model in ("AlphaLIF", "DoubleExpLIF"):
            initial[name.replace("I_", "g_")] = draw(size) * scale * tau / b**2
    if model == "AdaptiveLIF":
        initial |= {"I_stc": draw(size) * scale, "h": draw(st.one_of(st.just(0.0), st.floats(0.0, 20.0)))}
    return Pop("cell", 1, model, params, initial)


def crossing(pop, shift, horizon):
    """Time of the first crossing of V_th + shift in multiple precision, infinity if there is none."""
    with mp.workdps(80):
        neuron = oracle_mp.Linear(pop, 0)
        neuron.num["V_th"] += mpf(shift)
        wait = neuron.next_spike(mpf(horizon))
        return math.inf if wait is oracle_mp.NEVER else float(wait)


def rounding(pop, t):
    """How far V can be off after t ms: 16 eps times all that is added up, amplified by what rounding does to the rates."""
    p = {k: pop.value(k, 0) for k in strategies.DEFAULTS[pop.model]}
    tau = p.get("tau_m", 0.0)
    size = abs(pop.start("V_m", 0, 0)) + p["V_th"] + abs(pop.start("h", 0, 0)) + abs(p.get("I_e", 0.0)) * (tau or t)
    size += abs(pop.start("I_stc", 0, 0)) * p.get("tau_stc", 0.0) + abs(pop.start("g", 0, 0))
    for s in ("ex", "in"):
        d = p.get("tau_syn_" + s, p.get("tau_decay_" + s, 0.0))
        size += d * (abs(pop.start("I_" + s, 0, 0)) + p.get("tau_rise_" + s, d) * abs(pop.start("g_" + s, 0, 0)))
    return 16 * EPS * size


def assert_between(pop, horizon):
    """The engine's spike lies between the crossings of thresholds moved by rounding: none is missed, none invented."""
    spikes = simulate(Net([pop]), horizon)
    found = sum(spikes[0][:2]) if spikes else math.inf
    delta = rounding(pop, horizon)
    earliest, latest = crossing(pop, -delta, horizon), crossing(pop, delta, horizon)
    slack = 4 * EPS * (1 + min(found, horizon))
    assert earliest - slack <= found <= latest + slack or (found == math.inf and latest >= horizon - slack)
    return found


@given(states(), st.sampled_from([30.0, 0.0, 1e-9, 1e3]))
def test_first_crossing_within_rounding(pop, horizon):
    assert_between(pop, horizon)


@given(states(), st.sampled_from([0.0, EPS / 2, -EPS / 2, EPS, 1e-15, -1e-15, 1e-12, -1e-12, 1e-9, -1e-9]))
def test_maximum_at_threshold_within_rounding(pop, gap):
    """The threshold moved to the highest maximum of V within 200 ms, times 1 + gap."""
    with mp.workdps(80):
        V = oracle_mp.Linear(pop, 0).excess_ahead()
        places = oracle_mp.sign_changes(V.lowered(mpf(0)), mpf(200))
        heights = [float(V(t)) + 15.0 for t in places]
    top = max(heights, default=15.0)
    if top > max(pop.initial["V_m"] - pop.initial.get("h", 0.0), -900.0) + 1e-3:
        pop.params["V_th"] = top + abs(top) * gap
    assert_between(pop, 200.0)


# ---- certified steps


@given(states())
def test_every_iterate_of_the_solver_is_a_lower_bound(pop):
    sim, _pops, _ = simulation(Net([pop]))
    core = sim._engine.populations[0]
    earliest = crossing(pop, -rounding(pop, 1e3), 1e3)
    t, row = 0.0, core.state[0].copy()
    for _ in range(1000):  # a few, but where V only just stays below its threshold the steps shorten with the gap
        wait = core.certified_wait(row, 0, t)
        if wait <= 4 * EPS * t or t + wait > 1e3:
            break
        t += wait
        assert t <= crossing(pop, rounding(pop, 1e3), 1e3) * (1 + 4 * EPS)
    else:
        pytest.fail(f"no convergence within 1000 steps, at {t} ms")
    assert t + wait >= earliest * (1 - 4 * EPS) or earliest == math.inf


@ALL
@pytest.mark.parametrize("weight, spikes", [(15.0, 0), (math.nextafter(15.0, 16.0), 1)])
def test_delta_jumps_must_exceed_the_threshold(run, weight, spikes):
    assert len(trains(run(one("DeltaLIF", {"E_L": 0.0, "V_th": 15.0}, spikes=[1.0], weight=weight), 5.0)).get(1, [])) == spikes


@ALL
def test_arrivals_of_one_instant_are_summed_before_the_test(run):
    net = one("DeltaLIF", spikes=[1.0])
    net.edges = [Edges("source", "cell", [0, 0, 0], [0, 0, 0], [20.0, -10.0, 4.0], [1.0, 1.0, 1.0])]
    assert trains(run(net, 5.0)) == {0: [1.0]}
    net.edges[0].delay = [1.0, 1.25, 1.0]
    assert trains(run(net, 5.0)) == {0: [1.0], 1: [2.0]}


@ALL
@pytest.mark.parametrize("delay, arrives", [(2.0, True), (1.75, False)])
def test_input_at_the_end_of_refractoriness_counts(run, delay, arrives):
    net = one("DeltaLIF", {"t_ref": 2.0}, spikes=[1.0])
    net.edges = [Edges("source", "cell", [0, 0], [0, 0], [20.0, 20.0], [0.0, delay])]
    assert trains(run(net, 10.0))[1] == ([1.0, 3.0] if arrives else [1.0])


@ALL
def test_zero_delay_inhibition_prevents_a_simultaneous_spike_of_a_larger_id(run):
    pair = Pop("pair", 2, "DeltaLIF")
    source = Pop("source", 1, "SpikeSource", {"times": [1.0], "ids": [0]})
    drive = Edges("source", "pair", [0, 0], [0, 1], [20.0, 20.0], [0.5, 0.5])
    for pre, post, fire in ((0, 1, {1}), (1, 0, {1, 2})):
        net = Net([source, pair], [drive, Edges("pair", "pair", [pre], [post], [-30.0], [0.0])])
        assert set(trains(run(net, 5.0))) - {0} == fire


@ALL
def test_half_open_interval_and_initial_spikes(run):
    net = Net(
        [
            Pop("source", 1, "SpikeSource", {"times": [5.0], "ids": [0]}),
            Pop("cell", 3, "LIF", {}, {"V_m": [-55.0, -54.0, math.nextafter(-55.0, -60.0)]}),
        ]
    )
    assert run(net, 5.0) == [(0, 0.0, 1), (0, 0.0, 2)]
    assert run(net, math.nextafter(5.0, 6.0))[2:] == [(5, 0.0, 0)]


@ALL
def test_edge_triggered_neurons_fire_again_only_after_falling(run):
    params = {"reset": "none", "t_ref": 0.0, "I_e": Steps([0.0, 30.0, 60.0], [500.0, 0.0, 500.0])}
    times = trains(run(one("LIF", params), 120.0))[1]
    assert len(times) == 2
    assert times[0] == pytest.approx(10.0 * math.log(4.0), abs=1e-12)
    assert times[1] > 60.0


@ALL
def test_subtracting_keeps_the_overshoot(run):
    params = {"reset": "subtract", "t_ref": 0.0, "E_L": 0.0, "V_th": 10.0, "V_reset": 0.0, "tau_m": 1e9}
    # 35 mV: three spikes at once, 5 mV left; 5.5 more: a fourth
    spikes = run(one("DeltaLIF", params, spikes=[1.0, 2.0], weight=35.0), 1.5)
    assert trains(spikes)[1] == [1.0, 1.0, 1.0]
    spikes = run(one("DeltaLIF", params, spikes=[1.0, 2.0], weight=35.0), 2.5)
    assert trains(spikes)[1] == [1.0] * 3 + [2.0] * 4 or trains(spikes)[1] == [1.0] * 3 + [2.0] * 3


@ALL
def test_threshold_events_of_one_instant_in_order_of_ids(run):
    net = Net(
        [
            Pop("late", 1, "SpikeSource", {"times": [2.0], "ids": [0]}),
            Pop("cell", 2, "DeltaLIF"),
            Pop("source", 2, "SpikeSource", {"times": [2.0, 2.0, 1.0], "ids": [1, 0, 0]}),
        ],
        [Edges("source", "cell", [0, 0], [1, 0], [20.0, 20.0], [1.0, 1.0])],
    )
    assert [(e, o, g) for e, o, g in run(net, 2.5)] == [(1, 0.0, 3), *((2, 0.0, g) for g in (0, 1, 2, 3, 4))]


@ALL
def test_a_chain_of_zero_delays_fires_within_one_instant(run):
    source = Pop("source", 1, "SpikeSource", {"times": [1.5], "ids": [0]})
    chain = Edges("relay", "relay", [4, 3, 2, 1], [3, 2, 1, 0], [20.0] * 4, [0.0] * 4)
    net = Net([source, Pop("relay", 5, "DeltaLIF")], [Edges("source", "relay", [0], [4], [20.0], [0.0]), chain])
    assert run(net, 5.0) == [(1, 0.5, gid) for gid in (0, 5, 4, 3, 2, 1)]


@ALL
def test_delays_are_equal_if_their_computed_sums_are(run):
    """Two ways of 0.75 + 0.5 ms and of 1.25 ms meet: the excitation alone would fire."""
    source = Pop("source", 1, "SpikeSource", {"times": [1.0], "ids": [0]})
    pops = [source, Pop("relay", 1, "DeltaLIF"), Pop("cell", 1, "DeltaLIF")]
    for inhibition, fires in ((1.25, False), (math.nextafter(1.25, 2.0), True)):
        net = Net(
            pops,
            [
                Edges("source", "relay", [0], [0], [20.0], [0.75]),
                Edges("relay", "cell", [0], [0], [20.0], [0.5]),
                Edges("source", "cell", [0], [0], [-10.0], [inhibition]),
            ],
        )
        assert (2 in trains(run(net, 5.0))) == fires


@ALL
def test_refractory_neurons_are_clamped_while_their_currents_run(run):
    params = {"V_reset": -60.0, "t_ref": 5.0, "tau_syn_ex": 10.0, "tau_m": 10.0}
    spikes = run(one("LIF", params, spikes=[1.0], weight=6000.0), 60.0)
    first, second = trains(spikes)[1][:2]
    # at release: V = -60 and the current has decayed since its arrival; then u = (u0 + I t) exp(-t/tau)
    I0 = 6000.0 * math.exp(-(first + 5.0 - 1.0) / 10.0) / 250.0
    t = second - first - 5.0
    assert (10.0 + I0 * t) * math.exp(-t / 10.0) == pytest.approx(15.0, abs=1e-10)


@ALL
def test_fly_neurons_are_frozen_while_refractory(run):
    """An arrival into g during refractoriness waits there undiminished; g is cleared at the spike."""
    source = Pop("source", 2, "SpikeSource", {"times": [1.0, 3.0], "ids": [0, 1]})
    cell = Pop("fly", 1, "FlyLIF", {"t_ref": 10.0})
    net = Net(
        [source, cell],
        [
            Edges("source", "fly", [0], [0], [68.75], [0.0], "V"),
            Edges("source", "fly", [0, 1], [0, 0], [30.0, 60.0], [0.0, 0.0], "g"),
        ],
    )
    alone = one("FlyLIF", spikes=[11.0], weight=60.0)
    expected = trains(run(alone, 40.0))[1]
    found = trains(run(net, 40.0))[2]
    assert found[0] == 1.0
    assert found[1] == pytest.approx(expected[0], abs=1e-12)


@ALL
def test_both_signs_on_one_neuron_have_their_own_time_constants(run):
    params = {"tau_syn_ex": 0.5, "tau_syn_in": 20.0, "I_e": 450.0, "V_th": -53.0}
    # inhibition outlives excitation: the spike comes after both
    net = one("LIF", params, spikes=[1.0])
    net.edges = [Edges("source", "cell", [0, 0], [0, 0], [5000.0, -3000.0], [0.0, 0.0])]
    assert trains(run(net, 150.0))[1][0] > 20.0


@ALL
def test_steps_hold_from_their_times_on(run):
    params = {"I_e": Steps([5.0, 10.0], [[500.0], [0.0]])}
    assert 1 not in trains(run(one("LIF", params), 50.0))
    params = {"I_e": Steps([5.0, 25.0], [[500.0], [0.0]])}
    assert trains(run(one("LIF", params), 80.0))[1] == pytest.approx([5.0 + 10.0 * math.log(4.0)], abs=1e-12)
    # from the very beginning, and one value for all
    params = {"I_e": Steps([0.0, 25.0], [500.0, 0.0])}
    assert trains(run(one("LIF", params), 80.0))[1] == pytest.approx([10.0 * math.log(4.0)], abs=1e-12)


# ---- what only the engine has


def test_a_cycle_of_zero_delays_is_an_error_that_names_the_neurons():
    net = es.Network()
    source = net.add("source", 1, es.SpikeSource([1.0], [0]))
    ring = net.add("ring", 3, es.DeltaLIF(t_ref=0.0))
    net.connect(source, ring[0], weight=20.0, delay=0.5)
    net.connect(ring, ring, es.Pairs([0, 1, 2], [1, 2, 0]), weight=20.0, delay=0.0)
    sim = es.Simulation(net)
    with pytest.raises(RuntimeError, match=re.escape("ring[0]")) as error:
        sim.run(5.0)
    assert all(name in str(error.value) for name in ("ring[1]", "ring[2]", "1.5", "t_ref"))
    assert sim.time == 1.5


def test_a_cycle_of_zero_delays_with_refractoriness_is_none():
    net = es.Network()
    source = net.add("source", 1, es.SpikeSource([1.0], [0]))
    ring = net.add("ring", 3, es.DeltaLIF(t_ref=2.0))
    net.connect(source, ring[0], weight=20.0, delay=0.5)
    net.connect(ring, ring, es.Pairs([0, 1, 2], [1, 2, 0]), weight=20.0, delay=0.0)
    t, i = es.simulate(net, 5.0).spikes("ring")
    assert t.tolist() == [1.5] * 3 and i.tolist() == [0, 1, 2]


def test_half_open_runs_and_spikes_at_their_ends():
    net = es.Network()
    source = net.add("source", 1, es.SpikeSource([2.0, 5.0], [0, 0]))
    cell = net.add("cell", 1, es.DeltaLIF(t_ref=0.0))
    net.connect(source, cell, weight=20.0, delay=3.0)
    sim = es.Simulation(net)
    assert sim.run(5.0).spikes()[0].tolist() == [2.0]
    empty = sim.run(0.0)
    assert empty.counters["spikes"] == 0 and sim.time == 5.0
    assert [x.tolist() for x in sim.run(3.0).spikes()] == [[5.0, 5.0], [0, 1]]
    assert [x.tolist() for x in sim.run(0.5).spikes()] == [[8.0], [1]]
    assert sim.result().spikes()[0].tolist() == [2.0, 5.0, 5.0, 8.0]


def test_initial_spikes_happen_at_the_start_wherever_it_is():
    net = es.Network()
    cell = net.add("cell", 3, es.LIF(), V_m=[-55.0, -60.0, -50.0])
    for start in (0.0, 7.25, 1e6):
        sim = es.Simulation(net, t_start=start)
        assert [x.tolist() for x in sim.run(1.0).spikes(cell)] == [[start, start], [0, 2]]


def test_inject_adds_spikes_from_now_on():
    net = es.Network()
    source = net.add("source", 2, es.SpikeSource([1.0, 9.0], [0, 1]))
    sim = es.Simulation(net)
    sim.run(4.0)
    sim.inject(source, [6.0, 4.0, 9.0], [0, 1, 0])
    assert [x.tolist() for x in sim.run(10.0).spikes()] == [[4.0, 6.0, 9.0, 9.0], [1, 0, 0, 1]]
    with pytest.raises(ValueError, match=r"13\.9"):
        sim.inject(source, [13.9], [0])


@pytest.mark.parametrize("change, spikes", [({"weight": 1.0}, []), ({"delay": 0.5}, [3.0, 4.5]), ({}, [3.0, 6.0])])
def test_spikes_in_flight_find_new_weights_and_keep_their_delays(change, spikes):
    net = es.Network()
    source = net.add("source", 1, es.SpikeSource([1.0, 4.0], [0, 0]))
    cell = net.add("cell", 1, es.DeltaLIF(t_ref=0.0, E_L=0.0, V_th=10.0, V_reset=0.0))
    synapse = net.connect(source, cell, weight=20.0, delay=2.0)
    sim = es.Simulation(net)
    sim.run(2.0)
    if change:
        sim.set(synapse, **change)
    assert sim.run(20.0).spikes(cell)[0].tolist() == spikes


def test_a_membrane_set_to_threshold_spikes_now():
    net = es.Network()
    cell = net.add("cell", 3, es.LIF())
    sim = es.Simulation(net)
    sim.run(2.5)
    sim.set(cell[1:], V_m=[-55.0, math.nextafter(-55.0, -56.0)])
    assert [x.tolist() for x in sim.run(5.0).spikes(cell)] == [[2.5], [1]]
    assert sim.get(cell, "V_m")[0] == -70.0


def test_parameters_set_between_runs_act_from_then_on():
    net = es.Network()
    cell = net.add("cell", 2, es.LIF(I_e=300.0), V_m=-70.0)
    sim = es.Simulation(net)
    sim.run(7.0)
    u = 12.0 * (1 - math.exp(-0.7))
    assert sim.get(cell, "V_m") == pytest.approx(-70.0 + u, abs=1e-12)
    sim.set(cell[1], I_e=500.0)
    sim.set(cell[1], tau_m=5.0, V_th=-61.0)
    assert sim.get(cell, "V_m") == pytest.approx(-70.0 + u, abs=1e-12)
    t, i = sim.run(10.0).spikes(cell)
    # tau_m = 5 ms, u -> 10 mV, from u to 9 mV
    assert i[0] == 1
    assert t[0] == pytest.approx(7.0 + 5.0 * math.log((10.0 - u) / 1.0), abs=1e-12)


def test_saved_with_spikes_in_flight(tmp_path):
    net = es.Network()
    source = net.add("source", 3, es.SpikeSource([1.0, 1.25, 3.0], [0, 1, 2]))
    cell = net.add("cell", 4, es.LIF(I_e=400.0))
    drive = net.add("drive", 5, es.Poisson(rate=300.0))
    net.connect(source, cell, weight=es.Uniform(100.0, 3000.0), delay=es.Uniform(0.5, 6.0))
    net.connect(drive, cell, weight=es.Uniform(-500.0, 900.0), delay=es.Uniform(0.0, 6.0))
    sim = es.Simulation(net, seed=5)
    first = sim.run(2.7)
    sim.save(tmp_path / "sim")
    rest = exact(sim.run(30.0))
    again = es.load(tmp_path / "sim")
    assert again.time == 2.7
    assert exact(again.run(30.0)) == rest
    assert exact(again.result()) == exact(first) + rest
    assert any(gid in range(3, 7) for _, _, gid in rest)


def test_a_poisson_train_may_be_replayed():
    """Off-grid Poisson times are ordinary spikes: the same network driven by the recorded list fires at the same bits."""

    def build(model):
        net = es.Network()
        drive, cell = net.add("drive", 20, model), net.add("cell", 5, es.LIF())
        net.connect(drive, cell, weight=700.0, delay=es.Uniform(0.1, 3.0))
        return net

    first = es.Simulation(build(es.Poisson(rate=200.0)), seed=3).run(100.0)
    epoch, offset, ids = first.spike_times_exact("drive")
    replay = es.Simulation(build(es.SpikeSource(epoch + offset, ids)), seed=3).run(100.0)
    assert first.counts("cell").sum() > 20
    a, b = first.spikes("cell"), replay.spikes("cell")
    assert np.array_equal(a[1], b[1])
    assert np.allclose(a[0], b[0], rtol=0, atol=1e-9)  # the sum epoch + offset has lost bits of the offset


def test_weights_are_exact_in_the_precision_asked_for():
    def spikes(weight, dtype):
        net = es.Network()
        source = net.add("source", 1, es.SpikeSource([1.0], [0]))
        cell = net.add("cell", 1, es.LIF())
        net.connect(source, cell, es.Pairs([0, 0], [0, 0]), weight=weight, delay=0.1)
        return exact(es.Simulation(net, weight_dtype=dtype).run(20.0))

    both = np.array([1234.5678, 2345.6789])
    rounded = both.astype(np.float32).astype(float)
    assert spikes(both, "float32") == spikes(rounded, "float64") == spikes(rounded, "float32")
    assert spikes(both, "float32") != spikes(both, "float64")
    assert spikes(1234.5678, "float32") == spikes(np.full(2, 1234.5678), "float64")


def test_simulate_is_one_run():
    net = es.Network()
    net.add("cell", 1, es.LIF(I_e=500.0))
    assert exact(es.simulate(net, 100.0)) == exact(es.Simulation(net).run(100.0)) != []
