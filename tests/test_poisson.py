"""Poisson trains: generator, logarithm, exact times one by one and in bulk, and drive on a grid."""

import hypothesis.strategies as st
import mpmath
import numpy as np
import pytest
from hypothesis import example, given, settings
from scipy import stats

import eventsim as es
from eventsim import _core

word = st.integers(0, 2**64 - 1)


# ---- random numbers


@pytest.mark.parametrize(
    ("counter", "key", "answer"),
    [
        (["0"] * 4, ["0"] * 4, "09218ebde6c85537 55941f5266d86105 4bd25e16282434dc ee29ec846bd2e40b"),
        (["f" * 16] * 4, ["f" * 16] * 4, "29c24097942bba1b 0371bbfb0f6f4e11 3c231ffa33f83a1c cd29113fde32d168"),
        (
            ["243f6a8885a308d3", "13198a2e03707344", "a4093822299f31d0", "082efa98ec4e6c89"],
            ["452821e638d01377", "be5466cf34e90c6c", "be5466cf34e90c6c", "c0ac29b7c97c50dd"],
            "a7e8fde591651bd9 baafd0c30138319b 84a5c1a729e685b9 901d406ccebc1ba4",
        ),
    ],
)
def test_known_answers(counter, key, answer):
    """The lines for threefry4x64 20 in kat_vectors of Random123."""
    words = (np.array([int(w, 16) for w in words], np.uint64) for words in (key, counter))
    assert " ".join(f"{w:016x}" for w in _core.threefry_block(*words).tolist()) == answer


def test_logarithm():
    rng = np.random.default_rng(1)
    x = np.concatenate(
        [rng.random(1500), 2.0 ** rng.uniform(-1021, 1023, 1500), 1 + 1e-3 * rng.normal(size=500), [1.0, 2.0**-52]]
    )
    x = np.append(x, np.nextafter([1.0, 1.0, 2**0.5, 0.5**0.5], [0.0, 2.0, 2.0, 1.0]))
    with mpmath.workprec(200):
        exact = [mpmath.log(t) for t in x.tolist()]
        errors = [
            abs(y - e) / float(np.spacing(abs(float(e)))) for y, e in zip(_core.plain_log(x).tolist(), exact, strict=True) if e
        ]
        assert {y for y, e in zip(_core.plain_log(x).tolist(), exact, strict=True) if not e} == {0.0}
    assert max(errors) < 1.0


