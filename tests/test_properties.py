"""What must hold for every network: bit-exact relations first, then those with a tolerance, then the structure of a run.

Numbers in brackets refer to the usual list of such relations: splitting, saving, observing, translating, scaling,
relabelling, adding what does not matter; superposition, homogeneity, closed forms; conservation, order, no spike missed.
"""

import copy
import math
import pickle
import subprocess
import sys
from collections import Counter

import numpy as np
import oracle_heap
import pytest
import strategies
from comparing import assert_same_spikes, exact, simulate, simulation, trains
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from plain import DEFAULTS, Edges, Net, Pop, Steps, stamp, to_ms

import eventsim as es

networks = strategies.networks
LIKE_LIF = ["LIF", "AlphaLIF", "DoubleExpLIF", "AdaptiveLIF", "PerfectIntegrator", "LeakyIntegrator", "FlyLIF"]


def everything(sim):
    """Every state of every neuron at the present time, by (population, state)."""
    return {
        (pop.name, state): sim.get(pop, state)
        for pop in sim.network.populations
        for state in pop.model.states
        if not state.startswith("_")
    }


def assert_same_states(a, b):
    a, b = everything(a), everything(b)
    assert a.keys() == b.keys()
    for key in a:
        np.testing.assert_array_equal(a[key], b[key], err_msg=str(key))


def shifted(net, k):
    """The network with every time later by k ms."""
    net = copy.deepcopy(net)
    for pop in net.pops:
        if pop.model == "SpikeSource":
            pop.params["times"] = [t + k for t in pop.params["times"]]
        elif isinstance(pop.params.get("I_e"), Steps):
            steps = pop.params["I_e"]
            pop.params["I_e"] = Steps([t + k for t in steps.times], steps.values)
    return net


def mapped(value, function):
    """`function` of a number, of every element of a list, or of the values of Steps."""
    if isinstance(value, Steps):
        return Steps(value.times, mapped(value.values, function))
    return [mapped(v, function) for v in value] if isinstance(value, list) else function(value)


def coincident_arrivals(net, spikes):
    """Whether two arrivals reach a neuron at one instant (so that their order decides about rounding)."""
    outgoing = {}
    for source, target, _, delay, _ in net.synapses():
        outgoing.setdefault(source, []).append((target, delay))
    seen = Counter((target, oracle_heap.later((e, o), d)) for e, o, gid in spikes for target, d in outgoing.get(gid, ()))
    return max(seen.values(), default=0) > 1


# ---- bit for bit


@given(networks(), st.data())
def test_split_runs(case, data):  # 1
    whole, _, _ = simulation(case.net)
    expected = exact(whole.run(case.T))
    sim, _, _ = simulation(case.net)
    parts = []
    for length in data.draw(strategies.splits(case.T, [e + o for e, o, _ in expected])):
        parts += exact(sim.run(length))
    assert sim.time == whole.time
    assert parts == expected == exact(sim.result())
    assert_same_states(sim, whole)
    assert sim.result().counters["synaptic_events"] == whole.result().counters["synaptic_events"]


@given(networks(), st.integers(2, 5))
def test_threads_do_not_matter(case, threads):  # 2
    assert simulate(case.net, case.T, threads=threads) == simulate(case.net, case.T)


