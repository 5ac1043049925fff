"""The face of the gradients: arguments, look-up, what is refused; and what a response says of membranes."""

import numpy as np
import pytest
from scipy.integrate import quad

import eventsim as es

T = 40.0


def network(model=None, n=3):
    rng = np.random.default_rng(5)
    net = es.Network()
    source = net.add("source", 4, es.SpikeSource(rng.uniform(0, 25, 20), rng.integers(0, 4, 20)))
    cells = net.add("cells", n, model or es.LIF(tau_syn_ex=3.0, V_th=np.array([-55.0, -52.0, 0.0])))
    net.connect(source, cells, weight=rng.uniform(-100, 1200, 4 * n), delay=rng.uniform(0.5, 2, 4 * n))
    net.connect(cells, cells, weight=rng.uniform(-100, 100, n * n), delay=rng.uniform(0.5, 2, n * n))
    return net


def sum_of_times(response, targets=None):
    return response.spikes("cells").time.sum(), {"cells": es.Sensitivity(times=np.ones(len(response.spikes("cells").time)))}


def samples(count):
    rng = np.random.default_rng(9)
    return [(rng.uniform(0, 25, 15), rng.integers(0, 4, 15)) for _ in range(count)]


# ---- what is given and what comes back


def test_inputs_may_be_given_in_several_ways():
    net = network()
    batch = samples(3)
    values = [
        es.value_and_grad(net, sum_of_times, given, duration=T)[0]
        for given in (batch, es.SpikeTrains.of(batch), {"source": batch}, {net["source"]: es.SpikeTrains.of(batch)})
    ]
    assert len(set(values)) == 1


def test_without_inputs_the_network_runs_as_it_is():
    net = network()
    value, grads, response = es.value_and_grad(net, sum_of_times, duration=T)
    t, _ = es.simulate(net, T, weight_dtype="float64", progress=False).spikes("cells")
    assert len(t) > 3
    assert value == pytest.approx(t.sum(), rel=1e-14)
    assert response.n_samples == 1
    assert [len(times) for times in grads["source"].times] == [20]


def test_default_duration():
    _, _, response = es.value_and_grad(network(), sum_of_times, samples(2))
    last = max(times.max() for times, _ in samples(2))
    assert response.duration == np.ceil(last + 5 * (10.0 + 3.0))


def test_look_up_by_object_or_name():
    net = network()
    _, grads, _ = es.value_and_grad(net, sum_of_times, duration=T)
    assert grads["cells"] is grads[net["cells"]]
    assert grads["source->cells"] is grads[net.projections[0]]
    assert set(vars(grads["source->cells"])) == {"weight", "delay"}
    assert {"tau_m", "V_th", "V_reset", "t_ref", "E_L", "I_e", "C_m", "tau_syn_ex", "V_m", "I_ex"} <= set(vars(grads["cells"]))
    assert "tau_m" in repr(grads)
    with pytest.raises(KeyError, match="'source', 'cells'"):
        grads["cell"]


def test_wrt_selects():
    net = network()
    _, everything, _ = es.value_and_grad(net, sum_of_times, duration=T)
    _, some, _ = es.value_and_grad(net, sum_of_times, duration=T, wrt=("weight", "V_th"))
    assert set(vars(some["cells->cells"])) == {"weight"}
    assert set(vars(some["cells"])) == {"V_th"}
    assert not vars(some["source"])
    np.testing.assert_array_equal(some["cells->cells"].weight, everything["cells->cells"].weight)
    np.testing.assert_array_equal(some["cells"].V_th, everything["cells"].V_th)


