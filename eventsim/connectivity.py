"""Connection rules, and how they become rows of synapses.

A rule says which neurons are connected; `build_rows` gives the rows of one projection: row = source, sorted by delay, then
target, then order of creation. What is drawn depends on the seed and on the neurons or synapses concerned alone, see
``ext/random.pxi``. Parallel synapses are kept, never summed.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from . import _core, check
from .distributions import Distribution
from .parallel import Lent, spread

TOPOLOGY, WEIGHT, DELAY = 1, 2, 3  # kinds of random numbers, see ext/random.pxi
PART = 1 << 17  # synapses drawn, coded and sorted at a time: what is needed for it meanwhile fits into the cache


class Rows(NamedTuple):
    """The synapses of a projection.

    Attributes
    ----------
    indptr : (n_pre + 1,) int64, row i is indptr[i]:indptr[i + 1]
    indices : (m,) int32, targets
    weight : (m,) float32 or float64, or (1,) float64 for all synapses
    delay : (m,) float32 or float64, or (1,) float64 for all synapses [ms]; or (m,) uint8 or uint16, places in `table`
    table : (d,) float64, ascending: the different delays, where `delay` holds codes; else empty
    """

    indptr: np.ndarray
    indices: np.ndarray
    weight: np.ndarray
    delay: np.ndarray
    table: np.ndarray = _core.NO_TABLE

    def edges(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Sources, targets, weights and delays of all synapses, in row order, (m,) each."""
        m = len(self.indices)
        pre = np.repeat(np.arange(len(self.indptr) - 1), np.diff(self.indptr))
        delay = self.table[self.delay] if len(self.table) else self.delay
        return pre, self.indices, np.broadcast_to(self.weight, m), np.broadcast_to(delay, m)

    def check(self, n_post: int | None = None) -> None:
        """Raise AssertionError unless every invariant holds."""
        m = len(self.indices)
        facts = {
            "indptr is int64": self.indptr.dtype == np.int64,
            "indptr runs from 0 to m": self.indptr[0] == 0 and self.indptr[-1] == m,
            "indptr does not fall": bool(np.all(np.diff(self.indptr) >= 0)),
            "indices is int32": self.indices.dtype == np.int32,
            "targets exist": m == 0 or (self.indices.min() >= 0 and (n_post is None or self.indices.max() < n_post)),
        }
        floats, d = (np.float32, np.float64), len(self.table)
        for name, values, each in (
            ("weight", self.weight, floats),
            ("delay", self.delay, floats if d == 0 else (np.uint8,) if d <= 256 else (np.uint16,)),
        ):
            facts[f"{name} has length m or 1"] = values.shape in ((m,), (1,))
            facts[f"{name} is a float64 for all, floats or codes"] = values.dtype in (
                each if values.shape == (m,) else (np.float64,)
            )
            facts[f"{name} is contiguous and finite"] = values.flags.c_contiguous and bool(np.all(np.isfinite(values)))
        facts["the table holds the codes, ascending"] = not d or (
            np.array_equal(np.unique(self.delay), np.arange(d)) and bool(np.all(np.diff(self.table) > 0))
        )
        if all(facts.values()):
            pre, post, _, delay = self.edges()
            facts["delay >= 0"] = bool(np.all(delay >= 0))
            facts["sorted by delay, then target"] = np.array_equal(np.lexsort((np.arange(m), post, delay, pre)), np.arange(m))
        wrong = [fact for fact, holds in facts.items() if not holds]
        if wrong:
            raise AssertionError(f"Rows: not so: {'; '.join(wrong)}; {self!r}")


class Part(NamedTuple):
    """Some rows: they themselves, where they start (and the last one ends) in indptr, and where their synapses are."""

    rows: slice
    starts: slice
    synapses: slice


class Topology(NamedTuple):
    """Rows without values: targets in ascending order; order[k] is the place of synapse k among those given (None: k)."""

    indptr: np.ndarray
    indices: np.ndarray
    order: np.ndarray | None = None

    def parts(self, least: int = 0) -> list[Part]:
        """All rows that have synapses, cut where PART of these, and at least `least`, have come together."""
        indptr, m = self.indptr, len(self.indices)
        cuts = np.unique(np.searchsorted(indptr, [*range(0, m, max(PART, least)), m])).tolist()
        return [Part(slice(a, b), slice(a, b + 1), slice(int(indptr[a]), int(indptr[b]))) for a, b in pairwise(cuts)]


