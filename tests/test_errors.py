"""Bad input: every error names object, parameter, value and remedy. Odd but legal input: it means what it says."""

import os
import subprocess
import sys
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from comparing import exact
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import eventsim as es

inf, nan = float("inf"), float("nan")
TINY = 5e-324  # the smallest subnormal
ENVIRONMENT = os.environ | {"PYTHONPATH": os.path.dirname(es.__path__[0])}


class Bench:
    """A small silent network, a simulation of it and its result: things to do something wrong with."""

    def __init__(self):
        self.net = es.Network()
        self.source = self.net.add("source", 2, es.SpikeSource([1.0], [0]))
        self.cells = self.net.add("cells", 4, es.LIF())
        self.proj = self.net.connect(self.source, self.cells, weight=[1.0] * 8)
        self.other = es.Network().add("other", 4, es.LIF())
        self.sim = es.Simulation(self.net, record_V=self.cells[:2])
        self.result = self.sim.run(5.0)

    def connect(self, rule=None, **options):
        """Build the network with one more projection."""
        self.net.connect(self.source, self.cells, rule, **options)
        return es.Simulation(self.net)

    def build(self, model, n=3, **initial):
        """Build a network of one population."""
        net = es.Network()
        net.add("bad", n, model, **initial)
        return es.Simulation(net)

    def state(self):
        """What a refused call must not change."""
        edges = [array.tolist() for array in self.sim.edges(self.proj)]
        return self.sim.time, edges, {name: self.sim.get(self.cells, name).tolist() for name in ("V_m", "tau_m", "I_e")}


# ---- what is refused: a call, and its exception with what the message must say

