"""Rates and irregularity of the ready-made networks against NEST's precise neurons, Brian2 and published figures.

Both simulators draw their own random numbers, so only statistics can agree. Random networks are run with several seeds on
both sides; the difference of the means must be below `SIGMAS` standard errors, taken from the scatter between
seeds, but not less than `floor`, since the scatter itself is known from a few runs only. With 4 degrees of freedom and more
a true difference of zero fails such a test once in a few hundred; the seeds are fixed, so it either does or does not.
"""

import numpy as np
import pytest

pytestmark = pytest.mark.validate

SIGMAS = 4.0

CUBA = dict(C_m=250.0, tau_m=20.0, E_L=-49.0, V_th=-50.0, V_reset=-60.0, t_ref=5.0, tau_syn_ex=5.0, tau_syn_in=10.0)
BRUNEL = dict(C_m=250.0, tau_m=20.0, E_L=0.0, V_th=20.0, V_reset=10.0, t_ref=2.0)


def cuba_for_nest(seed):
    rng = np.random.default_rng(seed)
    sizes = dict(exc=3200, inh=800)
    pops = [dict(name=k, n=n, model="LIF", params=CUBA, initial=dict(V_m=rng.uniform(-60, -50, n))) for k, n in sizes.items()]
    rule = dict(rule="pairwise_bernoulli", p=0.02)
    inputs = dict(exc=20.25, inh=-112.5)
    edges = [dict(pre=a, post=b, rule=rule, weight=w, delay=0.1) for b in sizes for a, w in inputs.items()]
    return dict(net=dict(pops=pops, edges=edges), step=0.1, seed=seed)


def brunel_for_nest(seed, synapse, scale):
    rng = np.random.default_rng(seed)
    model, params, J = "DeltaLIF", BRUNEL, 0.1
    if synapse == "exponential":
        model, params, J = "LIF", BRUNEL | dict(tau_syn_ex=0.5, tau_syn_in=0.5), 50.0
    elif synapse == "alpha":
        model, params, J = "AlphaLIF", BRUNEL | dict(tau_syn_ex=0.5, tau_syn_in=0.5), 50.0 / np.e
    sizes = dict(exc=round(10_000 * scale), inh=round(2500 * scale))
    pops = [dict(name=k, n=n, model=model, params=params, initial=dict(V_m=rng.uniform(0, 20, n))) for k, n in sizes.items()]
    noise = dict(name="noise", n=1, model="Poisson", params=dict(rate=20_000.0))
    inputs = [
        ("exc", J, dict(rule="fixed_indegree", indegree=1000)),
        ("inh", -5.0 * J, dict(rule="fixed_indegree", indegree=250)),
        ("noise", J, "all_to_all"),
    ]
    edges = [dict(pre=a, post=b, rule=rule, weight=w, delay=1.5) for b in sizes for a, w, rule in inputs]
    return dict(net=dict(pops=[*pops, noise], edges=edges), step=0.125, seed=seed)


def rate_and_cv(spikes, n, T, skip):
    """Mean rate [Hz] and mean CV of the intervals of neurons with four spikes or more, after the first `skip` ms."""
    times, ids = (np.asarray(column) for column in spikes)
    late = times >= skip
    times, ids = times[late], ids[late].astype(int)
    order = np.lexsort((times, ids))
    same = np.diff(ids[order]) == 0
    interval, owner = np.diff(times[order])[same], ids[order][1:][same]
    number = np.bincount(owner, minlength=n)
    enough = number >= 3
    mean = np.bincount(owner, interval, n)[enough] / number[enough]
    square = np.bincount(owner, interval**2, n)[enough] / number[enough]
    return len(times) / n / (T - skip) * 1e3, np.mean(np.sqrt(np.maximum(square - mean**2, 0.0)) / mean)


def ours(network, T, skip, seeds):
    """(seeds, 2): rate and CV of the population "exc"."""
    import eventsim as es

    runs = [es.simulate(network, T, seed=seed, progress=False) for seed in seeds]
    return np.array([rate_and_cv(run.spikes("exc"), len(run.counts("exc")), T, skip) for run in runs])


def theirs(nest, describe, T, skip, seeds):
    """The same from NEST."""
    jobs = [describe(seed) for seed in seeds]
    return np.array([rate_and_cv(nest(**job, T=T)["spikes"]["exc"], job["net"]["pops"][0]["n"], T, skip) for job in jobs])


