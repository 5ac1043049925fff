"""Times as whole milliseconds and a fraction: eventsim/times.py, and ext/time.pxi through the engine."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import eventsim as es
from eventsim.times import in_force, later, split, split_array, still_to_come

times = st.floats(0.0, 1e9)
waits = st.one_of(st.floats(0.0, 1e6), st.floats(0.0, 2.0), st.sampled_from([0.0, 5e-324, 1.0 - 2.0**-53, 2.0**52]))


@given(times)
def test_split_is_exact(t):
    epoch, offset = split(t)
    assert Fraction(epoch) + Fraction(offset) == Fraction(t)
    assert epoch == math.floor(t) and 0.0 <= offset < 1.0
    assert split_array(np.array([t])).tolist() == [[epoch, offset]]


@given(times, waits)
def test_later_is_rounded_at_the_fraction(t, wait):
    epoch, offset = later(split(t), wait)
    assert 0.0 <= offset < 1.0 and epoch == math.floor(epoch)
    assert abs(Fraction(epoch) + Fraction(offset) - Fraction(t) - Fraction(wait)) <= Fraction(2) ** -53


@given(times, st.integers(0, 10**9))
def test_whole_milliseconds_do_not_change_the_fraction(t, k):
    assert later(split(t), float(k))[1] == split(t)[1]


@given(times, waits)
def test_the_engine_adds_as_times_do(t, delay):
    """Through a jump that fires a relay at the instant of the arrival: ext/time.pxi and eventsim/times.py agree bit for bit."""
    net = es.Network()
    source = net.add("source", 1, es.SpikeSource([t]))
    relay = net.add("relay", 1, es.DeltaLIF())
    net.connect(source, relay, weight=100.0, delay=delay)
    sim = es.Simulation(net)
    sim.run(t + 1.0)
    sim.run(delay + 1.0)
    epoch, offset, _ = sim.result().spike_times_exact(relay)
    assert (float(epoch[0]), offset[0]) == later(split(t), delay)


@pytest.mark.parametrize("start", [0.0, 3.6e6, 2.0**40])
def test_accuracy_does_not_wear_off(start):
    """The same drive gives the same fractions after an hour, and after 35 years."""
    net = es.Network()
    source = net.add("source", 1, es.SpikeSource([start + 0.5]))
    cell = net.add("cell", 1, es.LIF(t_ref=0.3))
    net.connect(source, cell, weight=40000.0, delay=0.1234567890123456)
    _, offset, _ = es.Simulation(net, t_start=start).run(10.0).spike_times_exact(cell)
    assert len(offset) > 2
    net2 = es.Network()
    source, cell = net2.add("source", 1, es.SpikeSource([0.5])), net2.add("cell", 1, es.LIF(t_ref=0.3))
    net2.connect(source, cell, weight=40000.0, delay=0.1234567890123456)
    assert offset.tolist() == es.Simulation(net2).run(10.0).spike_times_exact(cell)[1].tolist()


def test_piecewise_values():
    changes, values = np.array([1.0, 2.5]), np.array([10.0, 20.0])
    assert [in_force(changes, values, split(t)) for t in (0.5, 1.0, 2.0, 2.5, 9.0)] == [0.0, 10.0, 10.0, 20.0, 20.0]
    left, right = still_to_come(changes, values, split(1.0))
    assert left.tolist() == [[2.0, 0.5]] and right.tolist() == [[20.0]]
    assert still_to_come(changes, values, split(3.0))[0].shape == (0, 2)
