"""Fly brain: the right half of an adult fly smells; 66,658 neurons, 1,231,192 signed connections.

Wiring: FlyWire, materialisation 783, all pairs of neurons of the right side with at least 5 synapses (15,196,728 synapses in
all). Missing are connections across the midline, those of neurons in the centre and those of fewer than 5 synapses, so
do not expect the whole brain's behaviour. A connection inhibits if the transmitter of its source is GABA or glutamate.

Neurons: the leaky integrate-and-fire cell of Shiu et al. (`es.FlyLIF`), 0.275 mV per synapse, delay 1.8 ms. The stimulated
sensory neurons (982 olfactory ones, those of their class that have any output) get a Poisson train each that makes them
fire at every event, with no refractory period. Input to a refractory neuron is kept in its current; the published program
(Brian 2) drops it.

References
----------
Wiring: Dorkenwald et al. (2024), Nature 634:124, doi:10.1038/s41586-024-07558-y. Classes: Schlegel et al. (2024), Nature 634:139,
doi:10.1038/s41586-024-07686-5. Transmitters: Eckstein et al. (2024), Cell 187:2574, doi:10.1016/j.cell.2024.03.016. Synapses:
Buhmann et al. (2021), Nat. Methods 18:771, doi:10.1038/s41592-021-01183-7. Model: Shiu et al. (2024), Nature 634:210,
doi:10.1038/s41586-024-07763-9. Files and licences (CC BY 4.0 for the data): data/README.md.

Expected
--------
0.3 s, seeds 0 to 2, against the same equations in NumPy on a grid of 0.1 ms (one seed of its own):

    stimulus                    spikes             active neurons    grid
    olfactory, 50 Hz            101,810-102,098    4908-4921         101,335, 4919
    mechanosensory, 50 Hz        15,327-15,803     1184-1336          15,297, 1191
    visual, 20 Hz                20,270-20,629     3468-3484          20,340, 3469

Given the same stimulus events (seed 0), of the 5858 spikes of the first 30 ms 116, 67 and 50 differ on grids of 0.1, 0.05 and
0.025 ms: a grid delays a spike by up to one step.
"""

from pathlib import Path

import numpy as np

import eventsim as es

DURATION = 1000.0  # ms

W_SYN = 0.275  # mV per synapse
DELAY = 1.8  # ms
KICK = 250 * W_SYN  # mV, jump of the potential at an event of the stimulus; 7 mV reach the threshold

# Label and the (super class, classes) it gathers, from the nose inwards; None means every other class.
_CLASSES = (
    ("olfactory sensory", "sensory", ("olfactory",)),
    ("other sensory", "sensory", None),
    ("other sensory", "sensory_ascending", None),
    ("antennal lobe local", "central", ("ALLN",)),
    ("antennal lobe projection", "central", ("ALPN",)),
    ("Kenyon cells", "central", ("Kenyon_Cell",)),
    ("mushroom body in/out", "central", ("MBON", "MBIN", "DAN")),
    ("lateral horn", "central", ("LHLN", "LHCENT")),
    ("central, other", "central", None),
    ("optic lobe", "optic", None),
    ("visual projection", "visual_projection", None),
    ("visual projection", "visual_centrifugal", None),
    ("ascending", "ascending", None),
    ("descending", "descending", None),
    ("motor, endocrine", "motor", None),
    ("motor, endocrine", "endocrine", None),
)


def build(stimulus="olfactory", rate=50.0):
    """Build the network.

    Weights are counts times sign times 0.275 mV; `Simulation` stores them as float32, exact to 6e-8 of their value.

    Parameters
    ----------
    stimulus : str
        Class of the neurons to drive: "olfactory" (982 neurons), "mechanosensory" (821), "visual" (3369) or another class of
        `data()["klass_names"]`.
    rate : float
        Rate of the Poisson train of each driven neuron [Hz].

    Returns
    -------
    Network
        Populations "brain" (in the order of `data()["root_id"]`) and the Poisson sources "stimulus".

    Raises
    ------
    ValueError
        If there is no such class, or no neuron of it has any output.
    """
    brain_data = data()
    driven = stimulated(stimulus)
    n = len(brain_data["root_id"])
    outputs = np.diff(brain_data["indptr"])
    weight = W_SYN * brain_data["syn_count"] * np.repeat(sign(), outputs)
    t_ref = np.full(n, 2.2)
    t_ref[driven] = 0.0

    net = es.Network()
    cell = es.FlyLIF(tau_m=20.0, tau_syn=5.0, E_L=-52.0, V_th=-45.0, V_reset=-52.0, t_ref=t_ref)
    source = net.add("stimulus", len(driven), es.Poisson(rate=rate))  # first: it reaches the brain without delay
    brain = net.add("brain", n, cell)
    net.connect(brain, brain, es.CSR(brain_data["indptr"], brain_data["indices"]), weight=weight, delay=DELAY)
    net.connect(source, brain[driven], es.OneToOne(), weight=KICK, delay=0.0, receptor="V")
    return net


def stimulated(stimulus):
    """Ids of the neurons that `build(stimulus)` drives: those of the class that have any output, ascending."""
    brain = data()
    names = list(brain["klass_names"])
    if stimulus not in names:
        raise ValueError(f"fly_brain: stimulus = {stimulus!r} is not a class of neurons; choose one of {', '.join(names)}")
    ids = np.flatnonzero((brain["klass"] == names.index(stimulus)) & (np.diff(brain["indptr"]) > 0))
    if not len(ids):
        raise ValueError(f"fly_brain: stimulus = {stimulus!r} has no neuron with any output in this half; choose another class")
    return ids


def sign():
    """+1 or -1 for each neuron, int64 (66658,): -1 for those that release GABA or glutamate."""
    brain = data()
    inhibitory = np.isin(brain["nt_names"], ("GABA", "GLUT"))
    return np.where(inhibitory[brain["nt"]], -1, 1)


def classes():
    """Coarse class of every neuron: the super classes of FlyWire, with the olfactory pathway set apart.

    Returns
    -------
    dict
        Of population name to `(labels, code)`: a tuple of names from the nose inwards and the label index of each neuron,
        int8 (66658,); as `Result.plot` and `eventsim.plot` take it.
    """
    brain = data()
    labels = tuple(dict.fromkeys(label for label, _, _ in _CLASSES))
    super_name = brain["super_class_names"][brain["super_class"]]
    klass_name = np.append(brain["klass_names"], "")[brain["klass"]]  # code -1: without a class
    code = np.full(len(super_name), -1, np.int8)
    for label, super_class, members in _CLASSES:
        chosen = (super_name == super_class) & (code < 0)
        if members is not None:
            chosen &= np.isin(klass_name, members)
        code[chosen] = labels.index(label)
    return {"brain": (labels, code)}


def data():
    """The connectome as a dict of arrays, listed in data/README.md; a row of the CSR arrays is a source."""
    with np.load(Path(__file__).parent / "data" / "flywire783_right.npz") as file:
        return dict(file)