class Ends(NamedTuple):
    """What a projection connects: local ids (None: all) of populations of n_pre and n_post neurons; the same one?"""

    pre_ids: np.ndarray | None
    post_ids: np.ndarray | None
    n_pre: int
    n_post: int
    same: bool

    def sizes(self) -> tuple[int, int]:
        """How many neurons are connected on either side."""
        return (
            self.n_pre if self.pre_ids is None else len(self.pre_ids),
            self.n_post if self.post_ids is None else len(self.post_ids),
        )

    def all_ids(self) -> tuple[np.ndarray, np.ndarray]:
        """Local ids of sources and targets as arrays."""
        return (
            np.arange(self.n_pre) if self.pre_ids is None else self.pre_ids,
            np.arange(self.n_post) if self.post_ids is None else self.post_ids,
        )

    def ascending(self) -> Ends:
        """The same neurons in ascending order."""
        return self._replace(
            pre_ids=None if self.pre_ids is None else np.sort(self.pre_ids),
            post_ids=None if self.post_ids is None else np.sort(self.post_ids),
        )

    def is_ascending(self) -> bool:
        """Are the ids strictly ascending?"""
        return all(ids is None or bool(np.all(np.diff(ids) > 0)) for ids in (self.pre_ids, self.post_ids))

    def swapped(self) -> Ends:
        """Targets as sources."""
        return Ends(self.post_ids, self.pre_ids, self.n_post, self.n_pre, self.same)

    def skipped(self, autapses: bool) -> np.ndarray:
        """For each source its own place among the targets, where it must not connect to itself; else their number."""
        n_pre, n_post = self.sizes()
        if autapses or not self.same:
            return np.full(n_pre, n_post, np.int32)
        pre, post = self.all_ids()
        place = np.searchsorted(post, pre)
        found = np.append(post, -1)[place] == pre
        return np.where(found, place, n_post).astype(np.int32)

    def autapses(self) -> int:
        """How many of the pairs are of a neuron with itself."""
        if not self.same:
            return 0
        if self.pre_ids is None and self.post_ids is None:
            return self.n_pre
        return len(np.intersect1d(*self.all_ids()))

    def placed(self, counts: np.ndarray, indices: np.ndarray) -> Topology:
        """Rows of chosen sources and targets (ascending, by place) as rows of the populations."""
        if self.pre_ids is not None:
            whole = np.zeros(self.n_pre, np.int64)
            whole[self.pre_ids] = counts
            counts = whole
        topology = Topology(_starts(counts), indices)
        if self.post_ids is not None:
            ids = self.post_ids.astype(np.int32)
            for part in topology.parts():
                indices[part.synapses] = ids[indices[part.synapses]]
        return topology


class Rule:
    """Base of the connection rules: frozen descriptions that connect nothing until a network is built."""

    #: the weights that come with the rule
    default_weight: float | np.ndarray = 1.0
    #: is the number of synapses known, and their order, so that weights and delays may be arrays?
    explicit = True

    def expected(self, ends: Ends) -> float:
        """How many synapses to expect."""
        raise NotImplementedError

    def topology(self, ends: Ends, seed: int, purpose: int, threads: int) -> Topology:
        """Who is connected to whom."""
        raise NotImplementedError

    def _check(self, **kinds: str) -> None:
        """Make the fields values of these kinds."""
        name = type(self).__name__
        for field, kind in kinds.items():
            value = getattr(self, field)
            if kind == "flag":
                value = check.flag(name, field, value)
            elif kind == "count":
                value = check.count(name, field, value)
            else:
                value = check.number(name, field, value, kind)
            object.__setattr__(self, field, value)


