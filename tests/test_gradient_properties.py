"""What gradients obey whatever the network: units, forward mode, and changes that change nothing. Networks of 20 to 200 neurons.

Sums are compared with the sum of the magnitudes of their terms: rounding of a spike time is amplified along chains of spikes
and by 1/V' at each, and what is left of it here is far below 1e-8 of that sum.
"""

import copy

import numpy as np
import oracle_tangent
import pytest
from comparing import exact, simulation
from gradient_nets import SPIKING, Loss, large, layers
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle_gradient import explicit, places
from plain import Edges
from test_gradient import found, order

import eventsim as es
from eventsim.times import later_all

T = 30.0
MODELS = ["LIF", "AlphaLIF", "DoubleExpLIF", "AdaptiveLIF", "PerfectIntegrator", "FlyLIF"]
seeds = st.integers(0, 10**6)
few = settings(max_examples=4)


def value_and_grad(sim, loss, inputs=None, **options):
    """By the executor for any network."""
    return es.value_and_grad(sim, loss, inputs, **{"duration": T, "executor": "events"} | options)


def gradient(net, loss, inputs=None, **options):
    """(value, {(holder, name): derivatives in the order of the plain net}, response)."""
    sim, pops, projections = simulation(net)
    value, grads, response = value_and_grad(sim, loss, inputs, **options)
    named = {(holder, name): found(net, grads, pops, projections, holder, name) for holder, name, _ in places(explicit(net))}
    return value, named, response


def assert_close(a, b, tolerance=1e-9):
    """The same derivatives, up to `tolerance` of the largest of each name."""
    assert a.keys() == b.keys()
    for key in a:
        assert np.abs(a[key] - b[key]).max(initial=0.0) <= tolerance * np.abs(b[key]).max(initial=0.0), key


def spikes_of(response, net, at_least=20):
    m = len(response.spikes("a").time)
    assert m >= at_least, f"{m} spikes"
    return m


# ---- units

#: Powers of (voltage, current, time) in the unit of each parameter and state.
UNITS = {
    "V_th": (1, 0, 0), "V_reset": (1, 0, 0), "E_L": (1, 0, 0), "V_m": (1, 0, 0), "q_sfa": (1, 0, 0), "h": (1, 0, 0),
    "g": (1, 0, 0), "I_ex": (0, 1, 0), "I_in": (0, 1, 0), "I_e": (0, 1, 0), "q_stc": (0, 1, 0), "I_stc": (0, 1, 0),
    "g_ex": (0, 1, -1), "g_in": (0, 1, -1), "weight": (0, 1, 0), "C_m": (-1, 1, 1),
}  # fmt: skip


@pytest.mark.parametrize("kind", ["times", "V", "max_V", "integral_V"])
@pytest.mark.parametrize("model", MODELS)
@settings(max_examples=2)
@given(seed=seeds)
def test_units(model, kind, seed):
    """Expressed in other units of voltage, current or time, nothing else changes: for each unit
    sum (power of it) p dL/dp = (power of it in L) L."""
    net = large(seed, model, t_ref=1.5)
    loss = Loss(net, T, kind)
    if kind == "times":
        loss = LinearTimes(net)
    value, grads, response = gradient(net, loss)
    spikes_of(response, net)
    powers = UNITS | ({"weight": (1, 0, 0)} if model == "FlyLIF" else {})
    in_loss = (0, 0, 1) if kind == "times" else (1, 0, 0)
    for unit in (0, 1) if kind != "times" else (0, 1, 2):
        terms = [in_loss[unit] * -value]
        for holder, name, entries in places(explicit(net)):
            power = powers.get(name, (0, 0, 1))[unit]  # all others are times
            terms.extend(power * np.array(entries) * grads[holder, name])
        assert abs(sum(terms)) <= 1e-8 * (np.abs(terms).sum() + abs(value)), unit


class LinearTimes:
    """A weighted sum of spike times, larger weights for later neurons."""

    def __init__(self, net):
        self.n = net.pop("a").n

    def __call__(self, response, targets=None):
        s = response.spikes("a")
        c = 1.0 + s.neuron / self.n
        return float(c @ s.time), {"a": es.Sensitivity(times=c)}


