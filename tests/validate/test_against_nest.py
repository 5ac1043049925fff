"""Spike times against the precise neurons of NEST: `iaf_psc_exp_ps`, `iaf_psc_delta_ps`, `iaf_psc_alpha_ps`.

What may differ, and by how much. NEST advances states from step to step and searches a crossing until V is within
1e-14 mV of the threshold. One step rounds V by a few ulp of 15 mV, at most about 5e-15 mV; over a membrane time constant
(20 ms, 640 steps of 2^-5 ms) that adds up to at most 3e-12 mV. So NEST's spikes lie between those of two copies of our
network whose thresholds are moved by +-1e-11 mV (`DELTA`). The copies measure everything at once: how steeply V crosses the
threshold, and how errors travel through the network. Their distance from us is the tolerance, spike by spike for single
neurons; in networks, where an error in one neuron reaches the others, it is the largest distance so far. To this comes the
rounding of a time of some hundred ms to float64 (`ULPS`). Where the copies are further than 1e-4 ms from us or lose a spike
(the horizon of chaos), nothing can be compared any more; each test says how much must come before that.

Known and avoided: NEST does not see V rise above threshold and fall below it between two events of one step of 2^-5 ms;
|V - E_L| of 64 mV and more, where 1e-14 mV is below one ulp; times off NEST's grid for delays and refractory periods.
"""

import cases
import numpy as np
import pytest

pytestmark = pytest.mark.validate

DELTA = 1e-11  # mV
ULPS = 4 * np.spacing(512.0)  # ms; all runs are shorter than 512 ms
CHAOS = 1e-4  # ms

MEMBRANE = dict(C_m=250.0, tau_m=20.0, E_L=0.0, V_th=15.0, V_reset=0.0, t_ref=2.0)
SLOW_INHIBITION = dict(tau_syn_ex=2.0, tau_syn_in=5.0)

#: Model, parameters, and weights of single neurons (excitatory, inhibitory), in pA or mV.
SINGLE = {
    "exp, slow inhibition": ("LIF", MEMBRANE | SLOW_INHIBITION, (500.0, -150.0)),
    "exp, slow excitation": ("LIF", MEMBRANE | dict(tau_syn_ex=8.0, tau_syn_in=1.0), (150.0, -300.0)),
    "exp, equal": ("LIF", MEMBRANE | dict(tau_syn_ex=0.5, tau_syn_in=0.5), (2000.0, -1000.0)),
    "exp, tau_syn_ex = tau_m": ("LIF", MEMBRANE | dict(tau_syn_ex=20.0, tau_syn_in=5.0), (60.0, -100.0)),
    "exp, reset above rest": ("LIF", MEMBRANE | SLOW_INHIBITION | dict(V_reset=8.0), (500.0, -150.0)),
    "delta": ("DeltaLIF", MEMBRANE, (4.0, -2.0)),
    "alpha": ("AlphaLIF", MEMBRANE | SLOW_INHIBITION, (200.0, -70.0)),
    "alpha, equal": ("AlphaLIF", MEMBRANE | dict(tau_syn_ex=0.5, tau_syn_in=0.5), (800.0, -400.0)),
}

#: Model, parameters, and weights of networks (recurrent excitatory, recurrent inhibitory, external).
RECURRENT = {
    "exp, slow inhibition": ("LIF", MEMBRANE | SLOW_INHIBITION, (150.0, -200.0, 600.0)),
    "exp, slow excitation": ("LIF", MEMBRANE | dict(tau_syn_ex=5.0, tau_syn_in=2.0), (60.0, -500.0, 250.0)),
    "exp, strong": ("LIF", MEMBRANE | dict(tau_syn_ex=2.0, tau_syn_in=2.0), (600.0, -2500.0, 500.0)),  # grows errors 1e6-fold
    "delta": ("DeltaLIF", MEMBRANE, (1.5, -3.0, 5.0)),
    "alpha": ("AlphaLIF", MEMBRANE | SLOW_INHIBITION, (60.0, -90.0, 250.0)),
}


def judge(net, nest, T, *, network):
    """Compare `net` with NEST; returns the number of spikes compared and the horizon [ms]."""
    ours = cases.simulate(net, T)
    copies = [cases.distance(ours, cases.simulate(cases.shifted(net, sign * DELTA), T)) for sign in (1, -1)]
    theirs = cases.peer(nest, net, T, step=cases.GRID)

    width = max(ours.shape[1], theirs.shape[1], *(copy.shape[1] for copy in copies))
    ours, theirs = cases.widen(ours, width), cases.widen(theirs, width)
    tolerance = np.maximum(*(cases.widen(copy, width, 0.0) for copy in copies))
    horizon = min(ours[tolerance > CHAOS].min(initial=T), T)
    if network:
        tolerance = cases.so_far(tolerance, ours)
    before = np.minimum(ours, theirs) < horizon
    error = cases.distance(ours, theirs)
    beyond = before & (error > tolerance + ULPS)
    neuron, spike = np.argwhere(beyond)[0] if beyond.any() else (0, 0)
    assert not beyond.any(), (
        f"{beyond.sum()} of {before.sum()} spikes differ; the first: neuron {neuron}, spike {spike}, "
        f"ours {ours[neuron, spike]!r}, NEST {theirs[neuron, spike]!r}, tolerance {tolerance[neuron, spike] + ULPS:.1e} ms"
    )
    return before.sum(), horizon


@pytest.mark.parametrize("case", SINGLE)
def test_single_neurons(case, nest):
    """Forty neurons, each with spike trains of its own at real-valued times; half of them also with a constant current."""
    model, params, weight = SINGLE[case]
    params = params | dict(I_e=np.where(np.arange(40) % 2, 150.0, 0.0))
    net = cases.single_neurons(model, params, weight, np.random.default_rng(11))
    compared, horizon = judge(net, nest, 400.0, network=False)
    assert horizon == 400.0  # a single neuron is not chaotic
    assert compared >= 400


def test_constant_current(nest):
    """Currents from just above threshold to far above, no spikes arriving; the rates follow from the equation."""
    current = np.geomspace(187.6, 2000.0, 40)  # pA; 187.5 pA bring V to 15 mV
    params = MEMBRANE | SLOW_INHIBITION | dict(I_e=current)
    net = cases.single_neurons("LIF", params, (0.0, 0.0), np.random.default_rng(12))
    compared, horizon = judge(net, nest, 400.0, network=False)
    assert horizon == 400.0
    v_inf = current * 20.0 / 250.0
    interval = 2.0 + 20.0 * np.log(v_inf / (v_inf - 15.0))
    assert compared == np.floor((400.0 + 2.0) / interval).sum()  # the first spike comes without a refractory period


@pytest.mark.parametrize("case", RECURRENT)
@pytest.mark.parametrize("seed", [1, 2])
def test_recurrent_network(case, seed, nest):
    """120 neurons with explicit random edges, parallel edges and autapses included."""
    model, params, weight = RECURRENT[case]
    net = cases.recurrent(model, params, weight, np.random.default_rng(seed))
    compared, horizon = judge(net, nest, 300.0, network=True)
    assert horizon >= 100.0
    assert compared >= 1000