REFUSED = {
    "LIF(tau_mm=3.0)": (TypeError, "LIF: unknown parameter tau_mm = 3.0; did you mean tau_m?"),
    "LIF(10.0)": (TypeError, "positional"),
    "LIF(tau_m=0.0)": (ValueError, "LIF: tau_m = 0.0 must be finite and > 0"),
    "QIF(tau_m=-0.0)": (ValueError, "QIF: tau_m = -0.0 must be finite and > 0"),
    "AlphaLIF(tau_syn_ex=-1)": (ValueError, "AlphaLIF: tau_syn_ex = -1.0 must be finite and > 0"),
    "FlyLIF(tau_syn=inf)": (ValueError, "FlyLIF: tau_syn = inf must be finite and > 0"),
    "LIF(tau_m=nan)": (ValueError, "LIF: tau_m = nan must be finite and > 0"),
    "LIF(tau_m=[1.0, TINY])": (ValueError, "LIF: tau_m = 5e-324 is too small", "choose at least"),
    "build(LIF(tau_m=Normal(0.0, 1.0)), 99)": (ValueError, "population 'bad': tau_m[", "> 0"),
    "DeltaLIF(C_m=[1.0, 0.0])": (ValueError, "DeltaLIF: C_m[1] = 0.0 must be finite and > 0"),
    "LIF(t_ref=-1.0)": (ValueError, "LIF: t_ref = -1.0 must be finite and >= 0"),
    "LIF(t_ref=inf)": (ValueError, "LIF: t_ref = inf must be finite and >= 0"),
    "LIF(V_th=-70.0)": (ValueError, "LIF: V_reset = -70 is not below V_th = -70; a neuron reset"),
    "FlyLIF(V_reset=[-60, -40])": (ValueError, "V_reset = -40 is not below V_th = -45 (neuron 1)"),
    "LIF(V_th=-inf)": (ValueError, "LIF: V_reset = -70 is not below V_th = -inf"),
    "LIF(V_th=nan)": (ValueError, "LIF: V_th = nan must be a number, not NaN"),
    "build(LIF(V_th=Uniform(-80, -71)))": (ValueError, "is not below V_th"),
    'LIF(reset="subtract", V_reset=-90.0, V_th=-80.0)': (ValueError, "E_L = -70 is not below V_th = -80"),
    'LIF(reset="none")': (ValueError, "LIF: t_ref = 2 with reset='none'", "set t_ref=0"),
    'LIF(reset="zero")': (ValueError, "LIF: reset = 'zero' is not one of 'value', 'subtract', 'none'"),
    "QIF(V_reset=inf)": (ValueError, "QIF: V_reset = inf", "choose a finite value or -inf"),
    "LIF(E_L=inf)": (ValueError, "LIF: E_L = inf must be finite"),
    "LIF(I_e=nan)": (ValueError, "LIF: I_e = nan must be finite"),
    "Poisson(rate=-1.0)": (ValueError, "Poisson: rate = -1.0 must be finite and >= 0"),
    "Poisson(rate=Steps([0, 1], [1, -1]))": (ValueError, "Poisson: rate[1] = -1.0 must be finite and"),
    "AdaptiveLIF(q_sfa=-1.0)": (ValueError, "AdaptiveLIF: q_sfa = -1.0 must be finite and >= 0"),
    "LIF(tau_m=True)": (TypeError, "LIF: tau_m = True has type bool; it must be a number"),
    'LIF(tau_m="10")': (TypeError, "LIF: tau_m = '10' has type str; it must be a number"),
    "LIF(tau_m=None)": (TypeError, "LIF: tau_m = None has type NoneType; it must be a number"),
    "LIF(I_e=[1j])": (TypeError, "LIF: I_e has type array of complex128; it must be a number or an array"),
    "LIF(E_L=[None])": (TypeError, "LIF: E_L has type array of object; it must be a number or an array"),
    "LIF(E_L=[[1.0]])": (ValueError, "LIF: E_L has shape (1, 1); give one number or a one-dimensional"),
    "LIF(E_L=np.ma.ones(2))": (TypeError, "LIF: E_L is a masked array; fill or drop the masked entries"),
    "LIF(tau_m=Steps([0], [1]))": (TypeError, "LIF: tau_m cannot change in time", "use sim.set between runs"),
    "build(LIF(tau_m=[1, 2]))": (ValueError, "'bad': tau_m has 2 values; give one number or 3 values"),
    "build(LIF(I_e=Steps([1, 2], [[1, 2]] * 2)))":
        (ValueError, "population 'bad': I_e has Steps with 2 values each; give one number or 3 values each"),
    "build(Poisson(rate=Steps([9], [[1, 2]])))": (ValueError, "rate has Steps with 2 values"),
    "SpikeSource([1.0, -TINY])": (ValueError, "SpikeSource: times[1] = -5e-324 must be finite and >= 0"),
    "SpikeSource([inf])": (ValueError, "SpikeSource: times[0] = inf must be finite and >= 0"),
    "SpikeSource([nan], 0)": (ValueError, "SpikeSource: times[0] = nan must be finite and >= 0"),
    "SpikeSource([1.0], [-1])": (ValueError, "SpikeSource: ids[0] = -1 must be between 0 and"),
    "SpikeSource([1.0], [0.0])": (TypeError, "SpikeSource: ids has type array of float64", "integers"),
    "SpikeSource([1.0], [True])": (TypeError, "SpikeSource: ids has type array of bool"),
    'SpikeSource([1.0], ["0"])': (TypeError, "SpikeSource: ids has type array of <U1"),
    "SpikeSource([1.0], np.uint64([2**63]))": (ValueError, f"ids[0] = {2**63} must be between"),
    "SpikeSource([1.0, 2.0], [0])": (ValueError, "ids has 1 values for 2 times; give one id for each"),
    "build(SpikeSource([1.0], 3))": (ValueError, "ids[0] = 3 must be less than the number of"),
    # networks
    "Simulation(None)": (TypeError, "Simulation: network = None is not a Network"),
    "Simulation(Network())": (ValueError, "the network has no populations; add some with net.add"),
    'net.add("", 1, LIF())': (TypeError, "Network.add: name = '' must be a non-empty string"),
    'net.add("cells", 1, LIF())': (ValueError, "name = 'cells' is already taken; choose another"),
    'net.add("x", -1, LIF())': (ValueError, "population 'x': n = -1 must be >= 0"),
    'net.add("x", 1.0, LIF())': (TypeError, "population 'x': n = 1.0 has type float; it must be an integer"),
    'net.add("x", 2**31, LIF())': (ValueError, f"'x': n = {2**31} makes more than 2**31 - 1 neurons"),
    'net.add("x", 2**31 - 5, LIF())': (ValueError, "more than 2**31 - 1 neurons in all; reduce n"),
    'net.add("x", 10**30, LIF())': (ValueError, f"population 'x': n = {10**30} is too large"),
    "build(LIF(), 2**31 - 1)": (MemoryError, f"population 'bad': n = {2**31 - 1}", "GiB", "reduce n"),
    'net.add("x", 1, LIF)': (TypeError, "model = <class 'eventsim._core.LIF'> is not a model; call it with"),
    'net.add("x", 1, 3)': (TypeError, "population 'x': model = 3 is not a model; pass for instance es.LIF()"),
    'net.add("x", 1, Model())': (TypeError, "population 'x': model = Model() is not a model"),
    'net.add("x", 1, LIF(), V=1.0)': (TypeError, "LIF has no state V (= 1.0); it has V_m, I_ex, I_in, I_e"),
    'net.add("x", 1, LIF(), V_m=[1, 2, 3])': (ValueError, "V_m has 3 values; give one number or 1 values"),
    'net.add("x", 1, LIF(), V_m=nan)': (ValueError, "population 'x': V_m = nan must be finite"),
    'net.add("x", 1, DeltaLIF(), V_m=-inf)': (ValueError, "population 'x': V_m = -inf must be finite"),
    "build(LIF(), V_m=LogNormal(999.0, 1.0))": (ValueError, "'bad': V_m[0] = inf must be finite"),
    "net.connect(3, cells)": (TypeError, "Network.connect: pre = 3 is not a population; pass what net.add"),
    'net.connect(cells, "cells")': (TypeError, "post = 'cells' is not a population"),
    "net.connect(cells, other)": (ValueError, "post = Population('other'", "belongs to another network"),
    "net.connect(cells, source)": (ValueError, "post = 'source' (SpikeSource) takes no input"),
    "connect(0.1)": (TypeError, "'source->cells': rule = 0.1 is not a connection rule; pass for instance"),
    "connect(OneToOne)": (TypeError, "is not a connection rule; call it with its arguments"),
    'connect(receptor="g")': (ValueError, "'source->cells': receptor = 'g' is not one of 'I'"),
    "connect(name=3)": (TypeError, "Network.connect: name = 3 must be a string"),
    "connect(weight=nan)": (ValueError, "projection 'source->cells': weight = nan must be finite"),
    "connect(weight=[inf] * 8)": (ValueError, "'source->cells': weight[0] = inf must be finite"),
    'connect(weight="1")': (TypeError, "'source->cells': weight = '1' has type str; it must be a number"),
    "connect(weight=[1e39] * 8)":
        (ValueError, "projection 'source->cells': AllToAll: weight[0] = 1e+39 is", "use weight_dtype='float64'"),
    "connect(weight=[1.0] * 7)": (ValueError, "weight has 7 values; give one number or 8 values"),
    "connect(weight=np.ones((2, 4)))": (ValueError, "weight has shape (2, 4); give one number or a one-"),
    "connect(FixedProbability(0.5), weight=[1.0, 2.0])": (ValueError, "then sim.set(projection, weight="),
    "connect(delay=-1.0)": (ValueError, "'source->cells': delay = -1.0 must be finite and >= 0"),
    "connect(delay=[0.0] * 7 + [-TINY])": (ValueError, "delay[7] = -5e-324 must be finite and >= 0"),
    "connect(delay=nan)": (ValueError, "'source->cells': delay = nan must be finite and >= 0"),
    "connect(delay=inf)": (ValueError, "'source->cells': delay = inf must be finite and >= 0"),
    "connect(delay=Normal(0.0, 1.0))": (ValueError, "must be >= 0; give the distribution a range"),
    "connect(Pairs([0, 2], [0, 0]))": (ValueError, "projection 'source->cells': Pairs: pre[1] = 2 must be less"),
    "connect(FixedTotalNumber(10**13))":
        (MemoryError, "projection 'source->cells': FixedTotalNumber(N=10000", "GiB, more than this machine"),
    "Steps([2, 1], [0, 0])": (ValueError, "Steps: times[1] = 1.0 must be greater than times[0] = 2.0"),
    "cells[4]": (IndexError, "Population 'cells': index 4 is not valid for 4 neurons"),
    "cells[[0, 99]]": (IndexError, "index [0, 99] is not valid for 4 neurons", "99 is out of bounds"),
    "cells[None]": (IndexError, "index None is not valid for 4 neurons; give an integer, a slice, or"),
    "cells[[[0, 1]]]": (IndexError, "index [[0, 1]] is not valid for 4 neurons; give an integer, a slice, or"),
    "cells[True]": (IndexError, "index True is not valid for 4 neurons"),
    "cells[1.0]": (IndexError, "index 1.0 is not valid for 4 neurons"),
    "cells[[True, False]]": (IndexError, "index [True, False] is not valid for 4 neurons"),
    "cells[np.array([1], object)]": (IndexError, "is not valid for 4 neurons"),
    "cells[::0]": (ValueError, "index slice(None, None, 0) is not valid for 4 neurons"),
    'net["cell"]': (KeyError, "Network: no population 'cell'; there is 'cells'"),
    # runs and results
    "Simulation(net, seed=-1)": (ValueError, "Simulation: seed = -1 must be one integer in [0, 2**64)"),
    "Simulation(net, seed=2**64)": (ValueError, f"Simulation: seed = {2**64} is too large"),
    "Simulation(net, seed=1.0)": (TypeError, "Simulation: seed = 1.0 has type float; it must be an integer"),
    "simulate(net, 1.0, seed=None)": (TypeError, "Simulation: seed = None has type NoneType"),
    'Simulation(net, weight_dtype="f2")': (ValueError, "weight_dtype = 'f2' must be 'float32' or 'float64'"),
    "Simulation(net, threads=0)": (ValueError, "Simulation: threads = 0 must be >= 1"),
    "Simulation(net, t_start=nan)": (ValueError, "Simulation: t_start = nan must be finite"),
    "Simulation(net, t_start=1e300)": (ValueError, "Simulation: t_start = 1e+300 ms must be within 2**53"),
    "Simulation(net, t_start=2.0)": (ValueError, "SpikeSource: times[0] = 1.0 ms must not be before 2.0"),
    "Simulation(net, record_spikes=3)": (TypeError, "record_spikes = 3 must be True, False, a population or"),
    'Simulation(net, record_V="cell")': (ValueError, "record_V: Network: no population 'cell'; there is"),
    "Simulation(net, record_V=[3])": (TypeError, "Simulation: record_V: 3 is not a population, view or"),
    "Simulation(net, record_V=other)": (ValueError, "population 'other' of 4 neurons is not in"),
    "Simulation(net, record_V=other[2:])": (ValueError, "population 'other' of 4 neurons is not in"),
    "sim.run(-1.0)": (ValueError, "Simulation.run: duration = -1.0 must be finite and >= 0"),
    "sim.run(nan)": (ValueError, "Simulation.run: duration = nan must be finite and >= 0"),
    "sim.run(inf)": (ValueError, "Simulation.run: duration = inf must be finite and >= 0"),
    "sim.run(1e308)": (ValueError, "duration = 1e+308 ms does not end before 2**53 ms", "run for less"),
    "simulate(net, None)": (TypeError, "Simulation.run: duration = None has type NoneType"),
    "sim.run([1.0])": (TypeError, "Simulation.run: duration is an array of shape (1,); it must be one"),
    'sim.run(1.0, "yes")': (TypeError, "Simulation.run: progress = 'yes' must be True or False"),
    'sim.get(cells, "V")': (ValueError, "Simulation.get: 'cells' has no 'V'; it has V_m, I_ex, I_in, I_e"),
    'sim.get("source", "_cursor")': (ValueError, "'source' has no '_cursor'; it has nothing"),
    'sim.get(3, "V_m")': (TypeError, "Simulation.get: 3 is not a population, view or name of one"),
    'sim.get("no", "V_m")': (ValueError, "Simulation.get: Network: no population 'no'; there is 'source'"),
    'sim.get(other, "V_m")': (ValueError, "Simulation.get: population 'other' of 4 neurons is not in"),
    "sim.set(cells, tau=1.0)": (ValueError, "population 'cells': there is no tau (= 1.0) to set; it has V_m"),
    "sim.set(None, V_m=0.0)": (TypeError, "Simulation.set: None is not a population, view or name of one"),
    "sim.set(cells[:3], V_m=[1.0, 2.0])": (ValueError, "V_m has 2 values; give one number or 3 values"),
    "sim.set(cells, V_m=nan)": (ValueError, "population 'cells': V_m = nan must be finite"),
    "sim.set(cells, I_ex=inf)": (ValueError, "population 'cells': I_ex = inf must be finite"),
    "sim.set(cells, tau_m=0.0)": (ValueError, "population 'cells': tau_m = 0.0 must be finite and > 0"),
    "sim.set(cells, tau_m=TINY)": (ValueError, "population 'cells': tau_m = 5e-324 is too small"),
    "sim.set(cells[2], V_th=-71.0)": (ValueError, "V_reset = -70 is not below V_th = -71 (neuron 2)"),
    "sim.set(cells, V_m=Uniform(0, 1))": (TypeError, "V_m = Uniform(low=0.0, high=1.0) has type Uniform"),
    "sim.set(proj, w=1.0)": (ValueError, "there is no w (= 1.0) to set; it has weight, delay"),
    "sim.set(proj, weight=[1.0] * 7)": (ValueError, "'source->cells': weight has 7 values; give one number or 8"),
    "sim.set(proj, weight=nan)": (ValueError, "'source->cells': weight = nan must be finite"),
    "sim.set(proj, weight=[0.0, -1e39] * 4)": (ValueError, "weight[1] = -1e+39 is too large for float32"),
    "sim.set(proj, delay=-1.0)": (ValueError, "'source->cells': delay = -1.0 must be finite and >= 0"),
    'sim.edges("source->cells")': (TypeError, "'source->cells' is not a projection; pass what net.connect"),
    "sim.edges(net.connect(cells, cells))": (ValueError, "'cells->cells' is not in this simulation's"),
    "sim.inject(cells, [9.0], [0])": (TypeError, "Simulation.inject: 'cells' is a LIF, not a SpikeSource"),
    "sim.inject(source[1], [9.0])": (TypeError, "source = source[1 of 2] is a view; pass the population"),
    "sim.inject(source, [5.0, 4.9])": (ValueError, "times[1] = 4.9 ms must not be before 5.0 ms, the present"),
    "sim.inject(source, [nan])": (ValueError, "Simulation.inject: times[0] = nan must be finite and >= 0"),
    "sim.inject(source, [9.0], [2])": (ValueError, "Simulation.inject: ids[0] = 2 must be less than the number"),
    'result.trace("cells", "V", 1.0)': (ValueError, "Result.trace: 'cells' has no state 'V'; it has V_m"),
    'result.V("cells", 1.0)': (ValueError, "states of cells[2] were not recorded; see record_V"),
    "result.V(cells[0], [1.0, 6.0])": (ValueError, "times holds 6 ms; this result is of 0 to 5 ms"),
    "result.V(cells[0], nan)": (ValueError, "Result.trace: times = nan must be finite"),
    "result.counts(other)": (ValueError, "Result.counts: population 'other' of 4 neurons is not in Network("),
    'result.spikes("no")': (ValueError, "Result.spikes: Network: no population 'no'; there is"),
    "result.rates(3.0)": (TypeError, "Result.counts: 3.0 is not a population, view or name of one"),
    "result.plot(3)": (TypeError, "Result.plot: path = 3 must be a file name, a str or a Path"),
    "sim.save(3)": (TypeError, "Simulation.save: path = 3 must be a file name, a str or a Path"),
    "load(None)": (TypeError, "load: path = None must be a file name, a str or a Path"),
}  # fmt: skip


