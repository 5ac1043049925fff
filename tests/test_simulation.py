"""A simulation as an object: looking, changing, injecting, recording, interrupting; and what a result says."""

import json
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections import Counter

import numpy as np
import pytest
from comparing import exact
from hypothesis import given
from hypothesis import strategies as st

import eventsim as es

MODELS = [thing for name, thing in sorted(vars(es).items()) if isinstance(thing, type) and hasattr(thing, "population")]
ENVIRONMENT = os.environ | {"PYTHONPATH": os.path.dirname(es.__path__[0])}


def busy(n=20):
    """Sources of both kinds, excitation, inhibition, recurrence; the projections by name."""
    net = es.Network()
    drive = net.add("drive", n, es.Poisson(rate=es.Steps([0.0, 30.0], [400.0, 200.0])))
    source = net.add("source", 2, es.SpikeSource([1.0, 5.25, 5.25, 40.0], [0, 1, 0, 1]))
    exc = net.add("exc", n, es.LIF(tau_m=es.Uniform(8.0, 12.0), I_e=es.Steps([20.0], [150.0])), V_m=es.Uniform(-70.0, -56.0))
    inh = net.add("inh", 5, es.AlphaLIF())
    p = {
        "in": net.connect(drive, exc, es.FixedProbability(0.3), weight=es.Normal(400.0, 100.0), delay=es.Uniform(0.1, 2.0)),
        "source": net.connect(source, inh, weight=600.0, delay=3.0),
        "exc": net.connect(exc, inh, es.FixedInDegree(4), weight=es.Uniform(0.0, 300.0), delay=es.Uniform(0.5, 15.0)),
        "inh": net.connect(inh, exc, weight=-200.0, delay=1.5),
    }
    return net, p


def bits(sim, duration):
    """Everything that a run gives and leaves behind."""
    spikes = exact(sim.run(duration))
    states = {(p.name, s): sim.get(p, s).tolist() for p in sim.network.populations for s, d in p.model.states.items() if d.user}
    return spikes, states, sim.time


# ---- get and set


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.__name__)
def test_whatever_can_be_got_can_be_set(model):
    net = es.Network()
    cells = net.add("cells", 4, model())
    sim = es.Simulation(net)
    sim.run(1.0)
    names = [*model.parameters, *(s for s, state in model.states.items() if state.user and s not in model.parameters)]
    for name in set(names) - {"grid"}:  # all neurons have one
        before = {other: sim.get(cells, other) for other in names}
        assert all(value.shape == (4,) for value in before.values())
        present = np.where(np.isfinite(before[name]), before[name], -4.0)
        sim.set(cells[[3, 1]], **{name: present[[3, 1]] + [0.25, 0.5]})
        expected = before | {name: before[name].copy()}
        expected[name][[3, 1]] = present[[3, 1]] + [0.25, 0.5]
        for other in names:
            assert sim.get(cells, other).tolist() == expected[other].tolist(), (name, other)
        sim.set("cells", **{name: before[name][0]})
        assert sim.get(cells[1:3], name).tolist() == [before[name][0]] * 2


def test_getting_gives_copies_and_setting_takes_them():
    net = es.Network()
    cells = net.add("cells", 2, es.LIF())
    synapses = net.connect(cells, cells, weight=[1.0, 2.0, 3.0, 4.0], delay=[1.0, 2.0, 3.0, 4.0])
    sim = es.Simulation(net)
    for name in ("V_m", "tau_m"):
        got, given = sim.get(cells, name), np.array([3.0, 4.0])
        got[:] = 1.0
        sim.set(cells, **{name: given})
        given[:] = 1.0
        assert sim.get(cells, name).tolist() == [3.0, 4.0]
    weight, delay = np.array([4.0, 3.0, 2.0, 1.0]), np.array([1.0, 1.0, 2.0, 2.0])
    sim.set(synapses, weight=weight, delay=delay)
    weight[:], delay[:] = 9.0, 9.0
    for array in sim.edges(synapses):
        array[:] = 7
    edges = sim.edges(synapses)
    assert edges.weight.tolist() == [4.0, 3.0, 2.0, 1.0] and edges.delay.tolist() == [1.0, 1.0, 2.0, 2.0]
    assert edges.pre.tolist() == [0, 0, 1, 1] and edges.post.tolist() == [0, 1, 0, 1]


