"""Brunel: sparse excitatory and inhibitory LIF neurons under Poisson drive, dominated by inhibition.

Every neuron gets 1000 excitatory and 250 inhibitory synapses of delay 1.5 ms, and a Poisson train of its own with
eta times the rate that alone would bring the mean potential to threshold (20,000 /s for eta = 2), at exact times. All
potentials are counted from rest. Three kinds of synapse, with the same charge: "delta" (the potential jumps by J = 0.1 mV,
by -g J for inhibition), "exponential" (currents of tau_syn = 0.5 ms and amplitude J C_m / tau_syn = 50 pA) and "alpha" (the
same, with a peak of J C_m / (e tau_syn) = 18.4 pA).

Reference
---------
Brunel (2000), J. Comput. Neurosci. 8:183, doi:10.1023/A:1008925309027, model A with g = 5, eta = 2 (asynchronous irregular).

Expected
--------
Full size: 37.2-38.2 spikes per second and neuron (delta) and 35.1-35.9 (exponential), NEST, Brian 2 and GeNN on their 0.1 ms
grid; 37 and 34 Hz here, in 60 ms after 40 ms of one seed. `mean_field_rate` gives the stationary rate of the paper's theory
(diffusion approximation, delta synapses): 37.9 Hz.
"""

import numpy as np

import eventsim as es

from . import scaled

DURATION = 100.0  # ms; a busy network: 0.6 billion synaptic events per second at full size

C_M, TAU_M, TAU_SYN, T_REF, V_TH, V_RESET = 250.0, 20.0, 0.5, 2.0, 20.0, 10.0
J, K_EX, K_IN = 0.1, 1000, 250


def build(scale=1.0, synapse="exponential", g=5.0, eta=2.0):
    """Build the network.

    Parameters
    ----------
    scale : float
        Number of neurons over 12,500. The inputs per neuron stay 1000 + 250 at any scale, so the mean-field rate stays
        the same; below about 0.2 the neurons share so many inputs that correlations begin to move the rate.
    synapse : {"exponential", "delta", "alpha"}
        Kind of synapse.
    g : float
        Strength of inhibition relative to excitation.
    eta : float
        External rate relative to the rate that reaches threshold.

    Returns
    -------
    Network
        Populations "exc", "inh" and the Poisson sources "noise".

    Raises
    ------
    ValueError
        If `synapse` is unknown or `scale` leaves fewer than 10 neurons.
    """
    membrane = dict(C_m=C_M, tau_m=TAU_M, E_L=0.0, V_th=V_TH, V_reset=V_RESET, t_ref=T_REF)
    if synapse == "exponential":
        cell, weight = es.LIF(**membrane, tau_syn_ex=TAU_SYN, tau_syn_in=TAU_SYN), J * C_M / TAU_SYN
    elif synapse == "alpha":
        cell, weight = es.AlphaLIF(**membrane, tau_syn_ex=TAU_SYN, tau_syn_in=TAU_SYN), J * C_M / (np.e * TAU_SYN)
    elif synapse == "delta":
        cell, weight = es.DeltaLIF(**membrane), J
    else:
        raise ValueError(f"brunel: synapse = {synapse!r} is unknown; choose 'exponential', 'delta' or 'alpha'")
    n = scaled("brunel", 12_500, scale)
    n_ex = round(0.8 * n)
    net = es.Network()
    exc = net.add("exc", n_ex, cell, V_m=es.Uniform(0.0, V_TH))
    inh = net.add("inh", n - n_ex, cell, V_m=es.Uniform(0.0, V_TH))
    noise = net.add("noise", n, es.Poisson(rate=_external_rate(eta)))
    for post, train in ((exc, noise[:n_ex]), (inh, noise[n_ex:])):
        net.connect(train, post, es.OneToOne(), weight=weight, delay=1.5)
        net.connect(exc, post, es.FixedInDegree(K_EX), weight=weight, delay=1.5)
        net.connect(inh, post, es.FixedInDegree(K_IN), weight=-g * weight, delay=1.5)
    return net


def mean_field_rate(g=5.0, eta=2.0):
    """Stationary rate [Hz] of the delta network in the diffusion approximation.

    The self-consistent solution nu of (times in ms)

        1 / nu = t_ref + tau_m sqrt(pi) int_{(V_reset - mu)/sigma}^{(V_th - mu)/sigma} exp(u^2) (1 + erf(u)) du
        mu = tau_m J (nu (K_ex - g K_in) + nu_ext)        sigma^2 = tau_m J^2 (nu (K_ex + g^2 K_in) + nu_ext)

    It treats the input as white noise of infinitesimal jumps, and so lies a few per cent off the rate of finite jumps.
    """
    from scipy.integrate import quad  # here, because they would slow every command line down
    from scipy.optimize import brentq
    from scipy.special import erfcx

    external = _external_rate(eta) * 1e-3

    def mismatch(nu):
        mu = TAU_M * J * (nu * (K_EX - g * K_IN) + external)
        sigma = np.sqrt(TAU_M * J**2 * (nu * (K_EX + g**2 * K_IN) + external))
        # erfcx(-u) = exp(u^2) (1 + erf(u)) without overflow or cancellation
        integral, _ = quad(lambda u: erfcx(-u), (V_RESET - mu) / sigma, (V_TH - mu) / sigma)
        return 1.0 / (T_REF + TAU_M * np.sqrt(np.pi) * integral) - nu

    return 1e3 * brentq(mismatch, 1e-6, 1.0 / T_REF)


def _external_rate(eta):
    """Rate [Hz] of the Poisson train of one neuron."""
    return 1e3 * eta * V_TH / (J * TAU_M)
