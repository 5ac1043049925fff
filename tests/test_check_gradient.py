"""`check_gradient`: agrees where the loss is smooth, and names the spikes that make it jump."""

import numpy as np
import pytest

import eventsim as es


def cell(n=2, duration=30.0, **params):
    net = es.Network()
    source = net.add("in", 1, es.SpikeSource([], []))
    cells = net.add("cells", n, es.LIF(C_m=100.0, **params))
    synapses = net.connect(source, cells, weight=es.Uniform(900.0, 1200.0), delay=1.5, name="synapses")
    return net, source, cells, synapses


def total(response, targets):
    """Sum of all spike times of the cells."""
    time = response.spikes("cells").time
    return time.sum(), {"cells": es.Sensitivity(times=np.ones(len(time)))}


INPUTS = [([1.0, 3.0, 10.0], [0, 0, 0]), ([2.0, 2.5], [0, 0])]


def test_agrees_and_prints_a_table():
    net, *_ = cell()
    report = es.check_gradient(net, total, INPUTS, [None, None], duration=30.0, entries=2)
    names = {row.parameter.split("[")[0] for row in report.rows}
    assert {"synapses.weight", "synapses.delay", "in.times", "cells.tau_m", "cells.V_th", "cells.t_ref", "cells.V_m"} <= names
    assert report.error < 1e-6 and not any(row.note for row in report.rows)
    assert any(abs(row.exact) > 1e-3 for row in report.rows if row.parameter.startswith("in.times"))
    text = str(report)
    assert "cells.tau_m[" in text and text.splitlines()[0].split() == ["parameter", "exact", "difference", "error", "note"]
    assert text.splitlines()[-1] == f"largest error {report.error:.1e} of {len(report.rows)} derivatives; 0 where spikes change"


def test_a_wrong_gradient_is_seen():
    net, *_ = cell()

    def wrong(response, targets):
        value, sensitivity = total(response, targets)
        return value, {"cells": sensitivity["cells"] * 1.001}

    report = es.check_gradient(net, wrong, INPUTS, duration=30.0, parameters={"weight"})
    assert report.error == pytest.approx(1e-3, rel=0.01)
    assert {row.parameter.split("[")[0] for row in report.rows} == {"synapses.weight"}


def test_a_delay_of_zero_is_varied_on_its_own_side():
    net = es.Network()
    source = net.add("in", 1, es.SpikeSource([1.0], [0]))
    cells = net.add("cells", 1, es.LIF(C_m=100.0))
    net.connect(source, cells, weight=2500.0, delay=0.0)
    report = es.check_gradient(net, total, duration=20.0, parameters="delay")
    assert report.rows[0].exact == pytest.approx(1.0, rel=1e-9)
    assert report.error < 1e-6


def test_single_precision_weights():
    net, *_ = cell()
    sim = es.Simulation(net)
    before = sim.edges(net.projections[0]).weight.copy()
    report = es.check_gradient(sim, total, INPUTS, duration=30.0, parameters={"weight"})
    assert report.error < 1e-5
    assert sim.time == 0.0 and np.array_equal(sim.edges(net.projections[0]).weight, before)


def threshold_at(peak):
    """One cell, whose V just reaches its threshold for a weight of 1000 pA: the maximum of V is linear in the weight."""
    net = es.Network()
    source = net.add("in", 1, es.SpikeSource([1.0], [0]))
    cells = net.add("cells", 1, es.LIF(C_m=100.0, V_th=peak))
    net.connect(source, cells, weight=1000.0, delay=1.0, name="synapses")
    return net


def test_a_spike_that_appears_or_vanishes_is_named():
    def peak_of(response, targets):
        return 0.0, {}

    _, _, response = es.value_and_grad(threshold_at(0.0), peak_of, duration=30.0, executor="events")
    peak = float(response.max_V("cells")[0, 0])
    report = es.check_gradient(threshold_at(peak), total, duration=30.0, parameters={"weight", "V_th"})
    notes = {row.parameter: row.note for row in report.rows}
    assert notes["synapses.weight[0]"].startswith("spike of cells[0] at ") and notes["synapses.weight[0]"].endswith("appears")
    assert notes["cells.V_th[0]"].endswith("vanishes")
    time = float(notes["cells.V_th[0]"].split()[4])
    assert 2.0 < time < 8.0
    assert report.error == 0.0 and str(report).endswith("2 where spikes change")


def test_spikes_that_change_places_are_named():
    net = es.Network()
    source = net.add("in", 2, es.SpikeSource([1.0, 1.0], [0, 1]))
    cells = net.add("cells", 2, es.LIF(C_m=100.0))
    net.connect(source, cells, es.OneToOne(), weight=2500.0, delay=1.0, name="synapses")
    report = es.check_gradient(net, total, duration=20.0, parameters={"delay"}, entries=2)
    assert [row.parameter for row in report.rows] == ["synapses.delay[0]", "synapses.delay[1]"]
    assert all(row.note.startswith("spikes of cells[") and "change places" in row.note for row in report.rows)


def test_errors():
    net, *_ = cell()
    with pytest.raises(ValueError, match="'nonsense'"):
        es.check_gradient(net, total, INPUTS, duration=30.0, parameters={"nonsense"})
    with pytest.raises(ValueError, match="eps"):
        es.check_gradient(net, total, INPUTS, duration=30.0, eps=0)
    with pytest.raises(ValueError, match="entries"):
        es.check_gradient(net, total, INPUTS, duration=30.0, entries=0)
    with pytest.raises(ValueError, match="nothing of that name"):
        es.check_gradient(net, total, duration=30.0, parameters={"times"})
