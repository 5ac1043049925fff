"""The windowed executor against the ordered one: the same bits, whatever the windows, threads, cuts and recordings."""

import math

import numpy as np
import pytest
import strategies
from comparing import heterogeneous_cells, ranked, simulation
from gradient_nets import KINDS, SPIKING, Loss, large
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import mp

import eventsim as es
from eventsim import _core
from eventsim.networks import brunel, cuba, microcircuit, sparse

THREADS = [1, 2, 3, 5, 8]


@pytest.fixture(autouse=True, scope="module")
def one_by_one():
    """Arrivals are not summed here, as while gradients are recorded: see test_sums.py."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_core, "summing_length", lambda engine: 0.0)
        yield


def bits(sim):
    """Everything the two executors must agree on, now: spikes in order, counts, states; alarms and flights where they are
    exact, that is, after both have gone through the same file."""
    engine = sim._engine
    return [engine.spikes.rows(), engine.counts.copy(), *(p.state.copy() for p in engine.populations)]


def assert_same(a, b):
    for x, y in zip(bits(a), bits(b), strict=True):
        np.testing.assert_array_equal(x, y)


def both(net, T, **options):
    """(ordered, windowed) simulations of a network, run for T."""
    sims = [es.Simulation(net, seed=1, executor=executor, **options) for executor in ("ordered", "windowed")]
    for sim in sims:
        assert sim.run(T).executor == sim._executor
        sim._engine.check()
    return sims


# ---- drawn networks: every model, ties, equal and unequal time constants, steps of injected currents


@given(strategies.networks(max_pops=3, max_n=3, limit=400), st.sampled_from(THREADS))
def test_same_bits_on_drawn_networks(case, threads):
    ordered, _, _ = simulation(case.net, executor="ordered")
    windowed, _, _ = simulation(case.net, executor="windowed", threads=threads)
    a, b = ordered.run(case.T), windowed.run(case.T)
    assert (b.executor == "windowed") == (b.executor_note == "")
    assert_same(ordered, windowed)
    assert a.counters["synaptic_events"] == b.counters["synaptic_events"]
    windowed._engine.check()


@given(strategies.networks(models=["LIF", "PerfectIntegrator", "LeakyIntegrator"], max_pops=3, max_n=4, limit=400), st.data())
def test_same_bits_however_a_run_is_cut(case, data):
    ordered, _, _ = simulation(case.net, executor="ordered")
    windowed, _, _ = simulation(case.net, executor="windowed", threads=data.draw(st.sampled_from([1, 2])))
    ordered.run(case.T)
    for length in data.draw(strategies.splits(case.T, [t for t, _, _ in case.spikes[:3]])):
        windowed.run(length)
        windowed._engine.check()
    assert_same(ordered, windowed)


@given(strategies.networks(models=["LIF"], max_pops=2, max_n=4), st.sampled_from([2.0**-k for k in (1, 4, 9, 14)]))
def test_same_bits_for_any_length_of_windows(case, length):
    ordered, _, _ = simulation(case.net, executor="ordered")
    windowed, _, _ = simulation(case.net, executor="windowed")
    longest = _core.window_length(windowed._engine)
    ordered.run(case.T)
    with pytest.MonkeyPatch.context() as patch:
        if not isinstance(longest, tuple):
            patch.setattr(_core, "window_length", lambda engine: min(length, longest))
        windowed.run(case.T)
    assert_same(ordered, windowed)


# ---- networks at the scale of tests


NETWORKS = {
    "cuba": (lambda: cuba.build(0.25), 100.0),
    "sparse": (lambda: sparse.build(0.02, 5.0, 60.0), 60.0),
    "brunel": (lambda: brunel.build(0.02), 8.0),
    "brunel delta": (lambda: brunel.build(0.02, "delta"), 8.0),
    "microcircuit": (lambda: microcircuit.build(0.01), 30.0),
    "ranked": (ranked, 40.0),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_same_bits_on_networks_and_threads(name):
    build, T = NETWORKS[name]
    net = build()
    ordered = es.Simulation(net, seed=1, executor="ordered")
    ordered.run(T)
    assert ordered._engine.n_spikes > 100
    for threads in [1, 2, 5] if name != "cuba" else THREADS:
        windowed = es.Simulation(net, seed=1, executor="windowed", threads=threads)
        result = windowed.run(T)
        assert (result.executor, result.executor_note, result.threads) == ("windowed", "", threads)
        assert_same(ordered, windowed)


def heterogeneous(n=60):
    """Every parameter and every delay of its own; both signs at every neuron."""
    net = es.Network()
    noise = net.add("noise", n, es.Poisson(rate=800.0))
    cells = net.add("cells", n, heterogeneous_cells(n), V_m=es.Uniform(-70, -52))
    read = net.add("read", 3, es.LeakyIntegrator())
    net.connect(noise, cells, es.OneToOne(), weight=es.Uniform(-150, 250), delay=0.0)
    net.connect(cells, cells, es.FixedProbability(0.2), weight=es.Normal(0.0, 80.0), delay=es.Uniform(0.13, 700.0))
    net.connect(cells, cells, es.FixedProbability(0.1), weight=es.Normal(0.0, 80.0), delay=es.Uniform(0.13, 3.0))
    net.connect(cells, read, es.AllToAll(), weight=10.0, delay=1.0)
    return net


@pytest.mark.parametrize("threads", [1, 3])
def test_heterogeneous_parameters_and_delays_far_beyond_the_wheel(threads):
    ordered, windowed = both(heterogeneous(), 300.0, threads=threads)
    assert ordered._engine.n_spikes > 10_000
    assert_same(ordered, windowed)
    assert windowed._engine.solver_steps < 1.5 * ordered._engine.solver_steps


def test_recording_changes_nothing_and_is_complete():
    plain = both(heterogeneous(), 40.0, record_spikes=False)[1]
    ordered, watched = both(heterogeneous(), 40.0, threads=2, record_V=True)
    for a, b in zip(bits(plain)[1:], bits(watched)[1:], strict=True):
        np.testing.assert_array_equal(a, b)
    a, b = ordered.result(), watched.result()
    times = np.linspace(0.0, 40.0, 997)
    for state in ("V_m", "I_ex", "I_in"):
        np.testing.assert_array_equal(a.trace("cells", state, times), b.trace("cells", state, times))
    np.testing.assert_array_equal(a.V("read", times), b.V("read", times))


def test_changes_between_runs_and_changes_of_the_executor():
    """set, inject, new delays, saving: each cuts a window; each run may be another executor's."""
    net = es.Network()
    source = net.add("source", 3, es.SpikeSource([1.0, 2.0, 30.0], [0, 1, 2]))
    cells = net.add("cells", 50, es.LIF(I_e=es.Steps([0.0, 11.3, 25.0], [0.0, 380.0, 420.0])), V_m=es.Uniform(-70, -56))
    net.connect(source, cells, es.AllToAll(), weight=800.0, delay=es.Uniform(0.0, 4.0))
    loop = net.connect(cells, cells, es.FixedProbability(0.2), weight=es.Normal(20.0, 60.0), delay=es.Uniform(0.7, 40.0))

    def script(first, second):
        sim = es.Simulation(net, seed=3, executor=first, threads=2)
        sim.run(7.77)
        sim.set(cells[:20], V_m=-57.0, tau_m=12.0)
        sim.inject(source, [7.77, 9.0], [1, 1])
        sim.run(0.001)
        sim._executor = second
        sim.run(12.0)
        sim.set(loop, delay=np.linspace(0.4, 30.0, len(sim.edges(loop).pre)), weight=35.0)
        sim.run(30.0)
        sim._executor = first
        sim.run(10.0)
        return sim

    ordered = script("ordered", "ordered")
    assert ordered._engine.n_spikes > 150
    for pair in (("windowed", "windowed"), ("windowed", "ordered"), ("ordered", "windowed")):
        assert_same(ordered, script(*pair))


