"""Connection rules: what each promises, exactly where it can be, and what is refused."""

import signal
import threading
import time
from dataclasses import dataclass

import hypothesis.strategies as st
import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given

from eventsim import (
    CSR,
    AllToAll,
    FixedInDegree,
    FixedOutDegree,
    FixedProbability,
    FixedTotalNumber,
    Normal,
    OneToOne,
    Pairs,
    Uniform,
    _core,
    connectivity,
)
from eventsim.connectivity import Rows, build_rows, sort_rows
from eventsim.distributions import Distribution
from eventsim.parallel import Helper, spread


def build(
    rule, n_pre, n_post, *, same=False, pre=None, post=None, weight=1.0, delay=1.5, seed=1, index=0, dtype="float32", threads=1
):
    """Rows that have passed their own check."""
    rows = build_rows(rule, pre, post, n_pre, n_post, same, weight, delay, seed, index, dtype, threads)
    assert len(rows.indptr) == n_pre + 1
    rows.check(n_post)
    return rows


def pairs_of(rows):
    pre, post, _, _ = rows.edges()
    return list(zip(pre.tolist(), post.tolist(), strict=True))


def same_rows(a, b):
    return all(x.dtype == y.dtype and np.array_equal(x, y) for x, y in zip(a, b, strict=True))


@dataclass(frozen=True)
class OnGrid(Distribution):
    """A distribution of a user's own, with steps of 0.1."""

    exact: Distribution

    def draw(self, n, seed, purpose, first_id=0, dtype=np.float64):
        return (0.1 * np.rint(10.0 * self.exact.draw(n, seed, purpose, first_id))).astype(dtype)


booleans = st.booleans()


@st.composite
def random_rules(draw, n_pre, n_post):
    """A rule that can be satisfied even without autapses and multapses."""
    flags = {"autapses": draw(booleans)}
    kind = draw(st.sampled_from([FixedProbability, FixedInDegree, FixedOutDegree, FixedTotalNumber, AllToAll]))
    if kind is AllToAll:
        return AllToAll(**flags)
    if kind is FixedProbability:
        return FixedProbability(draw(st.sampled_from([0.0, 1e-300, 0.02, 0.5, 0.97, 1.0])), **flags)
    most = {FixedInDegree: n_pre - 1, FixedOutDegree: n_post - 1, FixedTotalNumber: (n_pre - 1) * (n_post - 1)}[kind]
    return kind(draw(st.integers(0, most)), multapses=draw(booleans), **flags)


@st.composite
def situations(draw, views=True):
    """(rule, arguments of build): populations of any size, the same or not, whole or views."""
    n_pre = draw(st.integers(2, 60))
    same = draw(booleans)
    n_post = n_pre if same else draw(st.integers(2, 60))
    pre, post = (
        draw(st.none() | st.lists(st.integers(0, n - 1), min_size=2, unique=True).map(np.array)) if views else None
        for n in (n_pre, n_post)
    )
    rule = draw(random_rules(n_pre if pre is None else len(pre), n_post if post is None else len(post)))
    values = st.sampled_from([1.5, Uniform(1.0, 2.0), Normal(1.0, 1.0, low=0.0)])
    return rule, dict(
        n_pre=n_pre, n_post=n_post, same=same, pre=pre, post=post, weight=draw(values), delay=draw(values),
        seed=draw(st.integers(0, 2**64 - 1)), dtype=draw(st.sampled_from(["float32", "float64"])),
    )  # fmt: skip


@given(situations())
def test_every_rule_keeps_its_promises(situation):
    rule, given = situation
    rows = build(rule, **given)
    n_pre, n_post, same = given["n_pre"], given["n_post"], given["same"]
    sources = np.arange(n_pre) if given["pre"] is None else given["pre"]
    targets = np.arange(n_post) if given["post"] is None else given["post"]
    pre, post, _, _ = rows.edges()
    assert np.isin(pre, sources).all() and np.isin(post, targets).all()
    excluded = 0
    if same and not rule.autapses:
        assert not np.any(pre == post)
        excluded = len(np.intersect1d(sources, targets))
    if not getattr(rule, "multapses", False):
        assert len(set(pairs_of(rows))) == len(pre)
    if isinstance(rule, FixedInDegree):
        assert np.all(np.bincount(post, minlength=n_post)[targets] == rule.k)
    if isinstance(rule, FixedOutDegree):
        assert np.all(np.diff(rows.indptr)[sources] == rule.k)
    if isinstance(rule, FixedTotalNumber):
        assert len(pre) == rule.N
    if isinstance(rule, AllToAll) or getattr(rule, "p", None) == 1.0:
        assert len(pre) == len(sources) * len(targets) - excluded
    if getattr(rule, "p", None) == 0.0:
        assert len(pre) == 0


