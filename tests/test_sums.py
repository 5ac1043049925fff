"""Windows in which arrivals are summed, against the ordered executor and against dense samples of the membrane."""

import numpy as np
import pytest
import strategies
from comparing import heterogeneous_cells, ranked, simulation
from hypothesis import assume, given
from hypothesis import strategies as st

import eventsim as es
from eventsim import _core
from eventsim.networks import brunel, cuba, fly_brain, microcircuit, sparse

HEAD = _core.HEAD_WIDTH

# Chaotic networks amplify the rounding of sums by a factor of ten in some ms, hence the comparison window by window
# (`lockstep`). Within a window states agree to the quanta of sums, 2**-44 of the largest effect each, some tens of them.
STATES = 1e-11
TIMES = 1e-9  # [ms], of a spike: the same, over a slope that may be small


def heterogeneous(n=60):
    """Every parameter and every delay of its own; both signs at every neuron."""
    net = es.Network()
    noise = net.add("noise", n, es.Poisson(rate=800.0))
    cells = net.add("cells", n, heterogeneous_cells(n), V_m=es.Uniform(-70, -52))
    read = net.add("read", 3, es.LeakyIntegrator())
    net.connect(noise, cells, es.FixedInDegree(1), weight=es.Uniform(-150, 250), delay=0.3)
    net.connect(cells, cells, es.FixedProbability(0.2), weight=es.Normal(0.0, 80.0), delay=es.Uniform(0.13, 700.0))
    net.connect(cells, cells, es.FixedProbability(0.5), weight=es.Normal(0.0, 40.0), delay=es.Uniform(0.13, 0.5))
    net.connect(cells, read, es.AllToAll(), weight=10.0, delay=1.0)
    return net


def mixed(n=80):
    """Models that sum and models that do not, jumps, steps of a current, a source without delay, repeated spikes."""
    net = es.Network()
    noise = net.add("noise", 2 * n, es.Poisson(rate=es.Steps([0.0, 4.3, 9.0], [900.0, 2500.0, 0.0])))
    grid = net.add("grid", n, es.Poisson(rate=2000.0, grid=0.1))
    source = net.add("source", 5, es.SpikeSource(np.repeat([0.3, 1.0, 2.7, 5.0, 5.0], 2), np.arange(10) % 5))
    jump = net.add("jump", n, es.DeltaLIF(tau_m=12.0, I_e=100.0, t_ref=0.7), V_m=es.Uniform(-70, -56))
    current = es.Steps([0.0, 3.17, 6.0], [0.0, 380.0, 120.0])
    cell = net.add("cell", n, es.LIF(I_e=current, reset="subtract"), V_m=es.Uniform(-70, -56))
    slow = net.add("slow", 20, es.AdaptiveLIF(I_e=370.0, t_ref=0.0, reset="none"), V_m=es.Uniform(-57, -55.1))  # (do not sum)
    net.connect(noise[:n], jump, es.OneToOne(), weight=1.5, delay=1.7)
    net.connect(noise[n:], cell, es.OneToOne(), weight=es.Uniform(-50, 150), delay=1.7)
    net.connect(grid, jump, es.OneToOne(), weight=0.5, delay=0.1)
    net.connect(source, cell, es.AllToAll(), weight=150.0, delay=0.0)
    net.connect(source, jump, es.AllToAll(), weight=es.Uniform(-3, 5), delay=es.Uniform(0.0, 2.0))
    net.connect(jump, cell, es.FixedOutDegree(20), weight=30.0, delay=0.8)
    net.connect(cell, jump, es.FixedOutDegree(30), weight=-0.4, delay=0.25)
    net.connect(cell, slow, es.FixedOutDegree(2), weight=40.0, delay=1.1)
    net.connect(slow, cell, es.FixedOutDegree(20), weight=-60.0, delay=es.Uniform(0.25, 9.0))
    return net


