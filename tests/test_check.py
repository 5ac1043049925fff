"""The helpers that check what users pass, where the errors of their callers do not show it."""

import numpy as np
import pytest

from eventsim import check


@pytest.mark.parametrize("value", [3, 3.0, np.float32(3), np.int8(3), np.array(3), np.longdouble(3), np.array(3, ">f8")])
def test_numbers(value):
    number = check.number("thing", "x", value)
    assert number == 3.0 and type(number) is float
    assert type(check.values("thing", "x", value)) is float


@pytest.mark.parametrize("value", [[1, 2], (1.0, 2.0), np.array([1, 9, 2, 9], ">i2")[::2], np.array([1, 2], np.uint64)])
def test_arrays_are_copied_to_plain_ones(value):
    values = check.values("thing", "x", value, n=2)
    assert values.dtype == np.float64 and values.tolist() == [1.0, 2.0] and values.flags.c_contiguous
    assert not np.shares_memory(values, np.asarray(value))


def test_kinds():
    assert check.number("thing", "x", -np.inf, "any") == -np.inf
    assert check.number("thing", "x", 0.0, "nonnegative") == 0.0
    assert check.number("thing", "x", 5e-324, "positive") == 5e-324
    assert check.seed("thing", "seed", np.uint64(2**64 - 1)) == 2**64 - 1
    assert check.count("thing", "n", np.int16(4), at_least=4) == 4
    assert check.integers("thing", "ids", []).dtype == np.int64


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda: check.number("thing", "x", None), TypeError, "thing: x = None has type NoneType; it must be a number"),
        (lambda: check.number("thing", "x", 10**400), ValueError, "is too large; it must be a number of at most 64 bits"),
        (lambda: check.number("thing", "x", np.inf, "positive"), ValueError, "thing: x = inf must be finite and > 0"),
        (lambda: check.values("thing", "x", [1, 2, 3], n=2), ValueError, "thing: x has 3 values; give one number or 2 values"),
        (lambda: check.values("thing", "x", [[1]]), ValueError, "thing: x has shape (1, 1); give one number or a"),
        (lambda: check.values("thing", "x", [1, [2]]), ValueError, "thing: x is not a number or an array of numbers"),
        (lambda: check.values("thing", "x", ["1"]), TypeError, "thing: x has type array of <U1; it must be a number or an array"),
        (lambda: check.values("thing", "x", [True]), TypeError, "thing: x has type array of bool; it must be a number or an"),
        (lambda: check.values("thing", "x", [0, np.nan], "any"), ValueError, "thing: x[1] = nan must be a number, not NaN"),
        (lambda: check.values("thing", "x", np.ma.array([1.0], mask=[True])), TypeError, "thing: x is a masked array; fill"),
        (lambda: check.integers("thing", "ids", 3), ValueError, "thing: ids has shape (); give a one-dimensional array"),
        (lambda: check.integers("thing", "ids", np.uint64([2**63])), ValueError, f"thing: ids[0] = {2**63} must be between"),
        (lambda: check.count("thing", "n", 0, at_least=1), ValueError, "thing: n = 0 must be >= 1 and < 2**63"),
        (lambda: check.count("thing", "n", 2**63), ValueError, f"thing: n = {2**63} must be >= 0 and < 2**63"),
        (lambda: check.seed("thing", "seed", -1), ValueError, "thing: seed = -1 must be one integer in [0, 2**64)"),
        (lambda: check.seed("thing", "seed", 1.0), TypeError, "thing: seed = 1.0 has type float; it must be an integer"),
        (lambda: check.flag("thing", "on", 1), TypeError, "thing: on = 1 must be True or False"),
        (lambda: check.spikes("thing", [1.0, 2.0], [0, 0, 0]), ValueError, "thing: ids has 3 values for 2 times"),
        (lambda: check.spikes("thing", [1.0], [2], n=2), ValueError, "thing: ids[0] = 2 must be less than the number"),
        (lambda: check.spikes("thing", [1.0, -1.0], 0), ValueError, "thing: times[1] = -1.0 must be finite and >= 0"),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error) as caught:
        call()
    assert message in str(caught.value)


def test_one_id_stands_for_all_spikes():
    times, ids = check.spikes("thing", [3.0, 1.0], 2, n=3)
    assert times.tolist() == [3.0, 1.0] and ids.tolist() == [2, 2] and ids.dtype == np.int64
    assert [len(a) for a in check.spikes("thing", [], [])] == [0, 0]


def test_times_before_the_present_are_refused_to_the_last_bit():
    start = (2.0**40, 0.1)  # as one float64 the fraction would be rounded
    times = np.array([2.0**40 + 1.0, 2.0**40 + 0.125])
    check.not_before("thing", "times", times, start)
    with pytest.raises(ValueError, match=r"thing: times\[1\] = .* ms must not be before"):
        check.not_before("thing", "times", times, (2.0**40, np.nextafter(0.125, 1.0)))