@given(situations())
def test_the_same_seed_gives_the_same_rows(situation):
    rule, given = situation
    assert same_rows(build(rule, **given), build(rule, **given))


@pytest.mark.parametrize("part", [1, 20, 300])
@pytest.mark.parametrize("delay", [Uniform(0.5, 2.0), OnGrid(Uniform(0.5, 2.0)), OnGrid(Uniform(0.5, 40.0))], ids=repr)
def test_threads_change_no_bit(monkeypatch, part, delay):
    """However rows are cut into parts, of a random rule each: 60 times 90 neurons or views of them."""
    pairs = np.random.default_rng(0).integers(0, 40, (2, 3000))
    rules = [AllToAll(False), FixedProbability(0.3), FixedInDegree(30), FixedInDegree(30, multapses=False), FixedOutDegree(30),
             FixedTotalNumber(2000, autapses=False), FixedTotalNumber(2000, multapses=False), Pairs(*pairs)]  # fmt: skip
    ids = np.random.default_rng(1).permutation(90)
    given = [
        dict(n_pre=60, n_post=90),
        dict(n_pre=90, n_post=90, same=True, pre=ids[:60], post=ids[30:]),
    ]
    for rule in rules:
        for situation in given:
            situation = situation | dict(weight=Normal(1.0, 0.1), delay=delay, seed=5)
            once = build(rule, **situation)
            with monkeypatch.context() as patch:
                patch.setattr(connectivity, "PART", part)
                assert same_rows(once, build(rule, **situation, threads=3))


def test_the_first_error_of_a_thread_stops_the_others():
    done, wrong = [], ValueError("part 3")

    def work(part):
        done.append(part)
        if part == 3:
            raise wrong
        time.sleep(1e-3)

    with pytest.raises(ValueError) as caught:
        spread(work, range(1000), 3)
    assert caught.value is wrong and len(done) < 20
    spread(done.append, range(1000), 3)
    assert sorted(done[-1000:]) == list(range(1000))


@pytest.mark.parametrize("rule", [FixedProbability(0.3), FixedInDegree(5), FixedOutDegree(5), FixedTotalNumber(100)], ids=repr)
def test_seed_and_index_of_the_projection_matter(rule):
    builds = [build(rule, 20, 20, seed=s, index=i) for s, i in ((1, 0), (1, 1), (2, 0))]
    assert len({tuple(pairs_of(rows)) for rows in builds}) == 3


# ---- laws


@pytest.mark.parametrize("p", [0.001, 0.1, 0.7])
@pytest.mark.parametrize("autapses", [True, False])
def test_number_of_synapses_with_fixed_probability_is_binomial(p, autapses):
    """Over 30 seeds mean and variance lie within 4 standard errors of those of the binomial distribution."""
    n, runs = 100, 30
    pairs = n * n if autapses else n * (n - 1)
    m = [len(build(FixedProbability(p, autapses), n, n, same=True, seed=s).indices) for s in range(runs)]
    variance = pairs * p * (1 - p)
    assert abs(np.mean(m) - pairs * p) < 4 * np.sqrt(variance / runs)
    assert abs(np.var(m, ddof=1) / variance - 1) < 4 * np.sqrt(2 / (runs - 1))