def agree(a, b, floor):
    """Check that the means of the rows of `a` and `b` differ by less than `SIGMAS` standard errors."""
    error = np.sqrt(a.var(axis=0, ddof=1) / len(a) + b.var(axis=0, ddof=1) / len(b))
    difference = np.abs(a.mean(axis=0) - b.mean(axis=0))
    assert np.all(difference < np.maximum(SIGMAS * error, floor)), f"rate and CV: ours {a.mean(axis=0)}, NEST {b.mean(axis=0)}"


def test_cuba(nest):
    """4000 neurons, 1 s, the first 100 ms left out. Brian2, GeNN and NEST on a grid give 5.0-5.8 Hz."""
    from eventsim.networks import cuba

    a = ours(cuba.build(), 1000.0, 100.0, range(1, 6))
    b = theirs(nest, cuba_for_nest, 1000.0, 100.0, range(1, 6))
    agree(a, b, floor=(0.2, 0.01))
    assert 5.0 < a[:, 0].mean() < 5.8


@pytest.mark.parametrize("synapse", ["delta", "exponential", "alpha"])
def test_brunel(synapse, nest):
    """A fifth of the neurons with all their 1250 inputs, four times 250 ms, the first 50 ms left out.

    The population rate fluctuates as a whole (means of 200 ms by 1 to 1.5 Hz, of 100 ms at full size by as much), so more
    time, not more neurons, is what narrows the comparison.
    """
    from eventsim.networks import brunel

    a = ours(brunel.build(0.2, synapse), 250.0, 50.0, range(1, 5))
    b = theirs(nest, lambda seed: brunel_for_nest(seed, synapse, 0.2), 250.0, 50.0, range(1, 5))
    agree(a, b, floor=(1.0, 0.01))


def test_fly_brain(brian2):
    """Half a fly brain, 0.3 s, the same 1.2 million edges and the same equations in Brian2 at 0.1 ms.

    Totals scatter by 0.2 % between seeds of the stimulus; the grid takes 0.5 % (the total at 0.1, 0.02 and 0.005 ms is
    101,500, 102,000 and 102,000). Hence 2 %, and 3 % for the neurons that fire at all, many of which fire once.
    """
    import eventsim as es
    from eventsim.networks import fly_brain

    network = fly_brain.build()
    mine = es.simulate(network, 300.0, seed=1, progress=False).counts("brain")

    data, driven = fly_brain.data(), fly_brain.stimulated("olfactory")
    n, outputs = len(data["root_id"]), np.diff(data["indptr"])
    t_ref = np.where(np.isin(np.arange(n), driven), 0.0, 2.2)
    cell = dict(tau_m=20.0, tau_syn=5.0, E_L=-52.0, V_th=-45.0, V_reset=-52.0, t_ref=t_ref)
    i, j = np.repeat(np.arange(n), outputs), data["indices"]
    weight = fly_brain.W_SYN * data["syn_count"] * fly_brain.sign()[i]
    pops = [
        dict(name="brain", n=n, model="FlyLIF", params=cell, initial=dict(V_m=-52.0)),
        dict(name="stimulus", n=len(driven), model="Poisson", params=dict(rate=50.0)),
    ]
    each, kick = np.arange(len(driven)), np.full(len(driven), fly_brain.KICK)
    edges = [
        dict(pre="brain", post="brain", i=i, j=j, weight=weight, delay=np.full(len(i), fly_brain.DELAY), receptor="g"),
        dict(pre="stimulus", post="brain", i=each, j=driven, weight=kick, delay=0.0 * kick, receptor="V"),
    ]
    spikes = brian2(net=dict(pops=pops, edges=edges), T=300.0, dt=0.1)["spikes"]["brain"]
    theirs = np.bincount(spikes[1], minlength=n)

    assert mine.sum() == pytest.approx(theirs.sum(), rel=0.02)
    assert np.count_nonzero(mine) == pytest.approx(np.count_nonzero(theirs), rel=0.03)
    for group in (driven, np.setdiff1d(np.arange(n), driven)):
        assert mine[group].sum() == pytest.approx(theirs[group].sum(), rel=0.03)