def freezing(n=80, delay=1.3):
    """The fly's neuron: arrivals wait for its release; jumps of the membrane are not summed; thresholds and rests differ."""
    net = es.Network()
    kick = net.add("kick", n // 4, es.Poisson(rate=120.0))
    noise = net.add("noise", n, es.Poisson(rate=900.0))
    rest = np.where(np.arange(n) % 4 == 0, 0.0, np.linspace(0.1, 4.0, n))
    cells = net.add("cells", n, es.FlyLIF(t_ref=rest, V_th=np.linspace(-43.0, -48.0, n)), V_m=es.Uniform(-52, -48))
    other = net.add("other", n, es.FlyLIF(tau_syn=np.linspace(30.0, 3.0, n), t_ref=1.7))
    net.connect(kick, cells[: n // 4], es.OneToOne(), weight=30.0, delay=0.0, receptor="V")
    net.connect(noise, cells, es.FixedInDegree(1), weight=es.Uniform(-2.0, 6.0), delay=0.7)
    net.connect(cells, cells, es.FixedOutDegree(30), weight=es.Normal(0.6, 2.0), delay=delay)
    net.connect(cells, other, es.FixedOutDegree(20), weight=es.Normal(2.0, 2.0), delay=es.Uniform(0.9, 3.0))
    net.connect(other, cells, es.FixedOutDegree(2), weight=-1.0, delay=es.Uniform(0.6, 30.0))
    net.connect(other, cells, es.FixedOutDegree(1), weight=-2.0, delay=2.0, receptor="V")
    return net


def scattered(n=200):
    """Neurons that are alike; a row has many arrivals in a window, all at times of their own, or at one of twenty."""
    net = es.Network()
    noise = net.add("noise", n, es.Poisson(rate=800.0))
    cells = net.add("cells", n, es.LIF(tau_syn_in=5.0), V_m=es.Uniform(-70, -56))
    net.connect(noise, cells, es.OneToOne(), weight=200.0, delay=1.5)
    net.connect(cells, cells, es.FixedOutDegree(60), weight=es.Normal(0.0, 20.0), delay=es.Uniform(1.1, 3.0))
    rng = np.random.default_rng(1)
    rows = es.CSR(60 * np.arange(n + 1), rng.integers(0, n, 60 * n))
    net.connect(cells, cells, rows, weight=es.Normal(0.0, 20.0), delay=rng.integers(11, 31, 60 * n) / 10)
    return net


def driven(n=150):
    """Sources that drive: with rates of their own, in steps or on a grid, of weights of both signs or one, onto neurons that are
    alike or not, onto some of a population, at delays that are no cells."""
    net = es.Network()
    changes = [0.0, 2.17, 4.3, 9.0]
    rates = np.outer([1.0, 2.0, 0.0, 1.0], np.linspace(4000.0, 12_000.0, n))
    noise = net.add("noise", n, es.Poisson(rate=es.Steps(changes, rates)))
    some = net.add("some", n - 20, es.Poisson(rate=es.Steps(changes[:2], [9000.0, 14_000.0])))
    grid = net.add("grid", n, es.Poisson(rate=6000.0, grid=0.1))
    fly_noise = net.add("fly noise", n, es.Poisson(rate=np.linspace(3000.0, 9000.0, n)))
    current = es.Steps([0.0, 3.17, 6.0], [0.0, 100.0, 20.0])
    unlike = es.LIF(tau_m=np.linspace(8.0, 30.0, n), tau_syn_ex=np.linspace(1.0, 4.0, n), tau_syn_in=3.0, I_e=current)
    cell = net.add("cell", n, unlike, V_m=es.Uniform(-70, -56))
    jump = net.add("jump", n, es.DeltaLIF(tau_m=12.0, t_ref=0.7), V_m=es.Uniform(-70, -56))
    fly = net.add("fly", n, es.FlyLIF(t_ref=np.linspace(0.1, 3.0, n)), V_m=es.Uniform(-52, -48))
    net.connect(noise, cell, es.OneToOne(), weight=es.Uniform(-20, 60), delay=0.37)
    net.connect(some, jump[10 : n - 10], es.OneToOne(), weight=0.35, delay=1.5)
    net.connect(grid, jump, es.OneToOne(), weight=-0.1, delay=0.25)
    net.connect(fly_noise, fly, es.OneToOne(), weight=0.15, delay=0.7)
    for pre, post, weight in ((cell, jump, 0.3), (jump, fly, 0.5), (fly, cell, es.Normal(10.0, 30.0)), (jump, jump, -0.2)):
        net.connect(pre, post, es.FixedOutDegree(30), weight=weight, delay=es.Uniform(0.6, 1.5))
    return net


def adapting(n=90):
    """Neurons that adapt, or whose currents rise, alike or not, driven or not, that spike soon after they are released; and a
    spike-triggered current that excites."""
    net = es.Network()
    noise = net.add("noise", 2 * n, es.Poisson(rate=np.linspace(4000.0, 9000.0, 2 * n)))
    grid = net.add("grid", n, es.Poisson(rate=6000.0, grid=0.1))
    adaptation = dict(q_stc=40.0, tau_stc=30.0, q_sfa=1.5, tau_sfa=12.0)
    taus = np.linspace(1.0, 4.0, n)
    alike = es.AdaptiveLIF(t_ref=0.3, I_e=500.0, **adaptation)
    unlike = es.AdaptiveLIF(
        t_ref=np.linspace(0.0, 2.0, n), tau_m=np.linspace(8.0, 20.0, n), tau_syn_ex=taus, I_e=450.0,
        q_stc=-20.0, tau_stc=taus, q_sfa=3.0, tau_sfa=5.0,
    )
    adaptive = net.add("adaptive", n, alike, V_m=es.Uniform(-70, -56), h=es.Uniform(-1.0, 3.0))
    excited = net.add("excited", n, unlike, V_m=es.Uniform(-70, -60), I_stc=es.Uniform(-100.0, 100.0))
    alpha = net.add("alpha", n, es.AlphaLIF(t_ref=0.2), V_m=es.Uniform(-70, -56))
    rising = es.DoubleExpLIF(tau_rise_ex=taus, tau_decay_ex=3.0, tau_rise_in=taus[::-1], tau_decay_in=taus, t_ref=0.4, I_e=900.0)
    rising = net.add("rising", n, rising, V_m=es.Uniform(-70, -56), g_ex=es.Uniform(-50.0, 50.0), g_in=es.Uniform(-50.0, 50.0))
    bursting = es.AdaptiveLIF(V_reset=-55.3, t_ref=0.04, I_e=900.0, q_stc=40.0, tau_stc=3.0, q_sfa=0.4, tau_sfa=2.0)
    bursting = net.add("bursting", n, bursting, V_m=es.Uniform(-57, -55.1))
    climbing = es.DoubleExpLIF(V_reset=-55.2, t_ref=0.04, tau_rise_ex=0.2, tau_decay_ex=0.3)
    climbing = net.add("climbing", n, climbing, V_m=es.Uniform(-57, -55.1))
    few = net.add("few", n, es.DoubleExpLIF(tau_rise_ex=3.0, t_ref=0.1, I_e=600.0), V_m=es.Uniform(-70, -56))
    net.connect(noise[:n], adaptive, es.OneToOne(), weight=50.0, delay=0.7)
    net.connect(noise[n:], alpha, es.OneToOne(), weight=es.Uniform(-20.0, 50.0), delay=0.37)
    net.connect(grid, rising, es.OneToOne(), weight=30.0, delay=1.5)
    for pre, post, weight in (
        (adaptive, excited, 60.0),
        (adaptive, alpha, -20.0),
        (alpha, adaptive, es.Normal(-20.0, 20.0)),
        (alpha, excited, es.Normal(30.0, 60.0)),
        (excited, rising, 50.0),
        (rising, alpha, es.Normal(0.0, 30.0)),
        (rising, few, es.Normal(10.0, 40.0)),
        (excited, few, 30.0),
        (few, excited, 30.0),
        (bursting, bursting, es.Normal(5.0, 10.0)),
        (bursting, climbing, 30.0),
    ):
        net.connect(pre, post, es.FixedOutDegree(20), weight=weight, delay=es.Uniform(0.4, 2.5))
    return net


def ahead(n=140):
    """Sources that drive, cells of 1 to 16 windows; delays that are cells, windows or neither; weights of either sign."""
    net = es.Network()
    faster = net.add("faster", n, es.Poisson(rate=40_000.0))
    fast = net.add("fast", n, es.Poisson(rate=np.linspace(13_000.0, 23_000.0, n)))
    slow = net.add("slow", n, es.Poisson(rate=7_000.0))
    slower = net.add("slower", n, es.Poisson(rate=3_000.0))
    slowest = [net.add(f"{rate} Hz", n, es.Poisson(rate=rate)) for rate in (3_500.0, 1_700.0)]
    cell = net.add("cell", n, es.LIF(tau_syn_ex=1.0, tau_syn_in=2.0), V_m=es.Uniform(-70, -56))
    jump = net.add("jump", n, es.DeltaLIF(tau_m=12.0), V_m=es.Uniform(-70, -56))
    net.connect(fast, cell, es.OneToOne(), weight=es.Uniform(40.0, 60.0), delay=1.5)
    net.connect(slower, cell, es.OneToOne(), weight=20.0, delay=0.37)
    net.connect(faster, jump, es.OneToOne(), weight=0.06, delay=0.25)
    net.connect(slow, jump, es.OneToOne(), weight=-0.1, delay=0.4375)
    net.connect(slowest[0], cell, es.OneToOne(), weight=-30.0, delay=0.1875)
    net.connect(slowest[1], jump, es.OneToOne(), weight=0.2, delay=2.0)
    for pre, post, weight in ((cell, jump, 0.3), (jump, cell, es.Normal(10.0, 30.0)), (jump, jump, -0.2)):
        net.connect(pre, post, es.FixedOutDegree(20), weight=weight, delay=es.Uniform(0.1, 1.5))
    return net


def gridded(n=140):
    """Sources that drive on a grid: several cells in a step, one or a part of one, and rates in steps of their own; onto neurons
    that are alike or not, and such that rest while arrivals wait. Windows are as long as the delays."""
    net = es.Network()
    fast = net.add("fast", n, es.Poisson(rate=np.linspace(9000.0, 25_000.0, n), grid=0.1))
    alike = net.add("alike", n, es.Poisson(rate=12_000.0, grid=0.1))
    faster = net.add("faster", n, es.Poisson(rate=50_000.0, grid=0.1))
    slow = net.add("slow", n, es.Poisson(rate=3000.0, grid=0.1))
    some = net.add("some", n, es.Poisson(rate=es.Steps([0.0, 3.17, 7.0], [8000.0, 12_000.0, 0.0]), grid=0.25))
    cell = net.add("cell", n, es.LIF(tau_syn_ex=1.0, tau_syn_in=2.0), V_m=es.Uniform(-70, -56))
    model = es.LIF(tau_m=np.linspace(8.0, 30.0, n), tau_syn_ex=np.linspace(1.0, 4.0, n))
    unlike = net.add("unlike", n, model, V_m=es.Uniform(-70, -56))
    jump = net.add("jump", n, es.DeltaLIF(tau_m=12.0), V_m=es.Uniform(-70, -56))
    fly = net.add("fly", n, es.FlyLIF(t_ref=np.linspace(0.1, 3.0, n)), V_m=es.Uniform(-52, -48))
    for source, target, weight, delay in (
        (fast, cell, es.Uniform(40.0, 60.0), 1.5),
        (slow, cell, -30.0, 0.37),
        (some, unlike, es.Uniform(-20.0, 60.0), 0.5),
        (faster, jump, 0.05, 0.1),
        (alike, fly, 0.12, 0.7),
    ):
        net.connect(source, target, es.OneToOne(), weight=weight, delay=delay)
    for pre, post, weight in ((cell, jump, 0.3), (jump, cell, es.Normal(10.0, 30.0)), (fly, unlike, 20.0), (unlike, fly, -0.5)):
        net.connect(pre, post, es.FixedOutDegree(20), weight=weight, delay=es.Uniform(0.1, 1.5))
    return net


def framed(n=120):
    """Delays of 0.1 ms, with few arrivals, and of up to 30: neurons that are alike, or have everything of their own, that do not
    leak, that do not spike; currents of both signs and in steps."""
    net = es.Network()
    kick = net.add("kick", 9, es.Poisson(rate=30.0))
    cell = es.LIF(tau_m=20.0, E_L=-49.0, V_th=-50.0, V_reset=-60.0, t_ref=5.0, tau_syn_ex=5.0, tau_syn_in=10.0)
    alike = net.add("alike", n, cell, V_m=es.Uniform(-60, -50))
    rates = dict(tau_m=np.linspace(15, 40, n), tau_syn_ex=np.linspace(3, 9, n), tau_syn_in=np.linspace(12, 4, n))
    cell = es.LIF(I_e=np.linspace(-50.0, 260.0, n), t_ref=np.linspace(0.0, 3.0, n), **rates)
    unlike = net.add("unlike", n, cell, V_m=es.Uniform(-70, -56), I_ex=es.Normal(0.0, 50.0), I_in=es.Normal(0.0, 50.0))
    cell = es.LIF(tau_syn_ex=4.0, tau_syn_in=4.0, reset="subtract", I_e=es.Steps([0.0, 3.17, 16.0], [100.0, 380.0, 120.0]))
    stepped = net.add("stepped", n // 4, cell)
    perfect = net.add("perfect", n // 4, es.PerfectIntegrator(tau_syn_ex=6.0, tau_syn_in=6.0, I_e=np.linspace(-20, 250, n // 4)))
    read = net.add("read", 5, es.LeakyIntegrator(tau_syn_ex=5.0, tau_syn_in=5.0))
    for pre, post, degree, weight in (
        (alike, alike, 12, 40.0),
        (alike, unlike, 9, 60.0),
        (alike, stepped, 8, 30.0),
        (unlike, alike, 9, -80.0),
        (unlike, unlike, 9, -30.0),
        (unlike, perfect, 8, 15.0),
        (perfect, alike, 10, -50.0),
        (stepped, unlike, 10, 25.0),
    ):
        net.connect(pre, post, es.FixedOutDegree(degree), weight=weight, delay=0.1 if degree > 8 else 0.23)
    net.connect(unlike, alike, es.FixedOutDegree(4), weight=es.Normal(0.0, 40.0), delay=es.Uniform(0.2, 30.0))
    net.connect(alike, read, es.AllToAll(), weight=10.0, delay=1.0)
    net.connect(kick, unlike, es.FixedOutDegree(9), weight=es.Uniform(-50, 200), delay=0.0)
    return net


NETWORKS = {
    "driven": (driven, 10.0),
    "ahead": (ahead, 10.0),
    "gridded": (gridded, 10.0),
    "scattered": (scattered, 20.0),
    "framed": (framed, 40.0),
    "adapting": (adapting, 12.0),
    "freezing": (freezing, 25.0),
    "ranked": (ranked, 20.0),
    "cuba": (lambda: cuba.build(0.1), 60.0),
    "sparse": (lambda: sparse.build(0.02, 5.0, 60.0), 40.0),
    "brunel": (lambda: brunel.build(0.02), 12.0),
    "brunel delta": (lambda: brunel.build(0.02, "delta"), 12.0),
    "microcircuit": (lambda: microcircuit.build(0.02), 20.0),
    "microcircuit on a grid": (lambda: microcircuit.build(0.02, delay_grid=0.1), 20.0),
    "fly brain": (fly_brain.build, 8.0),
    "heterogeneous": (heterogeneous, 30.0),
    "mixed": (mixed, 13.0),
}


def windowed(net, threads=1, seed=1, **options):
    return es.Simulation(net, seed=seed, executor="windowed", threads=threads, **options)


def events(sim):
    """Spikes (time, id) [ms] in the order of ids, then times."""
    rows = sim._engine.spikes.rows()
    rows = rows[np.lexsort((rows[:, 1], rows[:, 0], rows[:, 2]))]
    return rows[:, 0] + rows[:, 1], rows[:, 2]


def assert_close(fast, judge):
    """Spikes and states of two simulations that have just left the same state."""
    fast._engine.catch_up()
    (t, ids), (expected, expected_ids) = events(fast), events(judge)
    np.testing.assert_array_equal(ids, expected_ids)
    np.testing.assert_allclose(t, expected, rtol=0, atol=TIMES)
    for a, b in zip(fast._engine.populations, judge._engine.populations, strict=True):
        ids = np.arange(a.n)
        rows = [p.state.copy() for p in (a, b)]
        for p, row in zip((a, b), rows, strict=True):
            p.evolve(row, ids, np.tile(np.maximum(judge._time, fast._time), (p.n, 1)))
        if a.model.receptors == ():
            np.testing.assert_array_equal(rows[0][:, HEAD:], rows[1][:, HEAD:])
            continue
        scale = 1.0 + np.abs(rows[1][:, HEAD:]).max(initial=0.0)
        np.testing.assert_allclose(
            rows[0][:, HEAD:], rows[1][:, HEAD:], rtol=0, atol=STATES * scale, err_msg=type(a.model).__name__
        )


def lockstep(net, T, threads=1, seed=1):
    """Both executors from one state, again and again; how many spikes."""
    fast, judge = windowed(net, threads, seed), es.Simulation(net, seed=seed, executor="ordered")
    spikes = 0
    while fast.time < T:
        state = fast._engine.moving()
        judge._engine.rewind({name: value.copy() for name, value in state.items()})
        for sim in (fast, judge):
            sim._engine.spikes.cut(0)
            sim.run(0.5 if _core.summing_length(fast._engine) < 0.5 else 1.0)
        assert_close(fast, judge)
        assert fast._engine.synaptic_events == judge._engine.synaptic_events
        assert fast._engine.n_spikes == judge._engine.n_spikes
        spikes += fast._engine.spikes.n
    assert fast._windows.summing
    fast._engine.check()
    return spikes, fast


@pytest.mark.parametrize("name", NETWORKS)
def test_same_spikes_and_states_in_lockstep(name):
    build, T = NETWORKS[name]
    spikes, fast = lockstep(build(), T, threads=2)
    assert spikes > 50
    assert fast._windows.exact < 0.2 * fast._engine.synaptic_events


def test_sources_drive():
    """In `driven`, all do."""
    sim = windowed(driven(), record_spikes=["cell", "jump", "fly"])
    sim.run(2.0)
    assert sim._engine.lagging.keys() == {0, 1, 2, 3}
    assert sim._windows.length == 0.125


@pytest.mark.parametrize(("rate", "rule", "drive"), [(40.0, es.OneToOne(), True), (20.0, es.OneToOne(), False),
                                                     (400.0, es.FixedInDegree(1), False), (600.0, es.FixedInDegree(1), True)])
def test_where_all_neurons_are_looked_at_in_every_window(rate, rule, drive):
    """From an event in thirty windows on, if all are of sources of the neuron's own; else from an arrival in two."""
    net = es.Network()
    noise, cells = net.add("noise", 100, es.Poisson(rate=rate)), net.add("cells", 100, es.LIF())
    net.connect(noise, cells, rule, weight=300.0, delay=1.5)
    sim = windowed(net, record_spikes=["cells"])
    sim.run(2.0)
    assert sim._windows.length == 1.0
    assert [sums.dense for sums in sim._windows.sums] == [drive]
    assert bool(sim._engine.lagging) == (drive and isinstance(rule, es.OneToOne))


@pytest.mark.parametrize(("rate", "delay", "begins"), [
    (2000.0, 1.5, [[0, 192, 192, 192], [0, 0, 64, 64], [0, 0, 128, 200]]),
    (10.0, 1.5, [[0, 64, 128, 192], [0, 64, 64, 64], [0, 128, 200, 200]]),
    (2000.0, 0.0, [[0, 64, 128, 192], [0, 64, 64, 64], [0, 128, 200, 200]]),
])
def test_whose_neurons_are_whose(rate, delay, begins):
    """Three threads: populations one behind the other if all are busy and nobody has to wait; else of each a part."""
    net = es.Network()
    for n in (192, 64, 200):
        cells = net.add(f"cells {n}", n, es.LIF())
        net.connect(net.add(f"noise {n}", n, es.Poisson(rate=rate)), cells, es.OneToOne(), weight=1.0, delay=1.5)
    net.connect(net["cells 192"], cells, es.FixedOutDegree(3), weight=1.0, delay=delay)
    sim = windowed(net, threads=3)
    sim.run(1.0)
    assert [sums.begins for sums in sim._windows.sums] == begins


def test_sources_are_drawn_for_several_windows_at_once():
    sim = windowed(ahead(), record_spikes=["cell", "jump"])
    sim.run(2.0)
    assert sim._windows.length == 0.0625
    assert sim._windows.at_once == {0: 1, 1: 2, 2: 4, 3: 1, 4: 8, 5: 8}
    sim = windowed(driven(), record_spikes=["cell", "jump", "fly"])
    sim.run(2.0)
    assert set(sim._windows.at_once.values()) == {1}


@pytest.mark.parametrize("length", [0.01, 0.05, 0.3])
@pytest.mark.parametrize("name", ["freezing", "ranked", "cuba", "heterogeneous", "mixed"])
def test_windows_of_any_length_in_lockstep(name, length, monkeypatch):
    """Down to 0.01 ms; most networks above are simulated in the longest there can be, 1 ms or the shortest delay."""
    longest = _core.summing_length
    monkeypatch.setattr(_core, "summing_length", lambda engine: 1.0 / np.ceil(1.0 / min(longest(engine), length)))
    build, _ = NETWORKS[name]
    spikes, fast = lockstep(build(), 5.0)
    assert spikes > 0 and fast._windows.length <= length


SUMMING = ["LIF", "DeltaLIF", "PerfectIntegrator", "LeakyIntegrator", "FlyLIF", "AdaptiveLIF", "DoubleExpLIF", "AlphaLIF"]


@given(strategies.networks(models=SUMMING, max_pops=3, max_n=3, limit=300))
def test_drawn_networks(case):
    """Ties, equal time constants, weights of 0, thresholds touched: spikes that exist by a rounding are left out."""
    ordered, _, _ = simulation(case.net, executor="ordered")
    fast, _, _ = simulation(case.net, executor="windowed", threads=2)
    ordered.run(case.T)
    fast.run(case.T)
    assume(fast._engine.n_spikes == ordered._engine.n_spikes)
    assert fast._engine.synaptic_events == ordered._engine.synaptic_events
    np.testing.assert_allclose(np.sort(events(fast)[0]), np.sort(events(ordered)[0]), rtol=0, atol=1e-6)


@st.composite
def framed_networks(draw):
    """Populations with frames: short delays, rows of many synapses, neurons of all kinds near their thresholds."""
    n = draw(st.integers(8, 40))
    net, cells = es.Network(), []
    number = st.floats(-1.0, 1.0)
    kicks = net.add("kicks", 4, es.Poisson(rate=draw(st.sampled_from([20.0, 300.0]))))
    for k in range(draw(st.integers(1, 2))):
        taus = {name: draw(st.floats(4.0, 40.0)) * draw(st.sampled_from([1.0, np.linspace(0.9, 1.3, n)])) for name in TAUS}
        if draw(st.booleans()):
            taus["tau_syn_in"] = taus["tau_syn_ex"]
        rest = draw(st.sampled_from([0.0, 0.1, 2.0, 9.0]))
        cell = es.LIF(t_ref=rest, I_e=draw(st.sampled_from([0.0, -100.0, 200.0, np.linspace(0.0, 400.0, n)])), **taus)
        currents = {name: 150.0 * draw(number) for name in ("I_ex", "I_in")}
        cells.append(net.add(f"cells {k}", n, cell, V_m=es.Uniform(-66.0, -55.1), **currents))
    for post in cells:
        delay = draw(st.sampled_from([0.0, 0.3]))
        net.connect(kicks, post, es.FixedOutDegree(min(n, 12)), weight=es.Uniform(0.0, 400.0), delay=delay)
        for pre in cells:
            weight = es.Normal(100.0 * draw(number), 80.0 * abs(draw(number)) + 1.0)
            delay = draw(st.sampled_from([0.06, 0.1, 0.5, 0.25]))
            net.connect(pre, post, es.FixedOutDegree(draw(st.integers(6, 8))), weight=weight, delay=delay)
    return net


TAUS = ("tau_m", "tau_syn_ex", "tau_syn_in")


@given(net=framed_networks(), threads=st.integers(1, 3), T=st.sampled_from([9.0, 17.0]))
def test_drawn_networks_with_frames_in_lockstep(net, threads, T):
    fast = lockstep(net, T, threads)[1]
    assert any(sums.frame for sums in fast._windows.sums)


def state_bits(sim):
    engine = sim._engine
    engine.catch_up()
    return [engine.spikes.rows(), engine.counts.copy(), *(p.state.copy() for p in engine.populations)]


@given(net=framed_networks(), T=st.sampled_from([9.0, 17.0]))
def test_drawn_networks_with_frames_have_the_same_bits(net, T):
    """However a run is cut, on any number of threads, recorded or not; and no neuron with credit spikes."""
    whole, proving, cut, recorded = (windowed(net, threads, record_V=k == 3) for k, threads in enumerate((1, 2, 3, 1)))
    proving.run(0.0)
    proving._windows.proving = True
    for sim in (whole, proving):
        sim.run(T)
    for _ in range(int(T)):
        cut.run(1.0)
    recorded.run(1.375)
    recorded.run(T - 1.375)
    for sim in (proving, cut, recorded):
        for a, b in zip(state_bits(sim), state_bits(whole), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", NETWORKS)
def test_same_bits_for_threads_cuts_files_and_recordings(name, tmp_path):
    build, T = NETWORKS[name]
    net = build()
    whole = windowed(net)
    whole.run(T)
    expected = state_bits(whole)
    assert len(expected[0]) > 50
    watched = [p for p in net.populations if p.model.receptors]

    def run(threads, *ends, through_file=False, **options):
        sim, last = windowed(net, threads, **options), 0.0
        for end in (*ends, T):
            sim.run(end - sim.time if end == T else end - last)
            last = end
            if through_file:
                sim.save(tmp_path / "sim")
                sim = es.load(tmp_path / "sim")
        return sim

    half = T / 2
    for sim in (
        run(2),
        run(5),
        run(8, half),
        run(1, 1.7, 1.71875, 1.75, half),
        run(3, half - 0.28125, half + 0.3125),
        run(1, half + 0.34375, through_file=True),
        run(2, record_V=watched[0]),
        run(1, half + 0.40625, record_V=watched[-1]),
    ):
        assert sim.time == T
        for a, b in zip(state_bits(sim), expected, strict=True):
            np.testing.assert_array_equal(a, b)
        assert sim._engine.synaptic_events == whole._engine.synaptic_events


@pytest.mark.parametrize("build", [lambda: brunel.build(0.02), lambda: microcircuit.build(0.02, delay_grid=0.1)])
def test_not_recording_sources_changes_no_neuron(build):
    net = build()
    neurons = [p for p in net.populations if p.model.receptors]
    all_, some = windowed(net), windowed(net, record_spikes=neurons)
    for sim in (all_, some):
        sim.run(5.0)
        sim.run(5.25)
    for a, b in zip(state_bits(all_)[1:], state_bits(some)[1:], strict=True):
        np.testing.assert_array_equal(a, b)
    rows, first = all_._engine.spikes.rows(), neurons[-1].first + neurons[-1].n
    np.testing.assert_array_equal(rows[rows[:, 2] < first], some._engine.spikes.rows())
    assert np.array_equal(np.lexsort((rows[:, 2], rows[:, 1], rows[:, 0])), np.arange(len(rows)))
    # a run of the ordered executor draws the same trains
    judge = es.Simulation(net, seed=1, executor="ordered")
    judge.run(10.25)
    theirs = judge._engine.spikes.rows()
    np.testing.assert_array_equal(rows[rows[:, 2] >= first], theirs[theirs[:, 2] >= first])


def test_what_arrives_on_the_border_of_two_windows_arrives_once():
    """0.2 + 0.6 ms is 0.8, but 0.8 - 0.6 ms more than 0.2; what sets out then is in flight when the first run ends."""
    net = es.Network()
    source, cell = net.add("source", 200, es.Poisson(rate=12_000.0, grid=0.1)), net.add("cell", 200, es.LIF())
    net.connect(source, cell, es.OneToOne(), weight=40.0, delay=0.6)
    net.connect(cell, cell, es.FixedOutDegree(3), weight=20.0, delay=0.105)
    whole, cut = windowed(net), windowed(net)
    whole.run(2.0)
    for duration in (0.3, 0.5, 1.2):
        cut.run(duration)
    assert cut._windows.length == 0.1 and cut.time == 2.0
    assert cut._engine.synaptic_events == whole._engine.synaptic_events
    for a, b in zip(state_bits(cut), state_bits(whole), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("delay", [0.1, 0.503, 0.58])
def test_sources_on_a_grid_are_counted_to_the_end_of_a_run(delay):
    """They spike exactly where runs end: that belongs to the next run, though (t + delay) - delay may be another time than t."""
    net = es.Network()
    source, cell = net.add("source", 200, es.Poisson(rate=8000.0, grid=0.1)), net.add("cell", 200, es.LIF())
    net.connect(source, cell, es.OneToOne(), weight=1.0, delay=delay)
    sims = windowed(net, record_spikes=False), es.Simulation(net, seed=1, executor="ordered", record_spikes=False)
    for _ in range(9):
        fast, judge = (sim.run(0.5).counts(source) for sim in sims)
        np.testing.assert_array_equal(fast, judge)
    assert sims[0]._engine.lagging.keys() == {0} and judge.sum() > 100


def test_sources_that_lag_are_counted_and_caught_up(tmp_path):
    """Their last spikes, still on their way, are drawn when somebody wants to see them: all else is as if they did not lag."""
    net = brunel.build(0.02)
    source, neurons = net.populations[2], ["exc", "inh"]
    lagging, caught_up = windowed(net, record_spikes=neurons), windowed(net, threads=3, record_spikes=neurons)
    judge = es.Simulation(net, seed=1, executor="ordered", record_spikes=neurons)

    def run(duration):
        counts = []
        for sim in (lagging, caught_up, judge):
            counts.append(sim.run(duration).counts(source))
            np.testing.assert_array_equal(counts[-1], counts[0])
        assert counts[0].sum() > 0
        assert lagging._engine.lagging.keys() == {2} and not np.any(lagging._engine.flights.dump()["source"] >= source.first)
        caught_up._engine.catch_up()
        assert not caught_up._engine.lagging
        assert np.count_nonzero(caught_up._engine.flights.dump()["source"] >= source.first) > 100
        for sim in (lagging, caught_up, judge):
            assert sim._engine.counts.sum() == sim._engine.n_spikes

    for duration in (1.0, 0.5, 0.25, 3.0, 0.125):  # some shorter than the delay, by which they lag
        run(duration)
    for sim in (lagging, caught_up, judge):
        sim.set("exc", V_m=5.0)
        sim.set(source, rate=5000.0)
    run(2.0)
    caught_up.save(tmp_path / "sim")
    caught_up = es.load(tmp_path / "sim")
    run(1.125)
    for a, b in zip(state_bits(lagging), state_bits(caught_up), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("step", ["window", "event by event", "rewound"])
def test_an_interrupt_in_a_window_that_is_cut_loses_nothing(step, monkeypatch):
    """Wherever it comes, the simulation goes on from `sim.time` with the same spikes."""
    net = cuba.build(0.5)
    whole, sim = windowed(net), windowed(net)
    whole.run(20.0)
    sim.run(7.03125)  # (so that sums of times are exact)
    advance, calls = es.Simulation._advance, []

    def interrupted(self, executor, end, bar, start):
        calls.append(executor)
        if step == "rewound" or (step == "window" and len(calls) == 2) or (step == "event by event" and len(calls) == 3):
            raise KeyboardInterrupt
        advance(self, executor, end, bar, start)

    with monkeypatch.context() as patch:
        patch.setattr(es.Simulation, "_advance", interrupted)
        with pytest.raises(KeyboardInterrupt):
            sim.run(4.0)
    assert sim.time == 7.03125 if step == "rewound" else 10.9 < sim.time <= 11.04
    sim.run(20.0 - sim.time)
    for a, b in zip(state_bits(whole), state_bits(sim), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("build", [lambda: brunel.build(0.02), lambda: microcircuit.build(0.02, delay_grid=0.1)])
def test_an_interrupt_between_windows_loses_nothing(build, monkeypatch):
    """Sources that are asked once in a millisecond are where the neurons are, too."""
    net = build()
    neurons = [p for p in net.populations if p.model.receptors]  # (sources that are recorded do not lag)
    whole, sim = windowed(net, record_spikes=neurons), windowed(net, threads=3, record_spikes=neurons)
    whole.run(6.0)
    monkeypatch.setattr(es.simulation, "QUOTA_OF_SUMS", 1)  # a pause after every window
    pauses = 0

    def pause(self, elapsed):
        nonlocal pauses
        pauses += 1
        if pauses in (3, 4, 17, 29):
            raise KeyboardInterrupt

    monkeypatch.setattr(es.simulation._Bar, "at", pause)
    interrupted = []
    while sim._engine.time < (6.0, 0.0):
        try:
            sim._advance(sim._choose(), (6.0, 0.0), es.simulation._Bar(6.0, None), (0.0, 0.0))
        except KeyboardInterrupt:
            interrupted.append(sim._engine.time[1])
    assert len(interrupted) == 4 and np.count_nonzero(interrupted) > 1
    for a, b in zip(state_bits(whole), state_bits(sim), strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(whole._engine.counts, sim._engine.counts)


def test_recorded_membranes_are_those_of_the_ordered_executor():
    net = heterogeneous()
    sims = [es.Simulation(net, seed=1, executor=executor, record_V="cells") for executor in ("ordered", "windowed")]
    for sim in sims:
        sim.run(3.3)
        sim.run(4.7)
    a, b = (sim.result() for sim in sims)
    times = np.linspace(0.0, 8.0, 701)
    for state in ("V_m", "I_ex", "I_in"):
        np.testing.assert_allclose(a.trace("cells", state, times), b.trace("cells", state, times), atol=1e-8, rtol=0)


# ---- the bound: a neuron that passes it stays below its threshold


@pytest.mark.parametrize("name", NETWORKS)
def test_no_neuron_that_passes_spikes(name):
    """Each goes through its arrivals one by one all the same; nothing else changes. (`make assert` does so in every test.)"""
    build, T = NETWORKS[name]
    net = build()
    plain, proving = windowed(net), windowed(net, threads=2)
    for sim in (plain, proving):
        sim.run(0.0)
        sim._windows.proving = sim is proving
        sim.run(T)
    assert proving._windows.shadowed > proving._windows.exact >= plain._windows.exact > plain._windows.shadowed == 0
    for a, b in zip(state_bits(proving), state_bits(plain), strict=True):
        np.testing.assert_array_equal(a, b)


times = st.floats(0.0, 1.0, allow_subnormal=False)
tau = st.floats(0.1, 100.0)
MODELS = ["LIF", "DeltaLIF", "FlyLIF", "AdaptiveLIF", "DoubleExpLIF"]


def threshold(model, core, rows):
    """What the membranes of state rows must not reach."""
    if model == "AdaptiveLIF":
        return core.coef[0, 6] + rows[:, HEAD + 5]
    return np.full(len(rows), core.coef[0, {"LIF": 4, "DoubleExpLIF": 6}.get(model, 2)])


def receive(model, core, row, w):
    """An arrival is a jump of a state."""
    if model == "DoubleExpLIF":
        row[HEAD + (3 if w >= 0 else 4)] += w * core.coef[0, 9 if w >= 0 else 10]
    else:
        row[HEAD + {"DeltaLIF": 0, "FlyLIF": 1}.get(model, 1 if w >= 0 else 2)] += w


@st.composite
def neurons(draw, model):
    """(population, row, arrivals, length of a window): a neuron anywhere below threshold, any currents and arrivals."""
    p = dict(tau_m=draw(tau), C_m=draw(st.sampled_from([1.0, 250.0])))
    unit = 15.0 * p["C_m"] / p["tau_m"]  # the current that just reaches threshold
    size = st.one_of(st.sampled_from([0.0, 1.0, 1 - 2.0**-52, -1.0]), st.floats(-5.0, 5.0))
    state = {"V_m": draw(st.one_of(st.sampled_from([-70.0, -55.0 - 1e-9]), st.floats(-90.0, -55.001)))}
    if model == "FlyLIF":
        p = dict(tau_m=p["tau_m"], tau_syn=draw(st.one_of(tau, st.just(p["tau_m"]))))
        p |= dict(t_ref=draw(st.sampled_from([0.0, 0.2, 3.0])), E_L=-70.0, V_th=-55.0, V_reset=-70.0)
        unit = 15.0
        state |= dict(g=unit * draw(size))
    elif model == "DoubleExpLIF":
        taus = [draw(st.one_of(tau, st.just(p["tau_m"]))) for _ in range(4)]
        taus = draw(st.sampled_from([taus, [taus[0]] * 4, [*taus[:2], *taus[:2]]]))
        p |= dict(zip(("tau_rise_ex", "tau_decay_ex", "tau_rise_in", "tau_decay_in"), taus, strict=True))
        state |= dict(I_ex=unit * draw(size), I_in=unit * draw(size), g_ex=unit * draw(size), g_in=unit * draw(size))
    elif model != "DeltaLIF":
        p |= dict(tau_syn_ex=draw(tau), tau_syn_in=draw(st.one_of(tau, st.just(p["tau_m"]))))
        state |= dict(I_ex=unit * draw(size), I_in=unit * draw(size))
    if model == "AdaptiveLIF":
        p |= dict(tau_stc=draw(st.one_of(tau, st.just(p["tau_m"]))), tau_sfa=draw(tau))
        state |= dict(I_stc=unit * draw(size), h=draw(st.sampled_from([0.0, 5.0, -3.0])))
        state["V_m"] += min(state["h"], draw(st.sampled_from([0.0, 5.0])))
    net = es.Network()
    if model != "FlyLIF":
        p |= dict(I_e=unit * draw(size))
    net.add("cell", 1, getattr(es, model)(**p), **state)
    core = es.Simulation(net)._engine.populations[0]
    n = draw(st.integers(0, 6))
    weight = np.array(draw(st.lists(st.floats(-1.0, 1.0), min_size=n, max_size=n))) * (10.0 if model == "DeltaLIF" else unit)
    length = min(draw(st.sampled_from([0.01, 0.1, 1.0])), core.longest_window())
    arrival = np.sort(np.array(draw(st.lists(times, min_size=n, max_size=n)))) * length
    row = core.state[0].copy()
    if model == "FlyLIF":
        row[2:4] = divmod(draw(st.sampled_from([0.0, 0.3 * length, length, 1.5 * length])), 1.0)  # released then
    return core, row, arrival, weight, length


@pytest.mark.parametrize("model", MODELS)
@given(data=st.data())
def test_what_passes_the_bound_stays_below_threshold(model, data):
    core, row, arrival, weight, length = data.draw(neurons(model))
    sums = _core.Sums(core, 1)
    sums.set_quanta(max(np.abs(weight).max(initial=0.0), 1e-3), length)
    after = row.copy()
    fails, respite = sums.take(after, length - arrival, weight, length)
    if fails:
        np.testing.assert_array_equal(after, row)
        return
    here, ids = row[None].copy(), np.zeros(1, np.int64)

    def check(until, begin):
        at = np.array([[0.0, t] for t in np.linspace(begin, until, 25)])
        rows = np.repeat(here, len(at), 0)
        core.evolve(rows, np.zeros(len(at), np.int64), at)
        assert np.all(rows[:, HEAD] < threshold(model, core, rows))

    last = 0.0
    for t, w in zip(arrival, weight, strict=True):
        check(t, last)
        core.evolve(here, ids, np.array([[0.0, t]]))
        receive(model, core, here[0], w)
        last = t
    assert here[0, HEAD] < threshold(model, core, here)[0]
    check(length, last)
    core.evolve(here, ids, np.array([[0.0, length]]))
    scale = 1.0 + np.abs(here[0, HEAD:]).max()
    quanta = 2.0**-44 * np.abs(weight).sum()  # to which each effect is rounded
    np.testing.assert_allclose(after[HEAD:], here[0, HEAD:], rtol=0, atol=1e-12 * scale + quanta)
    horizon = min(respite, 50.0)
    for t in np.linspace(0.0, 1.0, 40) * horizon:
        then = after[None].copy()
        then[0, :2] = 0.0
        core.evolve(then, ids, np.array([divmod(t, 1.0)]))
        assert then[0, HEAD] < threshold(model, core, then)[0] * (1.0 + 2.0**-50)  # there may be less than an ulp between them


@pytest.mark.parametrize("model", MODELS)
@given(data=st.data(), wait=st.sampled_from([0.0, 2.0, 40.0]), free=st.sampled_from([0.0, 0.3, 1.0, 1.7]))
def test_a_neuron_that_takes_its_only_arrival_stays_below_threshold(model, data, wait, free):
    """From its last state on, perhaps long ago, until the window ends and as long as it says."""
    core, row, arrival, weight, length = data.draw(neurons(model))
    assume(len(arrival) and arrival[0] < length)
    t, w = float(arrival[0]), float(weight[0])
    row[2:4] = divmod(wait + free * length if free else 0.0, 1.0)  # released then
    sums = _core.Sums(core, 1)
    sums.set_quanta(1.0, length)
    after = row.copy()
    fails, respite = sums.alone(after, wait, t, w, length)
    if fails:
        np.testing.assert_array_equal(after, row)
        return
    def check(row, times):
        rows = np.repeat(row[None], len(times), 0)
        core.evolve(rows, np.zeros(len(times), np.int64), np.array([[*divmod(t, 1.0)] for t in times]))
        # (there may be less than an ulp between them)
        assert np.all(rows[:, HEAD] < threshold(model, core, rows) * (1.0 + 2.0**-50))
        return rows[-1]

    here = check(row, np.linspace(0.0, 1.0, 40) * (wait + t))
    if model != "DeltaLIF" or tuple(row[2:4]) <= divmod(wait + t, 1.0):
        receive(model, core, here, w)
    scale = 1.0 + np.abs(here[HEAD:]).max() + np.abs(row[HEAD:]).max()
    np.testing.assert_allclose(after[HEAD:], here[HEAD:], rtol=0, atol=1e-12 * scale)
    assert after[0] == wait and after[1] == t
    check(after, wait + t + np.linspace(0.0, 1.0, 40) * (length - t + min(respite, 50.0)))


@pytest.mark.parametrize("model", MODELS)
@given(data=st.data(), gap=st.sampled_from([0.1, 3.0, 100.0]), free=st.sampled_from([0.0, 0.05, 1.7]))
def test_neurons_side_by_side_spike_when_their_membranes_reach_threshold(model, data, gap, free):
    """The search against the membrane itself: below threshold before, on it then; if nothing is found, as long as it says."""
    core, row, *_ = data.draw(neurons(model))
    row[2:4] = divmod(free, 1.0)
    sums = _core.Sums(core, 1)
    sums.set_quanta(1.0, 0.1)
    spike, respite = sums.search(row, gap)
    until = spike if spike >= 0.0 else min(respite, 500.0)
    assert free <= spike < gap or (spike == -1.0 and respite >= gap)
    times = np.linspace(0.0, 1.0, 400) * until
    rows = np.repeat(row[None], len(times), 0)
    core.evolve(rows, np.zeros(len(times), np.int64), np.array([[*divmod(t, 1.0)] for t in times]))
    c = threshold(model, core, rows)
    # of currents up to 5 times what reaches threshold, and of time
    rounding = 1e-13 * (np.abs(c).max() + np.abs(rows[:, HEAD:]).max())
    assert np.all((rows[:-1, HEAD] < c[:-1] + rounding) | (times[:-1] < free))  # (a threshold may fall while a neuron rests)
    if spike >= 0.0:
        assert abs(rows[-1, HEAD] - c[-1]) < rounding or (free == spike and rows[-1, HEAD] >= c[-1])


def with_first_spike(model, state):
    """(row of a neuron, what sums its arrivals, when the ordered executor has its first spike if there are none)"""
    net = es.Network()
    cell = net.add("cell", 1, model, **state)
    sim = es.Simulation(net, executor="ordered")
    core = sim._engine.populations[0]
    row = core.state[0].copy()
    return row, _core.Sums(core, 1), sim.run(300.0).spikes(cell)[0][0]


@pytest.mark.parametrize(("model", "state"), [
    *((es.LIF(tau_m=20.0, tau_syn_ex=ex, tau_syn_in=inh, C_m=1.0, I_e=0.9, t_ref=0.0), dict(I_ex=high, I_in=low))
      for ex, inh in ((2.0, 10.0), (10.0, 2.0), (5.0, 5.0))
      for high, low in ((3.0, -6.0), (0.1, -6.0), (-2.0, -3.0), (-4.0, 0.0))),
    (es.FlyLIF(V_th=-60.0, V_reset=-90.0), dict(V_m=-80.0, g=-50.0)),
    (es.DeltaLIF(tau_m=20.0, C_m=1.0, I_e=0.9), {}),
    (es.AdaptiveLIF(tau_m=10.0, C_m=1.0, I_e=2.0, tau_sfa=30.0), dict(V_m=-50.0, h=10.0)),
    (es.AdaptiveLIF(tau_m=20.0, C_m=1.0, I_e=0.9, tau_stc=10.0), dict(I_stc=3.0)),
    (es.AdaptiveLIF(tau_m=20.0, C_m=1.0, I_e=0.7, tau_stc=200.0, tau_sfa=3.0), dict(I_stc=-0.2, h=-4.0)),
    (es.DoubleExpLIF(tau_m=20.0, C_m=1.0, I_e=0.9), dict(I_in=-6.0, g_in=-2.0)),
    (es.DoubleExpLIF(tau_m=20.0, C_m=1.0, I_e=0.7, tau_rise_ex=9.0, tau_decay_ex=9.0), dict(I_ex=-1.0, g_ex=0.5)),
])
def test_a_spike_after_inhibition_has_faded_is_found_side_by_side(model, state):
    """The first spike, as the ordered executor has it."""
    row, sums, truth = with_first_spike(model, state)
    assert truth > 2.0
    sums.set_quanta(1.0, 0.1)
    assert sums.search(row, 300.0)[0] == pytest.approx(truth, rel=1e-13)
    assert sums.search(row, truth - 1.0)[0] == -1.0


@pytest.mark.parametrize("tau_m", [10.0, 1e300])
def test_a_jump_onto_the_threshold_is_no_spike_side_by_side(tau_m):
    """As in the ordered executor; it takes more."""
    net = es.Network()
    source = net.add("source", 2, es.SpikeSource([0.25, 0.25], [0, 1]))
    more = net.add("more", 1, es.SpikeSource([0.25]))
    touching, beyond = (net.add(name, 1, es.DeltaLIF(tau_m=tau_m)) for name in ("touching", "beyond"))
    for cell in (touching, beyond):
        net.connect(source, cell, es.AllToAll(), weight=[10.5, 4.5], delay=1.0)
    net.connect(more, beyond, es.AllToAll(), weight=2.0**-40, delay=1.0)
    for executor in ("ordered", "windowed"):
        result = es.Simulation(net, seed=1, executor=executor).run(5.0)
        assert (len(result.spikes(touching)[0]), result.spikes(beyond)[0].tolist()) == (0, [1.25])


@pytest.mark.parametrize("apart", [1e-3, 1e-6, 1e-9, 1e-12])
def test_time_constants_may_be_close(apart):
    """Neither does what arrives lose digits, nor what is there."""
    names = "tau_rise_ex", "tau_decay_ex", "tau_rise_in", "tau_decay_in"
    taus = dict(zip(names, 5.0 * (1.0 + apart * np.arange(1, 5)), strict=True))
    net = es.Network()
    net.add("cell", 1, es.DoubleExpLIF(tau_m=5.0, C_m=1.0, **taus), I_ex=1.0, I_in=-0.5, g_ex=0.3, g_in=-0.2)
    core = es.Simulation(net)._engine.populations[0]
    after, here = core.state[0].copy(), core.state.copy()
    sums = _core.Sums(core, 1)
    sums.set_quanta(1.0, 1.0)
    assert not sums.take(after, np.array([0.75, 0.25]), np.array([1.0, -1.0]), 1.0)[0]
    for t, w in ((0.25, 1.0), (0.75, -1.0)):
        core.evolve(here, np.zeros(1, np.int64), np.array([[0.0, t]]))
        receive("DoubleExpLIF", core, here[0], w)
    core.evolve(here, np.zeros(1, np.int64), np.array([[1.0, 0.0]]))
    np.testing.assert_allclose(after[HEAD:], here[0, HEAD:], rtol=0, atol=1e-12)


UNLIKE = dict(tau_decay_ex=5.0, tau_decay_in=5.0, tau_rise_ex=10.0, tau_rise_in=0.5)


@pytest.mark.parametrize(("model", "state"), [
    (es.AdaptiveLIF(tau_m=20.0, C_m=1.0, tau_stc=1.0), dict(V_m=-55.5, I_stc=-3.0)),
    (es.AdaptiveLIF(tau_m=20.0, C_m=1.0, tau_stc=200.0), dict(V_m=-55.5, I_stc=-3.0)),
    (es.AdaptiveLIF(tau_m=20.0, C_m=1.0, tau_stc=200.0), dict(V_m=-70.0, I_stc=-5.0)),
    (es.DoubleExpLIF(tau_m=20.0, C_m=1.0, **UNLIKE), dict(V_m=-56.0, g_ex=1.0, g_in=-2.0)),
])
def test_currents_of_all_kinds_are_not_overlooked(model, state):
    """Spike-triggered ones that excite, and such as rise more slowly than those they cancel: in the window or after it."""
    row, sums, truth = with_first_spike(model, state)
    assert 0.1 < truth < 5.0
    for length in (0.1, 0.5, 1.0):
        sums.set_quanta(1.0, length)
        fails, respite = sums.take(row.copy(), np.zeros(0), np.zeros(0), length)
        assert fails if truth < length else fails or respite <= truth - length


def test_a_neuron_that_has_rested_is_looked_at_once_for_each_spike():
    """Deterministic counters: in a quiet network hardly any neuron goes through a window in which it does not spike."""
    sim = windowed(sparse.build(0.05, 1.0, 300.0), record_spikes=False)
    sim.run(300.0)
    spikes = sim._engine.counts[:5000].sum()
    assert spikes > 1000 and sim._windows.exact < 1.5 * spikes
    assert sim._engine.predictions < 1.5 * spikes


@pytest.mark.parametrize("rate", [0.0, 30.0, 3000.0])
@pytest.mark.parametrize("n", [1, 24, 25, 3000])
def test_recorded_spikes_are_in_the_order_of_time_and_id(rate, n):
    """Many at once, few, and sources and neurons at the same instants."""
    net = es.Network()
    cells = net.add("cells", n, es.LIF(t_ref=0.0), V_m=np.where(np.arange(n) % 3, -55.001, -70.0), I_e=2000.0)
    noise = net.add("noise", n, es.Poisson(rate=rate))
    kicks = net.add("kicks", n, es.SpikeSource(np.repeat([1.5, 2.25], n), np.tile(np.arange(n), 2)))
    net.connect(noise, cells, es.OneToOne(), weight=30.0, delay=1.0)
    net.connect(kicks, cells, es.OneToOne(), weight=3000.0, delay=1.0)
    times, ids = windowed(net).run(5.0).spikes()
    judge = es.Simulation(net, seed=1, executor="ordered").run(5.0).spikes()
    assert np.all((np.diff(times) > 0.0) | (np.diff(times) == 0.0) & (np.diff(ids) > 0))
    sources = ids >= n
    np.testing.assert_array_equal(times[sources], judge[0][judge[1] >= n])
    np.testing.assert_array_equal(ids[sources], judge[1][judge[1] >= n])
    assert len(times) == len(judge[0])


def test_the_bound_is_useful():
    """Few windows are lived through, and they are fewer the shorter the windows: deterministic counters."""
    sim = windowed(brunel.build(0.1), record_spikes=False)
    sim.run(40.0)
    touched = 1250 * 40.0 / sim._windows.length
    assert 0.3 * sim._engine.counts[:1250].sum() < sim._windows.exact < 0.02 * touched
    assert sim._engine.solver_steps < 3 * sim._windows.exact


@st.composite
def accounts(draw):
    """(population, row, arrivals, their weights, length of a window, where it ends, length of the frame)"""
    core, row, arrival, weight, _ = draw(neurons("LIF"))
    frame = min(draw(st.sampled_from([1.0, 2.5, 8.0])), core.longest_window(), 2.0 / core.coef[0, :3].max())
    end = frame * draw(st.sampled_from([1.0, 0.99, 0.5, 0.03]))
    length = end * draw(st.sampled_from([1.0, 0.3, 0.01]))
    span = arrival.max(initial=0.0) or 1.0
    arrival = np.sort(arrival / span * end * draw(st.sampled_from([1.0, 0.9])))
    row[2:4] = divmod(draw(st.sampled_from([0.0, 0.0, 0.3 * (end - length), end - length, 1.5 * end])), 1.0)  # released then
    return core, row, arrival, weight, length, end, frame


def below(core, row, arrival, weight, since, until):
    """Whether the membrane stays below its threshold from one time to another; and the row then."""
    c, ids = core.coef[0, 4], np.zeros(25, np.int64)
    here = row[None].copy()

    def stays(begin, end):
        rows = np.repeat(here, 25, 0)
        core.evolve(rows, ids, np.array([divmod(t, 1.0) for t in np.linspace(begin, end, 25)]))
        return end < since or np.all(rows[:, HEAD] < c * (1.0 + 2.0**-50))  # there may be less than an ulp between them

    last, stayed = 0.0, True
    for t, w in zip(arrival, weight, strict=True):
        stayed &= stays(max(last, min(since, t)), t)
        core.evolve(here, ids[:1], np.array([divmod(t, 1.0)]))
        here[0, HEAD + (1 if w >= 0 else 2)] += w
        last = t
    stayed &= stays(max(last, since), until)
    core.evolve(here, ids[:1], np.array([divmod(until, 1.0)]))
    return stayed, here[0]


excitation = st.lists(st.tuples(st.floats(0.0, 1.0), st.floats(0.01, 1.0)), max_size=4)  # when, and shares of the credit


@given(case=accounts(), later=excitation, share=st.floats(0.5, 1.0))
def test_a_neuron_with_credit_stays_below_threshold(case, later, share):
    """In the window, if it was below before; and until the frame ends, whatever excitation comes up to the credit."""
    core, row, arrival, weight, length, end, frame = case
    resting = row[2] + row[3] > 0.0
    if resting:  # who rests has neither credit nor arrivals from before the window
        keep = arrival >= end - length
        arrival, weight = arrival[keep], weight[keep]
    assume(below(core, row, arrival, weight, 0.0, end - length)[0])
    sums = _core.Sums(core, 1)
    sums.set_places(False, frame)
    sums.set_quanta(max(np.abs(weight).max(initial=0.0), 1e-3), length)
    after = row.copy()
    fails, credit, respite = sums.settle(after, frame - arrival, weight, length, frame - end)
    if fails:
        np.testing.assert_array_equal(after, row)
        return
    stayed, expected = below(core, row, arrival, weight, end - length, end)
    assert stayed
    scale = 1.0 + np.abs(expected[HEAD:]).max()
    quanta = 2.0**-44 * np.abs(weight).sum()
    np.testing.assert_allclose(after[HEAD:], expected[HEAD:], rtol=0, atol=1e-12 * scale + quanta)
    span = frame - end or frame
    if credit > 0.0:
        a, b = core.coef[0, :2]
        times = np.sort([t for t, _ in later]) * span
        x = span - times
        kappa = x * np.exp(-a * x) if a == b else (np.exp(-a * x) - np.exp(-b * x)) / (b - a)
        shares = np.array([w for _, w in later])
        taken = shares * kappa
        more = shares * share * credit / taken.sum() if taken.sum() > 1e-9 * span else 0.0 * shares
        begin = after.copy()
        begin[0:4] = 0.0
        assert below(core, begin, times, more, 0.0, span)[0]
    begin = after.copy()
    begin[0:4] = 0.0, 0.0, max(after[2] + after[3] - end, 0.0), 0.0
    assert below(core, begin, [], [], 0.0, min(max(respite, 0.0), 50.0))[0]


@pytest.mark.parametrize("fast", [0.5, 1.0])
def test_inhibition_that_fades_faster_gives_no_credit(fast):
    """Excitation is left alone soon: the membrane rises after all. (Balanced currents of one time constant do nothing.)"""
    net = es.Network()
    for tau in (fast, 4.0):
        cell = es.LIF(tau_m=20.0, tau_syn_ex=4.0, tau_syn_in=tau, C_m=1.0, E_L=-70.0, V_th=-55.0)
        net.add(f"{tau} ms", 1, cell, V_m=-56.0, I_ex=4.0, I_in=-4.0)
    for core, balanced in zip(es.Simulation(net)._engine.populations, (False, True), strict=True):
        sums = _core.Sums(core, 1)
        sums.set_places(False, 4.0)
        sums.set_quanta(1.0, 0.125)
        row = core.state[0].copy()
        fails, credit, respite = sums.settle(row, np.zeros(0), np.zeros(0), 0.125, 3.875)
        assert not fails and (credit > 0.0) == balanced
        assert below(core, core.state[0], [], [], 0.0, 4.0)[0] == balanced
        assert below(core, core.state[0], [], [], 0.0, 0.125 + min(respite, 4.0))[0]


def test_a_spike_before_the_inhibition_is_not_overlooked():
    """At the end of the window the membrane is below its threshold again."""
    net = es.Network()
    net.add("cell", 1, es.LIF(tau_m=20.0, tau_syn_ex=4.0, tau_syn_in=4.0, C_m=1.0), V_m=-55.05, I_ex=1.0)
    core = es.Simulation(net)._engine.populations[0]
    sums = _core.Sums(core, 1)
    sums.set_places(False, 4.0)
    sums.set_quanta(20.0, 0.5)
    for inhibition, spikes in ((0.1, False), (0.4, True)):
        arrival, weight = np.array([inhibition]), np.array([-20.0])
        assert below(core, core.state[0], arrival, weight, 0.0, 0.5)[0] == (not spikes)
        assert below(core, core.state[0], arrival, weight, 0.5, 0.5)[0]
        assert sums.settle(core.state[0].copy(), 4.0 - arrival, weight, 0.5, 3.5)[0] >= spikes


def test_frames_save_work():
    """Deterministic counters: 24 windows pass between two arrivals at a neuron, and a frame has 88."""
    sim = windowed(cuba.build(0.5), record_spikes=False)
    sim.run(60.0)
    assert [sums.frame for sums in sim._windows.sums] == [8.0, 8.0]
    assert sim._windows.exact < 1.5 * sim._engine.n_spikes
    assert sim._engine.solver_steps < 5 * sim._engine.n_spikes


def test_frames_wait_for_nobody():
    """Neurons that get nothing cost no windows, also after a frame in which they did."""
    net = es.Network()
    source = net.add("source", 1, es.SpikeSource([1.0, 2.0, 950.0]))
    cells = net.add("cells", 100, es.LIF(tau_m=20.0, tau_syn_ex=5.0))
    net.connect(source, cells, es.AllToAll(), weight=10.0, delay=0.1)
    net.connect(cells, cells, es.FixedOutDegree(10), weight=10.0, delay=0.1)
    sim, judge = windowed(net), es.Simulation(net, seed=1, executor="ordered")
    for each in (sim, judge):
        each.run(1000.0)
    assert_close(sim, judge)
    assert sim._windows.sums[0].frame == 4.0
    assert sim._windows.seen < 30  # of 11,000 windows


def test_length_of_windows():
    assert _core.summing_length(windowed(cuba.build(0.1))._engine) == 1 / 11  # the delay is 0.1 ms and a bit less
    assert _core.summing_length(windowed(microcircuit.build(0.01, delay_grid=0.1))._engine) == 1 / 11
    assert _core.summing_length(windowed(brunel.build(0.02))._engine) == 1 / 8
    assert _core.summing_length(windowed(sparse.build(0.02, 5.0, 60.0))._engine) == 1.0
    assert _core.summing_length(windowed(ranked())._engine) == 1.0  # the shortest delay is 0
    net = es.Network()
    net.add("cells", 3, es.QIF())
    assert _core.summing_length(windowed(net)._engine) == 0.0