def test_saved_and_loaded(tmp_path):
    net = heterogeneous()
    whole = es.Simulation(net, seed=1, executor="windowed", threads=2)
    whole.run(60.0)
    half = es.Simulation(net, seed=1, executor="windowed", threads=2)
    half.run(31.4)
    half.save(tmp_path / "half")
    loaded = es.load(tmp_path / "half")
    result = loaded.run(60.0 - 31.4)
    assert (result.executor, result.threads) == ("windowed", 2)
    half.run(60.0 - 31.4)
    assert_same(whole, loaded)
    assert_same(whole, half)


@pytest.mark.parametrize("delay", [0.0, 0.25, 1.0, 2.0])
def test_order_of_arrivals_at_one_instant(delay):
    """Arrivals without delay come last, those a whole number of milliseconds later in the order of their sources: 2**53 + 1 + 1
    is not 1 + 1 + 2**53. The first synapse of source 0 has no delay."""
    net = es.Network()
    source = net.add("source", 3, es.SpikeSource([0.5, 0.5, 0.5 + delay], [0, 1, 2]))
    cells = net.add("cells", 2, es.AdaptiveLIF(V_th=1e40))
    pairs, delays = es.Pairs([0, 0, 1, 1, 2], [0, 1, 1, 1, 1]), [0.0, delay, delay, delay, 0.0]
    net.connect(source, cells, pairs, weight=[1.0, 2.0**53, 1.0, 1.0, 1.0], delay=delays)
    ordered, windowed = both(net, 4.0, weight_dtype="float64")
    assert_same(ordered, windowed)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_a_source_whose_delay_becomes_short(threads):
    net = es.Network()
    source = net.add("source", 2000, es.Poisson(rate=100.0))
    cells = net.add("cells", 2000, es.LIF())
    drive = net.connect(source, cells, es.FixedOutDegree(20), weight=400.0, delay=1.5)
    net.connect(cells, cells, es.FixedOutDegree(10), weight=10.0, delay=1.0)
    sims = [es.Simulation(net, seed=1, executor=executor, threads=threads) for executor in ("ordered", "windowed")]
    for sim in sims:
        sim.run(4.0)
        sim.set(drive, delay=0.01)
        sim.run(6.0)
    assert sims[0]._engine.n_spikes > 2500
    assert_same(*sims)