@pytest.mark.parametrize("call", REFUSED)
def test_refused(call):
    """...and nothing has changed."""
    error, *says = REFUSED[call]
    bench = Bench()
    before = bench.state()
    with pytest.raises(error) as caught:
        eval(call, vars(es) | vars(bench) | dict(build=bench.build, connect=bench.connect, np=np, inf=inf, nan=nan, TINY=TINY))
    assert caught.type is error
    message = str(caught.value)
    assert all(part in message for part in says), message
    assert "\n" not in message
    assert bench.state() == before
    bench.sim.run(1.0)


INDICES = {
    "SpikeSource ids": lambda b, ids: es.SpikeSource([1.0], ids),
    "Simulation.inject ids": lambda b, ids: b.sim.inject(b.source, [9.0], ids),
    "Pairs pre": lambda b, ids: b.connect(es.Pairs(ids, [0])),
    "Pairs post": lambda b, ids: b.connect(es.Pairs([0], ids)),
    "CSR indices": lambda b, ids: b.connect(es.CSR([0, 1, 1], ids)),
    "CSR indptr": lambda b, ids: b.connect(es.CSR(ids, [0])),
}
NO_INDICES = [
    ([-1], ValueError, "= -1"), (np.array([-1], np.int8), ValueError, "= -1"), ([2**63 - 1], ValueError, None),
    (np.array([2**64 - 1], np.uint64), ValueError, None), ([10**30], TypeError, "array of object"), ([[0]], ValueError, None),
    ([0.0], TypeError, "array of float64"), ([nan], TypeError, "array of float64"), ([True], TypeError, "array of bool"),
    (["0"], TypeError, "array of <U1"), ([None], TypeError, "array of object"), ([0j], TypeError, "array of complex128"),
    (np.ma.array([0], mask=[1]), TypeError, "masked array"),
]  # fmt: skip


