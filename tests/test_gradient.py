"""Gradients of small networks against central differences in multiple precision (`oracle_gradient`).

Tolerances are relative to the largest derivative by parameters of the same name. A spike time computed in double precision
is off by eps V / V', its derivative by as much again where V' is small: the seeds are chosen so that V' > 0.3 mV/ms at
every spike (asserted), with potentials of tens of mV and a chain of some ten spikes 1e-10 is two orders above rounding.
"""

import math
from itertools import pairwise

import numpy as np
import oracle_gradient
import oracle_mp
import pytest
from comparing import simulation
from gradient_nets import KINDS, SPIKING, Loss, edges, layers, network, population
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from mpmath import mp, mpf
from plain import Edges, Net, Pop, Steps

import eventsim as es

T = 22.0


def order(e):
    """Places in an `Edges` of what `sim.edges` lists."""
    return sorted(range(len(e.i)), key=lambda m: (e.i[m], e.delay[m], e.j[m], m))


def found(net, grads, pops, projections, holder, name):
    """A derivative of the product, in the order of the plain net."""
    if holder[0] == "edges":
        e, values = net.edges[holder[1]], getattr(grads[projections[holder[1]]], name)
        back = np.empty(len(values))
        back[order(e)] = values
        return back
    value = getattr(grads[pops[holder]], name)
    return value[0] if name == "times" else value


def smallest_slope(net, T):
    """The smallest dV/dt [mV/ms] at a spike that comes by drift, and the number of spikes of each neuron."""
    slopes = []
    with mp.workdps(oracle_gradient.DIGITS):
        net = oracle_gradient.explicit(net)
        plan = oracle_gradient.Plan(net, T, 0.0)
        run = oracle_gradient.Run(net, plan)
        for cell in run.cells.values():
            for k, (_, kind, _, wait) in enumerate(cell.events):
                (at, state), (then, _) = cell.trace[k], cell.trace[k + 1]
                if kind == oracle_gradient.SPIKE and wait is not None and isinstance(state, oracle_mp.Linear):
                    slopes.append(float(state.excess_ahead().lowered(mpf(0))(then - at)))
    return min(slopes, default=math.inf)


def spike_counts(net, T):
    counts = [0] * net.n
    for _, _, gid in oracle_mp.simulate(net, T):
        counts[gid] += 1
    return counts


def errors(net, T, kinds=("times",), only=None, **options):
    """{(kind of loss, holder, name): error relative to the largest derivative of that name}."""
    losses = [Loss(net, T, kind) for kind in kinds]
    truth = oracle_gradient.gradient(net, T, [loss.exact for loss in losses], only=only)
    out = {}
    for loss, (value, expected) in zip(losses, truth, strict=True):
        sim, pops, projections = simulation(net)
        got, grads, _ = es.value_and_grad(sim, loss, duration=T, **{"executor": "events"} | options)
        assert got == pytest.approx(value, rel=1e-11), loss.kind
        if not math.isfinite(value):  # V_m of a QIF that rests is -inf: no differences to compare with
            continue
        scales = {}
        for (_, name), values in expected.items():
            scales[name] = max(scales.get(name, 0.0), float(np.abs(values).max(initial=0.0)))
        floor = 1e-6 * max(scales.values())  # for derivatives that are 0 but for rounding
        for (holder, name), values in expected.items():
            mine = found(net, grads, pops, projections, holder, name)
            assert np.shape(mine) == values.shape, (loss.kind, holder, name)
            distance = np.abs(mine - values).max(initial=0.0)
            out[loss.kind, holder, name] = distance / max(scales[name], floor) if distance else 0.0
    return out


def assert_exact(net, T, kinds=("times",), only=None, **options):
    """Every derivative of every kind of loss equals the oracle's."""
    for (kind, holder, name), error in errors(net, T, kinds, only, **options).items():
        assert error <= (1e-10 if kind == "times" else 1e-9), (kind, holder, name, error)


# ---- the oracle itself