@pytest.mark.parametrize(
    "rule, each",
    [
        (FixedProbability(0.3, autapses=False), 0.3),
        (FixedProbability(0.9, autapses=False), 0.9),
        (FixedInDegree(1, autapses=False, multapses=False), None),
        (FixedInDegree(3, autapses=False), None),
        (FixedOutDegree(1, autapses=False, multapses=False), None),
        (FixedOutDegree(3, autapses=False, multapses=False), None),
        (FixedOutDegree(3, autapses=False), None),
        (FixedTotalNumber(4, autapses=False, multapses=False), 4 / 14),
        (FixedTotalNumber(11, autapses=False, multapses=False), 11 / 14),
        (FixedTotalNumber(11, autapses=False), 11 / 14),
    ],
    ids=repr,
)
def test_all_admissible_pairs_are_alike(rule, each):
    """Views that overlap in part, so that rows differ in length: 2000 seeds, every mean within 5 standard errors."""
    pre, post, runs = np.array([1, 2, 3, 5]), np.array([2, 3, 4, 6]), 2000
    counts = np.zeros((8, 8))
    for seed in range(runs):
        i, j, _, _ = build(rule, 8, 8, same=True, pre=pre, post=post, seed=seed).edges()
        np.add.at(counts, (i, j), 1)
    admissible = np.zeros((8, 8), bool)
    admissible[np.ix_(pre, post)] = True
    np.fill_diagonal(admissible, False)
    assert not counts[~admissible].any()
    if each is not None:
        expected = np.where(admissible, each, 0.0)
    else:
        along = 0 if isinstance(rule, FixedInDegree) else 1
        expected = np.where(admissible, rule.k / np.maximum(admissible.sum(along, keepdims=True), 1), 0.0)
    assert np.all(np.abs(counts / runs - expected) <= 5 * np.sqrt(np.maximum(expected, 0.2) / runs) * admissible)


@pytest.mark.parametrize("N", [2, 4])
def test_all_sets_of_pairs_are_alike(N):
    """Without multapses each of the 15 sets of 2 (or 4, drawn by what is left out) of 6 pairs: chi-square, 14 degrees."""
    sets, runs = {}, 3000
    for seed in range(runs):
        key = tuple(pairs_of(build(FixedTotalNumber(N, multapses=False), 3, 2, seed=seed)))
        sets[key] = sets.get(key, 0) + 1
    assert len(sets) == 15
    assert sum((c - runs / 15) ** 2 / (runs / 15) for c in sets.values()) < 36.1  # exceeded once in a thousand


# ---- independence


@given(cut=st.integers(1, 39), autapses=booleans, rule=st.sampled_from(["p", "k", "k distinct", "k dense"]))
def test_a_row_does_not_depend_on_other_sources(cut, autapses, rule):
    make = {
        "p": FixedProbability(0.2, autapses),
        "k": FixedOutDegree(7, autapses),
        "k distinct": FixedOutDegree(7, autapses, multapses=False),
        "k dense": FixedOutDegree(25, autapses, multapses=False),
    }[rule]
    whole, part = build(make, 40, 30, same=False), build(make, cut, 30, same=False)
    assert len(part.indices) and np.array_equal(whole.indices[: len(part.indices)], part.indices)


@given(cut=st.integers(1, 29), multapses=booleans)
def test_a_column_does_not_depend_on_other_targets(cut, multapses):
    rule = FixedInDegree(9, multapses=multapses)
    assert [p for p in pairs_of(build(rule, 40, 30)) if p[1] < cut] == pairs_of(build(rule, 40, cut))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_drawn_values_belong_to_synapses_in_order_of_source_and_target(dtype):
    weight, delay = Normal(1.0, 0.1), Uniform(1.0, 2.0)
    rows = build(FixedOutDegree(50), 20, 30, weight=weight, delay=delay, seed=9, index=3, dtype=dtype)
    plain = build(FixedOutDegree(50), 20, 30, seed=9, index=3)
    m = len(plain.indices)
    w, d = (v.draw(m, 9, kind << 32 | 3, dtype=dtype) for kind, v in ((2, weight), (3, delay)))
    pre, post, _, _ = plain.edges()
    order = np.lexsort((np.arange(m), post, d, pre))
    assert len(set(pairs_of(plain))) < m, "needs multapses"
    assert rows.weight.dtype == rows.delay.dtype == dtype
    for mine, expected in zip(rows.edges(), (pre, post, w, d), strict=True):
        assert np.array_equal(mine, expected[order])


# ---- explicit pairs


@st.composite
def explicit(draw):
    n_pre, n_post, m = draw(st.integers(1, 5)), draw(st.integers(1, 50)), draw(st.integers(2, 300))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    delays = draw(st.sampled_from([[0.0, -0.0, 1.5, 2.0], [0.1, 0.3, 1e-300, 1e300], rng.random(m)]))
    return n_pre, n_post, rng.integers(0, n_pre, m), rng.integers(0, n_post, m), rng.normal(size=m), rng.choice(delays, m)


def sorted_edges(pre, post, weight, delay, dtype=np.float64):
    """The documented order, by numpy."""
    order = np.lexsort((np.arange(len(pre)), post, delay, pre))
    return pre[order], post[order], weight[order].astype(dtype), delay[order]