@given(word, word, st.integers(0, 2**52))
def test_variates_come_from_their_words(seed, id, k):
    """-log u, where u is 2 minus what the upper 52 bits of a word, the last of them set, are the fraction of."""
    words = _core.threefry_block(np.array([seed, 5 << 32, 0, 0], np.uint64), np.array([k // 4, id, 0, 0], np.uint64))
    u = 1.0 - (int(words[k % 4]) >> 12 | 1) * 2.0**-52
    assert 0.0 < u < 1.0
    assert _core.poisson_variates(seed, id, k, 1)[0] == -_core.plain_log(np.array([u]))[0] > 0.0


def test_variates_are_exponential_and_independent():
    e = np.array([_core.poisson_variates(7, id, 0, 500) for id in range(100)])
    assert stats.kstest(e.ravel(), "expon").pvalue > 1e-3
    assert stats.kstest(e.min(axis=0) * 100, "expon").pvalue > 1e-3  # across ids
    for a, b in ((e[:, 1:], e[:, :-1]), (e[1:], e[:-1]), (e[:, 4:], e[:, :-4])):  # neighbours in a block, ids, blocks
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 4 / np.sqrt(a.size)


# ---- one by one, and in bulk


def simulation(n=30, seed=3, **parameters):
    net = es.Network()
    net.add("source", n, es.Poisson(**parameters))
    return es.Simulation(net, seed=seed)


def one_by_one(end, **kwargs):
    """Spikes of the ordered executor (times, ids), by id, and the states at the end."""
    sim = simulation(**kwargs)
    t, i = sim.run(end).spikes("source")
    order = np.argsort(i, kind="stable")
    return t[order], i[order], sim._engine.populations[0].state


def within_ms(ends):
    """Ends in whole milliseconds, as (epoch, offset), and those of the milliseconds between."""
    ends = sorted({*ends, *range(1, int(max(ends)) + 1)})
    return [(np.ceil(end) - 1.0, end - (np.ceil(end) - 1.0)) for end in ends]


def in_bulk(ends, room=0, **kwargs):
    core = simulation(**kwargs)._engine.populations[0]
    ends = within_ms(ends)
    parts = core.trains(ends, room)
    t = np.concatenate([epoch + time for (epoch, _), (time, _) in zip(ends, parts, strict=True)])
    i = np.concatenate([source for _, source in parts])
    order = np.argsort(i, kind="stable")
    return t[order], i[order], core.state


rate = st.sampled_from([0.0, 1e-9, 3.0, 1e3, 2e4]) | st.floats(1.0, 3e4)
steps = st.lists(rate, min_size=1, max_size=4).map(lambda r: es.Steps(np.linspace(0.0, 3.7, len(r)), r))
ends = st.lists(st.floats(1e-3, 5.0) | st.sampled_from([0.1, 0.2, 0.3, 1.0, 2.0]), min_size=1, max_size=12, unique=True).map(
    sorted
)


@settings(deadline=None, max_examples=60)
@given(
    rate | steps | st.lists(rate, min_size=5, max_size=5),
    ends,
    st.sampled_from([0.0, 0.1, 0.7, [0.0, 0.1, 0.25, 1.0, 0.3]]),
    word,
    st.just(0) | st.just(4500),
)
@example([0.0, 0.0, 0.0, 0.0, 0.0], [1.0], 0.0, 0, 0)
@example(2e4, [0.1, 0.2, 0.30000000000000004, 0.7], 0.1, 1, 0)
def test_in_bulk_as_one_by_one(rate, ends, grid, seed, room):
    """The same bits in many windows as in one run, whatever the room for events; so are the states."""
    given = dict(n=5, rate=rate, grid=grid, seed=seed)
    t, i, state = in_bulk(ends, room, **given)
    expected_t, expected_i, expected_state = one_by_one(ends[-1], **given)
    assert np.array_equal(t, expected_t) and np.array_equal(i, expected_i)
    assert np.array_equal(state, expected_state)


@pytest.mark.parametrize("grid", [0.0, 0.1])
def test_bulk_goes_on_where_the_ordered_executor_stopped(grid):
    """From the middle of a block, in more sources than stand side by side, and back."""
    sim, whole = (simulation(n=150, rate=np.linspace(0.0, 5e3, 150), grid=grid) for _ in range(2))
    sim.run(3.3)
    core = sim._engine.populations[0]
    assert set(core.state[:, -1] % 4) == {0, 1, 2, 3}
    ends = within_ms([4.0, 6.45])[3:]
    parts = core.trains(ends)
    t = np.concatenate([epoch + time for (epoch, _), (time, _) in zip(ends, parts, strict=True)])
    i = np.concatenate([source for _, source in parts])
    sim._engine.reset_alarms(0)
    again, _ = sim.run(10.0 - 3.3).spikes("source")
    expected, k = whole.run(10.0).spikes("source")
    early = (expected >= 3.3) & (expected < 6.45)
    order = np.lexsort((i, t))
    assert np.array_equal(t[order], expected[early]) and np.array_equal(i[order], k[early]) and len(t) > 1000
    assert np.array_equal(again[again >= 6.45], expected[expected >= 6.45])


def test_the_same_trains_whatever_else():
    """In pieces, in any executor, with any number of threads and beside any other population."""
    trains = []
    windowed = dict(executor="windowed", threads=2)
    for pieces, more, options in (([40.0], False, {}), ([0.3, 12.7, 27.0], True, {}), ([40.0], True, windowed)):
        net = es.Network()
        source = net.add("source", 20, es.Poisson(rate=900.0))
        if more:
            cell = net.add("cell", 20, es.LIF())
            net.add("other", 5, es.Poisson(rate=5e3, grid=0.5))
            net.connect(source, cell, weight=20.0, delay=1.0)
        sim = es.Simulation(net, seed=6, **options)
        parts = [sim.run(piece).spikes("source") for piece in pieces]
        trains.append([np.concatenate(part) for part in zip(*parts, strict=True)])
    for t, i in trains[1:]:
        assert np.array_equal(t, trains[0][0]) and np.array_equal(i, trains[0][1])
    assert len(trains[0][0]) > 600


def test_counts_in_bulk():
    """Mean and variance of counts, intervals, and independence of sources, at the drive of a cortical neuron."""
    core = simulation(n=1000, rate=16e3, seed=11)._engine.populations[0]
    parts = core.trains([(k // 10, k % 10 / 10) for k in range(1, 101)])
    counts = np.array([np.bincount(i, minlength=1000) for _, i in parts])
    assert abs(counts.mean() - 1.6) < 4 * np.sqrt(1.6 / counts.size)
    assert abs(counts.var() - 1.6) < 4 * np.sqrt((1.6 + 2 * 1.6**2) / counts.size)
    for a, b in ((counts[1:], counts[:-1]), (counts[:, 1:], counts[:, :-1])):
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 4 / np.sqrt(a.size)
    t = np.concatenate([time[i == 17] + k // 10 for k, (time, i) in enumerate(parts, 1)])
    assert stats.kstest(np.diff(t), "expon", args=(0, 1 / 16)).pvalue > 1e-3


# ---- on a grid


def test_on_a_grid_the_trains_are_put_off_to_the_ends_of_cells():
    exact, i, _ = one_by_one(20.0, rate=8e3)
    t, j, _ = one_by_one(20.0, rate=8e3, grid=0.1)
    k = np.rint(t / 0.1)
    assert np.array_equal(t, k * 0.1)
    keep = np.ceil(exact / 0.1) * 0.1 < 20.0 - 1e-9
    assert np.array_equal(k, np.ceil(exact[keep] / 0.1)) and np.array_equal(j, i[keep])
    counts = np.bincount(k.astype(int) - 1 + 199 * j, minlength=199 * 30)
    assert abs(counts.var() - 0.8) < 4 * np.sqrt((0.8 + 2 * 0.8**2) / counts.size)
    observed = np.bincount(counts, minlength=5)
    observed[4] = observed[4:].sum()
    expected = np.append(stats.poisson.pmf(range(4), 0.8), stats.poisson.sf(3, 0.8))
    assert stats.chisquare(observed[:5], expected * counts.size).pvalue > 1e-3


@pytest.mark.parametrize("executor", ["ordered", "windowed"])
def test_spikes_at_one_time_are_delivered_as_often_as_they_occur(executor):
    net = es.Network()
    source = net.add("source", 1, es.Poisson(rate=3e5, grid=1.0))
    cell = net.add("cell", 1, es.DeltaLIF(tau_m=1e300, E_L=0.0, V_reset=-1.0, V_th=np.inf))
    net.connect(source, cell, weight=1.0, delay=0.25)
    sim = es.Simulation(net, seed=2, executor=executor)
    t, _ = sim.run(60.5).spikes(source)
    assert set(t) == set(np.arange(1.0, 61.0)) and len(t) > 15_000
    assert sim.get(cell, "V_m")[0] == len(t)


def test_a_rate_in_steps_on_a_grid():
    """The number of events of a cell has the integral of the rate over the cell as its mean."""
    t, _, _ = one_by_one(3.5, n=3000, rate=es.Steps([0.0, 1.25, 2.0], [0.0, 4000.0, 0.0]), grid=1.0)
    assert set(t) == {2.0}
    assert abs(len(t) - 9000) < 4 * np.sqrt(9000)


def test_a_rate_set_within_a_cell_holds_for_the_whole_of_it():
    sim = simulation(n=2000, rate=1000.0, grid=1.0)
    first = sim.run(1.5).counts("source").sum()
    sim.set("source", rate=3000.0)
    second = sim.run(1.0)
    assert set(second.spikes("source")[0]) == {2.0}
    for n, mean in ((first, 2000), (len(second.spikes("source")[0]), 6000)):
        assert abs(n - mean) < 4 * np.sqrt(mean)


def test_grid_is_saved(tmp_path):
    sim = simulation(rate=1e3, grid=0.5)
    sim.run(3.2)
    sim.save(tmp_path / "saved.npz")
    again = es.load(tmp_path / "saved.npz")
    assert again.network["source"].model == es.Poisson(rate=1e3, grid=0.5) != es.Poisson(rate=1e3)
    assert np.array_equal(again.run(4.0).spikes("source")[0], sim.run(4.0).spikes("source")[0])


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        (-0.1, "Poisson: grid = -0.1 must be finite and >= 0"),
        (np.inf, "Poisson: grid = inf must be finite"),
        (1e-9, "choose 0 for exact times"),
        ([0.1, 1e-9], "grid = 1e-09 ms is finer than 1e-06 ms"),
    ],
)
def test_grids_that_are_refused(grid, message):
    with pytest.raises(ValueError, match=message):
        es.Poisson(rate=1.0, grid=grid)