def test_oracle_equals_differences_of_the_simulator_itself(monkeypatch):
    """O1 run again from the start on both sides, with exact times in place of (epoch, offset), gives the same."""
    net = network("LIF", 3, n=2, spikes=3, t_ref=[0.8, 0.0])
    loss = Loss(net, T, "times")
    _, expected = oracle_gradient.gradient(net, T, [loss.exact])[0]
    monkeypatch.setattr(oracle_mp, "stamp", lambda t: (0, mpf(t)))
    monkeypatch.setattr(oracle_mp, "later", lambda time, delay: (0, time[1] + delay))
    monkeypatch.setattr(oracle_mp, "after", lambda time, t: (0, time[1] + t))

    class Spikes:
        def spikes(self, name):
            return sorted((t, gid - net.first(name)) for _, t, gid in oracle_mp.simulate(self.net, T, dps=50) if gid >= 2)

    with mp.workdps(90):
        exact, runs = oracle_gradient.explicit(net), Spikes()
        runs.net = exact
        for holder, name, values in oracle_gradient.places(exact):
            for k, x in enumerate(values):
                if k % 2 or (name in ("t_ref", "I_in") and x == 0):
                    continue  # half of them is enough; those are one-sided here
                h = oracle_gradient.STEP * (abs(mpf(x)) or 1)
                values[k] = mpf(x) + h
                up = loss.exact(runs)
                values[k] = mpf(x) - h
                down = loss.exact(runs)
                values[k] = x
                truth = expected[holder, name][k]
                assert float((up - down) / (2 * h)) == pytest.approx(truth, rel=1e-12, abs=1e-14), (holder, name)


def test_oracle_notices_spikes_that_change_their_order():
    source = Pop("in", 2, "SpikeSource", {"times": [1.0, 1.0 + 1e-12], "ids": [0, 1]})
    net = Net([source, Pop("a", 1, "LIF")], [Edges("in", "a", [0], [0], [10.0], [1.0])])
    monkey = oracle_gradient.CLOSE
    try:
        oracle_gradient.CLOSE = mpf(10) ** -20
        oracle_gradient.STEP, step = mpf(10) ** -8, oracle_gradient.STEP
        with pytest.raises(oracle_gradient.Reordered):
            oracle_gradient.gradient(net, 5.0, [lambda run: run.V("a", 0, 3.0)])
    finally:
        oracle_gradient.CLOSE, oracle_gradient.STEP = monkey, step


def test_oracle_on_a_closed_form():
    """dV = -V/tau + I: V(T) = I tau (1 - exp(-T/tau)) and its largest value, integrals and derivatives by I_e and E_L."""
    tau, C, I = 8.0, 100.0, 30.0
    net = Net([Pop("a", 1, "LIF", {"tau_m": tau, "C_m": C, "I_e": I, "E_L": 0.0, "V_th": 15.0, "V_reset": -1.0})])
    losses = [lambda run: run.V("a", 0, 5.0), lambda run: run.max_V("a", 0), lambda run: run.integral_V("a", 0)]
    (v, by_v), (top, by_top), (area, by_area) = oracle_gradient.gradient(net, 10.0, losses)
    gain = [1 - math.exp(-t / tau) for t in (5.0, 10.0)]
    assert v == pytest.approx(I / C * tau * gain[0], rel=1e-14)
    assert top == pytest.approx(I / C * tau * gain[1], rel=1e-14)
    assert area == pytest.approx(I / C * tau * (10.0 - tau * gain[1]), rel=1e-14)
    assert by_v["a", "I_e"] == pytest.approx([tau / C * gain[0]], rel=1e-14)
    assert by_top["a", "E_L"] == pytest.approx([gain[1]], rel=1e-14)
    assert by_area["a", "V_m"] == pytest.approx([tau * gain[1]], rel=1e-14)


# ---- every model: one line each, (seed, kinds of losses, options of the network)

MODELS = {
    "LIF": (3, KINDS, {"quiet": True}),
    "PerfectIntegrator": (2, KINDS, {"quiet": True}),
    "LeakyIntegrator": (1, KINDS, {}),
    "AlphaLIF": (2, KINDS, {"n": 2}),
    "DoubleExpLIF": (3, KINDS, {"n": 2}),
    "AdaptiveLIF": (1, KINDS, {"quiet": True}),
    "QIF": (2, ("times", "V"), {}),
    "FlyLIF": (3, KINDS, {"quiet": True}),
    "DeltaLIF": (0, KINDS, {"quiet": True}),
}


