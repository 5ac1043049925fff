"""Delays in codes: whoever reads them finds the numbers they stand for."""

import json

import numpy as np
import pytest

import eventsim as es
from eventsim import _core, storage


def network(different, recurrent=True):
    """A source and 30 cells; `different` delays on a grid of 0.1 ms."""
    rng = np.random.default_rng(different)
    net = es.Network()
    source = net.add("source", 3, es.SpikeSource(np.linspace(0.0, 15.0, 60), np.arange(60) % 3))
    cells = net.add("cells", 30, es.LIF(t_ref=0.5), V_m=es.Uniform(-70.0, -55.0))
    kinds = np.arange(1, different + 1) * 0.1
    for pre, low, high in ((source, 500.0, 2000.0), (cells, -600.0, 900.0))[: 1 + recurrent]:
        m = max(4 * different, 300)
        pairs = es.Pairs(rng.integers(0, pre.n, m), rng.integers(0, 30, m))
        delay = np.concatenate([kinds, rng.choice(kinds, m - different)])
        net.connect(pre, cells, pairs, weight=rng.uniform(low, high, m), delay=delay)
    return net


def simulations(different, recurrent=True, **options):
    """One with coded delays, and one with the same in double precision."""
    coded, plain = (es.Simulation(network(different, recurrent), **options) for _ in range(2))
    engine = plain._engine
    rows = [
        _core.Rows(engine.populations[r.pre], r.post, r.port, r.indptr, r.indices, r.weight, r.delay) for r in engine.projections
    ]
    engine.set_projections(rows, list(range(len(rows))))
    assert all(r.delay_data.dtype == (np.uint8 if different <= 256 else np.uint16) for r in coded._engine.projections)
    assert all(r.delay_data.dtype == np.float64 for r in rows)
    return coded, plain


sizes = pytest.mark.parametrize("different", [20, 300])


@sizes
@pytest.mark.parametrize("executor", ["ordered", "windowed"])
def test_the_bits_of_a_run_do_not_depend_on_how_delays_are_stored(different, executor, tmp_path):
    coded, plain = simulations(different, executor=executor, record_V=True)
    halves = [coded.run(10.0)]
    coded.save(tmp_path / "sim")
    loaded = es.load(tmp_path / "sim")
    formats = [[r.delay_data.dtype for r in sim._engine.projections] for sim in (coded, loaded)]
    assert formats[0] == formats[1]
    halves.append(loaded.run(10.0))
    whole = plain.run(20.0)
    assert len(whole.spikes("cells")[0]) > 50
    for k in range(2):
        assert np.array_equal(np.concatenate([h.spikes("cells")[k] for h in halves]), whole.spikes("cells")[k])
    assert np.array_equal(loaded.get("cells", "V_m"), plain.get("cells", "V_m"))
    assert [r.shortest for r in loaded._engine.projections] == [r.shortest for r in plain._engine.projections] == [0.1, 0.1]


@sizes
@pytest.mark.parametrize("recurrent", [False, True], ids=["layers", "events"])
def test_gradients_do_not_depend_on_how_delays_are_stored(different, recurrent):
    a, b = (
        es.value_and_grad(sim, es.losses.FirstSpikeCrossEntropy(sim.network["cells"], tau=2.0), duration=20.0, targets=[3])
        for sim in simulations(different, recurrent)
    )
    assert a[0] == b[0] != 0.0
    for p, q in zip(a[2].network.projections, b[2].network.projections, strict=True):
        assert np.array_equal(a[1][p].delay, b[1][q].delay) and np.array_equal(a[1][p].weight, b[1][q].weight)
        assert np.any(a[1][p].delay)


def test_delays_set_anew_are_coded_or_not_as_they_need():
    sim, _ = simulations(20)
    projection = sim.network.projections[0]
    edges = sim.edges(projection)
    assert edges.delay.dtype == np.float64 and len(np.unique(edges.delay)) == 20
    sim.run(3.0)
    moved = edges.delay + 1e-3 * np.random.default_rng(0).random(len(edges.delay))
    sim.set(projection, delay=moved)
    rows = sim._engine.projections[0]
    assert rows.delay_data.dtype == np.float64 and not len(rows.delay_table)
    order = np.lexsort((edges.post, moved, edges.pre))
    assert np.array_equal(sim.edges(projection).delay, moved[order])
    assert np.array_equal(sim.edges(projection).weight, edges.weight[order])
    sim.run(3.0)
    sim.set(projection, delay=np.round(sim.edges(projection).delay, 1))
    assert sim._engine.projections[0].delay_data.dtype == np.uint8
    sim.run(3.0)
    assert sim.result().counts("cells").sum()


def test_files_from_before_there_were_codes_can_be_read(tmp_path):
    sim = es.Simulation(network(20), seed=1)
    for projection in sim.network.projections:
        edges = sim.edges(projection)
        sim.set(projection, delay=edges.delay + 1e-3 * np.random.default_rng(0).random(len(edges.delay)))
    sim.run(5.0)
    sim.save(tmp_path / "sim")
    with np.load(tmp_path / "sim") as file:
        arrays = {name: file[name] for name in file.files if "delay_table" not in name}
    header = {k: v for k, v in json.loads(bytes(arrays.pop("header"))).items() if k != "hash"} | {"format": 1}
    header["hash"] = storage._digest(header, arrays)
    with open(tmp_path / "sim", "wb") as file:
        np.savez(file, **arrays, header=np.frombuffer(json.dumps(header).encode(), np.uint8))
    old = es.load(tmp_path / "sim").run(10.0).spikes("cells")
    assert len(old[0]) and all(np.array_equal(a, b) for a, b in zip(old, sim.run(10.0).spikes("cells"), strict=True))