@settings(suppress_health_check=[*settings.default.suppress_health_check, HealthCheck.function_scoped_fixture])
@given(networks(), st.data())
def test_save_and_load(tmp_path, case, data):  # 4
    cut = data.draw(st.sampled_from([case.T / 2, 0.0, *(e + o for e, o, _ in case.spikes)]))
    sim, _, _ = simulation(case.net, record_V=None)
    sim.run(cut)
    sim.save(tmp_path / "a")
    sim.save(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    loaded = es.load(tmp_path / "a")
    loaded.save(tmp_path / "b")
    again = es.load(tmp_path / "b")
    rest = exact(sim.run(case.T))
    for other in (loaded, again):
        assert exact(other.run(case.T)) == rest
        assert_same_states(other, sim)
        assert exact(other.result()) == exact(sim.result())


def test_save_and_continue_in_another_process(tmp_path):  # 4
    def build():
        net = es.Network()
        drive = net.add("drive", 50, es.Poisson(rate=100.0))
        cell = net.add("cell", 30, es.LIF(tau_syn_in=5.0), V_m=es.Uniform(-70, -56))
        net.connect(drive, cell, es.FixedProbability(0.3), weight=es.Normal(300.0, 100.0), delay=es.Uniform(0.1, 2.0))
        net.connect(cell, cell, es.FixedInDegree(5), weight=es.Uniform(-400.0, 400.0), delay=es.Uniform(0.1, 20.0))
        return es.Simulation(net, seed=11)

    sim = build()
    sim.run(40.5)
    sim.save(tmp_path / "sim")
    code = (
        "import sys, numpy as np, eventsim as es; sim = es.load(sys.argv[1]); r = sim.run(60.0);"
        "np.savez(sys.argv[2], V=sim.get('cell', 'V_m'), *r.spike_times_exact())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "sim", tmp_path / "out.npz"],
        env={"PYTHONPATH": str(es.__path__[0]).removesuffix("eventsim"), **__import__("os").environ},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    expected = sim.run(60.0).spike_times_exact()
    with np.load(tmp_path / "out.npz") as found:
        assert len(expected[0]) > 300
        for k, array in enumerate(expected):
            np.testing.assert_array_equal(found[f"arr_{k}"], array)
        np.testing.assert_array_equal(found["V"], sim.get("cell", "V_m"))
    whole = build()
    assert exact(whole.run(100.5))[-len(expected[0]) :] == list(zip(*(x.tolist() for x in expected), strict=True))


@given(networks(), st.data())
def test_observing_changes_nothing(case, data):  # 5
    expected, _, _ = simulation(case.net)
    spikes = exact(expected.run(case.T))
    network, _pops, _ = case.net.to_eventsim()
    network = pickle.loads(pickle.dumps(network))
    cells = [network[p.name] for p in case.net.pops[1:]]
    sim = es.Simulation(network, weight_dtype="float64", record_V=cells, record_spikes=data.draw(st.booleans()))
    for length in data.draw(strategies.splits(case.T)):
        everything(sim)
        result = pickle.loads(pickle.dumps(sim.run(length)))
        for cell in cells:
            result.V(cell.name, np.linspace(result.t_start, result.t_stop, 7))
        for proj in network.projections:
            sim.edges(proj)
    assert_same_states(sim, expected)
    assert sim.result().counts().tolist() == [sum(g == k for _, _, g in spikes) for k in range(case.net.n)]
    watched = es.Simulation(network, weight_dtype="float64", record_spikes=[cells[-1]])
    first = case.net.first(cells[-1].name)
    assert exact(watched.run(case.T)) == [s for s in spikes if first <= s[2] < first + cells[-1].n]


@given(networks(dyadic=True), st.sampled_from([1, 1000, 3_600_000, 2**33]))
def test_translation_by_whole_milliseconds(case, k):  # 6
    expected = [(e + k, o, g) for e, o, g in simulate(case.net, case.T)]
    assert simulate(shifted(case.net, k), case.T, t_start=float(k)) == expected


def scaled(net, factor):
    """All voltages, currents and weights times `factor`."""
    net = copy.deepcopy(net)
    for pop in net.pops:
        for values in (pop.params, pop.initial):
            for key in values:
                if key.startswith(("V_", "E_L", "I_", "q_", "h", "g")):
                    values[key] = mapped(values[key], lambda v: v * factor)
        if pop.model != "SpikeSource":
            for key in ("E_L", "V_th", "V_reset", "V_m"):
                default = DEFAULTS[pop.model].get(key)
                if default is not None and key not in pop.params and (pop.model, key) != ("PerfectIntegrator", "E_L"):
                    pop.params[key] = default * factor
    for e in net.edges:
        e.weight = [w * factor for w in e.weight]
    return net


@given(networks(models=strategies.LINEAR), st.sampled_from([2.0, 0.25, 2.0**40, 2.0**-40]))
def test_scaling_of_voltages_by_powers_of_two(case, factor):  # 7
    assert simulate(scaled(case.net, factor), case.T) == simulate(case.net, case.T)


@given(networks(models=strategies.LINEAR), st.sampled_from([3.0, 0.1]))
def test_scaling_of_voltages(case, factor):  # 19
    assert_same_spikes(simulate(scaled(case.net, factor), case.T), case.spikes, 1e-9, case.certain)


@given(networks(), st.sampled_from([4.0, 0.5, 3.0]))
def test_scaling_of_times(case, factor):  # 8, 19; the grid of epochs stays, so this is not bit-exact
    net = copy.deepcopy(case.net)
    for pop in net.pops:
        for key, value in pop.params.items():
            if key.startswith("t") or (key == "C_m" and pop.model != "SpikeSource"):
                pop.params[key] = mapped(value, lambda v: v * factor)
        for key, value in DEFAULTS[pop.model].items():
            if key not in pop.params and (key.startswith("tau") or key in ("t_ref", "C_m")):
                pop.params[key] = value * factor
        steps = pop.params.get("I_e")
        if isinstance(steps, Steps):
            pop.params["I_e"] = Steps([t * factor for t in steps.times], steps.values)
        if pop.model == "DeltaLIF" or pop.model == "FlyLIF":
            pop.params.pop("C_m", None) if pop.model == "FlyLIF" else None
    for e in net.edges:
        e.delay = [d * factor for d in e.delay]
    found = [(*stamp(to_ms((e, o)) / factor), g) for e, o, g in simulate(net, case.T * factor)]
    assert_same_spikes(found, case.spikes, 1e-9, case.certain)


@given(networks(dyadic=False, max_n=4), st.data())
def test_relabelled_neurons(case, data):  # 9
    assume(not coincident_arrivals(case.net, case.spikes))
    net = copy.deepcopy(case.net)
    renamed = {}
    for pop in net.pops:
        new = data.draw(st.permutations(range(pop.n)))  # neuron i becomes new[i]
        old = np.argsort(new)
        first = case.net.first(pop.name)
        renamed |= {first + i: first + new[i] for i in range(pop.n)}
        if pop.model == "SpikeSource":
            pop.params["ids"] = [new[i] for i in pop.params["ids"]]
            values = []
        else:
            values = [pop.params, pop.initial]
        for table in values:
            for key, value in table.items():
                if isinstance(value, list):
                    table[key] = [value[i] for i in old]
                elif isinstance(value, Steps):
                    table[key] = Steps(value.times, [[row[i] for i in old] for row in value.values])
        for e in net.edges:
            e.i = [new[i] for i in e.i] if e.pre == pop.name else e.i
            e.j = [new[j] for j in e.j] if e.post == pop.name else e.j
    assert sorted(simulate(net, case.T)) == sorted((e, o, renamed[g]) for e, o, g in simulate(case.net, case.T))


@given(networks(max_n=4), st.data())
def test_order_in_which_synapses_are_given(case, data):  # 9
    net = copy.deepcopy(case.net)
    for e in net.edges:
        # Synapses that agree in source, target and delay are summed in the order given: that order must stay.
        order = data.draw(st.permutations(range(len(e.i))))
        order = sorted(order, key=lambda m, e=e: (order.index(min(k for k in range(len(e.i)) if same(e, k, m))), m))
        for name in ("i", "j", "weight", "delay"):
            setattr(e, name, [getattr(e, name)[m] for m in order])
    assert simulate(net, case.T) == simulate(case.net, case.T)


def same(e, k, m):
    return (e.i[k], e.j[k], e.delay[k]) == (e.i[m], e.j[m], e.delay[m])


@given(networks(), networks(max_pops=2), st.data())
def test_what_does_not_matter_changes_nothing(case, other, data):  # 10
    net = copy.deepcopy(case.net)
    silent = Pop("silent", 3, "LIF")
    names = [p.name for p in net.pops]
    targets = list(net.pops[1:])
    zeros = []
    for pre in net.pops:
        for post in targets:
            m = data.draw(st.integers(0, 3))
            i = data.draw(st.lists(st.integers(0, pre.n - 1), min_size=m, max_size=m))
            j = data.draw(st.lists(st.integers(0, post.n - 1), min_size=m, max_size=m))
            d = data.draw(st.lists(st.floats(0.0, 4.0), min_size=m, max_size=m))
            zeros.append(Edges(pre.name, post.name, i, j, [0.0] * m, d))
    inward = [Edges("silent", p.name, [0, 1, 2], [0] * 3, [9e9] * 3, [0.0] * 3) for p in targets]
    outward = [Edges(name, "silent", [0], [1], [1e-3], [0.5]) for name in names]
    for pop in other.net.pops:
        pop.name = "other " + pop.name
    for e in other.net.edges:
        e.pre, e.post = "other " + e.pre, "other " + e.post
    net.pops += [silent, *other.net.pops]
    net.edges += [*zeros, *inward, *outward, *other.net.edges]
    found, expected = simulate(net, case.T), simulate(case.net, case.T)
    assert [s for s in found if s[2] < case.net.n] == expected
    n = case.net.n + 3
    assert [(e, o, g - n) for e, o, g in found if g >= n] == simulate(other.net, case.T)


# ---- up to rounding


def membrane(net, T, times):
    """V of population "cell" of a network that does not spike."""
    sim, _pops, _ = simulation(net, record_V="cell")
    result = sim.run(T)
    assert result.counts("cell").sum() == 0
    return result.V("cell", times)


@st.composite
def below_threshold(draw):
    """A read-out, or a spiking model with its threshold out of reach, and arrivals: (model, params, times, weights)."""
    model = draw(st.sampled_from(LIKE_LIF))
    tau = draw(st.sampled_from([10.0, 2.0]))
    p = {"tau_m": tau} if "tau_m" in DEFAULTS[model] else {}
    p |= {k: draw(strategies.beside(tau)) for k in DEFAULTS[model] if k.startswith("tau_") and k != "tau_m"}
    if "V_th" in DEFAULTS[model]:
        p["V_th"] = 1e9
    if "I_e" in DEFAULTS[model]:
        p["I_e"] = draw(st.sampled_from([0.0, 200.0]))
    m = draw(st.integers(1, 5))
    times = draw(st.lists(st.floats(0.0, 15.0), min_size=m, max_size=m))
    weights = draw(st.lists(st.floats(-2e3, 2e3).filter(lambda w: w != 0), min_size=m, max_size=m))
    return model, p, times, weights


def driven(model, params, times, weights, V_m=None):
    """One neuron, "cell", that receives weights[k] at times[k]."""
    m = len(times)
    source = Pop("source", max(m, 1), "SpikeSource", {"times": list(times), "ids": list(range(m))})
    initial = {} if V_m is None else {"V_m": V_m}
    synapses = Edges("source", "cell", list(range(m)), [0] * m, list(weights), [0.0] * m)
    return Net([source, Pop("cell", 1, model, dict(params), initial)], [synapses])


PROBES = np.concatenate([np.linspace(0.0, 20.0, 41), [1e-9, 19.999999]])


@given(below_threshold(), st.integers(0, 5))
def test_superposition(case, k):  # 14
    model, p, times, weights = case
    V = [membrane(driven(model, p, t, w), 20.0, PROBES) for t, w in
         ((times, weights), (times[:k], weights[:k]), (times[k:], weights[k:]), ([], []))]
    size = sum(abs(v).max() for v in V)
    assert np.abs(V[0] - V[1] - V[2] + V[3]).max() <= 1e-13 * size


@given(below_threshold(), st.floats(0.01, 100.0))
def test_homogeneity(case, factor):  # 15
    model, p, times, weights = case
    a, b, rest = (membrane(driven(model, p, times, [w * f for w in weights]), 20.0, PROBES) for f in (1.0, factor, 0.0))
    assert np.abs((b - rest) - factor * (a - rest)).max() <= 1e-13 * (np.abs(a).max() * factor + np.abs(b).max() + 100.0)


@given(networks(models=strategies.LINEAR), st.floats(0.1, 0.9))
def test_a_weight_split_in_two(case, share):  # 16
    net = copy.deepcopy(case.net)
    for e in net.edges:
        for name in ("i", "j", "delay"):
            setattr(e, name, [v for v in getattr(e, name) for _ in range(2)])
        e.weight = [w * s for w in e.weight for s in (share, 1 - share)]
    assert_same_spikes(simulate(net, case.T), case.spikes, 1e-9, case.certain)


@given(networks(models=LIKE_LIF))
def test_two_spikes_at_once_count_twice(case):  # 16
    twice, heavy = copy.deepcopy(case.net), copy.deepcopy(case.net)
    for key in ("times", "ids"):
        twice.pops[0].params[key] = case.net.pops[0].params[key] * 2
    for e in heavy.edges:
        if e.pre == "source":
            e.weight = [2 * w for w in e.weight]
    heap = oracle_heap.Heap(heavy, limit=300)
    try:
        heap.run(case.T)
    except oracle_heap.Runaway:
        assume(False)
    n = case.net.pops[0].n
    assert_same_spikes(
        [s for s in simulate(twice, case.T) if s[2] >= n], [s for s in heap.spikes if s[2] >= n], 1e-9, heap.certain_until
    )


@given(st.sampled_from([10.0, 3.0]), st.data())
def test_post_synaptic_potential(tau, data):  # 17
    s, w = data.draw(strategies.beside(tau)), 100.0
    t = np.linspace(0.0, 60.0, 241)
    V = membrane(driven("LIF", {"tau_m": tau, "tau_syn_ex": s, "E_L": 0.0, "V_th": 1e9, "C_m": 1.0}, [1.0], [w]), 61.0, 1.0 + t)
    a, b = 1 / tau, 1 / s
    # -expm1(-x)/x is (1 - exp(-x))/x without cancellation
    x = np.maximum(abs(b - a) * t, 1e-300)
    expected = w * t * np.exp(-min(a, b) * t) * np.where(x < 1e-290, 1.0, -np.expm1(-x) / x)
    assert np.allclose(V[:, 0], expected, rtol=1e-12, atol=1e-12)


SPIKING = ["LIF", "DeltaLIF", "AlphaLIF", "AdaptiveLIF"]


@given(st.floats(1.0, 50.0), st.floats(0.0, 5.0), st.floats(1.01, 20.0), st.sampled_from(SPIKING))
def test_frequency_of_a_constant_current(tau, t_ref, overdrive, model):  # 17
    p = {"tau_m": tau, "t_ref": t_ref, "C_m": 1.0, "E_L": 0.0, "V_th": 15.0, "V_reset": -3.0}
    v_inf = 15.0 * overdrive
    interval = t_ref + tau * math.log((v_inf + 3.0) / (v_inf - 15.0))
    T = 5.5 * interval
    found = np.array(trains(simulate(driven(model, p | {"I_e": v_inf / tau}, [], [], V_m=-3.0), T))[0 + 1])
    assert found == pytest.approx(np.arange(1, 6) * interval - t_ref, rel=1e-12) or len(found) == 6
    assert np.allclose(np.diff(found), interval, rtol=0, atol=1e-12 * T)


@given(st.floats(0.0, 10.0), st.floats(0.1, 9.9))
def test_end_of_refractoriness_is_exact(t_ref, t):  # 17
    """The neuron is clamped until t + t_ref, computed as times are, and follows its drive from there."""
    p = {"E_L": 0.0, "V_th": 10.0, "V_reset": -5.0, "t_ref": t_ref, "tau_m": 10.0}
    net = driven("DeltaLIF", p, [t], [20.0])
    sim, _, _ = simulation(net, record_V="cell")
    result = sim.run(40.0)
    release = to_ms(oracle_heap.later(stamp(t), t_ref))
    times = np.array([math.nextafter(release, 0.0), release, release + 5.0])
    V = result.V("cell", times)[:, 0]
    # asking at a float64 time can miss the release by an ulp of 40 ms, 7e-15: exp(-7e-16) is what that does to V
    assert V[1] == pytest.approx(-5.0, rel=2.0**-50)
    assert V[0] == pytest.approx(-5.0, rel=2.0**-50) or t_ref < 1e-12
    assert V[2] == pytest.approx(-5.0 * math.exp(-0.5), rel=1e-13)


@given(networks(models=strategies.LINEAR), st.floats(-200.0, 200.0))
def test_shift_of_all_potentials(case, shift):  # 20
    net = copy.deepcopy(case.net)
    for pop in net.pops:
        for key in ("E_L", "V_th", "V_reset"):
            if key in DEFAULTS[pop.model] and pop.model not in ("PerfectIntegrator", "SpikeSource"):
                pop.params[key] = mapped(pop.params.get(key, DEFAULTS[pop.model][key]), lambda v: v + shift)
        if "V_m" in pop.initial and pop.model != "PerfectIntegrator":
            pop.initial["V_m"] = mapped(pop.initial["V_m"], lambda v: v + shift)
    # an initial V_m at the threshold is decided by the last bit of the sums
    assume(all(V != pytest.approx(th, abs=1e-6) for V, th in initial_and_threshold(net)))
    assert_same_spikes(simulate(net, case.T), case.spikes, 1e-8, case.certain)


def initial_and_threshold(net):
    return [(p.start("V_m", 0.0, i), p.value("V_th", i)) for p in net.pops if "V_th" in DEFAULTS[p.model] for i in range(p.n)]


@given(st.lists(st.floats(0.0, 3.0), min_size=1, max_size=6), st.floats(0.0, 10.0))
def test_a_delay_is_the_sum_over_a_chain_of_relays(delays, t):  # 21
    source = Pop("source", 1, "SpikeSource", {"times": [t], "ids": [0]})
    n = len(delays)
    relays = Edges("relay", "relay", list(range(n - 1)), list(range(1, n)), [20.0] * (n - 1), delays[1:])
    net = Net(
        [source, Pop("relay", n, "DeltaLIF"), Pop("direct", 1, "DeltaLIF")],
        [
            Edges("source", "relay", [0], [0], [20.0], delays[:1]),
            relays,
            Edges("source", "direct", [0], [0], [20.0], [math.fsum(delays)]),
        ],
    )
    found = trains(simulate(net, 40.0))
    # each relay adds at 2**-53; the sum of the delays and the two times shown are rounded once each
    assert found[n] == pytest.approx(found[n + 1], abs=n * 2.0**-53 + 3 * np.spacing(found[n + 1][0]))
    assert [found[k][0] for k in range(n + 1)] == sorted(found[k][0] for k in range(n + 1))


def grid(net, T, h):
    """First spike of every neuron by a fixed step h: LIF with exact propagators, thresholds tested on the grid only."""
    pop, (edge,) = net.pop("cell"), net.edges
    p = {k: np.array([pop.value(k, i) for i in range(pop.n)]) for k in DEFAULTS["LIF"] if k != "reset"}
    V, I = np.array([pop.start("V_m", p["E_L"][i], i) for i in range(pop.n)]), np.zeros((2, pop.n))
    arrivals = {}
    for t, source in zip(*net.pops[0].params.values(), strict=True):
        for k, i in enumerate(edge.i):
            if i == source:
                arrivals.setdefault(round((t + edge.delay[k]) / h), []).append((edge.j[k], edge.weight[k]))
    first = np.full(pop.n, np.inf)
    em, e = np.exp(-h / p["tau_m"]), [np.exp(-h / p[f"tau_syn_{s}"]) for s in ("ex", "in")]
    for step in range(round(T / h)):
        for j, w in arrivals.get(step, ()):
            I[int(w < 0), j] += w
        # one step of the trapezoidal rule for the synaptic part: second order inside, first order at the threshold
        drive = (I.sum(0) * em + sum(I[k] * e[k] for k in (0, 1))) / 2 * h / p["C_m"]
        V = p["E_L"] + (V - p["E_L"]) * em + drive + p["I_e"] * p["tau_m"] / p["C_m"] * (1 - em)
        I = np.stack([I[k] * e[k] for k in (0, 1)])
        first = np.where((V >= p["V_th"]) & np.isinf(first), (step + 1) * h, first)
    return first


def test_a_fine_grid_converges_to_the_engine():  # 22
    """A spike is noticed at the end of its step, half a step late on average: the error shrinks by 8 when the step does."""
    rng = np.random.default_rng(7)
    n, m = 20, 30
    source = Pop("source", m, "SpikeSource", {"times": list(rng.integers(0, 160, m) / 8), "ids": list(range(m))})
    params = {"tau_syn_ex": 2.0, "tau_syn_in": 5.0, "I_e": list(rng.uniform(330, 480, n)), "t_ref": 100.0}
    k = 200
    weights = list(np.where(rng.random(k) < 0.7, rng.uniform(100, 800, k), rng.uniform(-800, -100, k)))
    pre, post, delays = list(rng.integers(0, m, k)), list(rng.integers(0, n, k)), list(rng.integers(1, 24, k) / 8)
    edge = Edges("source", "cell", pre, post, weights, delays)
    net = Net([source, Pop("cell", n, "LIF", params)], [edge])
    found = trains(simulate(net, 30.0))
    exact_times = np.array([found.get(m + i, [np.inf])[0] for i in range(n)])
    errors = []
    for h in (2.0**-3, 2.0**-6, 2.0**-9):
        times = grid(net, 30.0, h)
        both = np.isfinite(times) & np.isfinite(exact_times)
        assert both.sum() >= 12
        errors.append(np.abs(times[both] - exact_times[both]).mean())
    assert 5 < errors[0] / errors[1] < 12  # a dozen spikes: their mean lateness is half a step within a third
    assert 5 < errors[1] / errors[2] < 12
    assert errors[2] < 2.0**-9


@given(networks(models=["LIF", "AlphaLIF", "PerfectIntegrator"], recurrent=False, max_pops=1, resets=("value",)), st.data())
def test_more_excitation_never_delays_the_first_spike(case, data):  # 23
    net = copy.deepcopy(case.net)
    for e in net.edges:
        e.weight = [w + abs(w) * data.draw(st.sampled_from([0.0, 0.5, 2.0])) if w > 0 else w for w in e.weight]
    before, after = trains(simulate(case.net, case.T)), trains(simulate(net, case.T))
    for gid, times in before.items():
        assert after[gid][0] <= times[0] * (1 + 1e-13) + 1e-13


# ---- structure of a run


@given(networks(max_n=4), st.data())
def test_conservation(case, data):  # 24
    sim, _, projections = simulation(case.net)
    degree = Counter()
    for proj in projections:
        edges = sim.edges(proj)
        for pre in edges.pre:
            degree[proj.pre.first + int(pre)] += 1
    for length in data.draw(strategies.splits(case.T)):
        sim.run(length)
        result = sim.result()
        spikes, counters = exact(result), result.counters
        assert counters["spikes"] == len(spikes) == result.counts().sum()
        emitted = sum(degree[gid] for _, _, gid in spikes)
        arrived = sum(
            oracle_heap.later((e, o), d) < stamp(sim.time)
            for e, o, gid in spikes for source, _, _, d, _ in case.net.synapses() if source == gid
        )
        assert counters["synaptic_events"] == arrived <= emitted
        sim._engine.check()
    far = sim.run(5.0)  # longer than any delay: everything sent before is delivered now
    before = sum(degree[g] for _, _, g in exact(sim.result())) - sum(degree[g] for _, _, g in exact(far))
    assert sim.result().counters["synaptic_events"] >= before


@given(networks(resets=("value",), max_n=3))
def test_order_intervals_thresholds_and_no_spike_missed(case):  # 25, 26
    sim, pops, _ = simulation(case.net, record_V=[])
    sim = es.Simulation(sim.network, weight_dtype="float64", record_V=list(pops.values())[1:])
    result = sim.run(case.T)
    spikes = exact(result)
    assert [s[:2] for s in spikes] == sorted(s[:2] for s in spikes)
    assert all((0, 0.0) <= s[:2] < stamp(case.T) for s in spikes)
    times = np.unique(np.concatenate([np.linspace(0.0, case.T, 301), [e + o for e, o, _ in spikes]]))
    # A value at an event is the one after it, but the sum of a spike's epoch and offset may lie just before it.
    far = np.array([min((abs(t - (e + o)) for e, o, _ in spikes), default=1.0) > 1e-9 for t in times])
    by_id = trains(spikes)
    for pop in case.net.pops[1:]:
        states = {name: result.trace(pop.name, name, times) for name in pops[pop.name].model.states if name != "I_e"}
        V = states.pop("V_m")
        assert all(np.isfinite(values).all() for values in states.values())
        for i in range(pop.n):
            t = np.array(by_id.get(case.net.first(pop.name) + i, []))
            assert np.all(np.diff(t) >= pop.value("t_ref", i) - 1e-12) if pop.model != "LeakyIntegrator" else not len(t)
            if pop.model == "QIF":
                continue
            assert np.isfinite(V[:, i]).all()
            if pop.model not in ("LeakyIntegrator", "FlyLIF"):  # a clamped fly neuron still takes jumps of V
                threshold = pop.value("V_th", i) + (states["h"][:, i] if "h" in states else 0.0)
                assert np.all((V[:, i] <= threshold + 1e-11)[far])


@given(networks())
def test_traces_agree_with_the_oracle(case):
    """`get` and `trace` give the state that the oracle has, at times between and at events."""
    assume(case.certain > case.T)
    heap = oracle_heap.Heap(case.net)
    sim, pops, _ = simulation(case.net)
    sim = es.Simulation(sim.network, weight_dtype="float64", record_V=list(pops.values())[1:])
    for _k in range(8):
        heap.run(case.T / 8)
        sim.run(case.T / 8)
        # a state one rounding beside a jump is another state
        if any(abs(e + o - sim.time) < 1e-9 for e, o, _ in heap.spikes) or near_an_event(heap, sim.time):
            continue
        for pop in case.net.pops[1:]:
            for name in ("V_m", "I", "g", "I_ex", "I_in", "I_stc", "h"):
                if name in pops[pop.name].model.states:
                    expected = heap.get(pop.name, name) if not (pop.model == "DeltaLIF" and name != "V_m") else None
                    for found in (sim.get(pop.name, name), sim.result().trace(pop.name, name, [sim.time])[0]):
                        for a, b in zip(found, expected, strict=True):
                            assert a == pytest.approx(b, rel=1e-7, abs=1e-7) or abs(b) > 1e5, (pop.name, name)


def near_an_event(heap, t):
    """Whether an arrival or an end of refractoriness lies within 1e-9 ms of t."""
    return any(abs(entry[0] + entry[1] - t) < 1e-9 for entry in heap.queue) or any(
        x is not None and abs(to_ms(x.time) - t) < 1e-9 for x in heap.neurons
    )


# ---- a user at work


@settings(stateful_step_count=12, max_examples=max(5, settings.default.max_examples // 2))
class AtWork(RuleBasedStateMachine):
    """Build, run, inject, set, save, load, look, in any order: the engine and O2 must agree all the time."""

    @initialize(case=networks(models=[m for m in strategies.MODELS if m != "QIF"], max_pops=2), data=st.data())
    def build(self, case, data):
        self.net = copy.deepcopy(case.net)
        self.heap = oracle_heap.Heap(self.net, limit=200)
        self.sim, _, self.projections = simulation(self.net)
        self.tired = False

    def names(self):
        return [p.name for p in self.net.pops[1:]]

    @rule(T=st.sampled_from([0.0, 0.25, 1.0, 3.5, 7.0]))
    def run(self, T):
        if self.tired:
            return
        try:
            expected = self.heap.run(T)
        except oracle_heap.Runaway:
            self.tired = True
            return
        found = exact(self.sim.run(T))
        if self.heap.certain_until <= self.sim.time:
            self.tired = True
        assert_same_spikes(found, expected, 1e-8, self.heap.certain_until)

    @rule(data=st.data())
    def inject(self, data):
        if self.tired:
            return
        m = data.draw(st.integers(1, 3))
        times = [self.sim.time + data.draw(st.sampled_from([0.0, 0.5, 2.25])) for _ in range(m)]
        ids = [data.draw(st.integers(0, self.net.pops[0].n - 1)) for _ in range(m)]
        self.sim.inject("source", times, ids)
        self.heap.inject("source", times, ids)

    @rule(data=st.data())
    def set_weights(self, data):
        if self.tired or not self.projections:
            return
        k = data.draw(st.integers(0, len(self.projections) - 1))
        edges, factor = self.sim.edges(self.projections[k]), data.draw(st.sampled_from([0.5, 1.25, 0.0, -0.5]))
        self.sim.set(self.projections[k], weight=edges.weight * factor)
        e = self.net.edges[k]
        rows = [(self.net.first(e.pre) + i, self.net.first(e.post) + j) for i, j in zip(edges.pre, edges.post, strict=True)]
        index = self.heap_indices(k)
        assert [self.heap.net.synapses()[m][:2] for m in index] == rows
        for m, w in zip(index, edges.weight * factor, strict=True):
            self.heap.set_weight(m, float(w))

    def heap_indices(self, k):
        """Indices of the synapses of projection k among all of Net.synapses, in row order."""
        table = sorted(
            (self.net.first(e.pre) + e.i[m], n, e.delay[m], e.j[m], m)
            for n, e in enumerate(self.net.edges) for m in range(len(e.i))
        )
        return [index for index, row in enumerate(table) if row[1] == k]

    @rule(data=st.data())
    def set_neurons(self, data):
        if self.tired:
            return
        pop = self.net.pop(data.draw(st.sampled_from(self.names())))
        i = data.draw(st.integers(0, pop.n - 1))
        if self.heap.neurons[self.net.first(pop.name) + i].refractory:
            return
        options = {"tau_m": [5.0, 12.0], "V_th": [-50.0, -54.0], "C_m": [200.0], "V_m": [-58.0, -54.5]}
        if pop.model == "FlyLIF":
            options |= {"V_th": [-44.0], "V_m": [-50.0]}
        if pop.model == "PerfectIntegrator":
            options |= {"V_th": [16.0, 14.0], "V_m": [1.0, 20.0]}
        allowed = [k for k in options if k == "V_m" or k in DEFAULTS[pop.model]]
        key = data.draw(st.sampled_from(allowed))
        value = data.draw(st.sampled_from(options[key]))
        if "none" == pop.params.get("reset"):
            return
        self.sim.set(self.sim.network[pop.name][i], **{key: value})
        self.heap.set(pop.name, [i], **{key: value})

    @rule()
    def save_and_load(self):
        import tempfile

        with tempfile.TemporaryDirectory() as folder:
            self.sim.save(folder + "/sim")
            loaded = es.load(folder + "/sim")
        assert_same_states(loaded, self.sim)
        assert loaded.time == self.sim.time
        self.projections = loaded.network.projections
        self.sim = loaded

    @rule()
    @precondition(lambda self: not self.tired)
    def look(self):
        assert to_ms(self.heap.time) == self.sim.time
        if near_an_event(self.heap, self.sim.time) or self.heap.certain_until <= self.sim.time + 1e-6:
            return
        for name in self.names():
            found, expected = self.sim.get(name, "V_m"), self.heap.get(name, "V_m")
            assert found == pytest.approx(expected, rel=1e-7, abs=1e-6)


TestAtWork = AtWork.TestCase
