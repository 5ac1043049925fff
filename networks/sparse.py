"""Very sparse activity: delays of 1 to 20 ms, hardly any spikes; the kind of network event-driven simulators are for.

LIF neurons with 80 excitatory and 20 inhibitory inputs each, all delays uniform between 1 and 20 ms, and one strong
"kick" input (40 mV of charge: always a spike) from one of n / 100 sources that fire at the wanted rate. Nothing else
happens: a neuron fires once per kick plus a small recurrent part, and rests otherwise. The number of synaptic events is
101 n rate per second, while a simulator with a clock of 0.1 ms updates 10,000 n neurons per second.

Source of the network: ours, made for comparing simulators; no reference.

Expected
--------
About one spike per kick: 0.98-1.0 here (four seeds), as 2 in 100 kicks are still on their way at the end of 1 s and a few hit
refractory or inhibited neurons, while recurrent excitation adds a few spikes. NEST, Brian 2, NEURON and Arbor: 0.91-1.07 Hz for
rate = 1, 0.111 Hz for rate = 0.1.
"""

import numpy as np

import eventsim as es

from . import scaled

DURATION = 1000.0  # ms


def build(scale=1.0, rate=1.0, duration=DURATION, seed=4242):
    """Build the network.

    Parameters
    ----------
    scale : float
        Number of neurons over 100,000.
    rate : float
        Rate of the kicks [Hz].
    duration : float
        Time to cover with kicks [ms]; the spike lists of the sources are drawn here and now.
    seed : int
        Seed of the spike lists (the wiring depends on the seed of the simulation).

    Returns
    -------
    Network
        Populations "exc", "inh" and the spike sources "kicks".

    Raises
    ------
    ValueError
        If `scale` leaves fewer than 10 neurons.
    """
    n = scaled("sparse", 100_000, scale)
    n_ex = round(0.8 * n)
    sources, times, ids = kicks(n, rate, duration, seed)
    cell = es.LIF(C_m=250.0, tau_m=20.0, E_L=-65.0, V_th=-50.0, V_reset=-65.0, t_ref=2.0, tau_syn_ex=2.0, tau_syn_in=2.0)
    net = es.Network()
    exc = net.add("exc", n_ex, cell)
    inh = net.add("inh", n - n_ex, cell)
    kick = net.add("kicks", sources, es.SpikeSource(times, ids))
    for post in (exc, inh):
        for pre, inputs, weight in ((exc, 80, 50.0), (inh, 20, -250.0), (kick, 1, 5000.0)):  # pA
            net.connect(pre, post, es.FixedInDegree(inputs), weight=weight, delay=es.Uniform(1.0, 20.0))
    return net


def kicks(n, rate, duration, seed=4242):
    """Spike lists of the kick sources: Poisson trains rounded to 0.1 ms, so that every simulator can be given the same.

    The total number of spikes is a Poisson number, each falls on a random step and a random source; of several spikes of
    one source in one step, one is kept. No spike at time 0.

    Returns
    -------
    sources : int
        Number of sources, n / 100.
    times : ndarray, float64 [ms]
        Spike times, ascending.
    ids : ndarray, int64
        Source of each spike; ascending within one time.
    """
    sources = max(1, n // 100)
    rng = np.random.default_rng(seed)
    number = rng.poisson(rate * duration * 1e-3 * sources)
    step = rng.integers(1, int(duration * 10), number)
    source = rng.integers(0, sources, number)
    step, source = np.divmod(np.unique(step.astype(np.int64) * sources + source), sources)
    return sources, step * 0.1, source
