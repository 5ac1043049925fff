"""The classifier: what it learns, scikit-learn's conventions with and without scikit-learn; the initialiser."""

import pickle

import numpy as np
import pytest

import eventsim as es
from eventsim import SpikingClassifier
from eventsim.gradient import runs
from eventsim.initial import in_order


def blobs(n=120, classes=3, seed=0):
    """Clusters in four dimensions, apart enough to be told apart."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, n)
    return rng.normal(0.0, 1.0, (classes, 4))[y] * 3.0 + rng.normal(0.0, 0.6, (n, 4)), y


def small(**options):
    return SpikingClassifier(**{"hidden": (20,), "epochs": 8, "learning_rate": 0.03, "random_state": 0, **options})


@pytest.fixture(scope="module")
def fitted():
    return small().fit(*blobs())


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"loss": "max_V"},
        {"loss": "first_spike"},
        {"learn": ("weight", "delay")},
        {"hidden": (15, 10)},
        {"dropout": 0.2, "input_dropout": 0.1, "input_jitter": 0.5},
        {"encoder": es.encode.Population(4)},
        {"schedule": es.optim.Exponential(0.03, 0.99)},
    ],
    ids=str,
)
def test_it_learns(options):
    X, y = blobs(240)
    clf = small(**options).fit(X[:120], y[:120])
    assert clf.score(X[120:], y[120:]) > 0.9
    assert clf.history_["loss"][-1] < 0.5 * clf.history_["loss"][0]
    assert set(clf.history_) == {"loss", "accuracy", "spikes"} and len(clf.history_["spikes"]) == clf.n_iter_ == 8


def test_answers_agree_with_each_other(fitted):
    X, _ = blobs(seed=1)
    p, scores = fitted.predict_proba(X), fitted.decision_function(X)
    np.testing.assert_allclose(p.sum(axis=1), 1.0)
    np.testing.assert_array_equal(fitted.predict(X), np.argmax(p, axis=1))
    np.testing.assert_allclose(np.log(p / p[:, :1]), scores - scores[:, :1], atol=1e-9)
    one_by_one = np.concatenate([fitted.decision_function(x[None]) for x in X[:5]])
    np.testing.assert_allclose(one_by_one, scores[:5], rtol=1e-9)


def test_two_classes_of_any_type():
    X, y = blobs(classes=2)
    clf = small().fit(X, np.array(["no", "yes"])[y])
    assert set(clf.predict(X)) == {"no", "yes"} and clf.classes_.tolist() == ["no", "yes"]
    scores = clf.decision_function(X)
    assert scores.shape == (len(X),)
    np.testing.assert_array_equal(clf.predict(X) == "yes", scores > 0)
    np.testing.assert_allclose(clf.predict_proba(X)[:, 1], 1.0 / (1.0 + np.exp(-scores)), rtol=1e-9)


def test_reproducible(fitted):
    X, y = blobs()
    for same in (small(), small(threads=2), small(random_state=np.int64(0))):
        for a, b in zip(same.fit(X, y).weights_, fitted.weights_, strict=True):
            np.testing.assert_array_equal(a, b)
    assert np.any(small(random_state=1).fit(X, y).weights_[0] != fitted.weights_[0])


def test_shapes_and_delays(fitted):
    assert [w.shape for w in fitted.weights_] == [(9, 20), (20, 3)]  # four features, their complements, a bias
    assert np.all(fitted.delays_[0] == fitted.delay)
    clf = small(learn="delay", epochs=2).fit(*blobs())
    assert len(np.unique(clf.delays_[0])) > 100 and clf.delays_[0].min() > 0
    start = small(learn="delay", epochs=1, learning_rate=1e-12).fit(*blobs())
    np.testing.assert_array_equal(clf.weights_[0], start.weights_[0])


def test_learned_delays_stay_with_their_synapses():
    """The network that was trained is the network that predicts, whatever the order of its rows."""
    X, y = blobs()
    clf = small(learn=("weight", "delay"), validation_fraction=0.3).fit(X, y)
    kept = np.sort(np.random.default_rng(0).permutation(len(X))[:36])
    assert clf.score(X[kept], y[kept]) == clf.history_["validation_accuracy"][-1]


def test_features_that_share_their_minimum_are_silent_there():
    X, y = blobs()
    pixels = np.maximum(X, 0.0)
    clf = small(epochs=1).fit(pixels, y)
    assert not clf.encoder_.complement and clf.weights_[0].shape[0] == 4
    np.testing.assert_array_equal(clf.range_, pixels.max())


def test_early_stopping_keeps_the_best_weights():
    X, y = blobs(200)
    y[::4] = np.random.default_rng(1).integers(0, 3, 50)  # noise, to be overfitted
    clf = small(epochs=60, validation_fraction=0.25, early_stopping=3).fit(X, y)
    seen = clf.history_["validation_accuracy"]
    assert clf.n_iter_ == len(seen) < 60
    assert max(seen[-3:]) <= max(seen[:-3])
    kept = np.sort(np.random.default_rng(0).permutation(200)[:50])
    assert clf.score(X[kept], y[kept]) == max(seen)


def test_save_and_load(fitted, tmp_path):
    X, _ = blobs(seed=1)
    fitted.save(tmp_path / "clf")
    same = SpikingClassifier.load(tmp_path / "clf")
    np.testing.assert_array_equal(same.decision_function(X), fitted.decision_function(X))
    assert same.get_params() == fitted.get_params() and [p.name for p in tmp_path.iterdir()] == ["clf"]
    (tmp_path / "other").write_bytes(pickle.dumps([1]))
    with pytest.raises(TypeError, match="holds a list"):
        SpikingClassifier.load(tmp_path / "other")


def test_parameters(fitted):
    clf = small().set_params(epochs=3)
    assert clf.epochs == 3 and clf.get_params()["epochs"] == 3
    assert "epochs=3" in repr(clf) and "threads" not in repr(clf)
    with pytest.raises(ValueError, match="depth"):
        clf.set_params(depth=3)


def test_response_shows_the_layers(fitted):
    report = es.activity(fitted.response(blobs(seed=1)[0]))
    assert list(report.rows) == ["hidden 1"] and 0.1 < report["hidden 1"].mean < 10.0


@pytest.mark.parametrize(
    "options, words",
    [
        ({"hidden": (0,)}, ["hidden[0]", "0"]),
        ({"learning_rate": 0.0}, ["learning_rate", "> 0"]),
        ({"loss": "hinge"}, ["loss", "'hinge'", "'max_V'"]),
        ({"schedule": "linear"}, ["schedule", "'linear'", "'cosine'"]),
        ({"learn": ("V_th",)}, ["learn", "V_th", "'delay'"]),
        ({"learn": "delay", "delay": 0.0}, ["delay", "0", "positive"]),
        ({"dropout": 1.0}, ["dropout", "1"]),
        ({"early_stopping": 2}, ["early_stopping", "validation_fraction"]),
    ],
    ids=str,
)
def test_parameter_errors(options, words):
    with pytest.raises(ValueError) as info:
        small(**options).fit(*blobs())
    assert all(word in str(info.value) for word in ["SpikingClassifier", *words]), info.value


def test_data_errors(fitted):
    X, y = blobs()
    with pytest.raises((ValueError, AttributeError), match="not fitted"):
        small().predict(X)
    for bad in (X[0], np.full((3, 4), np.nan)):
        with pytest.raises(ValueError):
            fitted.predict(bad)
    with pytest.raises(ValueError, match="X has 3 features, but SpikingClassifier is expecting 4 features"):
        fitted.predict(X[:, :3])
    with pytest.raises(ValueError):
        small().fit(X, y[:5])
    with pytest.raises(ValueError, match="1 class"):
        small().fit(X, np.zeros(len(X), int))


@pytest.mark.filterwarnings("ignore")
def test_scikit_learn_agrees():
    pytest.importorskip("sklearn")
    from sklearn.utils.estimator_checks import check_estimator

    outcomes = check_estimator(small(epochs=10), on_fail=None, on_skip=None)
    failed = [f"{o['check_name']}: {o['exception']!r}" for o in outcomes if o["status"] == "failed"]
    assert not failed and sum(o["status"] == "passed" for o in outcomes) > 40


# ---- the initialiser


def layered(weight, **options):
    lif = es.LIF(C_m=20.0, tau_m=20.0, tau_syn_ex=5.0, tau_syn_in=5.0, E_L=0.0, V_th=1.0, V_reset=0.0, t_ref=0.0)
    net = es.Network()
    out = net.add("out", 3, es.LeakyIntegrator(C_m=20.0, tau_m=20.0, tau_syn_ex=5.0, tau_syn_in=5.0, E_L=0.0))
    b, a, source = net.add("b", 30, lif), net.add("a", 40, lif), net.add("in", 10, es.SpikeSource())
    for pre, post in ((b, out), (a, b), (source, a)):
        net.connect(pre, post, weight=weight, delay=1.0)
    rng = np.random.default_rng(0)
    inputs = es.SpikeTrains.of([(np.sort(rng.uniform(0.0, 20.0, 10)), rng.permutation(10)) for _ in range(30)])
    return es.Simulation(net, weight_dtype="float64", **options), inputs


@pytest.mark.parametrize("spikes", [0.5, 2.0])
def test_initialise_makes_every_layer_fire(spikes):
    sim, inputs = layered(es.Normal(0.001, 0.01))
    before = [sim.edges(p).weight for p in sim.network.projections]
    factors = es.initialise(sim, inputs, duration=60.0, spikes={"a": 1.0, "b": spikes}, spread=0.3)
    response = es.Response(sim.network, runs(sim, inputs, 60.0))
    assert response.counts("a").mean() == pytest.approx(1.0, rel=0.05)
    assert response.counts("b").mean() == pytest.approx(spikes, rel=0.05)
    assert (response.integral_V("out") / 60.0).std(axis=1).mean() == pytest.approx(0.3, rel=0.05)
    for p, w in zip(sim.network.projections, before, strict=True):
        np.testing.assert_allclose(sim.edges(p).weight, factors[p.post.name] * w, rtol=1e-12)


def test_initialise_leaves_out_what_is_not_named():
    sim, inputs = layered(es.Normal(0.5, 1.0))
    assert set(es.initialise(sim, inputs, duration=60.0, spikes={"a": 1.0})) == {"a", "out"}


def test_initialise_says_what_cannot_fire():
    sim, inputs = layered(-1.0)
    with pytest.raises(ValueError, match=r"no factor on the weights into 'a' makes it reach 1 spikes per neuron"):
        es.initialise(sim, inputs, duration=60.0)


def test_order():
    sim, _ = layered(1.0)
    assert [p.name for p in in_order(sim.network)] == ["in", "a", "b", "out"]
    net = es.Network()
    a, b, c = (net.add(name, 1, es.LIF()) for name in "abc")
    for pre, post in ((a, b), (b, a), (c, b), (b, b)):
        net.connect(pre, post)
    assert [p.name for p in in_order(net)] == ["c", "a", "b"]
