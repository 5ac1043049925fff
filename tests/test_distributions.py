"""Distributions and steps: laws, ranges, independence of chunks, and what is refused."""

import pickle
from itertools import pairwise

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from scipy import special

from eventsim import Exponential, LogNormal, Normal, Steps, Uniform, _core

DISTRIBUTIONS = [
    Uniform(-60.0, -50.0),
    Normal(3.0, 2.0),
    Normal(0.0, 1.0, low=-0.5, high=1.5),
    Normal(0.0, 1.0, low=-0.5, high=1.5, outside="clip"),
    LogNormal(1.0, 0.5),
    LogNormal(1.0, 0.5, high=4.0),
    Exponential(2.0),
    Exponential(2.0, low=1.0, high=5.0),
]
any_distribution = pytest.mark.parametrize("distribution", DISTRIBUTIONS, ids=repr)


def phi(x):
    return special.ndtr(x)


@pytest.mark.parametrize(
    "distribution, cdf",
    [
        (DISTRIBUTIONS[0], lambda x: (x + 60.0) / 10.0),
        (DISTRIBUTIONS[1], lambda x: phi((x - 3.0) / 2.0)),
        (DISTRIBUTIONS[2], lambda x: (phi(x) - phi(-0.5)) / (phi(1.5) - phi(-0.5))),
        (DISTRIBUTIONS[4], lambda x: phi((np.log(x) - 1.0) / 0.5)),
        (DISTRIBUTIONS[5], lambda x: phi((np.log(x) - 1.0) / 0.5) / phi((np.log(4.0) - 1.0) / 0.5)),
        (DISTRIBUTIONS[6], lambda x: 1.0 - np.exp(-x / 2.0)),
        (DISTRIBUTIONS[7], lambda x: (np.exp(-0.5) - np.exp(-x / 2.0)) / (np.exp(-0.5) - np.exp(-2.5))),
    ],
    ids=repr,
)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_law(distribution, cdf, seed):
    """Kolmogorov's distance of 20,000 draws stays below its 1e-4 quantile, 2.23/sqrt(n)."""
    n = 20_000
    u = cdf(np.sort(distribution.draw(n, seed, purpose=7)))
    distance = max(np.max(np.arange(1, n + 1) / n - u), np.max(u - np.arange(n) / n))
    assert distance < 2.23 / np.sqrt(n)


def test_clipped_values_gather_at_the_ends():
    x = Normal(0.0, 1.0, low=-0.5, high=1.5, outside="clip").draw(20_000, 0, 0)
    for end, expected in ((-0.5, phi(-0.5)), (1.5, phi(-1.5))):
        share = np.mean(x == end)
        assert abs(share - expected) < 5 * np.sqrt(expected * (1 - expected) / len(x))
    assert x.min() == -0.5 and x.max() == 1.5