@pytest.mark.parametrize("model", ["LIF", "AlphaLIF", "AdaptiveLIF", "QIF"])
@few
@given(seeds)
def test_translation_of_time(model, seed):
    """From rest, all inputs later by dt are all spikes later by dt."""
    net = large(seed, model, initial=False)
    _, grads, response = gradient(net, LinearTimes(net))
    s = response.spikes("a")
    spikes_of(response, net)
    total = np.sum(1.0 + s.neuron / net.pop("a").n)
    by_inputs = grads["in", "times"]
    assert abs(by_inputs.sum() - total) <= 1e-8 * (np.abs(by_inputs).sum() + total)


@pytest.mark.parametrize("model", ["LIF", "AdaptiveLIF", "FlyLIF"])
@few
@given(seeds)
def test_translation_of_voltage(model, seed):
    """All potentials higher by dV: no spike moves."""
    net = large(seed, model)
    _, grads, response = gradient(net, LinearTimes(net))
    spikes_of(response, net)
    terms = np.concatenate([grads["a", name] for name in ("E_L", "V_th", "V_reset", "V_m")])
    assert abs(terms.sum()) <= 1e-8 * np.abs(terms).sum()


# ---- forward mode


@few
@given(seeds, st.sampled_from([20, 60]), st.sampled_from([0.0, 1.0, 3.5]))
def test_forward_and_backward_agree(seed, n, t_ref):
    """<dL/dp, dp> = <dL/dt, dt> for a random direction dp of all parameters at once."""
    net = large(seed, n=n, t_ref=t_ref)
    loss = Loss(net, T, "times")
    _, named, response = gradient(net, loss)
    spikes_of(response, net)
    rng = np.random.default_rng(seed)
    direction = {}
    for holder, name, entries in places(explicit(net)):
        direction[holder, name] = rng.normal(size=len(entries)) * (np.abs(entries) + 0.1)
    recorded = exact(simulation(net)[0].run(T))
    times, dt = oracle_tangent.tangent(net, T, recorded, direction)
    ids = np.array([gid for _, _, gid in recorded]) - net.first("a")
    own = np.flatnonzero(ids >= 0)
    s = response.spikes("a")
    assert np.array_equal(s.neuron, ids[own]) and np.abs(s.time - times[own]).max() < 1e-9
    forward = loss(response)[1]["a"].times * dt[own]
    backward = np.concatenate([(named[key] * d).ravel() for key, d in direction.items()])
    assert abs(forward.sum() - backward.sum()) <= 1e-8 * (np.abs(forward).sum() + np.abs(backward).sum())


# ---- maxima of membranes


@st.composite
def stretches(draw):
    """A free neuron of any model with any currents, some of which nearly cancel; and a time [ms]."""
    model = draw(st.sampled_from([m for m in [*SPIKING, "LeakyIntegrator"] if m != "QIF"]))
    tau, size = st.one_of(st.sampled_from([1.0, 10.0]), st.floats(0.3, 60.0)), st.floats(-2.0, 2.0)
    taus = {name: draw(tau) for name in getattr(es, model).parameters if name.startswith("tau_")}
    net = es.Network()
    net.add("a", 1, getattr(es, model)(**taus))
    core = es.Simulation(net)._engine.populations[0]
    row = core.state.copy()
    sizes = [draw(size) for _ in range(row.shape[1] - es._core.HEAD_WIDTH)]
    if draw(st.booleans()):  # V_m and its slope next to 0, so that several terms balance
        sizes[-1] = draw(st.sampled_from([-1.0, 1.0])) * sum(sizes[:-1])
    row[0, es._core.HEAD_WIDTH :] = np.array(sizes) * [8.0] + [0.0]
    row[0, es._core.HEAD_WIDTH + 1 :] *= 25.0
    return core, row, draw(st.floats(0.1, 100.0))


@given(stretches())
@settings(max_examples=150)
def test_no_maximum_is_missed(drawn):
    core, row, length = drawn
    since = np.unique(np.r_[np.geomspace(1e-4, 1.0, 500), np.linspace(0.0, 1.0, 2500)]) * length
    rows = np.tile(row, (len(since), 1))
    core.evolve(rows, np.zeros(len(since), np.int64), later_all(row[:, :2], since))
    u = rows[:, es._core.HEAD_WIDTH]
    level = np.array([max(u[0], u[-1])])
    ends = level[0]
    where, wait = core.peaks(row, np.zeros(1, np.int64), np.array([length]), level)
    scale = 1e-10 * np.abs(u).max() + 1e-12
    assert level[0] >= u.max() - scale
    if where[0] < 0:
        assert level[0] == ends
        return
    top = row.copy()
    core.evolve(top, np.zeros(1, np.int64), later_all(row[:, :2], wait))
    assert top[0, es._core.HEAD_WIDTH] == pytest.approx(level[0], abs=scale) and level[0] > ends
    assert abs(core.slopes(top, np.zeros(1, np.int64))[0]) <= 1e-6 * np.abs(row[0, es._core.HEAD_WIDTH :]).max()


