"""Microcircuit: four layers of cortex under 1 mm², at full scale 77,169 neurons and 299 million synapses.

Eight populations (excitatory and inhibitory of layers 2/3, 4, 5 and 6) with measured sizes and connection probabilities;
weights and delays are normally distributed, delays are real numbers; a Poisson background at exact times stands for the
rest of the brain.

References
----------
Potjans & Diesmann (2014), Cereb. Cortex 24:785, doi:10.1093/cercor/bhs358. Numbers and rule of scaling as in the NEST example
Potjans_2014 (facts only, no code taken); rule of scaling: van Albada, Helias & Diesmann (2015),
doi:10.1371/journal.pcbi.1004490.

Expected
--------
Mean rates in Hz; NEST rounds spike times and delays to 0.1 ms, this simulator does not:

    population                   L23E   L23I    L4E    L4I    L5E    L5I    L6E    L6I
    NEST, full scale            0.903  2.965  4.414  5.876  7.569  8.633  1.105  7.829
    NEST, scale 0.1, 1 s        0.402  2.017  3.880  4.958  6.575  7.726  0.831  6.986
    eventsim, 0.1, 0.5 s         0.49   2.10   3.98   5.03   6.68   7.75   0.80   7.00
    NEST, scale 0.02, 2 x 1 s    0.01   0.15   1.30   1.13   1.74   3.12   0.11   3.89
    eventsim, 0.02, 4 x 1 s      0.01   0.15   1.25   1.10   1.54   3.48   0.13   3.92

Scaling keeps the mean and the variance of the input but makes its correlations stronger, hence the lower rates.
"""

from dataclasses import dataclass

import numpy as np

import eventsim as es
from eventsim.distributions import Distribution

DURATION = 1000.0  # ms

POPULATIONS = ("L23E", "L23I", "L4E", "L4I", "L5E", "L5I", "L6E", "L6I")
SIZE = np.array([20683, 5834, 21915, 5479, 4850, 1065, 14395, 2948])
PROBABILITY = np.array(  # row: target, column: source
    [
        [0.1009, 0.1689, 0.0437, 0.0818, 0.0323, 0.0000, 0.0076, 0.0000],
        [0.1346, 0.1371, 0.0316, 0.0515, 0.0755, 0.0000, 0.0042, 0.0000],
        [0.0077, 0.0059, 0.0497, 0.1350, 0.0067, 0.0003, 0.0453, 0.0000],
        [0.0691, 0.0029, 0.0794, 0.1597, 0.0033, 0.0000, 0.1057, 0.0000],
        [0.1004, 0.0622, 0.0505, 0.0057, 0.0831, 0.3726, 0.0204, 0.0000],
        [0.0548, 0.0269, 0.0257, 0.0022, 0.0600, 0.3158, 0.0086, 0.0000],
        [0.0156, 0.0066, 0.0211, 0.0166, 0.0572, 0.0197, 0.0396, 0.2252],
        [0.0364, 0.0010, 0.0034, 0.0005, 0.0277, 0.0080, 0.0658, 0.1443],
    ]
)
BACKGROUND_INPUTS = np.array([1600, 1500, 2100, 1900, 2000, 1900, 2900, 2100])
BACKGROUND_RATE = 8.0  # Hz, of one input
RATE = np.array([0.903, 2.965, 4.414, 5.876, 7.569, 8.633, 1.105, 7.829])  # Hz, at full scale
V_MEAN = np.array([-68.28, -63.16, -63.33, -63.45, -63.11, -61.66, -66.72, -61.43])  # mV, potentials at the start that
V_STD = np.array([5.36, 4.57, 4.74, 4.94, 4.94, 4.55, 5.46, 4.48])  # avoid a first burst

TAU_SYN = 0.5  # ms
CELL = dict(C_m=250.0, tau_m=10.0, E_L=-65.0, V_th=-50.0, V_reset=-65.0, t_ref=2.0, tau_syn_ex=TAU_SYN, tau_syn_in=TAU_SYN)
WEIGHT = 87.80849352920843  # pA, the current that gives a potential of 0.15 mV
INHIBITION = -4.0  # relative strength


