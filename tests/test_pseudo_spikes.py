"""Quadratic neurons beyond the end of the run: continuous where a spike leaves it, and differentiable."""

import numpy as np
import pytest

import eventsim as es


def network(rng, n=4):
    net = es.Network()
    source = net.add("source", 4, es.SpikeSource(rng.uniform(0, 20, 25), rng.integers(0, 4, 25)))
    model = es.QIF(tau_m=rng.uniform(8, 12, n), t_ref=rng.uniform(2, 3, n), V_reset=rng.uniform(-2, -1, n))
    cells = net.add("cells", n, model, V_m=rng.uniform(0, 0.4, n))
    net.connect(source, cells, weight=rng.uniform(0.5, 6, 4 * n), delay=rng.uniform(0.3, 2, 4 * n), name="in")
    net.connect(cells, cells, weight=rng.uniform(-3, 2, n * n), delay=rng.uniform(0.3, 2, n * n), name="recurrent")
    return net


def weighted(coefficients):
    """A loss: spike times, each with a coefficient that belongs to its neuron and rank."""

    def loss(response, targets):
        spikes = response.spikes("cells")
        w = coefficients[spikes.neuron, response.ranks("cells")]
        return float(w @ spikes.time), {"cells": es.Sensitivity(times=w)}

    return loss


def test_there_are_as_many_as_asked_for_after_the_end():
    net = network(np.random.default_rng(0))
    _, _, plain = es.value_and_grad(net, weighted(np.zeros((4, 60))), duration=30.0)
    _, _, more = es.value_and_grad(net, weighted(np.zeros((4, 60))), duration=30.0, pseudo_spikes=2)
    assert np.array_equal(more.counts("cells"), plain.counts("cells") + 2)
    times = more.spikes("cells").time
    assert np.all(times[: len(plain.spikes("cells").time)] < 30.0)
    assert np.all(times[len(plain.spikes("cells").time) :] >= 30.0)


def test_a_spike_leaves_the_run_without_a_jump():
    """A little before and a little after the end: its time and the time of the one that follows hardly differ."""
    net = es.Network()
    cell = net.add("cell", 1, es.QIF(V_reset=-1.0, t_ref=2.0), V_m=3.0)
    (spike,) = es.simulate(net, 40.0, progress=False).spikes(cell)[0]
    found = []
    for duration in (spike - 1e-7, spike + 1e-7):
        _, _, response = es.value_and_grad(net, lambda r, t: (0.0, {}), duration=duration, pseudo_spikes=2)
        found.append(response.spikes(cell).time[:2])
    # before its end V_m^2 + 1 stands for V_m^2 - V_m + I, a difference of the order of (1e-7 ms)^2 V_m/tau_m
    np.testing.assert_allclose(found[0], found[1], rtol=0, atol=3e-7)


@pytest.mark.parametrize("duration", [22.7, 31.0])
def test_exact_derivatives(duration):
    """Against fourth-order differences with h = 1e-4: error h^4 and rounding/h, both below 1e-9 of the largest entry."""
    net = network(np.random.default_rng(3))
    loss = weighted(np.random.default_rng(1).normal(size=(4, 60)))
    sim = es.Simulation(net, weight_dtype="float64")
    _, grads, response = es.value_and_grad(sim, loss, duration=duration, pseudo_spikes=2)
    order = response.spikes("cells").neuron
    cells, into = net["cells"], net.projections[0]
    bases = {name: np.array(cells.model.values[name]) for name in ("tau_m", "V_reset", "t_ref")}
    bases |= {"V_m": sim.get(cells, "V_m"), "I": sim.get(cells, "I"), "weight": sim.edges(into).weight}
    for name, base in bases.items():
        target = into if name == "weight" else cells
        exact = getattr(grads[target], name)
        for k in range(len(base)):
            values = []
            for step in (1, -1, 2, -2):
                moved = es.Simulation(net, weight_dtype="float64")
                shifted = base.copy()
                shifted[k] += step * 1e-4
                moved.set(target, **{name: shifted})
                value, _, r = es.value_and_grad(moved, loss, duration=duration, pseudo_spikes=2)
                assert np.array_equal(r.spikes("cells").neuron, order)
                values.append(value)
            difference = (8 * (values[0] - values[1]) - (values[2] - values[3])) / 12e-4
            assert abs(difference - exact[k]) <= 1e-8 * np.abs(exact).max(), (name, k)


def test_slopes_of_quadratic_neurons_are_refused():
    net = network(np.random.default_rng(0))
    with pytest.raises(ValueError, match="QIF"):
        es.value_and_grad(net, lambda r, t: (r.slopes("cells").sum(), {}), duration=10.0, pseudo_spikes=1)