@pytest.mark.parametrize("takes", INDICES, ids=str)
@pytest.mark.parametrize("ids, error, says", NO_INDICES, ids=lambda x: repr(x) if isinstance(x, list | np.ndarray) else "")
def test_indices_are_whole_numbers_that_exist(takes, ids, error, says):
    if takes == "SpikeSource ids" and ids == [2**63 - 1]:
        assert es.SpikeSource([1.0], ids).ids.tolist() == ids, "whether there is such a source is known later"
        return
    with pytest.raises(error) as caught:
        INDICES[takes](Bench(), ids)
    where, name = takes.split()
    assert caught.type is error
    assert where in str(caught.value) and name in str(caught.value)
    assert says is None or says in str(caught.value)


# ---- errors while running


@pytest.mark.parametrize("model", [es.LIF(t_ref=0.0), es.QIF(), es.AlphaLIF(t_ref=0.0), es.DeltaLIF(reset="subtract", t_ref=0.0)],
                         ids=lambda m: type(m).__name__)  # fmt: skip
def test_immediate_refire_is_an_error_that_names_the_neurons(model):
    net = es.Network()
    source, cells = net.add("source", 1, es.SpikeSource([2.0])), net.add("cells", 3, model)
    net.connect(source, cells[1], weight=1e300)
    sim = es.Simulation(net)
    for _ in range(2):
        with pytest.raises(RuntimeError) as caught:
            sim.run(10.0)
        says = ("Simulation.run: neurons cells[1] fire for ever at t = 3 ms", "refractory time t_ref", "weights")
        assert all(part in str(caught.value) for part in says)
    assert sim.time == pytest.approx(3.0) and sim.result().counts(cells)[[0, 2]].tolist() == [0, 0]
    sim.set(cells, t_ref=1.0)
    assert sim.run(5.0).counts(cells).tolist() == [0, 5, 0], "the remedy helps"


