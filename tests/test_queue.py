"""The two heaps against sorting and against a dictionary, with ties in every part of the key."""

import heapq

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventsim._core import FLIGHT, Alarms, Flights

small = st.integers(0, 2).map(float)
halves = st.sampled_from([0.0, 0.5, 1.0 - 2.0**-53])
flight = st.tuples(small, halves, small, halves, st.integers(-1, 2), st.integers(0, 1), st.integers(0, 2))
NEVER = (np.inf, 0.0)


def entries(rows):
    out = np.zeros(len(rows), FLIGHT)
    for k, (epoch, offset, left, fraction, source, projection, cursor) in enumerate(rows):
        out[k] = ((epoch, offset), (left, fraction), source, projection, cursor, 9)
    return out


def key(entry):
    """The total order: time of arrival, source, projection, cursor, departure. It holds everything `flight` draws."""
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
    assert (flights.pushes, flights.pops) == (0, len(rows))  # loading restores, it does not count


@given(st.lists(st.one_of(st.lists(flight, max_size=8), st.integers(0, 12)), max_size=12))
def test_flights_against_heapq(operations):
    """Batches that are added, numbers of entries that are removed, in any order."""
    flights, model = Flights(), []
    for operation in operations:
        if isinstance(operation, list):
            flights.load(np.concatenate([flights.dump(), entries(operation)]))
            for entry in entries(operation):
                heapq.heappush(model, key(entry))
        else:
            k = min(operation, len(model))
            assert [key(entry) for entry in flights.drain(k)] == [heapq.heappop(model) for _ in range(k)]
        flights.check()
        assert sorted(map(key, flights.dump())) == sorted(model)


@given(st.lists(flight, min_size=1, max_size=40), st.data())
def test_flights_restored_from_a_dump(rows, data):
    one, two = Flights(), Flights()
    one.load(entries(rows))
    one.drain(data.draw(st.integers(0, len(rows))))
    two.load(entries(rows[:3]))  # what was there is gone
    two.load(one.dump())
    left = len(one.dump())
    assert one.drain(left).tobytes() == two.drain(left).tobytes()


@given(st.integers(1, 12), st.data())
def test_alarms_against_a_dictionary(size, data):
    alarms, model = Alarms(size), {}
    times = st.one_of(st.tuples(small, halves), st.just(NEVER))
    for neuron, time in data.draw(st.lists(st.tuples(st.integers(0, size - 1), times), max_size=60)):
        alarms.move(neuron, *time)
        model[neuron] = time
        if time == NEVER:
            del model[neuron]
        alarms.check()
        assert alarms.n == len(model)
        expected = min((t, k) for k, t in model.items())[1] if model else -1
        assert alarms.first() == expected
    dump = alarms.dump()
    assert {k: tuple(t) for k, t in enumerate(dump) if t[0] < np.inf} == model
    copy = Alarms(size)
    for neuron in data.draw(st.lists(st.integers(0, size - 1))):  # what was there is gone
        copy.move(neuron, 1.0, 0.25)
    copy.load(dump)
    copy.check()
    assert copy.dump().tobytes() == dump.tobytes()
    order = []
    while copy.first() >= 0:
        order.append(copy.first())
        copy.move(copy.first(), *NEVER)
        copy.check()
    assert order == sorted(model, key=lambda k: (model[k], k))


@pytest.mark.parametrize("victim", range(24))
def test_an_alarm_removed_and_set_again(victim):
    """Every place of a heap of three levels. The last entry fills the gap: it has to sink where what lies below the gap rings
    earlier, and to rise where what lies above rings later; hence only the branch of the last entry rings early."""
    early = {0, 1, 5, 6, 7, 8, 21, 22, 23}  # the root, its first child, and what hangs below that
    ring = [k if k in early else 100.0 + k for k in range(24)]
    alarms = Alarms(24)
    for neuron, time in enumerate(ring):
        alarms.move(neuron, time, 0.0)
    alarms.move(victim, *NEVER)
    alarms.move(victim, *NEVER)  # twice is once
    alarms.check()
    assert alarms.n == 23 and alarms.dump()[victim].tolist() == [np.inf, 0.0]
    alarms.move(victim, -1.0, 0.5)
    alarms.check()
    assert alarms.n == 24 and alarms.first() == victim
    alarms.move(victim, 999.0, 0.0)
    alarms.check()
    ring[victim] = 999.0
    assert alarms.dump()[:, 0].tolist() == ring


@pytest.mark.parametrize("n", [0, 1, 5, 1000])
def test_many(n):
    rng = np.random.default_rng(n)
    columns = rng.integers(0, 50, n), rng.random(n), rng.integers(0, 1000, n)
    spikes = entries([(float(epoch), offset, 0.0, 0.0, source, 0, 0) for epoch, offset, source in zip(*columns, strict=True)])
    flights, alarms = Flights(), Alarms(n)
    flights.load(spikes)
    flights.check()
    assert flights.drain(n).tobytes() == spikes[np.lexsort((spikes["source"], *spikes["arrival"].T[::-1]))].tobytes()
    assert alarms.first() == -1 and alarms.dump().shape == (n, 2)
    for k in range(n):
        alarms.move(k, *spikes["arrival"][k])
    alarms.check()
    assert alarms.n == n
    order = []
    while alarms.first() >= 0:
        order.append(alarms.first())
        alarms.move(alarms.first(), *NEVER)
    assert order == np.lexsort(spikes["arrival"].T[::-1]).tolist()