def build(scale=0.1, background="poisson", delay_grid=None, background_grid=0.0):
    """Build the network.

    Parameters
    ----------
    scale : float
        Fraction of the neurons and of the inputs per neuron, at most 1. Below 1, weights grow by 1 / sqrt(scale) and a constant
        current makes up for the lost mean input.
    background : {"poisson", "dc"}
        Poisson trains, or constant currents of the same mean.
    delay_grid : float or None
        Round delays to multiples of this [ms], as simulators with a clock of 0.1 ms must; None keeps them as drawn. A synapse
        then takes 9 bytes instead of 12: 2.8 GB at full scale.
    background_grid : float
        Let the events of the Poisson background happen at multiples of this [ms], as in simulators with a clock: an approximation
        that takes less time; 0 lets them happen at their own times.

    Returns
    -------
    Network
        Populations `POPULATIONS`, and with Poisson background a source population "POPULATION background" for each.

    Raises
    ------
    ValueError
        If `scale` is not in (0, 1] or `background` is unknown.
    """
    if not 0 < scale <= 1:
        raise ValueError(f"microcircuit: scale = {scale} is not in (0, 1]; 1 is the full network")
    if background not in ("poisson", "dc"):
        raise ValueError(f"microcircuit: background = {background!r} is unknown; choose 'poisson' or 'dc'")
    size = np.round(SIZE * scale).astype(int)
    inputs = np.round(BACKGROUND_INPUTS * scale)
    growth = 1.0 / np.sqrt(scale)
    current = compensation(scale)
    if background == "dc":
        current = current + 1e-3 * TAU_SYN * growth * WEIGHT * inputs * BACKGROUND_RATE

    net = es.Network()
    pops = []
    for name, n, i_e, mean, std in zip(POPULATIONS, size, current, V_MEAN, V_STD, strict=True):
        cell = es.LIF(**CELL, I_e=i_e)
        pops.append(net.add(name, int(n), cell, V_m=es.Normal(mean, std)))
    synapses = np.round(full_synapses() * scale**2).astype(np.int64)
    weight = growth * mean_weights()
    for (post, pre), number in np.ndenumerate(synapses):
        if number:
            net.connect(
                pops[pre],
                pops[post],
                es.FixedTotalNumber(int(number)),
                weight=_weights(weight[post, pre]),
                delay=_delays(1.5 if pre % 2 == 0 else 0.75, delay_grid),
            )
    if background == "poisson":
        for pop, k in zip(pops, inputs, strict=True):
            noise = net.add(f"{pop.name} background", pop.n, es.Poisson(rate=BACKGROUND_RATE * k, grid=background_grid))
            net.connect(noise, pop, es.OneToOne(), weight=growth * WEIGHT, delay=1.5)
    return net


def full_synapses():
    """Number of synapses at full scale, (8, 8), row = target: the number that, drawn with replacement, connects a pair
    with the measured probability."""
    pairs = np.outer(SIZE, SIZE).astype(float)
    # log1p would be more accurate: 298,880,970 synapses instead of the 298,880,968 of the published network.
    return np.log(1.0 - PROBABILITY) / np.log((pairs - 1.0) / pairs)


def mean_weights():
    """Mean weight at full scale [pA], (8, 8), row = target."""
    weight = np.empty((8, 8))
    weight[:, 0::2] = WEIGHT
    weight[:, 1::2] = INHIBITION * WEIGHT
    weight[0, 2] = 2.0 * WEIGHT  # layer 4 to layer 2/3
    return weight


def compensation(scale):
    """Constant current [pA], (8,), that replaces the mean input lost by scaling.

    With K inputs scaled to `scale` K and weights to w / sqrt(scale), the mean current keeps the fraction sqrt(scale), so that

        I = tau_syn (1 - sqrt(scale)) (sum_source w K rate + w_background K_background rate_background)
    """
    recurrent = (mean_weights() * full_synapses() / SIZE[:, None]) @ RATE
    background = WEIGHT * BACKGROUND_INPUTS * BACKGROUND_RATE
    return 1e-3 * TAU_SYN * (1.0 - np.sqrt(scale)) * (recurrent + background)


def _weights(mean):
    """Normal with 10 % spread that keeps its sign."""
    low, high = (0.0, np.inf) if mean > 0 else (-np.inf, 0.0)
    return es.Normal(mean, 0.1 * abs(mean), low=low, high=high, outside="redraw")


def _delays(mean, grid):
    """Normal with 50 % spread, not shorter than 0.1 ms; or, like NEST, cut at half a grid step and rounded to the grid."""
    if grid is None:
        return es.Normal(mean, 0.5 * mean, low=0.1)
    return _Rounded(es.Normal(mean, 0.5 * mean, low=0.5 * grid), grid)


@dataclass(frozen=True)
class _Rounded(Distribution):
    """Another distribution, rounded to multiples of `grid`."""

    exact: Distribution
    grid: float

    def draw(self, n, seed, purpose, first_id=0, dtype=np.float64):
        values = self.exact.draw(n, seed, purpose, first_id)
        return (np.maximum(1.0, np.round(values / self.grid)) * self.grid).astype(dtype, copy=False)