@given(explicit(), st.sampled_from(["float32", "float64"]))
def test_pairs_keep_every_synapse_with_its_weight_and_delay(given, dtype):
    n_pre, n_post, pre, post, weight, delay = given
    rows = build(Pairs(pre, post), n_pre, n_post, weight=weight, delay=delay, dtype=dtype)
    for mine, expected in zip(rows.edges(), sorted_edges(pre, post, weight, delay, dtype), strict=True):
        assert np.array_equal(mine, expected)


@given(explicit())
def test_rows_and_pairs_agree(given):
    n_pre, n_post, pre, post, weight, delay = given
    order = np.argsort(pre, kind="stable")
    indptr = np.searchsorted(pre[order], np.arange(n_pre + 1))
    csr = CSR(indptr, post[order])
    expected = build(Pairs(pre, post), n_pre, n_post, weight=weight, delay=delay)
    assert same_rows(build(csr, n_pre, n_post, weight=weight[order], delay=delay[order]), expected)
    ids = np.random.default_rng(0).permutation(n_pre)  # a view: rows belong to places in it
    rows = build(csr, n_pre, n_post, pre=ids, weight=weight[order], delay=delay[order])
    assert same_rows(rows, build(Pairs(ids[pre], post), n_pre, n_post, weight=weight, delay=delay))


@given(st.integers(0, 2**32), st.integers(1, 200))
def test_the_order_of_distinct_pairs_does_not_matter(seed, m):
    rng = np.random.default_rng(seed)
    pre, post = np.divmod(rng.choice(400, m, replace=False), 20)
    weight, delay, shuffle = rng.normal(size=m), rng.choice([1.0, 1.1, 2.0], m), rng.permutation(m)
    a = build(Pairs(pre, post), 20, 20, weight=weight, delay=delay)
    b = build(Pairs(pre[shuffle], post[shuffle]), 20, 20, weight=weight[shuffle], delay=delay[shuffle])
    assert same_rows(a, b)


def test_parallel_synapses_stay_apart_in_order_of_creation():
    rows = build(Pairs([0, 0, 0, 0], [1, 1, 0, 1]), 1, 2, weight=[3.0, 1.0, 5.0, 2.0], delay=[2.0, 2.0, 2.0, 1.0])
    assert rows.indices.tolist() == [1, 0, 1, 1] and rows.weight.tolist() == [2.0, 5.0, 3.0, 1.0]


def test_pairs_are_places_in_views():
    rows = build(Pairs([0, 1, 1], [0, 0, 1]), 10, 10, pre=np.array([7, 3]), post=np.array([5, 2]), weight=[1.0, 2.0, 3.0])
    assert pairs_of(rows) == [(3, 2), (3, 5), (7, 5)] and rows.weight.tolist() == [3.0, 2.0, 1.0]


def test_one_to_one():
    assert pairs_of(build(OneToOne(), 4, 4)) == [(k, k) for k in range(4)]
    rows = build(OneToOne(), 9, 9, pre=np.array([8, 0, 0]), post=np.array([1, 3, 2]), weight=[1.0, 2.0, 3.0])
    assert pairs_of(rows) == [(0, 2), (0, 3), (8, 1)] and rows.weight.tolist() == [3.0, 2.0, 1.0]


def test_all_to_all_takes_arrays_in_row_major_order():
    weight = np.arange(6.0)
    assert build(AllToAll(), 2, 3, weight=weight).weight.tolist() == weight.tolist()
    rows = build(AllToAll(), 5, 5, pre=np.array([4, 1]), post=np.array([3, 0, 2]), weight=weight)
    assert pairs_of(rows) == [(1, 0), (1, 2), (1, 3), (4, 0), (4, 2), (4, 3)]
    assert rows.weight.tolist() == [4.0, 5.0, 3.0, 1.0, 2.0, 0.0]
    rows = build(AllToAll(autapses=False), 3, 3, same=True, pre=np.array([2, 1]), weight=np.arange(4.0))
    assert pairs_of(rows) == [(1, 0), (1, 2), (2, 0), (2, 1)] and rows.weight.tolist() == [2.0, 3.0, 0.0, 1.0]


# ---- sparse matrices

row, column, data = np.array([1, 0, 1, 1, 0]), np.array([2, 0, 2, 0, 1]), np.array([1.0, 2.0, 3.0, 0.0, 5.0])


