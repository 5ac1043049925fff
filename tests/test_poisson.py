"""Poisson trains: generator, exact times one by one and many sources at once, and drive on a grid."""

import math
from fractions import Fraction

import hypothesis.strategies as st
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


def block(seed, id, law, cell, k):
    """Words k of a cell."""
    key, counter = (np.array(words, np.uint64) for words in ([seed, 5 << 32, 0, 0], [cell, id, law, k]))
    return _core.threefry_block(key, counter).tolist()


def plain_cell(seed, id, law, cell, rate):
    """The events of a cell as fractions [ms], word by word: the slow and obvious way."""
    fraction, exponent = math.frexp(1e3 / rate)
    length = Fraction(2) ** (exponent + 1 if fraction >= 2 / 3 else exponent)
    words = [w for k in range(7) for w in block(seed, id, law, cell, k)]
    number = int(np.sum((words[0] >> 12) * 2.0**-52 >= stats.poisson.cdf(range(27), float(length) * rate / 1e3)))
    places = [length * (w >> 12) / 2**52 for w in words[1 : number + 1]]
    finest = Fraction(2) ** -53
    return [cell * length + place // finest * finest for place in places], length


def plain_train(seed, id, rate, end, law=0):
    events, cell, length = [], 0, Fraction(0)
    while cell * length < end:
        more, length = plain_cell(seed, id, law, cell, rate)
        events += more
        cell += 1
    return sorted(float(t) for t in events if t < end)


# ---- one by one, and many sources at once


def network(n=30, **parameters):
    net = es.Network()
    net.add("source", n, es.Poisson(**parameters))
    return net


def simulation(n=30, seed=3, **parameters):
    return es.Simulation(network(n, **parameters), seed=seed, executor="ordered")


def one_by_one(end, **kwargs):
    """Spikes of the ordered executor (times, ids), by id."""
    t, i = simulation(**kwargs).run(end).spikes("source")
    order = np.argsort(i, kind="stable")
    return t[order], i[order]


@settings(deadline=None, max_examples=30)
@given(word, st.sampled_from([3.0, 700.0, 2e4, 3e5]) | st.floats(1.0, 1e5))
@example(0, 2e4)
def test_trains_are_those_of_the_words(seed, rate):
    end = min(5.0, 2e5 / rate)
    t, i = one_by_one(end, n=3, rate=rate, seed=seed)
    for k in range(3):
        assert t[i == k].tolist() == plain_train(seed, k, rate, end)


def test_cells_have_all_numbers_of_events():
    """Also more than are in one or two blocks of words: of ten thousand cells some have eight."""
    t, i = one_by_one(62.5, n=10, rate=24e3, seed=1)
    numbers = np.histogram2d(i, t, bins=[np.arange(11), np.arange(0.0, 62.5001, 0.0625)])[0].ravel().astype(int)
    assert numbers.max() > 7
    observed = np.append(np.bincount(numbers)[:6], np.sum(numbers > 5))
    expected = len(numbers) * np.append(stats.poisson.pmf(range(6), 1.5), stats.poisson.sf(5, 1.5))
    assert stats.chisquare(observed, expected).pvalue > 1e-3
    assert t[i == 3].tolist() == plain_train(1, 3, 24e3, 62.5)


rate = st.sampled_from([0.0, 1e-9, 3.0, 1e3, 2e4]) | st.floats(1.0, 3e4)
steps = st.lists(rate, min_size=1, max_size=4).map(lambda r: es.Steps(np.linspace(0.0, 3.7, len(r)), r))
ends = st.lists(st.floats(1e-3, 5.0) | st.sampled_from([0.1, 0.25, 0.3125, 1.0, 2.0]), min_size=1, max_size=8, unique=True).map(
    sorted
)


@settings(deadline=None, max_examples=60)
@given(
    rate | steps | st.lists(rate, min_size=5, max_size=5),
    ends,
    st.sampled_from([0.0, 0.1, 0.7, 0.25, 1.0, 1e-3]),
    word,
)
@example([0.0, 0.0, 0.0, 0.0, 0.0], [1.0], 0.0, 0)
@example(2e4, [0.0625, 0.2, 0.30000000000000004, 0.75], 0.1, 1)
@example(2e4, [0.0625, 0.2, 0.25, 0.75], 0.0, 1)
@example(es.Steps([0.0, 3.7], [0.0, 1492.0]), [4.0], 0.25, 2**62 - 1)  # a fourth event in a step that is cut
def test_many_at_once_as_one_by_one(rate, ends, grid, seed):
    """The same bits in any stretches as in one run."""
    given = dict(n=5, rate=rate, grid=grid, seed=seed)
    sim = simulation(**given)
    sim.run(ends[-1])
    rows, core = sim._engine.spikes.rows(), simulation(**given)._engine.populations[0]
    begin = (0.0, 0.0)
    for end in ends:
        epoch, offset = np.floor(end), end - np.floor(end)
        x, i = core.drawn(begin, (epoch, offset))
        here = [r for r in rows.tolist() if begin <= (r[0], r[1]) < (epoch, offset)]
        assert sorted(zip(i.tolist(), x.tolist(), strict=True)) == sorted((id, offset - ((e - epoch) + o)) for e, o, id in here)
        begin = epoch, offset


@pytest.mark.parametrize("grid", [0.0, 0.1])
def test_more_sources_than_stand_side_by_side(grid):
    given = dict(n=150, rate=np.linspace(0.0, 5e3, 150), grid=grid)
    sim = simulation(**given)
    sim.run(4.5)
    x, i = simulation(**given)._engine.populations[0].drawn((1.0, 0.25), (4.0, 0.5))
    here = [r for r in sim._engine.spikes.rows().tolist() if (1.0, 0.25) <= (r[0], r[1]) < (4.0, 0.5)]
    assert len(here) > 1000
    assert sorted(zip(i.tolist(), x.tolist(), strict=True)) == sorted((id, 0.5 - ((e - 4.0) + o)) for e, o, id in here)


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


def test_counts_and_intervals():
    """Mean and variance of counts, intervals, and independence of sources, at the drive of a cortical neuron."""
    t, i = one_by_one(10.0, n=1000, rate=16e3, seed=11)
    counts = np.histogram2d(t, i, bins=[np.linspace(0.0, 10.0, 101), np.arange(1001)])[0]
    assert abs(counts.mean() - 1.6) < 4 * np.sqrt(1.6 / counts.size)
    assert abs(counts.var() - 1.6) < 4 * np.sqrt((1.6 + 2 * 1.6**2) / counts.size)
    for a, b in ((counts[1:], counts[:-1]), (counts[:, 1:], counts[:, :-1])):
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 4 / np.sqrt(a.size)
    intervals = np.concatenate([np.diff(t[i == k]) for k in range(1000)])
    assert stats.kstest(intervals, "expon", args=(0, 1 / 16)).pvalue > 1e-3
    for lag in (1, 2, 3, 4):  # over the borders of cells, too
        assert abs(np.corrcoef(intervals[lag:], intervals[:-lag])[0, 1]) < 4 / np.sqrt(len(intervals))


def test_a_rate_that_is_set_draws_anew():
    """From now on, without forgetting or repeating an event; and as independent as another source."""
    sim = simulation(n=2000, rate=1000.0, seed=4)
    first, _ = sim.run(1.3).spikes("source")
    sim.set("source", rate=1000.0)
    second, _ = sim.run(1.7).spikes("source")
    expected, _ = one_by_one(3.0, n=2000, rate=1000.0, seed=4)
    assert np.array_equal(np.sort(first), np.sort(expected[expected < 1.3]))
    assert abs(len(second) - 3400) < 4 * np.sqrt(3400)
    assert not set(second) & set(expected[expected >= 1.3])
    assert stats.kstest((second - 1.3) / 1.7, "uniform").pvalue > 1e-3


# ---- on a grid


@pytest.mark.parametrize(("rate", "grid"), [(8e3, 0.1), (15e3, 0.1), (50e3, 0.1), (300.0, 0.1), (2e3, 1.0), (4e3, 0.25)])
def test_on_a_grid_steps_have_independent_poisson_numbers(rate, grid):
    """Whether a cell is a step, some, or a part of one."""
    end, n = 200 * grid, 30
    t, i = one_by_one(end * (1.0 - 1e-9), n=n, rate=rate, grid=grid, seed=5)
    k = np.rint(t / grid)
    assert np.array_equal(t, k * grid) and k.min() >= 1 and k.max() <= 199
    counts = np.bincount(k.astype(int) - 1 + 199 * i, minlength=199 * n).reshape(n, 199)
    mean = rate * grid / 1e3
    assert abs(counts.mean() - mean) < 4 * np.sqrt(mean / counts.size)
    assert abs(counts.var() - mean) < 4 * np.sqrt((mean + 2 * mean**2) / counts.size)
    last = max(int(stats.poisson.ppf(0.98, mean)), 1)
    observed = np.bincount(np.minimum(counts.ravel(), last), minlength=last + 1)
    expected = np.append(stats.poisson.pmf(range(last), mean), stats.poisson.sf(last - 1, mean))
    assert stats.chisquare(observed, expected * counts.size).pvalue > 1e-3
    for a, b in ((counts[1:], counts[:-1]), (counts[:, 1:], counts[:, :-1])):
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 4 / np.sqrt(a.size)


def test_numbers_of_steps_are_those_of_the_words():
    """Four sources share a block, wherever a population begins."""
    net = network(2, rate=1e3)
    net.add("grid", 7, es.Poisson(rate=9e3, grid=0.25))
    t, i = es.Simulation(net, seed=8, executor="ordered").run(50.0).spikes("grid")
    level = stats.poisson.cdf(range(27), 2.25)
    for j in range(7):
        words = [block(8, (j + 2) // 4, 0, step, 1 << 32)[(j + 2) % 4] for step in range(199)]
        numbers = np.searchsorted(level, [(w >> 12) * 2.0**-52 for w in words], side="right")
        assert np.array_equal(np.bincount(np.rint(4 * t[i == j]).astype(int), minlength=200)[1:], numbers)


def test_a_step_in_which_a_simulation_begins_counts_from_there():
    net = network(3000, rate=2e3, grid=1.0)
    t, _ = es.Simulation(net, seed=1, t_start=0.75, executor="ordered").run(1.5).spikes("source")
    first, second = np.sum(t == 1.0), np.sum(t == 2.0)
    assert first + second == len(t)
    for number, mean in ((first, 1500), (second, 6000)):
        assert abs(number - mean) < 4 * np.sqrt(mean)


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
    t, _ = one_by_one(3.5, n=3000, rate=es.Steps([0.0, 1.25, 2.0], [0.0, 4000.0, 0.0]), grid=1.0)
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


def test_nothing_happens_as_a_simulation_begins():
    """Not even if a rate is set then: the step that ends there lies before it."""
    sim = simulation(n=500, rate=1000.0, grid=1.0)
    sim.set("source", rate=3000.0)
    t, _ = sim.run(1.5).spikes("source")
    assert set(t) == {1.0} and abs(len(t) - 1500) < 4 * np.sqrt(1500)


def test_a_grid_is_set_for_all_sources():
    sim = simulation(n=200, rate=2000.0)
    with pytest.raises(ValueError, match="all sources of a population have one grid"):
        sim.set(sim.network["source"][:3], grid=0.5)
    sim.run(1.25)
    sim.set("source", grid=0.5)
    t, _ = sim.run(2.0).spikes("source")
    assert set(t) == {1.5, 2.0, 2.5, 3.0} and abs(len(t) - 800) < 4 * np.sqrt(800)  # the first step is a whole one
    sim.set("source", grid=0.0)
    assert len(set(sim.run(1.0).spikes("source")[0])) > 300


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
        ([0.1, 0.2], "all sources of a population have one grid"),
    ],
)
def test_grids_that_are_refused(grid, message):
    with pytest.raises(ValueError, match=message):
        es.Poisson(rate=1.0, grid=grid)


@pytest.mark.parametrize("rate", [2e9, [1.0, 2e9], es.Steps([0.0, 1.0], [1.0, 2e9])])
def test_rates_that_are_refused(rate):
    net = es.Network()
    with pytest.raises(ValueError, match=r"Poisson: rate = 2e\+09 Hz is higher than 1e\+09 Hz"):
        net.add("source", 2, es.Poisson(rate=rate))
        es.Simulation(net)


def test_times_so_late_that_events_cannot_be_counted():
    with pytest.raises(ValueError, match=r"Poisson: rate = 20000 Hz is too high at t_start = 1e\+15 ms.*start nearer to 0"):
        es.Simulation(network(rate=2e4), t_start=1e15)
    t, _ = es.Simulation(network(rate=10.0), t_start=1e15).run(1000.0).spikes("source")
    assert 200 < len(t) < 400 and t.min() >= 1e15
    t, _ = es.Simulation(network(rate=2e4), t_start=-1e12).run(1.0).spikes("source")
    assert abs(len(t) - 600) < 4 * np.sqrt(600)
