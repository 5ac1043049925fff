"""Optimisers against formulas written out and against torch; parameters as a vector, written into a simulation."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

import eventsim as es
from eventsim import optim

STEPS = 30


def descent(optimiser, scale=1.0):
    """Steps on the bowl sum c (x - 1)^2 / 2 + sin x, from a fixed point."""
    x, c = np.linspace(-2.0, 2.0, 5), np.array([0.1, 1.0, 3.0, 0.0, 10.0])
    state, path = optimiser.init(x), []
    for _ in range(STEPS):
        optimiser.update(x, c * (x - 1.0) + np.cos(x), state, scale)
        path.append(x.copy())
    return np.array(path)


def by_hand(step):
    """The same, one number at a time; `step(x, g, memory, t)` returns the new x."""
    path = np.empty((STEPS, 5))
    for k, (x, c) in enumerate(zip(np.linspace(-2.0, 2.0, 5), [0.1, 1.0, 3.0, 0.0, 10.0], strict=True)):
        memory = {}
        for t in range(1, STEPS + 1):
            x = step(x, c * (x - 1.0) + math.cos(x), memory, t)
            path[t - 1, k] = x
    return path


def sgd_by_hand(rate, momentum=0.0, nesterov=False, weight_decay=0.0):
    def step(x, g, memory, t):
        g += weight_decay * x
        memory["b"] = momentum * memory["b"] + g if t > 1 else g
        return x - rate * (g + momentum * memory["b"] if nesterov else memory["b"] if momentum else g)

    return step


def adam_by_hand(rate, betas=(0.9, 0.999), epsilon=1e-8, weight_decay=0.0):
    def step(x, g, memory, t):
        x -= rate * weight_decay * x
        memory["m"] = betas[0] * memory.get("m", 0.0) + (1 - betas[0]) * g
        memory["v"] = betas[1] * memory.get("v", 0.0) + (1 - betas[1]) * g**2
        m, v = memory["m"] / (1 - betas[0] ** t), memory["v"] / (1 - betas[1] ** t)
        return x - rate * m / (math.sqrt(v) + epsilon)

    return step


SGDS = [
    dict(rate=0.05),
    dict(rate=0.05, momentum=0.9),
    dict(rate=0.05, momentum=0.9, nesterov=True),
    dict(rate=0.05, momentum=0.5, weight_decay=0.1),
]
ADAMS = [dict(rate=0.1), dict(rate=0.01, betas=(0.5, 0.9), epsilon=1e-3), dict(rate=0.1, weight_decay=0.3)]


@pytest.mark.parametrize("options", SGDS, ids=str)
def test_sgd(options):
    np.testing.assert_allclose(descent(optim.SGD(**options)), by_hand(sgd_by_hand(**options)), rtol=1e-12)


@pytest.mark.parametrize("options", ADAMS, ids=str)
def test_adam(options):
    np.testing.assert_allclose(descent(optim.Adam(**options)), by_hand(adam_by_hand(**options)), rtol=1e-12)


@pytest.mark.parametrize("make, options", [(optim.SGD, o) for o in SGDS] + [(optim.Adam, o) for o in ADAMS], ids=str)
def test_torch_agrees(make, options):
    torch = pytest.importorskip("torch")
    x = torch.linspace(-2.0, 2.0, 5, dtype=torch.float64, requires_grad=True)
    c = torch.tensor([0.1, 1.0, 3.0, 0.0, 10.0], dtype=torch.float64)
    rest = {k: v for k, v in options.items() if k not in ("rate", "epsilon")}
    if make is optim.SGD:
        theirs = torch.optim.SGD([x], lr=options["rate"], **rest)
    else:
        theirs = torch.optim.AdamW([x], lr=options["rate"], eps=options.get("epsilon", 1e-8), **{"weight_decay": 0.0, **rest})
    path = []
    for _ in range(STEPS):
        theirs.zero_grad()
        (c * (x - 1.0) ** 2 / 2 + torch.sin(x)).sum().backward()
        theirs.step()
        path.append(x.detach().numpy().copy())
    np.testing.assert_allclose(descent(make(**options)), path, rtol=1e-11)


def test_the_scale_is_a_learning_rate_per_entry():
    scale = np.array([1.0, 2.0, 0.5, 1.0, 0.0])
    for make in (lambda r: optim.SGD(r, momentum=0.5), lambda r: optim.Adam(r, weight_decay=0.1)):
        scaled, columns = descent(make(0.01), scale), [descent(make(0.01 * s))[:, k] for k, s in enumerate(scale)]
        np.testing.assert_allclose(scaled, np.transpose(columns), rtol=1e-12)


def test_a_state_continues():
    """The memory is all in the state: a copy of x and state continues as the original would."""
    adam, x = optim.Adam(optim.Exponential(0.1, 0.9)), np.ones(3)
    state = adam.init(x)
    adam.update(x, np.array([1.0, -2.0, 3.0]), state)
    y, copy = x.copy(), {k: np.copy(v) if isinstance(v, np.ndarray) else v for k, v in state.items()}
    for z, s in ((x, state), (y, copy)):
        optim.Adam(optim.Exponential(0.1, 0.9)).update(z, np.array([0.5, 0.5, 0.5]), s)
    np.testing.assert_array_equal(x, y)
    assert state["step"] == 2


def test_schedules():
    assert [optim.Constant(2.0)(k) for k in (0, 9)] == [2.0, 2.0]
    assert [optim.Exponential(2.0, 0.5, every=10)(k) for k in (0, 10, 15)] == pytest.approx([2.0, 1.0, 2.0 * 0.5**1.5])
    assert [optim.Step(2.0, 0.5, every=10)(k) for k in (0, 9, 10, 25)] == [2.0, 2.0, 1.0, 0.5]
    assert [optim.Cosine(2.0, 10, final=1.0)(k) for k in (0, 5, 10, 99)] == pytest.approx([2.0, 1.5, 1.0, 1.0])
    assert [optim.Constant(2.0, warmup=3)(k) for k in (0, 1, 3, 9)] == [0.5, 1.0, 2.0, 2.0]
    path = descent(optim.SGD(optim.Step(0.1, 0.0, every=5)))
    assert np.all(path[4:] == path[4]) and np.any(path[3] != path[4])


# ---- parameters of a simulation


def small(**options):
    net = es.Network()
    a = net.add("a", 3, es.SpikeSource())
    b = net.add("b", 4, es.LIF(tau_m=8.0))
    proj = net.connect(a, b, weight=es.Normal(0.0, 1.0), delay=es.Uniform(1.0, 5.0))
    return es.Simulation(net, seed=3, weight_dtype="float64", **options), proj, b


def table(edges):
    """{(pre, post): (weight, delay)}"""
    return {(i, j): (w, d) for i, j, w, d in zip(*(a.tolist() for a in edges), strict=True)}


def test_weights_and_delays_keep_their_synapse_when_rows_are_reordered():
    sim, proj, _ = small()
    params = optim.Parameters(sim, {proj: ("weight", "delay")})
    start = sim.edges(proj)
    pairs = list(zip(start.pre.tolist(), start.post.tolist(), strict=True))
    pull = dict(zip(pairs, np.random.default_rng(0).normal(0, 1, 12).tolist(), strict=True))
    sgd, orders = optim.SGD(1.0), set()
    softplus, inverse = lambda x: np.log1p(np.exp(x)), lambda v: np.log(np.expm1(v))
    expected = table(start)
    for _ in range(4):
        now = sim.edges(proj)
        orders.add(tuple(now.post.tolist()))
        g = np.array([pull[i, j] for i, j in zip(now.pre.tolist(), now.post.tolist(), strict=True)])
        params.step(sgd, {proj: SimpleNamespace(weight=g, delay=2.0 * g)})
        for pair, (w, d) in expected.items():
            x = inverse(d)
            expected[pair] = w - pull[pair], softplus(x - 2.0 * pull[pair] / (1.0 + np.exp(-x)))
        got = table(sim.edges(proj))
        for pair in pairs:
            assert got[pair] == pytest.approx(expected[pair], rel=1e-12)
    assert len(orders) > 1


def test_shared_values_add_their_derivatives():
    sim, _, b = small()
    params = optim.Parameters(sim, {b: ("tau_m", "V_th")}, shared=("tau_m",))
    assert len(params) == 5
    g = params.gradient({b: SimpleNamespace(tau_m=np.array([1.0, 2.0, 3.0, 4.0]), V_th=np.arange(4.0))})
    np.testing.assert_allclose(g, [80.0, 0.0, 1.0, 2.0, 3.0], rtol=1e-14)  # d tau / d log tau = 8
    params.descend(optim.SGD(0.01), g)
    np.testing.assert_allclose(sim.get(b, "tau_m"), 8.0 * np.exp(-0.8), rtol=1e-14)
    np.testing.assert_allclose(sim.get(b, "V_th"), -55.0 - 0.01 * np.arange(4.0), rtol=1e-14)


@pytest.mark.parametrize("kind", ["log", "softplus", "identity"])
def test_maps_are_inverse_and_their_slopes_derivatives(kind):
    value, h = np.array([1e-6, 0.01, 0.7, 3.0, 50.0, 800.0]), 1e-5
    m = optim.MAPS[kind]
    x = m.to_free(value)
    np.testing.assert_allclose(m.to_value(x), value, rtol=1e-9)
    if kind != "identity":
        np.testing.assert_allclose(m.slope(x), (m.to_value(x + h) - m.to_value(x - h)) / (2 * h), rtol=1e-6)
        assert np.all(m.to_value(x - 5.0) > 0)


def test_masked_weights_never_change():
    sim, proj, _ = small()
    before, mask = sim.edges(proj).weight, np.arange(12) % 3 > 0
    params = optim.Parameters(sim, {proj: "weight"}, masks={proj: mask})
    for _ in range(3):
        params.step(optim.Adam(0.1, weight_decay=0.5), {proj: SimpleNamespace(weight=np.ones(12))})
    after = sim.edges(proj).weight
    np.testing.assert_array_equal(after[~mask], before[~mask])
    assert np.all(after[mask] != before[mask])


def test_rates_per_name():
    sim, proj, b = small()
    params = optim.Parameters(sim, {proj: "weight", b: "V_th"}, rates={"V_th": 3.0})
    x = params.flatten()
    params.step(optim.SGD(0.1), {proj: SimpleNamespace(weight=np.ones(12)), b: SimpleNamespace(V_th=np.ones(4))})
    np.testing.assert_allclose(x - params.x, [0.1] * 12 + [0.3] * 4, rtol=1e-9)


def test_flat_vector_and_values():
    sim, proj, b = small()
    params = optim.Parameters(sim, {proj: "weight", "b": "tau_m"})
    np.testing.assert_array_equal(params[proj, "weight"], sim.edges(proj).weight)
    np.testing.assert_allclose(params["b", "tau_m"], 8.0)
    params.unflatten(np.arange(16.0) / 10)
    np.testing.assert_allclose(sim.edges(proj).weight, np.arange(12) / 10)
    np.testing.assert_allclose(sim.get(b, "tau_m"), np.exp(np.arange(12, 16) / 10))
    assert repr(params) == "Parameters(a->b.weight 12, b.tau_m 4)"


def test_float32_weights_are_kept_in_float64():
    """Steps too small for float32 add up."""
    net = es.Network()
    proj = net.connect(net.add("a", 1, es.SpikeSource()), net.add("b", 2, es.LIF()), weight=es.Uniform(1.0, 2.0), delay=1.0)
    sim = es.Simulation(net)
    params, before = optim.Parameters(sim, {proj: "weight"}), sim.edges(proj).weight
    for _ in range(100):
        params.step(optim.SGD(1e-8), {proj: SimpleNamespace(weight=np.ones(2))})
    np.testing.assert_allclose(sim.edges(proj).weight, before - 1e-6, rtol=1e-7)
    assert np.all(sim.edges(proj).weight != before)


def test_minimize():
    sim, proj, _ = small()
    params = optim.Parameters(sim, {proj: ("weight", "delay")})
    goal = {pair: (0.1 * k, 1.0 + 0.3 * k) for k, pair in enumerate(table(sim.edges(proj)))}

    def function():
        e = sim.edges(proj)
        w, d = np.transpose([goal[i, j] for i, j in zip(e.pre.tolist(), e.post.tolist(), strict=True)])
        value = np.sum((e.weight - w) ** 2 + (e.delay - d) ** 2)
        return value, {proj: SimpleNamespace(weight=2 * (e.weight - w), delay=2 * (e.delay - d))}

    result = optim.minimize(function, params, maxiter=200)
    assert result.success and result.fun < 1e-8
    for pair, reached in table(sim.edges(proj)).items():
        assert reached == pytest.approx(goal[pair], abs=1e-3)  # off by 1e-4 if the value is 1e-8


# ---- clipping


def test_clip():
    g = np.array([3.0, -4.0, 12.0])
    same = optim.clip(g)
    assert same == (pytest.approx(g), 13.0, 0, False)
    cut = optim.clip(g, entry=3.5)
    assert cut.entries == 2 and not cut.scaled
    np.testing.assert_array_equal(cut.gradient, [3.0, -3.5, 3.5])
    short = optim.clip(g, norm=6.5)
    assert short.scaled and short.norm == 13.0
    np.testing.assert_allclose(short.gradient, 0.5 * g)
    np.testing.assert_array_equal(g, [3.0, -4.0, 12.0])


def test_clip_grazing_bounds_the_division_by_the_slope():
    slopes, derivative = np.array([1e-6, 0.05, 0.1, 2.0, 1e-6]), np.array([1.0, -2.0, 3.0, 4.0, 0.0])
    response = SimpleNamespace(slopes=lambda population: slopes)
    report = []
    loss = optim.clip_grazing(lambda r, t: (7.0, {"out": SimpleNamespace(times=derivative)}), 0.1, report)
    value, s = loss(response, None)
    assert value == 7.0 and report == [2]
    np.testing.assert_allclose(s["out"].times / slopes, [10.0, -20.0, 30.0, 2.0, 0.0], rtol=1e-12)


# ---- errors


@pytest.mark.parametrize(
    "make, error, words",
    [
        (lambda: optim.SGD(-0.1), ValueError, ["SGD", "rate", "-0.1"]),
        (lambda: optim.SGD(0.1, nesterov=True), ValueError, ["nesterov", "momentum > 0"]),
        (lambda: optim.Adam(betas=(0.9, 1.0)), ValueError, ["Adam", "betas", "1.0"]),
        (lambda: optim.clip(np.ones(2), norm=0.0), ValueError, ["clip", "norm", "0"]),
    ],
)
def test_optimiser_errors(make, error, words):
    with pytest.raises(error) as info:
        make()
    assert all(word in str(info.value) for word in words), info.value


@pytest.mark.parametrize(
    "learn, options, error, words",
    [
        (lambda p, b: {p: "wait"}, {}, ValueError, ["'a->b'", "'wait'", "weight, delay"]),
        (lambda p, b: {b: "weight"}, {}, ValueError, ["'b'", "'weight'"]),
        (lambda p, b: {p: "weight"}, dict(shared=("weight",)), ValueError, ["weight", "'a->b'", "shared"]),
        (lambda p, b: {p: "weight"}, dict(maps={"weight": "log"}), ValueError, ["weight[", "> 0", "'log'"]),
        (lambda p, b: {p: "weight"}, dict(maps={"weight": "square"}), ValueError, ["'square'", "'softplus'"]),
        (lambda p, b: {p: "weight"}, dict(masks={"w": 0}), ValueError, ["masks", "'w'"]),
    ],
)
def test_parameter_errors(learn, options, error, words):
    sim, proj, b = small()
    with pytest.raises(error) as info:
        optim.Parameters(sim, learn(proj, b), **options)
    assert all(word in str(info.value) for word in words), info.value


def test_mask_and_vector_shapes_are_checked():
    sim, proj, _ = small()
    with pytest.raises(ValueError, match=r"mask of weight of 'a->b' has shape \(3,\)"):
        optim.Parameters(sim, {proj: "weight"}, masks={proj: np.ones(3, bool)})
    with pytest.raises(ValueError, match=r"x has shape \(3,\); it must be \(12,\)"):
        optim.Parameters(sim, {proj: "weight"}).unflatten(np.zeros(3))
    with pytest.raises(KeyError, match=r"'delay'.* is not learned; there is a->b.weight"):
        optim.Parameters(sim, {proj: "weight"})[proj, "delay"]