@pytest.mark.parametrize("kind", [sp.coo_matrix, sp.coo_array])
def test_a_coo_matrix_keeps_repeated_entries_and_zeros(kind):
    rows = build(CSR(kind((data, (row, column)), (2, 3))), 2, 3, weight=None)
    assert pairs_of(rows) == [(0, 0), (0, 1), (1, 0), (1, 2), (1, 2)] and rows.weight.tolist() == [2.0, 5.0, 0.0, 1.0, 3.0]


@pytest.mark.parametrize("form", ["csr", "csc", "coo", "lil", "dok", "bsr", "dia"])
def test_every_format_gives_the_same_rows(form):
    rng = np.random.default_rng(0)
    dense = np.where(rng.random((7, 9)) < 0.3, rng.normal(size=(7, 9)), 0.0)
    rows = build(CSR(sp.csr_matrix(dense).asformat(form)), 7, 9, weight=None, dtype="float64")
    assert np.count_nonzero(dense) > 10
    assert np.array_equal(sp.csr_array((rows.weight, rows.indices, rows.indptr), (7, 9)).toarray(), dense)


def test_a_weight_given_replaces_the_data():
    matrix = sp.csr_matrix((data, (row, column)), (2, 3))
    assert build(CSR(matrix), 2, 3, weight=7.0).weight.tolist() == [7.0]
    assert build(CSR(matrix.astype(bool)), 2, 3, weight=None).weight.tolist() == [1.0]


def test_surplus_room_of_a_csr_matrix_is_ignored():
    matrix = sp.csr_matrix((2, 3))
    matrix.indptr, matrix.indices, matrix.data = np.array([0, 1, 2]), np.array([2, 1, 0, 0]), np.array([1.0, 2.0, 9.0, 9.0])
    assert pairs_of(build(CSR(matrix), 2, 3, weight=None)) == [(0, 2), (1, 1)]


# ---- storage


def test_scalars_take_no_memory_and_lose_nothing():
    rows = build(FixedInDegree(10), 100, 100, weight=0.1, delay=0.3)
    assert rows.weight.tolist() == [0.1] and rows.delay.tolist() == [0.3]
    assert rows.weight.dtype == rows.delay.dtype == np.float64
    assert rows.indices.nbytes == 4 * 1000


@pytest.mark.parametrize("delay, dtype", [([1.5, 0.25], np.float32), ([1.5, 0.1], np.float64), ([1e300, 0.5], np.float64)])
def test_delays_are_kept_exactly(delay, dtype):
    rows = build(Pairs([0, 1], [0, 0]), 2, 1, delay=delay, weight=[0.1, 0.2])
    assert rows.delay.tolist() == delay and rows.delay.dtype == dtype
    assert rows.weight.dtype == np.float32


def test_drawn_at_most_twelve_bytes_a_synapse():
    rows = build(FixedOutDegree(500), 100, 1000, weight=Normal(1.0, 0.1), delay=Uniform(1.0, 2.0))
    assert sum(a.nbytes for a in rows) - rows.indptr.nbytes == 12 * 50_000


@pytest.mark.parametrize(
    "m, d, dtype",
    [
        (1028, 256, np.uint8),
        (1028, 257, np.uint16),
        (1027, 257, np.float64),
        (4 * 65536, 65536, np.uint16),
        (4 * 65537, 65537, np.float64),
    ],
)
def test_few_delays_are_coded_if_that_saves_memory(m, d, dtype):
    delay = 0.1 * (np.arange(m) % d)
    rows = build(Pairs(np.arange(m) % 3, np.zeros(m, int)), 3, 1, delay=delay)
    assert rows.delay.dtype == dtype and len(rows.table) == (0 if dtype == np.float64 else d)
    assert rows.delay.nbytes + rows.table.nbytes <= (8 if dtype == np.float64 else 4) * m
    pre, _, _, mine = rows.edges()
    assert all(np.array_equal(mine[pre == k], np.sort(delay[k::3])) for k in range(3))


def test_delays_drawn_on_a_grid_are_coded_and_not_rounded():
    """...whatever order they come in, in parts of different rows: 400,000 synapses."""
    rule, delay = FixedOutDegree(100), OnGrid(Normal(1.5, 0.75, low=0.1))
    rows = build(rule, 4000, 50, weight=Normal(1.0, 0.1), delay=delay, seed=7)
    assert sum(a.nbytes for a in rows) - rows.indptr.nbytes - rows.table.nbytes == 9 * 400_000
    drawn = delay.draw(400_000, 7, 3 << 32).reshape(4000, 100)
    assert np.array_equal(rows.edges()[3].reshape(4000, 100), np.sort(drawn)) and 20 < len(rows.table) < 100


