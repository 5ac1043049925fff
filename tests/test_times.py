"""Times as whole milliseconds and a fraction: eventsim/times.py, and ext/time.pxi through the engine."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import eventsim as es
from eventsim.times import in_force, join, later, split, split_array, still_to_come

times = st.floats(0.0, 1e9)
waits = st.one_of(st.floats(0.0, 1e6), st.floats(0.0, 2.0), st.sampled_from([0.0, 5e-324, 1.0 - 2.0**-53, 2.0**52]))


@given(times)
def test_split_is_exact(t):
    epoch, offset = split(t)
    assert Fraction(epoch) + Fraction(offset) == Fraction(t)
    assert epoch == math.floor(t) and 0.0 <= offset < 1.0
    assert split_array(np.array([t])).tolist() == [[epoch, offset]]
    assert join(split_array(np.array([t]))).tolist() == [t]


@given(times, waits)
@example(1.0 - 2.0**-53, 2.0**-53)  # exactly the next millisecond
@example(1.0 - 2.0**-53, 2.0**-54)  # rounded up to it
@example(1.0 - 2.0**-53, 1.0 - 2.0**-53)  # the largest sum of two fractions
@example(0.5, 0.5)
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


@given(times, st.lists(st.one_of(st.integers(0, 1000).map(float), st.floats(0.0, 20.0)), min_size=1, max_size=6))
def test_a_chain_of_delays_is_their_sum(t, delays):
    """Every hop rounds the fraction once, by 2**-53 at most; whole milliseconds not at all."""
    net = es.Network()
    source = net.add("source", 1, es.SpikeSource([t]))
    relay = net.add("relay", len(delays), es.DeltaLIF())
    net.connect(source, relay[0], weight=100.0, delay=delays[0])
    if len(delays) > 1:
        hops = np.arange(len(delays) - 1)
        net.connect(relay, relay, es.Pairs(hops, hops + 1), weight=100.0, delay=np.array(delays[1:]))
    epoch, offset, ids = es.Simulation(net, t_start=math.floor(t)).run(sum(delays) + 2.0).spike_times_exact(relay)
    exact, error = Fraction(t), Fraction(0)
    assert sorted(ids.tolist()) == list(range(len(delays)))
    for k, delay in enumerate(delays):
        exact += Fraction(delay)
        error += Fraction(2) ** -53 if delay != math.floor(delay) else 0
        at = ids.tolist().index(k)
        assert abs(int(epoch[at]) + Fraction(offset[at]) - exact) <= error


def after(start, *, walk_there=False):
    """Exact fractions of an LIF driven at start + 0.5 ms, and the milliseconds since start."""
    net = es.Network()
    source = net.add("source", 1, es.SpikeSource([start + 0.5]))
    cell = net.add("cell", 1, es.LIF(t_ref=0.3))
    net.connect(source, cell, weight=40000.0, delay=0.1234567890123456)
    sim = es.Simulation(net, t_start=0.0 if walk_there else start)
    if walk_there:
        sim.run(start)
    epoch, offset, _ = sim.run(10.0).spike_times_exact(cell)
    return (epoch - int(start)).tolist(), offset.tolist()


@pytest.mark.parametrize("start", [3.6e6, 2.0**40, 2.0**52 - 100.0])
@pytest.mark.parametrize("walk_there", [False, True])
def test_accuracy_does_not_wear_off(start, walk_there):
    """The same drive gives the same bits after an hour, after 35 years, and after 140,000."""
    epoch, offset = after(0.0)
    assert len(offset) > 2
    assert after(start, walk_there=walk_there) == (epoch, offset)


@pytest.mark.parametrize("x", [0.1, 1 / 3, 0.7071067811865476, 999.9999999])
def test_an_hour_late(x):
    """3.6e6 + x is rounded by the user's float64; from there on nothing is lost but 2**-53 at the addition of the delay."""
    net = es.Network()
    source, relay = net.add("source", 1, es.SpikeSource([3.6e6 + x])), net.add("relay", 1, es.DeltaLIF())
    net.connect(source, relay, weight=100.0, delay=x)
    result = es.simulate(net, 3.7e6)
    (epoch,), (offset,), _ = result.spike_times_exact(source)
    assert epoch + Fraction(offset) == Fraction(3.6e6 + x)
    (epoch,), (offset,), _ = result.spike_times_exact(relay)
    assert abs(int(epoch) + Fraction(offset) - Fraction(3.6e6 + x) - Fraction(x)) <= Fraction(2) ** -53
    assert result.spikes(relay)[0][0] == epoch + offset  # rounded once


def test_the_start_keeps_its_fraction():
    """t_start and the durations add up as times do: the neuron released at t_start spikes a known while later."""
    net = es.Network()
    cell = net.add("cell", 1, es.LIF(I_e=500.0, t_ref=0.0))
    sim = es.Simulation(net, t_start=3.6e6 + 0.7)
    sim.run(0.6)
    assert sim.time == sum(later(split(3.6e6 + 0.7), 0.6))  # not 3.6e6 + 1.3: the start is 0.7 to half an ulp of 3.6e6
    (epoch,), (offset,), _ = sim.run(20.0).spike_times_exact(cell)
    wait = 10.0 * math.log(4.0)  # V_inf = -50: from 20 to 5 mV below
    # two roundings of the wait, one of the fraction
    assert abs(int(epoch) + Fraction(offset) - Fraction(3.6e6 + 0.7) - Fraction(wait)) <= 3 * Fraction(math.ulp(wait))


def test_piecewise_values():
    changes, values = np.array([1.0, 2.5]), np.array([10.0, 20.0])
    assert [in_force(changes, values, split(t)) for t in (0.5, 1.0, 2.0, 2.5, 9.0)] == [0.0, 10.0, 10.0, 20.0, 20.0]
    left, right = still_to_come(changes, values, split(1.0))
    assert left.tolist() == [[2.0, 0.5]] and right.tolist() == [[20.0]]
    assert still_to_come(changes, values, split(3.0))[0].shape == (0, 2)