@pytest.mark.filterwarnings("ignore:DeltaLIF")
@pytest.mark.parametrize("model", MODELS)
def test_every_parameter_and_loss_of_every_model(model):
    seed, kinds, options = MODELS[model]
    net = network(model, seed, spikes=4, **options)
    assert smallest_slope(net, T) > 0.3
    assert model == "LeakyIntegrator" or sum(n >= 1 for n in spike_counts(net, T)[2:]) >= 2
    assert_exact(net, T, kinds)


# ---- what can happen to a LIF neuron

CASES = {
    "subtract": {"reset": "subtract"},
    "no reset": {"reset": "none", "t_ref": 0.0},
    "not refractory": {"t_ref": 0.0},
    "refractory for longer than the delays": {"t_ref": 4.0, "delay": (0.2, 0.8)},
    "equal time constants": {"tau_m": 8.0, "tau_syn_ex": 8.0, "tau_syn_in": 8.0},
    "one ulp apart": {"tau_m": 8.0, "tau_syn_ex": math.nextafter(8.0, 9.0), "tau_syn_in": math.nextafter(8.0, 7.0)},
    "driven": {"n": 3, "I_e": [30.0, -20.0, 60.0]},
    "steps": {"n": 3, "I_e": Steps([0.0, 3.0, 9.5], [[200.0, -100.0, 0.0], [250.0] * 3, [0.0, -50.0, 100.0]])},
    "initial states": {"initial": {"V_m": -61.0, "I_ex": 120.0, "I_in": -60.0}},
}


@pytest.mark.parametrize("case", CASES)
def test_what_can_happen(case):
    net = network("LIF", 3, **{"n": 2, "spikes": 4} | CASES[case])
    assert smallest_slope(net, T) > 0.3
    assert sum(n >= 1 for n in spike_counts(net, T)[2:5]) >= 2
    assert_exact(net, T, ("times", "integral_square"))


INITIAL = {
    "AlphaLIF": {"V_m": -60.0, "I_ex": 100.0, "I_in": -50.0, "g_ex": 80.0, "g_in": -30.0},
    "DoubleExpLIF": {"V_m": -60.0, "I_ex": 100.0, "I_in": -50.0, "g_ex": 200.0, "g_in": -90.0},
    "AdaptiveLIF": {"V_m": -60.0, "I_ex": 300.0, "I_in": -50.0, "I_stc": 60.0, "h": 1.5},
    "PerfectIntegrator": {"V_m": 4.0, "I_ex": 150.0, "I_in": -50.0},
    "LeakyIntegrator": {"V_m": -60.0, "I_ex": 100.0, "I_in": -50.0},
    "QIF": {"V_m": 0.3, "I": 3.0},
    "FlyLIF": {"V_m": -50.0, "g": 4.0},
    "DeltaLIF": {"V_m": -60.0},
}


@pytest.mark.filterwarnings("ignore:DeltaLIF")
@pytest.mark.parametrize("model", INITIAL)
def test_initial_states(model):
    net = network(model, 2, n=2, spikes=3, initial=INITIAL[model])
    assert smallest_slope(net, T) > 0.3
    assert model == "LeakyIntegrator" or sum(n >= 1 for n in spike_counts(net, T)[2:]) >= 1
    assert_exact(net, T, ("times", "V"))


def chain(**params):
    """Input, a, b, feed-forward with delays of zero."""
    rng = np.random.default_rng(4)
    source = Pop("in", 2, "SpikeSource", {"times": [0.5, 1.25, 6.0, 7.5], "ids": [0, 1, 0, 1]})
    a, b = population(rng, "a", 2, "LIF", **params), population(rng, "b", 2, "LIF", **params)
    return Net([source, a, b], [edges(rng, source, a, 4, 0.8, 1.6, (0.0, 0.0)), edges(rng, a, b, 4, 0.5, 1.5, (0.0, 0.0))])


def test_no_delay():
    net = chain()
    assert smallest_slope(net, T) > 0.3 and min(spike_counts(net, T)[2:]) >= 1
    assert_exact(net, T, KINDS)


@pytest.mark.parametrize("h", [0.0, 1.5])
def test_adaptive_threshold_from_which_is_subtracted(h):
    """The membrane keeps what the threshold is raised by; the initial elevation fades until the first spike."""
    net = network("AdaptiveLIF", 1, n=2, spikes=5, reset="subtract", initial={"V_m": -60.0, "h": h})
    assert smallest_slope(net, T) > 0.3 and max(spike_counts(net, T)[2:]) > 1
    assert_exact(net, T, ("times", "V", "integral_V"))