@pytest.mark.parametrize("threads", [2, 3, 5])
def test_the_same_bits_for_any_number_of_threads(threads):
    net = network()
    one = es.value_and_grad(net, sum_of_times, samples(7), duration=T)
    many = es.value_and_grad(net, sum_of_times, samples(7), duration=T, threads=threads)
    assert one[0] == many[0]
    for name in ("weight", "delay"):
        np.testing.assert_array_equal(getattr(one[1]["cells->cells"], name), getattr(many[1]["cells->cells"], name))
    np.testing.assert_array_equal(one[1]["cells"].tau_m, many[1]["cells"].tau_m)
    for a, b in zip(one[1]["source"].times, many[1]["source"].times, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_simulation_is_the_start_of_every_sample_and_stays_so():
    net = network()
    sim = es.Simulation(net, weight_dtype="float64")
    first, _, _ = es.value_and_grad(sim, sum_of_times, samples(2), duration=T)
    assert es.value_and_grad(sim, sum_of_times, samples(2), duration=T)[0] == first
    sim.set(net.projections[0], weight=0.9 * sim.edges(net.projections[0]).weight)
    assert es.value_and_grad(sim, sum_of_times, samples(2), duration=T)[0] != first


def test_sensitivities_of_one_population_under_two_keys_add():
    net = network()

    def twice(response, targets):
        value, parts = sum_of_times(response)
        return 2 * value, {"cells": parts["cells"], net["cells"]: parts["cells"]}

    once = es.value_and_grad(net, sum_of_times, duration=T)[1]["cells->cells"].weight
    np.testing.assert_allclose(es.value_and_grad(net, twice, duration=T)[1]["cells->cells"].weight, 2 * once, rtol=1e-14)


# ---- what is refused


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"executor": "fast"}, "executor = 'fast'"),
        ({"executor": "layers"}, "does not apply"),
        ({"duration": -1.0}, "duration = -1.0"),
        ({"threads": 0}, "threads = 0"),
        ({"wrt": ("wieght",)}, "wrt names 'wieght'"),
        ({"inputs": [([1.0], [7])]}, "ids"),
        ({"inputs": [([-1.0], [0])]}, "times"),
        ({"inputs": {"source": [([1.0], [0])], "nothing": []}}, "nothing"),
        ({"pseudo_spikes": -1}, "pseudo_spikes = -1"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        es.value_and_grad(network(), sum_of_times, **({"duration": T} | arguments))


def test_bad_types():
    with pytest.raises(TypeError, match="network = 3"):
        es.value_and_grad(3, sum_of_times)
    with pytest.raises(TypeError, match=r"sample 0 = 1\.0 is not a pair"):
        es.value_and_grad(network(), sum_of_times, [1.0], duration=T)
    with pytest.raises(TypeError, match="not a SpikeSource"):
        es.value_and_grad(network(), sum_of_times, {"cells": samples(1)}, duration=T)


def test_a_simulation_that_has_run_is_refused():
    sim = es.Simulation(network())
    sim.run(1.0, progress=False)
    with pytest.raises(ValueError, match="has run to 1 ms"):
        es.value_and_grad(sim, sum_of_times, duration=T)


def test_delta_synapses_warn():
    net = es.Network()
    source = net.add("source", 1, es.SpikeSource([1.0, 2.0]))
    cells = net.add("cells", 1, es.DeltaLIF())
    net.connect(source, cells, weight=20.0)
    with pytest.warns(UserWarning, match="whatever its weight"):
        _, grads, _ = es.value_and_grad(net, sum_of_times, duration=10.0)
    np.testing.assert_array_equal(grads["source->cells"].weight, [0.0])
    np.testing.assert_array_equal(grads["source->cells"].delay, [1.0])  # only the first makes a spike: V_m is back at rest


# ---- membranes, against the recorded ones of a plain run


@pytest.mark.parametrize(
    "model", [es.LIF(tau_syn_ex=3.0, V_th=-52.0), es.AlphaLIF(V_th=-52.0), es.AdaptiveLIF(q_sfa=3.0), es.FlyLIF()]
)
def test_what_a_response_says_of_membranes(model):
    net = network(model)
    if isinstance(model, es.FlyLIF):
        for projection in net.projections:
            projection.weight = projection.weight / 30.0
    times = np.linspace(0.0, T, 41)
    result = es.simulate(net, T, weight_dtype="float64", record_V=net["cells"], progress=False)
    seen = {}

    def look(response, targets):
        seen["V"] = response.V("cells", times)[0]
        seen["max"] = response.max_V("cells")[0]
        seen["plain"], seen["decaying"] = response.integral_V("cells")[0], response.integral_V("cells", 12.0)[0]
        seen["square"] = response.integral_square("cells", -60.0)[0]
        return 0.0, {}

    es.value_and_grad(net, look, duration=T)
    np.testing.assert_allclose(seen["V"], result.V("cells", times).T, rtol=0, atol=1e-11)
    dense = np.linspace(0.0, T, 20001)
    V = result.V("cells", dense)
    spiked = result.counts("cells") > 0
    assert np.any(spiked)
    if not isinstance(model, es.AdaptiveLIF):  # whose threshold moves
        assert np.all(seen["max"][spiked] == model.values["V_th"])
    assert np.all(V.max(axis=0)[~spiked] <= seen["max"][~spiked] + 1e-12)
    np.testing.assert_allclose(seen["max"][~spiked], V.max(axis=0)[~spiked], rtol=0, atol=5e-3)  # 1e-3 ms off a kink
    for j in range(3):
        for name, f in (
            ("plain", lambda t, v: v),
            ("decaying", lambda t, v: np.exp(-t / 12.0) * v),
            ("square", lambda t, v: (v + 60.0) ** 2),
        ):
            y = f(dense, V[:, j])
            wanted = np.sum((y[1:] + y[:-1]) / 2 * np.diff(dense))
            assert seen[name][j] == pytest.approx(wanted, rel=2e-3)  # the jumps at resets spoil the trapezoidal rule


def test_integrals_are_exact():
    """A lone membrane that decays, and one that is clamped for a while: closed forms."""
    net = es.Network()
    net.add("cells", 2, es.LIF(tau_m=10.0, E_L=-70.0, t_ref=4.0, V_reset=-65.0), V_m=np.array([-60.0, -50.0]))
    seen = {}

    def look(response, targets):
        seen["plain"], seen["decaying"] = response.integral_V("cells")[0], response.integral_V("cells", 12.0)[0]
        return 0.0, {}

    es.value_and_grad(net, look, duration=T)
    decay = lambda start, rate, length: start * -np.expm1(-rate * length) / rate  # noqa: E731
    assert seen["plain"][0] == pytest.approx(-70.0 * T + decay(10.0, 0.1, T), rel=1e-14)
    assert seen["decaying"][0] == pytest.approx(decay(-70.0, 1 / 12, T) + decay(10.0, 0.1 + 1 / 12, T), rel=1e-14)
    assert seen["plain"][1] == pytest.approx(-65.0 * 4.0 - 70.0 * (T - 4.0) + decay(5.0, 0.1, T - 4.0), rel=1e-14)
    late = np.exp(-4.0 / 12)
    wanted = decay(-65.0, 1 / 12, 4.0) + late * (decay(-70.0, 1 / 12, T - 4.0) + decay(5.0, 0.1 + 1 / 12, T - 4.0))
    assert seen["decaying"][1] == pytest.approx(wanted, rel=1e-14)
    assert quad(lambda t: np.exp(-t / 12) * (-70 + 10 * np.exp(-t / 10)), 0, T)[0] == pytest.approx(seen["decaying"][0], rel=1e-9)


def test_largest_membrane_under_a_moving_threshold():
    """Elevated from the start, and sinking: no spike adds to it."""
    sim = es.Simulation(network(es.AdaptiveLIF()), weight_dtype="float64")
    sim.set("cells", h=4.0)

    def loss(response, targets):
        return response.max_V("cells").sum(), {"cells": es.Sensitivity(max_V=np.ones((1, 3)))}

    _, _, response = es.value_and_grad(sim, loss, duration=T)
    assert np.all(response.max_V("cells")[:, [0, 2]] > -54.0) and list(response.counts("cells")[0] > 0) == [True, False, True]
    assert es.check_gradient(sim, loss, duration=T, parameters={"V_th", "h", "tau_sfa", "weight"}).error < 1e-6


@pytest.mark.parametrize("at", [0.0, 7.0, T])
def test_both_executors_see_the_same_membrane(at):
    """At the start, in between and at the very end."""
    net = es.Network()
    source = net.add("source", 1, es.SpikeSource([1.0, 3.0]))
    cells = net.add("cells", 2, es.LIF(V_th=np.array([-50.0, -69.0]), t_ref=T))
    net.connect(source, cells, weight=np.array([100.0, 3000.0]), delay=1.0)
    loss = es.losses.MembraneError(cells, [at])
    found = [es.value_and_grad(net, loss, targets=np.zeros((1, 2, 1)), duration=T, executor=e) for e in ("events", "layers")]
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-13)
    for name in ("V_m", "tau_m", "E_L", "V_reset"):
        np.testing.assert_allclose(getattr(found[0][1][cells], name), getattr(found[1][1][cells], name), rtol=1e-10, atol=1e-12)