@few
@given(seeds)
def test_maximum_of_qif_neurons(seed):
    """Silent ones: that of densely sampled membranes, with the derivative of its differences; infinite where they spike."""
    net = large(seed, "QIF", n=20)
    into = net.edges[0]
    into.weight = [0.3 * w if j < 10 else w for j, w in zip(into.j, into.weight, strict=True)]
    sim = simulation(net)[0]
    c = np.where(np.arange(20) < 10, 1.0 + np.arange(20), 0.0)

    def loss(response, targets=None):
        silent = c * (response.counts("a")[0] == 0)
        V = np.where(silent > 0, response.max_V("a")[0], 0.0)
        return float(silent @ V), {"a": es.Sensitivity(max_V=silent[None])}

    _, _, response = value_and_grad(sim, loss)
    spiked = response.counts("a")[0] > 0
    assert spiked[10:].any() and not spiked[:10].all()
    V = response.V("a", np.linspace(0.0, T, 3001))[0]
    top = response.max_V("a")[0]
    assert np.all(np.isinf(top[spiked]))
    assert np.all((top >= V.max(axis=1) - 1e-12)[~spiked]) and np.all((top <= V.max(axis=1) + 1e-3)[~spiked])
    check = es.check_gradient(sim, loss, parameters={"weight", "V_m"}, duration=T, executor="events")
    assert check.error < 1e-5, check


# ---- batches and threads


def two_batches(net, seed, B=5):
    rng = np.random.default_rng(seed)
    source = net.pop("in")
    return [(np.sort(rng.uniform(0, T, m)), rng.integers(0, source.n, m)) for m in rng.integers(60, 140, B)]


@few
@given(seeds)
def test_batches_add_up(seed):
    net = large(seed, n=20)
    inputs = two_batches(net, seed)
    loss = Loss(net, T, "times")
    sim, pops, projections = simulation(net)
    whole, grads, response = value_and_grad(sim, loss, inputs)
    spikes_of(response, net)
    parts = [value_and_grad(sim, loss, [sample]) for sample in inputs]
    assert whole == pytest.approx(sum(value for value, _, _ in parts), rel=1e-12)
    for k in range(len(net.edges)):
        for name in ("weight", "delay"):
            total = sum(getattr(g[projections[k]], name) for _, g, _ in parts)
            assert getattr(grads[projections[k]], name) == pytest.approx(total, rel=1e-9, abs=1e-12 * np.abs(total).max())
    for name in ("tau_m", "V_th", "V_m", "t_ref"):
        total = sum(getattr(g[pops["a"]], name) for _, g, _ in parts)
        assert getattr(grads[pops["a"]], name) == pytest.approx(total, rel=1e-9, abs=1e-12 * np.abs(total).max())
    for k, (_, g, _) in enumerate(parts):
        assert np.array_equal(grads["in"].times[k], g["in"].times[0])


@pytest.mark.parametrize("B", [1, 5])
def test_threads_change_no_bit(B):
    net = large(5, n=60)
    inputs = two_batches(net, 5, B)
    sim, pops, projections = simulation(net)
    runs = [value_and_grad(sim, Loss(net, T, "integral_V"), inputs, threads=threads) for threads in (1, 2, 3, 1)]
    for value, grads, _ in runs[1:]:
        assert value == runs[0][0]
        for thing in [*pops.values(), *projections]:
            for name, expected in vars(runs[0][1][thing]).items():
                mine = getattr(grads[thing], name)
                if name == "times":
                    mine, expected = np.concatenate(mine), np.concatenate(expected)
                assert np.array_equal(mine, expected), (thing.name, name)
            assert vars(grads[thing]).keys() == vars(runs[0][1][thing]).keys()


