"""Times as the engine keeps them: whole milliseconds and a fraction, see ``ext/time.pxi``."""

from __future__ import annotations

from math import floor

import numpy as np

Time = tuple[float, float]  #: (epoch, offset): integer-valued ms, and a fraction in [0, 1)
LAST = 2.0**53  #: [ms] up to here whole milliseconds are exact: 285,000 years


def split(t: float) -> Time:
    """A time [ms] as (epoch, offset): exactly, but for negative ones within 2**-54 ms of a whole one."""
    epoch, offset = float(floor(t)), t - floor(t)
    return (epoch + 1.0, 0.0) if offset == 1.0 else (epoch, offset)


def split_array(t: np.ndarray) -> np.ndarray:
    """Times (m,) [ms] as (m, 2) of epoch and offset, exactly."""
    epoch = np.floor(t)
    return np.stack([epoch, t - epoch], axis=-1)


def join(times: np.ndarray) -> np.ndarray:
    """Times (m, 2) as float64 [ms], rounded once."""
    return times[:, 0] + times[:, 1]


def later(t: Time, wait: float) -> Time:
    """t + wait, as the engine adds."""
    whole, fraction = split(wait)
    epoch, offset = t[0] + whole, t[1] + fraction
    return (epoch + 1.0, offset - 1.0) if offset >= 1.0 else (epoch, offset)


def later_all(at: np.ndarray, wait: np.ndarray) -> np.ndarray:
    """at (..., 2) + wait (...), as the engine adds; shapes broadcast."""
    whole = np.floor(wait)
    offset = at[..., 1] + (wait - whole)
    carry = offset >= 1.0
    return np.stack([at[..., 0] + whole + carry, offset - carry], axis=-1)


def elapsed_all(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """b - a [ms] of times (..., 2); shapes broadcast."""
    return (b[..., 0] - a[..., 0]) + (b[..., 1] - a[..., 1])


def just_before(t: np.ndarray) -> np.ndarray:
    """The latest times before t (..., 2)."""
    borrow = t[..., 1] == 0.0
    return np.stack([t[..., 0] - borrow, np.where(borrow, np.nextafter(1.0, 0.0), np.nextafter(t[..., 1], 0.0))], axis=-1)


def in_force(times: np.ndarray, values: np.ndarray, at: Time) -> np.ndarray | float:
    """The piecewise constant value at time `at`: the last of `values` (K, ...) with times <= at, 0 before the first."""
    k = np.searchsorted(times, at[0] + at[1], side="right")
    return values[k - 1] if k else 0.0


def still_to_come(times: np.ndarray, values: np.ndarray, after: Time) -> tuple[np.ndarray, np.ndarray]:
    """The changes later than `after`, as times (K, 2) and values (K, 1 or n)."""
    k = np.searchsorted(times, after[0] + after[1], side="right")
    return split_array(times[k:]), np.array(values[k:], np.float64).reshape(len(times) - k, -1 if len(times) > k else 1)