def test_a_simulation_may_start_at_any_time():
    """Inputs are at times of the simulation, answers at times since its start, in both executors."""
    found = []
    for start in (0.0, 100.0, 2.0**33):
        net = es.Network()
        source = net.add("source", 1, es.SpikeSource([start + 1.0, start + 4.0]))
        cells = net.add("cells", 1, es.LIF(C_m=20.0, tau_syn_ex=5.0, E_L=0.0, V_th=1.0, V_reset=0.0))
        net.connect(source, cells, weight=12.0, delay=1.0)
        for executor in ("events", "layers"):
            for inputs in (None, [([start + 1.0, start + 4.0], [0, 0])]):
                sim = es.Simulation(net, weight_dtype="float64", t_start=start)
                _, grads, response = es.value_and_grad(sim, sum_of_times, inputs, executor=executor)
                assert response.duration == 4.0 + 5 * (10.0 + 5.0)
                assert len(response.spikes(cells).time) >= 2
                found.append(np.r_[response.spikes(cells).time, grads[source].times[0]])
    for other in found[1:]:
        np.testing.assert_allclose(other, found[0], rtol=1e-11)


def test_silent_hinge_knows_the_threshold():
    """Its derivative by V_th is one for each silent neuron that is short of it, in either executor."""
    net = es.Network()
    source = net.add("source", 1, es.SpikeSource([1.0, 3.0]))
    cells = net.add("cells", 3, es.LIF(V_th=np.array([-65.0, -50.0, -69.0])))
    net.connect(source, cells, weight=np.array([100.0, 100.0, 3000.0]), delay=1.0)
    loss = es.losses.SilentHinge(cells)
    for executor in ("events", "layers"):
        value, grads, response = es.value_and_grad(net, loss, duration=T, executor=executor)
        assert list(response.counts(cells)[0] > 0) == [False, False, True]
        np.testing.assert_allclose(grads[cells].V_th, [1.0, 1.0, 0.0])
        sim = es.Simulation(net, weight_dtype="float64")
        sim.set(cells, V_th=np.array([-64.0, -50.0, -69.0]))
        assert es.value_and_grad(sim, loss, duration=T, executor=executor)[0] == pytest.approx(value + 1.0)