@pytest.mark.parametrize("kind", ["times", "max_V", "integral_exp"])
@settings(max_examples=1)
@given(seed=seeds)
def test_executors_agree_and_threads_change_no_bit_in_layers(kind, seed):
    net = layers(seed, (20, 40, 12, 5), delay=(0.5, 0.5), strength=0.2)
    loss = Loss(net, T, kind)
    sim, pops, projections = simulation(net)
    value, expected, response = value_and_grad(sim, loss, batch := two_batches(net, seed))
    spikes_of(response, net, 100)
    first, grads, _ = value_and_grad(sim, loss, batch, executor="layers")
    again, same, _ = value_and_grad(sim, loss, batch, executor="layers", threads=3)
    assert first == pytest.approx(value, rel=1e-11) and again == first
    for thing in [*pops.values(), *projections]:
        for name, values in vars(expected[thing]).items():
            three = values, getattr(grads[thing], name), getattr(same[thing], name)
            values, mine, bits = (np.concatenate(v) if name == "times" else v for v in three)
            assert np.array_equal(mine, bits)
            assert np.abs(mine - values).max() <= 1e-9 * np.abs(values).max() + 1e-14, (thing.name, name)


# ---- changes that change nothing


@few
@given(seeds)
def test_relabelled_neurons(seed):
    """Another order of the neurons of a population: the same derivatives in that order."""
    net = large(seed)
    loss = LinearTimes(net)
    n = net.pop("a").n
    rng = np.random.default_rng(seed)
    new = rng.permutation(n)  # neuron i is now called new[i]
    other = copy.deepcopy(net)
    a = other.pop("a")
    for values in (a.params, a.initial):
        for name, v in values.items():
            if isinstance(v, list):
                values[name] = [v[k] for k in np.argsort(new)]
    for e in other.edges:
        e.j = new[e.j].tolist()
        if e.pre == "a":
            e.i = new[e.i].tolist()
    value, expected, response = gradient(net, loss)
    spikes_of(response, net)

    def relabelled(response, targets=None):
        s = response.spikes("a")
        c = 1.0 + np.argsort(new)[s.neuron] / n
        return float(c @ s.time), {"a": es.Sensitivity(times=c)}

    got, grads, _ = gradient(other, relabelled)
    assert got == pytest.approx(value, rel=1e-12)
    expected = {key: v[np.argsort(new)] if key[0] == "a" else v for key, v in expected.items()}
    assert_close(grads, expected)


@few
@given(seeds)
def test_a_synapse_in_two_parts(seed):
    """Each part has the derivative by the weight of the whole; by the delay, they share it."""
    net = large(seed, n=20)
    other = copy.deepcopy(net)
    for e in other.edges:
        m = range(len(e.i))
        e.weight = [w * 0.25 for w in e.weight] + [w * 0.75 for w in e.weight]
        e.i, e.j, e.delay = ([*v, *(v[k] for k in m)] for v in (e.i, e.j, e.delay))
    loss = Loss(net, T, "V")
    value, expected, response = gradient(net, loss)
    spikes_of(response, net)
    got, grads, _ = gradient(other, loss)
    assert got == pytest.approx(value, rel=1e-12)
    for k in range(len(net.edges)):
        first, second = np.split(grads[("edges", k), "weight"], 2)
        grads[("edges", k), "weight"] = first
        assert np.abs(first - second).max() <= 1e-9 * np.abs(first).max()
        grads[("edges", k), "delay"] = np.add(*np.split(grads[("edges", k), "delay"], 2))
    assert_close(grads, expected)


@few
@given(seeds)
def test_what_cannot_matter_has_no_derivative(seed):
    """Synapses of silent neurons, and everything that arrives after the last spike in the loss, count exactly nothing."""
    net = large(seed)
    net.edges.append(Edges("a", "a", [0, 1, 2], [3, 4, 5], [1.0, -1.0, 2.0], [1.0, 2.0, 3.0]))
    net.pop("a").params["V_th"][:3] = [1e6] * 3  # silent

    def early(response, targets=None):
        s = response.spikes("a")
        c = (s.time < T / 2).astype(float)
        return float(c @ s.time), {"a": es.Sensitivity(times=c)}

    _, grads, response = gradient(net, early)
    s = response.spikes("a")
    last = s.time[s.time < T / 2].max()
    assert not np.isin([0, 1, 2], s.neuron).any() and spikes_of(response, net)
    for k, e in enumerate(net.edges):
        silent = np.zeros(len(e.i), bool) if e.pre == "in" else ~np.isin(e.i, s.neuron)
        for name in ("weight", "delay"):
            assert np.all(grads[("edges", k), name][silent] == 0.0)
            if e.pre == "in":
                assert np.any(grads[("edges", k), name] != 0.0)
    times = np.array(net.pop("in").params["times"])
    assert np.any(times >= last) and np.all(grads["in", "times"][times >= last] == 0.0)
    assert np.all(grads["a", "V_th"][:3] == 0.0)