def word_of(seed, purpose, element, attempt):
    return int(_core.philox_blocks(seed, purpose, element // 4, attempt + 1)[attempt, element % 4])


@given(seed=st.integers(0, 2**64 - 1), purpose=st.integers(0, 2**40), first=st.integers(0, 2**34), redraw=st.booleans())
def test_an_element_is_the_documented_function_of_seed_purpose_and_id(seed, purpose, first, redraw):
    distribution = Uniform(0.0, 1.0) if not redraw else Normal(0.0, 1.0, low=0.5)
    drawn = distribution.draw(6, seed, purpose, first_id=first)
    for i, value in enumerate(drawn):
        for attempt in range(100):
            u = np.array([((word_of(seed, purpose, first + i, attempt) >> 12) + 0.5) * 2.0**-52])
            expected = u[0] if not redraw else _core.quantiles("Normal", 0.0, 1.0, u)[0]
            if not redraw or expected >= 0.5:
                break
        assert value == expected


@any_distribution
@given(cuts=st.lists(st.integers(0, 100), max_size=4), first=st.integers(0, 10))
def test_chunks_do_not_matter(distribution, cuts, first):
    whole = distribution.draw(100, 5, 6, first_id=first)
    edges = [0, *sorted(cuts), 100]
    parts = [distribution.draw(b - a, 5, 6, first_id=first + a) for a, b in pairwise(edges)]
    assert np.array_equal(np.concatenate(parts), whole)


@any_distribution
def test_float32_is_the_same_number_rounded(distribution):
    whole = distribution.draw(1000, 3, 4)
    assert np.array_equal(distribution.draw(1000, 3, 4, dtype=np.float32), whole.astype(np.float32))


@any_distribution
def test_seed_and_purpose_matter(distribution):
    draws = [distribution.draw(8, seed, purpose) for seed, purpose in ((0, 0), (0, 1), (1, 0), (2**64 - 1, 0))]
    assert len({tuple(d) for d in draws}) == 4


@any_distribution
def test_descriptions_are_values(distribution):
    copy = pickle.loads(pickle.dumps(distribution))
    assert copy == distribution and hash(copy) == hash(distribution)
    assert eval(repr(distribution).replace("inf", "np.inf")) == distribution
    with pytest.raises(AttributeError):
        distribution.low = 0.0


def test_degenerate_ones_are_legal():
    assert np.all(Uniform(2.0, 2.0).draw(5, 0, 0) == 2.0)
    assert np.all(Normal(2.0, 0.0).draw(5, 0, 0) == 2.0)
    assert len(Uniform(0.0, 1.0).draw(0, 0, 0)) == 0


def test_a_range_that_cannot_be_reached_is_an_error_not_a_hang():
    with pytest.raises(ValueError, match=r"Normal: range low = 50, high = 60 .*100000 attempts.*outside='clip'"):
        Normal(0.0, 1.0, low=50.0, high=60.0).draw(10, 0, 0)
    assert np.all(Normal(0.0, 1.0, low=50.0, high=60.0, outside="clip").draw(5, 0, 0) == 50.0)


@pytest.mark.parametrize(
    "make, error, message",
    [
        (lambda: Uniform(1.0, 0.0), ValueError, "Uniform: low = 1.0 must not exceed high = 0.0"),
        (lambda: Uniform(-1.7e308, 1.7e308), ValueError, "Uniform: low = -1.7e+308 must not exceed high = 1.7e+308, nor"),
        (lambda: Uniform(np.nan, 0.0), ValueError, "Uniform: low = nan must be finite"),
        (lambda: Uniform(0.0, np.inf), ValueError, "Uniform: high = inf must be finite"),
        (lambda: Uniform("a", 0.0), TypeError, "Uniform: low = 'a' has type str; it must be a number"),
        (lambda: Uniform(True, 2.0), TypeError, "Uniform: low = True has type bool; it must be a number"),
        (lambda: Uniform([1.0], 2.0), TypeError, "Uniform: low is an array of shape (1,); it must be one number"),
        (lambda: Normal(0.0, -1.0), ValueError, "Normal: std = -1.0 must be finite and >= 0"),
        (lambda: Normal(0.0, 1.0, low=2.0, high=1.0), ValueError, "Normal: low = 2.0 must be less than high = 1.0"),
        (lambda: Normal(0.0, 1.0, low=np.nan), ValueError, "Normal: low = nan must be a number, not NaN"),
        (lambda: Normal(0.0, 1.0, outside="wrap"), ValueError, "Normal: outside = 'wrap' must be 'redraw' or 'clip'"),
        (lambda: LogNormal(np.inf, 1.0), ValueError, "LogNormal: mu = inf must be finite"),
        (lambda: LogNormal(0.0, 1j), TypeError, "LogNormal: sigma = 1j has type complex; it must be a number"),
        (lambda: Exponential(0.0), ValueError, "Exponential: scale = 0.0 must be finite and > 0"),
        (lambda: Steps([], []), ValueError, "Steps: times is empty"),
        (lambda: Steps([0, 1, 1], [1, 2, 3]), ValueError, "Steps: times[2] = 1.0 must be greater than times[1] = 1.0"),
        (lambda: Steps([-1.0], [1.0]), ValueError, "Steps: times[0] = -1.0 must be finite and >= 0"),
        (lambda: Steps([0.0, 1.0], [1.0]), ValueError, "Steps: values has 1 rows for 2 times"),
        (lambda: Steps([0.0], [[[1.0]]]), ValueError, "Steps: values has shape (1, 1, 1)"),
        (lambda: Steps([0.0], [[1.0, np.nan]]), ValueError, "Steps: values[0, 1] = nan must be finite"),
        (lambda: Steps([0.0], [None]), TypeError, "Steps: values has type array of object; it must be an array of numbers"),
    ],
)
def test_errors(make, error, message):
    with pytest.raises(error) as caught:
        make()
    assert message in str(caught.value)


def test_steps_keep_copies():
    times, values = np.array([0.0, 10.0]), np.array([[1.0, 2.0], [3.0, 4.0]])
    steps = Steps(times, values)
    times[0], values[0, 0] = 5.0, 9.0
    assert steps.times.tolist() == [0.0, 10.0] and steps.values.tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert not steps.times.flags.writeable and not steps.values.flags.writeable
    assert Steps(3.0, [1.0]).times.tolist() == [3.0]