@dataclass(frozen=True)
class AllToAll(Rule):
    """Every source to every target.

    Parameters
    ----------
    autapses : may a neuron connect to itself?

    Notes
    -----
    Arrays of weights and delays are in row-major order of (source, target), excluded autapses left out.
    """

    autapses: bool = True

    def __post_init__(self) -> None:
        self._check(autapses="flag")

    def expected(self, ends: Ends) -> float:
        n_pre, n_post = ends.sizes()
        return n_pre * n_post - (0 if self.autapses else ends.autapses())

    def topology(self, ends: Ends, seed: int, purpose: int, threads: int) -> Topology:
        if ends.is_ascending():
            skipped = ends.skipped(self.autapses)
            n_post = ends.sizes()[1]
            return _chosen(ends, n_post - (skipped < n_post), skipped, False, seed, purpose, threads)
        pre, post = ends.all_ids()
        pre, post = np.repeat(pre, len(post)), np.tile(post, len(pre))
        keep = slice(None) if self.autapses or not ends.same else pre != post
        return _from_pairs(pre[keep], post[keep], ends.n_pre, threads)


@dataclass(frozen=True)
class OneToOne(Rule):
    """The k-th source to the k-th target."""

    def expected(self, ends: Ends) -> float:
        n_pre, n_post = ends.sizes()
        if n_pre != n_post:
            raise ValueError(f"OneToOne: {n_pre} sources and {n_post} targets; both must be of one size")
        return n_pre

    def topology(self, ends: Ends, seed: int, purpose: int, threads: int) -> Topology:
        return _from_pairs(*ends.all_ids(), ends.n_pre, threads)


@dataclass(frozen=True)
class FixedProbability(Rule):
    """Every pair with probability p, independently.

    Parameters
    ----------
    p : probability
    autapses : may a neuron connect to itself?
    """

    p: float
    autapses: bool = True
    explicit = False

    def __post_init__(self) -> None:
        self._check(p="probability", autapses="flag")

    def expected(self, ends: Ends) -> float:
        return self.p * AllToAll(self.autapses).expected(ends)

    def topology(self, ends: Ends, seed: int, purpose: int, threads: int) -> Topology:
        ends = _distinct(self, ends)
        n_pre, n_post = ends.sizes()
        skipped = ends.skipped(self.autapses)
        if self.p in (0.0, 1.0):
            return _chosen(ends, int(self.p) * (n_post - (skipped < n_post)), skipped, False, seed, purpose, threads)
        indptr = np.zeros(n_pre + 1, np.int64)

        def draw(rows: range, indices: np.ndarray | None) -> None:
            a, b = rows.start, rows.stop
            _core.probability_rows(self.p, n_post, skipped[a:b], seed, purpose, a, indptr[a : b + 1], indices)

        rows = _ranges(n_pre, int(PART / max(1.0, self.p * n_post)))
        spread(lambda part: draw(part, None), rows, threads)
        counts = indptr[1:].copy()
        np.cumsum(indptr, out=indptr)
        indices = np.empty(indptr[-1], np.int32)
        spread(lambda part: draw(part, indices), rows, threads)
        return ends.placed(counts, indices)