def test_thousands_of_spikes_in_flight_over_many_runs():
    """Spikes that have arrived everywhere are forgotten, and only those."""
    rng = np.random.default_rng(2)
    net = es.Network()
    source = net.add("source", 50, es.SpikeSource(rng.uniform(0.0, 30.0, 4000), rng.integers(0, 50, 4000)))
    cells = net.add("cells", 20, es.LIF())
    net.connect(source, cells, es.FixedOutDegree(6), weight=es.Normal(60.0, 40.0), delay=es.Uniform(1.0, 90.0))
    ordered, windowed = (es.Simulation(net, seed=1, executor=executor) for executor in ("ordered", "windowed"))
    for length in (20.0, 11.5, 30.0, 0.25, 80.0):
        ordered.run(length)
        windowed.run(length)
        assert ordered._engine.synaptic_events == windowed._engine.synaptic_events
    assert windowed._engine.synaptic_events == 24_000 and not len(windowed._engine.flights.dump())
    assert_same(ordered, windowed)


# ---- gradients: the tape of every thread, in one order


def derivatives(make, loss, workers=0, **options):
    """The value of a loss and every derivative, by the ordered executor or by so many workers of the other; and the runs."""
    executor = {"executor": "windowed", "threads": workers} if workers else {"executor": "ordered"}
    sim = make(**executor)
    value, grads, response = es.value_and_grad(sim, loss, **options)
    out = {"value": value}
    for thing in [*sim.network.populations, *sim.network.projections]:
        for name, by in vars(grads[thing]).items():
            out[thing.index, thing.name, name] = np.concatenate(by) if name == "times" else by
    return out, response.runs


def assert_same_derivatives(make, loss, workers, windowed=True, **options):
    """By the ordered executor and by each number of workers; the runs of the former."""
    expected, ordered = derivatives(make, loss, **options)
    for k in workers:
        found, runs = derivatives(make, loss, k, **options)
        assert all((fork._ran[0] == "windowed") >= windowed for fork in runs.forks)
        for a, b in zip(ordered.tapes, runs.tapes, strict=True):
            np.testing.assert_array_equal(a.at, b.at)
            np.testing.assert_array_equal(a.gid, b.gid)
        assert found.keys() == expected.keys()
        for name in expected:
            np.testing.assert_array_equal(found[name], expected[name], str(name))
    return ordered


