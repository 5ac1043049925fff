"""CUBA: balanced network of current-based LIF neurons that stays active without any input.

80 % excitatory and 20 % inhibitory neurons, every ordered pair connected with probability 80 / n, so that each neuron has
64 + 16 inputs on average whatever the size. The resting potential lies 1 mV above the threshold, which keeps the network
going; the delay is 0.1 ms.

References
----------
Vogels & Abbott (2005), J. Neurosci. 25:10786, doi:10.1523/JNEUROSCI.3508-05.2005; as benchmark 2 of Brette et al. (2007),
J. Comput. Neurosci. 23:349, doi:10.1007/s10827-007-0038-6, with the numbers of the CUBA example of Brian 2.

Expected
--------
5.0-5.8 spikes per second and neuron: Brian 2, GeNN and NEST on their 0.1 ms grid. The rate depends on the wiring drawn: six
seeds gave 5.3-6.1 Hz here, two 5.6-5.9 Hz in NEST.
"""

import eventsim as es

from . import scaled

DURATION = 1000.0  # ms


def build(scale=1.0):
    """Build the network.

    Parameters
    ----------
    scale : float
        Size; 1 means 4000 neurons and about 320,000 synapses, 10 means 40,000 neurons and 3.2 million synapses.

    Returns
    -------
    Network
        Populations "exc" and "inh".

    Raises
    ------
    ValueError
        If `scale` leaves fewer than 10 neurons.
    """
    n = scaled("cuba", 4000, scale)
    net = es.Network()
    cell = es.LIF(C_m=250.0, tau_m=20.0, E_L=-49.0, V_th=-50.0, V_reset=-60.0, t_ref=5.0, tau_syn_ex=5.0, tau_syn_in=10.0)
    exc = net.add("exc", round(0.8 * n), cell, V_m=es.Uniform(-60.0, -50.0))
    inh = net.add("inh", n - round(0.8 * n), cell, V_m=es.Uniform(-60.0, -50.0))
    rule = es.FixedProbability(min(1.0, 80.0 / n))
    for post in (exc, inh):
        net.connect(exc, post, rule, weight=20.25, delay=0.1)  # pA: 1.62 mV of charge, w C_m / tau_m
        net.connect(inh, post, rule, weight=-112.5, delay=0.1)  # pA: -9 mV
    return net
