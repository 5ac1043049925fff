"""How two spike trains are compared, and what several tests compare."""

from collections import defaultdict


def trains(spikes, until=float("inf")):
    """{global id: spike times [ms]} of the spikes [(epoch, offset, global id), ...] before `until`."""
    out = defaultdict(list)
    for epoch, offset, gid in spikes:
        if epoch + offset < until:
            out[gid].append(epoch + offset)
    return dict(out)


def assert_same_spikes(found, expected, tolerance, until=float("inf")):
    """Same neurons, same number of spikes of each, times within `tolerance` [ms], and `found` in time order.

    Only what happens well before `until` counts: the time of the first decision that rounding could turn over.
    """
    until -= 1e-6
    times = [spike[:2] for spike in found]
    assert times == sorted(times)
    a, b = trains(found, until), trains(expected, until)
    counts = {gid: (len(a.get(gid, ())), len(b.get(gid, ()))) for gid in a.keys() | b.keys()}
    assert not {gid: c for gid, c in counts.items() if c[0] != c[1]}, f"numbers of spikes (found, expected): {counts}"
    worst = max((abs(x - y), gid, y) for gid in [*b] for x, y in zip(a[gid], b[gid], strict=True)) if b else (0.0,)
    assert worst[0] <= tolerance, f"(error, id, time) {worst}"


def simulation(net, **options):
    """(Simulation, populations by name, projections) of a plain network; weights are kept in double precision."""
    import eventsim as es

    network, pops, projections = net.to_eventsim()
    return es.Simulation(network, weight_dtype="float64", **options), pops, projections


def exact(result):
    """All spikes of a Result as [(epoch, offset, global id), ...]."""
    epoch, offset, ids = result.spike_times_exact()
    return list(zip(map(int, epoch), map(float, offset), map(int, ids), strict=True))


def simulate(net, T, **options):
    """The engine's spikes, as the oracles give theirs."""
    return exact(simulation(net, **options)[0].run(T))


def heterogeneous_cells(n):
    """LIF neurons, every parameter of its own; some above threshold by themselves."""
    import numpy as np

    import eventsim as es

    rng = np.random.default_rng(5)
    return es.LIF(
        C_m=rng.uniform(100, 300, n),
        tau_m=rng.uniform(5, 30, n),
        tau_syn_ex=rng.uniform(0.3, 6, n),
        tau_syn_in=rng.uniform(0.3, 12, n),
        V_th=rng.uniform(-56, -50, n),
        V_reset=rng.uniform(-75, -60, n),
        t_ref=np.where(rng.random(n) < 0.3, 0.0, rng.uniform(0.1, 4, n)),
        I_e=rng.uniform(-100, 400, n),
    )


def ranked(n=60):
    """Populations that reach others at once, or in much less than a window: only within two of them delays are longer."""
    import numpy as np

    import eventsim as es

    net = es.Network()
    noise = net.add("noise", n, es.Poisson(rate=900.0))
    first = net.add("first", n, es.LIF(tau_syn_ex=2.0, t_ref=1.0), V_m=es.Uniform(-70, -56))
    jump = net.add("jump", n, es.DeltaLIF(tau_m=12.0, t_ref=np.linspace(0.0, 2.0, n)), V_m=es.Uniform(-70, -56))
    slow = net.add("slow", n, es.AdaptiveLIF(I_e=370.0, t_ref=0.0, reset="none"), V_m=es.Uniform(-57, -55.1))  # (do not sum)
    fly = net.add("fly", n, es.FlyLIF(t_ref=np.linspace(0.1, 3.0, n)))
    last = net.add("last", n, es.LIF(V_th=np.linspace(-56.0, -54.0, n)))
    read = net.add("read", 3, es.LeakyIntegrator())
    net.connect(noise, first, es.OneToOne(), weight=es.Uniform(100, 300), delay=0.0)
    net.connect(first, first, es.FixedOutDegree(20), weight=es.Normal(0.0, 40.0), delay=es.Uniform(1.0, 3.0))
    net.connect(first, jump, es.FixedOutDegree(20), weight=es.Normal(2.0, 3.0), delay=0.0)
    net.connect(first, slow, es.FixedOutDegree(10), weight=es.Normal(20.0, 60.0), delay=es.Uniform(1e-3, 4.0))
    net.connect(jump, fly, es.FixedOutDegree(9), weight=es.Uniform(-2.0, 9.0), delay=0.0)
    net.connect(slow, fly, es.FixedOutDegree(9), weight=es.Uniform(-2.0, 9.0), delay=0.125)
    net.connect(slow, fly, es.FixedOutDegree(1), weight=9.0, delay=0.25, receptor="V")
    net.connect(fly, fly, es.FixedOutDegree(10), weight=-0.5, delay=1.5)
    net.connect(fly, last, es.FixedOutDegree(10), weight=es.Normal(60.0, 90.0), delay=0.01)
    net.connect(first, last, es.FixedOutDegree(10), weight=es.Normal(60.0, 90.0), delay=es.Uniform(0.0, 60.0))
    net.connect(last, read, es.AllToAll(), weight=10.0, delay=0.0)
    return net