@pytest.mark.filterwarnings("ignore:DeltaLIF", "ignore:invalid value")  # the V_m of QIF is infinite at times
@pytest.mark.parametrize("model", [*SPIKING, "LeakyIntegrator"])
@settings(max_examples=3)
@given(seed=st.integers(0, 10**6), kind=st.sampled_from(KINDS), reset=st.sampled_from(["value", "subtract"]))
def test_same_gradients_for_every_model_and_loss(model, seed, kind, reset):
    options = {"reset": reset} if "reset" in getattr(es, model).options else {}
    net = large(seed, model, n_inputs=500, **options)  # two blocks of neurons, one for each of two threads
    runs = assert_same_derivatives(lambda **o: simulation(net, **o)[0], Loss(net, 30.0, kind), [1, 2, 3], duration=30.0)
    assert model == "LeakyIntegrator" or len(runs.spikes(1).time) > 20


@pytest.mark.filterwarnings("ignore:DeltaLIF", "ignore:invalid value")  # the V_m of QIF is infinite at times
@given(strategies.networks(max_pops=3, max_n=3, limit=150), st.sampled_from(KINDS))
def test_same_gradients_of_simultaneous_events(case, kind):
    loss = Loss(case.net, case.T, kind)
    assert_same_derivatives(lambda **o: simulation(case.net, **o)[0], loss, [2], windowed=False, duration=case.T)


@pytest.mark.parametrize("pseudo_spikes", [0, 2])
def test_same_gradients_of_batches_on_many_threads(pseudo_spikes):
    """Four blocks of neurons of three models that keep three kinds of lines; samples and windows in parallel."""
    rng = np.random.default_rng(3)
    net = es.Network()
    source = net.add("source", 900, es.SpikeSource([]))
    cells = net.add("cells", 500, es.LIF(t_ref=0.3), V_m=es.Uniform(-70.0, -56.0))
    flies = net.add("flies", 400, es.FlyLIF())
    smooth = net.add("smooth", 200, es.QIF(t_ref=0.4))
    net.connect(source, cells, es.FixedOutDegree(5), weight=es.Normal(500.0, 200.0), delay=es.Uniform(0.0, 3.0))
    net.connect(cells, cells, es.FixedOutDegree(5), weight=es.Normal(0.0, 400.0), delay=es.Uniform(0.4, 20.0))
    net.connect(cells, flies, es.FixedOutDegree(4), weight=es.Normal(8.0, 9.0), delay=1.0)
    net.connect(flies, smooth, es.FixedOutDegree(3), weight=es.Uniform(3.0, 9.0), delay=0.7)
    inputs = [(rng.uniform(0.0, 20.0, 1500), rng.integers(0, 900, 1500)) for _ in range(2)]

    def loss(response, targets):
        value, out = 0.0, {}
        for p in (cells, flies, smooth):
            s = response.spikes(p)
            value += float(np.sin(s.neuron) @ s.time)
            out[p] = es.Sensitivity(times=np.sin(s.neuron))
        return value, out

    options = {"duration": 30.0, "inputs": inputs, "pseudo_spikes": pseudo_spikes}
    runs = assert_same_derivatives(lambda **o: es.Simulation(net, seed=2, **o), loss, [1, 2, 4], threads=2, **options)
    assert min(len(runs.spikes(k).time) for k in (1, 2, 3)) > 300


def test_gradients_of_layers_by_the_executor_of_the_simulation():
    """Where no executor is named the layers have their own."""
    net = es.Network()
    source = net.add("source", 3, es.SpikeSource([1.0, 4.0, 5.0], [0, 1, 2]))
    net.connect(source, net.add("cell", 2, es.LIF()), es.AllToAll(), weight=900.0, delay=1.5)
    for executor, kind in (("auto", "LayerRuns"), ("ordered", "EventRuns"), ("windowed", "EventRuns")):
        sim = es.Simulation(net, weight_dtype="float64", executor=executor)
        response = es.value_and_grad(sim, lambda response, targets: (0.0, {}), duration=20.0)[2]
        assert type(response.runs).__name__ == kind


# ---- the cheap bound


