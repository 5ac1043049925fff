"""C. elegans: all chemical synapses among the 301 neurons of the worm, touched at its head.

Data: who synapses on whom and with how many sections of electron micrographs (3701 connections, 20,930 sections), and the
transmitter of most neurons.

Our choice, not data: the neurons of the worm are mostly graded and few fire; here each is the same leaky integrate-and-fire cell
(tau_m = 20 ms, 15 mV from rest to threshold, synaptic currents of 5 ms). A section adds WEIGHT to the current; GABA inhibits,
everything else excites (glutamate does both in the worm); all delays are 1 ms; gap junctions are left out. The network is a small
real graph for trying things out, not a model of the worm's physiology.

References
----------
Cook et al. (2019), Nature 571:63, doi:10.1038/s41586-019-1352-7 (corrected July 2020), file and licence in data/README.md.
Gentle-touch neurons: Chalfie et al. (1985), J. Neurosci. 5:956, doi:10.1523/JNEUROSCI.05-04-00956.1985.

Expected
--------
Touched for 1 s: 2650-3822 spikes of 63-65 neurons (ten seeds of this simulator), among them the command neurons AVA, AVB, AVD and
PVC of the touch circuit; silence half a second after the touch ends. From weight = 17.5 on the activity sustains itself.
"""

from pathlib import Path

import numpy as np

import eventsim as es

DURATION = 1000.0  # ms

CELL = es.LIF(C_m=250.0, tau_m=20.0, E_L=-65.0, V_th=-50.0, V_reset=-65.0, t_ref=2.0, tau_syn_ex=5.0, tau_syn_in=5.0)
WEIGHT = 17.0  # pA per section
KICK = 2000.0  # pA, makes a resting neuron fire once
TOUCH = ("ALML", "ALMR", "AVM")  # touch receptor neurons of the anterior body


def build(stimulus=TOUCH, rate=100.0, weight=WEIGHT):
    """Build the network.

    Parameters
    ----------
    stimulus : sequence of str
        Names of the neurons that get a Poisson train each, every event of which makes them fire if they rest.
    rate : float
        Rate of the trains [Hz].
    weight : float
        Current that one section adds [pA].

    Returns
    -------
    Network
        Populations "worm" (in the order of `neurons()`) and, if anything is stimulated, the sources "touch".

    Raises
    ------
    ValueError
        If a name is not that of a neuron.
    """
    names = neurons()
    pre, post, weights = synapses(weight)
    unknown = sorted(set(stimulus) - set(names))
    if unknown:
        raise ValueError(f"celegans: stimulus = {unknown[0]!r} is not a neuron; celegans.neurons() lists the names")
    net = es.Network()
    worm = net.add("worm", len(names), CELL)
    net.connect(worm, worm, es.Pairs(pre, post), weight=weights, delay=1.0)
    if len(stimulus):
        touch = net.add("touch", len(stimulus), es.Poisson(rate=rate))
        target = worm[np.flatnonzero(np.isin(names, stimulus))]
        net.connect(touch, target, es.OneToOne(), weight=KICK, delay=0.0)
    return net


def neurons():
    """Names of the neurons in the order of population "worm", (301,)."""
    data = _data()
    return data["names"][data["is_neuron"]]


def classes():
    """Transmitter of every neuron, as `Result.plot(classes=...)` takes it: {"worm": (names, index of each neuron's name)}."""
    data = _data()
    transmitter = data["neurotransmitter"][data["is_neuron"]]
    names = np.array(["Acetylcholine", "Glutamate", "GABA", "other", "unknown"])
    known = np.isin(transmitter, names)
    label = np.where(known, transmitter, np.where(transmitter == "", "unknown", "other"))
    return {"worm": (tuple(names.tolist()), np.array([list(names).index(x) for x in label]))}


def synapses(weight=WEIGHT):
    """Chemical synapses between neurons.

    Returns
    -------
    pre, post : ndarray, int (3701,)
        Ids in the order of `neurons()`.
    weights : ndarray, float (3701,) [pA]
        `weight` times the number of sections, negative if the source releases GABA.
    """
    data = _data()
    local = np.cumsum(data["is_neuron"]) - 1
    pre, post = data["chem_pre"], data["chem_post"]
    inner = data["is_neuron"][pre] & data["is_neuron"][post]
    sign = np.where(data["neurotransmitter"][pre] == "GABA", -1.0, 1.0)
    return local[pre[inner]], local[post[inner]], (weight * sign * data["chem_weight"])[inner]


def _data():
    with np.load(Path(__file__).parent / "data" / "celegans_cook2019.npz") as file:
        return dict(file)