def test_arrivals_long_after_the_end_count_nothing():
    net = large(1, n=20)
    _, expected, _ = gradient(net, LinearTimes(net))
    net.edges.append(Edges("in", "a", list(range(60)), [k % 20 for k in range(60)], [100.0] * 60, [1e6] * 60))
    _, grads, _ = gradient(net, LinearTimes(net))
    assert not np.any(grads.pop((("edges", 2), "weight"))) and not np.any(grads.pop((("edges", 2), "delay")))
    assert_close(grads, expected, 0.0)


@pytest.mark.filterwarnings("ignore:DeltaLIF")
@pytest.mark.parametrize("model", SPIKING)
@few
@given(seeds)
def test_what_comes_later_changes_no_bit(model, seed):
    """A loss on the spikes of the first half has the same derivatives in a run of that half."""
    net = large(seed, model, n=20)

    def early(response, targets=None):
        s = response.spikes("a")
        seen = s.time < T / 2
        c = seen * (1.0 + s.neuron)
        return float(c[seen] @ s.time[seen]), {"a": es.Sensitivity(times=c)}

    whole, expected, response = gradient(net, early)
    half, grads, _ = gradient(net, early, duration=T / 2)
    assert spikes_of(response, net) and half == whole
    assert_close(grads, expected, 0.0)


@few
@given(seeds)
def test_weight_of_zero(seed):
    """It moves nothing, and has the derivative of a small excitatory weight."""
    net = large(seed, n=20)
    none, little = (copy.deepcopy(net) for _ in range(2))
    for other, w in ((none, 0.0), (little, 1e-9)):
        other.edges[0].weight[::6] = [w] * len(other.edges[0].weight[::6])
    loss = LinearTimes(net)
    _, grads, response = gradient(none, loss)
    _, expected, _ = gradient(little, loss)
    spikes_of(response, net)
    assert np.count_nonzero(grads[("edges", 0), "weight"][::6]) > 10
    assert np.all(grads[("edges", 0), "delay"][::6] == 0.0)
    weights = [("edges", 0), "weight"], [("edges", 1), "weight"]
    assert_close(*({tuple(key): g[tuple(key)] for key in weights} for g in (grads, expected)), 1e-8)


@few
@given(seeds)
def test_only_what_is_asked_for(seed):
    net = large(seed, n=20)
    sim, pops, projections = simulation(net)
    _, everything, _ = value_and_grad(sim, LinearTimes(net))
    _, grads, _ = value_and_grad(sim, LinearTimes(net), wrt={"weight", "tau_m"})
    assert vars(grads[projections[0]]).keys() == {"weight"} and vars(grads[pops["a"]]).keys() == {"tau_m"}
    for thing, name in ((projections[0], "weight"), (projections[1], "weight"), (pops["a"], "tau_m")):
        assert np.array_equal(getattr(grads[thing], name), getattr(everything[thing], name))


def test_projections_of_one_name_are_told_apart():
    """Two projections between the same populations have the same default name."""
    net = large(1, n=20)
    net.edges.append(Edges("a", "a", [0, 1, 2], [3, 4, 5], [1.0, -1.0, 2.0], [1.0, 2.0, 3.0]))
    sim, _, projections = simulation(net)
    _, grads, _ = value_and_grad(sim, LinearTimes(net))
    assert [len(grads[p].weight) for p in projections] == [len(e.i) for e in net.edges]


def test_order_of_edges_is_that_of_the_simulation():
    net = large(1, n=20)
    sim, _, projections = simulation(net)
    for e, projection in zip(net.edges, projections, strict=True):
        assert np.array_equal(sim.edges(projection).weight, np.array(e.weight)[order(e)])
