"""The two heaps against sorting and against a dictionary, with ties in every part of the key."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventsim._core import FLIGHT, Alarms, Flights

small = st.integers(0, 2).map(float)
halves = st.sampled_from([0.0, 0.5, 0.75])
flight = st.tuples(small, halves, small, halves, st.integers(-1, 2), st.integers(0, 1), st.integers(0, 2))


def entries(rows):
    out = np.zeros(len(rows), FLIGHT)
    for k, (epoch, offset, left, fraction, source, projection, cursor) in enumerate(rows):
        out[k] = ((epoch, offset), (left, fraction), source, projection, cursor, 9)
    return out


def key(entry):
    """The total order: time of arrival, source, projection, cursor, departure."""
    return (*entry["arrival"], entry["source"], entry["projection"], entry["cursor"], *entry["departure"])


@given(st.lists(flight, max_size=40))
def test_flights_come_out_in_the_total_order(rows):
    flights = Flights()
    flights.load(entries(rows))
    flights.check()
    assert sorted(map(key, flights.dump())) == sorted(map(key, entries(rows)))
    found = []
    while len(found) < len(rows):
        found += [key(entry) for entry in flights.drain(1)]
        flights.check()
    assert found == sorted(map(key, entries(rows)))
    assert len(flights.dump()) == 0


@given(st.lists(flight, min_size=1, max_size=40), st.data())
def test_flights_restored_from_a_dump(rows, data):
    one, two = Flights(), Flights()
    one.load(entries(rows))
    one.drain(data.draw(st.integers(0, len(rows))))
    two.load(one.dump())
    left = len(one.dump())
    assert one.drain(left).tobytes() == two.drain(left).tobytes()


@given(st.integers(1, 12), st.data())
def test_alarms_against_a_dictionary(size, data):
    alarms, model = Alarms(size), {}
    times = st.one_of(st.tuples(small, halves), st.just((np.inf, 0.0)))
    for neuron, time in data.draw(st.lists(st.tuples(st.integers(0, size - 1), times), max_size=60)):
        alarms.move(neuron, *time)
        model[neuron] = time
        if time[0] == np.inf:
            del model[neuron]
        alarms.check()
        assert alarms.n == len(model)
        expected = min((t, k) for k, t in model.items())[1] if model else -1
        assert alarms.first() == expected
    dump = alarms.dump()
    assert {k: tuple(t) for k, t in enumerate(dump) if t[0] < np.inf} == model
    copy = Alarms(size)
    copy.load(dump)
    copy.check()
    order = []
    while copy.first() >= 0:
        order.append(copy.first())
        copy.move(copy.first(), np.inf, 0.0)
    assert order == sorted(model, key=lambda k: (model[k], k))


@pytest.mark.parametrize("n", [0, 1, 5, 1000])
def test_many(n):
    rng = np.random.default_rng(n)
    flights, alarms = Flights(), Alarms(n)
    given = entries([(float(e), o, 0.0, 0.0, s, 0, 0) for e, o, s in zip(
        rng.integers(0, 50, n), rng.random(n), rng.integers(0, 1000, n), strict=True)])
    flights.load(given)
    flights.check()
    assert flights.drain(n).tobytes() == given[np.lexsort((given["source"], *given["arrival"].T[::-1]))].tobytes()
    for k in range(n):
        alarms.move(k, *given["arrival"][k])
    alarms.check()
    assert alarms.n == n