@pytest.mark.filterwarnings("ignore:DeltaLIF")
@pytest.mark.parametrize("model", SPIKING)
def test_a_spike_takes_32_bytes_of_tape(model):
    sim = simulation(network(model, 1, **({"reset": "subtract"} if "Adaptive" in model else {})))[0]
    sim._engine.write_tape()
    sim.run(T)
    assert len(sim._engine.tape.rows()) > 2 and sim._engine.tape.rows()[0].nbytes == 32


@pytest.mark.parametrize("t_ref", [2.2, 0.0])
def test_jumps_of_a_refractory_membrane(t_ref):
    """FlyLIF is released from wherever jumps took it."""
    net = network("FlyLIF", 3, n=2, t_ref=t_ref)
    first = min(e + o for e, o, gid in oracle_mp.simulate(net, T) if gid >= 2)
    jumps = Pop("jumps", 1, "SpikeSource", {"times": [float(first) + 0.4, float(first) + 1.1], "ids": [0, 0]})
    net = Net([net.pops[0], net.pops[1], jumps], [*net.edges, Edges("jumps", "a", [0, 0], [0, 1], [2.5, 1.5], [0.3, 0.6], "V")])
    assert smallest_slope(net, T) > 0.3
    assert_exact(net, T, ("times", "V", "integral_V"))


@pytest.mark.filterwarnings("ignore:DeltaLIF")
def test_spike_at_the_release_while_the_membrane_is_observed():
    """Still above threshold when refractoriness ends, a neuron spikes at once again; what pulls at that spike goes on to the
    release, past observations of the clamped membrane (an integral has them everywhere)."""
    net = network("DeltaLIF", 1, n=4, spikes=6, reset="subtract")
    t_ref = net.pop("a").params["t_ref"]
    spikes = [(e + o, gid - 2) for e, o, gid in oracle_mp.simulate(net, T) if gid >= 2]
    at = [[t for t, i in spikes if i == j] for j in range(4)]
    assert any(abs(b - a - t_ref[j]) < 1e-12 for j in range(4) for a, b in pairwise(at[j]))
    assert_exact(net, T, ("V", "integral_V", "integral_square"))


@pytest.mark.parametrize("reset", ["value", "subtract"])
def test_end_while_refractory(reset):
    """A spike whose release lies beyond the end."""
    net = network("LIF", 3, n=2, reset=reset)
    last = max(e + o for e, o, gid in oracle_mp.simulate(net, T) if gid >= 2)
    end = last + 0.3  # t_ref > 2 ms
    assert_exact(net, end, KINDS)


def test_silent_neurons():
    """One neuron without synapses, one below threshold; their kink and interior maxima."""
    rng = np.random.default_rng(1)
    source = Pop("in", 2, "SpikeSource", {"times": [1.0, 2.2, 9.0], "ids": [0, 1, 0]})
    a = population(rng, "a", 4, "LIF")
    into = edges(rng, source, a, 6, 0.2, 0.4)
    into.weight[4:] = [-w for w in into.weight[4:]]
    net = Net([source, a], [into])
    assert sum(spike_counts(net, T)[2:]) == 0
    assert_exact(net, T, KINDS[1:])


def test_kink_maximum_at_an_inhibitory_arrival():
    """V rises until inhibition arrives: the maximum moves with that arrival."""
    source = Pop("in", 2, "SpikeSource", {"times": [1.0, 3.0], "ids": [0, 1]})
    a = Pop("a", 1, "LIF", {"tau_syn_ex": 6.0})
    net = Net([source, a], [Edges("in", "a", [0, 1], [0, 0], [500.0, -2000.0], [0.5, 0.7])])
    _, grads = oracle_gradient.gradient(net, T, [Loss(net, T, "max_V").exact])[0]
    assert abs(grads[("edges", 0), "delay"][1]) > 1e-3  # a kink indeed
    assert_exact(net, T, ("max_V",))


@pytest.mark.parametrize("seed, reset", [(0, "value"), (1, "subtract")])
def test_maximum_of_a_neuron_whose_threshold_moves(seed, reset):
    """The highest V_m is that of some spike, and moves with it."""
    net = network("AdaptiveLIF", seed, n=2, spikes=4, reset=reset)
    assert smallest_slope(net, T) > 0.3 and max(spike_counts(net, T)[2:]) > 1
    assert_exact(net, T, ("max_V",))


