"""The executor for feed-forward layers, against the event loop and against central differences of itself."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import eventsim as es
from eventsim.layers import LayerRuns, unsuitable
from eventsim.response import Sensitivity
from eventsim.trains import SpikeTrains

T = 40.0
TAUS = [(20.0, 5.0, 5.0), (10.0, 10.0, 10.0), (10.0, 10.0 + 1e-9, 4.0), (5.0, 12.0, 7.0), (8.0, 3.0, 20.0), (6.0, 9.0, 9.0)]


def drawn(seed, sizes=(4, 5, 3), taus=TAUS[0], t_ref=1.5, delays=False, skip=False, readout=False, reset="value", grid=None, B=2):
    """(Simulation, populations, projections, input trains); grid: times on a grid, for ties."""
    rng = np.random.default_rng(seed)
    net = es.Network()
    pops = [net.add("input", sizes[0], es.SpikeSource())]
    for k, n in enumerate(sizes[1:], 1):
        shared = dict(zip(("tau_m", "tau_syn_ex", "tau_syn_in"), taus, strict=True))
        shared |= dict(C_m=rng.uniform(15, 25, n), E_L=rng.uniform(-0.1, 0.1, n), I_e=rng.uniform(-0.2, 0.4, n))
        if readout and k == len(sizes) - 1:
            model = es.LeakyIntegrator(**shared)
        else:
            shared |= dict(V_th=rng.uniform(0.9, 1.1, n), V_reset=rng.uniform(-0.3, 0, n))
            model = es.LIF(**shared, t_ref=t_ref if grid else t_ref * rng.uniform(0.5, 1.5, n), reset=reset)
        start = dict(V_m=rng.uniform(-0.3, 0.7, n), I_ex=rng.uniform(0, 1, n), I_in=-rng.uniform(0, 1, n))
        pops.append(net.add(f"layer{k}", n, model, **start))
    pairs = list(pairwise(pops)) + ([(pops[0], pops[-1])] if skip else [])
    projections = []
    for pre, post in pairs:
        weight = rng.normal(16, 25, pre.n * post.n) / np.sqrt(pre.n)
        if grid:
            weight[rng.random(len(weight)) < 0.1] = 0.0
        delay = rng.uniform(0.0, 3.0, len(weight)) if delays else (grid or float(rng.uniform(0.0, 2.0)))
        projections.append(net.connect(pre, post, es.AllToAll(), weight=weight, delay=delay))
    samples = []
    for _ in range(B):
        times = rng.uniform(0, 25, 9)
        samples.append((np.round(times / grid) * grid if grid else times, rng.integers(0, sizes[0], 9)))
    return es.Simulation(net, weight_dtype="float64"), pops, projections, SpikeTrains.of(samples)


def by_events(sim, trains, sample):
    """The run of one sample by the event loop."""
    other = es.Simulation(sim.network, weight_dtype="float64", record_V=True)
    other.inject("input", *trains[sample])
    return other.run(T)


@given(
    seed=st.integers(0, 10**6),
    taus=st.sampled_from(TAUS),
    sizes=st.sampled_from([(3, 9), (4, 5, 3), (4, 17, 3, 2)]),
    t_ref=st.sampled_from([0.0, 0.5, 2.0, 30.0]),
    delays=st.booleans(),
    skip=st.booleans(),
    grid=st.sampled_from([None, 0.5]),
    reset=st.sampled_from(["value", "subtract"]),
)
def test_same_spikes_and_membranes_as_the_event_loop(seed, taus, sizes, t_ref, delays, skip, grid, reset):
    sim, pops, _, trains = drawn(seed, sizes, taus, t_ref, delays, skip, grid=grid, reset=reset)
    assert unsuitable(sim) is None
    runs = LayerRuns(sim, {0: trains}, T)
    looks = np.array([0.0, 7.7, 21.3])
    for sample in range(len(trains)):
        result = by_events(sim, trains, sample)
        for pop in pops[1:]:
            found = runs.spikes(pop.index)
            mine = found.sample == sample
            times, ids = result.spikes(pop)
            order, expected = np.lexsort((found.time[mine], found.neuron[mine])), np.lexsort((times, ids))
            assert found.neuron[mine][order].tolist() == ids[expected].tolist()
            np.testing.assert_allclose(found.time[mine][order], times[expected], rtol=0, atol=1e-9)
            assert np.all(np.diff(found.time[mine]) >= 0)
            np.testing.assert_allclose(runs.V(pop.index, looks)[sample], np.transpose(result.V(pop, looks)), rtol=0, atol=1e-8)


def test_a_membrane_above_threshold_at_the_start_spikes_there():
    net = es.Network()
    source = net.add("input", 1, es.SpikeSource())
    cell = net.add("cell", 2, es.LIF(V_th=-55.0, V_reset=-70.0), V_m=[-50.0, -60.0])
    net.connect(source, cell, es.AllToAll(), weight=1.0, delay=1.0)
    runs = LayerRuns(es.Simulation(net), {}, 50.0)
    assert runs.spikes(1).time.tolist() == [0.0] and runs.spikes(1).neuron.tolist() == [0]
    gradients = runs.backward({1: Sensitivity(times=np.ones(1))}, None)[("population", 1)]
    assert not any(np.any(g) for g in gradients.values())


def test_maxima_and_integrals_are_those_of_the_membrane():
    sim, pops, _, trains = drawn(3, (4, 6, 3), TAUS[3], skip=True, readout=True, B=3)
    runs = LayerRuns(sim, {0: trains}, T)
    grid = (np.arange(40_000) + 0.5) * 1e-3
    for sample in range(len(trains)):
        result = by_events(sim, trains, sample)
        for pop in pops[1:]:
            V = np.transpose(result.V(pop, grid))
            spiked = np.bincount(result.spikes(pop)[1], minlength=pop.n) > 0
            best = runs.max_V(pop.index)[sample]
            assert np.all(best >= V.max(axis=1) - 1e-12)
            np.testing.assert_allclose(best[~spiked], V.max(axis=1)[~spiked], rtol=0, atol=1e-3)  # a kink, between two looks
            if pop is pops[1]:
                assert spiked.any()
                np.testing.assert_allclose(best[spiked], sim.get(pop, "V_th")[spiked], rtol=1e-15, atol=0)
            for decay in (np.inf, 15.0):
                expected = np.sum(V * np.exp(-grid / decay), axis=1) * 1e-3
                np.testing.assert_allclose(runs.integral_V(pop.index, decay)[sample], expected, rtol=0, atol=5e-3)
            expected = np.sum((V - 0.4) ** 2, axis=1) * 1e-3
            np.testing.assert_allclose(runs.integral_square(pop.index, 0.4)[sample], expected, rtol=1e-5, atol=5e-3)


def sensitivity(runs, rng, population, n, kinds):
    B, s = runs.n_samples, Sensitivity()
    if "times" in kinds:
        s.times = rng.normal(size=len(runs.spikes(population).time))
    if "max_V" in kinds:
        s.max_V = rng.normal(size=(B, n))
    if "integral_V" in kinds:
        s.integral_V = {np.inf: rng.normal(size=(B, n)), 15.0: rng.normal(size=(B, n))}
    if "integral_square" in kinds:
        s.integral_square = {0.0: 1e-3 * rng.normal(size=(B, n)), 0.7: 1e-3 * rng.normal(size=(B, n))}
    if "V" in kinds:
        s.V = [(np.array([5.55, 17.1]), rng.normal(size=(B, n, 2))), (np.array([11.3]), rng.normal(size=(B, n, 1)))]
    return s


def loss_of(runs, given):
    value = 0.0
    for k, s in given.items():
        value += s.times @ runs.spikes(k).time if s.times is not None else 0.0
        value += np.sum(s.max_V * runs.max_V(k)) if s.max_V is not None else 0.0
        value += sum(np.sum(v * runs.integral_V(k, decay)) for decay, v in s.integral_V.items())
        value += sum(np.sum(v * runs.integral_square(k, target)) for target, v in s.integral_square.items())
        value += sum(np.sum(v * runs.V(k, times)) for times, v in s.V)
    return value


def directions(sim, pops, projections, trains, gradients, rng):
    """(name, gradient along a random direction, its size, function that moves the network along it)."""

    def along(gradient, shape):
        v = rng.normal(size=shape) if shape else np.array(rng.choice([-1.0, 1.0]))
        return v, float(np.sum(gradient * v)), float(np.sum(np.abs(gradient * v)))

    for pop in pops[1:]:
        for name, gradient in gradients[("population", pop.index)].items():
            value = sim.get(pop, name)
            if name == "t_ref" and not np.all(value):
                continue  # it cannot be less than 0
            v, slope, size = along(gradient, () if name.startswith("tau") else (pop.n,))
            yield f"{pop.name}.{name}", slope, size, lambda h, pop=pop, name=name, x=value, v=v: sim.set(pop, **{name: x + h * v})
    for k, projection in enumerate(projections):
        edges = sim.edges(projection)
        for name in ("weight", "delay"):
            scalar = name == "delay" and len(np.unique(edges.delay)) == 1
            value = edges.delay[0] if scalar else getattr(edges, name)
            v, slope, size = along(gradients[("projection", k)][name], () if scalar else (len(edges.pre),))
            move = lambda h, p=projection, name=name, x=value, v=v: sim.set(p, **{name: x + h * v})  # noqa: E731
            yield f"projection {k}.{name}", slope, size, move
    times = trains.times.copy()
    v, slope, size = along(gradients[("times", 0)], times.shape)
    yield "times", slope, size, lambda h: trains.times.__setitem__(slice(None), times + h * v)


KINDS = ["times", "max_V", "integral_V", "integral_square", "V"]
CASES = [
    dict(seed=2, kinds=["times"]),
    dict(seed=3, kinds=["max_V"], taus=TAUS[3], readout=True),
    dict(seed=5, kinds=["integral_V"], taus=TAUS[2]),
    dict(seed=6, kinds=["V"], taus=TAUS[3]),
    dict(seed=7, kinds=["integral_square"], taus=TAUS[4]),
    *[dict(seed=10 + k, kinds=KINDS, taus=taus, readout=True, skip=True) for k, taus in enumerate(TAUS)],
    dict(seed=20, kinds=KINDS, delays=True, skip=True),
    dict(seed=21, kinds=KINDS, taus=TAUS[3], delays=True, readout=True),
    dict(seed=22, kinds=KINDS, taus=TAUS[4], reset="subtract"),
    dict(seed=23, kinds=KINDS, t_ref=30.0),
    dict(seed=25, kinds=KINDS, t_ref=0.0),
    dict(seed=27, kinds=KINDS, taus=TAUS[2], t_ref=0.0, delays=True),
    dict(seed=24, kinds=KINDS, sizes=(3, 9, 4, 3), taus=TAUS[5], readout=True),
]


@pytest.mark.parametrize("case", CASES, ids=[str(case["seed"]) for case in CASES])
def test_gradients_are_those_of_central_differences(case):
    case = dict(case)
    kinds, h = case.pop("kinds"), 1e-6
    sim, pops, projections, trains = drawn(**case)
    rng = np.random.default_rng(case["seed"])
    runs = LayerRuns(sim, {0: trains}, T)
    given = {pop.index: sensitivity(runs, rng, pop.index, pop.n, kinds) for pop in pops[1:]}
    gradients = runs.backward(given, None)
    fired = [runs.spikes(pop.index).neuron.tolist() for pop in pops[1:]]
    assert sum(map(len, fired)) >= 10 and runs.slopes(1).min() > 0.01, "choose another seed: none fires, or one barely does"
    found = []
    for name, slope, size, move in directions(sim, pops, projections, trains, gradients, rng):
        values = []
        for step in (h, -h):
            move(step)
            moved = LayerRuns(sim, {0: trains}, T)
            assert fired == [moved.spikes(pop.index).neuron.tolist() for pop in pops[1:]], "choose another seed"
            values.append(loss_of(moved, given))
        move(0.0)
        found.append((name, slope, (values[0] - values[1]) / (2 * h), size))
    largest = max(size for *_, size in found)
    wrong = [entry for entry in found if abs(entry[1] - entry[2]) > 1e-6 * max(entry[3], 1e-3 * largest)]
    assert not wrong, "(name, gradient, central difference, size)"
    assert sum(size > 0 for *_, size in found) > len(found) / 3


def test_only_what_is_asked_for():
    sim, pops, _, trains = drawn(1)
    runs = LayerRuns(sim, {0: trains}, T)
    given = {pop.index: sensitivity(runs, np.random.default_rng(1), pop.index, pop.n, KINDS) for pop in pops[1:]}
    everything = runs.backward(given, None)
    for names in ({"weight"}, {"delay", "V_th"}, {"times"}, {"tau_m"}, {"C_m", "I_e"}, {"V_m", "E_L"}):
        some = runs.backward(given, frozenset(names))
        assert {name for key, g in some.items() for name in (g if isinstance(g, dict) else ["times"])} == names
        for key, gradient in some.items():
            if key[0] == "times":
                assert np.array_equal(gradient, everything[key])
            else:
                assert all(np.array_equal(g, everything[key][name]) for name, g in gradient.items())


def gradients_of(sim, trains, threads, rng_seed=5):
    runs = LayerRuns(sim, {0: trains}, T, threads)
    rng = np.random.default_rng(rng_seed)
    given = {k: sensitivity(runs, rng, k, runs.max_V(k).shape[1], KINDS) for k in (1, 2)}
    return runs, given, runs.backward(given, None)


def test_the_bits_do_not_depend_on_threads():
    sim, _, _, trains = drawn(7, (5, 120, 4), B=256)
    one = gradients_of(sim, trains, 1)
    assert len(one[0]._chunks) > 1
    for threads in (2, 3):
        other = gradients_of(sim, trains, threads)
        for k in (1, 2):
            assert all(np.array_equal(a, b) for a, b in zip(one[0].spikes(k), other[0].spikes(k), strict=True))
        for key, gradient in one[2].items():
            if key[0] == "times":
                assert np.array_equal(gradient, other[2][key])
            else:
                assert all(np.array_equal(g, other[2][key][name]) for name, g in gradient.items())


def test_gradients_add_over_the_batch():
    sim, _, _, trains = drawn(8, (5, 12, 4), B=6)
    runs, given, whole = gradients_of(sim, trains, 1)
    sums = {}
    for sample in range(len(trains)):
        alone = LayerRuns(sim, {0: trains[sample : sample + 1]}, T)
        part = {}
        for k, s in given.items():
            mine = runs.spikes(k).sample == sample
            assert np.array_equal(alone.spikes(k).time, runs.spikes(k).time[mine])
            one = slice(sample, sample + 1)
            integrals = {decay: v[one] for decay, v in s.integral_V.items()}
            squares = {target: v[one] for target, v in s.integral_square.items()}
            part[k] = Sensitivity(s.times[mine], s.max_V[one], integrals, squares, V=[(t, v[one]) for t, v in s.V])
        for key, gradient in alone.backward(part, None).items():
            for name, g in gradient.items() if isinstance(gradient, dict) else ():
                sums[key, name] = sums.get((key, name), 0.0) + g
    for (key, name), total in sums.items():
        np.testing.assert_allclose(whole[key][name], total, rtol=1e-9, atol=1e-9 * np.abs(total).max(initial=1e-9))


def test_synapses_of_silent_sources_and_late_arrivals_have_no_gradient():
    sim, *_ = drawn(2)
    trains = SpikeTrains.of([([1.0, 2.0, T - 0.001, T, T + 5.0], [0, 0, 1, 2, 2])])
    runs = LayerRuns(sim, {0: trains}, T)
    gradients = runs.backward({1: Sensitivity(times=np.ones(len(runs.spikes(1).time)))}, None)
    weight = gradients[("projection", 0)]["weight"].reshape(4, 5)
    assert np.any(weight[0]) and not np.any(weight[1:])
    assert np.all(gradients[("times", 0)][2:] == 0.0) and np.all(gradients[("times", 0)][:2] != 0.0)


def test_sparse_projections_and_sources_with_spikes_of_their_own():
    net = es.Network()
    rng = np.random.default_rng(0)
    source = net.add("input", 20, es.SpikeSource(rng.uniform(0, 20, 60), rng.integers(0, 20, 60)))
    cell = net.add("cell", 7, es.LIF(C_m=20.0, E_L=0.0, V_th=1.0, V_reset=0.0))
    net.connect(source, cell, es.FixedProbability(0.4), weight=15.0, delay=1.0)
    sim = es.Simulation(net)
    runs = LayerRuns(sim, {}, T)
    times, ids = sim.run(T).spikes(cell)
    assert len(times) > 10
    assert runs.spikes(1).neuron.tolist() == ids.tolist()
    np.testing.assert_allclose(runs.spikes(1).time, times, rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    "trains, message",
    [
        (SpikeTrains([1.0], [4], [0, 1]), "'input': ids reach 4; neurons are 0..3"),
        (SpikeTrains([-1.0], [0], [0, 1]), "'input': times start at -1 ms"),
        (SpikeTrains([np.nan], [0], [0, 1]), "'input': times start at nan ms"),
    ],
)
def test_inputs_out_of_range_are_errors(trains, message):
    with pytest.raises(ValueError, match=message):
        LayerRuns(drawn(0)[0], {0: trains}, T)


@pytest.mark.parametrize(
    "weight, t_ref, message", [(1e308, 1.0, "not finite any more in sample 1"), (1e15, 0.0, "fires for ever in sample 1")]
)
def test_overflow_and_endless_firing_are_errors(weight, t_ref, message):
    net = es.Network()
    source = net.add("input", 1, es.SpikeSource())
    cell = net.add("cell", 3, es.LIF(C_m=0.1, t_ref=t_ref))
    net.connect(source, cell, es.AllToAll(), weight=weight, delay=1.0)
    trains = SpikeTrains.of([([], []), ([1.0, 1.5], [0, 0])])
    with pytest.raises(RuntimeError, match=message):
        LayerRuns(es.Simulation(net), {0: trains}, T)


@pytest.mark.parametrize(
    "model, change, reason",
    [
        (es.DeltaLIF(), {}, "'cell' is a DeltaLIF"),
        (es.LIF(tau_m=[10.0, 11.0]), {}, "'cell': tau_m differs between neurons"),
        (es.LIF(I_e=es.Steps([1.0], [3.0])), {}, "'cell': I_e has Steps"),
        (es.LIF(reset="none", t_ref=0.0), {}, "'cell': reset='none'"),
        (es.LIF(reset="subtract"), dict(V_m=-50.0), "V_m starts at or above V_th"),
    ],
)
def test_unsuitable_populations_are_named(model, change, reason):
    net = es.Network()
    net.add("cell", 2, model, **change)
    assert reason in unsuitable(es.Simulation(net))


def test_unsuitable_networks():
    net = es.Network()
    a, b = net.add("a", 2, es.LIF()), net.add("b", 2, es.LIF())
    net.connect(a, b, es.AllToAll(), weight=1.0, delay=1.0)
    sim = es.Simulation(net)
    assert unsuitable(sim) is None
    sim.run(1.0)
    assert "has run" in unsuitable(sim)
    net.connect(b, a, es.AllToAll(), weight=1.0, delay=1.0)
    assert "cycle" in unsuitable(es.Simulation(net))
