"""Brian2 converges to us: the error of its first spike times shrinks in proportion to its time step.

Brian2 moves everything on a grid: inputs and delays are rounded to it, a spike takes effect in the step after it, a
crossing counts at the end of its step. Each is an error of the order of dt, of either sign, and none depends on us; so the
error of a typical spike must fall like dt down to the smallest step, if and only if dt -> 0 leads to our spike times.

The typical error is the median over the first spikes of all neurons. The mean would not do: where an excitatory and an
inhibitory spike fall into one step, or a membrane grazes the threshold, the grid can add or lose a spike. That happens to a
fraction of the spikes that is itself of the order of dt, and a spike later is an error without dt. The order is the slope
of log error over log dt. Medians of some hundred rounded times scatter by 5 to 10 %, hence a band of 0.2. If our delays were
wrong by 0.02 ms, the order would be 0.4 and the last error 1.8 steps (tried: LIF and FlyLIF); 0.01 ms show as 0.8.
"""

import cases
import numpy as np
import pytest

pytestmark = pytest.mark.validate

STEPS = 0.1, 0.05, 0.025, 0.0125  # ms
FIRST = 3  # spikes of each neuron; later ones accumulate errors and leave the range in which these are small
T = 60.0  # ms

MEMBRANE = dict(C_m=250.0, tau_m=20.0, E_L=0.0, V_th=15.0, V_reset=0.0, t_ref=2.0, I_e=0.0)
SYNAPSES = dict(tau_syn_ex=2.0, tau_syn_in=5.0)
RISE_AND_DECAY = dict(tau_rise_ex=0.5, tau_decay_ex=4.0, tau_rise_in=1.0, tau_decay_in=6.0)
INTEGRATOR = dict(C_m=250.0, V_th=15.0, V_reset=0.0, t_ref=2.0, I_e=20.0)
ADAPTATION = dict(q_stc=100.0, tau_stc=50.0, q_sfa=3.0, tau_sfa=30.0)
FLY = dict(tau_m=20.0, tau_syn=5.0, E_L=-52.0, V_th=-45.0, V_reset=-52.0, t_ref=2.2)

#: Model, parameters, weights (recurrent excitatory, recurrent inhibitory, external), range of V at the start.
CASES = {
    "LIF": ("LIF", MEMBRANE | SYNAPSES, (150.0, -200.0, 600.0), None),
    "LIF, reset above rest": ("LIF", MEMBRANE | SYNAPSES | dict(V_reset=5.0, I_e=100.0), (100.0, -200.0, 400.0), None),
    "DeltaLIF": ("DeltaLIF", MEMBRANE, (1.5, -3.0, 5.0), None),
    "AlphaLIF": ("AlphaLIF", MEMBRANE | SYNAPSES, (60.0, -90.0, 250.0), None),
    "DoubleExpLIF": ("DoubleExpLIF", MEMBRANE | RISE_AND_DECAY, (60.0, -90.0, 250.0), None),
    "PerfectIntegrator": ("PerfectIntegrator", INTEGRATOR | SYNAPSES, (100.0, -100.0, 400.0), None),
    "AdaptiveLIF": ("AdaptiveLIF", MEMBRANE | SYNAPSES | ADAPTATION, (150.0, -200.0, 800.0), None),
    "QIF": ("QIF", dict(tau_m=10.0), (0.5, -0.7, 4.0), (-1.0, 0.5)),
    "FlyLIF": ("FlyLIF", FLY, (3.0, -4.0, 12.0), None),
}


@pytest.mark.parametrize("case", CASES)
def test_converges(case, brian2):
    """A recurrent network of 150 neurons with explicit edges, driven by spike lists."""
    model, params, weight, start = CASES[case]
    rng = np.random.default_rng(3)
    net = cases.recurrent(model, params, weight, rng, n=150, T=T, gap=0.2, start=start)  # one spike per source and step
    ours = cases.simulate(net, T)
    expected = np.isfinite(ours[:, :FIRST])
    assert expected.sum() >= 400  # enough spikes to speak of a typical one

    typical = []
    for dt in STEPS:
        error = cases.distance(ours, cases.peer(brian2, net, T, dt=dt))[:, :FIRST][expected]
        typical.append(np.median(error))
    order = np.polyfit(np.log(STEPS), np.log(typical), 1)[0]
    in_steps = [f"{error / dt:.2f}" for error, dt in zip(typical, STEPS, strict=True)]
    assert order == pytest.approx(1.0, abs=0.2), f"error in steps of {STEPS} ms: {in_steps}"
    assert typical[-1] < 1.5 * STEPS[-1], f"error in steps of {STEPS} ms: {in_steps}"
