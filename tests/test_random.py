"""Random numbers: the generator against numpy's, the distributions' quantiles against scipy's."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from scipy import special

from eventsim import _core

word = st.integers(0, 2**64 - 1)


def numpy_blocks(seed, purpose, id, n):
    """Blocks 0 ... n - 1 of numpy's Philox, which advances its counter before each block."""
    first = (id << 64) - 1
    return np.random.Philox(key=seed + (purpose << 64), counter=first % 2**256).random_raw(4 * n).reshape(n, 4)


@given(word, word, word)
def test_blocks_equal_those_of_numpy(seed, purpose, id):
    assert np.array_equal(_core.philox_blocks(seed, purpose, id, 3), numpy_blocks(seed, purpose, id, 3))


def test_known_answer():
    """The first line for philox4x64 10 in kat_vectors of Random123."""
    block = _core.philox_blocks(0, 0, 0, 1)[0]
    assert [f"{x:016x}" for x in block.tolist()] == [
        "16554d9eca36314c", "db20fe9d672d0fdc", "d7e772cee186176b", "7e68b68aec7ba23b"
    ]  # fmt: skip


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_a_seed_beyond_64_bits_is_refused(seed):
    with pytest.raises(OverflowError):
        _core.philox_blocks(seed, 0, 0, 1)


def test_normal_quantile():
    """All three pieces of the approximation, both tails; scipy and we err by some 1e-16 each, times up to ten."""
    tails = 10.0 ** -np.linspace(0.31, 300, 4000)
    u = np.concatenate([tails, 1.0 - tails[tails > 1e-15], np.linspace(0.01, 0.99, 2001), [0.075, 0.925, 0.5]])
    x, exact = _core.quantiles("Normal", 0.0, 1.0, u), special.ndtri(u)
    assert np.abs(exact).max() > 37.0
    np.testing.assert_allclose(x, exact, rtol=2e-15, atol=1e-16)


def test_normal_quantile_is_odd():
    u = np.ldexp(np.arange(1, 2**10), -10)
    x = _core.quantiles("Normal", 0.0, 1.0, u)
    assert np.array_equal(x, -x[::-1]) and x[2**9 - 1] == 0.0


def test_quantiles_of_the_others():
    u = np.linspace(0.001, 0.999, 999)
    np.testing.assert_allclose(_core.quantiles("Uniform", -60.0, -50.0, u), -60.0 + 10.0 * u, rtol=1e-15)
    np.testing.assert_allclose(_core.quantiles("Exponential", 3.0, 0.0, u), -3.0 * np.log(u), rtol=1e-15)
    np.testing.assert_allclose(_core.quantiles("Normal", 5.0, 2.0, u), 5.0 + 2.0 * special.ndtri(u), rtol=1e-14, atol=1e-14)
    np.testing.assert_allclose(_core.quantiles("LogNormal", 1.0, 0.5, u), np.exp(1.0 + 0.5 * special.ndtri(u)), rtol=1e-14)