def test_setting_nothing_or_the_same_changes_nothing():
    net, p = busy()
    expected = bits(es.Simulation(net), 60.0)
    sim = es.Simulation(net)
    sim.run(25.0)
    for population in net.populations:
        sim.set(population)
    for projection in p.values():
        edges = sim.edges(projection)
        sim.set(projection)
        sim.set(projection, weight=edges.weight if len(set(edges.weight)) > 1 else edges.weight[0])
        sim.set(projection, delay=edges.delay)
    sim.inject("source", [], [])
    found = bits(sim, 35.0)
    assert found[1:] == expected[1:] and exact(sim.result()) == expected[0]


def test_views_keep_their_order():
    net = es.Network()
    cells = net.add("cells", 6, es.LIF(tau_m=[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]))
    sim = es.Simulation(net)
    for view, ids in ((cells[[4, 1, 4]], [4, 1, 4]), (cells[::-2], [5, 3, 1]), (cells[-1], [5]), (cells[3:3], [])):
        assert sim.get(view, "tau_m").tolist() == [i + 1.0 for i in ids]
        assert len(view) == len(ids) and view.ids.tolist() == ids
    assert cells[np.arange(6) % 2 == 1].ids.tolist() == [1, 3, 5]
    assert [v.ids.tolist() for v in cells] == [[k] for k in range(6)]


def test_a_rate_set_by_hand_holds_until_the_next_step():
    net = es.Network()
    drive = net.add("drive", 3, es.Poisson(rate=es.Steps([0.0, 50.0, 300.0], [[0.0] * 3, [400.0] * 3, [0.0] * 3])))
    sim = es.Simulation(net)
    sim.run(60.0)
    assert sim.get(drive, "rate").tolist() == [400.0] * 3
    sim.set(drive[1], rate=0.0)
    assert sim.get(drive, "rate").tolist() == [400.0, 0.0, 400.0]
    counts = sim.run(240.0).counts(drive)
    assert counts[1] == 0 and counts[[0, 2]].min() > 50
    assert sim.run(100.0).counts(drive).tolist() == [0, 0, 0]
    sim.set(drive, rate=100.0)
    assert sim.run(300.0).counts(drive).min() > 10
    assert sim.get(drive, "rate").tolist() == [100.0] * 3


# ---- synapses


def test_edges_are_what_was_connected():
    rng = np.random.default_rng(1)
    pre, post = rng.integers(0, 5, 40), rng.integers(0, 7, 40)
    weight, delay = rng.integers(-9, 9, 40) / 4, rng.integers(0, 9, 40) / 4
    net = es.Network()
    a, b = net.add("a", 5, es.Poisson()), net.add("b", 7, es.LIF())
    synapses = net.connect(a, b, es.Pairs(pre, post), weight=weight, delay=delay)
    sim = es.Simulation(net)
    edges = sim.edges(synapses)
    given = sorted(zip(pre.tolist(), delay.tolist(), post.tolist(), range(40), strict=True))  # row order, then creation
    assert list(zip(edges.pre, edges.delay, edges.post, strict=True)) == [row[:3] for row in given]
    assert edges.weight.tolist() == [weight[k] for *_, k in given]
    again = es.Network()
    a, b = again.add("a", 5, es.Poisson()), again.add("b", 7, es.LIF())
    synapses = again.connect(a, b, es.Pairs(edges.pre, edges.post), weight=edges.weight, delay=edges.delay)
    assert all(np.array_equal(x, y) for x, y in zip(es.Simulation(again).edges(synapses), edges, strict=True))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_weights_keep_the_precision_chosen_at_build(dtype):
    net = es.Network()
    cells = net.add("cells", 2, es.LIF())
    synapses = net.connect(cells, cells, weight=0.1)
    sim = es.Simulation(net, weight_dtype=dtype)
    assert sim.edges(synapses).weight.tolist() == [0.1] * 4
    sim.set(synapses, weight=np.full(4, 0.1))
    assert sim.edges(synapses).weight.astype(float).tolist() == [float(np.dtype(dtype).type(0.1))] * 4
    sim.set(synapses, weight=0.3)
    assert sim.edges(synapses).weight.tolist() == [0.3] * 4
    sim.set(synapses, delay=np.array([0.1, 0.2, 0.3, 0.4]))
    assert sim.edges(synapses).delay.tolist() == [0.1, 0.2, 0.3, 0.4]