@dataclass(frozen=True)
class FixedInDegree(Rule):
    """k sources for every target, chosen at random.

    Parameters
    ----------
    k : number of synapses of each target
    autapses : may a neuron connect to itself?
    multapses : may a pair be connected more than once?
    """

    k: int
    autapses: bool = True
    multapses: bool = True
    explicit = False

    def __post_init__(self) -> None:
        self._check(k="count", autapses="flag", multapses="flag")

    def expected(self, ends: Ends) -> float:
        return self.k * ends.sizes()[1]

    def topology(self, ends: Ends, seed: int, purpose: int, threads: int) -> Topology:
        ends = _distinct(self, ends)
        n_pre, n_post = ends.sizes()
        skipped = ends.swapped().skipped(self.autapses)
        _demand(self, "k", self.k, n_pre - (skipped < n_pre), self.multapses, "sources for each target")
        targets = _ranges(n_post, -(-n_post // min(threads, 1 + self.k * n_post // PART)))
        filed = np.zeros((len(targets), n_pre), np.int64)  # by range of targets and source: where its synapses end so far

        def draw(k: int, indices: np.ndarray | None) -> None:
            a, b = targets[k].start, targets[k].stop
            _core.chosen_columns(self.k, n_pre, skipped[a:b], self.multapses, seed, purpose, a, filed[k], indices)

        spread(lambda k: draw(k, None), range(len(targets)), threads)
        counts = filed.sum(axis=0)
        filed = np.cumsum(filed, axis=0) - filed + _starts(counts)[:-1]
        indices = np.empty(self.k * n_post, np.int32)
        spread(lambda k: draw(k, indices), range(len(targets)), threads)
        return ends.placed(counts, indices)


@dataclass(frozen=True)
class FixedOutDegree(Rule):
    """k targets for every source, chosen at random.

    Parameters
    ----------
    k : number of synapses of each source
    autapses, multapses : as for `FixedInDegree`
    """

    k: int
    autapses: bool = True
    multapses: bool = True
    explicit = False

    def __post_init__(self) -> None:
        self._check(k="count", autapses="flag", multapses="flag")

    def expected(self, ends: Ends) -> float:
        return self.k * ends.sizes()[0]

    def topology(self, ends: Ends, seed: int, purpose: int, threads: int) -> Topology:
        ends = _distinct(self, ends)
        n_pre, n_post = ends.sizes()
        skipped = ends.skipped(self.autapses)
        _demand(self, "k", self.k, n_post - (skipped < n_post), self.multapses, "targets for each source")
        return _chosen(ends, np.full(n_pre, self.k), skipped, self.multapses, seed, purpose, threads)


@dataclass(frozen=True)
class FixedTotalNumber(Rule):
    """N synapses, their pairs chosen at random.

    Parameters
    ----------
    N : number of synapses
    autapses, multapses : as for `FixedInDegree`
    """

    N: int
    autapses: bool = True
    multapses: bool = True
    explicit = False

    def __post_init__(self) -> None:
        self._check(N="count", autapses="flag", multapses="flag")

    def expected(self, ends: Ends) -> float:
        return self.N

    def topology(self, ends: Ends, seed: int, purpose: int, threads: int) -> Topology:
        ends = _distinct(self, ends)
        n_post = ends.sizes()[1]
        skipped = ends.skipped(self.autapses)
        free = n_post - (skipped < n_post)
        pairs = int(free.sum())
        _demand(self, "N", self.N, np.array([pairs]), self.multapses, "pairs")
        dense = not self.multapses and 2 * self.N > pairs  # cheaper to choose those left out
        total = pairs - self.N if dense else self.N

        def draw(number: int, first: int, attempts: int, counts: np.ndarray) -> int:
            return _core.shared_out(number, n_post, skipped, self.multapses, seed, purpose, first, attempts, counts)

        tables, drawn = Lent(lambda: np.zeros(len(free), np.int64)), []

        def draw_part(part: range) -> None:
            with tables.one() as counts:
                drawn.append(draw(len(part), part.start, len(part), counts))

        parts = _ranges(total, 8 * PART) if self.multapses else []
        spread(draw_part, parts, threads)
        counts = sum(tables.all, np.zeros(len(free), np.int64))
        draw(total - sum(drawn), sum(map(len, parts)), np.iinfo(np.int64).max, counts)
        return _chosen(ends, free - counts if dense else counts, skipped, self.multapses, seed, purpose, threads)


@dataclass(frozen=True, eq=False)
class Pairs(Rule):
    """The pairs given, each as often as it is given.

    Parameters
    ----------
    pre, post : (m,) array_like of int, sources and targets; where views are connected, places in the views

    Notes
    -----
    Arrays of weights and delays are in the order of the pairs.
    """

    pre: np.ndarray
    post: np.ndarray

    def __post_init__(self) -> None:
        for field in ("pre", "post"):
            object.__setattr__(self, field, _frozen(check.integers("Pairs", field, getattr(self, field), np.int32)))
        if len(self.pre) != len(self.post):
            raise ValueError(f"Pairs: pre has {len(self.pre)} values and post {len(self.post)}; they must be of one length")

    def __repr__(self) -> str:
        return f"Pairs({len(self.pre)} pairs)"

    def expected(self, ends: Ends) -> float:
        return len(self.pre)

    def topology(self, ends: Ends, seed: int, purpose: int, threads: int) -> Topology:
        n_pre, n_post = ends.sizes()
        check.below("Pairs", "pre", self.pre, n_pre, "the number of sources")
        check.below("Pairs", "post", self.post, n_post, "the number of targets")
        pre = self.pre if ends.pre_ids is None else ends.pre_ids[self.pre]
        post = self.post if ends.post_ids is None else ends.post_ids[self.post]
        return _from_pairs(pre, post, ends.n_pre, threads)


class CSR(Rule):
    """A sparse matrix: row = source, column = target, one synapse for each stored entry (zeros and repeats too).

    Parameters
    ----------
    indptr : (n_pre + 1,) array_like of int, or a matrix of `scipy.sparse`, whose data are the weights if none are given
    indices : (m,) array_like of int, the targets of source i are indices[indptr[i]:indptr[i + 1]]

    Notes
    -----
    Arrays of weights and delays are in the order of the entries: row by row, within a row as stored.
    """

    def __init__(self, indptr: Any, indices: Any = None):
        self.n_columns = None
        if hasattr(indptr, "tocoo"):
            if indices is not None:
                raise TypeError("CSR: indices must not be given with a sparse matrix")
            if len(indptr.shape) != 2:
                raise ValueError(f"CSR: the sparse array has shape {indptr.shape}; give one of two dimensions")
            self.n_columns = indptr.shape[1]
            indptr, indices, data = _entries(indptr)
            if data.dtype != bool:  # True says that there is a synapse, not how strong it is
                self.default_weight = _frozen(np.atleast_1d(check.values("CSR", "data", data)))
        self.indptr = _frozen(check.integers("CSR", "indptr", indptr))
        self.indices = _frozen(check.integers("CSR", "indices", indices, np.int32))
        first, last = (int(self.indptr[0]), int(self.indptr[-1])) if len(self.indptr) else (None, None)
        if first != 0 or last != len(self.indices):
            raise ValueError(
                f"CSR: indptr runs from {first} to {last}; it must run from 0 to the number of indices, {len(self.indices)}"
            )
        if np.any(np.diff(self.indptr) < 0):
            k = int(np.argmax(np.diff(self.indptr) < 0))
            raise ValueError(f"CSR: indptr[{k + 1}] = {self.indptr[k + 1]} must not be less than indptr[{k}] = {self.indptr[k]}")

    def __repr__(self) -> str:
        return f"CSR({len(self.indptr) - 1} rows, {len(self.indices)} entries)"

    def expected(self, ends: Ends) -> float:
        return len(self.indices)

    def topology(self, ends: Ends, seed: int, purpose: int, threads: int) -> Topology:
        n_pre, n_post = ends.sizes()
        if len(self.indptr) != n_pre + 1:
            raise ValueError(f"CSR: indptr has {len(self.indptr)} values for {n_pre} sources; it must have {n_pre + 1}")
        if self.n_columns not in (None, n_post):
            raise ValueError(f"CSR: the matrix has {self.n_columns} columns for {n_post} targets; their numbers must agree")
        check.below("CSR", "indices", self.indices, n_post, "the number of targets")
        if ends.pre_ids is None and ends.post_ids is None:
            return _by_target(self.indptr, self.indices.copy(), _places(len(self.indices)), threads)
        pre, post = ends.all_ids()
        return _from_pairs(np.repeat(pre, np.diff(self.indptr)), post[self.indices], ends.n_pre, threads)


def build_rows(
    rule: Rule,
    pre_ids: np.ndarray | None,
    post_ids: np.ndarray | None,
    n_pre: int,
    n_post: int,
    same_population: bool,
    weight: Any,
    delay: Any,
    seed: int,
    index: int,
    weight_dtype: Any,
    threads: int = 1,
) -> Rows:
    """The rows of one projection.

    Parameters
    ----------
    rule : the rule
    pre_ids, post_ids : int arrays of the local ids connected, None for all
    n_pre, n_post : sizes of the populations
    same_population : are they the same?
    weight : number, distribution or (m,) array (see the rule for the order), None for the rule's own [pA or mV]
    delay : likewise, >= 0 [ms]. They are coded if they are few enough for that to save memory
    seed, index : of the simulation, and of the projection in it: key of the random numbers. Drawn values belong to the
        synapses in the order of (source, target, creation).
    weight_dtype : float32 or float64, for arrays and drawn weights; with float32, drawn delays are rounded to float32 too unless
        they are coded. Delays given as an array are always kept exactly.
    threads : they change no bit

    Raises
    ------
    TypeError, ValueError
        If what is asked for is impossible, or a value out of range.
    MemoryError
        If the synapses would need more than the memory of this machine.
    """
    ends = Ends(pre_ids, post_ids, n_pre, n_post, same_population)
    weight = rule.default_weight if weight is None else weight
    weight_dtype = np.dtype(weight_dtype)
    for name, value in (("weight", weight), ("delay", delay)):
        if not rule.explicit and np.size(value) != 1:
            raise ValueError(
                f"{rule!r}: {name} is an array of {np.size(value)} values, but a random rule makes its synapses at build; "
                f"pass a number or a distribution, then sim.set(projection, {name}=...) in the order of sim.edges(projection)"
            )
    m = int(rule.expected(ends))
    needed = 8 * (n_pre + 1) + m * (4 + weight_dtype.itemsize * _differ(weight) + _differ(delay))
    if needed > os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"):
        raise _too_large(rule, ends, m, needed)
    try:
        topology = rule.topology(ends, seed, TOPOLOGY << 32 | index, threads)
        weights = _given(rule, "weight", weight, "finite", topology, seed, WEIGHT << 32 | index)
        delays = _given(rule, "delay", delay, "nonnegative", topology, seed, DELAY << 32 | index)
        stored = _weights(rule, weights, weight_dtype, threads), *_delays(delays, weight_dtype, threads)
        return _sorted_by_delay(topology, *stored, threads)
    except MemoryError:
        raise _too_large(rule, ends, m, needed) from None


def sort_rows(indptr: np.ndarray, indices: np.ndarray, weight: np.ndarray, delay: np.ndarray, threads: int = 1) -> Rows:
    """New rows with these values, (m,) in the present order or (1,): sorted by delay, then target, then present order."""
    topology = _by_target(indptr, indices.copy(), _places(len(indices)), threads)
    weight = weight[topology.order] if len(weight) == len(indices) else weight
    return _sorted_by_delay(topology, weight, *_delays(Values(delay, topology), np.dtype(np.float64), threads), threads)


def _by_target(indptr: np.ndarray, indices: np.ndarray, order: np.ndarray, threads: int) -> Topology:
    """The topology of rows in any order, and of the places of their synapses among those given; sorted in place."""
    topology = Topology(indptr, indices, order)
    spread(lambda part: _core.sort_rows(indptr[part.starts], indices, order), topology.parts(), threads)
    return topology


def _sorted_by_delay(topology: Topology, weight: np.ndarray, delay: np.ndarray, table: np.ndarray, threads: int) -> Rows:
    """Rows from values as they are stored; arrays (m,) are sorted in place."""
    indptr, indices = topology.indptr, topology.indices
    columns = [delay, indices, weight] if len(weight) == len(indices) else [delay, indices]
    if len(delay) == len(indices):
        spread(lambda part: _core.sort_rows(indptr[part.starts], *columns), topology.parts(), threads)
    return Rows(indptr, indices, weight, delay, table)


class Values(NamedTuple):
    """What was given for the weights or delays of the synapses of a topology: a distribution, or float64 (m,) in the order of
    the rule or (1,). Drawn values belong to the synapses in the order of (source, target, creation)."""

    given: np.ndarray | Distribution
    topology: Topology
    seed: int = 0
    purpose: int = 0

    def one_for_all(self) -> np.ndarray | None:
        """The one number that was given, if it was one: it takes no memory per synapse, and stays as it is."""
        return None if isinstance(self.given, Distribution) or len(self.given) != 1 else self.given

    def of(self, part: Part, dtype: Any) -> np.ndarray:
        """The values of some of the synapses; an array ignores dtype."""
        here = part.synapses
        if isinstance(self.given, Distribution):
            return self.given.draw(here.stop - here.start, self.seed, self.purpose, here.start, dtype)
        return self.given[here if self.topology.order is None else self.topology.order[here]]

    def stored(self, dtype: Any, threads: int) -> np.ndarray:
        """All of them."""
        out = np.empty(len(self.topology.indices), dtype)

        def fill(part: Part) -> None:
            out[part.synapses] = self.of(part, dtype)

        spread(fill, self.topology.parts(), threads)
        return out

    def require(self, name: str, low: float, high: float, least: float) -> None:
        """Raise ValueError if what was drawn, from `low` to `high`, is not finite or falls below `least`."""
        finite = bool(np.isfinite(low) and np.isfinite(high))
        if not finite or low < least:
            demand = "must be >= 0" if finite else "must be finite"
            raise ValueError(
                f"{self.given!r}: {name} drawn from {low} to {high} {demand}; give the distribution a range, low and high"
            )


def _given(rule: Rule, name: str, value: Any, kind: str, topology: Topology, seed: int, purpose: int) -> Values:
    """What was given, checked as far as that can be done before it is drawn."""
    if not isinstance(value, Distribution):
        value = np.atleast_1d(check.values(type(rule).__name__, name, value, kind, len(topology.indices)))
    return Values(value, topology, seed, purpose)


def _weights(rule: Rule, values: Values, dtype: np.dtype, threads: int) -> np.ndarray:
    """Weights as they are stored."""
    given = values.given
    if (same := values.one_for_all()) is not None:
        return same
    if not isinstance(given, Distribution) and len(given) and max(-given.min(), given.max()) > np.finfo(dtype).max:
        k = int(np.argmax(np.abs(given)))
        raise ValueError(f"{type(rule).__name__}: weight[{k}] = {given[k]} is too large for float32; use weight_dtype='float64'")
    weight = values.stored(dtype, threads)
    values.require("weight", *_extremes(weight), -np.inf)
    return weight


def _delays(values: Values, dtype: np.dtype, threads: int) -> tuple[np.ndarray, np.ndarray]:
    """Delays as they are stored, and their table: in codes if that takes less memory than single precision."""
    if (same := values.one_for_all()) is not None:
        return same, _core.NO_TABLE
    coded = _coded(values, threads)
    if coded is not None:
        values.require("delay", coded[1][0], coded[1][-1], 0.0)
        return coded
    if not isinstance(values.given, Distribution):
        with np.errstate(over="ignore"):
            dtype = np.dtype(np.float32 if np.array_equal(values.given.astype(np.float32), values.given) else np.float64)
    delay = values.stored(dtype, threads)
    values.require("delay", *_extremes(delay), 0.0)
    delay += 0.0  # -0.0 would be sorted by its sign bit
    return delay, _core.NO_TABLE


class _TooMany(Exception):
    """There are too many different values for codes."""


def _coded(values: Values, threads: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Codes of the values and the table of these, ascending; None if they are too many for that to save memory."""
    topology = values.topology
    m = len(topology.indices)
    most = min(m // 4, 1 << 16)
    if not most:
        return None
    books = Lent(lambda: _core.Codebook(most))
    book_of: dict[int, _core.Codebook] = {}  # by the first synapse of a part
    own = np.empty(m, np.uint16)  # each book has codes of its own

    def encode(part: Part) -> None:
        with books.one() as book:
            book_of[part.synapses.start] = book
            if not book.encode(values.of(part, np.float64), own[part.synapses]):
                raise _TooMany

    try:
        spread(encode, topology.parts(), threads)
    except _TooMany:
        return None
    table = np.unique(np.concatenate([book.contents() for book in books.all]))
    if len(table) > most:
        return None
    codes = own if len(table) > 256 else np.empty(m, np.uint8)
    common = {book: np.searchsorted(table, book.contents()).astype(codes.dtype) for book in books.all}

    def translate(part: Part) -> None:
        codes[part.synapses] = common[book_of[part.synapses.start]][own[part.synapses]]

    spread(translate, topology.parts(), threads)
    return codes, table


def _extremes(values: np.ndarray) -> tuple[float, float]:
    return (values.min(), values.max()) if len(values) else (0.0, 0.0)


def _differ(value: Any) -> bool:
    """Does each synapse have a value of its own?"""
    return isinstance(value, Distribution) or np.size(value) != 1


def _too_large(rule: Rule, ends: Ends, m: int, needed: int) -> MemoryError:
    n_pre, n_post = ends.sizes()
    return MemoryError(
        f"{rule!r}: {m:.3g} synapses from {n_pre} to {n_post} neurons need at least {needed / 2**30:.3g} GiB, more than this "
        "machine can give; connect fewer neurons or fewer pairs"
    )


def _frozen(array: np.ndarray) -> np.ndarray:
    array.setflags(write=False)
    return array


def _starts(counts: np.ndarray) -> np.ndarray:
    """indptr of rows with these numbers of entries."""
    indptr = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=indptr[1:])
    return indptr


def _distinct(rule: Rule, ends: Ends) -> Ends:
    """The same neurons in ascending order, for rules to which their order means nothing."""
    ends = ends.ascending()
    for role, ids in (("pre", ends.pre_ids), ("post", ends.post_ids)):
        if ids is not None and np.any(np.diff(ids) == 0):
            twice = ids[np.argmax(np.diff(ids) == 0)]
            raise ValueError(f"{rule!r}: {role} contains neuron {twice} more than once; list it once, or use Pairs")
    return ends


def _demand(rule: Any, name: str, k: int, free: np.ndarray, multapses: bool, what: str) -> None:
    """Raise ValueError if `k` of so many `free` cannot be chosen."""
    fewest = int(free.min(initial=k))
    if k > 0 and fewest < (1 if multapses else k):
        remedy = "connect more neurons or allow autapses" if multapses else f"reduce {name} or allow multapses"
        raise ValueError(f"{type(rule).__name__}: {name} = {k}, but there are only {fewest} {what}; {remedy}")


def _ranges(n: int, size: int) -> list[range]:
    """0 ... n - 1 in ranges of so many."""
    return [range(a, min(a + max(size, 1), n)) for a in range(0, n, max(size, 1))]


def _places(m: int) -> Any:
    """0 ... m - 1 in as few bytes as that takes."""
    return np.arange(m, dtype=np.uint32 if m < 1 << 32 else np.int64)


def _chosen(
    ends: Ends, counts: np.ndarray, skipped: np.ndarray, repeats: bool, seed: int, purpose: int, threads: int
) -> Topology:
    """counts[i] targets for source i, chosen at random."""
    n_post, indptr = ends.sizes()[1], _starts(counts)
    indices = np.empty(indptr[-1], np.int32)

    def choose(part: Part) -> None:
        first = part.rows.start
        _core.chosen_rows(n_post, skipped[part.rows], repeats, seed, purpose, first, indptr[part.starts], indices)

    spread(choose, Topology(indptr, indices).parts(n_post), threads)  # each part needs a mark for each target
    return ends.placed(counts, indices)


def _from_pairs(pre: np.ndarray, post: np.ndarray, n_pre: int, threads: int) -> Topology:
    """Rows of given pairs of local ids."""
    indptr = _starts(np.bincount(pre, minlength=n_pre))
    order = np.empty_like(_places(len(pre)))
    _core.rows_of_pairs(pre.astype(np.int32, copy=False), indptr[:-1].copy(), order)
    return _by_target(indptr, post.astype(np.int32, copy=False)[order], order, threads)


def _entries(matrix: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """indptr, indices and data of a scipy.sparse matrix, keeping repeated entries (its own tocsr() would sum them)."""
    if matrix.format == "csr":
        m = matrix.indptr[-1]
        return matrix.indptr, matrix.indices[:m], matrix.data[:m]
    matrix = matrix.tocoo()
    indptr = _starts(np.bincount(matrix.row, minlength=matrix.shape[0]))
    order = np.argsort(matrix.row, kind="stable")
    return indptr, matrix.col[order], matrix.data[order]
