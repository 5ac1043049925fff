"""Pictures: every kind of result can be drawn, without pyplot, without warnings, in the given classes."""

import sys

import numpy as np
import pytest

import eventsim as es
from eventsim import plot

pytest.importorskip("matplotlib")


@pytest.fixture(scope="module")
def result():
    net = es.Network()
    cell = es.LIF(I_e=500.0)
    a, b = net.add("a", 30, cell, V_m=es.Uniform(-70, -55)), net.add("b", 4, cell, V_m=es.Uniform(-70, -55))
    net.connect(a, b, weight=10.0)
    return es.simulate(net, 100.0, seed=1, record_V=[a[3:5], b[:1]])


def labels(figure):
    return [text.get_text() for ax in figure.axes for text in ax.texts]


def test_panels(result):
    figure = result.plot()
    assert len(figure.axes) == 2 + 3  # raster, rates, three membranes
    assert labels(figure)[0::2][:2] == ["a", "b"]
    assert f"{result.counters['spikes']} spikes" in figure.axes[0].get_title(loc="left")
    assert [ax.get_title(loc="left") for ax in figure.axes[2:]] == ["a[3]", "a[4]", "b[0]"]
    assert figure.axes[-1].get_xlim() == (0.0, 100.0)


def test_every_spike_is_a_mark_and_none_is_elsewhere(result):
    figure = result.plot()
    marks = {line.get_color(): line.get_xdata() for line in figure.axes[0].lines if line.get_linestyle() == "None"}
    for colour, name in zip(plot.COLOURS, "ab", strict=False):
        assert np.array_equal(marks[colour], result.spikes(name)[0])


def test_rates_integrate_to_the_number_of_spikes(result):
    figure = result.plot()
    for patch, name, n in zip(figure.axes[1].patches, "ab", (30, 4), strict=True):
        value, edge, _ = patch.get_data()
        assert edge[0] == 0.0 and edge[-1] == 100.0
        assert np.sum(value * np.diff(edge)) * 1e-3 * n == pytest.approx(result.counts(name).sum())


def test_membrane_has_its_spikes(result):
    ax = result.plot().axes[2]
    spikes = result.spikes("a")[0][result.spikes("a")[1] == 3]
    strokes = ax.collections[0].get_segments()
    assert np.allclose([stroke[0, 0] for stroke in strokes], spikes)
    assert np.allclose([stroke[0, 1] for stroke in strokes], -55.0)  # from the threshold upwards


def test_classes_split_a_population(result):
    code = np.arange(30) % 3
    figure = result.plot(classes={"a": (("x", "y", "nobody"), np.minimum(code, 1))}, title="title")
    assert labels(figure)[0::2][:3] == ["x", "y", "b"]
    assert figure.get_suptitle() == "title"


def test_wrong_classes(result):
    with pytest.raises(ValueError, match=r"population 'c'.*a, b"):
        result.plot(classes={"c": (("x",), np.zeros(3, int))})
    with pytest.raises(ValueError, match=r"\(3,\).*30 neurons"):
        result.plot(classes={"a": (("x",), np.zeros(3, int))})


def test_many_spikes_are_thinned_by_neurons(result, monkeypatch):
    monkeypatch.setattr(plot, "DOTS", 40)
    ax = result.plot().axes[0]
    drawn = sum(len(line.get_xdata()) for line in ax.lines if line.get_linestyle() == "None")
    assert 0 < drawn < result.counters["spikes"] / 2
    assert f"{drawn} drawn" in ax.get_title(loc="left")


def test_part_of_what_there_is():
    net = es.Network()
    a = net.add("a", 10, es.LIF(I_e=500.0))
    for record in (dict(record_spikes=[a[2:4]]), dict(record_spikes=False, record_V=a[0]), dict(record_spikes=False)):
        for duration in (50.0, 0.0):
            es.simulate(net, duration, **record).plot()
    silent = es.Network()
    silent.add("a", 10, es.LIF())
    es.simulate(silent, 50.0).plot()


def test_later_run_starts_where_it_starts(tmp_path):
    net = es.Network()
    net.add("a", 3, es.LIF(I_e=500.0))
    sim = es.Simulation(net, record_V="a")
    sim.run(100.0)
    later = sim.run(1000.0).plot(tmp_path / "later.svg")
    assert later.axes[0].get_xlim() == (100.0, 1100.0)
    assert (tmp_path / "later.svg").read_text().count("<svg") == 1


@pytest.mark.parametrize("model", [es.QIF(), es.LeakyIntegrator(), es.DeltaLIF(I_e=500.0), es.FlyLIF()], ids=repr)
def test_membrane_of_any_model_stays_in_sight(model):
    net = es.Network()
    start = {"I": 3.0} if isinstance(model, es.QIF) else {}
    cell = net.add("cell", 1, model, **start)
    low, high = es.simulate(net, 100.0, record_V=cell).plot().axes[-1].get_ylim()
    assert -200 < low < high < 100


def test_pyplot_is_not_touched(result):
    already = "matplotlib.pyplot" in sys.modules
    result.plot()
    assert ("matplotlib.pyplot" in sys.modules) == already


def test_without_matplotlib(result, monkeypatch):
    for module in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match="pip install matplotlib"):
        result.plot()
