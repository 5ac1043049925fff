"""Spikes in flight and alarms against sorted(): random operations, ties in every key, `check()` after each."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from eventsim._core import FLIGHT, Alarms, Flights

SIZES = [0, 1, 2, 5, 6, 21, 22, 64, 65, 1000]  # empty; full levels of a 4-ary heap and one more; the first growth and one more

#: Few values for every key, so that draws agree in all of them but the last: each tie-break is exercised.
times = st.tuples(st.sampled_from([0.0, 1.0, 2.0**52]), st.sampled_from([0.0, 0.5, math.nextafter(0.5, 1.0)]))
flights = st.tuples(times, st.integers(-1, 1), st.integers(0, 1), st.integers(0, 1), times)


def entries(keys):
    """An array of flights from keys (arrival, source, projection, cursor, departure), in the order of precedence."""
    out = np.zeros(len(keys), FLIGHT)
    for k, key in enumerate(keys):
        out["arrival"][k], out["source"][k], out["projection"][k], out["cursor"][k], out["departure"][k] = key
    return out


def keys(entries):
    columns = (entries[name].tolist() for name in ("arrival", "source", "projection", "cursor", "departure"))
    return [(tuple(a), s, p, c, tuple(d)) for a, s, p, c, d in zip(*columns, strict=True)]


def random_flights(n, seed):
    rng = np.random.default_rng(seed)
    out = np.zeros(n, FLIGHT)
    out["arrival"][:, 0], out["arrival"][:, 1] = rng.integers(0, 20, n), rng.integers(0, 4, n) / 4
    out["source"], out["projection"], out["cursor"] = rng.integers(-1, 5, n), rng.integers(0, 3, n), rng.integers(0, 3, n)
    out["departure"][:, 1] = rng.random(n)  # no two entries are equal
    return out


# ---- spikes in flight


class FlightsMachine(RuleBasedStateMachine):
    """Flights beside the sorted list of what it should hold."""

    @initialize(start=st.lists(flights, max_size=30))
    def begin(self, start):
        self.heap, self.expected = Flights(), []
        self.load(start)

    def load(self, new):
        self.heap.load(entries(new))
        self.expected = sorted(new)

    @rule(new=st.lists(flights, max_size=30))
    def replace(self, new):
        self.load(new)

    @rule(new=st.lists(flights, max_size=5))
    def add(self, new):
        self.heap.load(np.concatenate([self.heap.dump(), entries(new)]))
        self.expected = sorted(self.expected + new)

    @precondition(lambda self: self.expected)
    @rule(data=st.data())
    def take(self, data):
        n = data.draw(st.integers(1, len(self.expected)))
        pops = self.heap.pops
        assert keys(self.heap.drain(n)) == self.expected[:n]
        assert self.heap.pops == pops + n
        self.expected = self.expected[n:]

    @invariant()
    def holds_what_it_should(self):
        self.heap.check()
        assert sorted(keys(self.heap.dump())) == self.expected
        assert self.heap.pushes == 0  # loading a saved heap is not counted


TestFlights = FlightsMachine.TestCase


@pytest.mark.parametrize("n", SIZES)
def test_flights_leave_in_order_one_by_one(n):
    heap, given = Flights(), random_flights(n, n)
    heap.load(given)
    out = []
    for left in range(n, 0, -1):
        heap.check()
        assert len(heap.dump()) == left
        out += keys(heap.drain(1))
    assert out == sorted(keys(given))
    assert len(heap.dump()) == 0


def test_flights_keep_every_bit_of_an_entry():
    """What is not part of the order travels along: entries come out as they went in, whole."""
    given = random_flights(500, 0)
    for name in FLIGHT.names:
        if not given[name].any():
            given[name] = np.arange(500) + 2**40
    heap = Flights()
    heap.load(given)
    out = heap.drain(500)
    order = [k for _, k in sorted((key, k) for k, key in enumerate(keys(given)))]
    assert out.tobytes() == given[order].tobytes()


# ---- alarms


class AlarmsMachine(RuleBasedStateMachine):
    """Alarms beside a dict {neuron: time}."""

    @initialize(size=st.sampled_from([1, 2, 5, 6, 30]))
    def begin(self, size):
        self.size, self.heap, self.expected = size, Alarms(size), {}

    def set(self, neuron, time):
        self.heap.move(neuron, *time)
        if math.isinf(time[0]):
            self.expected.pop(neuron, None)
        else:
            self.expected[neuron] = time

    @rule(data=st.data(), time=times)
    def set_or_move(self, data, time):
        self.set(data.draw(st.integers(0, self.size - 1)), time)

    @rule(data=st.data())
    def remove(self, data):  # also where there is none
        self.set(data.draw(st.integers(0, self.size - 1)), (math.inf, 0.0))

    @precondition(lambda self: self.expected)
    @rule(delay=st.sampled_from([0.0, 1.0, -1.0]))
    def move_the_first(self, delay):
        epoch, offset = self.expected[self.heap.first()]
        self.set(self.heap.first(), (epoch + delay, offset))

    @rule(data=st.data())
    def load(self, data):
        new = data.draw(st.dictionaries(st.integers(0, self.size - 1), times))
        table = np.tile([math.inf, 0.0], (self.size, 1))
        for neuron, time in new.items():
            table[neuron] = time
        self.heap.load(table)
        self.expected = new

    @invariant()
    def holds_what_it_should(self):
        self.heap.check()
        assert self.heap.n == len(self.expected)
        never = (math.inf, 0.0)
        assert [tuple(row) for row in self.heap.dump()] == [self.expected.get(i, never) for i in range(self.size)]
        first = min(self.expected, key=lambda i: (self.expected[i], i), default=-1)
        assert self.heap.first() == first


TestAlarms = AlarmsMachine.TestCase


@pytest.mark.parametrize("n", SIZES)
def test_alarms_ring_in_order_of_time_and_neuron(n):
    rng = np.random.default_rng(n)
    table = np.column_stack([rng.integers(0, 10, n), rng.integers(0, 2, n) / 2]).astype(float).reshape(n, 2)
    heap = Alarms(n)
    assert (heap.first(), heap.n, heap.size) == (-1, 0, n)
    heap.load(table)
    out = []
    while heap.n:
        heap.check()
        out.append(heap.first())
        heap.move(heap.first(), math.inf, 0.0)
    assert out == sorted(range(n), key=lambda i: (*table[i], i))
    assert np.all(np.isinf(heap.dump()[:, 0]))


def test_many_alarms_under_many_moves():
    """A thousand neurons, ten thousand moves earlier, later, away and back, a check now and then."""
    n, rng = 1000, np.random.default_rng(1)
    heap, expected, moved = Alarms(n), np.tile([math.inf, 0.0], (n, 1)), 0
    for k in range(10_000):
        i = rng.integers(n) if k % 3 else max(heap.first(), 0)  # often the first, as in the engine
        time = (math.inf, 0.0) if rng.random() < 0.3 else (float(rng.integers(100)), rng.integers(8) / 8)
        moved += not (math.isinf(time[0]) and math.isinf(expected[i, 0]))
        heap.move(i, *time)
        expected[i] = time
        if k % 500 == 0:
            heap.check()
            assert np.array_equal(heap.dump(), expected)
            assert heap.first() == np.lexsort((expected[:, 1], expected[:, 0]))[0]
    assert heap.n > n / 2  # not vacuous
    # Removing an alarm that is the last entry touches nothing else; every other change is counted.
    assert 0.99 * moved < heap.moves <= moved


def test_a_cleared_set_of_alarms_can_be_filled_again():
    heap = Alarms(3)
    heap.load(np.zeros((3, 2)))
    heap.load(np.tile([math.inf, 0.0], (3, 1)))
    heap.check()
    assert (heap.n, heap.first()) == (0, -1)
    heap.move(2, 5.0, 0.25)
    heap.check()
    assert heap.first() == 2
    assert heap.dump()[2].tolist() == [5.0, 0.25]


@given(st.lists(st.tuples(times, st.integers(0, 9)), min_size=1, max_size=40))
def test_saved_alarms_are_the_alarms(moves):
    """`load(dump())` gives the same alarms in the same order, whatever the history of the heap was."""
    heap, copy = Alarms(10), Alarms(10)
    for time, i in moves:
        heap.move(i, *time)
    copy.load(heap.dump())
    copy.check()
    while heap.n:
        assert heap.first() == copy.first()
        heap.move(heap.first(), math.inf, 0.0)
        copy.move(copy.first(), math.inf, 0.0)
    assert copy.n == 0