@given(explicit())
def test_new_delays_reorder_rows(given):
    n_pre, n_post, pre, post, weight, delay = given
    rows = build(Pairs(pre, post), n_pre, n_post, weight=weight, delay=1.0, dtype="float64")
    before = [np.array(a) for a in rows]
    new = sort_rows(*rows[:3], delay)
    new.check(n_post)
    pre, post, weight, _ = rows.edges()
    for mine, expected in zip(new.edges(), sorted_edges(pre, post, weight, delay), strict=True):
        assert np.array_equal(mine, expected)
    assert same_rows(rows, before), "the rows in use must not change"


def test_the_descriptions_keep_copies():
    pre, post, indptr = np.array([0, 1]), np.array([1, 0]), np.array([0, 1, 2])
    pairs, csr = Pairs(pre, post), CSR(indptr, post)
    pre[:], post[:], indptr[:] = 5, 5, 5
    assert pairs.pre.tolist() == [0, 1] and pairs.post.tolist() == [1, 0]
    assert csr.indptr.tolist() == [0, 1, 2] and csr.indices.tolist() == [1, 0]


good = Rows(np.array([0, 2, 3]), np.array([0, 1, 0], np.int32), np.ones(1), np.array([1, 2, 1], np.float32))
coded = good._replace(delay=np.array([0, 1, 0], np.uint8), table=np.array([1.0, 2.0]))


@pytest.mark.parametrize(
    "broken, message",
    [
        (good._replace(indptr=good.indptr.astype(np.int32)), "indptr is int64"),
        (good._replace(indptr=np.array([0, 2, 4])), "indptr runs from 0 to m"),
        (good._replace(indptr=np.array([0, 4, 3])), "indptr does not fall"),
        (good._replace(indices=good.indices + np.int32(1)), "targets exist"),
        (good._replace(indices=good.indices.astype(np.int64)), "indices is int32"),
        (good._replace(weight=np.ones(2)), "weight has length m or 1"),
        (good._replace(weight=np.ones(1, np.float32)), "weight is a float64 for all, floats or codes"),
        (good._replace(weight=np.array([np.inf])), "weight is contiguous and finite"),
        (good._replace(delay=-good.delay), "delay >= 0"),
        (good._replace(delay=good.delay[::-1].copy()[[1, 0, 2]]), "sorted by delay, then target"),
        (coded._replace(delay=coded.delay.astype(np.uint16)), "delay is a float64 for all, floats or codes"),
        (coded._replace(table=np.array([1.0, 2.0, 3.0])), "the table holds the codes, ascending"),
        (coded._replace(table=np.array([2.0, 1.0])), "the table holds the codes, ascending"),
        (coded._replace(table=np.array([-1.0, 2.0])), "delay >= 0"),
        (coded._replace(delay=np.array([1, 0, 0], np.uint8)), "sorted by delay, then target"),
    ],
)
def test_the_check_finds_what_is_wrong(broken, message):
    good.check(2)
    coded.check(2)
    with pytest.raises(AssertionError) as caught:
        broken.check(2)
    assert message in str(caught.value)


# ---- what is refused