quarters = st.integers(1, 40).map(lambda k: k / 4)


@given(st.data())
def test_spikes_in_flight_keep_their_times_and_find_new_weights(tmp_path_factory, data):
    """Membranes without leak or threshold add up what arrives: each spike takes the delay of its departure and the weight of
    its arrival, however often both are changed on its way, in whatever order, and whether it was saved in between."""
    n_pre, n_post = 2, 3
    m = n_pre * n_post
    emitted = sorted(data.draw(st.lists(st.tuples(quarters, st.integers(0, n_pre - 1)), min_size=1, max_size=8)))
    lists = st.lists(quarters, min_size=m, max_size=m)
    weights, delays = (np.array(data.draw(lists)) for _ in range(2))
    net = es.Network()
    source = net.add("source", n_pre, es.SpikeSource(*zip(*emitted, strict=True)))
    sink = net.add("sink", n_post, es.DeltaLIF(tau_m=1e300, E_L=0.0, V_reset=0.0, V_th=np.inf))
    synapses = net.connect(source, sink, weight=weights, delay=delays)
    sim = es.Simulation(net)
    # for each synapse (source, target): its weight and delay from a time on
    history = [(0.0, *(dict(zip(np.ndindex(n_pre, n_post), x.tolist(), strict=True)) for x in (weights, delays)))]
    for _ in range(data.draw(st.integers(0, 4))):
        sim.run(data.draw(quarters))
        values = {name: data.draw(lists) for name in data.draw(st.sampled_from([["weight"], ["delay"], ["weight", "delay"]]))}
        if values.keys() == {"weight"} and data.draw(st.booleans()):
            values["weight"] = values["weight"][:1]
        _, weight, delay = history[-1]
        edges = sim.edges(synapses)
        order = list(zip(edges.pre.tolist(), edges.post.tolist(), strict=True))
        assert [weight[s] for s in order] == edges.weight.tolist() and [delay[s] for s in order] == edges.delay.tolist()
        sim.set(synapses, **{k: v[0] if len(v) == 1 else v for k, v in values.items()})
        changed = {k: dict(zip(order, v * (m // len(v)), strict=True)) for k, v in values.items()}
        history.append((sim.time, changed.get("weight", weight), changed.get("delay", delay)))
        if data.draw(st.booleans()):
            path = tmp_path_factory.getbasetemp() / "in_flight"
            sim.save(path)
            sim = es.load(path)
            synapses, source, sink = sim.network.projections[0], *sim.network.populations
    sim.run(200.0)

    def at(t):
        return [entry for entry in history if entry[0] <= t][-1]

    expected = np.zeros(n_post)
    for t, i in emitted:
        for j in range(n_post):
            expected[j] += at(t + at(t)[2][i, j])[1][i, j]
    assert sim.get(sink, "V_m").tolist() == expected.tolist()
    assert len(sim._engine.projections) <= 5
    sim.set(synapses, delay=1.0)
    assert len(sim._engine.projections) == 1, "rows that no spike is on are dropped"


def test_injected_spikes_are_like_those_given_before():
    times, ids = [7.5, 3.0, 3.0, 9.0, 12.0, 3.0], [0, 1, 1, 0, 1, 0]
    net = es.Network()
    source = net.add("source", 2, es.SpikeSource(times, ids))
    expected = exact(es.simulate(net, 20.0))
    assert len(expected) == 6, "also those that are given twice"
    net = es.Network()
    source = net.add("source", 2, es.SpikeSource([12.0], 1))
    sim = es.Simulation(net)
    sim.run(3.0)
    sim.inject(source, times[:3], ids[:3])
    sim.inject("source", 3.0, 0)
    sim.run(4.0)
    sim.inject(source, np.array([9.0]), 0)
    sim.run(13.0)
    assert exact(sim.result()) == expected


@given(st.lists(st.floats(1e-3, 20.0), min_size=1, max_size=6))
def test_the_present_is_not_the_past(durations):
    """`time` is one rounded number, the present has two parts; a spike injected at `time` leaves now."""
    net = es.Network()
    source = net.add("source", 1, es.SpikeSource())
    sim = es.Simulation(net)
    for k, duration in enumerate(durations):
        sim.run(duration)
        sim.inject(source, [sim.time, np.nextafter(sim.time, np.inf)])
        with pytest.raises(ValueError, match=r"times\[1\] = .* ms must not be before .* ms, the present time"):
            sim.inject(source, [sim.time, np.nextafter(sim.time, 0.0)])
        now = sim._time
        assert exact(sim.run(0.5))[0][:2] == now
        assert sim.result().counts().tolist() == [2 * k + 2]


# ---- recording


def test_which_spikes_are_recorded():
    net, _ = busy()
    whole = es.simulate(net, 60.0)
    everything = exact(whole)
    exc, inh = net["exc"], net["inh"]
    chosen = {
        "all": (True, range(net.n)),
        "counts": (False, []),
        "none": (None, []),
        "empty": ([], []),
        "one population": (inh, range(inh.first, inh.first + 5)),
        "by name": ("inh", range(inh.first, inh.first + 5)),
        "views": ([exc[3:9], inh[[0, 0, 2]]], [*range(exc.first + 3, exc.first + 9), inh.first, inh.first + 2]),
    }
    for name, (record, gids) in chosen.items():
        result = es.simulate(net, 60.0, record_spikes=record)
        assert exact(result) == [s for s in everything if s[2] in gids], name
        assert result.counts().tolist() == whole.counts().tolist(), name
        assert result.counters["spikes"] == len(everything), name
    t, i = result.spikes(exc[[8, 3]])
    assert list(zip(t, i, strict=True)) == [(e + o, g - exc.first) for e, o, g in everything if g - exc.first in (3, 8)]
    with pytest.raises(ValueError, match=r"not all spikes of Population.*recorded"):
        result.spikes(exc)
    with pytest.raises(ValueError, match="not all spikes"):
        result.cv_isi(exc[2:5])


def test_states_between_events_are_what_a_run_stopped_there_would_find():
    """The closed form at any time has the bits of `get` in a second run that ends at that time, also across changes."""
    net, p = busy(6)
    cells = {"exc": (net["exc"][1:4], ("V_m", "I_ex", "I_in", "I_e")), "inh": (net["inh"], ("V_m", "g_ex", "I_ex"))}

    def runs(T, **options):
        sim = es.Simulation(net, **options)
        results = [sim.run(min(T, 31.0))]
        if T > 31.0:
            sim.set(net["exc"], tau_m=9.0, I_e=200.0, E_L=-69.0)
            sim.set(p["inh"], weight=-100.0)
            sim.inject("source", [33.0], [1])
            results.append(sim.run(T - 31.0))
        return sim, results

    sim, (first, second) = runs(60.0, record_V=[net["exc"][1:4], "inh"])
    for t in np.random.default_rng(0).integers(0, 60 << 20, 40) / (1 << 20):  # so that sums of times are exact
        probe, _ = runs(t)
        assert probe.time == t
        for result in (first if t <= 31.0 else second, sim.result()):
            for view, names in cells.values():
                for name in names:
                    assert result.trace(view, name, [t]).tolist() == [probe.get(view, name).tolist()], (name, t)
    assert {name: ids.tolist() for name, ids in first.recorded().items()} == {"exc": [1, 2, 3], "inh": [0, 1, 2, 3, 4]}


def test_results_of_parts_make_up_the_whole():
    net, _ = busy()
    sim = es.Simulation(net, record_V=[net["inh"]])
    parts = [sim.run(T) for T in (10.25, 0.0, 20.0, 7.75, 22.0)]
    whole = sim.result()
    once = es.Simulation(net).run(60.0)
    assert (whole.t_start, whole.t_stop, whole.duration) == (0.0, 60.0, 60.0)
    assert [p.t_start for p in parts] == [0.0, 10.25, 10.25, 30.25, 38.0] and parts[-1].t_stop == 60.0
    assert [s for p in parts for s in exact(p)] == exact(whole) == exact(once)
    assert sum(p.counts() for p in parts).tolist() == whole.counts().tolist() == once.counts().tolist()
    for name in ("spikes", "synaptic_events", "queue_pops"):
        assert sum(p.counters[name] for p in parts) == whole.counters[name] == once.counters[name], name
    for p in parts:
        assert all(p.t_start <= t < p.t_stop for t in p.spikes()[0])
        times = np.linspace(p.t_start, p.t_stop, 11)[:-1] if p.duration else []
        assert p.V("inh", times).tolist() == whole.V("inh", times).tolist()
        with pytest.raises(ValueError, match=r"Result.trace: times holds .* ms; this result is of"):
            p.V("inh", [p.t_stop + 0.5])
    assert sum(p.wall["simulate"] for p in parts) == pytest.approx(whole.wall["simulate"])
    assert parts[1].rates("inh").shape == (5,) and np.all(np.isnan(parts[1].rates("inh")))
    early = parts[0].V("inh", [10.25])
    sim.set("inh", V_m=-60.0, E_L=-65.0)
    assert parts[0].V("inh", [10.25]).tolist() == early.tolist(), "a result is not changed by what follows"


def test_a_result_at_its_end_is_before_what_is_set_there():
    net = es.Network()
    cell = net.add("cell", 1, es.LIF())
    sim = es.Simulation(net, record_V=cell)
    before = sim.run(0.0)
    sim.set(cell, V_m=-60.0, E_L=-65.0)
    assert before.V(cell, [0.0]).tolist() == [[-70.0]]
    assert sim.run(1.0).V(cell, [0.0]).tolist() == [[-60.0]]


# ---- statistics


def test_rates_and_irregularity_by_plain_numpy():
    net, _ = busy()
    result = es.simulate(net, 150.0)
    for target, offset, n in (("exc", net["exc"].first, 20), (net["exc"][4:9], net["exc"].first + 4, 5), (None, 0, net.n)):
        trains = [[e + o for e, o, g in exact(result) if g == offset + k] for k in range(n)]
        assert result.counts(target).tolist() == [len(train) for train in trains]
        assert result.rates(target) == pytest.approx([len(train) / 0.150 for train in trains])
        assert result.rate(target) == pytest.approx(np.mean([len(train) / 0.150 for train in trains]))
        intervals = [np.diff(train) for train in trains if len(train) > 2]
        assert len(intervals) > 3
        assert result.cv_isi(target) == pytest.approx(np.mean([isi.std() / isi.mean() for isi in intervals]), rel=1e-9)
    silent = es.simulate(net, 0.5)
    assert np.isnan(silent.cv_isi("inh")) and silent.rate("inh") == 0.0
    poisson = es.Network()
    poisson.add("drive", 200, es.Poisson(rate=100.0))
    result = es.simulate(poisson, 2000.0)
    assert result.rate() == pytest.approx(100.0, abs=4 * np.sqrt(100.0 / 400.0))
    assert result.cv_isi() == pytest.approx(1.0, abs=0.03)


def test_counters_of_a_small_network():
    """Work is deterministic; more of it for the same spikes is a regression."""
    net = es.Network()
    source = net.add("source", 3, es.SpikeSource([1.0, 2.0, 3.0, 4.0, 30.0], [0, 1, 2, 0, 1]))
    cells = net.add("cells", 4, es.LIF(I_e=[0.0, 400.0, 400.0, 500.0]))
    net.connect(source, cells, weight=500.0, delay=[0.5] * 6 + [1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    net.connect(cells, cells, es.AllToAll(autapses=False), weight=-300.0, delay=2.0)
    result = es.simulate(net, 50.0)
    per_spike = {"source": 4, "cells": 3}
    spikes = {name: int(result.counts(name).sum()) for name in per_spike}
    # spikes of the last 2 ms are still on their way
    late = Counter("source" if g < 3 else "cells" for e, o, g in exact(result) if e + o >= 48.0)
    assert result.counters["spikes"] == sum(spikes.values())
    assert result.counters["synaptic_events"] == sum(per_spike[k] * (spikes[k] - late[k]) for k in per_spike)
    assert result.counters["queue_pushes"] == sum(spikes.values())
    assert result.counters["queue_pops"] == sum(spikes.values()) - sum(late.values())
    assert result.counters["spikes"] == 12 and result.counters["synaptic_events"] == 41
    assert result.counters["predictions"] == 41, "one for each target of each instant"
    assert result.counters["solver_steps"] <= 49 and result.counters["alarm_moves"] <= 85


def test_what_a_result_says_about_itself():
    net, _ = busy()
    sim = es.Simulation(net, seed=7)
    result = sim.run(50.0)
    text = str(result)
    for part in ("50 ms of 47 neurons", "seed 7", "drive", "source", "exc", "inh", f"{result.counters['synaptic_events']:,}"):
        assert part in text
    assert result.populations == ["drive", "source", "exc", "inh"] and result.n_neurons == 47
    assert result.n_synapses == sum(len(sim.edges(p).pre) for p in net.projections)
    assert repr(result) == f"Result(0 to 50 ms, {result.counters['spikes']} spikes)"
    assert result.wall["build"] > 0 and result.wall["simulate"] > 0
    assert repr(sim).endswith("at t = 50 ms, seed 7)")


# ---- reproducibility and independence


def test_the_same_seed_gives_the_same_bits():
    net, _ = busy()
    first = bits(es.Simulation(net, seed=3), 60.0)
    assert len(first[0]) > 300
    for threads in (1, 2, 7):
        assert bits(es.Simulation(net, seed=3, threads=threads), 60.0) == first
    assert bits(es.Simulation(busy()[0], seed=np.uint64(3)), 60.0) == first
    assert bits(es.Simulation(net, seed=4), 60.0)[0] != first[0]
    assert exact(es.simulate(net, 60.0, 3)) == first[0]


def test_simulations_of_one_network_are_independent():
    net, p = busy()
    expected = bits(es.Simulation(net), 40.0)
    a, b = es.Simulation(net), es.Simulation(net)
    a.set(net["exc"], V_m=-56.0, tau_m=5.0)
    a.set(p["in"], weight=900.0, delay=0.5)
    a.inject("source", [2.0], [0])
    assert bits(a, 40.0) != expected
    assert bits(b, 40.0) == expected == bits(es.Simulation(net), 40.0)


def test_what_is_added_to_the_network_later_is_for_later_simulations(tmp_path):
    net = es.Network()
    cell = net.add("cell", 2, es.LIF(I_e=500.0))
    sim = es.Simulation(net)
    more = net.add("more", 3, es.LIF())
    late = net.connect(cell, more)
    result = sim.run(20.0)
    assert result.n_neurons == 2 and result.populations == ["cell"] and "more" not in str(result)
    sim.save(tmp_path / "sim")
    for call in (lambda: sim.get(more, "V_m"), lambda: sim.edges(late), lambda: result.counts("more")):
        with pytest.raises(ValueError, match=r"more"):
            call()
    assert es.simulate(net, 20.0).populations == ["cell", "more"]


def test_start_anywhere():
    net = es.Network()
    cell = net.add("cell", 2, es.LIF(I_e=[400.0, 600.0]))
    net.connect(cell, cell, weight=100.0, delay=1.25)
    trains = {}
    for start in (0.0, 1000.0, -7.0, 2.0**40):
        sim = es.Simulation(net, t_start=start)
        result = sim.run(100.0)
        assert (result.t_start, result.t_stop, sim.time) == (start, start + 100.0, start + 100.0)
        epoch, offset, ids = result.spike_times_exact()
        trains[start] = [(epoch - int(start)).tolist(), offset.tolist(), ids.tolist()]
    assert all(train == trains[0.0] for train in trains.values()) and len(trains[0.0][0]) > 5
    assert es.Simulation(net, t_start=-1e-20).run(0.0).start == (0.0, 0.0), "the fraction stays below 1"


def test_pickles():
    net, _ = busy()
    again = pickle.loads(pickle.dumps(net))
    assert repr(again) == repr(net)
    assert [p.model for p in again.populations] == [p.model for p in net.populations]
    assert bits(es.Simulation(again), 40.0) == bits(es.Simulation(net), 40.0)
    result = es.Simulation(net, record_V="inh").run(40.0)
    copy = pickle.loads(pickle.dumps(result))
    assert exact(copy) == exact(result) and copy.counters == result.counters and str(copy) == str(result)
    assert copy.V("inh", [3.3, 7.7]).tolist() == result.V("inh", [3.3, 7.7]).tolist()
    for model in MODELS:
        assert pickle.loads(pickle.dumps(model())) == model()
    with pytest.raises(TypeError, match=r"Simulation: it cannot be pickled or copied; use sim.save"):
        pickle.dumps(es.Simulation(net))


def test_import_and_use_leave_no_trace():
    """Random numbers, floating-point modes, warnings, logging, signals, threads and output of the process stay as they were."""
    code = """
import logging, os, signal, sys, threading, warnings
import numpy as np, tqdm.auto
def state():
    return [np.random.get_state()[1].tolist(), np.geterr(), list(warnings.filters), list(logging.root.handlers),
            logging.root.level, signal.getsignal(signal.SIGINT), threading.active_count(), dict(os.environ), os.getcwd(),
            np.get_printoptions(), sys.getrecursionlimit(), sys.getswitchinterval()]
before = state()
import eventsim as es
assert state() == before, "import"
net = es.Network()
drive, cell = net.add("drive", 5, es.Poisson(rate=100.0)), net.add("cell", 5, es.LIF())
net.connect(drive, cell, es.FixedProbability(0.5), weight=es.Normal(500.0, 10.0), delay=es.Uniform(0.0, 2.0))
result = es.simulate(net, 100.0, record_V=cell)
result.V(cell, [1.0])
assert state() == before, "use"
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], env=ENVIRONMENT, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


# ---- progress


@pytest.fixture
def endless():
    """A network that takes the machine seconds to simulate a second, and little memory."""
    net = es.Network()
    drive, cell = net.add("drive", 100, es.Poisson(rate=1e4)), net.add("cell", 10, es.LIF())
    net.connect(drive, cell, es.FixedOutDegree(2), weight=20.0, delay=es.Uniform(0.5, 3.0))
    return net


def test_progress_is_shown_if_asked_for(endless, capfd):
    sim = es.Simulation(endless, record_spikes=False)
    silent = sim.run(20.0, progress=False)
    assert sim.run(20.0).counters["spikes"] > 0.9 * silent.counters["spikes"]
    assert capfd.readouterr() == ("", ""), "no terminal, no bar"
    began = time.perf_counter()
    sim.run(20.0)
    speed = 20.0 / (time.perf_counter() - began)  # ms of biological time per second
    sim.run(2.0 * speed, progress=True)  # the bar waits for half a second
    out, err = capfd.readouterr()
    assert out == ""
    shown = [part for part in err.split("\r") if "%|" in part]
    assert shown and "ms [" in shown[0]
    assert err.endswith("\r") or not err.split("\r")[-1].strip(), "the bar is cleared in the end"


class Meddler:
    """A progress bar that uses the simulation it shows."""

    def __init__(self, sim, total, **_):
        self.sim, self.n, self.updates = sim, 0.0, 0

    def update(self, step):
        self.n += step
        calls = {
            "run": (1.0,),
            "get": ("cell", "V_m"),
            "set": ("cell",),
            "result": (),
            "save": ("nowhere",),
            "edges": (self.sim.network.projections[0],),
            "inject": ("drive", [1e6]),
        }
        for name, arguments in calls.items():
            with pytest.raises(RuntimeError, match=rf"Simulation.{name}: another call is at work on this simulation"):
                getattr(self.sim, name)(*arguments)
        self.updates += 1

    def close(self):
        pass


def test_a_simulation_at_work_refuses_other_calls(endless, monkeypatch):
    expected = es.Simulation(endless).run(30.0)
    sim = es.Simulation(endless)
    bars = []
    monkeypatch.setattr("tqdm.auto.tqdm", lambda **options: bars.append(Meddler(sim, **options)) or bars[-1])
    found = sim.run(30.0, progress=True)
    assert bars[0].updates > 0
    assert exact(found) == exact(expected)
    sim.run(1.0, progress=False)


def test_two_threads(endless):
    """Two simulations run side by side; a second thread cannot disturb the first one's simulation."""
    expected = exact(es.Simulation(endless).run(150.0))
    found, sims = {}, [es.Simulation(endless) for _ in range(2)]
    threads = [threading.Thread(target=lambda k=k: found.update({k: exact(sims[k].run(150.0))})) for k in range(2)]
    for thread in threads:
        thread.start()
    refused = 0
    while not sims[0]._lock.locked():
        time.sleep(0.001)
    while any(thread.is_alive() for thread in threads):
        try:
            sims[0].get("cell", "V_m")
        except RuntimeError as error:
            assert "another call is at work" in str(error)
            refused += 1
        time.sleep(0.002)
    for thread in threads:
        thread.join()
    assert refused > 0
    assert found == {0: expected, 1: expected}


# ---- interrupts

SETUP = """
import hashlib, json, signal, sys, time, warnings
import eventsim as es
signal.signal(signal.SIGINT, signal.default_int_handler)
net = es.Network()
drive, cell = net.add("drive", 100, es.Poisson(rate=1e4)), net.add("cell", 10, es.LIF())
net.connect(drive, cell, es.FixedOutDegree(2), weight=20.0, delay=es.Uniform(0.5, 3.0))
net.connect(cell, cell, weight=es.Uniform(-50.0, 50.0), delay=es.Uniform(0.0, 3.0))
record = dict(record_spikes=[drive[:5], cell], record_V=cell[:2])
def spikes(result, until):
    return [s for s in zip(*(a.tolist() for a in result.spike_times_exact())) if s[0] + s[1] < until]
print("ready", flush=True)
"""
PARTIAL = """
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    result = es.simulate(net, 1e9, **record)
stopped = time.monotonic()
t = result.t_stop
whole = es.simulate(net, t, **record)
print(json.dumps(dict(stopped=stopped, t=t, n=len(spikes(result, t)), warnings=[str(w.message) for w in caught],
                      same=spikes(result, t) == spikes(whole, t),
                      membrane=result.V(cell[0], [t / 2]).tolist() == whole.V(cell[0], [t / 2]).tolist())))
"""
CONTINUED = """
sim = es.Simulation(net, **record)
try:
    sim.run(1e9)
except KeyboardInterrupt:
    stopped = time.monotonic()
t = sim.time
sim.run(50.0)
whole = es.Simulation(net, **record)
whole.run(sim.time)
# the time where the second run ends is not a float
states = [abs(sim.get(cell, s) - whole.get(cell, s)).max() < 1e-9 for s in ("V_m", "I_ex", "I_in")]
print(json.dumps(dict(stopped=stopped, t=t, n=len(spikes(sim.result(), 1e9)), states=bool(all(states)),
                      same=spikes(sim.result(), 1e9) == spikes(whole.result(), 1e9))))
"""


def interrupted(code):
    """Run `code`, interrupt it a second after it is ready; what it printed, and how long it took to stop [s]."""
    process = subprocess.Popen([sys.executable, "-c", SETUP + code], env=ENVIRONMENT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "ready\n"
        time.sleep(1.0)
        sent = time.monotonic()
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0
    found = json.loads(out)
    return found, found["stopped"] - sent


def test_simulate_returns_what_it_has_when_interrupted():
    found, took = interrupted(PARTIAL)
    assert took < 1.0
    assert found["warnings"] == [f"interrupted at t = {found['t']:g} ms of 1e+09 ms: the result ends there"]
    assert found["same"] and found["membrane"] and found["n"] > 1000


def test_an_interrupted_run_continues_with_the_same_bits():
    found, took = interrupted(CONTINUED)
    assert took < 1.0
    assert found["same"] and found["states"] and found["n"] > 1000