def test_overflow_is_an_error_that_names_the_neuron():
    net = es.Network()
    source, cells = net.add("source", 1, es.SpikeSource([2.0, 3.0])), net.add("cells", 3, es.FlyLIF())
    net.connect(source, cells[1], weight=-1.7e308)
    sim = es.Simulation(net)
    for _ in range(2):
        with pytest.raises(RuntimeError, match=r"the state of cells\[1\] is not finite .* at t = 4 ms .*g = -inf\); check its"):
            sim.run(10.0)
        sim.set("source")
        sim.set(cells[0], V_m=-60.0)
    sim.set(cells, V_m=-60.0, g=0.0)
    assert sim.run(10.0).t_stop == sim.time == 14.0, "what was set right can go on"


@pytest.mark.skipif("asan" in os.environ.get("LD_PRELOAD", ""), reason="the sanitizer needs all addresses")
def test_memory_that_ends_during_a_run_costs_nothing():
    code = """
import resource
import numpy as np
import eventsim as es
net = es.Network()
drive = net.add("drive", 1000, es.Poisson(rate=1e5))
sim = es.Simulation(net)
sim.run(1.0)
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 40_000_000, resource.RLIM_INFINITY))
try:
    sim.run(1e6)
except MemoryError as error:
    assert "no memory for spikes in flight or recordings; record fewer neurons" in str(error), error
resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
assert 1.0 < sim.time < 100.0, sim.time
kept = sim.result().counters["spikes"]
sim.run(1.0)
whole = es.simulate(net, sim.time)
assert kept > 100_000 and abs(whole.counters["spikes"] - sim.result().counters["spikes"]) <= 1
for a, b in zip(sim.result().spike_times_exact(), whole.spike_times_exact()):
    assert np.array_equal(a[:kept], b[:kept])
print("fine")
"""
    done = subprocess.run([sys.executable, "-c", code], env=ENVIRONMENT, capture_output=True, text=True)
    assert done.stdout == "fine\n", done.stderr


# ---- odd but legal


def one(times=(1.0,), T=10.0, weight=600.0, delay=1.5, model=None, **options):
    """Spikes of a neuron driven by a spike list."""
    net = es.Network()
    source, cell = net.add("source", 1, es.SpikeSource(times)), net.add("cell", 1, model or es.LIF(t_ref=0.0))
    net.connect(source, cell, es.Pairs([0], [0]), weight=weight, delay=delay)
    return [(e, o) for e, o, g in exact(es.simulate(net, T, **options)) if g == 1]


def test_extreme_values_mean_what_they_say():
    assert one(weight=5000.0) and one(weight=5000.0) == one(weight=5000.0, model=es.LIF(t_ref=0.0, tau_m=[10.0]))
    assert one(weight=-0.0) == one(weight=TINY) == one(weight=-TINY) == one(weight=-1e300) == []
    assert one(weight=5000.0, delay=-0.0) == one(weight=5000.0, delay=0.0)
    assert [o for _, o in one(weight=5000.0, delay=TINY)] == [o for _, o in one(weight=5000.0, delay=0.0)]
    assert one(weight=5000.0, delay=1e300) == one(weight=5000.0, delay=1.7e308) == []
    assert one(weight=5000.0, model=es.LIF(V_th=inf)) == []
    assert len(one(weight=5000.0, model=es.LIF(t_ref=1e300))) == 1
    assert one(weight=5000.0, model=es.LIF(tau_m=1e-308)) == one(weight=5000.0, model=es.LIF(tau_syn_ex=1e-308)) == []
    assert len(one(weight=5000.0, model=es.LIF(tau_m=1e308, tau_syn_in=1e308))) > 0
    assert one(times=[TINY], weight=5000.0, delay=0.0) == one(times=[-0.0], weight=5000.0, delay=0.0)
    assert one(times=[1e300, 1.7e308]) == []


def test_absurd_durations_are_fine_where_nothing_happens():
    net = es.Network()
    source, cell = net.add("source", 1, es.SpikeSource([1.0])), net.add("cell", 1, es.LIF())
    net.connect(source, cell, weight=100.0)
    sim = es.Simulation(net)
    sim.run(1e15)
    sim.run(2.0**53 - 1e15 - 9.0)
    assert sim.get(cell, "V_m").tolist() == [-70.0]
    sim.inject(source, [2.0**53 - 5.0])
    assert sim.run(8.0).counts(source).tolist() == [1]
    assert sim.get(cell, "V_m") > -70.0
    with pytest.raises(ValueError, match=r"duration = 1 ms does not end before 2\*\*53 ms"):
        sim.run(1.0)
    assert sim.time == 2.0**53 - 1.0


@pytest.mark.parametrize("n", [1, 2**16 - 1, 2**16, 2**16 + 1])
def test_sizes_around_powers_of_two(n):
    net = es.Network()
    source, cells = net.add("source", n, es.SpikeSource([1.0, 2.0], [0, n - 1])), net.add("cells", n, es.DeltaLIF())
    net.connect(source, cells, es.OneToOne(), weight=20.0)
    t, i = es.simulate(net, 5.0, record_V=cells[-1]).spikes(cells)
    assert t.tolist() == [2.0, 3.0][: len(t)] and i.tolist() == ([0, n - 1] if n > 1 else [0])


EMPTY = [
    es.LIF(), es.LIF(tau_m=[]), es.LIF(tau_m=es.Uniform(1.0, 2.0)), es.LIF(I_e=es.Steps([0.0, 1.0], np.zeros((2, 0)))),
    es.QIF(), es.DeltaLIF(I_e=es.Steps([1.0], [2.0])), es.AlphaLIF(), es.DoubleExpLIF(), es.AdaptiveLIF(), es.FlyLIF(),
    es.LeakyIntegrator(), es.PerfectIntegrator(), es.Poisson(rate=es.Uniform(1.0, 2.0)),
    es.Poisson(rate=es.Steps([0.0, 1.0], [1.0, 2.0])), es.SpikeSource(),
]  # fmt: skip


