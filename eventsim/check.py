"""Checking what users pass: every error names the object, the parameter, the value and what would be right.

Wrong types (bool, str, complex, object arrays, float indices) raise TypeError, wrong values ValueError.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

_RANGES: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "any": ("must be a number, not NaN", lambda v: ~np.isnan(v)),
    "finite": ("must be finite", np.isfinite),
    "nonnegative": ("must be finite and >= 0", lambda v: np.isfinite(v) & (v >= 0)),
    "positive": ("must be finite and > 0", lambda v: np.isfinite(v) & (v > 0)),
    "probability": ("must be between 0 and 1", lambda v: (v >= 0) & (v <= 1)),
}


def number(obj: str, name: str, value: Any, kind: str = "finite") -> float:
    """`value` as a float.

    Parameters
    ----------
    obj, name : what the error message calls the object and its parameter
    kind : "any" (infinities too), "finite", "nonnegative", "positive" or "probability"
    """
    given = _numeric(obj, name, value, "iuf", "a number")
    if given.ndim:
        raise TypeError(f"{obj}: {name} is an array of shape {given.shape}; it must be one number")
    return float(_in_range(obj, name, _doubles(given), kind))


def values(obj: str, name: str, value: Any, kind: str = "finite", n: int | None = None) -> float | np.ndarray:
    """`value` as a float, or as a new array (m,) float64; with `n` given, m is n or 1."""
    given = _numeric(obj, name, value, "iuf", "a number or an array of numbers")
    if given.ndim > 1:
        raise ValueError(f"{obj}: {name} has shape {given.shape}; give one number or a one-dimensional array")
    if given.ndim and n is not None and len(given) not in (1, n):
        raise ValueError(f"{obj}: {name} has {len(given)} values; give one number or {n} values")
    given = _in_range(obj, name, _doubles(given), kind)
    return given if given.ndim else float(given)


def table(obj: str, name: str, value: Any, kind: str = "finite") -> np.ndarray:
    """`value` as a new array (m,) or (m, n) float64."""
    given = _numeric(obj, name, value, "iuf", "an array of numbers")
    if given.ndim not in (1, 2):
        raise ValueError(f"{obj}: {name} has shape {given.shape}; give an array of one or two dimensions")
    return _in_range(obj, name, _doubles(given), kind)


def integers(obj: str, name: str, value: Any, dtype: Any = np.int64) -> np.ndarray:
    """`value` as a new one-dimensional array of nonnegative integers."""
    given = _numeric(obj, name, value, "iu", "an array of integers")
    if given.ndim != 1:
        raise ValueError(f"{obj}: {name} has shape {given.shape}; give a one-dimensional array")
    largest = np.iinfo(dtype).max
    if given.size and (given.min() < 0 or given.max() > largest):
        k = int(np.argmax((given < 0) | (given > largest)))
        raise ValueError(f"{obj}: {name}[{k}] = {given[k]} must be between 0 and {largest}")
    return given.astype(dtype)


def count(obj: str, name: str, value: Any, at_least: int = 0) -> int:
    """`value` as an int >= `at_least`."""
    given = _numeric(obj, name, value, "iu", "an integer")
    if given.ndim:
        raise TypeError(f"{obj}: {name} is an array of shape {given.shape}; it must be one integer")
    if not at_least <= given <= np.iinfo(np.int64).max:
        raise ValueError(f"{obj}: {name} = {value!r} must be >= {at_least} and < 2**63")
    return int(given)


def seed(obj: str, name: str, value: Any) -> int:
    """`value` as an int in [0, 2**64)."""
    given = _numeric(obj, name, value, "iu", "an integer")
    if given.ndim or not 0 <= given <= np.iinfo(np.uint64).max:
        raise ValueError(f"{obj}: {name} = {value!r} must be one integer in [0, 2**64)")
    return int(given)


def flag(obj: str, name: str, value: Any) -> bool:
    """`value` as a bool."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{obj}: {name} = {value!r} must be True or False")
    return bool(value)


def below(obj: str, name: str, ids: np.ndarray, n: int, what: str) -> None:
    """Raise ValueError unless all `ids` are less than `n`, which the message calls `what`."""
    if ids.size and ids.max() >= n:
        k = int(np.argmax(ids >= n))
        raise ValueError(f"{obj}: {name}[{k}] = {ids[k]} must be less than {what}, {n}")


def spikes(obj: str, times: Any, ids: Any, n: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Spike times (m,) float64 >= 0 [ms] and ids (m,) int64, less than `n` if given; one id may stand for all."""
    t = np.atleast_1d(values(obj, "times", times, "nonnegative"))
    i = integers(obj, "ids", np.atleast_1d(ids))
    if len(i) != len(t) and np.ndim(ids):
        raise ValueError(f"{obj}: ids has {len(i)} values for {len(t)} times; give one id for each time, or one for all")
    if n is not None:
        below(obj, "ids", i, n, "the number of sources")
    return t, i if np.ndim(ids) else np.repeat(i, len(t))


def not_before(obj: str, name: str, times: np.ndarray, start: tuple[float, float]) -> None:
    """Raise ValueError if one of `times` lies before `start` = (whole ms, fraction)."""
    epoch = np.floor(times)
    early = (epoch < start[0]) | ((epoch == start[0]) & (times - epoch < start[1]))
    if early.any():
        k = int(np.argmax(early))
        raise ValueError(f"{obj}: {name}[{k}] = {times[k]} ms must not be before {start[0] + start[1]} ms, the present time")


def _numeric(obj: str, name: str, value: Any, kinds: str, what: str) -> np.ndarray:
    """`value` as an array whose dtype is of one of the numpy kinds `kinds`, or empty: an empty list has no type."""
    if np.ma.isMaskedArray(value):
        raise TypeError(f"{obj}: {name} is a masked array; fill or drop the masked entries first")
    try:
        given = np.asarray(value)
    except (ValueError, TypeError, OverflowError) as error:
        raise ValueError(f"{obj}: {name} is not {what}: {error}") from None
    if given.dtype.kind == "O" and isinstance(value, int):
        raise ValueError(f"{obj}: {name} = {value} is too large; it must be {what} of at most 64 bits")
    if given.dtype.kind not in kinds and given.size:
        shown = f" = {value!r}" if given.ndim == 0 else ""
        raise TypeError(f"{obj}: {name}{shown} has type {_type_name(value, given)}; it must be {what}")
    return given


def _doubles(given: np.ndarray) -> np.ndarray:
    """A copy as float64; of what overflows, a long double, `_in_range` tells."""
    if given.dtype == np.float64:
        return given.copy()
    with np.errstate(over="ignore"):
        return given.astype(np.float64)


def _type_name(value: Any, given: np.ndarray) -> str:
    return type(value).__name__ if given.ndim == 0 else f"array of {given.dtype}"


def _in_range(obj: str, name: str, given: np.ndarray, kind: str) -> np.ndarray:
    demand, admissible = _RANGES[kind]
    good = admissible(given)
    if not np.all(good):
        k = np.unravel_index(np.argmin(good), given.shape)
        at = f"[{', '.join(map(str, k))}]" if k else ""
        raise ValueError(f"{obj}: {name}{at} = {float(given[k])} {demand}")
    return given