@pytest.mark.parametrize(
    "make, error, message",
    [
        (lambda: FixedProbability(1.5), ValueError, "FixedProbability: p = 1.5 must be between 0 and 1"),
        (lambda: FixedProbability(np.nan), ValueError, "FixedProbability: p = nan must be between 0 and 1"),
        (lambda: FixedProbability(0.1, autapses=1), TypeError, "FixedProbability: autapses = 1 must be True or False"),
        (lambda: FixedInDegree(-1), ValueError, "FixedInDegree: k = -1 must be >= 0"),
        (lambda: FixedInDegree(2.0), TypeError, "FixedInDegree: k = 2.0 has type float; it must be an integer"),
        (lambda: FixedOutDegree(True), TypeError, "FixedOutDegree: k = True has type bool; it must be an integer"),
        (lambda: FixedOutDegree(10**30), ValueError, f"FixedOutDegree: k = {10**30} is too large"),
        (lambda: FixedTotalNumber([3]), TypeError, "FixedTotalNumber: N is an array of shape (1,); it must be one integer"),
        (lambda: Pairs([0, 1], [0]), ValueError, "Pairs: pre has 2 values and post 1; they must be of one length"),
        (lambda: Pairs([0, -1], [0, 0]), ValueError, "Pairs: pre[1] = -1 must be between 0 and 2147483647"),
        (lambda: Pairs([0], np.array([2**40])), ValueError, f"Pairs: post[0] = {2**40} must be between 0 and 2147483647"),
        (lambda: Pairs([0.0], [0]), TypeError, "Pairs: pre has type array of float64; it must be an array of integers"),
        (lambda: Pairs([True], [0]), TypeError, "Pairs: pre has type array of bool; it must be an array of integers"),
        (lambda: Pairs(["a"], [0]), TypeError, "Pairs: pre has type array of <U1; it must be an array of integers"),
        (lambda: Pairs([[0]], [0]), ValueError, "Pairs: pre has shape (1, 1); give a one-dimensional array"),
        (lambda: Pairs([0, [1]], [0, 0]), ValueError, "Pairs: pre is not an array of integers"),
        (lambda: CSR([0, 1], [0, 1]), ValueError, "CSR: indptr runs from 0 to 1; it must run from 0 to the number of indices, 2"),
        (lambda: CSR([0, 2, 1, 2], [0, 1]), ValueError, "CSR: indptr[2] = 1 must not be less than indptr[1] = 2"),
        (lambda: CSR([], []), ValueError, "CSR: indptr runs from None to None"),
        (lambda: CSR(sp.csr_matrix((2, 2)), [0]), TypeError, "CSR: indices must not be given with a sparse matrix"),
        (lambda: CSR([0]), TypeError, "CSR: indices = None has type NoneType; it must be an array of integers"),
        (lambda: CSR(sp.csr_matrix([[1j]])), TypeError, "CSR: data has type array of complex128"),
        (lambda: CSR(sp.csr_matrix([[np.nan]])), ValueError, "CSR: data[0] = nan must be finite"),
    ],
)
def test_rules_refuse(make, error, message):
    with pytest.raises(error) as caught:
        make()
    assert message in str(caught.value)


three = np.array([1, 2, 1])


@pytest.mark.parametrize(
    "rule, given, error, message",
    [
        (OneToOne(), {}, ValueError, "OneToOne: 4 sources and 3 targets; both must be of one size"),
        (Pairs([4], [0]), {}, ValueError, "Pairs: pre[0] = 4 must be less than the number of sources, 4"),
        (Pairs([0], [3]), {}, ValueError, "Pairs: post[0] = 3 must be less than the number of targets, 3"),
        (CSR([0, 1], [0]), {}, ValueError, "CSR: indptr has 2 values for 4 sources; it must have 5"),
        (CSR([0, 1, 1, 1, 1], [3]), {}, ValueError, "CSR: indices[0] = 3 must be less than the number of targets, 3"),
        (CSR(sp.csr_matrix((4, 5))), {}, ValueError, "CSR: the matrix has 5 columns for 3 targets; their numbers must agree"),
        (FixedInDegree(5, multapses=False), {}, ValueError,
         "FixedInDegree: k = 5, but there are only 4 sources for each target; reduce k or allow multapses"),
        (FixedOutDegree(3, autapses=False, multapses=False), {"n_pre": 3, "same": True}, ValueError,
         "FixedOutDegree: k = 3, but there are only 2 targets for each source; reduce k or allow multapses"),
        (FixedTotalNumber(13, multapses=False), {}, ValueError,
         "FixedTotalNumber: N = 13, but there are only 12 pairs; reduce N or allow multapses"),
        (FixedTotalNumber(1, autapses=False), {"n_pre": 1, "n_post": 1, "same": True}, ValueError,
         "FixedTotalNumber: N = 1, but there are only 0 pairs; connect more neurons or allow autapses"),
        (FixedInDegree(1), {"pre": three}, ValueError, "pre contains neuron 1 more than once; list it once, or use Pairs"),
        (FixedProbability(0.5), {"weight": np.ones(6)}, ValueError, "weight is an array of 6 values, but a random rule makes"),
        (FixedInDegree(2), {"delay": [1.0, 2.0]}, ValueError, "sim.set(projection, delay=...)"),
        (Pairs([0, 1], [0, 1]), {"weight": [1.0, 2.0, 3.0]}, ValueError, "weight has 3 values; give one number or 2 values"),
        (Pairs([0, 1], [0, 1]), {"weight": [1.0, np.nan]}, ValueError, "Pairs: weight[1] = nan must be finite"),
        (Pairs([0, 1], [0, 1]), {"weight": [1.0, -1e300]}, ValueError, "Pairs: weight[1] = -1e+300 is too large for float32; "),
        (AllToAll(), {"delay": -1.0}, ValueError, "AllToAll: delay = -1.0 must be finite and >= 0"),
        (AllToAll(), {"delay": np.inf}, ValueError, "AllToAll: delay = inf must be finite and >= 0"),
        (AllToAll(), {"weight": "1"}, TypeError, "AllToAll: weight = '1' has type str"),
        (AllToAll(), {"delay": Normal(0.0, 1.0)}, ValueError, "must be >= 0; give the distribution a range, low and high"),
        (AllToAll(), {"weight": Normal(1e39, 1.0)}, ValueError, "weight drawn from inf to inf must be finite"),
    ],
    ids=repr,
)  # fmt: skip
def test_building_refuses(rule, given, error, message):
    with pytest.raises(error) as caught:
        build(rule, **{"n_pre": 4, "n_post": 3} | given)
    assert message in str(caught.value)