@pytest.mark.parametrize("model", EMPTY, ids=repr)
def test_populations_of_nobody_work_everywhere(model, tmp_path):
    net = es.Network()
    takes = bool(model.receptors)
    empty, some = net.add("empty", 0, model), net.add("some", 3, es.LIF(I_e=500.0))
    views = [empty, empty[:], empty[[]], empty[np.zeros(0, bool)]]
    for k, rule in enumerate([es.AllToAll(), es.FixedProbability(0.5), es.Pairs([], []), es.FixedTotalNumber(0)]):
        synapses = [net.connect(views[k], some, rule, weight=es.Uniform(0, 1), delay=es.Uniform(0, 1))]
        if takes:
            synapses.append(net.connect(some, views[k], rule))
            synapses.append(net.connect(empty, views[k], rule, weight=[], delay=[]) if rule.explicit else synapses[-1])
    sim = es.Simulation(net, record_V=[empty, some], record_spikes=[views[1], some])
    sim.run(10.0)
    for projection in synapses:
        assert [len(a) for a in sim.edges(projection)] == [0, 0, 0, 0]
        sim.set(projection, weight=[], delay=[])
    names = [*model.parameters, *(s for s in model.states if model.states[s].user)]
    for name in names:
        assert sim.get(empty, name).shape == (0,)
        sim.set(views[2], **{name: []})
        sim.set(empty, **{name: 1.0})
    sim.save(tmp_path / "sim")
    again = es.load(tmp_path / "sim")
    assert exact(again.run(30.0)) == exact(sim.run(30.0)) != []
    result = again.result()
    assert result.counts("empty").shape == result.rates("empty").shape == result.spikes("empty")[0].shape == (0,)
    assert np.isnan(result.rate("empty")) and np.isnan(result.cv_isi("empty"))
    assert "empty" in str(result)
    for name in (s for s in model.states if model.states[s].user):
        assert result.trace("empty", name, [0.0, 1.0]).shape == (2, 0)
    result.plot()


def test_autapses_and_multapses():
    net = es.Network()
    cell = net.add("cell", 2, es.DeltaLIF(t_ref=0.0), V_m=[-50.0, -70.0])
    sink = net.add("sink", 1, es.DeltaLIF(tau_m=1e300, V_th=inf, E_L=0.0, V_reset=0.0))
    net.connect(cell, cell, es.Pairs([0, 0, 0], [0, 1, 0]), weight=10.0, delay=1.0)
    net.connect(cell, sink, es.Pairs([0, 0, 1], [0, 0, 0]), weight=1.0, delay=0.0)
    sim = es.Simulation(net)
    t, i = sim.run(3.5).spikes(cell)
    assert t.tolist() == [0.0, 1.0, 2.0, 2.0, 3.0] and i.tolist() == [0, 0, 0, 1, 0]
    assert sim.get(sink, "V_m").tolist() == [9.0]


def test_input_at_the_ends_of_an_interval():
    assert one(times=[0.0], weight=20.0, delay=0.0, model=es.DeltaLIF()) == [(0.0, 0.0)]
    assert one(times=[10.0], weight=20.0, delay=0.0, model=es.DeltaLIF()) == []
    assert one(times=[9.0], weight=20.0, delay=1.0, model=es.DeltaLIF()) == []
    assert one(times=[9.0], weight=20.0, delay=np.nextafter(1.0, 0.0), model=es.DeltaLIF()) != []
    net = es.Network()
    source, cell = net.add("source", 1, es.SpikeSource([0.625, 2.625])), net.add("cell", 1, es.DeltaLIF())
    net.connect(source, cell, weight=20.0, delay=0.0)
    sim = es.Simulation(net, t_start=0.625)
    for _ in range(2):  # each run has its start, not its end
        assert sim.run(0.0).counts().tolist() == [0, 0]
        assert sim.run(2.0).spikes(cell)[0].tolist() == [sim.time - 2.0]


def test_spike_lists_in_any_order_and_more_than_once():
    times, ids = np.array([5.0, 1.0, 3.0, 1.0, 5.0, 1.0]), np.array([1, 0, 1, 1, 1, 0])
    trains = []
    for order in (np.arange(6), np.argsort(times), np.arange(6)[::-1]):
        net = es.Network()
        net.add("source", 2, es.SpikeSource(times[order], ids[order]))
        trains.append(exact(es.simulate(net, 10.0)))
    assert trains[0] == trains[1] == trains[2]
    assert [(e, g) for e, _, g in trains[0]] == [(1, 0), (1, 0), (1, 1), (3, 1), (5, 1), (5, 1)]


def unaligned(a):
    """The same numbers, one byte past where their type likes to be."""
    raw = np.empty(a.nbytes + 1, np.uint8)
    out = raw[1:].view(a.dtype)
    out[:] = a
    return out


def frozen(a):
    a.setflags(write=False)
    return a