@st.composite
def resting_neurons(draw, models):
    """A neuron anywhere below its threshold, with any currents."""
    model, C_m = draw(st.sampled_from(models)), draw(st.sampled_from([1.0, 250.0]))
    tau = st.floats(0.1, 100.0)
    parameters = dict(tau_m=draw(tau))
    unit = 15.0 * C_m / parameters["tau_m"]  # the current that just reaches threshold
    size = st.one_of(st.sampled_from([0.0, 1.0, 1 - 2.0**-52, 1 + 2.0**-52, -1.0]), st.floats(-30.0, 30.0))
    state = dict(V_m=draw(st.one_of(st.sampled_from([-70.0, math.nextafter(-55.0, -100.0)]), st.floats(-200.0, -55.001))))
    if model == "FlyLIF":
        parameters |= dict(tau_syn=draw(tau), E_L=-70.0, V_th=-55.0, V_reset=-70.0)
        state |= dict(g=15.0 * draw(size))
    else:
        parameters |= dict(C_m=C_m, I_e=unit * draw(size))
    if model in ("LIF", "AdaptiveLIF"):
        parameters |= dict(tau_syn_ex=draw(tau), tau_syn_in=draw(tau))
    if model not in ("DeltaLIF", "FlyLIF"):
        state |= dict(I_ex=unit * draw(size), I_in=unit * draw(size))
    if model == "AdaptiveLIF":
        parameters |= dict(tau_stc=draw(tau), tau_sfa=draw(tau))
        state |= dict(I_stc=unit * draw(size), h=draw(st.sampled_from([0.0, 4.0, -4.0])))
        state["V_m"] += min(state["h"], 0.0)
    if model == "DoubleExpLIF":
        taus = [draw(tau) for _ in range(4)]
        taus = draw(st.sampled_from([taus, [taus[0]] * 4, [*taus[:2], *taus[:2]]]))
        parameters |= dict(zip(("tau_rise_ex", "tau_decay_ex", "tau_rise_in", "tau_decay_in"), taus, strict=True))
        state |= dict(g_ex=unit * draw(size), g_in=unit * draw(size))
    return getattr(es, model)(**parameters), state


def bounded(cell, state):
    net = es.Network()
    net.add("cell", 1, cell, **state)
    core = es.Simulation(net)._engine.populations[0]
    respite = core.certain_respite(core.state[0].copy(), 0)
    assert respite >= 0.0
    return cell, core, respite


@given(resting_neurons(["AdaptiveLIF", "DoubleExpLIF"]))
def test_no_adapting_neuron_passes_its_threshold_before_the_bound(drawn):
    cell, core, respite = bounded(*drawn)
    horizon = min(respite, 1000.0)
    times = np.concatenate([np.geomspace(1e-6, 1.0, 40), np.linspace(0.0, 1.0, 200)]) * horizon
    rows = np.repeat(core.state, len(times), 0)
    core.evolve(rows, np.zeros(len(times), np.int64), np.column_stack(np.divmod(times, 1.0)))
    h = rows[:, _core.HEAD_WIDTH + 5] if isinstance(cell, es.AdaptiveLIF) else 0.0
    # (there may be less than an ulp between them)
    assert np.all(rows[:, _core.HEAD_WIDTH] < (core.coef[0, 6] + h) * (1.0 + 2.0**-50))


@given(resting_neurons(["LIF", "DeltaLIF", "FlyLIF"]))
def test_no_neuron_passes_its_threshold_before_the_bound(drawn):
    """Sampled densely in 50 digits until the bound; the bound is useful, too: not far below the crossing."""
    cell, core, respite = bounded(*drawn)
    q, u, *currents = [mp.mpf(float(x)) for x in core.coef[0]], *[mp.mpf(float(x)) for x in core.state[0, _core.HEAD_WIDTH :]]
    # u' = -a u + sum k I exp(-b t), threshold c
    model = type(cell).__name__
    a, rates, k, c = {
        "LIF": lambda: (q[0], [q[1], q[2], mp.mpf(0)], q[3], q[4]),
        "DeltaLIF": lambda: (q[0], [mp.mpf(0)], q[1], q[2]),
        "FlyLIF": lambda: (q[0], [q[1]], q[0], q[2]),
    }[model]()

    def kappa(b, t):
        return t * mp.exp(-a * t) if a == b else (mp.exp(-a * t) - mp.exp(-b * t)) / (b - a)

    with mp.workdps(50):
        horizon = min(respite, 40.0 / float(min(x for x in [a, *rates] if x > 0)))
        for t in [horizon, *np.geomspace(1e-6, 1.0, 40) * horizon, *np.linspace(0.0, 1.0, 60) * horizon]:
            t = mp.mpf(float(t))
            V = u * mp.exp(-a * t) + k * sum(I * kappa(b, t) for I, b in zip(currents, rates, strict=True))
            assert V < c