@pytest.mark.parametrize("rule", [AllToAll(), FixedProbability(0.5), FixedInDegree(10**8), FixedTotalNumber(2**62)], ids=repr)
def test_absurd_requests_are_refused_at_once(rule):
    start = time.perf_counter()
    with pytest.raises(MemoryError) as caught:
        build(rule, 10**9, 10**9, weight=Normal(1.0, 0.1))
    assert time.perf_counter() - start < 1.0
    assert repr(rule) in str(caught.value) and "GiB, more than this machine can give" in str(caught.value)
    assert "from 1000000000 to 1000000000 neurons" in str(caught.value)


def test_nothing_connects_nothing():
    for rule in (AllToAll(), FixedProbability(0.5), FixedInDegree(0), FixedOutDegree(0), FixedTotalNumber(0), Pairs([], [])):
        for n_pre, n_post in ((3, 4), (0, 4), (3, 0), (0, 0)):
            if n_pre * n_post == 0 or rule not in (AllToAll(), FixedProbability(0.5)):
                rows = build(rule, n_pre, n_post, weight=Uniform(0, 1), delay=Uniform(0, 1))
                assert len(rows.indices) == len(rows.weight) == len(rows.delay) == 0


# ---- long constructions


class Alarm(Exception):
    pass


@pytest.fixture
def alarm():
    """Raises Alarm in the main thread after 50 ms, as Ctrl-C would raise KeyboardInterrupt."""

    def ring(*_):
        raise Alarm

    before = signal.signal(signal.SIGALRM, ring)
    yield lambda: signal.setitimer(signal.ITIMER_REAL, 0.05)
    signal.setitimer(signal.ITIMER_REAL, 0.0)
    signal.signal(signal.SIGALRM, before)


n = 300_000


@pytest.mark.parametrize(
    "work",
    [
        lambda: _core.probability_rows(0.01, n, np.full(n, n, np.int32), 1, 1, 0, np.zeros(n + 1, np.int64), None),
        lambda: _core.chosen_columns(3000, n, np.full(n, n, np.int32), True, 1, 1, 0, np.zeros(n, np.int64), None),
        lambda: _core.shared_out(10**9, n, np.full(n, n, np.int32), True, 1, 1, 0, 10**9, np.zeros(n, np.int64)),
        lambda: build(FixedOutDegree(1000), n, n),
        lambda: build(FixedOutDegree(1000), n, n, threads=3),
        lambda: build(FixedInDegree(1000), n, n, threads=3),
        lambda: Normal(0.0, 1.0).draw(300_000_000, 1, 1, dtype=np.float32),
    ],
    ids=["probability", "in-degree", "total", "out-degree", "threads", "threads in-degree", "draw"],
)
def test_construction_can_be_interrupted(work, alarm):
    start = time.perf_counter()
    alarm()
    with pytest.raises(Alarm):
        work()
    assert time.perf_counter() - start < 1.0
    assert not any(isinstance(thread, Helper) for thread in threading.enumerate())


@pytest.mark.huge
def test_more_than_two_to_the_31_synapses():
    """9 GB: positions must not overflow."""
    rows = build_rows(FixedOutDegree(31_000), None, None, 70_000, 70_000, False, 1.0, 1.0, 1, 0, "float32")
    assert len(rows.indices) == rows.indptr[-1] == 2_170_000_000 > 2**31
    last = rows.indices[-31_000:]
    assert np.all(np.diff(last) >= 0) and 0 <= last[0] < 100 and 69_900 < last[-1] < 70_000