LAYOUTS = {
    "list": lambda a: a.tolist(),
    "other byte order": lambda a: a.astype(a.dtype.newbyteorder()),
    "strided": lambda a: np.repeat(a, 3)[::3],
    "reversed": lambda a: a[::-1].copy()[::-1],
    "Fortran column": lambda a: np.asfortranarray(np.stack([a, a]))[1],
    "read-only": lambda a: frozen(a.copy()),
    "unaligned": unaligned,
    "small type": lambda a: a.astype(np.float32 if a.dtype.kind == "f" else np.int8),
    "large type": lambda a: a.astype(np.longdouble if a.dtype.kind == "f" else np.uint64),
}


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_arrays_of_any_layout_mean_the_same_and_are_copied(layout):
    """...and what is done to them afterwards does not matter."""

    def run(make, spoil):
        given = []

        def array(values):
            given.append(make(np.asarray(values)))
            return given[-1]

        def ruin():
            for a in given:
                if spoil and isinstance(a, np.ndarray) and a.flags.writeable:
                    a[:] = 0
                elif spoil and isinstance(a, list):
                    a[:] = [0] * len(a)
            given.clear()

        net = es.Network()
        source = net.add("source", 3, es.SpikeSource(array([1.0, 2.5, 4.0]), array([0, 2, 1])))
        model = es.LIF(tau_m=array([5.0, 10.0, 20.0]), I_e=es.Steps(array([0.0, 6.0]), array([250.0, 500.0])))
        cells = net.add("cells", 3, model, V_m=array([-56.0, -60.0, -70.0]))
        weight, delay = array([500.0, 900.0, -50.0, 25.0]), array([0.5, 2.0, 1.0, 3.25])
        net.connect(source, cells, es.Pairs(array([0, 1, 2, 2]), array([2, 1, 0, 0])), weight=weight, delay=delay)
        rule = es.CSR(array([0, 1, 2]), array([1, 0]))
        synapses = net.connect(cells[array([0, 2])], cells[array([2, 1])], rule, weight=array([9.0, 7.0]))
        ruin()
        sim = es.Simulation(net, record_V=cells)
        sim.run(5.0)
        sim.set(cells, C_m=array([200.0, 250.0, 300.0]))
        sim.set(synapses, weight=array([90.0, 70.0]), delay=array([0.25, 0.75]))
        sim.inject(source, array([6.0, 7.0]), array([1, 0]))
        ruin()
        sim.run(45.0)
        return exact(sim.result()), sim.result().V(cells, make(np.array([1.0, 2.0, 40.0]))).tolist()

    expected = run(lambda a: a, False)
    assert len(expected[0]) > 10
    assert run(LAYOUTS[layout], True) == expected


def test_zero_dimensional_arrays_are_numbers():
    net = es.Network()
    cell = net.add("cell", np.array(2), es.LIF(tau_m=np.array(10.0), I_e=np.float32(500.0)), V_m=np.array(-60.0))
    net.connect(cell, cell, weight=np.array(10.0), delay=np.array(1.0))
    result = es.simulate(net, np.array(30.0), np.array(3))
    plain = es.Network()
    cell = plain.add("cell", 2, es.LIF(tau_m=10.0, I_e=500.0), V_m=-60.0)
    plain.connect(cell, cell, weight=10.0, delay=1.0)
    assert exact(result) == exact(es.simulate(plain, 30.0, 3)) != []


def test_plotting_without_matplotlib_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    monkeypatch.setitem(sys.modules, "matplotlib.backends.backend_agg", None)
    with pytest.raises(ImportError, match=r"^plotting needs matplotlib; install it with: .*$"):
        Bench().result.plot()


# ---- junk


@pytest.fixture(scope="module", autouse=True)
def elsewhere(tmp_path_factory):
    """Junk may be the name of a file."""
    before = os.getcwd()
    os.chdir(tmp_path_factory.mktemp("junk"))
    yield
    os.chdir(before)


class Awkward:
    """Equal to nothing, true to nobody."""

    def __bool__(self):
        raise ValueError("no truth value")

    def __len__(self):
        raise TypeError("no length")


RECURSIVE = [1.0]
RECURSIVE.append(RECURSIVE)
JUNK = [
    None, True, False, 0, 1, -1, 2, 3, 2**31, 2**63, 2**64, -(2**63), 10**30, 10**400, 0.0, -0.0, 1.5, -1.5, TINY, 1e308, -1e308,
    inf, -inf, nan, 1j, "", "cells", "V_m", "float32", "\ud800", b"", b"cells", [], [1.0], [1, 2, 3, 4], [nan] * 4, [None], ["a"],
    [[1.0]], [[], [1]], RECURSIVE, (), (0, 1), {}, {"V_m": 1.0}, set(), {1, 2}, range(4), slice(None), ..., object(), Awkward(),
    len, int, es, es.LIF, es.LIF(), es.Uniform(0.0, 1.0), es.Steps([0.0], [1.0]), es.AllToAll(), es.Network(), Decimal("1.5"),
    Fraction(1, 2), np.float64(1.5), np.bool_(True), np.array(2), np.array([True] * 4), np.array([0, 1], np.uint64),
    np.array([2**64 - 1], np.uint64), np.zeros((2, 2)), np.zeros(0), np.zeros(4, complex), np.array(["a", "b"]),
    np.array([object()] * 4), np.array([1, 2], "datetime64[s]"), np.zeros(2, [("x", float)]), np.ma.array([1.0, 2.0], mask=1),
    np.longdouble("1e4000"), np.array([1, 2], ">f2"), memoryview(b"ab"), np.array([np.nan, 1.0], np.float16), np.zeros((0, 3)),
    np.ones(4, np.int8)[::-1], iter([1.0]), np.random.default_rng(0), Exception("x"),
]  # fmt: skip