def test_maximum_just_before_the_spike_current_sets_in():
    """Without a reset: V_m rises to the threshold and falls from there, for the spike itself is followed by a current."""
    source = Pop("in", 1, "SpikeSource", {"times": [1.0], "ids": [0]})
    a = Pop("a", 1, "AdaptiveLIF", {"reset": "none", "t_ref": 0.0, "q_stc": 3000.0, "q_sfa": 2.0, "tau_syn_ex": 6.0})
    net = Net([source, a], [Edges("in", "a", [0], [0], [2000.0], [0.5])])
    assert spike_counts(net, T)[1] == 1
    assert_exact(net, T, ("max_V",))
    sim = simulation(net)[0]
    _, _, response = es.value_and_grad(sim, Loss(net, T, "max_V"), duration=T)
    assert response.max_V("a") == pytest.approx(-55.0, abs=1e-9)


LAYERS = {
    "generic": {},
    "no delay": {"delay": (0.0, 0.0)},
    "equal time constants": {"tau_m": 8.0, "tau_syn_ex": 8.0, "tau_syn_in": 8.0},
    "half the time constant": {"tau_m": 8.0, "tau_syn_ex": 4.0, "tau_syn_in": 4.0},
    "not refractory": {"t_ref": 0.0, "spikes": 3},
    "subtract": {"reset": "subtract"},
}


@pytest.mark.parametrize("case", LAYERS)
def test_layers(case):
    net = layers(2, **LAYERS[case])
    assert smallest_slope(net, T) > 0.3
    assert sum(n >= 1 for n in spike_counts(net, T)[2:7]) >= 4
    if case == "generic":
        assert_exact(net, T, KINDS[:-1], executor="layers")
    else:
        only = {"weight", "delay", "times", "tau_m", "tau_syn_ex", "V_reset", "t_ref"}
        assert_exact(net, T, ("times",), only, executor="layers")


def test_batch_of_the_oracle_sums():
    """Two samples: the sum of the gradients of each, times apart."""
    nets = [network("LIF", 3), network("LIF", 3)]
    nets[1].pops[0].params["times"] = [t + 0.7 for t in nets[1].pops[0].params["times"]]
    loss = Loss(nets[0], T, "times")
    truth = [oracle_gradient.gradient(net, T, [loss.exact])[0] for net in nets]
    sim, pops, projections = simulation(nets[0])
    inputs = [(p.params["times"], p.params["ids"]) for p in (net.pops[0] for net in nets)]
    value, grads, _ = es.value_and_grad(sim, loss, inputs, duration=T, executor="events")
    assert value == pytest.approx(truth[0][0] + truth[1][0], rel=1e-12)
    for (holder, name), values in truth[0][1].items():
        if name == "times":
            for k in range(2):
                assert grads[pops[holder]].times[k] == pytest.approx(truth[k][1][holder, name], rel=1e-9, abs=1e-11)
            continue
        total = values + truth[1][1][holder, name]
        assert found(nets[0], grads, pops, projections, holder, name) == pytest.approx(total, rel=1e-9, abs=1e-10)


@settings(max_examples=4)
@given(st.integers(0, 10**6), st.sampled_from(["LIF", "LIF", "AlphaLIF", "AdaptiveLIF", "PerfectIntegrator", "FlyLIF"]))
def test_drawn_networks(seed, model):
    net = network(model, seed, n=2)
    assume(smallest_slope(net, T) > 0.3)
    assert_exact(net, T, ("times", "V"))


@pytest.mark.validate
@pytest.mark.filterwarnings("ignore:DeltaLIF")
@settings(max_examples=60)
@given(st.integers(0, 10**6), st.sampled_from(SPIKING), st.sampled_from(["value", "subtract"]))
def test_many_drawn_networks(seed, model, reset):
    options = {"reset": reset} if model in ("LIF", "AlphaLIF", "DoubleExpLIF", "DeltaLIF") else {}
    net = network(model, seed, n=4, spikes=6, **options)
    assume(smallest_slope(net, T) > 0.3)
    assert_exact(net, T, MODELS[model][1])