def test_the_bound_is_asked_first():
    """Where nothing can happen, the solver is not called: counters do not lie."""
    ordered, windowed = both(sparse.build(0.02, 5.0, 60.0), 60.0)
    a, b = ordered.result().counters, windowed.result().counters
    assert a["synaptic_events"] == b["synaptic_events"] > 20_000
    assert b["predictions"] < 0.1 * a["predictions"]
    assert b["solver_steps"] < 1.2 * a["solver_steps"]


def test_idle_neurons_cost_nothing():
    def work(n):
        net = es.Network()
        source = net.add("source", 1, es.SpikeSource(np.arange(1.0, 50.0)))
        cells = net.add("cells", n, es.LIF())
        net.connect(source, cells[:10], es.AllToAll(), weight=3000.0, delay=1.0)
        counters = es.simulate(net, 1000.0, executor="windowed").counters
        return counters["predictions"], counters["solver_steps"], counters["synaptic_events"], counters["spikes"]

    assert work(10) == work(100_000)
    assert work(10)[3] > 49


# ---- refusals and errors


def test_what_cannot_be_windowed_says_so():
    net = es.Network()
    cells = net.add("cells", 2, es.LIF(I_e=500.0))
    net.connect(cells, cells, es.AllToAll(), weight=1.0, delay=0.0, name="loop")
    result = es.simulate(net, 50.0, executor="windowed")
    assert result.executor == "ordered" and "loop" in result.executor_note and "0 ms" in result.executor_note
    assert result.executor_note in str(result)

    net = es.Network()
    cells, source = net.add("cells", 2, es.LIF()), net.add("source", 1, es.SpikeSource([1.0]))
    net.connect(source, cells, es.AllToAll(), weight=1.0, delay=0.0, name="kick")
    result = es.simulate(net, 5.0, executor="windowed")
    assert result.executor == "ordered" and "kick" in result.executor_note


def test_only_delays_within_components_limit_windows():
    engine = es.Simulation(ranked())._engine
    assert _core.window_length(engine) == 1.0
    names = [p.model.__class__.__name__ for p in engine.populations]
    assert dict(zip(names[:-2], _core.ranks_of(engine, 1.0), strict=False)) == {
        "Poisson": 0, "LIF": 0, "DeltaLIF": 1, "AdaptiveLIF": 1, "FlyLIF": 2
    }  # fmt: skip
    assert _core.ranks_of(engine, 1.0)[-2:] == [3, 4]
    assert _core.ranks_of(engine, 0.005) == [0, 0, 1, 0, 2, 0, 1]  # what reaches `slow` and `last` takes longer


def test_executor_is_checked():
    net = es.Network()
    net.add("cell", 1, es.LIF())
    with pytest.raises(ValueError, match="executor = 'parallel' must be 'auto', 'ordered', 'windowed'"):
        es.Simulation(net, executor="parallel")
    with pytest.raises(ValueError, match="threads = 300"):
        es.Simulation(net, executor="windowed", threads=300)


def test_errors_are_those_of_the_ordered_executor():
    net = es.Network()
    net.add("calm", 600, es.LIF())
    net.add("wild", 1, es.LIF(I_e=1e12, t_ref=0.0))
    messages = []
    for executor in ("ordered", "windowed"):
        with pytest.raises(RuntimeError, match=r"wild\[0\].*fire for ever") as error:
            es.Simulation(net, executor=executor, threads=2).run(10.0)
        messages.append(str(error.value))
    assert messages[0] == messages[1]
    net = es.Network()
    source = net.add("source", 1, es.SpikeSource([1.0, 2.0]))
    cell = net.add("cell", 1, es.LIF())
    net.connect(source, cell, es.AllToAll(), weight=-1.7e308, delay=1.0)
    for executor in ("ordered", "windowed"):
        with pytest.raises(RuntimeError, match=r"cell\[0\] is not finite any more at t = 3 ms"):
            es.Simulation(net, executor=executor).run(10.0)


def test_empty_networks_and_empty_runs():
    net = es.Network()
    net.add("nobody", 0, es.LIF())
    sim = es.Simulation(net, executor="windowed", threads=3)
    assert sim.run(0.0).counters["spikes"] == 0 and sim.run(1e15).t_stop == 1e15
