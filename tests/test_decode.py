"""Decodings and the activity report, on a response written by hand."""

from types import SimpleNamespace

import numpy as np
import pytest

import eventsim as es
from eventsim import decode
from eventsim.response import Response, Spikes


@pytest.fixture
def response():
    """Three samples of 20 ms, four neurons; all are silent in the last, neuron 3 always."""
    net = es.Network()
    net.add("input", 1, es.SpikeSource())
    net.add("out", 4, es.LIF())
    spikes = Spikes(np.array([0, 0, 0, 1, 1]), np.array([2.0, 3.0, 4.0, 1.0, 1.0]), np.array([1, 0, 0, 2, 0]))
    V = np.array([[1.0, 2.0, 3.0, 0.0], [5.0, 0.0, 0.0, 4.0], [0.0, 0.0, 0.0, 1.0]])
    runs = SimpleNamespace(n_samples=3, duration=20.0, spikes=lambda k: spikes, max_V=lambda k: V)
    runs.integral_V = lambda k, decay: V[:, ::-1] if decay == 5.0 else -V
    return Response(net, runs)


def test_classes(response):
    assert decode.first_spike(response, "out").tolist() == [1, 0, -1]  # of equal times the lowest
    assert decode.count(response, "out").tolist() == [0, 0, 0]
    assert decode.max_V(response, "out").tolist() == [2, 0, 3]
    assert decode.integral_V(response, "out", decay=5.0).tolist() == [1, 3, 0]
    assert decode.integral_V(response, "out").tolist() == [3, 1, 0]


def test_population_code(response):
    assert decode.first_spike(response, "out", n_classes=2).tolist() == [0, 0, -1]
    assert decode.max_V(response, "out", n_classes=2).tolist() == [0, 0, 1]
    assert decode.count(response, "out", n_classes=2).tolist() == [0, 0, 0]
    assert decode.grouped(np.arange(8.0).reshape(1, 8), 4).tolist() == [[0.5, 2.5, 4.5, 6.5]]
    with pytest.raises(ValueError, match="n_classes = 3 does not divide the 4"):
        decode.count(response, "out", n_classes=3)


def test_accuracy():
    assert decode.accuracy([1, 2, -1, 0], [1, 2, 3, 1]) == 0.5
    with pytest.raises(ValueError, match=r"\(1,\).*\(2,\)"):
        decode.accuracy([1], [1, 2])


def test_activity(response):
    row = es.activity(response)["out"]
    assert row == ("out", 4, 0.25, 8 / 12, pytest.approx(5 / 12), 2, pytest.approx(1000 * 5 / 12 / 20))
    text = str(es.activity(response, "out"))
    assert text.splitlines()[0].startswith("population") and "25.0%" in text and "20.8" in text