#: For every public function, a call with valid arguments; each of them is replaced by junk in turn.
CALLS = {
    "Steps": (lambda b: es.Steps, {"times": [0.0], "values": [1.0]}),
    "Uniform": (lambda b: es.Uniform, {"low": 0.0, "high": 1.0}),
    "Normal": (lambda b: es.Normal, {"mean": 0.0, "std": 1.0, "low": -1.0, "high": 1.0, "outside": "clip"}),
    "LogNormal": (lambda b: es.LogNormal, {"mu": 0.0, "sigma": 1.0, "low": 0.0, "high": 1.0, "outside": "redraw"}),
    "Exponential": (lambda b: es.Exponential, {"scale": 1.0, "low": 0.0, "high": 1.0, "outside": "clip"}),
    "AllToAll": (lambda b: es.AllToAll, {"autapses": True}),
    "FixedProbability": (lambda b: es.FixedProbability, {"p": 0.5, "autapses": True}),
    "FixedInDegree": (lambda b: es.FixedInDegree, {"k": 1, "autapses": True, "multapses": True}),
    "FixedOutDegree": (lambda b: es.FixedOutDegree, {"k": 1, "autapses": True, "multapses": True}),
    "FixedTotalNumber": (lambda b: es.FixedTotalNumber, {"N": 1, "autapses": True, "multapses": True}),
    "Pairs": (lambda b: es.Pairs, {"pre": [0], "post": [1]}),
    "CSR": (lambda b: es.CSR, {"indptr": [0, 1], "indices": [0]}),
    "SpikeSource": (lambda b: es.SpikeSource, {"times": [1.0], "ids": [0]}),
    **{type(m).__name__: (lambda b, m=m: type(m), dict.fromkeys([*m.parameters, *m.options], 1.0)) for m in EMPTY[4:13]},
    "LIF": (lambda b: lambda **given: b.build(es.LIF(**given), 4), {"tau_m": 1.0, "V_th": 1.0, "I_e": 1.0, "reset": "value"}),
    "Network.add": (lambda b: b.net.add, {"name": "x", "n": 4, "model": es.LIF(), "V_m": 0.0}),
    "initial": (lambda b: lambda **given: b.build(es.LIF(), 4, **given), {"V_m": 0.0, "I_e": 0.0, "I_ex": 0.0}),
    "Network.connect": (lambda b: b.net.connect, {"pre": "source", "post": "cells", "rule": es.AllToAll(), "weight": 1.0,
                                                  "delay": 1.0, "receptor": "I", "name": "x"}),
    "built": (lambda b: b.connect, {"weight": 1.0, "delay": 1.0, "rule": es.AllToAll()}),
    "Simulation": (lambda b: es.Simulation, {"network": "net", "seed": 1, "record_spikes": True, "record_V": "cells",
                                             "threads": 1, "weight_dtype": "float64", "t_start": 0.0}),
    "simulate": (lambda b: es.simulate, {"network": "net", "duration": 1.0, "seed": 1, "record_V": None, "record_spikes": True,
                                         "threads": 1, "progress": False, "weight_dtype": "float64"}),
    "run": (lambda b: b.sim.run, {"duration": 1.0, "progress": False}),
    "get": (lambda b: b.sim.get, {"target": "cells", "name": "V_m"}),
    "set": (lambda b: b.sim.set, {"target": "cells", "V_m": 1.0, "tau_m": 1.0, "I_e": 0.0}),
    "set synapses": (lambda b: lambda **given: b.sim.set(b.proj, **given), {"weight": 1.0, "delay": 1.0}),
    "inject": (lambda b: b.sim.inject, {"source": "source", "times": [9.0], "ids": [0]}),
    "edges": (lambda b: b.sim.edges, {"projection": "proj"}),
    "save": (lambda b: b.sim.save, {"path": "/nonexistent/sim"}),
    "load": (lambda b: es.load, {"path": "/nonexistent/sim"}),
    "spikes": (lambda b: b.result.spikes, {"target": "cells"}),
    "exact": (lambda b: b.result.spike_times_exact, {"target": "cells"}),
    "counts": (lambda b: b.result.counts, {"target": "cells"}),
    "rates": (lambda b: b.result.rates, {"target": "cells"}),
    "rate": (lambda b: b.result.rate, {"target": "cells"}),
    "cv_isi": (lambda b: b.result.cv_isi, {"target": "cells"}),
    "trace": (lambda b: b.result.trace, {"target": "some", "name": "V_m", "times": [1.0]}),
    "V": (lambda b: b.result.V, {"target": "some", "times": [1.0]}),
    "[]": (lambda b: b.cells.__getitem__, {"key": 1}),
    "net[]": (lambda b: b.net.__getitem__, {"name": "cells"}),
}  # fmt: skip
FURTHER = {"save": OSError, "load": OSError, "[]": IndexError, "net[]": KeyError}


def junk_call(name, argument, value):
    """Call a public function with junk for one argument, in a fresh bench."""
    bench = Bench()
    bench.some = bench.cells[0]
    function, valid = CALLS[name][0](bench), dict(CALLS[name][1])
    if name not in ("get", "Simulation", "simulate", "inject", "net[]"):  # there a name will do
        valid = {k: getattr(bench, v) if v in ("source", "cells", "some", "proj", "net") else v for k, v in valid.items()
                 if not isinstance(v, str) or k != "x"}  # fmt: skip
    for k in ("network", "pre", "post"):
        if isinstance(valid.get(k), str):
            valid[k] = getattr(bench, valid[k])
    valid[argument] = value
    positional = [valid.pop("key")] if "key" in valid else [valid.pop("name")] if name == "net[]" else []
    try:
        function(*positional, **valid)
    except (ValueError, TypeError, MemoryError, FURTHER.get(name, ValueError)) as error:
        assert str(error)


@pytest.mark.parametrize("name", CALLS)
def test_junk_is_refused_or_understood(name):
    """Whatever stands for an argument: no exception but ValueError and TypeError (and those of files and indices), no crash."""
    for argument in CALLS[name][1]:
        for value in JUNK:
            try:
                junk_call(name, argument, value)
            except Exception as error:
                raise AssertionError(f"{name}({argument}={value!r})") from error


junk = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-3, 5), st.sampled_from([2**31 - 1, 2**32, 2**62, 2**63, 10**25]), st.floats(),
        st.text(max_size=3), st.binary(max_size=3), st.complex_numbers(max_magnitude=3), st.decimals(), st.fractions(),
        st.dates(), st.sampled_from(JUNK),
    ),
    lambda inner: st.lists(inner, max_size=4) | st.tuples(inner, inner) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=5,
)  # fmt: skip


@settings(max_examples=4 * settings.default.max_examples)
@given(st.sampled_from([(name, argument) for name, (_, valid) in CALLS.items() for argument in valid]), junk)
def test_drawn_junk_is_refused_or_understood(where, value):
    assume(where[0] != "save" or not isinstance(value, str | bytes))  # it might be "/x"
    junk_call(*where, value)
